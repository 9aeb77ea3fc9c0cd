//! Alarms raised and over for real causes.

use crate::disk::{fill, small_disk};
use crate::support::{DEADLINE, Daemon, Stage, eventually, sh, traffic};
use simswitch::Event;

const QUICK: &str = "alarms.clear_after = \"1s\"\nalarms.window = \"2s\"\n";

/// The text of an alarm that is on.
fn on(daemon: &Daemon, name: &str) -> Option<String> {
    let alarms = daemon.http.get("/security/alarms");
    let found = alarms["active"].as_array().unwrap().iter().find(|alarm| alarm["name"] == name)?;
    Some(found["text"].as_str().unwrap().to_owned())
}

#[track_caller]
fn raised(daemon: &Daemon, name: &str) -> String {
    eventually(name, || on(daemon, name).is_some());
    on(daemon, name).unwrap()
}

#[track_caller]
fn over(daemon: &Daemon, name: &str) {
    eventually(&format!("{name} is over"), || on(daemon, name).is_none());
    let alarms = daemon.http.get("/security/alarms");
    let was = alarms["over"].as_array().unwrap().iter().find(|alarm| alarm["name"] == name).unwrap();
    assert!(was["until"].is_string(), "{was}");
}

fn metric(daemon: &Daemon, sample: &str) -> f64 {
    let (_, text) = daemon.http.ask("GET", "/metrics", "").unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

#[test]
fn a_switch_that_is_gone_raises_an_alarm_until_it_is_back() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start(&format!("{QUICK}alarms.disconnected_after = \"1s\""));
    daemon.wait_for_switch();
    assert_eq!(on(&daemon, "disconnected"), None);
    stage.wait(switch.stop());
    let text = raised(&daemon, "disconnected");
    assert!(text.contains("nobody listens"), "{text}");
    let active = "switchward_alarm_active{alarm=\"disconnected\",severity=\"critical\"}";
    assert_eq!(metric(&daemon, active), 1.0);
    let status = stage.run(&["status"]).with(0);
    assert!(status.contains("ALARM") && status.contains("critical: disconnected of freeswitch"), "{status}");
    assert_eq!(daemon.http.get("/security/overview")["alarms"][0]["subject"], "freeswitch");

    let switch = stage.switch();
    assert!(stage.wait(switch.wait_for_subscribers(3, DEADLINE)));
    over(&daemon, "disconnected");
    assert_eq!(metric(&daemon, active), 0.0);
    assert!(!stage.run(&["status"]).with(0).contains("ALARM"));
}

#[test]
fn connections_that_do_not_last_raise_an_alarm() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("alarms.clear_after = \"1s\"\nalarms.window = \"5s\"\nalarms.reconnects = 3");
    daemon.wait_for_switch();
    for _ in 0..4 {
        let before = metric(&daemon, "switchward_switch_connections_total{switch=\"freeswitch\"}");
        switch.kill_connections();
        let sample = "switchward_switch_connections_total{switch=\"freeswitch\"}";
        eventually("it connects again", || metric(&daemon, sample) > before);
    }
    let text = raised(&daemon, "reconnects");
    assert!(text.contains("connected "), "{text}");
    over(&daemon, "reconnects");
}

#[test]
fn a_foreign_flush_raises_an_alarm_although_it_is_repaired() {
    let stage = Stage::new();
    let daemon = stage.start(QUICK);
    assert!(daemon.http.ban("198.51.100.7"));
    sh("nft flush ruleset");
    raised(&daemon, "kernel-changed");
    stage.agreed(&daemon);
    over(&daemon, "kernel-changed");
    assert_eq!((on(&daemon, "kernel-differs"), on(&daemon, "enforcement-degraded")), (None, None));
}

#[test]
fn a_full_set_and_a_full_ledger_raise_alarms() {
    let stage = Stage::new();
    let daemon = stage.start(&format!("{QUICK}firewall.max_elements = 4"));
    for host in 1..=6 {
        daemon.http.ban(&format!("198.51.100.{host}"));
    }
    let text = raised(&daemon, "enforcement-degraded");
    assert!(text.contains("full"), "{text}");
    assert!(raised(&daemon, "ledger-nearly-full").contains("6 bans of at most 4"));
    for host in 1..=4 {
        let (status, _) =
            daemon.http.ask("DELETE", &format!("/security/blacklist/198.51.100.{host}"), "").unwrap();
        assert_eq!(status, 200);
    }
    over(&daemon, "enforcement-degraded");
    over(&daemon, "ledger-nearly-full");
}

#[test]
fn a_full_disk_raises_an_alarm() {
    let stage = Stage::new();
    let disk = small_disk(&stage);
    let daemon = stage.start(&format!("{QUICK}store.path = {:?}", disk.join("switchward.db")));
    fill(&disk.join("filler"));
    for host in 1..=250 {
        daemon.http.ban(&format!("198.51.100.{host}"));
        if on(&daemon, "store-failing").is_some() {
            break;
        }
    }
    let text = raised(&daemon, "store-failing");
    assert!(text.contains("full") && text.contains("free some space"), "{text}");
    std::fs::remove_file(disk.join("filler")).unwrap();
    over(&daemon, "store-failing");
}

#[test]
fn events_that_cannot_be_read_or_are_forged_raise_alarms() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start(&format!("{QUICK}alarms.malformed = 3"));
    daemon.wait_for_switch();
    let changed = |from: &str, to: &str| {
        let events = traffic::guess(&switch, "198.51.100.7");
        let texts = events.iter().map(|event| String::from_utf8(event.plain().to_vec()).unwrap());
        texts.map(|text| Event::from_plain(text.replace(from, to).into_bytes()).unwrap()).collect::<Vec<_>>()
    };
    traffic::send(&switch, &changed("198.51.100.7", "unknown"));
    let text = raised(&daemon, "malformed");
    assert!(text.contains("named no address"), "{text}");
    assert_eq!(on(&daemon, "forged-events"), None);
    traffic::send(&switch, &changed("sofia_reg.c", "mod_event_socket.c"));
    raised(&daemon, "forged-events");
    over(&daemon, "malformed");
    over(&daemon, "forged-events");
}

#[test]
fn a_rule_that_counts_and_never_fires_is_told_of_until_it_does() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start(&format!("{QUICK}alarms.rule_never_fired = \"1s\"\nalarms.bans_per_minute = 1"));
    daemon.wait_for_switch();
    let told = || {
        let alarms = daemon.http.get("/security/alarms");
        let active = alarms["active"].as_array().unwrap().clone();
        let never = active.into_iter().filter(|alarm| alarm["name"] == "rule-never-fired");
        never.map(|alarm| alarm["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Four wrong passwords from each of many: one fewer than the rule wants.
    for source in traffic::sources(0, 26) {
        for _ in 0..4 {
            traffic::send(&switch, &traffic::guess(&switch, &source.to_string()));
        }
    }
    eventually("the rule is told of", || told() == ["failed-registrations"]);
    for source in ["198.51.100.7", "198.51.100.8"] {
        traffic::attack(&switch, source);
        daemon.http.wait_for_ban(source);
    }
    eventually("the rule has fired", || told().is_empty());
    assert!(raised(&daemon, "ban-storm").contains("2 bans"));
}
