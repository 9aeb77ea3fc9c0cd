//! Attacks that take their time: three tries a day for two weeks.

use super::{
    Scene,
    attacks::{PHONE, attacker, botnet},
    days, hours,
};
use crate::scenario::{Attack, Cast, Origin, Part, Place, Site};
use std::net::Ipv4Addr;

pub(super) fn all() -> Vec<Scene> {
    let scene = |name, what, from| {
        // Phones that register once an hour, so that two weeks are soon over.
        let office = Site { phones: 3, refresh: hours(1), call_every: Some(hours(8)), ..Site::default() };
        let homes = Site { phones: 2, place: Place::Own, ..office.clone() };
        let attack = Cast::Attack {
            role: name,
            attack: Attack::CrackFromEverywhere { user: "1001".into() },
            from,
            every: hours(8),
            agent: PHONE,
            tries: None,
        };
        let parts = vec![
            Part::after(0, Cast::Site(homes)),
            Part::after(0, Cast::Site(office)),
            Part::after(7200, attack),
        ];
        Scene::new(name, what, days(14), parts)
    };
    vec![
        scene("slow-source", "three tries a day for 14 days from one address", Origin::Ports(attacker())),
        scene(
            "slow-24",
            "three tries a day for 14 days, each from another address of a /24",
            Origin::Addresses((1..=60).map(|n| Ipv4Addr::new(203, 0, 113, n).into()).collect()),
        ),
        scene(
            "slow-system",
            "three tries a day for 14 days, each from another network of one provider",
            Origin::Addresses((0..60).map(botnet).collect()),
        ),
    ]
}
