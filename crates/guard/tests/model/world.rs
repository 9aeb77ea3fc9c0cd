//! Anything at random: a policy, how long nothing happens, and what happens then.

use fastrand::Rng;
use guard::pattern::DomainPattern;
use guard::rule::{Action, Applies, Distinct, KeyKind, Limit};
use guard::{Evidence, Method, Observation, Place, Policy, RuleChange, Scope, Signal, Signals, Target, What};
use std::net::IpAddr;
use std::time::Duration;

/// Neighbours of each kind, a stranger to them, and one who is trusted.
pub(crate) const SOURCES: [&str; 9] = [
    "198.51.100.1",
    "198.51.100.2",
    "198.51.100.3",
    "203.0.113.5",
    "2001:db8:1:1::5",
    "2001:db8:1:1::6",
    "2001:db8:1:2::5",
    "2001:db8:1:f00::7",
    "192.0.2.7",
];
const NETS: [&str; 5] =
    ["198.51.100.0/24", "198.51.0.0/16", "2001:db8:1::/48", "2001:db8:1:0::/56", "192.0.2.0/24"];
const USERS: [&str; 5] = ["1000", "1000", "1001", "1002", ""];
const DOMAINS: [&str; 4] = ["pbx.example", "evil.example", "192.0.2.9", ""];
const AGENTS: [&str; 3] = ["Yealink SIP-T46U 108.86", "friendly-scanner", ""];
const PORTS: [u16; 5] = [5060, 5060, 5062, 1024, 0];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Seen(Happened),
    Ban(Target, Option<Duration>, Scope),
    Lift(Target),
    Allow(Target, Option<Duration>),
    Disallow(Target),
}

/// An observation that owns nothing.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    what: What<'static>,
    ip: Option<IpAddr>,
    port: u16,
    evidence: Evidence,
    user: &'static str,
    domain: &'static str,
    agent: &'static str,
}

impl Happened {
    pub(crate) fn observation(&self) -> Observation<'_> {
        Observation {
            ip: self.ip,
            port: self.port,
            evidence: self.evidence,
            user: self.user.as_bytes(),
            domain: self.domain.as_bytes(),
            agent: self.agent.as_bytes(),
            ..Observation::of(0, self.what)
        }
    }
}

fn one<T: Copy>(random: &mut Rng, list: &[T]) -> T {
    list[random.usize(..list.len())]
}

/// Where an address is: made up, but always the same.
pub(crate) fn place(ip: IpAddr) -> Place {
    let last = match ip {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.segments()[3] as u8,
    };
    Place {
        country: (last != 5).then_some([b'X', b'A' + last % 2]),
        system: (last != 3).then_some(u32::from(last / 2)),
    }
}

/// Steps of 10 ms, which is how exactly the engine keeps time; never none, so that no two strikes are at once.
pub(crate) fn pause(random: &mut Rng) -> Duration {
    let ticks = match random.u8(..100) {
        0..60 => random.u64(1..300),
        60..85 => random.u64(300..60_000),
        85..97 => random.u64(60_000..8_640_000),
        _ => random.u64(8_640_000..60_000_000),
    };
    Duration::from_millis(ticks * 10)
}

fn span(random: &mut Rng) -> Duration {
    Duration::from_millis(
        10 * match random.u8(..4) {
            0 => random.u64(1..1000),
            1 => random.u64(1000..100_000),
            _ => random.u64(100_000..40_000_000),
        },
    )
}

fn limit(random: &mut Rng) -> Limit {
    Limit { threshold: random.u32(1..8), window: span(random), ban: span(random) }
}

pub(crate) fn policy(random: &mut Rng) -> Policy {
    let mut policy = Policy {
        enforce: random.u8(..8) > 0,
        failed: limit(random),
        wrong_call_state: limit(random),
        call_rate: limit(random),
        registration_rate: limit(random),
        failed_logins: limit(random),
        rates: random.bool(),
        rates_ban: random.bool(),
        rates_bypass: random.bool(),
        untrusted_ban: span(random),
        untrusted: vec![DomainPattern::new("evil.example").unwrap()],
        forgeable_max: span(random),
        trusted: vec!["192.0.2.0/24".parse().unwrap()],
        protected: Vec::new(),
        allow: random.u8(..6) > 0,
        allow_on_success: random.u8(..4) > 0,
        allow_ttl: span(random),
        ..Policy::default()
    };
    // Built-in rules that fire soon, and rules of an operator's own; some of those count just what another one counts.
    for rule in policy.rules() {
        if random.bool() {
            let threshold = Some(random.u32(1..6));
            let (window, enabled) = (random.bool().then(|| span(random)), Some(random.u8(..5) > 0));
            let name = rule.name.to_string();
            policy.changes.push(RuleChange { name, threshold, window, enabled, ..RuleChange::default() });
        }
    }
    for number in 0..random.usize(..10) {
        let change = own(random, format!("own-{number}"));
        if random.bool() {
            let (name, threshold, window) =
                (format!("like-{number}"), Some(random.u32(1..8)), Some(span(random)));
            policy.changes.push(RuleChange { name, threshold, window, ..change.clone() });
        }
        policy.changes.push(change);
    }
    policy
}

fn own(random: &mut Rng, name: String) -> RuleChange {
    let some = |random: &mut Rng, least: usize| {
        let count = random.usize(least..4);
        Signals::these(&(0..count).map(|_| one(random, &Signal::ALL)).collect::<Vec<_>>())
    };
    let keys = KeyKind::WORDS.map(|(_, key)| key);
    let distinct = [None, Some(Distinct::Accounts), Some(Distinct::Sources), Some(Distinct::Nets)];
    let applies = [Applies::Everyone, Applies::Strangers, Applies::Known, Applies::Phone];
    let counts = some(random, 1);
    RuleChange {
        name,
        counts: Some(counts),
        // What counts never takes back.
        undone_by: Some(if random.u8(..3) == 0 { some(random, 0).without(counts) } else { Signals::NONE }),
        key: Some(one(random, &keys)),
        distinct: Some(one(random, &distinct)),
        threshold: Some(random.u32(1..8)),
        window: Some(span(random)),
        patience: (random.u8(..4) == 0).then(|| Duration::from_millis(random.u64(1..1000) * 10)),
        applies: Some(one(random, &applies)),
        action: Some(if random.u8(..3) == 0 { Action::Alert } else { Action::Ban }),
        ban: Some(span(random)),
        scope: Some(one(random, &[Scope::Sip, Scope::All])),
        evidence: Some(one(random, &Evidence::ALL)),
        shadow: Some(random.u8(..6) == 0),
        ..RuleChange::default()
    }
}

pub(crate) fn step(random: &mut Rng) -> Step {
    let target = |random: &mut Rng| match random.u8(..4) {
        0 => Target::net(one(random, &NETS).parse().unwrap()),
        1 => Target::port(one(random, &SOURCES).parse().unwrap(), one(random, &PORTS[..4])),
        _ => Target::host(one(random, &SOURCES).parse().unwrap()),
    };
    let ttl = |random: &mut Rng| (random.u8(..8) > 0).then(|| span(random));
    match random.u8(..100) {
        0 => Step::Ban(target(random), ttl(random), one(random, &[Scope::Sip, Scope::All])),
        1..4 => Step::Lift(target(random)),
        4 => Step::Allow(target(random), ttl(random)),
        5..7 => Step::Disallow(target(random)),
        _ => Step::Seen(happened(random)),
    }
}

fn happened(random: &mut Rng) -> Happened {
    let what = match random.u8(..100) {
        0..34 => What::AuthFailed(one(random, &[Method::Register, Method::Invite, Method::Other])),
        34..44 => What::Challenged,
        44..52 => What::CallAbandoned,
        52..60 => What::CallStarted {
            call: b"one",
            destination: b"100",
            authenticated: random.bool(),
            admitted: random.u8(..4) == 0,
        },
        60..68 => What::Registered { expires: random.u32(1..100_000) },
        68..71 => What::AuthSucceeded,
        71..75 => What::Unregistered,
        75..76 => What::Expired,
        76..82 => What::LoginFailed,
        82..90 => What::UnknownAccount,
        90..93 => What::AclRejected,
        93..95 => What::ClientRefused,
        95..97 => What::Refused,
        97..98 => What::StaleNonce,
        98..99 => {
            What::CallEnded { call: b"one", cause: b"NORMAL_CLEARING", billed: 0, refused: random.bool() }
        }
        _ => What::CallAnswered { call: b"one" },
    };
    Happened {
        what,
        ip: (random.u8(..40) > 0).then(|| one(random, &SOURCES).parse().unwrap()),
        port: one(random, &PORTS),
        evidence: one(random, &Evidence::ALL),
        user: one(random, &USERS),
        domain: if random.u8(..4) > 0 { DOMAINS[0] } else { one(random, &DOMAINS) },
        agent: if random.u8(..10) > 0 { AGENTS[0] } else { one(random, &AGENTS) },
    }
}
