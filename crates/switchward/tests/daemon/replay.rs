//! Replay judges as the daemon does: by countries and fraud rules, and by what only the switch and the operator knew.

use crate::support::{PASSWORD, Stage, eventually, traffic};
use serde_json::{Value, json};
use simswitch::{Action, Credentials, Gateway, SimSwitch};
use std::time::Duration;

const TRUNK: &str = "198.51.100.7";
const PHONE: &str = "203.0.113.20:5060";
const FRIEND: &str = "198.51.100.20";
const ATTACKER: &str = "198.51.100.8";
/// Only what is told spares anybody.
const RECORDED: &str =
    "record.enabled = true\nrecord.directory = \"recorded\"\nsecurity.auto_whitelist_on_success = false";

fn capture(name: &str) -> String {
    format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"))
}

/// A switch with a trunk and a phone that was there before anybody listened.
fn switch(stage: &Stage) -> SimSwitch {
    let switch = stage.switch();
    switch.set_gateways(vec![Gateway::new("carrier1", &format!("sip:{TRUNK}:5080"))]);
    let client = traffic::client("1002");
    let action = Action::Register { client, credentials: Credentials::Fresh, expires: 3600 };
    stage.act(&switch, &traffic::step(PHONE, action));
    switch
}

/// Whether anything of the recording is on the disk.
fn is_recorded(stage: &Stage) -> bool {
    stage.folder().join("recorded").read_dir().is_ok_and(|mut files| files.next().is_some())
}

/// Bans that a replay of the recording tells, and what it warns of.
fn replayed(stage: &Stage) -> (Vec<String>, String) {
    let ended = stage.run(&["replay", "--config", "switchward.toml", "--json", "recorded"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = ended.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bans = lines.filter(|line| line["action"] == "ban");
    (bans.map(|line| line["target"].as_str().unwrap().to_owned()).collect(), ended.err)
}

#[test]
fn trunks_phones_and_allow_entries_of_the_time_of_the_recording_are_spared_by_a_replay() {
    let stage = Stage::new();
    let switch = switch(&stage);
    let mut daemon = stage.start(RECORDED);
    daemon.wait_for_switch();
    daemon.log.wait_for("learnt who is registered");
    daemon.log.wait_for("learnt which addresses are out of reach");
    daemon.http.post("/security/whitelist", &json!({"ip": FRIEND, "userId": "1001", "permanent": true}));
    for source in [TRUNK, PHONE, FRIEND, ATTACKER] {
        for _ in 0..20 {
            traffic::send(&switch, &traffic::abandoned_call(&switch, source));
        }
    }
    daemon.http.wait_for_ban(ATTACKER);
    assert_eq!(daemon.http.ledger().into_iter().collect::<Vec<_>>(), [ATTACKER]);
    // Whoever is the last to be judged is there with all before him.
    let mut told = Default::default();
    eventually("the recording has the attacker", || {
        told = if is_recorded(&stage) { replayed(&stage) } else { Default::default() };
        told.0.iter().any(|ban| ban == ATTACKER)
    });
    assert_eq!(told, (vec![ATTACKER.to_owned()], String::new()));
    assert!(daemon.terminate().success());
}

#[test]
fn the_command_asks_the_switch_for_its_trunks_and_phones_too() {
    let stage = Stage::new();
    let switch = switch(&stage);
    stage.configure("security.auto_whitelist_on_success = false");
    let arguments = ["record", "recorded", "--config", "switchward.toml"];
    let mut recording = crate::support::Daemon::spawn(stage.command(&arguments));
    recording.log.wait_for("recording freeswitch");
    for source in [TRUNK, PHONE, ATTACKER] {
        for _ in 0..20 {
            traffic::send(&switch, &traffic::abandoned_call(&switch, source));
        }
    }
    eventually("a block is on the disk", || is_recorded(&stage));
    recording.signal("INT");
    assert!(recording.ended().success());
    assert_eq!(replayed(&stage), (vec![ATTACKER.to_owned()], String::new()));
}

#[test]
fn another_list_of_countries_is_a_difference() {
    let stage = Stage::new();
    let countries = format!("{}/../../testdata/geo/country.mmdb", env!("CARGO_MANIFEST_DIR"));
    stage.configure(&format!("geo.country_file = {countries:?}"));
    let base = std::fs::read_to_string(stage.folder().join("switchward.toml")).unwrap();
    stage.file("other.toml", &format!("geo.countries = [\"all: !DE\"]\n{base}"));
    let against = |map: &str| {
        let capture = capture("register_fail.plain");
        let arguments =
            ["replay", "--config", "switchward.toml", "--against", "other.toml", "--map", map, &capture];
        stage.run(&arguments)
    };
    let said = against("127.0.66.0/24=192.0.2.0/24").with(1);
    assert!(
        said.contains("by denied-country") && said.contains("Settings that differ: geo.countries"),
        "{said}"
    );
    // Those are in France.
    let said = against("127.0.66.0/24=198.51.100.0/24").with(0);
    assert!(said.contains("All verdicts are the same"), "{said}");

    stage.configure("geo.country_file = \"none.mmdb\"\nfraud.table_file = \"none.csv\"");
    let said = stage.run(&["replay", "--config", "switchward.toml", &capture("register_fail.plain")]).with(0);
    for key in ["geo.country_file", "fraud.table_file"] {
        assert!(said.contains(&format!("switchward: {key} ")), "{said}");
    }
}

/// A call with the right password that is answered at once and goes on for an hour.
fn call(stage: &Stage, switch: &SimSwitch, number: &str) {
    let (ring, talk) = (Duration::from_millis(10), Some(Duration::from_secs(3600)));
    let client = traffic::client(traffic::VICTIM);
    let action = Action::Call { client, number: number.into(), credentials: Credentials::Fresh, ring, talk };
    stage.act(switch, &traffic::step(ATTACKER, action));
}

#[test]
fn another_limit_of_fraud_is_a_difference_also_of_a_call_that_runs() {
    let stage = Stage::new();
    let (north, south) = (stage.switch_at("127.0.0.1:8021"), stage.switch_at("127.0.0.1:8022"));
    let switches = format!(
        "[[switch]]\nname = \"north\"\nhost = \"127.0.0.1\"\nport = 8021\npassword = \"{PASSWORD}\"\n\
         [[switch]]\nname = \"south\"\nhost = \"127.0.0.1\"\nport = 8022\npassword = \"{PASSWORD}\"\n"
    );
    let mut daemon = stage.start(&format!("{RECORDED}\nfraud.home_country = \"DE\"\n{switches}"));
    let view = || daemon.http.get("/security/overview")["switches"].clone();
    eventually("both are read", || (0..2).all(|number| view()[number]["connected"] == true));
    call(&stage, &north, "00442079460123");
    call(&stage, &north, "00882161234567");
    let base = std::fs::read_to_string(stage.folder().join("switchward.toml")).unwrap();
    stage.file(
        "other.toml",
        &format!(
            "fraud.call_duration = \"1s\"\nfraud.on_duration = [\"hang-up\"]\nfraud.on_premium = [\"alert\", \"block\", \"ban\"]\n\
             fraud.block_command = \"api lua block.lua {{user}} {{domain}}\"\n{base}"
        ),
    );
    let mut said = String::new();
    eventually("the call that runs is seen to end", || {
        // A switch's heartbeat is no restart of the other.
        for switch in [&north, &south] {
            traffic::send(switch, &traffic::heartbeat(switch));
        }
        let arguments = ["replay", "--config", "switchward.toml", "--against", "other.toml", "recorded"];
        let ended = stage.run(&arguments);
        said = ended.out + &ended.err;
        said.contains("hangup")
    });
    let line = |words: &[&str]| said.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["+ ", "hangup 198.51.100.8 by fraud-duration", "+442079460123"]), "{said}");
    assert!(line(&["+ ", "block 198.51.100.8 by fraud-premium", "+882161234567"]), "{said}");
    assert!(line(&["+ ", "ban 198.51.100.8 by fraud-premium", "scope sip"]), "{said}");
    assert!(!line(&["alert", "fraud"]), "both tell of it: {said}");
    assert!(said.contains("fraud.call_duration"), "{said}");
    let alone = stage.run(&["replay", "--config", "switchward.toml", "--json", "recorded"]).with(0);
    let lines: Vec<Value> = alone.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let alert = lines.iter().find(|line| line["rule"] == "fraud").unwrap();
    assert_eq!((&alert["action"], &alert["account"]), (&"alert".into(), &"victim@pbx.example".into()));
    assert!(daemon.terminate().success());
}

#[test]
fn what_a_store_remembers_is_known_to_a_replay_that_is_given_it() {
    let stage = Stage::new();
    let switch = stage.switch();
    let mut daemon = stage.start(&format!("{RECORDED}\nsecurity.block_duration = \"1s\""));
    let length = |more: &[&str]| {
        let arguments = ["replay", "--config", "switchward.toml", "--json", "recorded"];
        let said = stage.run(&[&arguments[..], more].concat()).with(0);
        let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["action"] == "ban").map(|line| line["ttl"].as_u64().unwrap()).sum::<u64>()
    };
    for round in 1..=2 {
        daemon.wait_for_switch();
        traffic::attack(&switch, ATTACKER);
        let why = || daemon.http.get(&format!("/security/why/{ATTACKER}"));
        eventually("the ban has run out", || why()["repute"]["earlierBans"] == round);
        eventually("it is recorded", || is_recorded(&stage) && length(&[]) == 1);
        assert!(daemon.terminate().success());
        if round == 1 {
            std::fs::copy(stage.store(), stage.folder().join("before.db")).unwrap();
            std::fs::remove_dir_all(stage.folder().join("recorded")).unwrap();
            daemon = stage.start_again();
        }
    }
    let before = std::fs::read(stage.folder().join("before.db")).unwrap();
    assert_eq!(
        length(&["--with-past", "before.db"]),
        2,
        "the second ban of this source, as the daemon made it"
    );
    assert_eq!(std::fs::read(stage.folder().join("before.db")).unwrap(), before);
    assert!(!stage.folder().join("before.db-wal").exists());
    let said = stage.run(&["replay", "recorded", "--with-past", "none.db"]).with(64);
    assert!(said.contains("cannot read the store none.db"), "{said}");
}
