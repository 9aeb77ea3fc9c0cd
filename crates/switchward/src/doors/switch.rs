//! The event socket of each switch: whoever opens it can run any command there, so that it had better be open to us alone.
//!
//! Start with [`doors`]. The switch itself is asked for its `event_socket.conf` over the connection that we have; of a switch on this machine
//! the table of sockets says where it really listens. The password that stands in the answer is compared and forgotten.

use super::sockets::listeners;
use super::{Door, ELSEWHERE, HERE, note, warning};
use crate::app::App;
use crate::clock;
use crate::config::{self, FACTORY_PASSWORD};
use crate::switch::Switch;
use guard::source::fold;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the switches said, by their number, and when they were asked.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Option<Kept>>);

/// The answers of all switches; none of one that did not answer.
#[derive(Clone, Debug)]
struct Kept {
    at: Instant,
    said: Arc<Vec<Option<Said>>>,
}

/// What a switch's `event_socket.conf` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Said {
    listen_ip: Option<String>,
    acl: Vec<String>,
    nat_map: bool,
    has_factory_password: bool,
}

/// Those of all switches.
pub(super) async fn doors(app: &Arc<App>) -> Vec<Door> {
    let said = said(app).await;
    let app = app.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let config = app.config.load();
        let both = app.switches.iter().zip(&config.switches).enumerate();
        both.map(|(at, (switch, config))| {
            door(switch, config, said.get(at).and_then(Option::as_ref), is_here(&app, &switch.host))
        })
        .collect()
    });
    looked.await.unwrap_or_default()
}

/// Asks all of them at once, unless that was done a moment ago; whoever comes meanwhile waits for the same answer.
async fn said(app: &Arc<App>) -> Arc<Vec<Option<Said>>> {
    let mut kept = app.monitor.listening.asked.0.lock().await;
    if let Some(Kept { said, .. }) = kept.as_ref().filter(|kept| kept.at.elapsed() < GOOD_FOR) {
        return said.clone();
    }
    let mut asking = JoinSet::new();
    for (at, switch) in app.switches.iter().cloned().enumerate() {
        asking.spawn(async move {
            let answer = switch.commands.api(QUESTION, LONGEST).await.ok();
            (at, answer.and_then(|answer| Said::of(&String::from_utf8_lossy(&answer))))
        });
    }
    let mut all = vec![None; app.switches.len()];
    while let Some(done) = asking.join_next().await {
        if let Ok((at, said)) = done
            && let Some(place) = all.get_mut(at)
        {
            *place = said;
        }
    }
    let said = Arc::new(all);
    *kept = Some(Kept { at: Instant::now(), said: said.clone() });
    said
}

impl Said {
    fn of(answer: &str) -> Option<Said> {
        if answer.len() > LARGEST {
            return None;
        }
        let document = roxmltree::Document::parse(answer.trim()).ok()?;
        let root = document.root_element();
        if root.attribute("name") != Some("event_socket.conf") {
            return None;
        }
        let mut said = Said::default();
        for param in root.descendants().filter(|node| node.has_tag_name("param")) {
            let (Some(name), Some(value)) = (param.attribute("name"), param.attribute("value")) else {
                continue;
            };
            match name {
                "listen-ip" => said.listen_ip = Some(value.to_owned()),
                "apply-inbound-acl" if said.acl.len() < MOST_LISTS => said.acl.push(value.to_owned()),
                "nat-map" => said.nat_map = matches!(value, "true" | "yes" | "on" | "1" | "enabled"),
                "password" => said.has_factory_password = value == FACTORY_PASSWORD,
                _ => {}
            }
        }
        Some(said)
    }
}

fn door(switch: &Switch, config: &config::Switch, said: Option<&Said>, is_here: bool) -> Door {
    let state = switch.state();
    let place = |ip: &str| {
        if ip.contains(':') { format!("[{ip}]:{}", switch.port) } else { format!("{ip}:{}", switch.port) }
    };
    let mut door = Door {
        kind: "event socket".into(),
        of: switch.name.clone(),
        listens: vec![place(&switch.host)],
        since: switch.is_connected().then(|| clock::rfc3339(Some(state.since))),
        since_means: "we are connected; the switch does not say since when it listens".into(),
        reach: "unknown".into(),
        transport: "plain".into(),
        credentials: "one password, which may do everything; or a user's of the switch's directory".into(),
        acl: match said {
            None => "unknown: the switch did not tell".into(),
            Some(said) if said.acl.is_empty() => "none in event_socket.conf".into(),
            Some(said) => said.acl.join(", "),
        },
        findings: Vec::new(),
    };
    if !switch.is_connected() {
        let trouble = state.trouble.unwrap_or_else(|| "nobody has connected yet".into());
        door.findings.push(note(
            format!("there is no connection, so that less is known: {trouble}"),
            "see `switchward status`",
        ));
    }
    let found = if is_here { listeners(switch.port).filter(|found| !found.is_empty()) } else { None };
    if let Some(found) = &found {
        door.listens = found.iter().map(|ip| place(&ip.to_string())).collect();
    }
    let listens_at = || said.and_then(|said| said.listen_ip.clone());
    let far: Option<bool> = match &found {
        Some(found) => Some(found.iter().any(|ip| !fold(*ip).is_loopback())),
        None if !is_here => Some(true),
        None => listens_at().and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| !fold(ip).is_loopback()),
    };
    match far {
        Some(true) => ELSEWHERE,
        Some(false) => HERE,
        None => "unknown",
    }
    .clone_into(&mut door.reach);
    weaknesses(&mut door, switch, config, said, is_here, far);
    door
}

fn weaknesses(
    door: &mut Door,
    switch: &Switch,
    config: &config::Switch,
    said: Option<&Said>,
    is_here: bool,
    far: Option<bool>,
) {
    let findings = &mut door.findings;
    if config.password.expose() == FACTORY_PASSWORD || said.is_some_and(|said| said.has_factory_password) {
        findings.push(warning(
            "its password is the one that FreeSWITCH ships with, which everybody knows",
            "set a password of your own in event_socket.conf.xml and here, then `reload mod_event_socket` on the switch",
        ));
    } else if config.password.expose().len() < SHORT {
        findings.push(warning(
            format!("its password is shorter than {SHORT} characters; the switch does not slow down who tries many"),
            "set a long random one in event_socket.conf.xml and here, then `reload mod_event_socket` on the switch",
        ));
    }
    match (is_here, far) {
        (true, Some(true)) => findings.push(warning(
            format!("it can be reached from elsewhere (it listens on {}), past the broker, by whoever learns the password", door.listens.join(", ")),
            "set listen-ip to 127.0.0.1 in event_socket.conf.xml, then `reload mod_event_socket` on the switch",
        )),
        (true, None) => findings.push(note(
            "nothing listens on its port in this network namespace, so that its reach is not known",
            "run `switchward doors` where the switch runs",
        )),
        (false, _) => findings.push(warning(
            format!("the password, commands and events go to {} without TLS", switch.host),
            "run Switchward on the switch's machine, or put the connection into a tunnel",
        )),
        (true, Some(false)) => {}
    }
    if let Some(said) = said.filter(|_| far != Some(false)) {
        let mend = "set apply-inbound-acl in event_socket.conf.xml to a list with our address alone";
        if said.acl.is_empty() {
            let what = "no list of addresses is set; what FreeSWITCH does then depends on its release";
            findings.push(warning(what, mend));
        } else if said.acl.iter().any(|list| OPEN_LISTS.contains(&list.as_str())) {
            let what = format!("its list of addresses lets many in: {}", said.acl.join(", "));
            findings.push(warning(what, mend));
        }
    }
    if said.is_some_and(|said| said.nat_map) {
        findings.push(warning(
            "nat-map is on: the switch asks the router to open the port to the internet",
            "set nat-map to false in event_socket.conf.xml, then `reload mod_event_socket` on the switch",
        ));
    }
}

/// Whether a host is this machine.
fn is_here(app: &App, host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => fold(ip).is_loopback() || app.own.all().iter().any(|own| own.addr() == fold(ip)),
        Err(_) => {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case(name.trim())
        }
    }
}

/// A read that changes nothing.
const QUESTION: &str = "xml_locate configuration configuration name event_socket.conf";
/// The longest that a switch may take for it.
const LONGEST: Duration = Duration::from_secs(2);
/// How long its answer is good.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const LARGEST: usize = 1 << 20;
/// Lists of addresses that are told.
const MOST_LISTS: usize = 16;
/// A password with fewer characters can be guessed.
const SHORT: usize = 12;
/// FreeSWITCH's own lists of everybody, and of everybody with a private address.
const OPEN_LISTS: [&str; 5] = ["any_v4.auto", "any_v6.auto", "rfc1918.auto", "nat.auto", "wan.auto"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switchs_configuration_is_read_and_its_password_is_not_kept() {
        let said = Said::of(
            "<configuration name=\"event_socket.conf\"><settings><param name=\"listen-ip\" value=\"::\"/>\
             <param name=\"password\" value=\"hunter2hunter2\"/><param name=\"nat-map\" value=\"true\"/>\
             <param name=\"apply-inbound-acl\" value=\"lan\"/></settings></configuration>\n",
        )
        .unwrap();
        assert_eq!((said.listen_ip.as_deref(), said.nat_map), (Some("::"), true));
        assert_eq!((said.acl.clone(), said.has_factory_password), (vec!["lan".to_owned()], false));
        assert!(!format!("{said:?}").contains("hunter2"));
        for other in
            ["", "-ERR command not found", "can't find anything\n", "<configuration name=\"x\"/>", "<a"]
        {
            assert_eq!(Said::of(other), None, "{other}");
        }
    }
}
