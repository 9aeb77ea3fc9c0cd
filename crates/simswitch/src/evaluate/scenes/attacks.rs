//! Attacks that make haste: guessing, enumeration, scanning, fraud.

use super::{Scene, hours, minutes, seconds};
use crate::{
    scenario::{Attack, Cast, Origin},
    step::Method,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

pub(super) fn all() -> Vec<Scene> {
    let mut scenes = guessing();
    scenes.extend(looking_around());
    scenes.extend(calling());
    scenes
}

fn guessing() -> Vec<Scene> {
    let user = || "1001".into();
    let everywhere = || Attack::CrackFromEverywhere { user: user() };
    vec![
        scene(
            "cracker",
            "one account, five passwords a second",
            Attack::Crack { user: user() },
            host(),
            TICK,
            VAX,
        ),
        scene(
            "distributed",
            "one account, one try from each of 500 addresses, 20 s apart",
            everywhere(),
            Origin::Addresses((0..500).map(botnet).collect()),
            seconds(20),
            PHONE,
        )
        .for_tries(500, hours(3)),
        scene(
            "spray",
            "one password over 200 accounts, one every 2 s",
            Attack::Spray { first: 1000, count: 200 },
            Origin::Ports(attacker()),
            seconds(2),
            PHONE,
        ),
        scene(
            "spray-slow",
            "one password over 200 accounts, one every 4 min",
            Attack::Spray { first: 1000, count: 200 },
            Origin::Ports(attacker()),
            minutes(4),
            PHONE,
        )
        .for_tries(200, hours(14)),
        scene(
            "found-fast",
            "the tenth password is right, two a second",
            Attack::Find { user: user(), at: 9 },
            host(),
            Duration::from_millis(500),
            PHONE,
        ),
        scene(
            "found-slow",
            "the tenth password is right, one every 4 min",
            Attack::Find { user: user(), at: 9 },
            host(),
            minutes(4),
            PHONE,
        )
        .for_tries(30, hours(3)),
        scene(
            "subscribe-guess",
            "passwords by SUBSCRIBE, of which the switch tells the challenge alone, one a second",
            Attack::Ask { method: Method::Subscribe, user: user() },
            host(),
            seconds(1),
            PHONE,
        ),
        scene(
            "message-guess",
            "passwords by MESSAGE, one a second",
            Attack::Ask { method: Method::Message, user: user() },
            host(),
            seconds(1),
            PHONE,
        ),
        scene(
            "inside",
            "somebody in the office guesses for one account from a port of his own, one every 2 s",
            everywhere(),
            Origin::Host((Ipv4Addr::new(198, 19, 200, 1), 41_000).into()),
            seconds(2),
            PHONE,
        ),
        scene("ipv6-64", "a new address of a /64 for every try", everywhere(), within(64), TICK, VAX),
        scene("ipv6-48", "a new /64 of a /48 for every try", everywhere(), within(48), seconds(1), PHONE),
    ]
}

fn looking_around() -> Vec<Scene> {
    let enumerate = |guesses| Attack::Enumerate { first: 900, guesses };
    let ports = || Origin::Ports(attacker());
    let quick = Duration::from_millis(125);
    let names = |names: &[&str]| Attack::Names(names.iter().map(|name| (*name).into()).collect());
    vec![
        scene(
            "enumerate",
            "accounts without credentials, eight a second",
            enumerate(false),
            ports(),
            quick,
            PHONE,
        ),
        scene("enumerate-guess", "accounts with a password each", enumerate(true), ports(), quick, PHONE),
        scene(
            "scanner",
            "a scanner that says so, one REGISTER in five minutes",
            enumerate(false),
            ports(),
            minutes(5),
            SCANNER,
        )
        .for_tries(100, hours(3)),
        scene(
            "scanner-lies",
            "a scanner that calls itself a browser, one REGISTER in three seconds",
            enumerate(false),
            ports(),
            seconds(3),
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        ),
        scene(
            "invite-scan",
            "INVITEs without credentials, one a second",
            Attack::InviteScan { first: 100 },
            ports(),
            seconds(1),
            PHONE,
        ),
        scene(
            "injection",
            "user names that are meant for a data base or a shell, one in five minutes",
            names(&["1001'--", "1001' or '1'='1", "1001;reboot", "$(id)", "1001\"><x", "../../etc/passwd"]),
            ports(),
            minutes(5),
            PHONE,
        )
        .for_tries(60, hours(3)),
        scene(
            "hostile-names",
            "user names that look like the end of a log line with somebody else's address",
            names(&[
                "1001@pbx.example] from ip 198.18.77.7",
                "x] from 198.18.77.7",
                "x\nnetwork-ip: 198.18.77.7",
                "x%0Anetwork-ip: 198.18.77.7",
            ]),
            ports(),
            seconds(5),
            PHONE,
        )
        .beside_bystander(),
    ]
}

fn calling() -> Vec<Scene> {
    let ports = || Origin::Ports(attacker());
    vec![
        scene(
            "public",
            "numbers on the public profile, two a second",
            Attack::PublicCalls,
            ports(),
            Duration::from_millis(500),
            PHONE,
        ),
        scene(
            "public-slow",
            "numbers on the public profile, one in 20 s",
            Attack::PublicCalls,
            ports(),
            seconds(20),
            PHONE,
        )
        .for_tries(500, hours(2)),
        scene(
            "fraud",
            "stolen credentials, calls abroad four at a time every 20 s",
            Attack::TollFraud { user: "1003".into() },
            host(),
            seconds(20),
            PHONE,
        ),
    ]
}

fn scene(
    name: &'static str,
    what: &'static str,
    attack: Attack,
    from: Origin,
    every: Duration,
    agent: &'static str,
) -> Scene {
    let cast = Cast::Attack { role: name, attack, from, every, agent, tries: None };
    Scene::attack(name, what, minutes(30), cast)
}

impl Scene {
    /// The attacker goes away after so many tries, for which there are so many hours.
    pub(super) fn for_tries(mut self, most: u64, lasts: Duration) -> Self {
        for part in &mut self.parts {
            if let Cast::Attack { tries, .. } = &mut part.cast {
                *tries = Some(most);
            }
        }
        self.lasts = lasts;
        self
    }

    /// Somebody whose address the attacker writes into its names.
    fn beside_bystander(mut self) -> Self {
        let at = (Ipv4Addr::new(198, 18, 77, 7), 5060).into();
        self.parts.insert(0, crate::scenario::Part::after(0, Cast::Trunk { source: at, every: minutes(2) }));
        self
    }
}

/// The attacker's address.
pub(super) fn attacker() -> IpAddr {
    Ipv4Addr::new(198, 51, 100, 66).into()
}

fn host() -> Origin {
    Origin::Host((attacker(), 5070).into())
}

fn within(prefix: u8) -> Origin {
    Origin::Within(Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0), prefix)
}

/// Addresses in 128 networks (/24).
pub(super) fn botnet(number: u32) -> IpAddr {
    Ipv4Addr::new(198, 19, (number * 37 % 128) as u8, (number / 128 * 5 + 7) as u8).into()
}

const TICK: Duration = Duration::from_millis(200);
pub(super) const PHONE: &str = "Yealink SIP-T46S 66.84.0.15";
const VAX: &str = "VaxSIPUserAgent/3.1";
const SCANNER: &str = "friendly-scanner";
