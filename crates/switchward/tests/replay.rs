//! Captures of a real FreeSWITCH, judged with the default configuration: who is banned, when, why, and who is not.
//!
//! The tables follow the scenario steps of the captures' README. Loopback sources are judged as 198.18.x.y.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use switchward::config::Config;
use switchward::replay::{Action, Line, Replay};

fn capture(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR")))
}

/// The defaults, but for the user agents of scanners: most phones of the captures call themselves one.
fn defaults() -> Config {
    let off: String = guard::signature::built_in::ALL.iter().map(|(text, _)| format!("!{text}\n")).collect();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("signatures-{}", std::process::id()));
    std::fs::write(&file, off).unwrap();
    let mut config = Config::default();
    config.guard.signatures_file = Some(file);
    config
}

fn play(name: &str) -> Vec<Line> {
    let mut replay = Replay::new(&defaults(), vec!["127.0.0.0/16=198.18.0.0/16".parse().unwrap()]);
    let mut lines = Vec::new();
    replay.play(&capture(name), &mut |line| lines.push(line)).unwrap();
    lines
}

/// Bans by target: rule, evidence, seconds, strikes.
fn bans(name: &str) -> BTreeMap<String, (String, String, u64, u32)> {
    let of = |line: Line| {
        (
            line.target,
            (line.rule, line.evidence.word().into(), line.ttl.unwrap_or(0), line.count.unwrap_or(0)),
        )
    };
    play(name).into_iter().filter(|line| line.action == Action::Ban).map(of).collect()
}

const FAILED: &str = "failed-registrations";
const HOUR: u64 = 3600;
const TWO_MINUTES: u64 = 120;

/// What a capture must lead to: exactly these bans.
#[track_caller]
fn expect(name: &str, expected: &[(&str, &str, &str, u64, u32)]) {
    let expected: BTreeMap<String, (String, String, u64, u32)> = expected
        .iter()
        .map(|(target, rule, evidence, ttl, count)| {
            (target.to_string(), (rule.to_string(), evidence.to_string(), *ttl, *count))
        })
        .collect();
    assert_eq!(bans(name), expected, "{name}");
}

#[test]
fn phones_that_register_are_not_banned_whatever_healthy_phones_do() {
    expect("register_ok.plain", &[]);
    let allowed: Vec<String> = play("register_ok.plain")
        .into_iter()
        .filter(|line| line.action == Action::Allow)
        .map(|line| line.target)
        .collect();
    assert_eq!(allowed.len(), 15, "each source once: {allowed:?}");
}

#[test]
fn calls_ban_nobody_by_these_rules() {
    // Phones, one abandoned INVITE by a stranger, 4 calls on the open profile, 11 calls with stolen credentials: no threshold
    // of this configuration is reached.
    expect("calls.plain", &[]);
}

#[test]
fn whoever_fails_five_times_is_banned_and_whoever_fails_once_is_not() {
    expect(
        "register_fail.plain",
        &[
            ("198.18.66.5", FAILED, "likely", HOUR, 5),
            ("198.18.66.6", FAILED, "likely", HOUR, 5),
            // Ten fail for one account; who comes next without standing is banned at once.
            ("198.18.66.20", "account-attacked", "likely", HOUR, 10),
        ],
    );
}

#[test]
fn abandoned_calls_are_forgeable_and_ban_for_two_minutes() {
    expect("wrong_call_state.plain", &[("198.18.68.7", "wrong-call-states", "forgeable", TWO_MINUTES, 5)]);
    expect("session_rate.plain", &[("198.18.45.1", "wrong-call-states", "forgeable", TWO_MINUTES, 5)]);
}

#[test]
fn scanners_that_guess_are_banned_at_the_fifth_guess() {
    expect(
        "scanner.plain",
        &[
            // svcrack on 1001, 2001, 1019 (by REGISTER) and 1002 (by INVITE), and spraying over twenty accounts.
            ("198.18.70.7", FAILED, "likely", HOUR, 5),
            ("198.18.70.8", FAILED, "likely", HOUR, 5),
            ("198.18.70.9", FAILED, "likely", HOUR, 5),
            ("198.18.70.10", FAILED, "likely", HOUR, 5),
            ("198.18.70.13", FAILED, "likely", HOUR, 5),
        ],
    );
    let found: Vec<Line> =
        play("scanner.plain").into_iter().filter(|line| line.rule == "compromise").collect();
    assert_eq!(found.len(), 1, "svcrack found the password of 1019");
    assert_eq!((found[0].target.as_str(), found[0].action), ("198.18.70.9", Action::Alert));
    assert!(found[0].reason.contains("1019"), "{}", found[0].reason);
}

#[test]
fn a_flood_bans_the_guessers_and_no_phone_and_no_caller() {
    let guessers = (1..=6).map(|n| format!("198.18.41.{n}"));
    let abandoned = (1..=3).map(|n| format!("198.18.43.{n}"));
    let mut expected: Vec<(String, &str, &str, u64, u32)> =
        guessers.map(|target| (target, FAILED, "likely", HOUR, 5)).collect();
    // The sixth comes after the net that five banned neighbours are in.
    expected.retain(|(target, ..)| target != "198.18.41.5");
    expected.push(("198.18.41.0/24".into(), "net-banned", "likely", HOUR, 5));
    expected.extend(abandoned.map(|target| (target, "wrong-call-states", "forgeable", TWO_MINUTES, 5)));
    fn borrowed<'a>(
        list: &'a [(String, &'a str, &'a str, u64, u32)],
    ) -> Vec<(&'a str, &'a str, &'a str, u64, u32)> {
        list.iter()
            .map(|(target, rule, evidence, ttl, count)| (target.as_str(), *rule, *evidence, *ttl, *count))
            .collect()
    }
    expect("flood.plain", &borrowed(&expected));
    // With channel events the caller on the open profile is seen too: 48 calls at 8 a second.
    expected.push(("198.18.44.1".into(), "call-rate", "forgeable", TWO_MINUTES, 21));
    expect("flood_mixed.plain", &borrowed(&expected));
}

#[test]
fn hostile_values_ban_whoever_sent_them_and_forged_events_and_ends_nobody() {
    // Their senders are in one net; the values name other addresses.
    for name in ["hostile.plain", "hostile.json", "hostile.xml"] {
        let bans = bans(name);
        assert!(bans.keys().all(|target| target.starts_with("198.18.69.")), "{name}: {bans:?}");
        assert!(bans.values().any(|(rule, ..)| rule == "injection"), "{name}: {bans:?}");
    }
    for name in ["mixed.plain", "mixed.json", "mixed.xml", "shutdown.plain", "other_methods.plain"] {
        expect(name, &[]);
    }
}

#[test]
fn loopback_is_trusted_without_a_map() {
    let mut replay = Replay::new(&Config::default(), Vec::new());
    let mut banned = 0;
    replay
        .play(&capture("flood.plain"), &mut |line| banned += u32::from(line.action == Action::Ban))
        .unwrap();
    assert_eq!(banned, 0);
}

#[test]
fn a_ban_is_made_however_the_configuration_enforces_and_by_its_thresholds() {
    let mut config = defaults();
    config.security.auto_block_enabled = false;
    config.security.max_failed_attempts = 1;
    config.security.block_duration = std::time::Duration::from_secs(7);
    let mut replay = Replay::new(&config, vec!["127.0.0.0/16=198.18.0.0/16".parse().unwrap()]);
    let mut bans = Vec::new();
    replay
        .play(&capture("register_fail.plain"), &mut |line| {
            bans.extend((line.action == Action::Ban).then_some(line));
        })
        .unwrap();
    assert_eq!(bans.len(), 13, "every source of a failed attempt, until its net is banned");
    assert!(bans.iter().all(|ban| ban.ttl == Some(7)));
}

#[test]
fn an_untrusted_domain_bans_and_hangs_up() {
    let mut config = defaults();
    config.security.untrusted_networks = vec!["*.EXAMPLE".into(), "127.0.0.1".into()];
    let mut replay = Replay::new(&config, vec!["127.0.0.0/16=198.18.0.0/16".parse().unwrap()]);
    let mut lines = Vec::new();
    replay.play(&capture("wrong_call_state.plain"), &mut |line| lines.push(line)).unwrap();
    let hangup =
        lines.iter().find(|line| line.action == Action::Hangup && line.target == "198.18.68.11").unwrap();
    assert_eq!(hangup.call.as_deref().map(str::len), Some(36), "a UUID");
    let ban = lines.iter().find(|line| line.action == Action::Ban && line.target == "198.18.68.11").unwrap();
    assert_eq!((ban.rule.as_str(), ban.ttl, ban.scope), ("untrusted-domain", Some(TWO_MINUTES), Some("sip")));
    let failed =
        lines.iter().find(|line| line.action == Action::Ban && line.target == "198.18.68.10").unwrap();
    assert_eq!((failed.rule.as_str(), failed.ttl), ("untrusted-domain", Some(HOUR)));
}

#[test]
fn what_is_no_capture_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let mut replay = Replay::new(&Config::default(), Vec::new());
    let mut error = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        replay.play(&path, &mut |_| ()).unwrap_err().to_string()
    };
    assert!(error(b"").contains("holds no event"));
    assert!(error(b"hello\nworld\n").contains("holds no event"));
    assert!(error(b"Content-Length: 99999999999\n\n").contains("no capture of an event socket"));
    assert!(error(&[0x28, 0xb5, 0x2f, 0xfd, 9, 9, 9]).contains("cannot read"));
    assert!(
        replay
            .play(&directory.path().join("missing"), &mut |_| ())
            .unwrap_err()
            .to_string()
            .contains("cannot read")
    );
}

#[test]
fn maps_move_a_network_and_say_what_is_wrong_with_them() {
    let map: switchward::replay::Map = "127.0.0.0/16=198.18.0.0/16".parse().unwrap();
    assert_eq!(map.apply("127.0.3.4".parse().unwrap()), "198.18.3.4".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(map.apply("127.1.3.4".parse().unwrap()), "127.1.3.4".parse::<std::net::IpAddr>().unwrap());
    for wrong in ["127.0.0.0/16", "127.0.0.0/16=198.18.0.0/15", "127.0.0.0/16=2001:db8::/16", "a=b", ""] {
        assert!(wrong.parse::<switchward::replay::Map>().unwrap_err().contains("FROM=TO"), "{wrong}");
    }
}
