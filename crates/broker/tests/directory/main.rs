//! The directories: over real sockets against the simulated switch, with real files.

#![allow(clippy::unwrap_used, reason = "tests")]

mod chain;
mod files;
mod freeswitch;
mod support;
