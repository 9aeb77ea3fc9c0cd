//! Who may run which command of a voice switch.
//!
//! A command comes in as one [`Line`]. A module for the kind of switch ([`freeswitch`]) unfolds it into all the [`Deed`]s that it
//! would do, nested ones included; the [`Policy`] of the caller is asked for each, and the [`Decision`] says which rule allowed or
//! refused, and why. What cannot be decided is refused. Nothing here does I/O or reads a clock, and nothing knows of bans.
//!
//! Start with [`judge()`].

pub mod announcement;
pub mod audit;
pub mod catalogue;
#[cfg(feature = "tokio")]
pub mod clock;
pub mod deed;
#[cfg(feature = "tokio")]
pub mod desk;
#[cfg(feature = "tokio")]
pub mod directory;
#[cfg(feature = "tokio")]
pub mod door;
pub mod events;
pub mod explain;
pub mod freeswitch;
pub mod grant;
pub mod hours;
pub mod identity;
#[cfg(feature = "tokio")]
pub mod journal;
pub mod judge;
pub mod limits;
pub mod line;
pub mod message;
mod paths;
pub mod pattern;
pub mod policy;
pub mod redact;
pub mod roles;
pub mod rulebook;
#[cfg(feature = "tokio")]
pub mod upstream;

pub use announcement::Announcement;
pub use catalogue::{Catalogue, Class, Classes};
pub use deed::{Deed, Deeds};
#[cfg(feature = "tokio")]
pub use desk::Desk;
pub use grant::{Grant, LogLevel, Terms, Waiting};
pub use identity::{Account, Bound, Identity, Proof};
pub use judge::{Caller, Decision, decide, judge};
pub use line::{BadLine, Line};
pub use message::Message;
pub use pattern::Pattern;
pub use policy::{Policy, Rule};
pub use redact::Redactor;
pub use rulebook::Rulebook;
#[cfg(feature = "tokio")]
pub use upstream::Upstream;
