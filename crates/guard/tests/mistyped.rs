//! The first phones of a new office, and who looks like them: the rule `failed-registrations` waits for people who mistype.

use guard::{Evidence, Guard, Limits, Method, Observation, Policy, Target, Time, Transport, Verdict, What};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Failures at one address, by port and account, ten seconds apart; which of them banned it, and by which rule.
fn banned_at(failures: &[(u16, &str)]) -> Option<(usize, String)> {
    let limits = Limits { windows: 2000, registrations: 1000, bans: 1000, ..Limits::default() };
    let guard = Guard::new(Policy::default(), limits, [1, 2, 3, 4], Box::new(|_| {}));
    let ip: IpAddr = Ipv4Addr::new(192, 0, 2, 7).into();
    failures.iter().enumerate().find_map(|(n, (port, user))| {
        let now = Time::from_secs(20_000 * 86_400) + Duration::from_secs(10) * n as u32;
        let failed = Observation {
            ip: Some(ip),
            port: *port,
            evidence: Evidence::Likely,
            transport: Transport::Udp,
            user: user.as_bytes(),
            domain: b"pbx.example",
            ..Observation::of(0, What::AuthFailed(Method::Register))
        };
        guard.observe(&failed, now).into_iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) if ban.target == Target::host(ip) => Some((n + 1, ban.reason.rule.to_string())),
            _ => None,
        })
    })
}

fn rounds<'a>(phones: &[(u16, &'a str)], each: usize) -> Vec<(u16, &'a str)> {
    phones.iter().copied().cycle().take(phones.len() * each).collect()
}

const FOUR: [(u16, &str); 4] = [(20_000, "1000"), (20_007, "1001"), (20_014, "1002"), (20_021, "1003")];

#[test]
fn people_at_four_phones_who_mistype_are_waited_for() {
    for each in 1..=3 {
        assert_eq!(banned_at(&rounds(&FOUR, each)), None, "{each} each");
    }
    assert_eq!(banned_at(&rounds(&FOUR[..2], 4)), None);
}

#[test]
fn who_is_no_phone_is_banned_as_ever() {
    let fifth = |failures: &[(u16, &str)]| {
        assert_eq!(banned_at(failures), Some((5, "failed-registrations".into())), "{failures:?}");
    };
    fifth(&[(5060, "1000"); 5]);
    // One port with two accounts, one account from two ports, a port that is not known.
    fifth(&[(5060, "1000"), (5060, "1001"), (5060, "1000"), (5060, "1001"), (5060, "1000")]);
    fifth(&[(1, "1000"), (2, "1000"), (3, "1000"), (4, "1000"), (5, "1000")]);
    fifth(&[(1, "1000"), (2, "1001"), (1, "1000"), (2, "1001"), (3, "1001")]);
    fifth(&[(0, "1000"), (0, "1000"), (0, "1000"), (2, "1001"), (2, "1001")]);
}

#[test]
fn a_list_of_accounts_is_a_list_whatever_the_ports() {
    let list = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")];
    assert_eq!(banned_at(&list).map(|(tries, _)| tries), Some(5));
}

#[test]
fn one_phone_that_goes_on_is_not_waited_for() {
    let mut failures = rounds(&FOUR[..2], 2);
    failures.extend([FOUR[0]; 6]);
    // Two each, then the first alone: with its fifth failure.
    assert_eq!(banned_at(&failures), Some((7, "failed-registrations".into())));
}
