//! Who takes part in a scenario: [`Cast`], and [`Part`], which says when it begins.

use super::{
    attacker::{Attack, Origin},
    site::Site,
};
use std::{net::SocketAddr, time::Duration};

/// Somebody who takes part.
#[derive(Debug, Clone, PartialEq)]
pub enum Cast {
    /// Phones, each behind its own address, that register, call one another, reboot and go away.
    Phones {
        /// How many.
        count: u32,
        /// How many of them have their password mistyped at first.
        mistyped: u32,
        /// The time between two REGISTERs of one.
        refresh: Duration,
        /// The time between two calls of one.
        call_every: Duration,
    },
    /// An office: phones behind one address, each with its own port.
    Office {
        /// How many.
        phones: u32,
        /// Whether one of them has a wrong password and tries again every 30 s.
        one_wrong: bool,
        /// When the office's address changes, after the scenario's start: all register again within seconds.
        moves_at: Option<Duration>,
        /// The time between two REGISTERs of one.
        refresh: Duration,
    },
    /// One account, many passwords, fast.
    PasswordCracker {
        /// Tries per second.
        rate: f64,
    },
    /// Which accounts are there? A scanner that calls itself one.
    Enumerator {
        /// Tries per second.
        rate: f64,
        /// Whether it also tries a password; else nothing but `sofia::pre_register` shows it.
        guesses: bool,
    },
    /// One account, one try from each of many addresses.
    DistributedCracker {
        /// How many addresses, up to 400.
        addresses: u32,
        /// The time between two tries.
        every: Duration,
    },
    /// One password, many accounts.
    Sprayer {
        /// Tries per second.
        rate: f64,
        /// How many accounts.
        accounts: u32,
    },
    /// Stolen credentials, and calls abroad, four at a time.
    TollFraudster {
        /// The time between two bursts.
        every: Duration,
    },
    /// Calls on the external profile, which asks nobody for credentials.
    PublicScanner {
        /// Calls per second.
        rate: f64,
    },
    /// INVITEs without credentials in the name of two others: a registered phone and somebody unknown.
    ForgedInvites {
        /// INVITEs per second.
        rate: f64,
    },
    /// A password cracker that takes a new address in one IPv6 /64 for every try.
    Ipv6Hopper {
        /// Tries per second.
        rate: f64,
    },
    /// One try every few minutes, for days.
    SlowGuesser {
        /// The time between two tries.
        every: Duration,
    },
    /// Phones that belong together, with all that may befall them.
    Site(Site),
    /// A carrier's gateway, whose calls come in on the external profile.
    Trunk {
        /// Where it is.
        source: SocketAddr,
        /// The time between two calls.
        every: Duration,
    },
    /// An attacker, said in full.
    Attack {
        /// What it is called, such as `password cracker`.
        role: &'static str,
        /// What it is after.
        attack: Attack,
        /// Where from.
        from: Origin,
        /// The time between two tries.
        every: Duration,
        /// Its User-Agent.
        agent: &'static str,
        /// After how many tries it goes away; `None` never.
        tries: Option<u64>,
    },
}

/// Somebody who takes part, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// When it begins.
    pub begins: Duration,
    /// Who.
    pub cast: Cast,
}

/// There is no scenario of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario {0:?}; there are: {names}", names = Part::NAMES.join(", "))]
pub struct UnknownScenario(String);

impl Part {
    /// The names that [`Part::named`] knows.
    pub const NAMES: [&str; 12] = [
        "mix",
        "phones",
        "office",
        "cracker",
        "enumerator",
        "distributed",
        "sprayer",
        "fraud",
        "public",
        "forged",
        "ipv6",
        "slow",
    ];

    /// Somebody who begins after so many seconds.
    pub fn after(seconds: u64, cast: Cast) -> Self {
        Self { begins: Duration::from_secs(seconds), cast }
    }

    /// Everybody, for a demo. `rate` multiplies the attackers' rates.
    pub fn mix(rate: f64) -> Vec<Self> {
        let mut parts = Self::background();
        parts.extend([
            Self::after(3, Cast::PasswordCracker { rate: 5.0 * rate }),
            Self::after(6, Cast::Enumerator { rate: 8.0 * rate, guesses: true }),
            Self::after(9, Cast::PublicScanner { rate: 2.0 * rate }),
            Self::after(12, Cast::Sprayer { rate: 3.0 * rate, accounts: 40 }),
            Self::after(15, Cast::ForgedInvites { rate: 2.0 * rate }),
            Self::after(20, Cast::Ipv6Hopper { rate: 4.0 * rate }),
            Self::after(25, Cast::DistributedCracker { addresses: 200, every: Duration::from_secs(4) }),
            Self::after(30, Cast::TollFraudster { every: Duration::from_secs(20) }),
            Self::after(35, Cast::Enumerator { rate: 5.0 * rate, guesses: false }),
            Self::after(40, Cast::SlowGuesser { every: Duration::from_secs(120) }),
        ]);
        parts
    }

    /// A scenario by its name: `mix`, or one of its parts with healthy phones around it.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str, rate: f64) -> Result<Vec<Self>, UnknownScenario> {
        let seconds = Duration::from_secs;
        let cast = match name {
            "mix" => return Ok(Self::mix(rate)),
            "phones" => return Ok(Self::background()),
            "office" => Cast::Office {
                phones: 50,
                one_wrong: true,
                moves_at: Some(seconds(60)),
                refresh: seconds(30),
            },
            "cracker" => Cast::PasswordCracker { rate: 5.0 * rate },
            "enumerator" => Cast::Enumerator { rate: 8.0 * rate, guesses: true },
            "distributed" => Cast::DistributedCracker { addresses: 200, every: seconds(4).div_f64(rate) },
            "sprayer" => Cast::Sprayer { rate: 3.0 * rate, accounts: 40 },
            "fraud" => Cast::TollFraudster { every: seconds(20).div_f64(rate) },
            "public" => Cast::PublicScanner { rate: 2.0 * rate },
            "forged" => Cast::ForgedInvites { rate: 2.0 * rate },
            "ipv6" => Cast::Ipv6Hopper { rate: 4.0 * rate },
            "slow" => Cast::SlowGuesser { every: seconds(240).div_f64(rate) },
            _ => return Err(UnknownScenario(name.into())),
        };
        let mut parts = Self::background();
        parts.push(Self::after(3, cast));
        Ok(parts)
    }

    /// Twenty phones of their own and an office.
    fn background() -> Vec<Self> {
        let phones = Cast::Phones {
            count: 20,
            mistyped: 2,
            refresh: Duration::from_secs(40),
            call_every: Duration::from_secs(90),
        };
        let office =
            Cast::Office { phones: 12, one_wrong: true, moves_at: None, refresh: Duration::from_secs(40) };
        vec![Self::after(0, phones), Self::after(1, office)]
    }
}
