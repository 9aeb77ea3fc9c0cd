//! Legs that the switch makes itself: money leaves by them, whoever asked for it.
//!
//! A leg to a gateway is the call of the account whose leg it was made for, and stands in for that leg, so that nothing counts
//! twice. Who forwarded or transferred a call is not told: an account that did not dial the number itself is told of and the leg may be
//! ended, but nobody is blocked or banned for it. Without a known origin (a stranger's call that is forwarded, a conference, an
//! `originate`) a leg belongs to an account called [`UNKNOWN`]. Start with [`Fraud::leg_started`].

use super::calls::Live;
use super::ending::Ending;
use super::finding::{self, Finding};
use super::judge::{self, Fired};
use super::{Fraud, From, Start, State};
use crate::observation::Observation;
use crate::source::Source;
use crate::time::Time;
use arrayvec::ArrayVec;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;
use toll::{Destination, Digits};

/// A leg whose account is known: a proven caller's own, and each that the switch made for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) switch: u16,
    pub(super) account: u64,
    pub(super) tenant: u64,
    pub(super) from: From,
    /// The end of the number that the caller dialled.
    dialled: Option<Tail>,
    /// The number that it called last, or a gateway leg for it, which is counted and was not answered.
    counted: Option<Digits>,
    /// Rules that were told of for that number, by their bit.
    told: u32,
    /// When it was last known to run.
    pub(super) alive: Time,
}

/// What an observation says of a leg.
#[derive(Clone, Copy)]
pub(super) struct Leg<'a> {
    pub(super) call: &'a [u8],
    pub(super) origin: &'a [u8],
    pub(super) gateway: &'a [u8],
    pub(super) number: &'a [u8],
}

/// The account of a domain whose calls nobody is known to have made.
pub(crate) const UNKNOWN: &[u8] = b"unknown";
/// Where they come from.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The rules that fired, by their bit.
pub(super) fn bits(fired: &Fired) -> u32 {
    fired.iter().fold(0, |all, (rule, _)| all | u32::from(rule.bit()))
}

/// The last six digits of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tail([u8; 6]);

impl Tail {
    /// Of a number, whatever else is in it; one of fewer digits has none.
    fn of(number: &[u8]) -> Option<Tail> {
        let mut tail = [0; 6];
        let mut digits = number.iter().rev().filter(|byte| byte.is_ascii_digit());
        for place in tail.iter_mut().rev() {
            *place = *digits.next()?;
        }
        Some(Tail(tail))
    }
}

impl Origin {
    /// Of a call that an account makes.
    pub(super) fn of_call(start: &Start<'_>, account: u64, tenant: u64) -> Origin {
        Origin {
            switch: start.seen.switch,
            account,
            tenant,
            from: From { ip: start.ip, source: Source::of(start.ip), evidence: start.seen.evidence },
            dialled: Tail::of(start.number),
            counted: None,
            told: 0,
            alive: start.now,
        }
    }

    /// Of a leg that was made for it.
    fn of_leg(&self, now: Time) -> Origin {
        Origin { dialled: None, counted: None, told: 0, alive: now, ..*self }
    }
}

impl Fraud {
    /// The switch makes a leg. `now` is when it began, `told` when that is told.
    pub(super) fn leg_started(
        &self,
        seen: &Observation<'_>,
        leg: Leg<'_>,
        now: Time,
        told: Time,
    ) -> Option<Finding> {
        let policy = self.policy.load();
        if !policy.enabled {
            return None;
        }
        let (key, origin_key) =
            (self.call_key(seen.switch, leg.call), self.call_key(seen.switch, leg.origin));
        let known = {
            let mut state = self.state.lock();
            if state.is_known(key) {
                return None;
            }
            let origin = state.origins.get(&origin_key).copied();
            if let Some(origin) = origin {
                state.remember(key, origin.of_leg(now));
                self.running.store(state.running(), Relaxed);
            }
            if leg.gateway.is_empty() {
                return None;
            }
            origin.map(|origin| (origin, state.domain(origin.account)))
        };
        let domain = known.as_ref().map_or(seen.domain, |(_, domain)| domain);
        let destinations = self.destinations.load();
        let to = destinations.as_ref().and_then(|leads| leads(leg.number, domain))?;
        let ip = known.as_ref().map_or(NOWHERE, |(origin, _)| origin.from.ip);
        let seen = &Observation { user: UNKNOWN, domain, account_domain: domain, ..*seen };
        let start = Start { seen, ip, call: leg.call, number: leg.number, domain, now };
        let mut state = self.state.lock();
        let (mut live, said) = match known {
            Some((origin, _)) => {
                if state.takes_over((key, origin_key), &start, &to) {
                    return None;
                }
                let is_again = origin.counted == Some(to.number);
                if is_again {
                    state.uncount(&origin, &to, now);
                }
                let mut live = Live::new(&start, origin.account, origin.tenant, to);
                (live.from, live.origin) = (origin.from, Some(origin_key));
                live.is_blamed = origin.dialled.is_some()
                    && origin.dialled == Tail::of(live.to.number.as_str().as_bytes());
                (live, if is_again { origin.told } else { 0 })
            }
            None => {
                let (account, tenant) = (self.key([UNKNOWN, domain]), self.key([domain]));
                state.account(account, tenant, &start);
                state.tenant(tenant, domain, now);
                let mut live = Live::new(&start, account, tenant, to);
                live.is_blamed = false;
                (live, 0)
            }
        };
        let mut fired = judge::started(&policy, &mut state, &mut live, self.watched(told), now);
        state.counted(origin_key, live.to.number, said | bits(&fired));
        // The same call by another gateway: what was said of it is not said again, but it is ended again.
        fired.retain(|(rule, _)| said & u32::from(rule.bit()) == 0 || policy.actions(*rule).hang_up);
        let finding = (!fired.is_empty()).then(|| finding::made(&policy, &mut state, &live, &fired, told));
        let finding = finding.inspect(|finding| {
            self.counts.count(&fired, finding);
            live.must_end = Ending::wanted_by(finding, told);
        });
        self.track(&mut state, key, live, told);
        finding
    }
}

impl State {
    /// Whether a leg was told of before.
    pub(super) fn is_known(&self, key: u64) -> bool {
        self.calls.get(&key).is_some() || self.origins.get(&key).is_some()
    }

    /// Remembers whose a leg is; the ones that were not heard of for longest go first.
    pub(super) fn remember(&mut self, key: u64, origin: Origin) {
        self.origins.make(key, origin, |origin| origin.alive, &Time::from_micros(u64::MAX));
    }

    fn domain(&self, account: u64) -> ArrayVec<u8, { super::LONGEST }> {
        let domain = self.accounts.get(&account).map(|account| &*account.domain).unwrap_or_default();
        domain.iter().copied().take(super::LONGEST).collect()
    }

    /// Lets a gateway leg stand in for the leg that it was made for. True when that is all: the leg it was made for has called the same
    /// number, and was judged for it. When it has called another, that one no longer counts.
    fn takes_over(&mut self, (key, origin): (u64, u64), start: &Start<'_>, to: &Destination) -> bool {
        // A gateway leg that is put through to another costs as long as it runs.
        if self.calls.get(&origin).is_some_and(|live| live.origin.is_some()) {
            return false;
        }
        let Some(mut live) = self.calls.take(&origin) else { return false };
        if live.to.number != to.number {
            live.over(self);
            if let Some(origin) = self.origins.get(&origin).copied() {
                self.uncount(&origin, &live.to, start.now);
            }
            return false;
        }
        live.stands_in(start, origin);
        let worth = live.worth();
        self.calls.make(key, live, Live::worth, &worth);
        true
    }

    /// A leg, or a gateway leg for it, calls a number, which was counted; these rules were told of.
    pub(super) fn counted(&mut self, leg: u64, number: Digits, told: u32) {
        self.origins.change(&leg, |origin| {
            (origin.counted, origin.told) = (Some(number), told);
            false
        });
    }

    /// A gateway leg that was made for a leg was answered: the next one is another call.
    pub(super) fn is_through(&mut self, leg: u64) {
        self.origins.change(&leg, |origin| {
            origin.counted = None;
            false
        });
    }

    /// A call that was counted is counted once more, or as another one: what was counted is taken back.
    fn uncount(&mut self, origin: &Origin, to: &Destination, now: Time) {
        self.accounts.change(&origin.account, |account| {
            if let Some(outside) = &mut account.outside {
                outside.uncount(to, now);
            }
            false
        });
        self.tenants.change(&origin.tenant, |tenant| {
            tenant.spending.uncount(to, now);
            false
        });
    }
}
