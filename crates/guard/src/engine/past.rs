//! What the engine tells the past, and asks of it: who has earned what, how far a source is believed, how long a ban lasts.
//!
//! Start with [`Guard::repute`]; the tables are in [`Past`].

use super::Guard;
use super::compiled::Compiled;
use super::seen::{Seen, Who};
use crate::ban::Ban;
use crate::budget::Spent;
use crate::past::Past;
use crate::reputation::{Repute, Success, Tier};
use crate::source::Source;
use crate::time::Time;
use crate::verdict::{Alert, AlertKind, Verdict};
use std::net::IpAddr;
use std::sync::Arc;

impl Guard {
    /// What is known of sources and accounts over weeks, and of earlier bans.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Right credentials, and nothing suspicious about them: that is remembered, unless a ban covers the source.
    pub(super) fn earned(&self, seen: &Seen<'_>) {
        if self.is_banned(seen) {
            return;
        }
        let (user, agent) = (seen.seen.user, seen.seen.agent);
        let domain = seen.home();
        let country = || self.place(seen.ip).country;
        let success = Success { source: seen.source, user, domain, agent, country: &country };
        self.past.succeeded(&success, seen.seen.evidence, seen.now);
    }

    /// An inbound call was answered.
    pub(super) fn answered(&self, seen: &Seen<'_>) {
        if !self.is_banned(seen) {
            let (user, domain) = (seen.seen.user, seen.seen.domain);
            self.past.answered(seen.source, user, domain, seen.seen.evidence, seen.now);
        }
    }

    fn is_banned(&self, seen: &Seen<'_>) -> bool {
        self.ledger.standing(seen.ip, seen.seen.port, seen.now).is_some()
    }

    /// Whether an account that has a past is tried from a country where it never succeeded.
    pub(super) fn is_from_a_new_country(&self, seen: &Seen<'_>) -> bool {
        let country = || self.place(seen.ip).country;
        self.knows_places()
            && !seen.seen.user.is_empty()
            && self.past.reputation().is_new_country(seen.seen.user, seen.home(), country)
    }

    /// What is known of the sender.
    pub(super) fn repute(&self, compiled: &Compiled, seen: &Seen<'_>) -> Repute {
        self.repute_of(compiled, seen.ip, seen.now)
    }

    /// What is known of an address.
    pub(super) fn repute_of(&self, compiled: &Compiled, ip: IpAddr, now: Time) -> Repute {
        let source = Source::of(ip);
        let phones = self.shard(source).lock().standings.phones(source, now);
        let allowed = compiled.policy.allow && self.ledger.allowed(ip, now).is_some();
        self.past.repute(source, phones, allowed, now)
    }

    /// Whether a source has standing: a registered phone, an allow entry, or weeks of good behaviour.
    pub(super) fn is_known(&self, compiled: &Compiled, seen: &Seen<'_>, who: Who) -> bool {
        who.registered
            || self.allowed(&compiled.policy, seen).is_some()
            || self.past.reputation().is_trusted(seen.source, seen.now)
    }

    /// Whether a ban may still be made in this minute; if not, it is told as one that would have been.
    pub(super) fn is_in_budget(
        &self,
        compiled: &Compiled,
        (source, tier): (Source, Tier),
        ban: &mut Ban,
        now: Time,
        tell: &mut dyn FnMut(Verdict),
    ) -> bool {
        let budget = compiled.policy.budget;
        let standing = (tier > Tier::Stranger).then_some(source);
        let Err((spent, due)) = self.past.spend(budget, ban.reason.evidence, standing, now) else {
            return true;
        };
        let what = match spent {
            Spent::All => format!("{} bans in a minute (guard.max_bans_per_minute)", budget.all),
            Spent::Forgeable => format!(
                "{} bans in a minute on evidence that can be forged (half of guard.max_bans_per_minute)",
                budget.forgeable()
            ),
            Spent::Standing => format!(
                "{} sources with standing banned in a minute (guard.max_standing_bans_per_minute)",
                budget.standing
            ),
        };
        if due {
            tell(Verdict::Alert(Alert {
                kind: AlertKind::Budget,
                source,
                text: format!(
                    "{} should be banned by rule {}, but there were {what}; more are only told until there is room: is the rule right?",
                    ban.target, ban.reason.rule
                ),
            }));
        }
        ban.reason.text += &format!("; not banned, there were {what}");
        false
    }

    /// Operators lifted bans: they were wrong.
    pub(super) fn take_back(&self, lifted: &[Arc<Ban>], now: Time) {
        let growth = self.policy.load().policy.growth;
        lifted.iter().filter(|ban| ban.stands(now)).for_each(|ban| self.past.lifted(ban, growth, now));
    }
}
