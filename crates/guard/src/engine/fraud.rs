//! From what the fraud rules found to verdicts: who is told, what is ended, who is banned.
//!
//! Standing excuses nothing here, but the budgets of bans hold, and a ban counts as an earlier one for the next. What is out of reach of
//! every ban (trusted networks, the operator, his own allow entries) stays so.

use super::Guard;
use super::compiled::Compiled;
use super::sentence::growth_on;
use crate::ban::{Ban, Origin, Reason, Scope};
use crate::counts::Outcome;
use crate::fraud::{Actions, Finding, Fraud, FraudRule, TenantAlert, TenantFinding};
use crate::ledger::Entered;
use crate::observation::Evidence;
use crate::reputation::Tier;
use crate::source::Target;
use crate::tally::printable;
use crate::time::Time;
use crate::verdict::{Alert, AlertKind, Verdict};
use std::sync::Arc;

impl Guard {
    /// What is known of calls out of the house.
    pub fn fraud(&self) -> &Fraud {
        &self.fraud
    }

    /// Housekeeping of the calls that run, about once a second: what is to be done about those that have come to be too much, and
    /// which switch each is about.
    pub fn tick_calls(&self, now: Time) -> Vec<(u16, Verdict)> {
        let mut verdicts = Vec::new();
        let mut tell = |switch: u16, verdict: Verdict| {
            if matches!(verdict, Verdict::Alert(_)) {
                self.counts.alerts.up();
            }
            verdicts.push((switch, verdict));
        };
        let ticked = self.fraud.tick(now);
        for finding in ticked.findings {
            let switch = finding.switch;
            self.found(finding, now, &mut |verdict| tell(switch, verdict));
        }
        for finding in ticked.tenants {
            let switch = finding.switch;
            self.tenant_found(finding, now, &mut |verdict| tell(switch, verdict));
        }
        verdicts
    }

    fn tenant_found(&self, finding: TenantFinding, now: Time, tell: &mut dyn FnMut(Verdict)) {
        let TenantFinding { from, alert, is_told, .. } = finding;
        let slot = self.fraud_slots[FraudRule::TenantCost as usize];
        self.counts.decided(slot, Outcome::Alert, from.evidence, now);
        if is_told {
            let enforces = self.policy.load().policy.enforce;
            let text = tenant_text(&alert, enforces);
            let kind = AlertKind::TenantFraud(Box::new(alert));
            tell(Verdict::Alert(Alert { kind, source: from.source, text }));
        }
    }

    pub(super) fn found(&self, mut finding: Finding, now: Time, tell: &mut dyn FnMut(Verdict)) {
        let compiled = self.policy.load();
        let acts = compiled.policy.enforce && !finding.learning;
        let actions = if acts { finding.actions } else { Actions::NONE };
        let (source, switch, rule) = (finding.from.source, finding.switch, finding.rule.name());
        // Bans are counted when they are made, and what is asked for again was counted the first time.
        if !finding.actions.ban && finding.again == 0 {
            let outcome = if acts || !finding.actions.is_hard() { Outcome::Alert } else { Outcome::WouldBan };
            self.counts.decided(self.fraud_slots[finding.rule as usize], outcome, finding.from.evidence, now);
        }
        if let Some(alert) = finding.alert.take() {
            let done = done(finding.actions, finding.learning, acts);
            let text = format!("{}. {}. {done} {}", finding.why, finding.today, advice(&finding));
            tell(Verdict::Alert(Alert { kind: AlertKind::Fraud(Box::new(alert)), source, text }));
        }
        if actions.hang_up {
            let again = finding.again;
            if again == 0 {
                self.counts.hang_ups.up();
            }
            let (call, why) = (printable(&finding.call), finding.why.clone());
            tell(Verdict::HangUp { switch, call, cause: "CALL_REJECTED", rule, why, source, again });
        }
        if actions.block && finding.blocks {
            let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            let (user, domain, why) = (text(&finding.user), text(&finding.domain), finding.why.clone());
            tell(Verdict::BlockAccount { switch, user, domain, rule, why, source });
        }
        if finding.actions.ban {
            self.ban_caller(&compiled, &finding, acts, now, tell);
        }
    }

    fn ban_caller(
        &self,
        compiled: &Compiled,
        finding: &Finding,
        acts: bool,
        now: Time,
        tell: &mut dyn FnMut(Verdict),
    ) {
        let (from, growth) = (finding.from, compiled.policy.growth);
        let target = Target::Host(from.source);
        let slot = self.fraud_slots[finding.rule as usize];
        let decided = |outcome| self.counts.decided(slot, outcome, from.evidence, now);
        if self.may_be_banned(target, now).is_err() {
            decided(Outcome::Spared);
            return;
        }
        if self.ledger.banned(from.ip, 0, now).is_some() {
            return;
        }
        let repute = self.repute_of(compiled, from.ip, now);
        let is_weak = from.evidence == Evidence::Forgeable;
        // The thief's address may have been good for weeks: that makes no ban of his shorter.
        let (length, priors) = self.past.ban_time(
            target,
            finding.ban,
            is_weak,
            Tier::Stranger,
            growth_on(growth, from.evidence),
            now,
        );
        let reason = Reason {
            rule: finding.rule.name().into(),
            evidence: from.evidence,
            count: 1,
            users: vec![printable(&finding.user)],
            domains: vec![printable(&finding.domain)],
            switch: compiled.switch(finding.switch).into(),
            priors,
            standing: repute.told(),
            ..Reason::operator(&finding.why, now)
        };
        let mut ban = Ban {
            target,
            scope: Scope::Sip,
            since: now,
            until: Some(now + length),
            origin: Origin::Guard,
            reason,
            note: String::new(),
        };
        if !acts || !self.is_in_budget(compiled, (from.source, repute.tier), &mut ban, now, tell) {
            decided(Outcome::WouldBan);
            tell(Verdict::WouldBan(Arc::new(ban)));
            return;
        }
        match self.ledger.ban_unless_allowed(ban, true, now) {
            Some(Entered::Made(ban)) => {
                decided(Outcome::Ban);
                if !is_weak {
                    self.past.banned(&ban, growth, now);
                }
                tell(Verdict::Ban(ban));
            }
            Some(Entered::Full) => decided(Outcome::LedgerFull),
            Some(Entered::Stands(_)) | None => {}
        }
    }
}

/// What a person may do about a call.
fn advice(finding: &Finding) -> String {
    if finding.has_caller() {
        return format!(
            "If nobody there meant to call: change the account's password, and see `switchward why {}`",
            finding.from.source.first()
        );
    }
    "No account is known that asked for it: look for a forwarding, a transfer, a conference or a command of the switch".into()
}

/// What is being done about a call, in a sentence.
fn done(actions: Actions, learning: bool, acts: bool) -> String {
    let hard = Actions { alert: false, ..actions };
    match (hard.is_hard(), learning, acts) {
        (false, _, _) => "The call goes on.".into(),
        (true, true, _) => format!("The call goes on, because fraud.learning is on; else: {}.", hard.words()),
        (true, _, false) => format!("The call goes on, because banning is off; else: {}.", hard.words()),
        (true, ..) => {
            let until = if hard.hang_up { " (the switch is asked until the call has ended)" } else { "" };
            format!("Under way: {}{until}.", hard.words())
        }
    }
}

/// A tenant past its cap, in a few sentences.
fn tenant_text(alert: &TenantAlert, enforces: bool) -> String {
    let TenantAlert { domain, spent, cap, actions, .. } = alert;
    let within = if alert.within.as_secs() > 3600 { "24 hours" } else { "an hour" };
    let who: Vec<String> = alert.spenders.iter().map(|(account, cost)| format!("{account} {cost}")).collect();
    let hit = match alert.above {
        Some(_) if who.len() == 1 => format!("{} for that account", actions.words()),
        Some(above) => {
            format!("{} for whoever spent more than {above}, a quarter above an equal share", actions.words())
        }
        None => format!("{}, but nobody spent much more than the others", actions.words()),
    };
    let done = match (actions.is_hard(), alert.learning, enforces) {
        (false, _, _) => "All calls go on.".into(),
        (true, true, _) => format!("All calls go on, because fraud.learning is on; else: {hit}."),
        (true, _, false) => format!("All calls go on, because banning is off; else: {hit}."),
        (true, ..) => format!("Under way: {hit}; nobody else's call is touched."),
    };
    format!(
        "The accounts of {domain} have spent {spent} in {within} (the cap is {cap}), most of it: {}. {done} If they did not mean to call: \
         change the passwords of those accounts, and see `switchward fraud`",
        who.join(", ")
    )
}
