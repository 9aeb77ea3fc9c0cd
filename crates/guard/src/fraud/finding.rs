//! What fired, and what is to be done: from the rules' words to a sentence for a person.

use super::calls::Live;
use super::judge::Fired;
use super::policy::{Actions, FraudPolicy, FraudRule};
use super::tenant::TenantFinding;
use super::{From, State, account};
use crate::counts::Count;
use crate::time::Time;
use std::time::Duration;
use toll::{Class, Cost, Country};

/// What an alert about a call says, besides its sentence.
#[derive(Clone, PartialEq, Debug)]
pub struct FraudAlert {
    /// The rules that fired.
    pub rules: Vec<FraudRule>,
    /// The account, user@domain.
    pub account: String,
    /// The number in full, E.164 with a plus.
    pub number: String,
    /// The country it is in.
    pub country: Country,
    /// What kind of number it is.
    pub class: Class,
    /// What a minute costs.
    pub cost_per_minute: Cost,
    /// What the account has spent in the last 24 hours, this call included as far as it went.
    pub spent: Cost,
    /// What is done about the call besides telling; when `learning`, what would have been.
    pub actions: Actions,
    /// Whether nothing is done because the guard only learns.
    pub learning: bool,
}

/// Rules fired on a call.
pub(crate) struct Finding {
    /// What is done, or would be.
    pub(crate) actions: Actions,
    /// Whether nothing but an alert may follow.
    pub(crate) learning: bool,
    pub(crate) switch: u16,
    pub(crate) call: Box<[u8]>,
    pub(crate) user: Box<[u8]>,
    pub(crate) domain: Box<[u8]>,
    pub(crate) from: From,
    /// The alert, when one is due.
    pub(crate) alert: Option<FraudAlert>,
    /// Whether blocking the account is due: it is asked for once an hour.
    pub(crate) blocks: bool,
    /// The rule that did most.
    pub(crate) rule: FraudRule,
    /// One sentence: who calls where, and why that is too much.
    pub(crate) why: String,
    /// The rule that wants the call ended, if one does.
    pub(crate) ends_by: Option<FraudRule>,
    /// How often the switch was asked before to end the call; nothing but that is to be done then.
    pub(crate) again: u32,
    /// What the account did in 24 hours, in words.
    pub(crate) today: String,
    /// How long a ban lasts.
    pub(crate) ban: Duration,
}

impl Finding {
    /// Whether an account is known whose call it is.
    pub(crate) fn has_caller(&self) -> bool {
        !self.from.ip.is_unspecified()
    }

    /// One about a call that does nothing yet.
    pub(super) fn blank(policy: &FraudPolicy, live: &Live, rule: FraudRule) -> Finding {
        Finding {
            actions: Actions::NONE,
            learning: policy.learning,
            switch: live.switch,
            call: live.call.clone(),
            user: Box::default(),
            domain: Box::default(),
            from: live.from,
            alert: None,
            blocks: false,
            rule,
            why: String::new(),
            ends_by: None,
            again: 0,
            today: String::new(),
            ban: policy.ban,
        }
    }
}

/// What was counted, by [`FraudRule`].
#[derive(Default, Debug)]
pub struct FraudCounts {
    /// How often each rule fired.
    pub fired: [Count; FraudRule::ALL.len()],
    /// How often each fired while the guard only learnt.
    pub learning: [Count; FraudRule::ALL.len()],
    /// Calls of which sight was lost because too many ran; they count as ended.
    pub untracked: Count,
    /// Calls that had ended unseen.
    pub ended_unseen: Count,
    /// Calls that had begun unseen.
    pub learnt: Count,
    /// Answers of switches about their calls that were not understood.
    pub odd_answers: Count,
}

impl FraudCounts {
    pub(super) fn count(&self, fired: &Fired, finding: &Finding) {
        for (rule, _) in fired {
            self.fired[*rule as usize].up();
            if finding.learning {
                self.learning[*rule as usize].up();
            }
        }
    }

    /// A person is told that a tenant is past its cap.
    pub(super) fn count_tenant(&self, finding: &TenantFinding) {
        self.fired[FraudRule::TenantCost as usize].up();
        if finding.alert.learning {
            self.learning[FraudRule::TenantCost as usize].up();
        }
    }
}

/// How often blocking an account is asked for.
const BLOCK_EVERY: Duration = Duration::from_secs(3600);

/// Puts together what follows from the rules that fired.
pub(super) fn made(
    policy: &FraudPolicy,
    state: &mut State,
    live: &Live,
    fired: &Fired,
    now: Time,
) -> Finding {
    let actions = fired.iter().fold(Actions::NONE, |all, (rule, _)| all.and(policy.actions(*rule)));
    let actions = live.may(actions);
    let to = &live.to;
    let reasons = fired.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join("; ");
    let all = || fired.iter().map(|(rule, _)| *rule);
    let rule = all().max_by_key(|rule| severity(policy, *rule)).unwrap_or(FraudRule::Cost);
    let ends_by = all().find(|rule| policy.actions(*rule).hang_up);
    let mut finding = Finding { actions, ends_by, ..Finding::blank(policy, live, rule) };
    let (mut spent, mut unsaid, mut is_due) = (Cost::ZERO, 0, false);
    state.accounts.change(&live.account, |account| {
        (finding.user, finding.domain) = (account.user.clone(), account.domain.clone());
        let Some(outside) = &mut account.outside else { return false };
        let day = outside.spending.day(now);
        spent = Cost::from_micros(day.micros);
        finding.today = format!(
            "{} calls out of the house, {} min, {spent} spent in 24 hours",
            day.calls,
            day.seconds.div_ceil(60)
        );
        let told = &mut outside.told;
        // A tenant's cap is told of once for all accounts.
        for rule in all().filter(|rule| *rule != FraudRule::TenantCost && policy.actions(*rule).alert) {
            if let Some(before) = told.is_due(rule, now) {
                (is_due, unsaid) = (true, unsaid + before);
            }
        }
        if actions.block && !policy.learning {
            finding.blocks = told.blocked == Time::ZERO || now.since(told.blocked) >= BLOCK_EVERY;
            if finding.blocks {
                told.blocked = now;
            }
        }
        false
    });
    let account = account::shown(&finding.user, &finding.domain);
    let number = format!("+{}", to.number);
    finding.why =
        format!("{account} {} {number} ({}, {} a minute): {reasons}", live.verb(), to.words(), to.cost);
    if unsaid > 0 {
        finding.today += &format!("; {unsaid} more since the last alert");
    }
    let mut rules: Vec<FraudRule> = all().collect();
    rules.dedup();
    finding.alert = is_due.then_some(FraudAlert {
        rules,
        account,
        number,
        country: to.country,
        class: to.class,
        cost_per_minute: to.cost,
        spent,
        actions: Actions { alert: false, ..actions },
        learning: policy.learning,
    });
    finding
}

/// Which of several rules a ban is named after.
fn severity(policy: &FraudPolicy, rule: FraudRule) -> (bool, bool, bool) {
    let actions = policy.actions(rule);
    (actions.ban, actions.block, actions.hang_up)
}
