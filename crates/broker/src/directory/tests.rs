//! Claims and names, as they come from a client.

use super::*;

fn parts(claim: &Claim) -> (&str, Option<&str>, &str) {
    (&claim.user, claim.domain.as_deref(), claim.password.expose())
}

#[test]
fn userauth_is_split_as_freeswitch_does() {
    for (argument, user, domain, password) in [
        ("1000@pbx.example:esl-1000", "1000", Some("pbx.example"), "esl-1000"),
        ("1000:esl-1000@pbx.example", "1000", Some("pbx.example"), "esl-1000"),
        ("1000@pbx.example:with:colons@and@ats", "1000", Some("pbx.example"), "with:colons@and@ats"),
        ("1000:first@pbx.example:second", "1000", Some("pbx.example"), "first"),
        ("1000:esl-1000", "1000", None, "esl-1000"),
        ("1000@pbx.example:", "1000", Some("pbx.example"), ""),
        ("1000@pbx.example", "1000", Some("pbx.example"), ""),
        ("", "", None, ""),
        ("@:", "", Some(""), ""),
    ] {
        assert_eq!(parts(&Claim::of_userauth(argument)), (user, domain, password), "{argument}");
    }
}

#[test]
fn a_login_ends_with_its_domain() {
    assert_eq!(parts(&Claim::of_login("alice", "p@w")), ("alice", None, "p@w"));
    assert_eq!(parts(&Claim::of_login("1000@pbx.example", "x")), ("1000", Some("pbx.example"), "x"));
    assert_eq!(parts(&Claim::of_login("a@b@c", "x")), ("a@b", Some("c"), "x"));
}

#[test]
fn a_password_is_never_shown() {
    let claim = Claim::new("alice", None, "correct horse");
    assert_eq!(format!("{claim:?}"), r#"Claim { user: "alice", domain: None, password: [secret] }"#);
    assert!(claim.password.is(&"correct horse".into()));
    for other in ["", "correct hors", "correct horse ", "Correct horse"] {
        assert!(!claim.password.is(&other.into()), "{other}");
    }
}

#[test]
fn what_is_empty_or_overlong_is_hopeless() {
    let claim =
        |user: &str, domain: Option<&str>, password: &str| Claim::new(user, domain, password).is_hopeless();
    assert!(!claim("alice", None, "x") && !claim("alice", Some("pbx.example"), &"x".repeat(1_024)));
    assert!(claim("", None, "x") && claim("alice", None, "") && claim("alice", Some(""), "x"));
    assert!(claim(&"a".repeat(65), None, "x") && claim("alice", Some(&"d".repeat(254)), "x"));
    assert!(claim("alice", None, &"x".repeat(1_025)));
}

#[test]
fn only_plain_names_are_plain() {
    for name in ["1000", "alice", "a.b_c+d-e", "A"] {
        assert!(is_plain(name, 64), "{name}");
    }
    for name in
        ["", "a b", "a\nb", "a\0", "ä", "a@b", "a;b", "${x}", "a%20b", "'a'", "a/b", "a*", "a:b", "ａ"]
    {
        assert!(!is_plain(name, 64), "{name:?}");
    }
    assert!(is_plain(&"a".repeat(64), 64) && !is_plain(&"a".repeat(65), 64));
}

#[test]
fn trouble_is_one_short_line() {
    let trouble = Trouble::new(format!("a\r\nb\x1b[31m {}", "x".repeat(1_000))).to_string();
    assert!(!trouble.contains(char::is_control) && trouble.chars().count() == 300, "{trouble}");
}
