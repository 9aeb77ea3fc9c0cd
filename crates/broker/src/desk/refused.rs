//! Why an order was not carried out, for every door.

use crate::line::BadLine;
use crate::rulebook::Shut;
use crate::upstream::CallError;
use std::time::Duration;

/// Why an order was not carried out. Its text is for the caller: it names the rule, never a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It is no command.
    #[error(transparent)]
    Bad(#[from] BadLine),
    /// It is no message, event or subscription.
    #[error("{0}")]
    Malformed(String),
    /// The caller may do nothing just now.
    #[error(transparent)]
    Shut(#[from] Shut),
    /// The caller may not do this.
    #[error("permission denied: {why}")]
    Denied {
        /// The rule, or that there is none.
        why: String,
    },
    /// Too many in a second.
    #[error("too fast; try again in {} ms", .wait.as_millis())]
    TooFast {
        /// How long to wait.
        wait: Duration,
    },
    /// Too many at once.
    #[error("too many commands at once; wait for an answer before the next")]
    TooMany,
    /// Too many background jobs.
    #[error("{0} background jobs are running, as many as may; wait for the end of one")]
    TooManyJobs(u32),
    /// There is no switch of that name.
    #[error("there is no switch {0:?}")]
    NoSuchSwitch(String),
    /// The audit cannot be written.
    #[error("refused because the audit cannot be written: {0}")]
    Unaudited(String),
    /// The way to the switch, or the switch itself, gave no answer.
    #[error("{switch}: {error}")]
    Failed {
        /// Which switch.
        switch: String,
        /// Why.
        error: CallError,
    },
}

impl Refused {
    /// The line that FreeSWITCH itself would give: programs know it.
    pub fn as_reply(&self) -> String {
        match self {
            Refused::Shut(_) | Refused::Denied { .. } => "-ERR permission denied".into(),
            Refused::Failed { error: CallError::Refused(text), .. } => text.clone(),
            other => format!("-ERR {other}"),
        }
    }

    /// Whether a rule says no, and not the state of things.
    pub fn is_denial(&self) -> bool {
        matches!(self, Refused::Shut(_) | Refused::Denied { .. })
    }
}
