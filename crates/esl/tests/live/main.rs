//! The client and the command pool over real sockets, against a peer that plays what a real FreeSWITCH said.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../material/captures.rs"]
mod captures;
mod client;
mod connection;
mod peer;
mod pool;
#[path = "../material/transcript.rs"]
mod transcript;
