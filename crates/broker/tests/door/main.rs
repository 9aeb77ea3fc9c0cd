//! The door as its clients see it: real sockets in front, a simulated switch behind that writes down what reaches it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod clients;
mod commands;
mod control;
mod crowd;
mod events;
mod hostile;
mod login;
mod support;
mod ways;
