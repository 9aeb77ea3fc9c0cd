//! An observation whose source is known: whom it strikes ([`Seen::key`]), and who the sender is to the guard ([`Who`]).

use super::compiled::Ready;
use super::place::Place;
use crate::names::{LONGEST_NAME, Names};
use crate::observation::{Evidence, Observation, What};
use crate::rule::{Applies, Distinct, KeyKind};
use crate::source::Source;
use crate::tally::{Key, Record, Strike, printable};
use crate::time::Time;
use ahash::RandomState;
use std::net::IpAddr;

/// An observation whose source is known.
pub(super) struct Seen<'a> {
    pub(super) seen: &'a Observation<'a>,
    pub(super) ip: IpAddr,
    pub(super) source: Source,
    pub(super) now: Time,
    /// Keys the hashes of names.
    pub(super) hasher: &'a RandomState,
    /// Where the source is, as far as a rule wants to know.
    pub(super) place: Place,
}

/// Who the sender is to the guard.
#[derive(Clone, Copy)]
pub(super) struct Who {
    /// A phone is registered from this source.
    pub(super) registered: bool,
    /// So it is, or it is on the allow-list.
    pub(super) known: bool,
    /// A phone is registered from this very port, or was within the last hour.
    pub(super) phones_port: bool,
}

impl Who {
    /// Whether a strike comes from the port of a registered phone and is no proof: whoever got a nonce can forge it.
    pub(super) fn is_phones_name(self, evidence: Evidence) -> bool {
        self.phones_port && evidence < Evidence::Proven
    }

    /// Whether a rule is for a strike of this sender.
    pub(super) fn is_met_by(self, applies: Applies, evidence: Evidence) -> bool {
        match applies {
            Applies::Everyone => true,
            Applies::Strangers => !self.known,
            Applies::Known => self.known && !self.is_phones_name(evidence),
            Applies::Phone => self.is_phones_name(evidence),
        }
    }
}

impl Seen<'_> {
    /// The key under which a rule counts this; `None` when it has none: no port, no account, no place.
    pub(super) fn key(&self, ready: &Ready) -> Option<Key> {
        let track = ready.track;
        let (bits, v6) = self.source.bits();
        let number = |bits: u64| Key::number(track, bits).of_family(v6);
        Some(match ready.rule.key {
            KeyKind::Source => Key::new(track, self.source, 0),
            KeyKind::Port if self.seen.port == 0 => return None,
            KeyKind::Port => Key::new(track, self.source, self.seen.port),
            KeyKind::SourceAccount => number(self.hasher.hash_one((self.source, self.account()?))),
            KeyKind::Account => Key::number(track, self.hasher.hash_one(self.account()?)),
            KeyKind::Net => number(bits >> 8),
            KeyKind::WideNet if v6 => number(bits >> 16),
            KeyKind::WideNet => return None,
            KeyKind::Switch => Key::number(track, u64::from(self.seen.switch)),
            KeyKind::System => Key::number(track, u64::from(self.place.system?)),
            KeyKind::Country => Key::number(track, u64::from(u16::from_be_bytes(self.place.country?))),
        })
    }

    /// What tells this one apart from others.
    pub(super) fn tag(&self, distinct: Distinct) -> u32 {
        let hash = match distinct {
            Distinct::Accounts => self.hasher.hash_one((self.seen.user, self.home())),
            Distinct::Sources => self.hasher.hash_one(self.source),
            Distinct::Nets => {
                let (bits, v6) = self.source.bits();
                self.hasher.hash_one((bits >> 8, v6))
            }
        };
        hash as u32
    }

    fn account(&self) -> Option<(&[u8], &[u8])> {
        (!self.seen.user.is_empty()).then_some((self.seen.user, self.home()))
    }

    /// The domain of the account: the switch's word for it before the sender's.
    pub(super) fn home(&self) -> &[u8] {
        if self.seen.account_domain.is_empty() { self.seen.domain } else { self.seen.account_domain }
    }

    /// Whether the switch let this very call in: the sender is known for it, though not for anything else.
    pub(super) fn is_let_in(&self) -> bool {
        matches!(
            self.seen.what,
            What::CallStarted { authenticated: true, .. } | What::CallStarted { admitted: true, .. }
        )
    }

    /// What it adds to an entry.
    pub(super) fn strike(&self, names: &mut Names, tag: u32) -> Strike {
        let Observation { evidence, user, domain, agent, .. } = *self.seen;
        let [user, domain, agent] = [user, domain, agent].map(|name| names.intern(name));
        Strike { at: self.now, evidence, tag, user, domain, agent }
    }

    /// What is to be told of this one observation alone.
    pub(super) fn record(&self) -> Record {
        let one = |text: &[u8]| {
            if text.is_empty() { Vec::new() } else { vec![printable(&text[..text.len().min(LONGEST_NAME)])] }
        };
        Record {
            count: 1,
            first: self.now,
            last: self.now,
            users: one(self.seen.user),
            domains: one(self.seen.domain),
            agents: one(self.seen.agent),
        }
    }

    /// The account, to show: "1000@pbx.example".
    pub(super) fn account_shown(&self) -> String {
        let text = |part: &[u8]| printable(&part[..part.len().min(LONGEST_NAME)]);
        match self.home() {
            b"" => text(self.seen.user),
            domain => format!("{}@{}", text(self.seen.user), text(domain)),
        }
    }
}
