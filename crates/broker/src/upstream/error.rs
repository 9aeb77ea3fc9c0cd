//! Why a command has no answer: [`CallError`].

use super::link::{Link, age};
use esl::{CommandError, DecodeError, Disconnect};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Why a command has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The switch cannot be reached: not sent.
    #[error("not connected to the switch for {} s: {why}", lasting.as_secs())]
    Down {
        /// Since when.
        since: SystemTime,
        /// How long that is.
        lasting: Duration,
        /// Why.
        why: Arc<str>,
    },
    /// No connection became free in time, or too many commands wait: not sent.
    #[error("all connections to the switch are busy; the command was not sent")]
    Busy,
    /// No connection came about in time: not sent.
    #[error("no connection to the switch within {0:?}; the command was not sent")]
    NoConnection(Duration),
    /// The connection was lost before the answer: the command may have been carried out.
    #[error("the connection was lost before the answer, so the command may have been carried out: {0}")]
    Lost(Arc<str>),
    /// No answer in time: the command may still be carried out.
    #[error("no answer within {0:?}; the command may still be carried out")]
    Timeout(Duration),
    /// The switch did not take the command.
    #[error("refused by the switch: {0}")]
    Refused(String),
    /// The user whom we are at the switch may not use the command.
    #[error("the switch does not permit it to us")]
    Denied,
    /// The command holds what could add another command, or nothing: not sent.
    #[error(transparent)]
    Invalid(#[from] CommandError),
    /// The answer is so large that it was not read to its end.
    #[error("the answer is too large: {0}")]
    TooLarge(DecodeError),
    /// The answer is so long, or such, that the rows in it cannot be told apart.
    #[error("the rows of the switch's answer cannot be told apart, so none is told")]
    NoRows,
    /// Another job that runs has this id: not sent.
    #[error("a job with this id is running")]
    JobInUse,
    /// As many jobs as may run are running: not sent.
    #[error("{0} jobs are running, as many as may")]
    TooManyJobs(usize),
    /// As many dedicated connections as may be are open.
    #[error("{0} dedicated connections are open, as many as may be")]
    TooManyDedicated(usize),
}

impl CallError {
    /// Whether the command was, or may have been, sent.
    pub fn was_sent(&self) -> bool {
        match self {
            CallError::Down { .. }
            | CallError::Busy
            | CallError::NoConnection(_)
            | CallError::Invalid(_)
            | CallError::JobInUse
            | CallError::TooManyJobs(_)
            | CallError::TooManyDedicated(_) => false,
            CallError::Lost(_)
            | CallError::Timeout(_)
            | CallError::Refused(_)
            | CallError::Denied
            | CallError::NoRows
            | CallError::TooLarge(_) => true,
        }
    }

    /// The error for a link that is down.
    pub(super) fn down(link: &Link) -> Option<CallError> {
        match link {
            Link::Down { since, why, .. } => {
                Some(CallError::Down { since: *since, lasting: age(*since), why: Arc::clone(why) })
            }
            Link::Connecting | Link::Up { .. } => None,
        }
    }

    pub(super) fn lost(why: Disconnect) -> CallError {
        match why {
            Disconnect::Decode(error @ DecodeError::BodyTooLarge { .. }) => CallError::TooLarge(error),
            Disconnect::Configuration(error) => CallError::Invalid(error),
            why => CallError::Lost(why.to_string().into()),
        }
    }

    pub(super) fn refused(text: String) -> CallError {
        if text == esl::reply::PERMISSION_DENIED { CallError::Denied } else { CallError::Refused(text) }
    }
}
