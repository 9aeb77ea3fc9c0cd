//! The broker in the daemon: who may run which command of the switches.
//!
//! What decides is the crate `broker`; here it gets its rules from the configuration ([`rules`]), tells what they mean ([`explain`]), and gets
//! its connections ([`wiring`]) and its callers ([`caller`], [`logins`]), over HTTP and over the event socket's own protocol ([`entrance`],
//! [`porter`]).

pub mod caller;
pub mod entrance;
pub mod explain;
pub mod inbox;
pub mod jobs;
pub mod logins;
pub mod porter;
pub mod rules;
mod standing;
pub mod wiring;
