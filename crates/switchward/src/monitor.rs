//! What the daemon knows about itself: who follows its news.
//!
//! [`Monitor`] is in the `App`; whoever serves or works counts here, `http` shows it.

pub mod streams;

use streams::Streams;

/// See the module.
#[derive(Default)]
pub struct Monitor {
    /// The live streams.
    pub streams: Streams,
}
