//! The commands of `api` and `bgapi`: [`run`].
//!
//! What the simulation knows is answered from its live state; the rest is what a real switch answered. A test or a
//! demo can set the answer to any command with [`SimSwitch::set_api`](crate::SimSwitch::set_api).

use super::Shared;
use esl::Format;
use std::{sync::Arc, time::Duration};

mod directory;
mod show;

/// Runs a command: first its API event, then, perhaps after a set delay, its answer.
pub(super) async fn run(shared: &Arc<Shared>, command: &str) -> String {
    let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
    let argument = argument.trim();
    let caller = ("switch_loadable_module.c", "switch_api_execute", 3140);
    let mut event = shared.identity().compose(shared.now(), &[], "API", caller);
    event.header("API-Command", verb);
    if !argument.is_empty() {
        event.header("API-Command-Argument", argument);
    }
    shared.fanout.send(&event.finish(None));
    let (delay, set) = shared.api_override(command);
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if let ("msleep", Ok(millis)) = (verb, argument.parse()) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let text = set.unwrap_or_else(|| known(shared, &verb.to_ascii_lowercase(), argument, verb));
    if text.is_empty() { "-ERR no reply\n".into() } else { text }
}

fn known(shared: &Shared, verb: &str, argument: &str, as_written: &str) -> String {
    let words: Vec<&str> = argument.split(' ').filter(|word| !word.is_empty()).collect();
    let uptime = shared.uptime();
    match verb {
        "status" => status(shared),
        "version" if argument == "short" => "1.11.2-release\n".into(),
        "version" => "FreeSWITCH Version 1.11.2-release~64bit ( 64bit)\n".into(),
        "uptime" => uptime_in(uptime, argument),
        "hostname" => shared.identity().hostname.clone(),
        "echo" => argument.into(),
        "strepoch" => (shared.now() / 1_000_000).to_string(),
        "show" => show::show(shared, &words),
        "sofia" => show::sofia(shared, &words),
        "sofia_contact" => directory::contact(shared, argument),
        "uuid_kill" => uuid_kill(shared, &words),
        "uuid_dump" => uuid_dump(shared, &words),
        "msleep" if words.is_empty() => "-USAGE: <number of milliseconds>\n".into(),
        // It has slept already.
        "msleep" => "+OK\n".into(),
        "uuid_exists" => flag(shared.world().legs().any(|leg| leg.uuid == argument)),
        "global_getvar" => match argument {
            "domain" => shared.identity().domain.clone(),
            "hostname" | "local_hostname" => shared.identity().hostname.clone(),
            "core_uuid" => shared.identity().core_uuid.clone(),
            _ => String::new(),
        },
        "acl" => acl(&words),
        "module_exists" => flag(MODULES.contains(&argument)),
        "fsctl" if argument == "sps" => {
            format!("+OK sessions per second: {}\n", shared.world().sessions().per_second)
        }
        "domain_exists" => flag(argument == shared.identity().domain),
        "user_exists" => directory::user_exists(shared, &words),
        "user_data" => directory::user_data(shared, &words),
        "find_user_xml" => directory::find_user_xml(shared, &words),
        "in_group" => "false".into(),
        "group_call" => directory::group_call(shared, argument),
        "list_users" => directory::list_users(shared, &words),
        "xml_locate" => directory::xml_locate(shared, &words),
        _ => format!("-ERR {as_written} Command not found!\n"),
    }
}

fn status(shared: &Shared) -> String {
    let (sessions, live) = {
        let world = shared.world();
        (world.sessions(), world.legs().count())
    };
    format!(
        "UP {}\nFreeSWITCH (Version 1.11.2-release  64bit) is ready\n{} session(s) since startup\n\
         {live} session(s) - peak {}, last 5min {} \n{} session(s) per Sec out of max {}, peak {}, last 5min {} \n\
         1000 session(s) max\nmin idle cpu 0.00/99.00\nCurrent Stack Size/Max 240K/240K\n",
        crate::clock::uptime(u64::try_from(shared.uptime().as_micros()).unwrap_or(u64::MAX)),
        sessions.total,
        sessions.peak,
        sessions.peak,
        0,
        sessions.per_second,
        sessions.per_second_peak,
        sessions.per_second_peak,
    )
}

fn uptime_in(uptime: Duration, unit: &str) -> String {
    let count = match unit {
        "ms" => uptime.as_millis(),
        "us" => uptime.as_micros(),
        "m" => u128::from(uptime.as_secs() / 60),
        "h" => u128::from(uptime.as_secs() / 3600),
        "d" => u128::from(uptime.as_secs() / 86_400),
        _ => u128::from(uptime.as_secs()),
    };
    format!("{count}\n")
}

fn uuid_kill(shared: &Shared, words: &[&str]) -> String {
    match words {
        [] => "-USAGE: <uuid> [cause]\n".into(),
        [uuid, rest @ ..] => {
            let cause = rest.first().copied().unwrap_or("NORMAL_CLEARING");
            let hung_up = shared.hang_up(uuid, cause);
            if hung_up { "+OK\n".into() } else { "-ERR No such channel!\n".into() }
        }
    }
}

fn uuid_dump(shared: &Shared, words: &[&str]) -> String {
    let Some(uuid) = words.first() else { return "-USAGE: <uuid> [format]\n".into() };
    let now = shared.now();
    let Some(event) = shared.world().dump(now, uuid) else { return "-ERR No such channel!\n".into() };
    let format = match words.get(1) {
        Some(word) if word.eq_ignore_ascii_case("json") => Format::Json,
        Some(word) if word.eq_ignore_ascii_case("xml") => Format::Xml,
        _ => return String::from_utf8_lossy(event.plain()).into_owned(),
    };
    let frame = event.frame(format);
    let head = frame.windows(2).position(|two| two == b"\n\n").map_or(0, |at| at + 2);
    String::from_utf8_lossy(&frame[head..]).into_owned()
}

/// Only the built-in lists of FreeSWITCH that name the loopback.
fn acl(words: &[&str]) -> String {
    let loopback = words.first().and_then(|address| address.parse::<std::net::IpAddr>().ok());
    flag(loopback.is_some_and(|address| address.is_loopback()))
}

fn flag(is: bool) -> String {
    if is { "true".into() } else { "false".into() }
}

const MODULES: [&str; 8] = [
    "mod_sofia",
    "mod_event_socket",
    "mod_commands",
    "mod_dptools",
    "mod_dialplan_xml",
    "mod_console",
    "mod_logfile",
    "mod_sndfile",
];
