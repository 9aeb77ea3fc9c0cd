//! The codec against captures of a real FreeSWITCH and against what a hostile peer may send.

#![allow(clippy::unwrap_used, reason = "tests")]

mod captures;
mod commands;
mod events;
mod limits;
mod notices;
mod properties;
mod round_trip;
mod support;
#[path = "../material/transcript.rs"]
mod transcript;
mod transcripts;
