//! Orders through the desk: how long they may take, how many jobs, which rows of `show` are told.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod jobs;
mod rows;
mod support;
