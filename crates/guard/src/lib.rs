//! The pure engine of Switchward: observations in, verdicts out.
//!
//! It owns the rules, the sliding windows, who is registered, the ledger of bans and the allow-list. It does no I/O, reads
//! no clock, spawns nothing and knows no kind of switch: time is an argument, what a switch saw comes as an
//! [`Observation`], and whoever mirrors the ledger is told by a [`ledger::Journal`]. Start with [`Guard::observe`].

pub mod ban;
mod bounded;
pub mod budget;
pub mod countries;
pub mod counts;
mod crowd;
pub mod engine;
pub mod fraud;
pub mod ledger;
pub mod moments;
mod names;
pub mod observation;
pub mod past;
pub mod pattern;
pub mod policy;
pub mod priors;
pub mod reputation;
pub mod rule;
pub mod signal;
pub mod signature;
pub mod source;
mod standing;
mod strikes;
pub mod suspicion;
pub mod tally;
pub mod time;
pub mod timeline;
pub mod verdict;
mod window;

pub use ban::{Allowed, Ban, Origin, Reason, Scope};
pub use engine::{Guard, Limits, Place, Refusal, Verdicts};
pub use observation::{Evidence, Method, Observation, Transport, What};
pub use policy::Policy;
pub use rule::{Rule, RuleChange};
pub use signal::{Signal, Signals};
pub use source::{Source, Target};
pub use tally::printable;
pub use time::Time;
pub use verdict::{Alert, AlertKind, Verdict};
