//! Answers in, addresses and the time of the next look out.

use super::super::lookup::Found;
use super::*;

fn found(ttl: u64, addresses: &[&str]) -> Family {
    Family::Found(Found {
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        ttl: Duration::from_secs(ttl),
        left_out: Vec::new(),
    })
}

const NONE: Family = Family::None { no_name: false };
const NO_NAME: Family = Family::None { no_name: true };

fn failed() -> Family {
    Family::Failed("SERVFAIL".into())
}

/// An entry whose clocks go as far as they are told.
struct Told {
    entry: Entry,
    begin: Instant,
    passed: Duration,
}

impl Told {
    fn new() -> Told {
        let begin = Instant::now();
        Told { entry: Entry::new(Time::from_secs(1000), begin), begin, passed: Duration::ZERO }
    }

    /// What the answer did, and after how many seconds the next look is.
    fn hear(&mut self, v4: Family, v6: Family) -> (Heard, u64) {
        let (now, at) = (Time::from_secs(1000) + self.passed, self.begin + self.passed);
        let heard = self.entry.hear(Answer { v4, v6 }, now, at, &Pace::default());
        (heard, (self.entry.next - at).as_secs())
    }

    fn later(&mut self, secs: u64) -> &mut Told {
        self.passed += Duration::from_secs(secs);
        self
    }

    fn addresses(&self) -> Vec<String> {
        self.entry.addresses.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn the_next_look_is_when_the_time_to_live_is_over_within_bounds() {
    for (ttl, wait) in
        [(0, 30), (29, 30), (31, 31), (3600, 3600), (86_401, 86_400), (u64::from(u32::MAX), 86_400)]
    {
        let mut told = Told::new();
        assert_eq!(told.hear(found(ttl, &["192.0.2.1"]), NONE), (Heard::Changed, wait));
    }
    let mut told = Told::new();
    let (v4, v6) = (found(300, &["192.0.2.1"]), found(60, &["2001:db8::1"]));
    assert_eq!(told.hear(v4, v6), (Heard::Changed, 60));
    assert_eq!(told.addresses(), ["192.0.2.1", "2001:db8::1"]);
}

#[test]
fn an_answer_replaces_what_the_name_meant() {
    let mut told = Told::new();
    told.hear(found(60, &["192.0.2.1", "192.0.2.2"]), found(60, &["2001:db8::1"]));
    assert_eq!(told.hear(found(60, &["192.0.2.2"]), NONE).0, Heard::Changed);
    assert_eq!(told.addresses(), ["192.0.2.2"]);
    assert_eq!(told.hear(found(60, &["192.0.2.2"]), NONE).0, Heard::Same);
}

#[test]
fn failures_keep_the_addresses_for_a_day_and_are_tried_with_growing_pauses() {
    let mut told = Told::new();
    told.hear(found(3600, &["192.0.2.1"]), NONE);
    told.later(3600);
    let waits: Vec<u64> = (0..6).map(|_| told.hear(failed(), failed()).1).collect();
    assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
    assert_eq!(told.later(24 * 3600 - 1).hear(failed(), failed()).0, Heard::Same);
    assert_eq!(told.addresses(), ["192.0.2.1"]);
    assert_eq!(told.entry.error.as_deref(), Some("SERVFAIL"));
    assert_eq!(told.later(1).hear(failed(), failed()).0, Heard::Dropped);
    assert!(told.addresses().is_empty());
    assert_eq!(told.later(60).hear(found(60, &["192.0.2.1"]), NONE), (Heard::Changed, 60));
    assert_eq!((told.entry.failures, &told.entry.failing_since, &told.entry.error), (0, &None, &None));
}

#[test]
fn a_failure_of_one_family_keeps_that_family_alone() {
    let mut told = Told::new();
    told.hear(found(60, &["192.0.2.1"]), found(60, &["2001:db8::1"]));
    told.hear(found(60, &["192.0.2.2"]), failed());
    assert_eq!(told.addresses(), ["192.0.2.2", "2001:db8::1"]);
    // Whether the name is gone is not known while the other has not said so.
    told.hear(NO_NAME, failed());
    assert_eq!(told.addresses(), ["192.0.2.2", "2001:db8::1"]);
    told.later(24 * 3600).hear(found(60, &["192.0.2.2"]), failed());
    assert_eq!(told.addresses(), ["192.0.2.2"]);
}

#[test]
fn a_name_that_is_gone_is_believed_after_several_answers() {
    for none in [NONE, NO_NAME] {
        let mut told = Told::new();
        told.hear(found(60, &["192.0.2.1"]), NONE);
        for _ in 0..4 {
            assert_eq!(told.hear(none.clone(), none.clone()).0, Heard::Same);
        }
        // A failure confirms nothing and takes nothing back.
        assert_eq!(told.hear(failed(), failed()).0, Heard::Same);
        assert_eq!(told.hear(none.clone(), none.clone()).0, Heard::Dropped);
        assert!(told.addresses().is_empty());
    }
    let mut told = Told::new();
    for _ in 0..20 {
        told.hear(found(60, &["192.0.2.1"]), NONE);
        assert_eq!(told.hear(NO_NAME, NO_NAME).0, Heard::Same);
    }
}

#[test]
fn a_clock_that_jumps_a_day_between_two_failures_ends_nothing() {
    let mut told = Told::new();
    told.hear(found(60, &["192.0.2.1"]), NONE);
    told.hear(failed(), failed());
    assert_eq!(told.later(3 * 86_400).hear(failed(), failed()).0, Heard::Same);
}
