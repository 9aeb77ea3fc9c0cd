//! The ledger behaviour by behaviour, and a model that is rebuilt from what the journal tells.

use super::*;
use crate::ban::{Reason, Scope};
use parking_lot::Mutex;
use std::collections::BTreeMap as Map;

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn ban(text: &str, since: u64, secs: Option<u64>) -> Ban {
    Ban {
        target: target(text),
        scope: Scope::All,
        since: at(since),
        until: secs.map(|secs| at(since + secs)),
        origin: Origin::Guard,
        reason: Reason::operator("test", at(since)),
        note: String::new(),
    }
}

fn entry(text: &str, since: u64, secs: Option<u64>, origin: Origin) -> Allowed {
    Allowed {
        target: target(text),
        added: at(since),
        until: secs.map(|secs| at(since + secs)),
        last_seen: at(since),
        user: String::new(),
        domain: String::new(),
        origin,
    }
}

fn operator() -> Origin {
    Origin::Operator("test".into())
}

fn ledger() -> (Ledger, Arc<Mutex<Vec<Change>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let journal = Box::new(move |change: &Change| heard.lock().push(change.clone()));
    (Ledger::new(1000, RandomState::with_seeds(1, 2, 3, 4), journal), told)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_ban_covers_its_host_its_port_or_its_network() {
    let (ledger, _) = ledger();
    for text in ["192.0.2.1", "192.0.2.2:5062", "198.51.100.0/24", "2001:db8:0:1::5", "2001:db8:7::/48"] {
        ledger.ban(ban(text, 100, Some(60)), at(100));
    }
    assert_eq!(ledger.census(), [[0; 3], [2, 1, 2]]);
    assert_eq!((ledger.ending_by(at(159)), ledger.ending_by(at(160))), (0, 5));
    let covered = |address: &str, port| ledger.banned(ip(address), port, at(120)).is_some();
    assert!(covered("192.0.2.1", 0) && covered("192.0.2.1", 9));
    assert!(covered("::ffff:192.0.2.1", 0));
    assert!(covered("192.0.2.2", 5062) && !covered("192.0.2.2", 5060) && !covered("192.0.2.2", 0));
    assert!(covered("198.51.100.77", 0) && !covered("198.51.101.1", 0));
    assert!(covered("2001:db8:0:1:ffff::1", 0) && !covered("2001:db8:0:2::1", 0));
    assert!(covered("2001:db8:7:9::1", 0));
    assert!(ledger.banned(ip("192.0.2.1"), 0, at(160)).is_none(), "run out");
}

#[test]
fn a_weaker_ban_of_the_guard_changes_nothing_and_a_stronger_one_grows() {
    let (ledger, told) = ledger();
    let short = Ban { scope: Scope::Sip, ..ban("192.0.2.1", 100, Some(600)) };
    assert!(matches!(ledger.ban(short.clone(), at(100)), Entered::Made(_)));
    assert!(matches!(ledger.ban(ban("192.0.2.1", 110, Some(60)), at(110)), Entered::Made(_)), "wider");
    let standing = ledger.banned(ip("192.0.2.1"), 0, at(110)).unwrap();
    assert_eq!((standing.scope, standing.until), (Scope::All, Some(at(700))), "and not shorter");
    assert!(matches!(ledger.ban(short, at(120)), Entered::Stands(_)));
    assert_eq!(told.lock().len(), 2);
}

#[test]
fn what_runs_out_is_told_once() {
    let (ledger, told) = ledger();
    ledger.ban(ban("192.0.2.1", 100, Some(60)), at(100));
    ledger.ban(ban("192.0.2.2", 100, None), at(100));
    ledger.allow(entry("192.0.2.9", 100, Some(10), operator()));
    told.lock().clear();
    assert!(ledger.expire(at(109)).is_empty());
    assert_eq!(ledger.expire(at(160)).len(), 1);
    assert!(ledger.expire(at(1_000_000)).is_empty());
    let told = told.lock();
    assert!(matches!(&told[..], [Change::Disallowed(_, None), Change::Expired(_)]), "{told:?}");
}

#[test]
fn an_operators_allow_entry_lifts_bans_and_a_success_does_not() {
    let (ledger, _) = ledger();
    ledger.ban(ban("192.0.2.1", 100, Some(600)), at(100));
    assert!(ledger.succeeded(ip("192.0.2.1"), b"1000", b"d", Duration::from_secs(60), at(101)).is_none());
    assert!(ledger.banned(ip("192.0.2.1"), 0, at(101)).is_some());
    assert_eq!(ledger.allowed(ip("192.0.2.1"), at(101)), None);
    ledger.ban(ban("192.0.2.1:5061", 100, Some(600)), at(100));
    let lifted = ledger.allow(entry("192.0.2.0/24", 102, None, operator()));
    assert_eq!(lifted.len(), 2);
    assert!(ledger.banned(ip("192.0.2.1"), 5061, at(103)).is_none());
    assert_eq!(ledger.allowed(ip("192.0.2.1"), at(103)), Some(AllowedBy::Operator));
}

#[test]
fn a_success_refreshes_and_the_journal_hears_of_it_now_and_then() {
    let (ledger, told) = ledger();
    let ttl = Duration::from_secs(2400);
    assert!(ledger.succeeded(ip("192.0.2.1"), b"1000", b"d", ttl, at(1000)).is_some());
    for second in 1001..1300 {
        assert!(ledger.succeeded(ip("192.0.2.1"), b"1000", b"d", ttl, at(second)).is_none());
    }
    let refreshed = told.lock().iter().filter(|change| matches!(change, Change::Refreshed(_))).count();
    assert_eq!(refreshed, 2, "every hundred seconds, a twenty-fourth of the time");
    ledger.expire(at(3401));
    assert!(ledger.allowed(ip("192.0.2.1"), at(3401)).is_some(), "the old end was passed over");
    ledger.expire(at(3700));
    assert_eq!(ledger.allowed(ip("192.0.2.1"), at(3700)), None);
    assert_eq!(ledger.sizes(), (0, 0));
}

#[test]
fn an_entry_for_good_survives_the_end_of_the_one_it_replaced() {
    let (ledger, _) = ledger();
    ledger.succeeded(ip("192.0.2.1"), b"", b"", Duration::from_secs(60), at(100));
    ledger.succeeded(ip("192.0.2.1"), b"", b"", Duration::from_secs(60), at(150));
    ledger.expire(at(161));
    ledger.allow(entry("192.0.2.1", 170, None, operator()));
    ledger.expire(at(9999));
    assert_eq!(ledger.allowed(ip("192.0.2.1"), at(9999)), Some(AllowedBy::Operator));
}

#[test]
fn a_full_ledger_refuses_the_guard_and_not_the_operator() {
    let (ledger, _) = ledger();
    for n in 0..1000u32 {
        let text = std::net::Ipv4Addr::from(0xc633_6400 + n).to_string();
        assert!(matches!(ledger.ban(ban(&text, 100, Some(60)), at(100)), Entered::Made(_)));
    }
    assert_eq!(ledger.ban(ban("192.0.2.1", 100, Some(60)), at(100)), Entered::Full);
    let by_hand = Ban { origin: operator(), ..ban("192.0.2.1", 100, Some(60)) };
    assert!(matches!(ledger.ban(by_hand, at(100)), Entered::Made(_)));
}

#[test]
fn patterns_are_kept_once_and_told() {
    let (ledger, told) = ledger();
    let evil = DomainPattern::new("*.Evil.example").unwrap();
    assert!(ledger.add_pattern(evil.clone()));
    assert!(!ledger.add_pattern(evil.clone()));
    assert!(ledger.matching_pattern(b"a.evil.EXAMPLE").is_some());
    assert!(ledger.remove_pattern(&evil));
    assert!(!ledger.remove_pattern(&evil));
    assert_eq!(told.lock().len(), 2);
}

#[test]
fn the_journal_tells_enough_to_rebuild_the_ledger() {
    use proptest::prelude::*;
    let targets = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.2:5060",
        "192.0.2.0/24",
        "192.0.2.0/25",
        "2001:db8::1",
        "2001:db8::/32",
    ];
    proptest!(|(steps in prop::collection::vec((0u8..7, 0usize..7, 1u64..200, 0u64..40), 1..80))| {
        let (ledger, told) = ledger();
        let mut now = 1000;
        for (what, which, secs, pause) in steps {
            now += pause;
            let text = targets[which];
            match what {
                0 | 1 => _ = ledger.ban(ban(text, now, Some(secs)), at(now)),
                2 => _ = ledger.ban(Ban { origin: operator(), ..ban(text, now, None) }, at(now)),
                3 => _ = ledger.lift(target(text), operator(), at(now)),
                4 if !text.contains(":50") => _ = ledger.allow(entry(text, now, (secs > 100).then_some(secs), operator())),
                5 => _ = ledger.disallow(target(text), operator()),
                _ => _ = ledger.expire(at(now)),
            }
        }
        ledger.expire(at(now));
        let (mut bans, mut allows) = (Map::<Target, Arc<Ban>>::new(), Map::<Target, Arc<Allowed>>::new());
        for change in told.lock().iter() {
            match change {
                Change::Banned(ban) | Change::Noted(ban) => _ = bans.insert(ban.target, ban.clone()),
                Change::Lifted(ban, _) | Change::Expired(ban) => _ = bans.remove(&ban.target),
                Change::Allowed(entry) | Change::Refreshed(entry) => _ = allows.insert(entry.target, entry.clone()),
                Change::Disallowed(entry, _) => _ = allows.remove(&entry.target),
                Change::PatternAdded(_) | Change::PatternRemoved(_) => {}
            }
        }
        let sorted = |mut list: Vec<Target>| { list.sort(); list };
        prop_assert_eq!(sorted(bans.keys().copied().collect()), sorted(ledger.bans(at(now)).iter().map(|ban| ban.target).collect()));
        prop_assert_eq!(sorted(allows.keys().copied().collect()), sorted(ledger.allows(at(now)).iter().map(|entry| entry.target).collect()));
    });
}

#[test]
fn an_operators_entry_ends_when_he_said_and_wins_over_a_verdict_on_its_way() {
    let (ledger, _) = ledger();
    ledger.allow(entry("192.0.2.1", 100, Some(600), operator()));
    ledger.succeeded(ip("192.0.2.1"), b"", b"", Duration::from_secs(86_400), at(150));
    assert_eq!(ledger.ban_unless_allowed(ban("192.0.2.1", 160, Some(60)), true, at(160)), None);
    assert!(matches!(
        ledger.ban_unless_allowed(ban("192.0.2.1", 160, Some(60)), false, at(160)),
        Some(Entered::Made(_))
    ));
    ledger.lift(target("192.0.2.1"), operator(), at(161));
    ledger.expire(at(701));
    assert_eq!(ledger.allowed(ip("192.0.2.1"), at(701)), None);
}

#[test]
fn a_port_is_covered_by_its_hosts_ban() {
    let (ledger, _) = ledger();
    ledger.ban(ban("192.0.2.1", 100, None), at(100));
    assert!(ledger.covering(target("192.0.2.1:5060"), at(101)).is_some());
    assert!(ledger.covering(target("192.0.2.1"), at(101)).is_none());
}

#[test]
fn many_that_run_out_at_once_are_all_told() {
    let (ledger, told) = ledger();
    for n in 0..1000u32 {
        let text = std::net::Ipv4Addr::from(0xc633_6400 + n).to_string();
        ledger.ban(ban(&text, 100, Some(60)), at(100));
        ledger.allow(entry(
            &std::net::Ipv4Addr::from(0xc612_0000 + n).to_string(),
            100,
            Some(60),
            operator(),
        ));
    }
    told.lock().clear();
    assert_eq!(ledger.expire(at(160)).len(), 1000);
    assert_eq!((told.lock().len(), ledger.sizes()), (2000, (0, 0)));
}

#[test]
fn a_changed_note_is_no_new_ban() {
    let (ledger, told) = ledger();
    ledger.ban(ban("192.0.2.1", 100, Some(600)), at(100));
    let standing = || ledger.standing(ip("192.0.2.1"), 0, at(110)).unwrap();
    assert!(standing().report_compromise_once());
    ledger.amend(target("192.0.2.1"), at(110), |ban| ban.note = "ticket 7".into());
    assert!(matches!(told.lock().last(), Some(Change::Noted(ban)) if ban.note == "ticket 7"));
    assert!(!standing().report_compromise_once(), "told already");
    ledger.amend(target("192.0.2.1"), at(110), |ban| ban.until = None);
    assert!(matches!(told.lock().last(), Some(Change::Banned(ban)) if ban.until.is_none()));
}

fn recount(ledger: &Ledger) -> Census {
    let mut census = Census::default();
    for held in ledger.inner.read().bans.values() {
        let kind = match held.ban.target {
            Target::Host(_) => 0,
            Target::Port(..) => 1,
            Target::Net(_) => 2,
        };
        census[held.ban.scope as usize][kind] += 1;
    }
    census
}

#[test]
fn a_ban_that_was_widened_is_counted_out_of_where_it_is() {
    let (ledger, told) = ledger();
    ledger.ban(Ban { scope: Scope::Sip, ..ban("192.0.2.1", 100, Some(600)) }, at(100));
    assert_eq!(ledger.census(), [[1, 0, 0], [0; 3]]);
    ledger.ban(ban("192.0.2.1", 110, Some(600)), at(110));
    assert_eq!(ledger.census(), [[0; 3], [1, 0, 0]]);
    assert!(ledger.lift(target("192.0.2.1"), operator(), at(120)).is_some());
    assert_eq!(ledger.census(), [[0; 3]; 2]);
    assert!(matches!(told.lock().last(), Some(Change::Lifted(..))));
}

#[test]
fn the_census_is_what_a_recount_says() {
    use proptest::prelude::*;
    let targets = ["192.0.2.1", "192.0.2.1:5060", "192.0.2.0/24", "2001:db8::1"];
    proptest!(|(steps in prop::collection::vec((0u8..6, 0usize..4, any::<bool>(), 1u64..100, 0u64..40), 1..60))| {
        let (ledger, _) = ledger();
        let mut now = 1000;
        for (what, which, wide, secs, pause) in steps {
            now += pause;
            let (text, scope) = (targets[which], if wide { Scope::All } else { Scope::Sip });
            match what {
                0 => _ = ledger.ban(Ban { scope, ..ban(text, now, Some(secs)) }, at(now)),
                1 => _ = ledger.ban(Ban { scope, origin: operator(), ..ban(text, now, None) }, at(now)),
                2 => _ = ledger.amend(target(text), at(now), |ban| ban.scope = scope),
                3 => _ = ledger.lift(target(text), operator(), at(now)),
                4 => _ = ledger.lift_within(&target(text).covers(), &operator()),
                _ => _ = ledger.expire(at(now)),
            }
            prop_assert_eq!(ledger.census(), recount(&ledger));
        }
    });
}
