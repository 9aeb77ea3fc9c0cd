//! A call that must end: the switch is asked until it says that the call has ended.
//!
//! One command may be lost: the connection breaks, the switch is busy. So the wish stays with the call ([`Ending`]), and the switch is
//! asked again after [`FIRST`], then after twice that, and so on, [`LONGEST`] apart at most. [`Fraud::call_is_gone`] forgets a call that
//! the switch no longer has.

use super::Fraud;
use super::calls::Live;
use super::finding::Finding;
use super::policy::{Actions, FraudPolicy, FraudRule};
use crate::time::Time;
use std::time::Duration;

/// Why a call must end, and how often the switch was asked.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// The rule that wants it.
    rule: FraudRule,
    /// The sentence of that finding.
    why: Box<str>,
    /// When the switch was last asked.
    asked: Time,
    /// How often.
    times: u32,
}

/// How long after the first time the switch is asked again.
const FIRST: Duration = Duration::from_secs(4);
/// The longest that it takes to ask once more.
const LONGEST: Duration = Duration::from_secs(60);

impl Ending {
    /// What a finding wants, if that is an end.
    pub(super) fn wanted_by(finding: &Finding, now: Time) -> Option<Ending> {
        let rule = finding.ends_by?;
        (!finding.learning).then(|| Ending { rule, why: finding.why.as_str().into(), asked: now, times: 1 })
    }

    /// Whether it is time to ask again; how often it was asked before. What the policy no longer ends is left alone.
    fn again(&mut self, policy: &FraudPolicy, now: Time) -> Option<u32> {
        let is_wanted = policy.enabled && !policy.learning && policy.actions(self.rule).hang_up;
        let pause = FIRST.saturating_mul(1 << (self.times - 1).min(8)).min(LONGEST);
        // A clock that is set back is no reason to wait.
        if !is_wanted || (now >= self.asked && now.since(self.asked) < pause) {
            return None;
        }
        let before = self.times;
        (self.asked, self.times) = (now, before.saturating_add(1));
        Some(before)
    }
}

/// Asks again for the end of a call that must end and still runs.
pub(super) fn again(policy: &FraudPolicy, live: &mut Live, now: Time) -> Option<Finding> {
    let ending = live.must_end.as_mut()?;
    let again = ending.again(policy, now)?;
    let (rule, why) = (ending.rule, ending.why.to_string());
    Some(Finding {
        actions: Actions { hang_up: true, ..Actions::NONE },
        ends_by: Some(rule),
        again,
        why,
        ..Finding::blank(policy, live, rule)
    })
}

impl Fraud {
    /// A switch says that it has no such call: its end was missed, and it is over now. `call` is the name that the switch sent; false
    /// when no call of that name was followed.
    pub fn call_is_gone(&self, switch: u16, call: &[u8], now: Time) -> bool {
        self.ended(switch, call, 0, now)
    }
}
