//! From what the fraud rules found to verdicts: who is told, what is ended, who is banned.
//!
//! Standing excuses nothing here. What is out of reach of every ban (trusted networks, the operator, his own allow entries) stays
//! so.

use super::Guard;
use crate::ban::{Ban, Origin, Reason, Scope};
use crate::counts::Outcome;
use crate::fraud::{Actions, Finding, Fraud};
use crate::ledger::Entered;
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
        for finding in self.fraud.tick(now) {
            let switch = finding.switch;
            self.found(finding, now, &mut |verdict| {
                if matches!(verdict, Verdict::Alert(_)) {
                    self.counts.alerts.up();
                }
                verdicts.push((switch, verdict));
            });
        }
        verdicts
    }

    pub(super) fn found(&self, mut finding: Finding, now: Time, tell: &mut dyn FnMut(Verdict)) {
        let compiled = self.policy.load();
        let acts = compiled.policy.enforce && !finding.learning;
        let actions = if acts { finding.actions } else { Actions::NONE };
        let (source, switch, rule) = (finding.source(), finding.switch, finding.rule.name());
        // Bans are counted when they are made.
        if !finding.actions.ban {
            let outcome = if acts || !finding.actions.is_hard() { Outcome::Alert } else { Outcome::WouldBan };
            self.counts.decided(self.fraud_slots[finding.rule as usize], outcome, finding.evidence(), now);
        }
        if let Some(alert) = finding.alert.take() {
            let done = done(finding.actions, finding.learning, acts);
            let text = format!("{}. {}. {done} {}", finding.why, finding.today, advice(&finding));
            tell(Verdict::Alert(Alert { kind: AlertKind::Fraud(Box::new(alert)), source, text }));
        }
        if actions.hang_up {
            self.counts.hang_ups.up();
            let (call, why) = (printable(&finding.call), finding.why.clone());
            tell(Verdict::HangUp { switch, call, cause: "CALL_REJECTED", rule, why, source });
        }
        if actions.block && finding.blocks {
            let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            let (user, domain, why) = (text(&finding.user), text(&finding.domain), finding.why.clone());
            tell(Verdict::BlockAccount { switch, user, domain, rule, why, source });
        }
        if finding.actions.ban {
            self.ban_caller(finding, acts, compiled.switch(switch), now, tell);
        }
    }

    fn ban_caller(
        &self,
        finding: Finding,
        acts: bool,
        switch: &str,
        now: Time,
        tell: &mut dyn FnMut(Verdict),
    ) {
        let evidence = finding.evidence();
        let target = Target::Host(finding.source());
        let slot = self.fraud_slots[finding.rule as usize];
        let decided = |outcome| self.counts.decided(slot, outcome, evidence, now);
        if self.may_be_banned(target, now).is_err() {
            decided(Outcome::Spared);
            return;
        }
        if self.ledger.banned(finding.ip(), 0, now).is_some() {
            return;
        }
        let reason = Reason {
            rule: finding.rule.name().into(),
            evidence,
            count: 1,
            users: vec![printable(&finding.user)],
            domains: vec![printable(&finding.domain)],
            switch: switch.into(),
            ..Reason::operator(&finding.why, now)
        };
        let ban = Ban {
            target,
            scope: Scope::Sip,
            since: now,
            until: Some(now + finding.ban),
            origin: Origin::Guard,
            reason,
            note: String::new(),
        };
        if !acts {
            decided(Outcome::WouldBan);
            tell(Verdict::WouldBan(Arc::new(ban)));
            return;
        }
        match self.ledger.ban_unless_allowed(ban, true, now) {
            Some(Entered::Made(ban)) => {
                decided(Outcome::Ban);
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
            finding.source().first()
        );
    }
    "No account is known that asked for it: look for a forwarding, a transfer, a conference or a command of the switch".into()
}

/// What is done about a call, in a sentence.
fn done(actions: Actions, learning: bool, acts: bool) -> String {
    let hard = Actions { alert: false, ..actions };
    match (hard.is_hard(), learning, acts) {
        (false, _, _) => "The call goes on.".into(),
        (true, true, _) => format!("The call goes on, because fraud.learning is on; else: {}.", hard.words()),
        (true, _, false) => format!("The call goes on, because banning is off; else: {}.", hard.words()),
        (true, ..) => format!("Done about it: {}.", hard.words()),
    }
}
