//! Calls: from what the fraud rules found to verdicts on one observation, and calls that no event told of.

use super::{Guard, Verdicts};
use crate::fraud::Finding;
use crate::observation::Observation;
use crate::time::Time;
use crate::verdict::Verdict;

impl Guard {
    /// Carries out what the fraud rules found on an observation, and counts the alerts on it.
    pub(super) fn found_on(&self, finding: Option<Finding>, now: Time, verdicts: &mut Verdicts) {
        if let Some(finding) = finding {
            self.found(finding, now, &mut |verdict| _ = verdicts.try_push(verdict));
        }
        for verdict in verdicts.iter() {
            if matches!(verdict, Verdict::Alert(_)) {
                self.counts.alerts.up();
            }
        }
    }

    /// Learns of a call that runs, which began and was answered at these times by our clock; `seen` is what its beginning would have
    /// been seen as. It is followed and judged by the fraud rules alone: to all others it is nothing new.
    pub fn learn_call(
        &self,
        seen: &Observation<'_>,
        began: Time,
        answered: Option<Time>,
        now: Time,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if let Some(finding) = self.fraud.learn(seen, began, answered, now) {
            self.found(finding, now, &mut |verdict| {
                if matches!(verdict, Verdict::Alert(_)) {
                    self.counts.alerts.up();
                }
                verdicts.push(verdict);
            });
        }
        verdicts
    }
}
