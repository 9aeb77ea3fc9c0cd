//! The last questions before a ban: who must be spared, what the evidence allows, and what is there already.
//!
//! Start with [`Guard::sentence`].

use super::Guard;
use super::Verdicts;
use super::compiled::Compiled;
use super::seen::{Seen, Who};
use crate::ban::{Ban, Origin, Reason, Scope};
use crate::counts::Outcome;
use crate::ledger::{Entered, Standing};
use crate::observation::Evidence;
use crate::priors::Growth;
use crate::reputation::Tier;
use crate::source::Target;
use crate::timeline::{Did, Record};
use crate::verdict::{Alert, AlertKind, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// A ban to be made, before the evidence has had its say.
pub(super) struct Order {
    /// Slot of the rule.
    pub(super) slot: u8,
    pub(super) target: Target,
    pub(super) ban: Duration,
    pub(super) scope: Scope,
    /// Whether it only says what it would have done.
    pub(super) shadow: bool,
    pub(super) evidence: Evidence,
}

impl Guard {
    /// Makes a ban, unless somebody must be spared. True when the strikes are spent.
    pub(super) fn sentence(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        order: &Order,
        who: Who,
        reason: impl FnOnce() -> Option<Reason>,
        verdicts: &mut Verdicts,
    ) -> bool {
        let policy = &compiled.policy;
        let forgeable = order.evidence == Evidence::Forgeable;
        let decided = |outcome| self.counts.decided(order.slot, outcome, order.evidence, seen.now);
        let is_net = matches!(order.target, Target::Net(_));
        if self.is_untouchable(compiled, seen)
            || (forgeable && (who.known || is_net))
            || (is_net && self.has_residents(compiled, order.target, seen.now))
        {
            decided(Outcome::Spared);
            // Neighbours are looked through for it: not again until as many have struck.
            return is_net;
        }
        let Some(mut reason) = reason() else { return false };
        let repute = self.repute(compiled, seen);
        let tier = if is_net { Tier::Stranger } else { repute.tier };
        // What may have been forged, or been forged in a phone's name, makes no ban longer, nor the next one. Nor does a port: the router gives
        // it to another phone tomorrow.
        let is_port = matches!(order.target, Target::Port(..));
        let is_weak = forgeable || is_port || who.is_phones_name(order.evidence);
        // Whoever was given a nonce at his own address can make a stranger fail: that buys him a day of it, not a week.
        let growth = growth_on(policy.growth, order.evidence);
        let (length, priors) = self.past.ban_time(order.target, order.ban, is_weak, tier, growth, seen.now);
        let length = if forgeable { length.min(policy.forgeable_max) } else { length };
        let length = if is_port { length.min(LONGEST_OF_A_PORT) } else { length };
        reason.priors = priors;
        reason.standing = repute.told();
        let scope = if forgeable { Scope::Sip } else { order.scope };
        let until = Some(seen.now + length);
        let note = String::new();
        let mut ban =
            Ban { target: order.target, scope, since: seen.now, until, origin: Origin::Guard, reason, note };
        if !policy.enforce || order.shadow {
            decided(Outcome::WouldBan);
            _ = verdicts.try_push(Verdict::WouldBan(Arc::new(ban)));
            return true;
        }
        let mut tell = |verdict| _ = verdicts.try_push(verdict);
        if !self.is_in_budget(compiled, (seen.source, tier), &mut ban, seen.now, &mut tell) {
            decided(Outcome::WouldBan);
            _ = verdicts.try_push(Verdict::WouldBan(Arc::new(ban)));
            // A stranger who goes on is banned when there is room. A flood with forged senders, and a rule that hits the house itself, are not looked
            // through again and again.
            return forgeable || tier > Tier::Stranger;
        }
        let Some(entered) = self.ledger.ban_unless_allowed(ban, policy.allow, seen.now) else { return false };
        match entered {
            Entered::Made(ban) => {
                decided(Outcome::Ban);
                if !is_weak {
                    self.past.banned(&ban, policy.growth, seen.now);
                }
                _ = verdicts.try_push(Verdict::Ban(ban));
                true
            }
            Entered::Stands(_) => true,
            Entered::Full => {
                decided(Outcome::LedgerFull);
                if !self.full_told.is_due(seen.now) {
                    return false;
                }
                _ = verdicts.try_push(Verdict::Alert(Alert {
                    kind: AlertKind::LedgerFull,
                    source: seen.source,
                    text: format!(
                        "{} should be banned, but the ledger is full; raise firewall.max_elements",
                        order.target
                    ),
                }));
                false
            }
        }
    }

    pub(super) fn heard_while_banned(&self, seen: &Seen<'_>, standing: &Standing, verdicts: &mut Verdicts) {
        self.counts.heard_while_banned.up();
        if standing.is_to_record(seen.now) {
            let heard = Record::new(seen.seen, seen.ip, Did::HeardWhileBanned, seen.now);
            self.shard(seen.source).lock().timeline.push(heard);
        }
        let since = seen.now.since(standing.ban.since);
        // A clock that was set back makes the ban seem to lie ahead: the kernel's time has gone on.
        let overdue = since > STILL_HEARD || seen.now < standing.ban.since;
        if overdue && self.policy.load().policy.enforce && standing.is_due(seen.now) {
            _ = verdicts.try_push(Verdict::Alert(Alert {
                kind: AlertKind::NotEnforced(standing.ban.clone()),
                source: seen.source,
                text: format!(
                    "{} is still heard {} after it was banned: the kernel does not drop its packets; see `switchward status`",
                    seen.source,
                    crate::ban::span(since)
                ),
            }));
        }
    }
}

/// How far bans on this evidence may grow.
pub(super) fn growth_on(growth: Growth, evidence: Evidence) -> Growth {
    match evidence {
        Evidence::Proven => growth,
        _ => Growth { longest: growth.longest.min(LONGEST_OF_LIKELY), ..growth },
    }
}

/// Longest ban of one port. A phone that goes on with its wrong password is banned again after a few tries; one that was given the port since is
/// free soon.
const LONGEST_OF_A_PORT: Duration = Duration::from_secs(15 * 60);
/// The longest that a ban on likely evidence grows to.
const LONGEST_OF_LIKELY: Duration = Duration::from_secs(24 * 3600);
/// How long after a ban its source may still be heard: events on their way, and calls given up 10 s after the INVITE.
const STILL_HEARD: Duration = Duration::from_secs(15);
