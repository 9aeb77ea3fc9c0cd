//! The configuration of the daemon: file (JSON or TOML, the same keys), environment over it, checks, messages.
//!
//! [`load`] reads a file and the passwords it points at, [`parse`] works on text alone; both end in a [`Config`]
//! in which every value is typed and checked, or in all the problems at once, each with its line, its key, what was
//! found, what was expected and the mend. The keys live in one table (`keys`) that drives the reading, the
//! suggestions, the example and `docs/configuration.md`. The predecessor's JSON file and variables keep working.
//!
//! Nothing here reads `std::env`: the environment is an argument.

mod choice;
mod defaults;
mod model;
mod secret;

pub use model::{
    Api, Cache, Chandaemon, Config, Firewall, FirewallMode, Freeswitch, GuardLimits, Log, LogFormat,
    LogLevel, OnExit, PortRange, RateLimit, Security, Server, Store, Switch, SwitchKind,
};
pub use secret::Secret;
