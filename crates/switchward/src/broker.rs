//! The broker in the daemon: who may run which command of the switches.
//!
//! What decides is the crate `broker`; here it gets its rules from the configuration ([`rules`]), its connections ([`wiring`]) and its
//! callers ([`caller`]), and tells what the rules mean ([`explain`]).

pub mod caller;
pub mod explain;
pub mod inbox;
pub mod jobs;
pub mod rules;
pub mod wiring;
