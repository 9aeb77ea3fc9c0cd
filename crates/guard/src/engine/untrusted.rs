//! Untrusted domains: one request that names one is enough for a ban, and a call that does is hung up.

use super::seen::Seen;
use super::sentence::Order;
use super::{Guard, Verdicts};
use crate::ban::{Reason, Scope};
use crate::counts::Outcome;
use crate::policy::UNTRUSTED_DOMAIN;
use crate::source::Target;
use crate::tally::printable;
use crate::verdict::Verdict;

impl Guard {
    /// A call that names an untrusted domain is hung up.
    pub(super) fn untrusted_call(&self, seen: &Seen<'_>, call: &[u8], verdicts: &mut Verdicts) {
        let Some(pattern) = self.untrusted(seen, verdicts) else { return };
        if !self.policy.load().policy.enforce {
            return;
        }
        self.counts.hang_ups.up();
        _ = verdicts.try_push(Verdict::HangUp {
            switch: seen.seen.switch,
            call: printable(call),
            cause: "CALL_REJECTED",
            rule: UNTRUSTED_DOMAIN,
            why: format!("the call names the untrusted domain {} ({pattern})", printable(seen.seen.domain)),
            source: seen.source,
            again: 0,
        });
    }

    /// Bans a source whose call or failed registration names an untrusted domain; tells the pattern.
    ///
    /// `None` when the domain is not untrusted, or the source is out of reach.
    pub(super) fn untrusted(&self, seen: &Seen<'_>, verdicts: &mut Verdicts) -> Option<String> {
        if seen.seen.domain.is_empty() {
            return None;
        }
        let compiled = self.policy.load();
        let configured =
            compiled.policy.untrusted.iter().find(|pattern| pattern.matches(seen.seen.domain)).cloned();
        let pattern = configured.or_else(|| self.ledger.matching_pattern(seen.seen.domain))?.to_string();
        let slot = compiled.untrusted_slot;
        let spared = || self.counts.decided(slot, Outcome::Spared, seen.seen.evidence, seen.now);
        if self.is_untouchable(&compiled, seen) {
            spared();
            return None;
        }
        if self.ledger.banned(seen.ip, seen.seen.port, seen.now).is_none() {
            let mut who = self.shard(seen.source).lock().who(seen);
            let in_a_phones_name = seen.seen.port == 0 || who.is_phones_name(seen.seen.evidence);
            if who.registered && in_a_phones_name {
                spared();
                return Some(pattern);
            }
            who.known = self.is_known(&compiled, seen, who);
            // One strike is little: where phones are registered it costs a port, not the office.
            let (target, scope) = match who.registered {
                true => (Target::port(seen.ip, seen.seen.port), Scope::Sip),
                false => (Target::Host(seen.source), Scope::All),
            };
            let (ban, evidence) = (compiled.policy.untrusted_ban, seen.seen.evidence);
            let order = Order { slot, target, ban, scope, shadow: false, evidence };
            let reason = || {
                let what = format!("requests that name an untrusted domain ({pattern})");
                let switch = compiled.switch(seen.seen.switch);
                let reason = Reason::counted(UNTRUSTED_DOMAIN, &what, evidence, seen.record(), switch);
                Some(reason.with_moments(&self.just_now(seen, false)))
            };
            self.sentence(&compiled, seen, &order, who, reason, verdicts);
        }
        Some(pattern)
    }
}
