//! The HTTP interface over real connections: a real listener, a real ledger, a real store, and where it matters a real
//! event socket and the real kernel.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail like the test")]

mod access;
mod access_log;
mod alarms;
mod allows;
mod ask;
mod ask_esl;
mod ask_more;
mod ask_past;
mod ask_watching;
mod bans;
mod broker;
mod broker_events;
mod cached;
mod command;
mod commands_audit;
mod connections;
mod docs;
mod doors;
mod entrance;
mod fields;
mod gate;
mod geo;
mod headers;
mod history;
mod kernel;
mod listening_audit;
mod lists;
mod log;
mod malformed;
mod metrics;
#[path = "../common/name_server.rs"]
mod name_server;
mod names;
mod notifications;
mod odd;
mod operators;
mod reach;
mod receivers;
mod reports;
mod rules;
mod signatures;
mod stream;
mod support;
mod timelines;
mod tls;
mod transfer;
mod unban_links;
mod untrusted;
mod why;
