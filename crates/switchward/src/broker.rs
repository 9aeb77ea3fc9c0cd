//! The broker in the daemon: who may run which command of the switches.
//!
//! What decides is the crate `broker`; here it gets its rules from the configuration ([`rules`]), and tells what they mean
//! ([`explain`]).

pub mod explain;
pub mod rules;
