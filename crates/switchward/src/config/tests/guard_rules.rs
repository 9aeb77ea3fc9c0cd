//! `[[rules]]`: what an entry means, and the words for one that is wrong or could never fire.

use super::{config, json, refusal, toml, warnings};
use crate::config::keys::ARRAYS;
use crate::config::{Loaded, Problems};
use crate::policy::policy;
use guard::rule::{Action, Applies, Distinct, KeyKind, Rule, RuleOrigin};
use guard::signal::{Signal, Signals};
use guard::{Evidence, Scope};
use std::time::Duration;

/// Every key, none at a default.
const OWN: &str = r#"
[[rules]]
name = "patient-guessing"
what = "slow failures"
counts = ["auth-failed", "unknown-account"]
undone_by = ["succeeded"]
key = "net"
distinct = "sources"
threshold = 12
window = "168h"
patience = "30s"
applies = "everyone"
action = "ban"
ban = "72h"
scope = "sip"
evidence = "likely"
shadow = true
enabled = true
"#;

fn rule(outcome: Result<Loaded, Problems>, name: &str) -> Rule {
    let rules = policy(&config(outcome), &[]).rules();
    rules.into_iter().find(|rule| &*rule.name == name).unwrap()
}

#[test]
fn a_rule_of_ones_own_is_what_it_says() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let rule = rule(toml(OWN), "patient-guessing");
    assert_eq!((&*rule.what, rule.origin), ("slow failures", RuleOrigin::Own));
    assert_eq!(rule.counts, Signals::these(&[Signal::AuthFailed, Signal::UnknownAccount]));
    assert_eq!(rule.undone_by, Signals::one(Signal::Succeeded));
    assert_eq!((rule.key, rule.distinct), (KeyKind::Net, Some(Distinct::Sources)));
    assert_eq!(
        (rule.limit.threshold, rule.limit.window, rule.limit.ban),
        (12, minutes(10_080), minutes(4320))
    );
    assert_eq!((rule.patience, rule.applies, rule.action), (minutes(1) / 2, Applies::Everyone, Action::Ban));
    assert_eq!(
        (rule.scope, rule.evidence, rule.shadow, rule.enabled),
        (Scope::Sip, Evidence::Likely, true, true)
    );
    assert_eq!(warnings(toml(OWN)), [] as [&str; 0]);
}

#[test]
fn json_says_the_same() {
    let text = r#"{"rules": [{"name": "call-rate", "threshold": 50, "shadow": true}]}"#;
    let rule = rule(json(text), "call-rate");
    assert_eq!((rule.limit.threshold, rule.shadow, rule.origin), (50, true, RuleOrigin::Changed));
}

#[test]
fn an_entry_for_a_built_in_rule_changes_only_what_it_gives() {
    let text = "security.block_duration = '3h'\n[[rules]]\nname = 'failed-registrations'\nthreshold = 7";
    let changed = rule(toml(text), "failed-registrations");
    let before = rule(toml("security.block_duration = '3h'"), "failed-registrations");
    let limit = guard::rule::Limit { threshold: 7, ..before.limit };
    assert_eq!(changed, Rule { limit, origin: RuleOrigin::Changed, ..before });
    // Every strike counts again where "none" is told apart.
    let every = rule(toml("[[rules]]\nname = 'enumeration'\ndistinct = 'none'"), "enumeration");
    assert_eq!(every.distinct, None);
}

#[test]
fn a_rule_without_words_gets_those_of_its_signals() {
    let text = OWN.replace("what = \"slow failures\"", "");
    assert_eq!(&*rule(toml(&text), "patient-guessing").what, "failed authentications and unknown accounts");
}

#[test]
fn an_entry_wins_over_the_key_of_its_rule_and_says_so() {
    let text = "[security]\nmax_failed_attempts = 9\n[[rules]]\nname = 'failed-registrations'\nthreshold = 7";
    assert_eq!(rule(toml(text), "failed-registrations").limit.threshold, 7);
    assert_eq!(
        warnings(toml(text)),
        [
            "switchward.toml:5:13: rules[0].threshold: found a value beside security.max_failed_attempts, expected \
          one of the two; remove one; this one wins for the rule failed-registrations"
        ]
    );
}

#[test]
fn what_no_default_can_stand_for_must_be_there() {
    assert_eq!(
        refusal(toml("[[rules]]\nname = 'mine'\ncounts = ['call']\nkey = 'source'")),
        [
            "switchward.toml:2:8: rules[0].name: found a rule of your own without threshold, window, ban, expected all of \
          counts, key, threshold, window, and ban unless it only alerts; write them, or the name of a built-in rule; \
          `switchward rules` lists those"
        ]
    );
    let slip = refusal(toml("[[rules]]\nname = 'call-rat'\nthreshold = 5"));
    assert!(slip[0].ends_with("write them, or name = \"call-rate\" for the built-in rule"), "{slip:?}");
    let timeless = OWN.replace("ban = \"72h\"", "");
    assert!(refusal(toml(&timeless))[0].ends_with("write ban = \"1h\", say, or action = \"alert\""));
    let alert = timeless.replace("action = \"ban\"", "action = \"alert\"");
    assert_eq!(rule(toml(&alert), "patient-guessing").action, Action::Alert);
}

#[test]
fn names_are_there_once_and_not_taken() {
    let line = |text: &str| refusal(toml(text)).remove(0);
    assert!(line("[[rules]]\nthreshold = 5").contains("rules[0].name: found no name"));
    let twice =
        "[[rules]]\nname = 'call-rate'\nshadow = true\n[[rules]]\nname = 'call-rate'\nenabled = false";
    assert!(line(twice).starts_with("switchward.toml:5:8: rules[1].name: found \"call-rate\" a second time"));
    assert!(line("[[rules]]\nname = 'untrusted-domain'").contains("see security.untrusted_networks"));
    assert!(line("[[rules]]\nname = 'fraud-cost'").contains("no rule that counts"));
    assert!(line("[[rules]]\nname = 'Call Rate'").contains("small letters, digits"));
}

#[test]
fn a_misspelt_word_names_the_nearest() {
    let line = |key: &str| refusal(toml(&format!("[[rules]]\nname = 'call-rate'\n{key}"))).remove(0);
    for (key, near) in [
        ("counts = ['auth-faild']", "auth-failed"),
        ("undone_by = ['suceeded']", "succeeded"),
        ("key = 'sorce'", "source"),
        ("key = 'source_account'", "source-account"),
        ("distinct = 'acounts'", "accounts"),
        ("applies = 'stranger'", "strangers"),
        ("action = 'alter'", "alert"),
        ("evidence = 'likly'", "likely"),
    ] {
        assert!(line(key).ends_with(&format!("; write \"{near}\"")), "{}", line(key));
    }
    assert!(line("counts = ['x']").starts_with("switchward.toml:3:11: rules[0].counts[0]: found \"x\""));
    assert!(warnings(toml("[[rules]]\nname = 'call-rate'\ntreshold = 5"))[0].contains("rules[0].threshold"));
}

#[test]
fn a_rule_that_cannot_ever_fire_is_an_error() {
    let with = |changes: &[(&str, &str)]| {
        let text = changes.iter().fold(OWN.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        refusal(toml(&text))
    };
    let counts = "counts = [\"auth-failed\", \"unknown-account\"]";
    let key = "key = \"net\"\ndistinct = \"sources\"";
    for (changes, wanted) in [
        (
            vec![("threshold = 12", "threshold = 0")],
            "rules[0].threshold: found 0, expected a whole number from 1",
        ),
        (vec![("threshold = 12", "threshold = 60001")], "rules[0].threshold: found 60001"),
        (vec![("threshold = 12", "threshold = 65")], "found 65 different ones, expected at most 64"),
        (vec![("window = \"168h\"", "window = \"0s\"")], "rules[0].window: found \"0s\""),
        (vec![("window = \"168h\"", "window = \"1500h\"")], "rules[0].window: found \"1500h\""),
        (vec![(counts, "counts = []")], "rules[0].counts: found no signal"),
        (
            vec![("evidence = \"likely\"", "evidence = \"proven\"")],
            "found proven evidence of signals that are likely",
        ),
        (
            vec![(counts, "counts = [\"challenged\"]")],
            "found likely evidence of signals that are forgeable at most, expected forgeable at most; write evidence \
             = \"forgeable\"",
        ),
        (
            vec![(counts, "counts = [\"over-session-rate\"]"), ("evidence = \"likely\"", "")],
            "which nothing makes: the switch does not tell whose call it refused",
        ),
        (
            vec![(counts, "counts = [\"honeypot\"]")],
            "found \"honeypot\", which nothing makes: guard.honeypots is empty",
        ),
        (
            vec![(counts, "counts = [\"denied-country\"]")],
            "found \"denied-country\", which nothing makes: geo.country_file is not set",
        ),
        (vec![("key = \"net\"", "key = \"country\"")], "found \"country\" without geo.country_file"),
        (vec![("key = \"net\"", "key = \"system\"")], "found \"system\" without geo.as_file"),
        (vec![("key = \"net\"", "key = \"source\"")], "different sources counted by source"),
        (
            vec![(key, "key = \"account\"\ndistinct = \"accounts\"")],
            "different accounts counted by account, which are never more than one",
        ),
        (
            vec![("patience = \"30s\"", "patience = \"24h\""), ("window = \"168h\"", "window = \"24h\"")],
            "rules[0].patience",
        ),
        (
            vec![("undone_by = [\"succeeded\"]", "undone_by = [\"auth-failed\", \"unknown-account\"]")],
            "rules[0].undone_by: found all that the rule counts",
        ),
        (
            vec![
                (counts, "counts = [\"acl-rejected\"]"),
                (key, "key = \"port\""),
                ("evidence = \"likely\"", ""),
            ],
            "\"port\" for signals that come without one",
        ),
        (
            vec![
                (counts, "counts = [\"acl-rejected\"]"),
                (key, "key = \"account\""),
                ("evidence = \"likely\"", ""),
            ],
            "\"account\" for signals that name none",
        ),
        (
            vec![(counts, "counts = [\"banned\"]"), (key, "key = \"source\"")],
            "\"source\" for bans, which count for neighbours alone",
        ),
        (
            vec![
                ("applies = \"everyone\"", "applies = \"phone\""),
                ("evidence = \"likely\"", "evidence = \"proven\""),
                (counts, "counts = [\"call\"]"),
            ],
            "likely at most",
        ),
        (
            vec![
                (counts, "counts = [\"challenged\"]"),
                ("applies = \"everyone\"", "applies = \"known\""),
                ("evidence = \"likely\"", ""),
                ("shadow = true", ""),
            ],
            "which is never made",
        ),
    ] {
        let lines = with(&changes);
        assert!(lines.iter().any(|line| line.contains(wanted)), "{changes:?} made {lines:#?}");
    }
}

#[test]
fn every_key_of_an_entry_is_taken_over_by_a_reload() {
    let old = config(toml(
        "[[rules]]\nname = 'patient-guessing'\ncounts = ['call']\nkey = 'source'\nthreshold = 2\nwindow = '1m'\nban = '1m'",
    ));
    let (live, restart) = old.diff_reload(&config(toml(OWN)));
    let rules = ARRAYS.iter().find(|array| array.name() == "rules").unwrap();
    for key in rules.key_names().iter().filter(|key| **key != "name") {
        let path = format!("rules[patient-guessing].{key}");
        assert!(live.contains(&path), "{path} in {live:?}");
    }
    assert_eq!(restart, [] as [&str; 0]);
    let new = config(toml(OWN));
    assert_eq!(new.clone().without_restart(&old).rules, new.rules);
}

#[test]
fn one_that_is_switched_off_need_not_fire() {
    let off = OWN.replace("enabled = true", "enabled = false").replace("key = \"net\"", "key = \"country\"");
    assert!(!rule(toml(&off), "patient-guessing").enabled);
}

#[test]
fn there_is_room_for_so_many_rules_and_no_more() {
    let entry = |n: usize| {
        format!(
            "[[rules]]\nname = 'own-{n}'\ncounts = ['call']\nkey = 'source'\nthreshold = 5\nwindow = '1m'\nban = '1h'\n"
        )
    };
    let all: String = (0..64).map(entry).collect();
    let lines = refusal(toml(&all));
    let built_in = policy(&crate::config::Config::default(), &[]).rules().len();
    assert_eq!(lines.len(), built_in, "{lines:#?}");
    let fitting: String = (0..64 - built_in).map(entry).collect();
    assert!(toml(&fitting).is_ok());
}

#[test]
fn a_threshold_beyond_what_is_kept_is_told() {
    let lines = warnings(toml("security.max_failed_attempts = 100000"));
    assert!(
        lines[0].contains("security.max_failed_attempts: found 100000, of which 60000 are kept"),
        "{lines:?}"
    );
}
