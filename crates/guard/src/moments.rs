//! What led to a ban, a few moments of it, in little memory: kept with the reason as long as the ban stands.
//!
//! A ledger may hold a million bans, so a `Moment` is boiled down to 16 bytes: names and addresses are
//! places in the reason's own lists. Start with [`Moments::of`] and [`Moments::steps`].

use crate::observation::{Evidence, Method, Transport};
use crate::time::Time;
use crate::timeline::{Did, Moment};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A few moments, the oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Told>", into = "Vec<Told>")]
pub struct Moments {
    steps: Box<[Step]>,
    /// The addresses that the steps name.
    sources: Box<[IpAddr]>,
}

/// One of them. Lists are those of the reason that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// How long before the last strike, in milliseconds; cut to 49 days.
    before: u32,
    /// From which port; 0 when unknown.
    pub port: u16,
    /// What was done.
    pub did: Did,
    /// How it travelled.
    pub transport: Transport,
    /// How hard it was to forge.
    pub evidence: Evidence,
    /// The account's place in the reason's users; `None` for none or one that is not there.
    pub user: Option<Place>,
    /// The agent's place in the reason's agents, likewise.
    pub agent: Option<Place>,
    from: u8,
}

/// A place in a short list, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(std::num::NonZeroU8);

impl Place {
    fn of(index: usize) -> Option<Place> {
        u8::try_from(index + 1).ok().and_then(std::num::NonZeroU8::new).map(Place)
    }

    /// The index.
    pub fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

impl Moments {
    /// Boils `moments` down: the newest [`MOST`] of them. `last` is when the last strike came; `users` and `agents` are the
    /// reason's lists.
    pub fn of(moments: &[Moment], last: Time, users: &[String], agents: &[String]) -> Moments {
        let mut newest: Vec<&Moment> = moments.iter().collect();
        newest.sort_by_key(|moment| std::cmp::Reverse(moment.at));
        newest.truncate(MOST);
        newest.reverse();
        let find = |list: &[String], name: &str| {
            list.iter().position(|known| !name.is_empty() && known == name).and_then(Place::of)
        };
        let mut sources: Vec<IpAddr> = Vec::new();
        let steps = newest.iter().map(|moment| Step {
            before: u32::try_from(last.since(moment.at).as_millis()).unwrap_or(u32::MAX),
            port: moment.port,
            did: moment.did,
            transport: moment.transport,
            evidence: moment.evidence,
            user: find(users, &moment.user),
            agent: find(agents, &moment.agent),
            from: place(&mut sources, moment.ip),
        });
        let steps = steps.collect();
        Moments { steps, sources: sources.into() }
    }

    /// The oldest first, with the address of each.
    pub fn steps(&self) -> impl Iterator<Item = (&Step, Option<IpAddr>)> {
        self.steps.iter().map(|step| (step, self.sources.get(usize::from(step.from)).copied()))
    }

    /// Whether nothing is known of what led to it.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    /// When it was; `last` is the reason's last strike.
    pub fn at(&self, last: Time) -> Time {
        Time::from_micros(last.micros().saturating_sub(u64::from(self.before) * 1000))
    }
}

/// Where an address stands among the few, which it joins.
fn place(sources: &mut Vec<IpAddr>, ip: IpAddr) -> u8 {
    let index = sources.iter().position(|known| *known == ip).unwrap_or_else(|| {
        sources.push(ip);
        sources.len() - 1
    });
    // There are at most as many as steps.
    index as u8
}

/// A step as it is stored. An unknown word, of a newer program, leaves the step out and not the ban.
#[derive(Serialize, Deserialize)]
struct Told {
    before: u32,
    did: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "is_zero")]
    port: u16,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    transport: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    evidence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<u8>,
}

fn is_zero(number: &u16) -> bool {
    *number == 0
}

impl From<Moments> for Vec<Told> {
    fn from(moments: Moments) -> Vec<Told> {
        let told = moments.steps().map(|(step, ip)| Told {
            before: step.before,
            did: step.did.word().into(),
            ip,
            port: step.port,
            transport: step.transport.word().into(),
            evidence: step.evidence.word().into(),
            user: step.user.map(|place| place.index() as u8),
            agent: step.agent.map(|place| place.index() as u8),
        });
        told.collect()
    }
}

impl From<Vec<Told>> for Moments {
    fn from(told: Vec<Told>) -> Moments {
        let mut sources = Vec::new();
        let steps = told.iter().take(MOST).filter_map(|told| {
            Some(Step {
                before: told.before,
                port: told.port,
                did: Did::ALL.into_iter().find(|did| did.word() == told.did)?,
                transport: Transport::ALL.into_iter().find(|way| way.word() == told.transport)?,
                evidence: Evidence::ALL.into_iter().find(|grade| grade.word() == told.evidence)?,
                user: told.user.and_then(|index| Place::of(index.into())),
                agent: told.agent.and_then(|index| Place::of(index.into())),
                from: told.ip.map_or(NOWHERE, |ip| place(&mut sources, ip)),
            })
        });
        let steps = steps.collect();
        Moments { steps, sources: sources.into() }
    }
}

impl Did {
    /// All.
    pub const ALL: [Did; 13] = [
        Did::Refused(Method::Register),
        Did::Refused(Method::Invite),
        Did::Refused(Method::Other),
        Did::Abandoned,
        Did::Called { authenticated: true },
        Did::Called { authenticated: false },
        Did::Registered,
        Did::Unregistered,
        Did::Expired,
        Did::HeardWhileBanned,
        Did::Challenged,
        Did::UnknownAccount,
        Did::AclRejected,
    ];

    /// The word that it is stored under.
    pub fn word(self) -> &'static str {
        match self {
            Did::Refused(Method::Register) => "refused-register",
            Did::Refused(Method::Invite) => "refused-invite",
            Did::Refused(Method::Other) => "refused",
            Did::Abandoned => "abandoned",
            Did::Called { authenticated: true } => "called-as",
            Did::Called { authenticated: false } => "called",
            Did::Registered => "registered",
            Did::Unregistered => "unregistered",
            Did::Expired => "expired",
            Did::HeardWhileBanned => "heard-while-banned",
            Did::Challenged => "challenged",
            Did::UnknownAccount => "unknown-account",
            Did::AclRejected => "acl-rejected",
        }
    }
}

impl Transport {
    /// All.
    pub const ALL: [Transport; 5] =
        [Transport::Unknown, Transport::Udp, Transport::Tcp, Transport::Tls, Transport::WebSocket];

    /// The word for it, as in answers; empty when unknown.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Unknown => "",
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::WebSocket => "ws",
        }
    }
}

/// Moments that are kept with a ban.
pub const MOST: usize = 6;
/// A place in no list.
const NOWHERE: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: u64, user: &str) -> Moment {
        Moment {
            at: Time::from_secs(at),
            did: Did::Refused(Method::Register),
            ip: IpAddr::from([192, 0, 2, (at % 2) as u8]),
            port: 5060,
            switch: 0,
            transport: Transport::Udp,
            evidence: Evidence::Likely,
            user: user.into(),
            domain: String::new(),
            agent: "sipcli".into(),
        }
    }

    #[test]
    fn the_newest_are_kept_with_their_names_and_addresses() {
        let all: Vec<Moment> =
            (1..=9).rev().map(|at| moment(at, if at == 9 { "1009" } else { "x" })).collect();
        let users = ["1001".to_owned(), "1009".to_owned()];
        let kept = Moments::of(&all, Time::from_secs(10), &users, &["sipcli".into()]);
        let steps: Vec<_> = kept.steps().collect();
        let at: Vec<u64> = steps.iter().map(|(step, _)| step.at(Time::from_secs(10)).secs()).collect();
        assert_eq!(at, [4, 5, 6, 7, 8, 9]);
        let (last, ip) = steps[5];
        assert_eq!((last.user.map(Place::index), last.agent.map(Place::index)), (Some(1), Some(0)));
        assert_eq!((steps[0].0.user, ip), (None, Some(IpAddr::from([192, 0, 2, 1]))));
    }

    #[test]
    fn a_step_costs_sixteen_bytes() {
        assert_eq!(size_of::<Step>(), 16);
    }

    #[test]
    fn every_word_is_found_again() {
        for did in Did::ALL {
            assert_eq!(Did::ALL.into_iter().filter(|other| other.word() == did.word()).count(), 1, "{did:?}");
        }
        let all: Vec<Moment> =
            Did::ALL.into_iter().rev().take(MOST).map(|did| Moment { did, ..moment(7, "1001") }).collect();
        let kept = Moments::of(&all, Time::from_secs(9), &["1001".into()], &[]);
        assert_eq!(Moments::from(Vec::<Told>::from(kept.clone())), kept);
    }

    #[test]
    fn a_word_of_a_newer_program_leaves_out_the_step_alone() {
        let mut told =
            Vec::<Told>::from(Moments::of(&[moment(1, ""), moment(2, "")], Time::from_secs(2), &[], &[]));
        told[0].did = "levitated".into();
        assert_eq!(Moments::from(told).steps().count(), 1);
    }
}
