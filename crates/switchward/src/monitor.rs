//! What the daemon knows about itself: who follows its news, what it is asked, who could not log in.
//!
//! [`Monitor`] is in the `App`; whoever serves or works counts here, `http` shows it.

use crate::alarms::Alarms;
use crate::doors::Listening;
use guard::counts::Count;
use std::sync::Arc;

pub mod histogram;
pub mod requests;
pub mod streams;

use requests::Requests;
use streams::Streams;

/// See the module.
#[derive(Default)]
pub struct Monitor {
    /// The alarms.
    pub alarms: Alarms,
    /// The live streams.
    pub streams: Streams,
    /// What is asked over HTTP.
    pub requests: Requests,
    /// The listeners that are open.
    pub listening: Listening,
    /// Events of switches that their readers missed.
    pub events_missed: Arc<Count>,
    /// Tokens and passwords that were not right.
    pub logins_failed: Count,
}
