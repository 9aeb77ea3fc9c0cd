//! kill -9 in the middle of a flood: what was answered stays, and the kernel drops on.

use crate::support::http::Http;
use crate::support::witness::{self, Held};
use crate::support::{DEADLINE, FRIEND, Stage, Wire, comes_true, traffic};
use simswitch::{Pace, SimSwitch, Stamps};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Attackers of a round.
const ATTACKERS: u32 = 400;

#[test]
fn twenty_kills_in_a_flood_lose_no_answered_ban_and_let_no_packet_through() {
    kill_and_start_again(20, "nftables", witness::nft);
}

#[test]
fn six_kills_do_not_either_in_the_classic_mode() {
    kill_and_start_again(6, "ipset", witness::ipset);
}

fn kill_and_start_again(rounds: u32, mode: &str, kernel: fn() -> Held) {
    let stage = Stage::new();
    let wire = Wire::new();
    let switch = Arc::new(stage.switch());
    let mut daemon = stage.start(&format!("firewall.mode = \"{mode}\""));
    assert!(daemon.http.ban("198.51.100.7"));
    let (banned, friend) = (wire.stream("198.51.100.7"), wire.stream(FRIEND));
    let mut answered = BTreeSet::from(["198.51.100.7".to_owned()]);
    for round in 0..rounds {
        daemon.wait_for_switch();
        let flood = Flood::start(&stage, &switch, round);
        let orders = Orders::start(&daemon.http, round);
        // A moment for the kill, a different one each time.
        std::thread::sleep(Duration::from_millis(u64::from(round * 7 % rounds) * 20 + 10));
        daemon.kill();
        flood.end();
        answered.append(&mut orders.end());
        if round % 3 == 1 {
            kill_while_it_starts(&stage, round);
        }
        daemon = stage.start_again();
        let ledger = stage.agreed_with(&daemon, kernel);
        let gone: Vec<_> = answered.difference(&ledger).collect();
        assert!(gone.is_empty(), "round {round}: answered and gone: {gone:?}");
        friend.wait_for_arrival();
    }
    let (sent, arrived) = banned.end();
    assert!(sent > 100 && arrived == 0, "{arrived} of {sent} packets of a banned source got through");
    println!(
        "{} bans were answered, {} are held, {sent} packets were dropped",
        answered.len(),
        daemon.http.bans()
    );
    // Requests are served behind the events; how many come through in these moments is the machine's matter.
    assert!(answered.len() > 1, "the operators were not answered");
    assert!(daemon.http.bans() > answered.len() as u64, "the flood banned nobody");
}

/// Twice dead: killed once more before it is ready.
fn kill_while_it_starts(stage: &Stage, round: u32) {
    let daemon = stage.launch();
    std::thread::sleep(Duration::from_millis(u64::from(round) * 3));
    daemon.kill();
}

/// Attackers that guess as fast as the daemon reads, for as long as it lives.
struct Flood(tokio::task::JoinHandle<()>);

impl Flood {
    fn start(stage: &Stage, switch: &Arc<SimSwitch>, round: u32) -> Flood {
        let (switch, sources) = (switch.clone(), traffic::sources(round * ATTACKERS, ATTACKERS));
        Flood(stage.meanwhile(async move {
            let events = traffic::flood(&switch, sources);
            switch.play(&events, Pace::Max, Stamps::Recorded).await;
        }))
    }

    fn end(self) {
        self.0.abort();
        assert!(comes_true(DEADLINE, || self.0.is_finished()), "the flood does not end");
    }
}

/// Operators that ban one address after the other and remember what was answered.
struct Orders {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<BTreeSet<String>>>,
    operators: Vec<JoinHandle<()>>,
}

impl Orders {
    fn start(http: &Http, round: u32) -> Orders {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(Mutex::new(BTreeSet::new()));
        let operator = |number: u32| {
            let (http, stop, answered) = (http.clone(), stop.clone(), answered.clone());
            // Far from the attackers, and another part for each.
            let targets = traffic::sources(65_536 + (round * 3 + number) * 1000, 1000);
            std::thread::spawn(move || {
                for target in targets.take_while(|_| !stop.load(SeqCst)) {
                    if http.ban(&target.to_string()) {
                        answered.lock().unwrap().insert(target.to_string());
                    }
                }
            })
        };
        let operators = (0..3).map(operator).collect();
        Orders { stop, answered, operators }
    }

    fn end(self) -> BTreeSet<String> {
        self.stop.store(true, SeqCst);
        self.operators.into_iter().for_each(|operator| operator.join().unwrap());
        std::mem::take(&mut self.answered.lock().unwrap())
    }
}

#[test]
fn a_ban_that_the_kernel_had_and_the_disk_had_not_is_gone_from_both() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    daemon.kill();
    crate::support::sh("nft add element inet switchward all_v4 { 198.51.100.99 timeout 1h }");
    let daemon = stage.start_again();
    assert_eq!(stage.agreed(&daemon), BTreeSet::from(["198.51.100.7".into()]));
}

#[test]
fn what_others_flushed_while_we_were_away_is_back_at_the_start() {
    for (mode, kernel, flush) in [
        ("nftables", witness::nft as fn() -> Held, "nft flush ruleset"),
        ("ipset", witness::ipset, "ipset flush freeswitch-security"),
    ] {
        let stage = Stage::new();
        let daemon = stage.start(&format!("firewall.mode = \"{mode}\""));
        assert!(daemon.http.ban("198.51.100.7"));
        daemon.kill();
        crate::support::sh(flush);
        let daemon = stage.start_again();
        assert_eq!(stage.agreed_with(&daemon, kernel), BTreeSet::from(["198.51.100.7".into()]), "{mode}");
    }
}
