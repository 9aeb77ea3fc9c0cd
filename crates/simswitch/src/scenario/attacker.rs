//! The attackers: [`Attacker`], each with its target, its tempo and its way to change address.

use super::{actor::Next, around, call_id};
use crate::step::{Action, Client, Credentials, Method};
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
    pub(super) from: Origin,
    /// The mean time between two tries.
    pub(super) every: Duration,
    pub(super) agent: &'static str,
    /// After how many tries it goes away.
    pub(super) most: Option<u64>,
    /// How many tries it made.
    pub(super) tries: u64,
    pub(super) call_id: Arc<str>,
}

/// What an attacker is after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attack {
    /// One account, many passwords; the nonce is used again and again.
    Crack {
        /// The account.
        user: Arc<str>,
    },
    /// One account, every try with a challenge and a dialog of its own.
    CrackFromEverywhere {
        /// The account.
        user: Arc<str>,
    },
    /// The same, and the password is found at the try of this number, counted from 0; the account is used then.
    Find {
        /// The account.
        user: Arc<str>,
        /// The try that is right.
        at: u64,
    },
    /// Which accounts are there?
    Enumerate {
        /// The first account.
        first: u32,
        /// Whether it also tries a password.
        guesses: bool,
    },
    /// One password, many accounts, in turn.
    Spray {
        /// The first account.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Names for accounts, in turn, each with a password.
    Names(Arc<[Arc<str>]>),
    /// SUBSCRIBEs or MESSAGEs with wrong passwords, of which the switch tells the challenge alone.
    Ask {
        /// Which of the two.
        method: Method,
        /// The account.
        user: Arc<str>,
    },
    /// Stolen credentials: registers, then calls abroad.
    TollFraud {
        /// The account.
        user: Arc<str>,
    },
    /// Calls on the profile that asks nobody for credentials.
    PublicCalls,
    /// INVITEs without credentials, one number after the other.
    InviteScan {
        /// The first number.
        first: u32,
    },
    /// INVITEs without credentials, whose source address is forged.
    ForgedInvites,
    /// REGISTERs whose source address is forged: without credentials, or with a nonce that the switch never made.
    ForgedRegisters {
        /// Whether there is a nonce.
        made_up: bool,
    },
    /// REGISTERs with a wrong password, whose source address is forged: the nonce is one that the forger itself was given,
    /// which FreeSWITCH does not bind to an address.
    ForgedGuesses {
        /// The account.
        user: Arc<str>,
    },
}

/// Where an attacker's packets come from, or seem to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One address and port.
    Host(SocketAddr),
    /// A new source port for every try.
    Ports(IpAddr),
    /// A new address for every try, from these, in turn.
    Addresses(Vec<IpAddr>),
    /// A new address for every try, within this network of so many bits.
    Within(Ipv6Addr, u8),
    /// Other people's addresses, in turn.
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
        if self.most.is_some_and(|most| self.tries >= most) {
            return NEVER;
        }
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
            Origin::Host(host) => *host,
            Origin::Ports(address) => SocketAddr::new(*address, port),
            Origin::Addresses(addresses) => SocketAddr::new(addresses[turn(addresses.len())], port),
            Origin::Within(base, prefix) => {
                let host = rng.u128(1..) & u128::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
                SocketAddr::new(Ipv6Addr::from_bits(base.to_bits() | host).into(), port)
            }
            Origin::Forged(victims) => victims[turn(victims.len())],
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
            Attack::Find { user, at } => {
                let credentials = match self.tries.cmp(at) {
                    std::cmp::Ordering::Less => Credentials::Wrong,
                    std::cmp::Ordering::Equal => Credentials::Fresh,
                    std::cmp::Ordering::Greater => Credentials::Cached,
                };
                self.register(Arc::clone(user), credentials, address, rng)
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
            Attack::Names(names) => {
                let user = Arc::clone(&names[turn as usize % names.len()]);
                self.register(user, Credentials::Wrong, address, rng)
            }
            Attack::Ask { method, user } => Action::Ask {
                client: self.client(Arc::clone(user), call_id(rng, address)),
                method: *method,
                number: "1000".into(),
                credentials: Credentials::Wrong,
            },
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
            Attack::InviteScan { first } => {
                let number = (first + turn).to_string();
                self.bare_invite("100".into(), number.into(), call_id(rng, address))
            }
            Attack::ForgedInvites => {
                let user = format!("{}", rng.u32(1000..10_000));
                let number = format!("00{}", rng.u64(1_000_000_000..9_999_999_999));
                self.bare_invite(user.into(), number.into(), call_id(rng, address))
            }
            Attack::ForgedRegisters { made_up } => {
                let credentials = if *made_up { Credentials::MadeUp } else { Credentials::None };
                self.register(rng.u32(1000..10_000).to_string().into(), credentials, address, rng)
            }
            Attack::ForgedGuesses { user } => {
                self.register(Arc::clone(user), Credentials::WrongAgain, address, rng)
            }
        }
    }

    fn bare_invite(&self, user: Arc<str>, number: Arc<str>, call_id: Arc<str>) -> Action {
        Action::Call {
            client: self.client(user, call_id),
            number,
            credentials: Credentials::None,
            ring: Duration::ZERO,
            talk: None,
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

/// Longer than any scenario.
const NEVER: Duration = Duration::from_secs(86_400 * 3650);
/// Prefixes that fraudsters earn with: Somalia, Latvia, satellite, Cuba, Tunisia.
const ABROAD: [&str; 5] = ["00252901", "0037167", "0088216", "005356", "00216123"];
