//! One taker of turns: [`Actor`].

use super::{attacker::Attacker, phone::Phone, trunk::Trunk};
use crate::step::Action;
use fastrand::Rng;
use std::{net::SocketAddr, time::Duration};

/// A phone, a trunk or an attacker, with its own chance.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) begins: Duration,
    pub(super) rng: Rng,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    Phone(Box<Phone>),
    Trunk(Trunk),
    Attacker(Attacker),
}

/// What it does now, and in how long it does something again.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) source: SocketAddr,
    pub(super) action: Action,
    pub(super) after: Duration,
}

impl Actor {
    pub(super) fn act(&mut self, at: Duration) -> Next {
        match &mut self.role {
            Role::Phone(phone) => phone.act(at, &mut self.rng),
            Role::Trunk(trunk) => trunk.act(&mut self.rng),
            Role::Attacker(attacker) => attacker.act(&mut self.rng),
        }
    }
}
