//! The broker in the daemon: who may run which command of the switches.
//!
//! What decides is the crate `broker`; here it gets its rules from the configuration ([`rules`]).

pub mod rules;
