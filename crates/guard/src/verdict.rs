//! What the guard decided: the engine's only output.

use crate::ban::{Allowed, Ban};
use crate::fraud::{FraudAlert, TenantAlert};
use crate::source::Source;
use std::fmt;
use std::sync::Arc;

/// A decision about one observation. Bans and allow entries are in the ledger already when a verdict tells of them.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// A ban was made, extended or widened.
    Ban(Arc<Ban>),
    /// A ban that would have been made if bans were enforced, or if the rule banned.
    WouldBan(Arc<Ban>),
    /// A call should be ended.
    HangUp {
        /// Number of the switch.
        switch: u16,
        /// The switch's name of the call, as it sent it.
        call: String,
        /// The hang-up cause to give (Q.850 name).
        cause: &'static str,
        /// The rule.
        rule: &'static str,
        /// Why, in one sentence.
        why: String,
        /// Where the call came from.
        source: Source,
        /// How often the switch was asked before to end this call.
        again: u32,
    },
    /// An account should be blocked at the switch.
    BlockAccount {
        /// Number of the switch.
        switch: u16,
        /// User part of the account, as the switch sent it: it may hold anything.
        user: String,
        /// Its domain, likewise.
        domain: String,
        /// The rule.
        rule: &'static str,
        /// Why, in one sentence.
        why: String,
        /// Where the call came from.
        source: Source,
    },
    /// Something a person should know.
    Alert(Alert),
    /// A source came onto the allow-list by a success.
    Allow(Arc<Allowed>),
}

/// Something a person should know.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// What kind.
    pub kind: AlertKind,
    /// About whom.
    pub source: Source,
    /// One sentence.
    pub text: String,
}

/// Kinds of alerts.
#[derive(Clone, PartialEq, Debug)]
pub enum AlertKind {
    /// Right credentials after many wrong ones: a password was probably found.
    Compromise,
    /// Events keep coming from a banned source: the kernel does not drop its packets. Told once a minute for a ban.
    NotEnforced(Arc<Ban>),
    /// A ban was not made because the ledger is full. Told once a minute.
    LedgerFull,
    /// One phone of several behind an address fails, and its address and port is banned.
    FailingPhone,
    /// Bans were not made because there were too many in a minute. Told once a minute.
    Budget,
    /// A rule that alerts has fired: its name.
    Rule(Arc<str>),
    /// Calls of an account that look like toll fraud. Told once in ten minutes for an account and a rule.
    Fraud(Box<FraudAlert>),
    /// A tenant spends more than it may. Told once for a cap and its window.
    TenantFraud(Box<TenantAlert>),
    /// An account was blocked at a switch because of fraud.
    AccountBlocked,
    /// An account should have been blocked and is not.
    AccountNotBlocked,
    /// A call should have been ended and was not. The switch is asked again.
    CallNotEnded,
}

impl AlertKind {
    /// The word for it, as in logs and answers.
    pub fn word(&self) -> &'static str {
        match self {
            AlertKind::Compromise => "compromise",
            AlertKind::NotEnforced(_) => "not-enforced",
            AlertKind::LedgerFull => "ledger-full",
            AlertKind::FailingPhone => "failing-phone",
            AlertKind::Budget => "budget",
            AlertKind::Rule(_) => "rule",
            AlertKind::Fraud(alert) if alert.learning => "fraud-learning",
            AlertKind::TenantFraud(alert) if alert.learning => "fraud-learning",
            AlertKind::Fraud(_) | AlertKind::TenantFraud(_) => "fraud",
            AlertKind::AccountBlocked => "account-blocked",
            AlertKind::AccountNotBlocked => "account-not-blocked",
            AlertKind::CallNotEnded => "call-not-ended",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
