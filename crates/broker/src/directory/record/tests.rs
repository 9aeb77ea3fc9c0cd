//! A user of a FreeSWITCH directory: which password lets in, and what he may.

use super::super::tree;
use super::*;

const ALL: [Accept; 3] = [Accept::EslPassword, Accept::Password, Accept::A1Hash];

fn record(levels: &[&str], mark: Option<&str>) -> Record {
    let values: Vec<Value> = levels
        .iter()
        .flat_map(|level| Value::all_of(tree::parse(level, 10_000).unwrap().root_element(), mark))
        .collect();
    Record::new("1000", "pbx.example", &values, mark)
}

fn params(params: &[(&str, &str)]) -> String {
    let params: String =
        params.iter().map(|(name, value)| format!("<param name=\"{name}\" value=\"{value}\"/>")).collect();
    format!("<user><params>{params}</params></user>")
}

fn check(record: &Record, password: &str, accept: &[Accept]) -> Found {
    record.check(&Claim::new("1000", Some("pbx.example"), password), accept, &"switch".into())
}

fn bound(levels: &[&str]) -> Option<Bound> {
    match check(&record(levels, None), "x", &ALL) {
        Found::Right(identity) => identity.bound.map(|bound| (*bound).clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_an_accepted_password_lets_in() {
    let record = record(&[&params(&[("password", "sip"), ("esl-password", "esl")])], None);
    let right = |password, accept: &[Accept]| matches!(check(&record, password, accept), Found::Right(_));
    assert!(right("esl", &[Accept::EslPassword]) && !right("sip", &[Accept::EslPassword]));
    assert!(right("sip", &[Accept::Password]) && !right("esl", &[Accept::Password]));
    assert!(right("sip", &ALL) && right("esl", &ALL) && !right("ESL", &ALL) && !right("", &ALL));
    assert!(!right("esl", &[]));
}

#[test]
fn the_identity_is_the_directorys_account() {
    let record = record(&[&params(&[("esl-password", "x")])], None);
    let Found::Right(identity) = check(&record, "x", &ALL) else { panic!() };
    assert_eq!(
        (&*identity.name, identity.user(), identity.domain()),
        ("1000@pbx.example", "1000", "pbx.example")
    );
    assert_eq!(identity.proof, Proof::Password { directory: "switch".into() });
    assert_eq!(identity.bound, None);
}

#[test]
fn an_a1_hash_is_md5_of_user_domain_and_password() {
    // printf 1000:pbx.example:secret | md5sum
    let hash = "dc04382f8fcd432b6aec22bda798252b";
    for hash in [hash.to_lowercase(), hash.to_uppercase()] {
        let record = record(&[&params(&[("a1-hash", &hash)])], None);
        assert!(matches!(check(&record, "secret", &[Accept::A1Hash]), Found::Right(_)));
        assert_eq!(check(&record, "Secret", &[Accept::A1Hash]), Found::Wrong);
        assert_eq!(check(&record, &hash, &ALL), Found::Wrong, "the hash itself is no password");
    }
    assert_eq!(check(&record(&[&params(&[("a1-hash", "short")])], None), "secret", &ALL), Found::Unknown);
}

#[test]
fn the_last_of_domain_group_and_user_counts() {
    let levels = [
        params(&[("esl-password", "domain"), ("esl-allowed-api", "status"), ("esl-allowed-log", "false")]),
        params(&[("ESL-Password", "group"), ("esl-allowed-api", "status show")]),
        params(&[("esl-password", "x"), ("esl-allowed-events", "HEARTBEAT,CHANNEL_CREATE")]),
    ];
    let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
    assert_eq!(check(&record(&levels, None), "group", &ALL), Found::Wrong);
    let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    let expected = Bound {
        api: words(&["status", "show"]),
        events: words(&["HEARTBEAT", "CHANNEL_CREATE"]),
        log: Some(false),
    };
    assert_eq!(bound(&levels), Some(expected));
    assert_eq!(
        bound(&[&params(&[("esl-password", "x"), ("esl-allowed-api", "")])]).unwrap().api,
        Some(vec![])
    );
}

#[test]
fn an_empty_password_in_the_directory_takes_the_one_above_away_and_lets_nobody_in() {
    let levels = [params(&[("esl-password", "domain")]), params(&[("esl-password", "")])];
    let record = record(&[&levels[0], &levels[1]], None);
    assert_eq!(check(&record, "domain", &ALL), Found::Unknown);
    assert_eq!(check(&record, "", &ALL), Found::Unknown);
}

#[test]
fn a_password_that_was_no_utf_8_lets_nobody_in() {
    let record = record(&[&params(&[("esl-password", "p\u{fffd}w")])], None);
    assert_eq!(check(&record, "p\u{fffd}w", &ALL), Found::Unknown);
}

#[test]
fn a_variable_is_no_parameter_but_may_be_the_mark_of_who_is_kept_out() {
    let user = "<user><params><param name='esl-password' value='x'/></params>\
        <variables><variable name='esl-password' value='y'/><variable name='kept_out' value='true'/></variables></user>";
    assert!(matches!(check(&record(&[user], None), "x", &ALL), Found::Right(_)));
    assert_eq!(check(&record(&[user], None), "y", &ALL), Found::Wrong);
    assert_eq!(check(&record(&[user], Some("kept_out")), "x", &ALL), Found::Disabled);
    assert_eq!(check(&record(&[user], Some("kept_out")), "y", &ALL), Found::Wrong);
}

#[test]
fn true_is_what_freeswitch_takes_for_it() {
    for text in ["true", "TRUE", "yes", "on", "t", "1", "42", "-1", "enabled", "active", "allow"] {
        assert!(is_true(text), "{text}");
    }
    for text in ["", "false", "no", "0", "off", "0.5", "nan", "inf", "truth", "disabled"] {
        assert!(!is_true(text), "{text}");
    }
}
