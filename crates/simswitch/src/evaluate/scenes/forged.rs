//! Somebody forges the addresses of others, so that they get banned: an office, a phone, a carrier, a resolver, a stranger.
//!
//! Who is forged is healthy. The forger has no address of its own, so there is nobody to be found.

use super::{Scene, healthy::carrier, minutes, neighbours, seconds};
use crate::scenario::{Attack, Cast, Origin, Part};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

pub(super) fn all() -> Vec<Scene> {
    let half_a_second = Duration::from_millis(500);
    let scanner = "friendly-scanner";
    let guesses = |user: &str| Attack::ForgedGuesses { user: user.into() };
    let scene = |name, what, attack, victims, agent| {
        let mut parts = neighbours(minutes(5));
        parts.push(Part::after(0, Cast::Trunk { source: (carrier(), 5090).into(), every: seconds(20) }));
        let (role, from) = ("forger", Origin::Forged(victims));
        let cast = Cast::Attack { role, attack, from, every: half_a_second, agent, tries: None };
        parts.push(Part::after(240, cast));
        Scene { gateways: vec![carrier().into()], ..Scene::new(name, what, minutes(40), parts) }
    };
    vec![
        scene(
            "forged-invites",
            "INVITEs in the name of phones, a carrier, a resolver and a stranger",
            Attack::ForgedInvites,
            everybody(),
            "Yealink SIP-T46S 66.84.0.15",
        ),
        scene(
            "forged-registers",
            "REGISTERs without credentials in their names",
            Attack::ForgedRegisters { made_up: false },
            everybody(),
            "Yealink SIP-T46S 66.84.0.15",
        ),
        scene(
            "forged-scanner",
            "REGISTERs with a made-up nonce and a scanner's user agent in their names",
            Attack::ForgedRegisters { made_up: true },
            everybody(),
            scanner,
        ),
        scene(
            "forged-guesses",
            "wrong passwords with the forger's own nonce in the name of registered phones and the carrier",
            guesses("1001"),
            known(),
            "Yealink SIP-T46S 66.84.0.15",
        ),
    ]
}

/// Four phones of the office, a phone at home, and the carrier.
fn known() -> Vec<SocketAddr> {
    let office = Ipv4Addr::new(198, 19, 200, 1);
    let mut victims: Vec<SocketAddr> = (0..4).map(|n| (office, 20_000 + n * 7).into()).collect();
    victims.push((Ipv4Addr::new(192, 0, 2, 10), 5060).into());
    victims.push((carrier(), 5090).into());
    victims
}

/// Those, a resolver and a stranger.
fn everybody() -> Vec<SocketAddr> {
    let mut victims = known();
    victims.push((Ipv4Addr::new(198, 18, 53, 53), 53).into());
    victims.push((Ipv4Addr::new(198, 18, 77, 7), 5060).into());
    victims
}
