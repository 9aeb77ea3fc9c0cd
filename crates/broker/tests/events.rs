//! Who sees which event.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::events::{EventRules, Rows};
use broker::{Account, Bound, Identity, Proof};
use esl::{EventView, Format};
use std::sync::Arc;

const CHANNEL: &str = "11111111-2222-3333-4444-555555555555";

fn rules(names: &[&str], rows: Rows) -> EventRules {
    let mut rules = EventRules::default();
    rules.add(names.iter().copied(), rows).unwrap();
    rules
}

fn alice() -> Identity {
    Identity { account: Some("alice@pbx.example".parse().unwrap()), ..Identity::new("alice", Proof::Token) }
}

/// Whether alice sees an event whose channel, when it has one, is `owner`'s.
fn sees(rules: &EventRules, who: &Identity, owner: &str, headers: &str) -> bool {
    let text = format!("{headers}\n\n");
    let event = EventView::parse(Format::Plain, text.as_bytes()).unwrap();
    let of = |channel: &str| (channel == CHANNEL).then(|| owner.parse::<Account>().ok()).flatten();
    rules.shows(&event, who, &of)
}

#[test]
fn names_are_compared_as_the_switch_does() {
    let all = rules(&["channel_*", "CUSTOM sofia::reg*", "HEARTBEAT"], Rows::All);
    for (name, subclass, wanted) in [
        ("CHANNEL_CREATE", None, true),
        ("channel_create", None, true),
        ("CALL_UPDATE", None, false),
        ("CUSTOM", Some("sofia::register"), true),
        ("CUSTOM", Some("SOFIA::register"), false),
        ("CUSTOM", Some("conference::maintenance"), false),
        ("ALL", None, true),
        ("API", None, false),
    ] {
        assert_eq!(all.may_ask(None, name, subclass), wanted, "{name} {subclass:?}");
    }
    assert!(!EventRules::default().may_ask(None, "ALL", None));
    assert!(!rules(&["*"], Rows::All).may_ask(None, "BACKGROUND_JOB", None));
    assert!(rules(&["background_job"], Rows::All).may_ask(None, "BACKGROUND_JOB", None));
    assert!(rules(&["ALL"], Rows::All).may_ask(None, "API", None));
    for text in ["", "A B", "CUSTOM a b", "CHANNEL-X", "${x}"] {
        assert!(EventRules::default().add([text], Rows::All).is_err(), "{text:?}");
    }
}

#[test]
fn own_rows_are_those_of_own_channels() {
    let own = rules(&["*", "CUSTOM"], Rows::OwnChannels);
    let event = format!("Event-Name: CHANNEL_ANSWER\nUnique-ID: {CHANNEL}");
    assert!(sees(&own, &alice(), "alice@pbx.example", &event));
    assert!(!sees(&own, &alice(), "bob@pbx.example", &event));
    assert!(!sees(&own, &alice(), "", &event));
    assert!(sees(
        &own,
        &alice(),
        "alice@pbx.example",
        &format!("Event-Name: DTMF\nUnique-ID: x\nOther-Leg-Unique-ID: {CHANNEL}")
    ));
    assert!(!sees(&own, &Identity::new("token:x", Proof::Token), "alice@pbx.example", &event));
    assert!(sees(&rules(&["CHANNEL_*"], Rows::OwnDomain), &alice(), "bob@PBX.example", &event));
    assert!(!sees(&rules(&["CHANNEL_*"], Rows::OwnDomain), &alice(), "bob@other.example", &event));
}

#[test]
fn what_a_caller_chooses_makes_no_event_anybodys() {
    let domain = rules(&["*", "CUSTOM"], Rows::OwnDomain);
    for headers in [
        "Event-Name: CHANNEL_CREATE\nUnique-ID: x\nCaller-Username: alice\nvariable_sip_from_host: pbx.example\nChannel-Presence-ID: alice@pbx.example",
        "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister_failure\nto-user: alice\nto-host: pbx.example\nrealm: pbx.example",
        "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister\nfrom-user: alice\nfrom-host: pbx.example\nrealm: pbx.example",
        "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister\nuser_name: bob\ndomain_name: other.example\nuser_name: alice\ndomain_name: pbx.example",
        "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister\nCommand: sendevent\nuser_name: alice\ndomain_name: pbx.example",
        "Event-Name: PRESENCE_IN\nfrom: alice%40pbx.example\nlogin: alice",
        "Event-Name: BACKGROUND_JOB\nJob-UUID: x",
        "Event-Name: LOG",
    ] {
        assert!(!sees(&domain, &alice(), "", headers), "{headers}");
    }
    assert!(sees(
        &domain,
        &alice(),
        "",
        "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister\nuser_name: bob\ndomain_name: pbx.example"
    ));
    assert!(sees(
        &domain,
        &alice(),
        "",
        "Event-Name: MESSAGE_WAITING\nMWI-Message-Account: sip%3Abob%40pbx.example"
    ));
    assert!(sees(&domain, &alice(), "", "Event-Name: HEARTBEAT"));
}

#[test]
fn what_the_switch_says_of_accounts_and_queues_is_shown_to_them() {
    let (domain, own) = (rules(&["CUSTOM"], Rows::OwnDomain), rules(&["CUSTOM"], Rows::OwnChannels));
    for (subclass, headers, to_the_domain, to_alice) in [
        ("sofia::expire", "user: alice\nhost: pbx.example\nusername: alice\nrealm: pbx.example", true, true),
        ("sofia::expire", "user: bob\nhost: pbx.example\nusername: bob\nrealm: pbx.example", true, false),
        (
            "sofia::expire",
            "user: alice\nhost: pbx.example\nusername: mallory\nrealm: other.example",
            false,
            false,
        ),
        ("sofia::expire", "user: alice\nhost: pbx.example", false, false),
        ("callcenter::info", "CC-Agent: alice@pbx.example\nCC-Queue: sales@other.example", true, true),
        ("callcenter::info", "CC-Queue: sales@pbx.example\nCC-Member-CID-Number: 1", true, false),
        (
            "callcenter::info",
            "CC-Queue: sales@other.example\nCC-Member-CID-Name: alice@pbx.example",
            false,
            false,
        ),
        ("vm::maintenance", "VM-User: alice\nVM-Domain: pbx.example", true, true),
        ("vm::maintenance", "VM-User: bob\nVM-Domain: other.example\nVM-Caller-ID-Name: alice", false, false),
        ("conference::maintenance", "Conference-Name: alice@pbx.example", false, false),
    ] {
        let event = format!("Event-Subclass: {subclass}\nEvent-Name: CUSTOM\n{headers}");
        assert_eq!(sees(&domain, &alice(), "", &event), to_the_domain, "{event}");
        assert_eq!(sees(&own, &alice(), "", &event), to_alice, "{event}");
        assert!(!sees(&domain, &alice(), "", &format!("{event}\nCommand: sendevent CUSTOM")), "{event}");
    }
}

#[test]
fn the_directory_bounds_the_names() {
    let all = rules(&["ALL"], Rows::All);
    let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect());
    let bound = |text| Bound { events: words(text), ..Bound::default() };
    let who = |text| Identity { bound: Some(Arc::new(bound(text))), ..alice() };
    let narrow = "HEARTBEAT CUSTOM sofia::register";
    assert!(all.may_ask(Some(&bound(narrow)), "heartbeat", None));
    assert!(!all.may_ask(Some(&bound(narrow)), "CHANNEL_CREATE", None));
    assert!(!all.may_ask(Some(&bound(narrow)), "CUSTOM", Some("sofia::expire")));
    assert!(sees(&all, &who(narrow), "", "Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister"));
    assert!(!sees(&all, &who(narrow), "", "Event-Name: CHANNEL_CREATE"));
    assert!(!sees(&all, &who(""), "", "Event-Name: CHANNEL_CREATE"));
    assert!(sees(&all, &who("all"), "", "Event-Name: CHANNEL_CREATE"));
}

#[test]
fn each_built_in_role_names_events_that_there_are() {
    for role in broker::roles::ROLES {
        for (name, rows) in role.events {
            EventRules::default().add([*name], *rows).unwrap();
        }
        assert!(role.events().may_ask(None, "ALL", None), "{}", role.name);
    }
}
