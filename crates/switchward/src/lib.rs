//! The guard and the only door of a voice switch.

pub mod config;
