//! Captures of a real FreeSWITCH, judged by two configurations at once.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;
use std::time::Duration;
use switchward::config::Config;
use switchward::replay::difference::{Aspect, Comparison, Difference, Kind, Result, Tally};
use switchward::replay::{Action, captures};

fn capture(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR")))
}

/// The default configuration against a changed one, both without the signatures of scanners: they would ban before anything is counted.
fn compare(names: &[&str], change: impl FnOnce(&mut Config)) -> (Result, Vec<Difference>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let off: String = guard::signature::built_in::ALL.iter().map(|(text, _)| format!("!{text}\n")).collect();
    std::fs::write(file.path(), off).unwrap();
    let mut a = Config::default();
    a.guard.signatures_file = Some(file.path().to_owned());
    let mut b = a.clone();
    change(&mut b);
    let mut comparison = Comparison::new(&a, &b, &["127.0.0.0/16=198.18.0.0/16".parse().unwrap()]);
    let mut told = Vec::new();
    for name in names {
        comparison.play(&capture(name), &mut |difference| told.push(difference)).unwrap();
    }
    let result = comparison.finish(&mut |difference| told.push(difference));
    (result, told)
}

/// The differences about bans.
fn bans(told: &[Difference]) -> Vec<&Difference> {
    let is_ban = |difference: &&Difference| {
        difference.a.as_ref().or(difference.b.as_ref()).unwrap().action == Action::Ban
    };
    told.iter().filter(is_ban).collect()
}

#[test]
fn the_same_configuration_comes_to_the_same_verdicts() {
    let (result, told) = compare(&["flood.plain", "scanner.plain"], |_| ());
    assert!(result.is_same() && told.is_empty(), "{told:?}");
    assert_eq!(result.bans, Tally { same: 14, ..Tally::default() });
    assert!(result.allows.same > 0 && result.alerts.same > 0, "{result:?}");
}

#[test]
fn another_ban_time_is_another_length_and_nothing_else() {
    let (result, told) =
        compare(&["register_fail.plain"], |b| b.security.block_duration = Duration::from_secs(7));
    // Two guessers, and the net that they and their neighbours are in.
    assert_eq!(result.bans, Tally { different: 3, ..Tally::default() });
    for difference in bans(&told) {
        assert_eq!((difference.kind, &difference.differs[..]), (Kind::Different, &[Aspect::Length][..]));
        assert_eq!(difference.a.as_ref().unwrap().ttl, Some(3600));
        assert_eq!(difference.b.as_ref().unwrap().ttl, Some(7));
    }
}

#[test]
fn a_lower_threshold_bans_the_same_earlier_and_others_alone() {
    let (result, told) = compare(&["scanner.plain"], |b| b.security.max_failed_attempts = 3);
    // FreeSWITCH's clock has steps of 20 ms: who is quick enough is banned at the same time by both.
    assert_eq!(result.bans.different + result.bans.same, 5, "all five guessers: {result:?}");
    assert!(result.bans.different >= 3, "{result:?}");
    for difference in bans(&told).iter().filter(|difference| difference.kind == Kind::Different) {
        assert_eq!(difference.differs, [Aspect::Time]);
        let (a, b) = (difference.a.as_ref().unwrap(), difference.b.as_ref().unwrap());
        assert!(b.time < a.time, "{} {}", a.time, b.time);
        assert_eq!((a.count, b.count), (Some(5), Some(3)), "the reasons tell the difference");
    }
    assert_eq!(result.bans.only_a, 0);
}

#[test]
fn who_is_banned_by_one_alone_is_told_with_what_the_other_had_counted() {
    let (result, told) = compare(&["register_fail.plain"], |b| b.security.max_failed_attempts = 8);
    assert_eq!(result.bans, Tally { same: 1, only_a: 2, ..Tally::default() });
    for difference in bans(&told) {
        assert_eq!((difference.kind, difference.b.is_none()), (Kind::OnlyA, true));
        let counted = "failed-registrations has counted 5 of 8 failed authentications in 10 min";
        assert!(difference.elsewhere.contains(counted), "{}", difference.elsewhere);
    }

    let (result, told) = compare(&["register_fail.plain"], |b| {
        b.security.trusted_networks = vec!["198.18.66.0/24".parse().unwrap()];
    });
    assert_eq!(result.bans.only_a, 3);
    for difference in bans(&told) {
        assert!(
            difference.elsewhere.contains("198.18.66.0/24, which is trusted"),
            "{}",
            difference.elsewhere
        );
    }

    let (result, told) = compare(&["register_fail.plain"], |b| b.security.max_failed_attempts = 1);
    assert!(result.bans.only_b > 5, "{result:?}");
    let alone = bans(&told).into_iter().find(|difference| difference.kind == Kind::OnlyB).unwrap();
    assert!(alone.elsewhere.contains("has counted 1 of 5 failed"), "{}", alone.elsewhere);
}

#[test]
fn an_older_capture_ends_the_story_of_the_one_before() {
    // Both captures, then both again: the second time is older than the end of the first.
    let names = ["register_fail.plain", "scanner.plain"];
    let change = |b: &mut Config| b.security.max_failed_attempts = 8;
    let (once, _) = compare(&names, change);
    let (twice, told) = compare(&[names, names].concat(), change);
    assert!(once.bans.only_a > 0);
    assert_eq!(twice.bans.only_a, 2 * once.bans.only_a);
    assert_eq!(twice.bans.different, 2 * once.bans.different);
    assert_eq!(bans(&told).len() as u64, twice.bans.only_a + twice.bans.different);
}

#[test]
fn a_directory_stands_for_its_captures_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["b.esl", "a.esl.zst", "c.esl", "c.esl.zst", ".hidden.esl", "notes.txt", "d.esl.zst.part"] {
        std::fs::copy(capture("register_fail.plain"), at(name)).unwrap();
    }
    let named = at("notes.txt");
    let found = captures(&[directory.path().to_owned(), named.clone()]).unwrap();
    assert_eq!(found.files(), [at("a.esl.zst"), at("b.esl"), at("c.esl.zst"), named]);

    let empty = tempfile::tempdir().unwrap();
    let error = captures(&[empty.path().to_owned()]).err().unwrap().to_string();
    assert!(error.contains("holds no capture"), "{error}");
}
