//! What a large attack costs in memory: counted bytes, the moments of growth included. `cargo test --release -p guard --test memory -- --nocapture`
//! shows the figures of the whole; without optimisation everything is a tenth.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use guard::{Evidence, Guard, Limits, Method, Observation, Policy, Time, Transport, What};
use std::net::Ipv4Addr;

const MIB: u64 = 1 << 20;
/// A million.
const MANY: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// Sources that each fail once, against this many accounts in turn.
fn attack(guard: &Guard, sources: u32, accounts: u32) {
    let accounts: Vec<String> = (0..accounts).map(|number| format!("{}", 100_000 + number)).collect();
    let mut now = Time::from_secs(1_000_000_000);
    for number in 0..sources {
        // Networks for tests have not so many addresses; nothing is sent anywhere.
        let ip = Ipv4Addr::from(0x1000_0000 + number.wrapping_mul(0x9e37_79b1) % 0x2000_0000);
        let seen = Observation {
            ip: Some(ip.into()),
            port: 5060,
            transport: Transport::Udp,
            evidence: Evidence::Likely,
            user: accounts[number as usize % accounts.len()].as_bytes(),
            domain: b"pbx.example",
            agent: b"Bench/1.0",
            ..Observation::of(0, What::AuthFailed(Method::Register))
        };
        now = now + std::time::Duration::from_micros(50);
        guard.observe(&seen, now);
    }
}

fn measured(sources: u32, limits: Limits) -> u64 {
    let mut kept = None;
    let made = allocation_counter::measure(|| {
        let guard = Guard::new(Policy::default(), limits, [1, 2, 3, 4], Box::new(|_| ()));
        attack(&guard, sources, MANY / 10);
        kept = Some(guard);
    });
    let state = kept.unwrap().state();
    println!(
        "{sources} sources: {} MiB at most, {} MiB kept; {state:?}",
        made.bytes_max / MIB,
        made.bytes_current / MIB as i64
    );
    made.bytes_max
}

#[test]
fn a_million_sources_against_a_hundred_thousand_accounts_stay_small() {
    let limits = Limits { windows: MANY as usize, ..Limits::default() };
    let most = measured(MANY, limits);
    // Names and what sources did lately take the same in either case.
    let allowed = if cfg!(debug_assertions) { 64 } else { 256 };
    assert!(most < allowed * MIB, "{} MiB", most / MIB);
}

#[test]
fn a_source_that_is_banned_takes_what_its_reason_takes() {
    let mut kept = None;
    let made = allocation_counter::measure(|| {
        let guard = Guard::new(Policy::default(), Limits::default(), [1, 2, 3, 4], Box::new(|_| ()));
        (0..MANY / 10).for_each(|number| one_after_the_other(&guard, number));
        kept = Some(guard);
    });
    let (bans, _) = kept.unwrap().ledger().sizes();
    println!("{bans} bans: {} bytes each, windows and all", made.bytes_max / bans as u64);
    assert!(bans >= MANY as usize / 10);
    assert!(made.bytes_max < bans as u64 * 2048 + 32 * MIB);
}

/// Five failures of one source.
fn one_after_the_other(guard: &Guard, number: u32) {
    for failure in 0..5u64 {
        let seen = Observation {
            ip: Some(Ipv4Addr::from(0x1000_0000 + number * 256).into()),
            port: 5060,
            evidence: Evidence::Likely,
            user: b"1000",
            domain: b"pbx.example",
            agent: b"Bench/1.0",
            ..Observation::of(0, What::AuthFailed(Method::Register))
        };
        guard.observe(
            &seen,
            Time::from_micros(1_000_000_000_000_000 + u64::from(number) * 1000 + failure * 100),
        );
    }
}

#[test]
fn more_sources_than_there_is_room_for_take_no_more_room() {
    let limits = Limits { windows: MANY as usize / 10, timeline: 8192, ..Limits::default() };
    let once = measured(MANY / 5, limits);
    let often = measured(MANY, limits);
    assert!(often <= once + once / 8, "{} and {} MiB", once / MIB, often / MIB);
}
