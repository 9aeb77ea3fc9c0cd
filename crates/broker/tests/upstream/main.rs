//! The broker's connections to a switch, over real sockets against the simulated one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod commands;
mod hub;
mod jobs;
mod owners;
mod support;
