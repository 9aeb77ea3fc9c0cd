//! The simulated switch over real TCP, against the captures of a real one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "it/behaviours.rs"]
mod behaviours;
#[path = "it/client.rs"]
mod client;
#[path = "it/control.rs"]
mod control;
#[path = "it/evaluation.rs"]
mod evaluation;
#[path = "it/files.rs"]
mod files;
#[path = "it/playback.rs"]
mod playback;
#[path = "it/scenarios.rs"]
mod scenarios;
#[path = "it/subscriptions.rs"]
mod subscriptions;
#[path = "it/switching.rs"]
mod switching;
#[path = "it/transcripts.rs"]
mod transcripts;
