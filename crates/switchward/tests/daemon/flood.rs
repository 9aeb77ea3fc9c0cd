//! Ten thousand attackers at once.

use crate::support::{Stage, eventually, traffic, witness};
use simswitch::{Pace, Stamps};
use std::collections::BTreeSet;

#[test]
fn ten_thousand_attackers_at_once_are_all_banned_and_no_event_is_lost() {
    const ATTACKERS: u32 = 10_000;
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let flood = traffic::flood(&switch, traffic::sources(0, ATTACKERS));
    let played = stage.wait(switch.play(&flood, Pace::Max, Stamps::Recorded));
    eventually("every event is read", || {
        daemon.http.get("/security/esl")["eventsProcessed"] == played.delivered
    });
    let esl = daemon.http.get("/security/esl");
    assert!(played.delivered >= 5 * 3 * ATTACKERS as usize, "{played:?}");
    assert_eq!((&esl["eventsDropped"], &esl["connectionErrors"]), (&0.into(), &0.into()), "{esl}");
    let expected: BTreeSet<String> = traffic::sources(0, ATTACKERS).map(|ip| ip.to_string()).collect();
    witness::assert_same(("the attack", &expected), ("what all agree on", &stage.agreed(&daemon)));
    for (name, queue) in daemon.http.get("/security/channels").as_object().unwrap() {
        assert_eq!(queue["dropped"], 0, "{name}");
    }
    let seconds = played.took.as_secs_f64();
    println!("{} events in {seconds:.2} s, {:.0}/s", played.delivered, played.delivered as f64 / seconds);
}
