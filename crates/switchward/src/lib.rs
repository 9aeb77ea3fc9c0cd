//! The daemon: configuration, wiring, HTTP interface, command line, store.
//!
//! What decides lives in the crates below: `guard` judges, `extract` reads events, `netfilter` writes the kernel's sets,
//! `esl` speaks to the switch. Here they are put together. Start with [`app::App`] (what the parts share), `daemon` (how they
//! are started and stopped) and `cli` (what an operator types).

pub mod access;
pub mod alarms;
pub mod app;
pub mod ask;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod doors;
pub mod exit;
pub mod fraud;
pub mod geo;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod mirror;
pub mod monitor;
pub mod names;
pub mod news;
pub mod notify;
pub mod outgoing;
pub mod own;
pub mod past;
pub mod policy;
pub mod ports;
pub mod reach;
pub mod record;
pub mod replay;
pub mod report;
pub mod rules;
pub mod store;
pub mod suspects;
pub mod switch;
pub mod tls;
pub mod top;
pub mod trail;
pub mod watch;
