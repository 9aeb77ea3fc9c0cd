//! A phone of the house away from home: its password was changed, and it goes on failing wherever it comes, at addresses that a carrier
//! gives to many.

use super::Guard;
use super::compiled::{Compiled, Ready};
use super::seen::Seen;
use crate::observation::{Evidence, What};
use crate::policy::FAILED;
use std::time::Duration;

/// Whether a rule makes way for such a phone. One that looks at days does not: whoever fails at one address again and again does not travel.
pub(super) fn is_lenient(ready: &Ready) -> bool {
    ready.rule.limit.window <= DAY
}

const DAY: Duration = Duration::from_secs(86_400);

impl Guard {
    /// Whether this failure is most likely that of one phone of the house, so that its port is enough: the account has succeeded on days before, with this very
    /// user agent, it is the only one that failed from here, and no port is banned here yet. Who guesses has to know the agent, and gains
    /// as many tries as one port has.
    pub(super) fn is_own_phone(&self, compiled: &Compiled, seen: &Seen<'_>) -> bool {
        let observation = seen.seen;
        matches!(observation.what, What::AuthFailed(_))
            && observation.evidence > Evidence::Forgeable
            && observation.port != 0
            && self.past.reputation().is_phone_of(observation.user, seen.home(), observation.agent, seen.now)
            && self.is_alone(compiled, seen)
            && self.ledger.port_bans(seen.source, seen.now).is_empty()
    }

    /// Whether no other account failed from the source lately.
    fn is_alone(&self, compiled: &Compiled, seen: &Seen<'_>) -> bool {
        let Some(ready) = compiled.named(FAILED) else { return false };
        let Some(key) = seen.key(ready) else { return false };
        let record = self.shard(seen.source).lock().record_of(ready, key, seen.now);
        record.is_none_or(|record| record.users.len() <= 1)
    }
}
