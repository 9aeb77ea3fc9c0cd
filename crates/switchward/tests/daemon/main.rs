//! The real program against a simulated FreeSWITCH: what it does to the kernel, to the disk and to its callers, and what
//! becomes of that when it is killed, when the ground goes from under it, and when it is told nonsense.
//!
//! Every test has a network namespace of its own and the kernel's tools as witnesses. Needs root; see `support`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and fail by panicking"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it saw")]

mod access;
mod adopt;
mod alarms;
mod cli_asks;
mod cli_audit;
mod cli_files;
mod cli_help;
mod crash;
mod disk;
mod flood;
mod fraud;
mod geo;
mod hang_up;
mod kernel;
mod logs;
mod memory;
mod metrics;
#[path = "../common/name_server.rs"]
mod name_server;
mod names;
mod own;
mod past;
mod privilege;
mod profiling;
mod record;
mod registered;
mod reload;
mod replay;
mod secrets;
mod stop;
mod support;
mod switches;
mod tamper;
mod top;
mod trouble;
mod unit;
