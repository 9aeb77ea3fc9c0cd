//! The writer's thread: latency, answers, repairs after somebody else's flush, a full set, the protection.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use netfilter::{Backend, Change, Config, Element, Error, Mode, Target, Writer};

use crate::support::*;

const SOON: Duration = Duration::from_secs(10);

/// A ledger: what the writer asks for when it must repair.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<Element>>>);

impl Ledger {
    fn of(elements: &[Element]) -> Self {
        Self(Arc::new(Mutex::new(elements.to_vec())))
    }

    fn spawn(&self, config: Config) -> Writer {
        let list = Arc::clone(&self.0);
        Writer::spawn(config, Box::new(move || list.lock().unwrap().clone())).unwrap().0
    }

    /// A ban as the daemon makes it: first in the ledger, then to the writer.
    fn ban(&self, writer: &Writer, element: Element) {
        self.0.lock().unwrap().push(element);
        writer.submit(Change::Add(element));
    }

    fn lift(&self, writer: &Writer, target: Target) {
        self.0.lock().unwrap().retain(|element| element.target != target);
        writer.submit(Change::Remove(target));
    }
}

fn targets(writer: &Writer) -> Vec<Target> {
    let mut targets: Vec<Target> = writer.snapshot().unwrap().iter().map(|element| element.target).collect();
    targets.sort_unstable();
    targets
}

#[test]
fn what_is_submitted_is_in_the_kernel_when_its_answer_comes() {
    for config in [nftables(), ipset()] {
        alone();
        let writer = Ledger::default().spawn(config);
        let (sender, receiver) = channel();
        let add = Change::Add(all(host("198.51.100.7"), 60));
        writer.submit_with(add, Box::new(move |result| sender.send(result).unwrap()));
        assert_eq!(receiver.recv_timeout(SOON).unwrap(), Ok(()));
        assert_eq!(targets(&writer), [host("198.51.100.7")]);
        writer.submit(Change::Remove(host("198.51.100.7")));
        assert!(writer.flush(SOON));
        assert_eq!(targets(&writer), []);
        let stats = writer.stats();
        assert_eq!(
            (stats.submitted, stats.applied, stats.failed, stats.batches, stats.degraded),
            (2, 2, 0, 2, None)
        );
        assert_eq!(stats.latency.iter().sum::<u64>(), 1);
        assert!(stats.latency_sum_us >= stats.last_latency_us && stats.last_latency_us > 0);
    }
}

#[test]
fn what_is_asked_while_sets_come_into_being_is_answered_right() {
    for config in [nftables(), ipset()] {
        alone();
        let staying: Vec<Target> = many(3000).collect();
        let elements: Vec<Element> = staying.iter().map(|target| all(*target, 1000)).collect();
        let writer = Ledger::of(&elements).spawn(config);
        std::thread::scope(|scope| {
            let (busy, done) = (writer.clone(), channel::<()>());
            scope.spawn(move || {
                // Each of these lengths is a set of its own, which is not there yet. Until the answers are in, they go and come.
                for length in (9..32).cycle() {
                    for prefix in
                        [net(&format!("203.0.113.0/{length}")), net(&format!("2001:db8::/{}", length + 24))]
                    {
                        busy.submit(Change::Add(sip(prefix, 100)));
                        busy.submit(Change::Add(all(prefix, 100)));
                        busy.submit(Change::Remove(prefix));
                    }
                    assert!(busy.flush(SOON));
                    if done.1.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) {
                        return;
                    }
                }
            });
            let _until = done.0;
            for round in 0..8 {
                let health = writer.health().unwrap();
                assert!(health.is_good(), "{health:?}");
                // What was submitted before the question is in the answer.
                let last = host(&format!("198.51.100.{round}"));
                writer.submit(Change::Add(all(last, 1000)));
                let held = targets(&writer);
                assert!(staying.iter().chain([&last]).all(|target| held.binary_search(target).is_ok()));
                assert!(held.windows(2).all(|two| two[0] != two[1]), "each once");
            }
        });
    }
}

#[test]
fn a_hundred_thousand_submitted_at_once_are_all_there() {
    alone();
    let writer = Ledger::default().spawn(nftables());
    for target in many(100_000) {
        writer.submit(Change::Add(all(target, 1000)));
    }
    assert!(writer.flush(Duration::from_secs(60)));
    let stats = writer.stats();
    assert_eq!((stats.applied, stats.failed, stats.queue_depth, stats.elements), (100_000, 0, 0, 100_000));
    assert_eq!((stats.foreign_flushes, stats.rebuilds), (0, 0), "our own changes are not somebody else's");
    assert!(stats.batches >= 100 && stats.queue_high_water > 0);
    assert_eq!(writer.snapshot().unwrap().len(), 100_000);
}

#[test]
fn somebody_elses_change_is_repaired_within_a_second() {
    alone();
    let mut elements: Vec<Element> = many(5000).map(|target| all(target, 1000)).collect();
    elements.extend([for_ever(net("203.0.113.0/24")), sip(host("2001:db8::1"), 1000)]);
    let writer = Ledger::of(&elements).spawn(nftables());
    let whole = targets(&writer);
    let handle = || {
        let listing = sh("nft -a list chain inet switchward prerouting");
        let rule = listing.lines().find(|line| line.contains("@all_v4 ")).unwrap();
        rule.rsplit_once("handle ").unwrap().1.trim().to_string()
    };
    let damages: [&dyn Fn() -> String; 9] = [
        &|| "nft flush ruleset".into(),
        &|| "nft delete table inet switchward".into(),
        &|| "nft flush set inet switchward all_v4".into(),
        &|| "nft delete element inet switchward all_v4_net24 { 203.0.113.0 }".into(),
        &|| format!("nft delete rule inet switchward prerouting handle {}", handle()),
        &|| "nft flush chain inet switchward sip".into(),
        &|| "nft flush set inet switchward sip_ports".into(),
        &|| "nft insert rule inet switchward prerouting accept".into(),
        &|| "nft add element inet switchward all_v4 { 192.0.2.99 }".into(),
    ];
    for (index, damage) in damages.iter().enumerate() {
        let line = damage();
        sh(&line);
        let took = eventually(&line, || {
            writer.stats().foreign_flushes > index as u64
                && writer.health().unwrap().is_good()
                && targets(&writer) == whole
        });
        // It takes milliseconds; how many on a busy machine is for the benchmark to say.
        println!("{line}: repaired after {took:?}");
        let ports = sh("nft list set inet switchward sip_ports");
        assert!(ports.contains("5060-5061"), "{line}: {ports}");
        assert_eq!(writer.stats().degraded, None);
    }
    // What others do to their own tables is not ours to repair.
    let before = writer.stats();
    sh("nft add table inet theirs");
    sh("nft flush table inet theirs");
    sh("nft delete table inet theirs");
    writer.submit(Change::Add(all(host("192.0.2.9"), 100)));
    assert!(writer.flush(SOON));
    assert_eq!(writer.stats().foreign_flushes, before.foreign_flushes);
}

#[test]
fn a_ban_that_meets_a_flushed_table_is_in_the_kernel_all_the_same() {
    alone();
    let ledger = Ledger::default();
    let writer = ledger.spawn(nftables());
    for target in many(50) {
        sh("nft flush ruleset");
        ledger.ban(&writer, all(target, 100));
        assert!(writer.flush(SOON));
    }
    eventually("all are there", || targets(&writer).len() == 50);
    assert!(writer.health().unwrap().is_good());
}

#[test]
fn a_full_set_is_degraded_until_there_is_room() {
    for config in [nftables(), ipset()] {
        alone();
        let ledger = Ledger::default();
        let writer = ledger.spawn(Config { max_elements: 64, ..config });
        let (sender, receiver) = channel();
        for target in many(70) {
            ledger.ban(&writer, all(target, 1000));
        }
        assert!(!writer.flush(SOON), "not everything is in the kernel");
        let last = all(host("203.0.113.1"), 1000);
        writer.submit_with(Change::Add(last), Box::new(move |result| sender.send(result).unwrap()));
        assert!(receiver.recv_timeout(SOON).unwrap().unwrap_err().contains("full at 64"));
        let stats = writer.stats();
        assert!(stats.degraded.unwrap().contains("full at 64"));
        assert!(stats.last_error.is_some() && stats.failed > 0);
        for target in many(20) {
            ledger.lift(&writer, target);
        }
        eventually("all that is left is in the kernel", || writer.stats().degraded.is_none());
        assert_eq!(targets(&writer).len(), 50);
        assert!(writer.stats().retried > 0);
    }
}

#[test]
fn a_protected_source_is_refused_and_counted_and_never_degrades() {
    alone();
    let own = all(host("198.51.100.7"), 100);
    let writer = Ledger::of(&[own]).spawn(nftables());
    assert_eq!(targets(&writer).len(), 1);
    writer.protect(vec!["198.51.100.0/24".parse().unwrap()]);
    let (sender, receiver) = channel();
    writer.submit_with(Change::Add(own), Box::new(move |result| sender.send(result).unwrap()));
    assert!(receiver.recv_timeout(SOON).unwrap().unwrap_err().contains("protected"));
    assert!(writer.flush(SOON));
    assert_eq!(targets(&writer), []);
    let stats = writer.stats();
    assert_eq!((stats.refused, stats.failed, stats.degraded), (1, 0, None));
    // Not even a repair lets it in.
    sh("nft flush ruleset");
    eventually("repaired", || writer.stats().rebuilds == 1);
    assert_eq!(targets(&writer), []);
}

#[test]
fn a_restart_leaves_no_gap_and_a_crash_loses_nothing() {
    let net = Net::new();
    let ledger = Ledger::of(&many(20_000).map(|target| all(target, 1000)).collect::<Vec<_>>());
    ledger.0.lock().unwrap().push(all(host("198.51.100.7"), 1000));
    let mut writer = ledger.spawn(nftables());
    let to = net.listener(9999).local_addr().unwrap();
    let (stop, stopped) = channel::<()>();
    let attacker = net.attacker();
    let flood = std::thread::spawn(move || {
        attacker.run(move || {
            let mut count = 0u64;
            while stopped.try_recv().is_err() {
                send(ip("198.51.100.7"), 5060, to, "attack");
                count += 1;
            }
            count
        })
    });
    for round in 0..8 {
        if round % 2 == 0 {
            drop(writer);
        } else {
            assert!(writer.shutdown(false, SOON));
        }
        // A ledger that has changed in between: some go, some come, the stay of the others has shortened.
        for element in ledger.0.lock().unwrap().iter_mut().take(500 * round) {
            element.timeout = Some(Duration::from_secs(800 - 10 * round as u64));
        }
        writer = ledger.spawn(nftables());
        writer.rebuild();
        assert!(writer.flush(SOON));
    }
    stop.send(()).unwrap();
    assert!(flood.join().unwrap() > 100, "a flood worth its name");
    assert!(!net.passes("198.51.100.7", 5060, 9999));
    let listener = net.listener(9999);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.recv_from(&mut [0; 64]).is_err(), "a banned packet came through");
}

#[test]
fn a_flushed_table_drops_packets_again_soon() {
    let net = Net::new();
    let ledger = Ledger::of(&[all(host("198.51.100.7"), 1000)]);
    let writer = ledger.spawn(nftables());
    assert!(!net.passes("198.51.100.7", 1, 9999));
    sh("nft flush ruleset");
    eventually("dropped again", || !net.passes("198.51.100.7", 1, 9999));
    eventually("counted", || writer.stats().foreign_flushes == 1);
}

#[test]
fn a_dry_run_touches_nothing() {
    alone();
    let writer = Ledger::default().spawn(Config { dry_run: true, mode: Mode::Ipset, ..Config::default() });
    writer.submit(Change::Add(all(host("198.51.100.7"), 100)));
    assert!(writer.flush(SOON));
    assert_eq!(targets(&writer), [host("198.51.100.7")]);
    assert_eq!(writer.health().unwrap().backend, Backend::DryRun);
    assert_eq!((sh("nft list ruleset"), sh("ipset save")), (String::new(), String::new()));
    assert!(writer.shutdown(true, SOON));
}

#[test]
fn shutting_down_with_flush_takes_everything_out_and_without_it_nothing() {
    alone();
    let ledger = Ledger::of(&[all(host("198.51.100.7"), 1000)]);
    assert!(ledger.spawn(nftables()).shutdown(false, SOON));
    assert_eq!(nft_set("all_v4").len(), 1);
    let writer = ledger.spawn(nftables());
    let other = writer.clone();
    assert!(writer.shutdown(true, SOON));
    assert_eq!(sh("nft list ruleset"), "");
    assert_eq!(other.snapshot(), Err(Error::Stopped));
    let (sender, receiver) = channel();
    other.submit_with(
        Change::Remove(host("198.51.100.7")),
        Box::new(move |result| sender.send(result).unwrap()),
    );
    assert!(receiver.recv_timeout(SOON).unwrap().unwrap_err().contains("stopped"));
}

#[test]
fn a_thread_that_panics_leaves_nobody_waiting_and_the_kernel_as_it_was() {
    for config in [nftables(), ipset()] {
        alone();
        // For ever: how long a busy machine takes is no matter then.
        let (ledger, again) = (Ledger::of(&[for_ever(host("198.51.100.7"))]), config.clone());
        let writer = ledger.spawn(config);
        let (go, gone) = channel::<()>();
        let bug = move |_| {
            let _ = gone.recv();
            panic!("as a bug would");
        };
        writer.submit_with(Change::Add(all(host("198.51.100.8"), 1000)), Box::new(bug));
        std::thread::scope(|scope| {
            let before = scope.spawn(|| writer.snapshot());
            eventually("the question waits behind the bug", || writer.stats().queue_depth == 1);
            assert!(!writer.has_ended());
            go.send(()).unwrap();
            assert_eq!(before.join().unwrap(), Err(Error::Stopped));
        });
        eventually("the thread has ended", || writer.has_ended());
        assert_eq!(writer.snapshot(), Err(Error::Stopped));
        assert_eq!(writer.health(), Err(Error::Stopped));
        assert_eq!(writer.counters(), Err(Error::Stopped));
        assert!(!writer.flush(SOON));
        let (sender, receiver) = channel();
        let late = Change::Add(all(host("198.51.100.9"), 1000));
        writer.submit_with(late, Box::new(move |result| sender.send(result).unwrap()));
        assert!(receiver.recv_timeout(SOON).unwrap().unwrap_err().contains("stopped"));
        let stats = writer.stats();
        assert!(stats.degraded.unwrap().contains("panicked") && stats.last_error.is_some());
        assert_eq!((stats.queue_depth, stats.oldest_waits), (0, Duration::ZERO));
        assert!(!writer.shutdown(true, SOON), "nobody takes anything out any more");
        // Who comes next finds what was in force, the last one included, and puts it right.
        let (_, started) = Writer::spawn(again, Box::new(move || ledger.0.lock().unwrap().clone())).unwrap();
        assert_eq!((started.reconciled.kept, started.reconciled.removed), (1, 1));
    }
}

#[test]
fn what_waits_longest_is_told_while_the_thread_is_held_up() {
    alone();
    let writer = Ledger::default().spawn(nftables());
    let (go, gone) = channel::<()>();
    let slow = move |_| {
        let _ = gone.recv();
    };
    writer.submit_with(Change::Add(all(host("198.51.100.7"), 1000)), Box::new(slow));
    eventually("it is in work", || writer.stats().queue_depth == 0);
    writer.submit(Change::Add(all(host("198.51.100.8"), 1000)));
    let start = Instant::now();
    eventually("time passes", || writer.stats().oldest_waits > Duration::from_millis(50));
    assert!(
        writer.stats().oldest_waits >= start.elapsed(),
        "the one in work is older than the one behind it"
    );
    go.send(()).unwrap();
    assert!(writer.flush(SOON));
    eventually("nothing waits", || writer.stats().oldest_waits == Duration::ZERO);
}

#[test]
fn connection_tracking_entries_of_a_banned_source_go() {
    let net = Net::new();
    // Tracking is switched on by a rule that asks for it.
    sh("nft add table inet tracking");
    sh("nft add chain inet tracking input { type filter hook input priority 0 ; }");
    sh("nft add rule inet tracking input ct state new counter");
    let sources = ["198.51.100.7", "198.51.100.8", "2001:db8:a:1::7", "2001:db8:a:2::7"];
    for (from, port) in sources.into_iter().flat_map(|from| [(from, 5060), (from, 9999)]) {
        assert!(net.passes(from, 7000, port));
    }
    let tracked = |from: &str| {
        let family = if from.contains(':') { "ipv6" } else { "ipv4" };
        sh(&format!("conntrack -L -f {family} --orig-src {from}")).lines().count()
    };
    for from in sources {
        assert_eq!(tracked(from), 2);
    }
    let writer = Ledger::default().spawn(nftables());
    writer.submit(Change::Add(all(host("198.51.100.7"), 100)));
    writer.submit(Change::Add(sip(host("2001:db8:a:1::9"), 100)));
    eventually("the entries are gone", || writer.stats().conntrack_removed == 3);
    assert_eq!(sources.map(tracked), [0, 2, 1, 2]);
}

#[test]
fn ten_submitters_and_many_scopes_end_in_the_same_state_as_one() {
    alone();
    let writer = Ledger::default().spawn(nftables());
    std::thread::scope(|scope| {
        for lane in 0..10u32 {
            let writer = writer.clone();
            scope.spawn(move || {
                for target in many(2000).skip(lane as usize * 200).take(200) {
                    writer.submit(Change::Add(sip(target, 100)));
                    writer.submit(Change::Remove(target));
                    writer.submit(Change::Add(all(target, 1000)));
                }
            });
        }
    });
    let start = Instant::now();
    assert!(writer.flush(SOON), "after {:?}", start.elapsed());
    let held = writer.snapshot().unwrap();
    assert_eq!(held.len(), 2000);
    assert!(held.iter().all(|element| element.scope == netfilter::Scope::All));
}

#[test]
fn a_change_during_a_rebuild_is_not_missed() {
    alone();
    let elements: Vec<Element> = many(50_000).map(|target| all(target, 1000)).collect();
    let ledger = Ledger::of(&elements);
    let writer = ledger.spawn(nftables());
    // Each rebuild takes long enough for somebody else's change to fall into some of them.
    for round in 0..5 {
        sh("nft flush ruleset");
        while writer.stats().rebuilds <= round {
            let _ = succeeds("nft delete element inet switchward all_v4 { 198.18.0.7 }");
            let _ = succeeds("nft flush set inet switchward sip_v4");
        }
        eventually("all are there again", || {
            writer.health().unwrap().is_good() && writer.snapshot().unwrap().len() == elements.len()
        });
    }
}

#[test]
fn a_storm_of_somebody_elses_notifications_hides_nothing() {
    alone();
    let elements: Vec<Element> = many(1000).map(|target| all(target, 1000)).collect();
    let writer = Ledger::of(&elements).spawn(nftables());
    // One transaction of theirs with far more notifications than the queue holds, and the harm at its end.
    let mut script = String::from("add table inet theirs\nadd set inet theirs big { type ipv4_addr; }\n");
    for target in many(30_000) {
        script += &format!("add element inet theirs big {{ {target} }}\n");
    }
    script += "flush set inet switchward all_v4\n";
    let file = std::env::temp_dir().join(format!("storm-{}.nft", std::process::id()));
    std::fs::write(&file, script).unwrap();
    sh(&format!("nft -f {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    eventually("all are there again", || writer.snapshot().unwrap().len() == elements.len());
    assert_eq!(writer.stats().foreign_flushes, 1);
    assert!(writer.health().unwrap().is_good());
}

#[test]
fn what_happened_and_what_was_done_is_said_in_the_log() {
    alone();
    let path = std::env::temp_dir().join(format!("netfilter-log-{}", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    // For all threads: the writer has its own. Nobody else sets one in this program.
    tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file)).init();
    let ledger = Ledger::of(&[all(host("198.51.100.7"), 1000)]);
    let writer = ledger.spawn(Config { table: "said".into(), ..nftables() });
    sh("nft delete table inet said");
    let mut log = String::new();
    eventually("it is in the log", || {
        log = std::fs::read_to_string(&path).unwrap();
        log.contains("table inet said is missing")
    });
    std::fs::remove_file(&path).unwrap();
    let line = log.lines().find(|line| line.contains("table inet said")).unwrap();
    for words in ["WARN", "somebody else changed our firewall: repaired", "the table was deleted", "added=1"]
    {
        assert!(line.contains(words), "{words:?} is not in: {line}");
    }
    assert_eq!(targets(&writer).len(), 1);
}
