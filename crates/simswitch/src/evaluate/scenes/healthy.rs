//! Nobody attacks: offices, phones on the road, power cuts, mistakes. A ban here is a false one.

use super::{Scene, hours, minutes, seconds};
use crate::scenario::{Cast, Fault, Part, Place, Site};
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

pub(super) fn all() -> Vec<Scene> {
    let office = |phones, keys| Site { phones, keys, ..Site::default() };
    let keys = Some((8, minutes(10)));
    let cut = |within, new_address| Site {
        phones: 200,
        returns: Some((minutes(20), within, new_address)),
        ..Site::default()
    };
    let faulty = |phones, fault| {
        let site = Site { phones: 50, faults: vec![(phones, fault)], ..Site::default() };
        vec![Part::after(0, Cast::Site(site))]
    };
    let site = |name, what, lasts: Duration, site| {
        Scene::new(name, what, lasts, vec![Part::after(0, Cast::Site(site))])
    };
    vec![
        site("office-10", "10 phones behind one address", hours(2), office(10, None)),
        site("office-50", "50 phones behind one address", hours(2), office(50, None)),
        site("office-200", "200 phones behind one address", hours(1), office(200, None)),
        site(
            "office-keys",
            "50 phones behind one address, each with 8 keys that subscribe",
            hours(1),
            office(50, keys),
        ),
        site(
            "roaming",
            "40 phones on the road, a new address of a carrier's NAT every few minutes",
            hours(2),
            Site {
                phones: 40,
                place: Place::Road(
                    (1..=6).map(|n| Ipv4Addr::new(203, 0, 113, n).into()).collect(),
                    minutes(4),
                ),
                ..Site::default()
            },
        ),
        site(
            "roaming-wrong",
            "the same, and one of them has an old password and tries every 60 s",
            hours(2),
            road(40, 6, vec![(1, Fault::OldPassword(seconds(60)))]),
        ),
        site(
            "roaming-wrong-wide",
            "12 phones on the road among 60 addresses; the password of one is changed on the third day, and nobody tells it",
            hours(72),
            road(12, 60, vec![(1, Fault::Changed { at: hours(60), told: hours(100), retry: seconds(60) })]),
        ),
        site("power-cut", "200 phones register again within 10 s", hours(1), cut(seconds(10), false)),
        site(
            "power-cut-moved",
            "200 phones register again within 10 s from a new address",
            hours(1),
            cut(seconds(10), true),
        ),
        Scene::new(
            "mistyped",
            "people mistype a password two to four times: 20 at home, 5 in an office",
            minutes(40),
            mistyped(),
        ),
        Scene::new(
            "mistyped-first",
            "the first phones of a new office, no phone of it registered yet: 4 of 5 mistyped",
            minutes(40),
            vec![Part::after(
                0,
                Cast::Site(Site { phones: 5, faults: vec![(4, Fault::Mistyped)], ..Site::default() }),
            )],
        ),
        Scene::new(
            "one-wrong",
            "one phone of 50 has a wrong password and tries every 30 s",
            hours(1),
            faulty(1, Fault::OldPassword(seconds(30))),
        ),
        Scene::new(
            "old-password",
            "one phone of 50 has an old password and tries every 60 s",
            hours(3),
            faulty(1, Fault::OldPassword(seconds(60))),
        ),
        Scene::new(
            "password-changed",
            "the passwords of 20 phones of 50 are changed, and the phones are told half an hour later",
            hours(2),
            faulty(20, Fault::Changed { at: minutes(20), told: minutes(50), retry: seconds(60) }),
        ),
        Scene {
            gateways: vec![carrier().into()],
            ..trunk("trunk", "a carrier's gateway brings 75 calls a minute")
        },
        trunk("trunk-unknown", "the same, from an address that is no gateway of the switch"),
    ]
}

/// Phones behind the addresses of a carrier's NAT.
fn road(phones: u32, addresses: u8, faults: Vec<(u32, Fault)>) -> Site {
    let addresses = (1..=addresses).map(|n| Ipv4Addr::new(203, 0, 113, n).into()).collect();
    Site { phones, place: Place::Road(addresses, minutes(4)), faults, ..Site::default() }
}

fn mistyped() -> Vec<Part> {
    let homes =
        Site { phones: 30, place: Place::Own, faults: vec![(20, Fault::Mistyped)], ..Site::default() };
    let office = Site { phones: 20, faults: vec![(5, Fault::Mistyped)], ..Site::default() };
    vec![Part::after(0, Cast::Site(homes)), Part::after(0, Cast::Site(office))]
}

/// A busy carrier.
fn trunk(name: &'static str, what: &'static str) -> Scene {
    let trunk = Cast::Trunk { source: (carrier(), 5090).into(), every: Duration::from_millis(800) };
    let parts = vec![Part::after(0, Cast::Site(Site::default())), Part::after(10, trunk)];
    Scene::new(name, what, minutes(30), parts)
}

/// Where the simulated switch's gateway leads.
pub(super) fn carrier() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 9).into()
}
