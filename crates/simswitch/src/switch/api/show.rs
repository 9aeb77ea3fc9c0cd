//! `show` and `sofia`: what the simulation has in registrations, channels and profiles.

use crate::{
    clock,
    switch::{Shared, gateway},
    world::{Call, Leg, Registration, State},
};
use std::fmt::Write as _;

pub(super) fn show(shared: &Shared, words: &[&str]) -> String {
    let Some(what) = words.first() else {
        return USAGE.into();
    };
    let rows: Vec<Vec<String>> = {
        let world = shared.world();
        match *what {
            "channels" => world.legs().map(|leg| channel(shared, leg)).collect(),
            "calls" => world.calls().map(|call| basic_call(shared, call)).collect(),
            "registrations" => world.registrations().map(|r| registration(shared, r)).collect(),
            _ => return USAGE.into(),
        }
    };
    let columns = match *what {
        "channels" => CHANNELS,
        "calls" => CALLS,
        _ => REGISTRATIONS,
    };
    match words[1..] {
        ["count"] => format!("\n{} total.\n", rows.len()),
        ["count", "as", "json"] => format!("{{\"row_count\":{}}}", rows.len()),
        ["as", "json"] => json(columns, &rows),
        _ => table(columns, &rows),
    }
}

fn table(columns: &str, rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    if !rows.is_empty() {
        let _ = writeln!(out, "{columns}");
    }
    for row in rows {
        let _ = writeln!(out, "{}", row.join(","));
    }
    let _ = write!(out, "\n{} total.\n", rows.len());
    out
}

fn json(columns: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "{\"row_count\": 0}\n".into();
    }
    let row = |row: &Vec<String>| {
        let pairs = columns.split(',').zip(row);
        let pairs: Vec<_> = pairs.map(|(name, value)| format!("\"{name}\":\"{}\"", escape(value))).collect();
        format!("{{{}}}", pairs.join(","))
    };
    let rows_text: Vec<_> = rows.iter().map(row).collect();
    format!("{{\"row_count\":{},\"rows\":[{}]}}", rows.len(), rows_text.join(","))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn channel(shared: &Shared, leg: &Leg) -> Vec<String> {
    let active = leg.state == State::Active;
    let (state, call_state) = match (leg.outbound, active) {
        (false, true) => ("CS_EXECUTE", "ACTIVE"),
        (false, false) => ("CS_EXECUTE", "RINGING"),
        (true, true) => ("CS_EXCHANGE_MEDIA", "ACTIVE"),
        (true, false) => ("CS_CONSUME_MEDIA", "RINGING"),
    };
    let application = if &*leg.dialled == "9196" { "echo" } else { "" };
    let presence = format!("{}@{}", leg.user, shared.identity().domain);
    let ip = leg.peer.ip().to_string();
    let codec = |rate: &str| if active { rate.to_owned() } else { String::new() };
    let row: [&str; 38] = [
        &leg.uuid,
        direction(leg),
        &clock::stamp(leg.created),
        &(leg.created / 1_000_000).to_string(),
        &leg.name,
        state,
        &leg.user,
        &leg.user,
        &ip,
        &leg.dialled,
        application,
        "",
        "XML",
        "default",
        &codec("PCMU"),
        &codec("8000"),
        &codec("64000"),
        &codec("PCMU"),
        &codec("8000"),
        &codec("64000"),
        "",
        &shared.identity().hostname,
        &presence,
        "",
        &leg.user,
        call_state,
        "",
        "",
        "",
        "",
        "",
        "",
        &leg.user,
        &leg.user,
        &ip,
        &leg.dialled,
        "XML",
        "default",
    ];
    row.map(str::to_owned).into()
}

/// The view `basic_calls`: the caller's channel and the other one, if there is one.
fn basic_call(shared: &Shared, call: &Call) -> Vec<String> {
    let mut row = half(shared, &call.caller);
    row.insert(18, shared.identity().hostname.clone());
    row.extend(call.callee.as_ref().map_or_else(|| vec![String::new(); 20], |leg| half(shared, leg)));
    row.push((call.caller.created / 1_000_000).to_string());
    row
}

fn half(shared: &Shared, leg: &Leg) -> Vec<String> {
    let columns = channel(shared, leg);
    let at = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
    at.map(|at| columns[at].clone()).into()
}

fn direction(leg: &Leg) -> &'static str {
    if leg.outbound { "outbound" } else { "inbound" }
}

fn registration(shared: &Shared, registration: &Registration) -> Vec<String> {
    let row: [&str; 10] = [
        &registration.user,
        &shared.identity().domain,
        &registration.call_id,
        &format!("sofia/internal/{}", registration.uri()),
        &registration.expires_at.to_string(),
        &registration.source.ip().to_string(),
        &registration.source.port().to_string(),
        "udp",
        &shared.identity().hostname,
        "",
    ];
    row.map(str::to_owned).into()
}

pub(super) fn sofia(shared: &Shared, words: &[&str]) -> String {
    match words {
        ["status"] => gateway::status(shared),
        ["xmlstatus", "gateway"] => gateway::xml(shared, None),
        ["xmlstatus", "gateway", name, ..] => gateway::xml(shared, Some(*name)),
        ["status", "profile", "internal", "reg", rest @ ..] => {
            let found = matching(shared, rest.first().copied());
            let mut out = format!("\nRegistrations:\n{RULE}\n");
            found.iter().for_each(|r| out.push_str(&reg_text(shared, r)));
            let _ = write!(out, "Total items returned: {}\n{RULE}\n", found.len());
            out
        }
        ["xmlstatus", "profile", "internal", "reg", rest @ ..] => {
            let found = matching(shared, rest.first().copied());
            let mut out = String::from(
                "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile>\n  <registrations>\n",
            );
            found.iter().for_each(|r| out.push_str(&reg_xml(shared, r)));
            out + "  </registrations>\n</profile>\n"
        }
        ["status", "profile", name] => gateway::profile(shared, name),
        ["status" | "xmlstatus", "profile", name, "reg", ..] => {
            format!("Invalid Profile [{name}]")
        }
        [command, ..] => format!("Unknown Command [{command}]\n"),
        [] => String::new(),
    }
}

fn matching(shared: &Shared, user: Option<&str>) -> Vec<Registration> {
    let user = user.map(|user| user.split('@').next().unwrap_or(user));
    let world = shared.world();
    world.registrations().filter(|r| user.is_none_or(|user| *r.user == *user)).cloned().collect()
}

fn reg_text(shared: &Shared, r: &Registration) -> String {
    let identity = shared.identity();
    let (until, left) = until(shared, r);
    format!(
        "Call-ID:    \t{}\nUser:       \t{}@{}\nContact:    \t\"\" <{}>\nAgent:      \t{}\n\
         Status:     \tRegistered(UDP)(unknown) EXP({until}) EXPSECS({left})\nPing-Status:\tReachable\n\
         Ping-Time:\t0.00\nHost:       \t{}\nIP:         \t{}\nPort:       \t{}\nAuth-User:  \t{}\n\
         Auth-Realm: \t{}\nMWI-Account:\t{}@{}\n\n",
        r.call_id,
        r.user,
        identity.domain,
        r.uri(),
        r.agent,
        identity.hostname,
        r.source.ip(),
        r.source.port(),
        r.user,
        identity.domain,
        r.user,
        identity.domain,
    )
}

fn reg_xml(shared: &Shared, r: &Registration) -> String {
    let identity = shared.identity();
    let (until, left) = until(shared, r);
    let account = format!("{}@{}", r.user, identity.domain);
    let elements = [
        ("call-id", r.call_id.to_string()),
        ("user", account.clone()),
        ("contact", format!("&quot;&quot; &lt;{}&gt;", r.uri())),
        ("agent", r.agent.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
        ("status", format!("Registered(UDP)(unknown) exp({until}) expsecs({left})")),
        ("ping-status", "Reachable".into()),
        ("ping-time", "0.00".into()),
        ("host", identity.hostname.clone()),
        ("network-ip", r.source.ip().to_string()),
        ("network-port", r.source.port().to_string()),
        ("sip-auth-user", r.user.to_string()),
        ("sip-auth-realm", identity.domain.clone()),
        ("mwi-account", account),
    ];
    let mut out = String::from("    <registration>\n");
    for (name, value) in elements {
        let _ = writeln!(out, "        <{name}>{value}</{name}>");
    }
    out + "    </registration>\n"
}

/// When a registration runs out, and in how many seconds.
fn until(shared: &Shared, r: &Registration) -> (String, u64) {
    (clock::stamp(r.expires_at * 1_000_000), r.expires_at.saturating_sub(shared.now() / 1_000_000))
}

const REGISTRATIONS: &str =
    "reg_user,realm,token,url,expires,network_ip,network_port,network_proto,hostname,metadata";
const CHANNELS: &str = "uuid,direction,created,created_epoch,name,state,cid_name,cid_num,ip_addr,dest,application,\
    application_data,dialplan,context,read_codec,read_rate,read_bit_rate,write_codec,write_rate,write_bit_rate,secure,\
    hostname,presence_id,presence_data,accountcode,callstate,callee_name,callee_num,callee_direction,call_uuid,\
    sent_callee_name,sent_callee_num,initial_cid_name,initial_cid_num,initial_ip_addr,initial_dest,initial_dialplan,\
    initial_context";
const CALLS: &str = "uuid,direction,created,created_epoch,name,state,cid_name,cid_num,ip_addr,dest,presence_id,\
    presence_data,accountcode,callstate,callee_name,callee_num,callee_direction,call_uuid,hostname,sent_callee_name,\
    sent_callee_num,b_uuid,b_direction,b_created,b_created_epoch,b_name,b_state,b_cid_name,b_cid_num,b_ip_addr,b_dest,\
    b_presence_id,b_presence_data,b_accountcode,b_callstate,b_callee_name,b_callee_num,b_callee_direction,b_call_uuid,\
    b_sent_callee_name,b_sent_callee_num,call_created_epoch";
const RULE: &str =
    "=================================================================================================";
const USAGE: &str = "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like \
    <match string>]|calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|\
    nat_map|say|interfaces|interface_types|tasks|limits|status\n";
