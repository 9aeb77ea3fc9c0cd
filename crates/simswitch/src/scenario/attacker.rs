//! The attackers: [`Attacker`], each with its target, its tempo and its way to change address.

use super::{actor::Next, around, call_id};
use crate::step::{Action, Client, Credentials};
use fastrand::Rng;
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Attacker {
    pub(super) attack: Attack,
    pub(super) from: From,
    /// The mean time between two tries.
    pub(super) every: Duration,
    pub(super) agent: &'static str,
    /// How many tries it made.
    pub(super) tries: u64,
    pub(super) call_id: Arc<str>,
}

/// What it is after.
#[derive(Debug)]
pub(super) enum Attack {
    /// One account, many passwords; the nonce is used again and again.
    Crack { user: Arc<str> },
    /// One account, every try from somewhere else, so a challenge each time.
    CrackFromEverywhere { user: Arc<str> },
    /// Which accounts are there? `guesses` also tries a password.
    Enumerate { first: u32, guesses: bool },
    /// One password, many accounts.
    Spray { first: u32, count: u32 },
    /// Stolen credentials: registers, then calls abroad.
    TollFraud { user: Arc<str> },
    /// Calls on the profile that asks nobody for credentials.
    PublicCalls,
    /// INVITEs without credentials, whose source address is forged.
    ForgedInvites,
}

/// Where its packets come from, or seem to.
#[derive(Debug)]
pub(super) enum From {
    Host(SocketAddr),
    /// A new source port for every try.
    Ports(IpAddr),
    /// A new address for every try, from these, in turn.
    Addresses(Vec<IpAddr>),
    /// A new address for every try, within this /64.
    Subnet(Ipv6Addr),
    /// Other people's addresses.
    Forged(Vec<SocketAddr>),
}

impl Attacker {
    pub(super) fn act(&mut self, rng: &mut Rng) -> Next {
        let source = self.source(rng);
        let action = self.action(source.ip(), rng);
        self.tries += 1;
        Next { source, action, after: self.pause(rng) }
    }

    fn pause(&self, rng: &mut Rng) -> Duration {
        match self.attack {
            // Calls abroad go out in bursts of four.
            Attack::TollFraud { .. } if !self.tries.is_multiple_of(4) => Duration::from_millis(150),
            _ => around(rng, self.every),
        }
    }

    fn source(&self, rng: &mut Rng) -> SocketAddr {
        let port = rng.u16(1024..);
        let turn = |length: usize| (self.tries % length.max(1) as u64) as usize;
        match &self.from {
            From::Host(host) => *host,
            From::Ports(address) => SocketAddr::new(*address, port),
            From::Addresses(addresses) => SocketAddr::new(addresses[turn(addresses.len())], port),
            From::Subnet(base) => {
                let host = u128::from(rng.u64(1..));
                SocketAddr::new(Ipv6Addr::from_bits(base.to_bits() | host).into(), port)
            }
            From::Forged(victims) => victims[turn(victims.len())],
        }
    }

    fn action(&mut self, address: IpAddr, rng: &mut Rng) -> Action {
        let turn = self.tries as u32;
        match &self.attack {
            Attack::Crack { user } => {
                let user = Arc::clone(user);
                // A cracker asks for a new nonce now and then.
                let credentials =
                    if turn.is_multiple_of(20) { Credentials::Wrong } else { Credentials::WrongAgain };
                self.register(user, credentials, address, rng)
            }
            Attack::CrackFromEverywhere { user } => {
                let user = Arc::clone(user);
                self.call_id = call_id(rng, address);
                self.register(user, Credentials::Wrong, address, rng)
            }
            Attack::Enumerate { first, guesses } => {
                let user = (first + turn).to_string().into();
                let credentials = if *guesses { Credentials::Wrong } else { Credentials::None };
                self.register(user, credentials, address, rng)
            }
            Attack::Spray { first, count } => {
                let user = (first + turn % count).to_string().into();
                self.register(user, Credentials::Wrong, address, rng)
            }
            Attack::TollFraud { user } => {
                let user = Arc::clone(user);
                if turn == 0 {
                    return self.register(user, Credentials::Fresh, address, rng);
                }
                let prefix = ABROAD[rng.usize(..ABROAD.len())];
                Action::Call {
                    client: self.client(user, call_id(rng, address)),
                    number: format!("{prefix}{:07}", rng.u32(..10_000_000)).into(),
                    credentials: Credentials::Cached,
                    ring: Duration::from_millis(rng.u64(200..1500)),
                    talk: Some(Duration::from_secs(rng.u64(30..300))),
                }
            }
            Attack::PublicCalls => {
                let prefix = ["9", "900", "011", "00", "+", "0", "1", "7011"][rng.usize(..8)];
                Action::PublicCall {
                    client: self.client("100".into(), call_id(rng, address)),
                    number: format!("{prefix}44163296{:04}", rng.u32(..10_000)).into(),
                }
            }
            Attack::ForgedInvites => Action::Call {
                client: self.client(format!("{}", rng.u32(1000..10_000)).into(), call_id(rng, address)),
                number: format!("00{}", rng.u64(1_000_000_000..9_999_999_999)).into(),
                credentials: Credentials::None,
                ring: Duration::ZERO,
                talk: None,
            },
        }
    }

    fn register(&self, user: Arc<str>, credentials: Credentials, address: IpAddr, rng: &mut Rng) -> Action {
        // Scanners number their dialogs anew with every request; crackers keep one.
        let call_id = match self.attack {
            Attack::Crack { .. } | Attack::TollFraud { .. } => Arc::clone(&self.call_id),
            _ => call_id(rng, address),
        };
        Action::Register { client: self.client(user, call_id), credentials, expires: 120 }
    }

    fn client(&self, user: Arc<str>, call_id: Arc<str>) -> Client {
        Client { user, call_id, agent: self.agent.into() }
    }
}

/// Prefixes that fraudsters earn with: Somalia, Latvia, satellite, Cuba, Tunisia.
const ABROAD: [&str; 5] = ["00252901", "0037167", "0088216", "005356", "00216123"];
