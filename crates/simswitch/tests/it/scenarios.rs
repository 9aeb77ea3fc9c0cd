//! What phones and attackers do: like the real switch's events, repeatable, and with the truth beside it.

use crate::files;
use simswitch::{Action, Cast, Event, Label, Part, Rehearsal, Rehearsed, Scenario};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

/// 21 November 2026.
const START: u64 = 1_795_219_200_000_000;

fn rehearse(name: &str, seed: u64, minutes: u64) -> Rehearsal<'static> {
    let scenario = Scenario::new(seed, &Part::named(name, 1.0).unwrap());
    Rehearsal::new(scenario, START, Duration::from_secs(minutes * 60)).with_heartbeat(Duration::from_secs(20))
}

type Kind = (String, Option<String>, Option<String>);

fn text(event: &Event, header: &str) -> Option<String> {
    let value = event.view().header(header)?;
    Some(String::from_utf8_lossy(&value.decoded()).into_owned())
}

/// Events of one kind have headers alike: name, subclass, and of a channel which side it is.
fn kind(event: &Event) -> Kind {
    let name = text(event, "Event-Name").unwrap();
    (name, text(event, "Event-Subclass"), text(event, "Call-Direction"))
}

fn header_names(event: &Event) -> Vec<String> {
    event.view().headers().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn every_event_has_the_headers_of_a_recorded_one_of_its_kind_in_order() {
    let mut recorded: BTreeMap<Kind, BTreeSet<Vec<String>>> = BTreeMap::new();
    let captures =
        ["register_ok", "register_fail", "wrong_call_state", "calls", "scanner", "mixed", "shutdown"];
    for capture in captures {
        for event in files::capture(&format!("{capture}.plain")).events() {
            recorded.entry(kind(event)).or_default().insert(header_names(event));
        }
    }
    let mut seen = BTreeSet::new();
    for name in Part::NAMES {
        for Rehearsed { event, .. } in rehearse(name, 7, if name == "mix" { 5 } else { 1 }) {
            let kind = kind(&event);
            let names = header_names(&event);
            assert!(recorded[&kind].contains(&names), "{kind:?} of {name} has other headers: {names:?}");
            seen.insert(kind);
        }
    }
    // Registration events, calls of either side and the switch's own: nothing that can be made is missing.
    assert_eq!(seen.len(), 20, "{seen:#?}");
}

#[test]
fn no_place_of_a_template_is_left_open_and_every_value_is_encoded() {
    for Rehearsed { event, .. } in rehearse("mix", 3, 2) {
        let plain = event.plain();
        let bad = |&b: &u8| b != b'\n' && (!b.is_ascii() || b.is_ascii_control() || b"{}<>\"@".contains(&b));
        assert!(!plain.iter().any(bad), "{event:?}");
        let empty = event.view().headers().find(|(_, value)| value.raw().is_empty());
        let text = String::from_utf8_lossy(plain);
        assert!(empty.is_none(), "{empty:?} is empty in {text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let digest = |seed| {
        let mut hasher = DefaultHasher::new();
        let mut count = 0;
        for rehearsed in rehearse("mix", seed, 3) {
            (rehearsed.at, rehearsed.event.plain(), rehearsed.actor).hash(&mut hasher);
            count += 1;
        }
        (hasher.finish(), count)
    };
    let (first, count) = digest(1);
    assert_eq!(digest(1), (first, count));
    assert_ne!(digest(2).0, first);
    assert!(count > 5_000, "a lively mix: {count} events in 3 minutes");
}

#[test]
fn times_never_go_back_and_sequence_numbers_count_up() {
    let mut last = (Duration::ZERO, 0);
    for rehearsed in rehearse("mix", 5, 3) {
        let sequence = rehearsed.event.view().sequence().unwrap();
        assert!(rehearsed.at >= last.0 && sequence == last.1 + 1, "{last:?} before {rehearsed:?}");
        let timestamp = rehearsed.event.view().timestamp().unwrap();
        assert!(timestamp <= rehearsed.now && rehearsed.now - timestamp < 20_000, "steps of 20 ms");
        last = (rehearsed.at, sequence);
    }
}

#[test]
fn the_address_in_an_event_is_one_of_its_actors() {
    let rehearsal = rehearse("mix", 11, 3);
    let truth = rehearsal.ground_truth().clone();
    let mut by_label: BTreeMap<Label, u64> = BTreeMap::new();
    for Rehearsed { event, actor, label, .. } in rehearsal {
        let (Some(actor), Some(address)) = (actor, text(&event, "network-ip")) else {
            continue;
        };
        let address: IpAddr = address.parse().unwrap();
        let port: u16 = text(&event, "network-port").unwrap().parse().unwrap();
        let who = truth.entries().iter().find(|truth| truth.actor == Some(actor)).unwrap();
        assert_eq!(Some(who.label), label);
        if who.role == "forger of INVITEs" {
            let victims: Vec<_> = truth.at(address, port).map(|truth| truth.label).collect();
            assert_eq!(victims, [Label::Victim]);
        } else {
            assert!(who.sources.iter().any(|source| source.contains(address, port)), "{who:?} at {address}");
        }
        *by_label.entry(who.label).or_default() += 1;
    }
    assert_eq!(by_label.len(), 4, "everybody does something: {by_label:?}");
}

#[test]
fn attacks_show_within_seconds_and_phones_all_the_time() {
    let mut first = BTreeMap::new();
    let mut healthy_minutes = BTreeSet::new();
    for Rehearsed { at, label, .. } in rehearse("mix", 1, 10) {
        first.entry(label).or_insert(at);
        if label == Some(Label::Healthy) {
            healthy_minutes.insert(at.as_secs() / 60);
        }
    }
    assert!(first[&Some(Label::Attacker)] < Duration::from_secs(10), "{first:?}");
    assert_eq!(healthy_minutes.len(), 10);
}

#[test]
fn packets_of_a_banned_attacker_make_no_events_and_are_counted() {
    let banned: IpAddr = "198.51.100.10".parse().unwrap();
    let scenario = Scenario::new(1, &Part::named("cracker", 1.0).unwrap());
    let mut free = Rehearsal::new(scenario, START, Duration::from_secs(120));
    let from_attacker = |rehearsal: &mut Rehearsal<'_>| {
        rehearsal.filter(|r| text(&r.event, "network-ip").as_deref() == Some("198.51.100.10")).count()
    };
    assert!(from_attacker(&mut free) > 500);
    assert_eq!(free.steps().1, 0);
    let scenario = Scenario::new(1, &Part::named("cracker", 1.0).unwrap());
    let mut dropped =
        Rehearsal::new(scenario, START, Duration::from_secs(120)).dropping(|address, _| address == banned);
    assert_eq!(from_attacker(&mut dropped), 0);
    let (steps, blocked) = dropped.steps();
    assert!(
        blocked > 400 && steps + blocked == free.steps().0,
        "{steps} and {blocked} of {:?}",
        free.steps()
    );
}

#[test]
fn an_office_that_moves_registers_again_within_seconds_from_its_new_address() {
    let moves_at = Duration::from_secs(60);
    let office = Cast::Office {
        phones: 30,
        one_wrong: false,
        moves_at: Some(moves_at),
        refresh: Duration::from_secs(300),
    };
    let scenario = Scenario::new(4, &[Part::after(0, office)]);
    let mut ports = BTreeSet::new();
    for (at, step) in scenario.take_while(|(at, _)| *at < Duration::from_secs(65)) {
        if at >= moves_at && matches!(step.action, Action::Register { .. }) {
            assert_eq!(step.source.ip().to_string(), "198.19.201.1");
            ports.insert(step.source.port());
        }
    }
    assert_eq!(ports.len(), 30, "every phone with its own port within 5 s");
}

#[test]
fn an_abandoned_invite_becomes_a_wrong_call_state_after_ten_seconds() {
    let forged = Scenario::new(1, &[Part::after(0, Cast::ForgedInvites { rate: 1.0 })]);
    let mut pending = Vec::new();
    let mut ends = 0;
    for Rehearsed { at, event, .. } in Rehearsal::new(forged, START, Duration::from_secs(60)) {
        match text(&event, "Event-Subclass").as_deref() {
            Some("sofia::pre_register") => pending.push(at),
            Some("sofia::wrong_call_state") => {
                assert_eq!(at - pending[ends], Duration::from_secs(10));
                ends += 1;
            }
            _ => {}
        }
    }
    assert!(ends > 30, "{ends}");
}

#[test]
fn the_session_limit_takes_thirty_invites_a_second_and_the_rest_leave_no_event() {
    let flood = Scenario::new(1, &[Part::after(0, Cast::ForgedInvites { rate: 1000.0 })]);
    let mut per_second: BTreeMap<u64, u64> = BTreeMap::new();
    for Rehearsed { at, event, .. } in Rehearsal::new(flood, START, Duration::from_secs(5)) {
        if text(&event, "Event-Subclass").as_deref() == Some("sofia::pre_register") {
            *per_second.entry(at.as_secs()).or_default() += 1;
        }
    }
    assert_eq!(per_second.into_values().collect::<Vec<_>>(), [30; 5]);
}
