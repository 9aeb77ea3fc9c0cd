//! Roles, users, and for whom they count when.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::hours::Moment;
use broker::rulebook::{Role, Rulebook, Rules, Shut, User};
use broker::{Caller, Identity, Line, Proof, Terms, Waiting, freeswitch};
use std::net::IpAddr;
use std::time::Duration;

const MONDAY_NOON: Moment = Moment { day: 0, minute: 720 };
const SUNDAY_NOON: Moment = Moment { day: 6, minute: 720 };

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn rules(allow: &[&str], deny: &[&str]) -> Rules {
    Rules { allow: texts(allow), deny: texts(deny), ..Rules::default() }
}

fn user(name: &str, roles: &[&str], rules: Rules) -> User {
    User { name: name.into(), account: None, roles: texts(roles), rules }
}

fn role(name: &str, extends: &[&str], rules: Rules) -> Role {
    Role { name: name.into(), extends: texts(extends), rules }
}

fn token(name: &str) -> Identity {
    Identity::new(name, Proof::Token)
}

/// Whether a command is allowed, and whether the shadow says otherwise.
fn decide(
    book: &Rulebook,
    name: &str,
    source: Option<&str>,
    now: Moment,
    command: &str,
) -> Result<(bool, bool), Shut> {
    let who = token(name);
    let grant = book.grant(&who, source.map(|text| text.parse().unwrap()), now)?;
    let caller = Caller { user: "1000", domain: "pbx.example", owns: &|_| false };
    let line = Line::new(command).unwrap();
    let real = grant.judge(&caller, None, line, freeswitch::catalogue());
    let shadow = grant.decide_in_shadow(
        &caller,
        None,
        &freeswitch::unfold(line, freeswitch::catalogue()),
        freeswitch::catalogue(),
        &real,
    );
    Ok((real.allowed, shadow.is_some()))
}

#[test]
fn roles_add_up_and_what_is_denied_stays_denied() {
    let roles = [
        role("reception", &["monitor"], rules(&["uuid_kill"], &["show registrations"])),
        role("monitor", &[], rules(&["reloadxml"], &[])),
    ];
    let users = [
        user("alice", &["reception"], rules(&["version", "show registrations"], &[])),
        user("desk-*", &["monitor"], Rules::default()),
    ];
    let book = Rulebook::new(&roles, &users, Terms::default()).unwrap();
    let may = |name: &str, command: &str| decide(&book, name, None, MONDAY_NOON, command).unwrap().0;
    assert!(may("alice", "show calls") && may("alice", "uuid_kill x") && may("alice", "reloadxml"));
    assert!(!may("alice", "show registrations") && !may("alice", "system id"));
    assert!(may("desk-7", "reloadxml") && !may("desk-7", "uuid_kill x"));
    assert_eq!(decide(&book, "bob", None, MONDAY_NOON, "status"), Err(Shut::Unknown("bob".into())));
    assert!(matches!(decide(&book, "desk-a@b", None, MONDAY_NOON, "status"), Err(Shut::Unknown(_))));
    assert!(matches!(book.grant(&Identity::nobody(), None, MONDAY_NOON), Err(Shut::Unknown(_))));
}

#[test]
fn networks_and_hours_bound_a_role_or_a_user() {
    let lan = || vec!["192.0.2.0/24".parse().unwrap()];
    let roles = [
        role("inside", &[], Rules { networks: lan(), ..rules(&["uuid_kill"], &[]) }),
        role("at-work", &[], Rules { hours: texts(&["Mon-Fri 08:00-18:00"]), ..rules(&["reloadxml"], &[]) }),
    ];
    let users = [
        user("alice", &["inside", "at-work", "monitor"], Rules::default()),
        user("bob", &["monitor"], Rules { networks: lan(), ..Rules::default() }),
        user("carol", &["monitor"], Rules { hours: texts(&["Sun"]), ..Rules::default() }),
    ];
    let book = Rulebook::new(&roles, &users, Terms::default()).unwrap();
    let (inside, outside) = (Some("192.0.2.7"), Some("198.51.100.7"));
    let may = |source, now, command| decide(&book, "alice", source, now, command).unwrap().0;
    assert!(may(inside, MONDAY_NOON, "uuid_kill x") && !may(outside, MONDAY_NOON, "uuid_kill x"));
    assert!(may(outside, MONDAY_NOON, "reloadxml") && !may(outside, SUNDAY_NOON, "reloadxml"));
    assert!(may(outside, SUNDAY_NOON, "status"));
    assert!(may(None, MONDAY_NOON, "uuid_kill x"));
    assert!(decide(&book, "bob", inside, MONDAY_NOON, "status").is_ok());
    assert_eq!(decide(&book, "bob", outside, MONDAY_NOON, "status"), Err(Shut::Network("bob".into())));
    assert_eq!(decide(&book, "carol", inside, MONDAY_NOON, "status"), Err(Shut::Hours("carol".into())));
    assert!(decide(&book, "carol", inside, SUNDAY_NOON, "status").is_ok());
}

#[test]
fn a_shadow_decides_nothing_but_tells() {
    let roles = [
        role("stricter", &[], Rules { shadow: true, ..rules(&[], &["show registrations"]) }),
        role("wider", &[], Rules { shadow: true, ..rules(&["reloadxml"], &[]) }),
    ];
    let users = [user("alice", &["monitor", "stricter", "wider"], Rules::default())];
    let book = Rulebook::new(&roles, &users, Terms::default()).unwrap();
    let decide = |command| decide(&book, "alice", None, MONDAY_NOON, command).unwrap();
    assert_eq!(decide("show registrations"), (true, true));
    assert_eq!(decide("reloadxml"), (false, true));
    assert_eq!(decide("status"), (true, false));
    assert_eq!(decide("system id"), (false, false));
}

#[test]
fn what_a_role_extends_counts_no_further_than_the_role() {
    let night = Rules { hours: texts(&["22:00-06:00"]), ..rules(&[], &[]) };
    let office = Rules { networks: vec!["192.0.2.0/24".parse().unwrap()], ..rules(&[], &[]) };
    let tried = Rules { shadow: true, ..rules(&[], &[]) };
    let book = Rulebook::new(
        &[
            role("night", &["operator"], night),
            role("office", &["operator"], office),
            role("tried", &["middle"], tried),
            role("middle", &["admin"], rules(&[], &[])),
        ],
        &[
            user("token:night", &["night", "monitor"], rules(&[], &[])),
            user("token:office", &["office", "monitor"], rules(&[], &[])),
            user("token:tried", &["tried", "monitor"], rules(&[], &[])),
            user("token:both", &["tried", "admin"], rules(&[], &[])),
        ],
        Terms::default(),
    )
    .unwrap();
    let (noon, midnight) = (MONDAY_NOON, Moment { day: 0, minute: 0 });
    let (near, away) = (Some("192.0.2.9"), Some("198.51.100.1"));
    let decide = |name, source, now, command| decide(&book, name, source, now, command).unwrap();
    assert_eq!(decide("token:night", None, midnight, "uuid_kill 1"), (true, false));
    assert_eq!(decide("token:night", None, noon, "uuid_kill 1"), (false, false));
    assert_eq!(decide("token:night", None, noon, "status"), (true, false));
    assert_eq!(decide("token:office", near, noon, "uuid_kill 1"), (true, false));
    assert_eq!(decide("token:office", away, noon, "uuid_kill 1"), (false, false));
    assert_eq!(decide("token:tried", None, noon, "system id"), (false, true));
    assert_eq!(decide("token:both", None, noon, "system id"), (true, false));
}

#[test]
fn a_user_in_shadow_brings_neither_roles_nor_terms_nor_bounds() {
    let tried = Rules {
        shadow: true,
        timeout: Some(Duration::from_secs(99)),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..rules(&[], &[])
    };
    let book = Rulebook::new(
        &[],
        &[user("token:a", &["monitor"], rules(&[], &[])), user("token:a", &["admin"], tried)],
        Terms::default(),
    )
    .unwrap();
    assert_eq!(decide(&book, "token:a", Some("192.0.2.9"), MONDAY_NOON, "system id"), Ok((false, true)));
    let away = Some("198.51.100.1");
    assert_eq!(decide(&book, "token:a", away, MONDAY_NOON, "system id"), Ok((false, false)));
    assert_eq!(decide(&book, "token:a", away, MONDAY_NOON, "status"), Ok((true, false)));
    let grant = book.grant(&token("token:a"), Some("192.0.2.9".parse().unwrap()), MONDAY_NOON).unwrap();
    assert_eq!(grant.terms.timeout, Terms::default().timeout);
}

#[test]
fn the_terms_of_a_user_count_before_those_of_the_roles() {
    let seconds = Duration::from_secs;
    let roles = [
        role("slow", &[], Rules { rate: Some(1), timeout: Some(seconds(5)), ..rules(&["status"], &[]) }),
        role(
            "fast",
            &[],
            Rules { rate: Some(50), timeouts: vec![("originate".into(), seconds(60))], ..Rules::default() },
        ),
    ];
    let users = [
        user("alice", &["slow", "fast"], Rules { output: Some(100), ..Rules::default() }),
        user("bob", &["fast"], Rules { rate: Some(2), ..Rules::default() }),
    ];
    let book = Rulebook::new(&roles, &users, Terms { concurrency: 4, ..Terms::default() }).unwrap();
    let grant = |name| book.grant(&token(name), None, MONDAY_NOON).unwrap();
    let (alice, bob) = (grant("alice"), grant("bob"));
    assert_eq!((alice.terms.rate, alice.terms.output, alice.terms.concurrency), (50, 100, 4));
    assert_eq!((bob.terms.rate, bob.terms.timeout), (2, seconds(10)));
    let caller = Caller { user: "", domain: "", owns: &|_| false };
    let timeout = |command| alice.timeout(&caller, Line::new(command).unwrap(), Waiting::Answer);
    assert_eq!((timeout("originate user/1@x &park"), timeout("status")), (seconds(60), seconds(5)));
}

#[test]
fn the_directory_bounds_what_the_rules_allow() {
    let book = Rulebook::new(&[], &[user("alice", &["admin"], Rules::default())], Terms::default()).unwrap();
    let grant = book.grant(&token("alice"), None::<IpAddr>, MONDAY_NOON).unwrap();
    let bound = broker::Bound { api: Some(texts(&["status", "bgapi"])), ..broker::Bound::default() };
    let caller = Caller { user: "", domain: "", owns: &|_| false };
    let may = |command| {
        grant.judge(&caller, Some(&bound), Line::new(command).unwrap(), freeswitch::catalogue()).allowed
    };
    assert!(may("status") && may("STATUS") && may("bgapi status"));
    assert!(!may("version") && !may("bgapi version") && !may("status ${version()}"));
}

#[test]
fn roles_of_an_entry_take_the_place_of_those_of_the_credential() {
    let bound = Rules { rate: Some(1), ..Rules::default() };
    let tried = Rules { shadow: true, ..Rules::default() };
    let users = [
        user("crm", &["dialer"], Rules::default()),
        user("bounded", &[], bound),
        user("tried", &["dialer"], tried),
    ];
    let book = Rulebook::new(&[], &users, Terms::default()).unwrap();
    let roles = |name: &str| {
        let who = Identity { roles: texts(&["operator"]), ..token(name) };
        book.grant(&who, None, MONDAY_NOON).unwrap().roles.clone()
    };
    assert_eq!(roles("crm"), ["dialer"]);
    assert_eq!(
        (roles("bounded"), roles("tried"), roles("other")),
        (texts(&["operator"]), texts(&["operator"]), texts(&["operator"]))
    );
}

#[test]
fn all_that_is_wrong_is_named() {
    let roles = [
        role("a", &["nowhere"], rules(&["@nothing"], &["uuid_kill x{own}"])),
        role("a", &[], Rules { hours: texts(&["always"]), ..Rules::default() }),
    ];
    let users = [user(
        "alice",
        &["b"],
        Rules { timeouts: vec![("sh;ow".into(), Duration::ZERO)], ..Rules::default() },
    )];
    let wrong = Rulebook::new(&roles, &users, Terms::default()).unwrap_err();
    let mut told: Vec<String> =
        wrong.iter().map(|bad| format!("{} {} {}", bad.of, bad.key, bad.value)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "role a allow @nothing",
            "role a deny uuid_kill x{own}",
            "role a extends nowhere",
            "role a hours always",
            "role a name a",
            "user alice roles b",
            "user alice timeouts sh;ow"
        ]
    );
    assert!(wrong.iter().all(|bad| !bad.why.is_empty()));
}
