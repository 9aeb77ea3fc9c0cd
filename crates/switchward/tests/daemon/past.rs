//! What is known of sources over weeks, and of earlier bans, across a restart of the real program.

use crate::support::{FRIEND, Stage, eventually, traffic};
use simswitch::Credentials;

#[test]
fn a_restart_remembers_who_was_good_and_who_was_banned_before() {
    let stage = Stage::new();
    let switch = stage.switch();
    let mut daemon = stage.start("security.block_duration = \"1s\"");
    let attacker = "198.51.100.7";
    for round in 1..=2u64 {
        daemon.wait_for_switch();
        let of = |ip: &str| daemon.http.get(&format!("/security/why/{ip}"))["repute"].clone();
        assert_eq!(of(attacker)["earlierBans"], round - 1);
        traffic::send(&switch, &traffic::register(&switch, FRIEND, "1002", Credentials::Fresh));
        traffic::attack(&switch, attacker);
        eventually("the attacker's ban has run out", || of(attacker)["earlierBans"] == round);
        eventually("the success is noted", || of(FRIEND)["goodDays"] == 1);
        assert!(daemon.terminate().success());
        daemon = stage.start_again();
        let of = |ip: &str| daemon.http.get(&format!("/security/why/{ip}"))["repute"].clone();
        assert_eq!(of(attacker)["earlierBans"], round);
        assert_eq!((of(FRIEND)["goodDays"].clone(), of(FRIEND)["userAgents"].clone()), (1.into(), 1.into()));
    }
    // The second lasted twice as long as the first.
    let past = daemon.http.get(&format!("/security/why/{attacker}"))["history"].clone();
    let lasted = |ban: &serde_json::Value| {
        let at = |key: &str| ban[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        at("ended").duration_since(at("since")).as_secs_f64().round() as u64
    };
    let lengths: Vec<u64> = past.as_array().unwrap().iter().map(lasted).collect();
    assert!(lengths.len() == 2 && lengths[0] >= 2, "{past}");
}
