//! What an operator may order: bans and allow entries by hand, and lifting them.
//!
//! An order enters the ledger where verdicts do. It is refused, with the reason, when it would hit a trusted network or the
//! operator's own address, or contradict an entry that stands.

use super::seen::Seen;
use super::{Guard, Learnt, Place, overlapping};
use crate::ban::{Allowed, Ban, Origin, Reason, Scope};
use crate::ledger::Entered;
use crate::observation::{Observation, What};
use crate::rule::{Distinct, KeyKind};
use crate::source::{Source, Target};
use crate::tally::printable;
use crate::time::Time;
use std::sync::Arc;
use std::time::Duration;

/// Why an order was refused.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The target overlaps a trusted network.
    #[error("{target} is in the trusted network {net}; take it out of security.trusted_networks first")]
    Trusted {
        /// What should have been banned.
        target: Target,
        /// The network.
        net: ipnet::IpNet,
    },
    /// The target overlaps an address of the operator or of the switch.
    #[error(
        "{target} holds {net}, an address of an operator or of the switch; banning it would lock you out"
    )]
    Protected {
        /// What should have been banned.
        target: Target,
        /// The network.
        net: ipnet::IpNet,
    },
    /// The target holds a gateway, a trunk or an address of a switch, as the switch told.
    #[error("{target} holds {}, which is {}; banning it would cut off your own calls", learnt.place(), learnt.label)]
    Learnt {
        /// What should have been banned.
        target: Target,
        /// What is in it.
        learnt: Learnt,
    },
    /// The target is a network in which an operator is.
    #[error(
        "{target} holds {ip}, where {name} proved an operator's credential lately; ban that address by itself if it is not theirs"
    )]
    Operator {
        /// What should have been banned.
        target: Target,
        /// The address.
        ip: std::net::IpAddr,
        /// Whose credential.
        name: Arc<str>,
    },
    /// The target is on the allow-list by an operator's order.
    #[error("{target} is on the allow-list ({entry}); remove it there first")]
    AllowListed {
        /// What should have been banned.
        target: Target,
        /// The entry.
        entry: Target,
    },
    /// A network that is banned covers the target that should be allowed.
    #[error("{net} is banned and covers {target}; lift that ban first")]
    Covered {
        /// What should have been allowed.
        target: Target,
        /// The banned network.
        net: Target,
    },
    /// An allow entry for one port.
    #[error("{0} names a port; an allow entry is for an address or a network")]
    Port(Target),
    /// The ledger is full.
    #[error("the ledger is full; raise firewall.max_elements or lift bans")]
    Full,
}

/// The terms of a ban by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms<'a> {
    /// Until when; `None` is for good.
    pub until: Option<Time>,
    /// Which packets.
    pub scope: Scope,
    /// Why; "banned by hand" when empty.
    pub text: &'a str,
    /// What the operator wants to remember; may be empty.
    pub note: &'a str,
}

/// What is to change of a ban that stands; what is `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amendment<'a> {
    /// Until when; `Some(None)` is for good.
    pub until: Option<Option<Time>>,
    /// Which packets.
    pub scope: Option<Scope>,
    /// The note; an empty one removes it.
    pub note: Option<&'a str>,
}

impl Guard {
    /// Bans a target by hand for `ttl` (`None`: for good), on `text` grounds.
    ///
    /// An allow entry that a success made does not protect from an operator: it is removed.
    ///
    /// # Errors
    /// When the target overlaps a trusted or protected network or an operator's allow entry.
    pub fn order_ban(
        &self,
        target: Target,
        ttl: Option<Duration>,
        scope: Scope,
        text: &str,
        who: &str,
        now: Time,
    ) -> Result<Arc<Ban>, Refusal> {
        self.order_ban_noted(
            target,
            Terms { until: ttl.map(|ttl| now + ttl), scope, text, note: "" },
            who,
            now,
        )
    }

    /// Bans a target by hand on these terms.
    ///
    /// # Errors
    /// As [`Guard::order_ban`].
    pub fn order_ban_noted(
        &self,
        target: Target,
        terms: Terms<'_>,
        who: &str,
        now: Time,
    ) -> Result<Arc<Ban>, Refusal> {
        self.may_be_banned(target, now)?;
        let by = Origin::Operator(who.into());
        if let Target::Host(source) = target {
            self.ledger.disallow(target, by.clone());
            self.reach.disown(source);
        }
        let Terms { until, scope, text, note } = terms;
        let text = if text.is_empty() { "banned by hand" } else { text };
        let reason = Reason::operator(&kept(text), now);
        let ban = Ban { target, scope, since: now, until, origin: by, reason, note: kept(note) };
        match self.ledger.ban(ban, now) {
            Entered::Made(ban) | Entered::Stands(ban) => Ok(ban),
            Entered::Full => Err(Refusal::Full),
        }
    }

    /// Whether an order may ban a target.
    ///
    /// # Errors
    /// When the target overlaps a trusted or protected network, what was learnt, or an operator's allow entry, or is a network in
    /// which an operator is.
    pub fn may_be_banned(&self, target: Target, now: Time) -> Result<(), Refusal> {
        let policy = self.policy.load();
        if let Some(net) = overlapping(&policy.policy.trusted, target) {
            return Err(Refusal::Trusted { target, net });
        }
        if let Some(net) = overlapping(&policy.policy.protected, target) {
            return Err(Refusal::Protected { target, net });
        }
        if let Some(learnt) = self.reach.overlapping(target) {
            return Err(Refusal::Learnt { target, learnt });
        }
        // Exactly such an address may be a thief's: whoever names it means it.
        if let (Target::Net(_), Some(found)) = (target, self.reach.operator_in(target, now)) {
            return Err(Refusal::Operator { target, ip: found.ip, name: found.name });
        }
        if let Some(entry) = self.ledger.operator_allow_overlapping(target, now) {
            return Err(Refusal::AllowListed { target, entry: entry.target });
        }
        Ok(())
    }

    /// Changes the ban of exactly this target that stands: its end, its scope, its note. Who made it and why stay. `None`
    /// when there is none.
    pub fn order_amend(&self, target: Target, amendment: Amendment<'_>, now: Time) -> Option<Arc<Ban>> {
        self.ledger.amend(target, now, |ban| {
            ban.until = amendment.until.unwrap_or(ban.until);
            ban.scope = amendment.scope.unwrap_or(ban.scope);
            if let Some(note) = amendment.note {
                ban.note = kept(note);
            }
        })
    }

    /// Lifts the bans of a target and of all that lies within it, and forgets what led to them. Returns what stood.
    pub fn order_lift(&self, target: Target, who: &str, now: Time) -> Vec<Arc<Ban>> {
        let by = Origin::Operator(who.into());
        let lifted = match target {
            Target::Port(..) => self.ledger.lift(target, by, now).into_iter().collect(),
            Target::Host(_) | Target::Net(_) => self.ledger.lift_within(&target.covers(), &by),
        };
        for target in lifted.iter().map(|ban| ban.target).chain([target]) {
            self.forget_strikes(target);
        }
        self.take_back(&lifted, now);
        lifted.into_iter().filter(|ban| ban.stands(now)).collect()
    }

    /// Lifts one ban, known by its target and since when it stands, and none within it. Returns it when there was one.
    pub fn order_lift_one(&self, target: Target, since: Time, who: &str, now: Time) -> Option<Arc<Ban>> {
        let ban = self.ledger.lift_made(target, since, Origin::Operator(who.into()), now)?;
        self.forget_strikes(target);
        self.take_back(std::slice::from_ref(&ban), now);
        Some(ban)
    }

    /// Allows a target for `ttl` (`None`: for good) and lifts the bans within it. Returns the entry and those bans.
    ///
    /// # Errors
    /// When it is a port, or a banned network covers it.
    pub fn order_allow(
        &self,
        target: Target,
        ttl: Option<Duration>,
        user: &str,
        domain: &str,
        who: &str,
        now: Time,
    ) -> Result<(Allowed, Vec<Arc<Ban>>), Refusal> {
        self.may_be_allowed(target, now)?;
        let entry = Allowed {
            target,
            added: now,
            until: ttl.map(|ttl| now + ttl),
            last_seen: now,
            user: kept(user),
            domain: kept(domain),
            origin: Origin::Operator(who.into()),
        };
        let lifted = self.ledger.allow(entry.clone());
        for ban in &lifted {
            self.forget_strikes(ban.target);
        }
        self.take_back(&lifted, now);
        Ok((entry, lifted))
    }

    /// Whether an order may allow a target.
    ///
    /// # Errors
    /// When it is a port, or a banned network covers it.
    pub fn may_be_allowed(&self, target: Target, now: Time) -> Result<(), Refusal> {
        if matches!(target, Target::Port(..)) {
            return Err(Refusal::Port(target));
        }
        match self.ledger.covering(target, now) {
            Some(ban) => Err(Refusal::Covered { target, net: ban.target }),
            None => Ok(()),
        }
    }

    /// Removes the allow entry of a target; true when there was one.
    pub fn order_disallow(&self, target: Target, who: &str) -> bool {
        self.ledger.disallow(target, Origin::Operator(who.into())).is_some()
    }

    /// Lifts the bans that the policy would not allow: what is trusted or protected now may not have been when they were made.
    pub fn lift_out_of_reach(&self, now: Time) -> Vec<(Arc<Ban>, ipnet::IpNet)> {
        let policy = self.policy.load();
        let nets = || policy.policy.trusted.iter().chain(&policy.policy.protected);
        let by = Origin::Operator("configuration".into());
        let bans = self.ledger.bans(now).into_iter();
        let wrong = bans.filter_map(|ban| Some((ban.target, overlapping(nets(), ban.target)?)));
        let lifted: Vec<_> = wrong
            .filter_map(|(target, net)| Some((self.ledger.lift(target, by.clone(), now)?, net)))
            .collect();
        lifted.iter().for_each(|(ban, _)| self.take_back(std::slice::from_ref(ban), now));
        lifted
    }

    /// Forgets what was counted against a target, and that its source was one of a crowd.
    fn forget_strikes(&self, target: Target) {
        let (ip, port) = match target {
            Target::Host(source) => (source.first(), 0),
            Target::Port(ip, port) => (ip, port),
            Target::Net(net) => (net.network(), 0),
        };
        let compiled = self.policy.load();
        let observation = Observation { port, ..Observation::of(0, What::Heartbeat) };
        let (source, place) = (Source::of(ip), Place::default());
        let seen = Seen { seen: &observation, ip, source, now: Time::ZERO, hasher: &self.hasher, place };
        for ready in &compiled.rules {
            let Some(key) = seen.key(ready) else { continue };
            match (ready.rule.key, ready.rule.distinct) {
                (KeyKind::Source | KeyKind::Port, _) if !matches!(target, Target::Net(_)) => {
                    self.shard(source).lock().forget(ready, key);
                }
                (KeyKind::Net | KeyKind::WideNet, _) if matches!(target, Target::Net(_)) => {
                    self.wide_shard(key).lock().forget(ready, key);
                }
                (KeyKind::Net | KeyKind::WideNet, Some(Distinct::Sources)) => {
                    self.wide_shard(key).lock().undo(ready, key, &seen);
                }
                _ => {}
            }
        }
    }
}

/// What an operator wrote, fit for a line of a log and not too long to keep.
fn kept(text: &str) -> String {
    printable(text.chars().take(LONGEST_TEXT).collect::<String>().as_bytes())
}

/// Longest text of an operator that is kept, in characters.
const LONGEST_TEXT: usize = 300;
