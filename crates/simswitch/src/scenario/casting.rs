//! Turns the parts of a scenario into actors: [`Casting`] gives out numbers, addresses and accounts.
//!
//! Attackers live in 198.51.100.0/24, 203.0.113.0/24 and 2001:db8::/32, phones in 192.0.2.0/24 and 198.18.0.0/15.
//! The same parts always get the same addresses.

use super::{
    actor::{Actor, Role},
    attacker::{Attack, Attacker, From},
    cast::{Cast, Part},
    phone::{Habits, Password, Phone},
    rng,
    truth::{GroundTruth, Label, Source, Truth},
};
use crate::step::ActorId;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Where actors get their numbers, addresses and accounts from.
#[derive(Debug)]
pub(super) struct Casting {
    seed: u64,
    actors: Vec<Actor>,
    truth: GroundTruth,
    accounts: Vec<String>,
    phones: u32,
    offices: u8,
    attackers: u8,
    subnets: u16,
    victim: Option<SocketAddr>,
}

impl Casting {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            actors: Vec::new(),
            truth: GroundTruth::default(),
            accounts: Vec::new(),
            phones: 0,
            offices: 0,
            attackers: 0,
            subnets: 0,
            victim: None,
        }
    }

    pub(super) fn finish(self) -> (Vec<Actor>, GroundTruth, Vec<String>) {
        (self.actors, self.truth, self.accounts)
    }

    pub(super) fn add(&mut self, part: &Part) {
        let begins = part.begins;
        let victim: Arc<str> = "1001".into();
        match part.cast {
            Cast::Phones { count, mistyped, refresh, call_every } => {
                self.phones(begins, count, mistyped, refresh, call_every);
            }
            Cast::Office { phones, one_wrong, moves_at, refresh } => {
                self.office(begins, phones, one_wrong, moves_at, refresh);
            }
            Cast::PasswordCracker { rate } => {
                let from = self.attacker_host();
                let attack = Attack::Crack { user: victim };
                self.attacker(begins, "password cracker", attack, From::Host(from), per_second(rate));
            }
            Cast::Enumerator { rate, guesses } => {
                let from = From::Ports(self.attacker_host().ip());
                let attack = Attack::Enumerate { first: 900, guesses };
                self.attacker(begins, "enumerator", attack, from, per_second(rate));
            }
            Cast::DistributedCracker { addresses, every } => {
                let from = From::Addresses((0..addresses.clamp(1, 400)).map(botnet).collect());
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(begins, "distributed cracker", attack, from, every);
            }
            Cast::Sprayer { rate, accounts } => {
                let from = From::Ports(self.attacker_host().ip());
                let attack = Attack::Spray { first: 1000, count: accounts.max(1) };
                self.attacker(begins, "password sprayer", attack, from, per_second(rate));
            }
            Cast::TollFraudster { every } => {
                let from = From::Host(self.attacker_host());
                let attack = Attack::TollFraud { user: "1003".into() };
                self.attacker(begins, "toll fraudster", attack, from, every);
            }
            Cast::PublicScanner { rate } => {
                let from = From::Ports(self.attacker_host().ip());
                self.attacker(begins, "public scanner", Attack::PublicCalls, from, per_second(rate));
            }
            Cast::ForgedInvites { rate } => self.forger(begins, rate),
            Cast::Ipv6Hopper { rate } => {
                self.subnets += 1;
                let base = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, self.subnets, 0, 0, 0, 0);
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(begins, "IPv6 hopper", attack, From::Subnet(base), per_second(rate));
            }
            Cast::SlowGuesser { every } => {
                let from = From::Ports(self.attacker_host().ip());
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(begins, "slow guesser", attack, from, every);
            }
        }
    }

    fn phones(
        &mut self,
        begins: Duration,
        count: u32,
        mistyped: u32,
        refresh: Duration,
        call_every: Duration,
    ) {
        let users: Vec<Arc<str>> = (0..count).map(|n| (1000 + self.phones + n).to_string().into()).collect();
        let numbers: Arc<[Arc<str>]> = users.clone().into();
        for (n, user) in (0..count).zip(users) {
            let address = home(self.phones);
            self.phones += 1;
            let source = SocketAddr::new(address, 5060);
            let habits = Habits {
                refresh,
                call_every: Some(call_every),
                numbers: Arc::clone(&numbers),
                moves_at: None,
            };
            let password = if n < mistyped { Password::Mistyped } else { Password::Right };
            let sources = vec![Source::host(address)];
            self.victim.get_or_insert(source);
            self.phone(begins, "phone", Label::Healthy, sources, habits, (user, source, password));
        }
    }

    fn office(
        &mut self,
        begins: Duration,
        phones: u32,
        one_wrong: bool,
        moves_at: Option<Duration>,
        refresh: Duration,
    ) {
        self.offices += 1;
        let address = IpAddr::from(Ipv4Addr::new(198, 19, 200, self.offices));
        let moved = IpAddr::from(Ipv4Addr::new(198, 19, 201, self.offices));
        let users: Vec<Arc<str>> = (0..phones).map(|n| (1000 + self.phones + n).to_string().into()).collect();
        let numbers: Arc<[Arc<str>]> = users.clone().into();
        self.phones += phones;
        for (n, user) in (0..phones).zip(users) {
            let port = 20_000 + (n as u16) * 7;
            let wrong = one_wrong && n == phones - 1;
            let habits = Habits {
                refresh,
                call_every: (!wrong).then_some(refresh * 3),
                numbers: Arc::clone(&numbers),
                moves_at: moves_at.map(|at| (at, moved)),
            };
            let mut sources = vec![Source::socket(address, port)];
            if moves_at.is_some() {
                sources.push(Source::socket(moved, port));
            }
            let (label, password) = if wrong {
                (Label::Misconfigured, Password::WrongForever)
            } else {
                (Label::Healthy, Password::Right)
            };
            let source = SocketAddr::new(address, port);
            self.phone(begins, "office phone", label, sources, habits, (user, source, password));
        }
    }

    fn phone(
        &mut self,
        begins: Duration,
        role: &'static str,
        label: Label,
        sources: Vec<Source>,
        habits: Habits,
        (user, source, password): (Arc<str>, SocketAddr, Password),
    ) {
        let mut rng = rng(self.seed, self.actors.len() as u64);
        // Phones do not all register at the same moment.
        let begins = begins + habits.refresh.mul_f64(rng.f64() / 8.0);
        self.accounts.push(user.to_string());
        self.enter(role, label, sources, Some(user.to_string()));
        let phone = Phone::new(habits, user, source, password, &mut rng);
        self.actors.push(Actor { begins, rng, role: Role::Phone(phone) });
    }

    fn forger(&mut self, begins: Duration, rate: f64) {
        let stranger = SocketAddr::from((Ipv4Addr::new(198, 18, 77, 7), 5060));
        let registered = self.victim;
        if let Some(victim) = registered {
            let named =
                |truth: &&mut Truth| truth.sources.iter().any(|s| s.contains(victim.ip(), victim.port()));
            if let Some(truth) = self.truth.entries.iter_mut().find(named) {
                truth.label = Label::Victim;
                if let Some(ActorId(number)) = truth.actor {
                    self.truth.labels[number as usize] = Label::Victim;
                }
            }
        }
        self.truth.entries.push(Truth {
            actor: None,
            role: "bystander",
            label: Label::Victim,
            sources: vec![Source::host(stranger.ip())],
            account: None,
        });
        let from = From::Forged(registered.into_iter().chain([stranger]).collect());
        self.attacker(begins, "forger of INVITEs", Attack::ForgedInvites, from, per_second(rate));
    }

    fn attacker(
        &mut self,
        begins: Duration,
        role: &'static str,
        attack: Attack,
        from: From,
        every: Duration,
    ) {
        let mut rng = rng(self.seed, self.actors.len() as u64);
        let sources = match &from {
            From::Host(host) => vec![Source::host(host.ip())],
            From::Ports(address) => vec![Source::host(*address)],
            From::Addresses(addresses) => addresses.iter().copied().map(Source::host).collect(),
            From::Subnet(base) => vec![Source::network((*base).into(), 64)],
            From::Forged(_) => Vec::new(),
        };
        let agent = match &attack {
            Attack::Enumerate { .. } | Attack::ForgedInvites => "friendly-scanner",
            Attack::PublicCalls => "pplsip",
            Attack::TollFraud { .. } => "eyeBeam release 3015c stamp 27107",
            Attack::Spray { .. } => "sipcli/v1.8",
            Attack::Crack { .. } | Attack::CrackFromEverywhere { .. } => "VaxSIPUserAgent/3.1",
        };
        self.enter(role, Label::Attacker, sources, None);
        let call_id = super::call_id(&mut rng, Ipv4Addr::LOCALHOST.into());
        let attacker = Attacker { attack, from, every, agent, tries: 0, call_id };
        self.actors.push(Actor { begins, rng, role: Role::Attacker(attacker) });
    }

    fn enter(&mut self, role: &'static str, label: Label, sources: Vec<Source>, account: Option<String>) {
        let actor = Some(ActorId(self.actors.len() as u32));
        self.truth.labels.push(label);
        self.truth.entries.push(Truth { actor, role, label, sources, account });
    }

    fn attacker_host(&mut self) -> SocketAddr {
        self.attackers += 1;
        SocketAddr::from((Ipv4Addr::new(198, 51, 100, 9 + self.attackers), 5060 + u16::from(self.attackers)))
    }
}

fn per_second(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate.max(1e-6))
}

/// The address of a phone: first 192.0.2.10 and on, then 198.18.0.0/16.
fn home(number: u32) -> IpAddr {
    match number {
        0..200 => Ipv4Addr::new(192, 0, 2, 10 + number as u8).into(),
        _ => Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number).into(),
    }
}

/// The addresses of a botnet: 203.0.113.0/24, then the upper half of 198.51.100.0/24 and an IPv6 network.
fn botnet(number: u32) -> IpAddr {
    match number {
        0..254 => Ipv4Addr::new(203, 0, 113, number as u8 + 1).into(),
        254..380 => Ipv4Addr::new(198, 51, 100, (number - 254) as u8 + 128).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0xb07, number as u16, 0, 0, 0, 1).into(),
    }
}
