//! A carrier's gateway: calls come in from it, on the profile that asks nobody for credentials.

use super::{actor::Next, around, call_id};
use crate::step::{Action, Client};
use fastrand::Rng;
use std::{net::SocketAddr, time::Duration};

/// See the module.
#[derive(Debug)]
pub(super) struct Trunk {
    pub(super) source: SocketAddr,
    /// The mean time between two calls.
    pub(super) every: Duration,
}

impl Trunk {
    pub(super) fn act(&self, rng: &mut Rng) -> Next {
        let action = Action::PublicCall {
            client: Client {
                user: format!("44163296{:04}", rng.u32(..10_000)).into(),
                call_id: call_id(rng, self.source.ip()),
                agent: "Carrier-SBC/9.1".into(),
            },
            number: "5551212".into(),
        };
        Next { source: self.source, action, after: around(rng, self.every) }
    }
}
