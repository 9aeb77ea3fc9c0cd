//! Ten thousand attackers at once.

use crate::support::{Stage, eventually, traffic, witness};
use serde_json::{Value, json};
use simswitch::{Pace, Stamps};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn ten_thousand_attackers_at_once_are_all_banned_and_no_event_is_lost() {
    const ATTACKERS: u32 = 10_000;
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let flood = traffic::flood(&switch, traffic::sources(0, ATTACKERS));
    let played = stage.wait(switch.play(&flood, Pace::Max, Stamps::Recorded));
    // The broker's own connection for events takes the signs of life, too.
    let twice = flood.iter().filter(|event| event.view().name() == b"HEARTBEAT").count();
    eventually("every event is read", || {
        daemon.http.get("/security/esl")["eventsProcessed"] == played.delivered - twice
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

#[test]
fn ten_thousand_orders_at_once_while_events_flow_are_all_carried_out() {
    const ORDERS: u32 = 10_000;
    let stage = Stage::new();
    let switch = Arc::new(stage.switch());
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let flooding = switch.clone();
    let flood = stage.meanwhile(async move {
        let events = traffic::flood(&flooding, traffic::sources(0, 1000));
        flooding.play(&events, Pace::Max, Stamps::Recorded).await;
    });
    let operators: Vec<_> = (0..10)
        .map(|number| {
            let http = daemon.http.clone();
            std::thread::spawn(move || {
                let targets = traffic::sources(65_536 + number * 1000, 1000);
                let orders: Vec<Value> = targets.map(|ip| json!({"ip": ip.to_string()})).collect();
                http.post("/security/blacklist/batch", &Value::Array(orders))
            })
        })
        .collect();
    for operator in operators {
        let answer = operator.join().unwrap();
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == "success"), "{answer}");
        assert_eq!((results.len(), answer.get("warnings")), (1000, None));
    }
    // Answered: in the kernel and on the disk, whatever the flood still does.
    let expected: BTreeSet<String> = traffic::sources(65_536, ORDERS).map(|ip| ip.to_string()).collect();
    assert!(witness::targets(&witness::nft()).is_superset(&expected), "answered and not in the kernel");
    assert!(witness::store(&stage.store()).is_superset(&expected), "answered and not on the disk");
    stage.wait(flood).unwrap();
    eventually("the flood is banned as well", || daemon.http.bans() == u64::from(ORDERS) + 1000);
    stage.agreed(&daemon);
}
