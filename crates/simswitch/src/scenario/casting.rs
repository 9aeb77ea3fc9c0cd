//! Turns the parts of a scenario into actors: [`Casting`] gives out numbers, addresses and accounts.
//!
//! Attackers live in 198.51.100.0/24, 203.0.113.0/24 and 2001:db8::/32, phones in 192.0.2.0/24 and 198.18.0.0/15.
//! The same parts always get the same addresses.

use super::{
    actor::{Actor, Role},
    attacker::{Attack, Attacker, Origin},
    cast::{Cast, Part},
    phone::{Habits, Password, Phone, RETRY, Return},
    rng,
    site::{Fault, Place, Site},
    trunk::Trunk,
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
                let faults = vec![(mistyped, Fault::MistypedOnce)];
                let (phones, call_every) = (count, Some(call_every));
                let site = Site { phones, place: Place::Own, refresh, call_every, faults, ..Site::default() };
                self.site(begins, &site);
            }
            Cast::Office { phones, one_wrong, moves_at, refresh } => {
                let site = Site {
                    phones,
                    refresh,
                    call_every: Some(refresh * 3),
                    returns: moves_at.map(|at| (at, Duration::from_secs(4), true)),
                    faults: vec![(u32::from(one_wrong), Fault::OldPassword(RETRY))],
                    ..Site::default()
                };
                self.site(begins, &site);
            }
            Cast::Site(ref site) => self.site(begins, site),
            Cast::Trunk { source, every } => {
                let rng = rng(self.seed, self.actors.len() as u64);
                self.enter("trunk", Label::Healthy, vec![Source::host(source.ip())], None);
                self.actors.push(Actor { begins, rng, role: Role::Trunk(Trunk { source, every }) });
            }
            Cast::Attack { role, ref attack, ref from, every, agent, tries } => {
                if let Origin::Forged(victims) = from {
                    victims.iter().for_each(|victim| self.suffers(*victim));
                }
                let begin = Begin { at: begins, most: tries, agent: Some(agent) };
                self.attacker(begin, role, attack.clone(), from.clone(), every);
            }
            Cast::PasswordCracker { rate } => {
                let from = self.attacker_host();
                let attack = Attack::Crack { user: victim };
                self.attacker(
                    begins.into(),
                    "password cracker",
                    attack,
                    Origin::Host(from),
                    per_second(rate),
                );
            }
            Cast::Enumerator { rate, guesses } => {
                let from = Origin::Ports(self.attacker_host().ip());
                let attack = Attack::Enumerate { first: 900, guesses };
                self.attacker(begins.into(), "enumerator", attack, from, per_second(rate));
            }
            Cast::DistributedCracker { addresses, every } => {
                let from = Origin::Addresses((0..addresses.clamp(1, 400)).map(botnet).collect());
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(begins.into(), "distributed cracker", attack, from, every);
            }
            Cast::Sprayer { rate, accounts } => {
                let from = Origin::Ports(self.attacker_host().ip());
                let attack = Attack::Spray { first: 1000, count: accounts.max(1) };
                self.attacker(begins.into(), "password sprayer", attack, from, per_second(rate));
            }
            Cast::TollFraudster { every } => {
                let from = Origin::Host(self.attacker_host());
                let attack = Attack::TollFraud { user: "1003".into() };
                self.attacker(begins.into(), "toll fraudster", attack, from, every);
            }
            Cast::PublicScanner { rate } => {
                let from = Origin::Ports(self.attacker_host().ip());
                self.attacker(begins.into(), "public scanner", Attack::PublicCalls, from, per_second(rate));
            }
            Cast::ForgedInvites { rate } => self.forger(begins, rate),
            Cast::Ipv6Hopper { rate } => {
                self.subnets += 1;
                let base = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, self.subnets, 0, 0, 0, 0);
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(
                    begins.into(),
                    "IPv6 hopper",
                    attack,
                    Origin::Within(base, 64),
                    per_second(rate),
                );
            }
            Cast::SlowGuesser { every } => {
                let from = Origin::Ports(self.attacker_host().ip());
                let attack = Attack::CrackFromEverywhere { user: victim };
                self.attacker(begins.into(), "slow guesser", attack, from, every);
            }
        }
    }

    fn site(&mut self, begins: Duration, site: &Site) {
        let office = (site.place == Place::Office).then(|| self.next_office());
        let first = self.phones;
        self.phones += site.phones;
        let users: Vec<Arc<str>> =
            (first..self.phones).map(|n| (1000 + u64::from(n)).to_string().into()).collect();
        let numbers: Arc<[Arc<str>]> = users.clone().into();
        let roams = match &site.place {
            Place::Road(addresses, stay) => Some((Arc::from(addresses.as_slice()), *stay)),
            Place::Own | Place::Office => None,
        };
        for (n, user) in (0..site.phones).zip(users) {
            let mut rng = rng(self.seed, self.actors.len() as u64 ^ u64::MAX);
            let new_address = site.returns.is_some_and(|(_, _, new)| new);
            let (source, sources) = match (&site.place, office) {
                (Place::Road(addresses, _), _) => {
                    let address = addresses[rng.usize(..addresses.len())];
                    let all = addresses.iter().copied().map(Source::host).collect();
                    (SocketAddr::new(address, rng.u16(1024..)), all)
                }
                (_, Some((address, moved))) => {
                    let port = 20_000 + n as u16 * 7;
                    let moved = new_address.then(|| Source::socket(moved, port));
                    let sources = [Source::socket(address, port)].into_iter().chain(moved).collect();
                    (SocketAddr::new(address, port), sources)
                }
                (_, None) => {
                    let address = home(first + n);
                    self.victim.get_or_insert(SocketAddr::new(address, 5060));
                    (SocketAddr::new(address, 5060), vec![Source::host(address)])
                }
            };
            let (label, password) = match site.fault(n) {
                None => (Label::Healthy, Password::Right),
                Some(Fault::MistypedOnce) => (Label::Healthy, Password::Mistyped(1)),
                Some(Fault::Mistyped) => (Label::Healthy, Password::Mistyped(rng.u32(2..=4))),
                Some(Fault::OldPassword(retry)) => (Label::Misconfigured, Password::WrongForever(retry)),
                Some(Fault::Changed { at, told, retry }) => {
                    (Label::Misconfigured, Password::Changed { at: begins + at, told: begins + told, retry })
                }
            };
            let habits = Habits {
                refresh: site.refresh,
                call_every: site.call_every,
                numbers: Arc::clone(&numbers),
                returns: site.returns.map(|(at, within, _)| Return {
                    at,
                    within,
                    address: office.filter(|_| new_address).map(|(_, moved)| moved),
                }),
                roams: roams.clone(),
                keys: site.keys,
            };
            let role = if office.is_some() { "office phone" } else { "phone" };
            self.phone(begins, role, label, sources, habits, (user, source, password));
        }
    }

    /// Its address, and the one that it may move to.
    fn next_office(&mut self) -> (IpAddr, IpAddr) {
        self.offices += 1;
        let address = |network| Ipv4Addr::new(198, 19, network, self.offices).into();
        (address(200), address(201))
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
        self.actors.push(Actor { begins, rng, role: Role::Phone(Box::new(phone)) });
    }

    fn forger(&mut self, begins: Duration, rate: f64) {
        let stranger = SocketAddr::from((Ipv4Addr::new(198, 18, 77, 7), 5060));
        let victims: Vec<SocketAddr> = self.victim.into_iter().chain([stranger]).collect();
        victims.iter().for_each(|victim| self.suffers(*victim));
        let from = Origin::Forged(victims);
        self.attacker(begins.into(), "forger of INVITEs", Attack::ForgedInvites, from, per_second(rate));
    }

    /// Somebody's address will be forged: one who takes part, or a bystander.
    fn suffers(&mut self, victim: SocketAddr) {
        let is_hit = |truth: &&mut Truth| {
            truth.label != Label::Attacker
                && truth.sources.iter().any(|source| source.contains(victim.ip(), victim.port()))
        };
        let mut known = false;
        for truth in self.truth.entries.iter_mut().filter(is_hit) {
            known = true;
            truth.label = Label::Victim;
            if let Some(ActorId(number)) = truth.actor {
                self.truth.labels[number as usize] = Label::Victim;
            }
        }
        if !known {
            let sources = vec![Source::host(victim.ip())];
            let (role, label) = ("bystander", Label::Victim);
            self.truth.entries.push(Truth { actor: None, role, label, sources, account: None });
        }
    }

    fn attacker(
        &mut self,
        Begin { at, most, agent }: Begin,
        role: &'static str,
        attack: Attack,
        from: Origin,
        every: Duration,
    ) {
        let mut rng = rng(self.seed, self.actors.len() as u64);
        let sources = match &from {
            Origin::Host(host) => vec![Source::socket(host.ip(), host.port())],
            Origin::Ports(address) => vec![Source::host(*address)],
            Origin::Addresses(addresses) => addresses.iter().copied().map(Source::host).collect(),
            Origin::Within(base, prefix) => vec![Source::network((*base).into(), *prefix)],
            Origin::Forged(_) => Vec::new(),
        };
        let agent = agent.unwrap_or(match &attack {
            Attack::PublicCalls => "pplsip",
            Attack::TollFraud { .. } => "eyeBeam release 3015c stamp 27107",
            Attack::Spray { .. } => "sipcli/v1.8",
            Attack::Crack { .. } | Attack::CrackFromEverywhere { .. } => "VaxSIPUserAgent/3.1",
            _ => "friendly-scanner",
        });
        self.enter(role, Label::Attacker, sources, None);
        let call_id = super::call_id(&mut rng, Ipv4Addr::LOCALHOST.into());
        let attacker = Attacker { attack, from, every, agent, most, tries: 0, call_id };
        self.actors.push(Actor { begins: at, rng, role: Role::Attacker(attacker) });
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

/// When an attacker begins, how long it goes on, and what it calls itself.
struct Begin {
    at: Duration,
    most: Option<u64>,
    agent: Option<&'static str>,
}

impl From<Duration> for Begin {
    fn from(at: Duration) -> Self {
        Self { at, most: None, agent: None }
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
