//! Who looks for a way out calls number after number at a profile that asks nobody for credentials: the rule `refused-calls`.

use guard::{
    Evidence, Guard, Limits, Observation, Policy, Scope, Source, Time, Transport, Verdict, Verdicts, What,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const QUARTER: Duration = Duration::from_secs(900);

fn guard() -> Guard {
    let limits = Limits { windows: 2000, registrations: 1000, bans: 1000, ..Limits::default() };
    Guard::new(Policy::default(), limits, [1, 2, 3, 4], Box::new(|_| {}))
}

fn caller() -> IpAddr {
    Ipv4Addr::new(198, 51, 100, 7).into()
}

fn sees(guard: &Guard, what: What<'_>, evidence: Evidence, now: Time) -> Verdicts {
    let transport = if evidence == Evidence::Proven { Transport::Tcp } else { Transport::Udp };
    let (ip, port) = (Some(caller()), 5060);
    guard.observe(&Observation { ip, port, evidence, transport, ..Observation::of(0, what) }, now)
}

fn ended(refused: bool) -> What<'static> {
    What::CallEnded { call: b"c", cause: b"NORMAL_CLEARING", billed: 0, refused }
}

/// Calls that end so, four an hour, until a ban comes of it; how many that took, and the ban.
fn until_banned(
    guard: &Guard,
    refused: bool,
    evidence: Evidence,
) -> Option<(usize, std::sync::Arc<guard::Ban>)> {
    let start = Time::from_secs(20_000 * 86_400);
    (1..200).find_map(|n| {
        let now = start + QUARTER * n as u32;
        guard.tick(now);
        sees(guard, ended(refused), evidence, now).into_iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) => Some((n, ban)),
            _ => None,
        })
    })
}

#[test]
fn thirty_refused_calls_in_a_day_are_a_search_for_a_way_out() {
    let (calls, ban) = until_banned(&guard(), true, Evidence::Forgeable).unwrap();
    assert_eq!((calls, &*ban.reason.rule, ban.scope), (30, "refused-calls", Scope::Sip));
    assert_eq!(
        ban.until.unwrap().since(ban.since),
        Duration::from_secs(120),
        "over UDP anybody may have sent it"
    );
    let (calls, ban) = until_banned(&guard(), true, Evidence::Proven).unwrap();
    assert_eq!((calls, ban.scope, ban.target), (30, Scope::All, guard::Target::Host(Source::of(caller()))));
    assert!(ban.until.unwrap().since(ban.since) >= Duration::from_secs(3600));
}

#[test]
fn calls_that_reached_somebody_are_no_search() {
    assert!(until_banned(&guard(), false, Evidence::Forgeable).is_none(), "nobody picked up");
}

#[test]
fn a_carrier_whose_calls_are_answered_may_have_some_refused() {
    let guard = guard();
    let start = Time::from_secs(20_000 * 86_400);
    for n in 0..400 {
        let now = start + Duration::from_secs(60) * n;
        for what in [ended(true), What::CallAnswered { call: b"c" }] {
            let verdicts = sees(&guard, what, Evidence::Forgeable, now);
            assert!(verdicts.is_empty(), "{n}: {verdicts:?}");
        }
    }
}
