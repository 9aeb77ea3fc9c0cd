//! The directory over LDAP, against a real slapd (Debian's package `slapd`, which scripts/test installs).

#![allow(clippy::unwrap_used, reason = "tests")]

mod slapd;

use broker::directory::{Claim, Directories, Directory, Found, Ldap, LdapSettings, Look, Outcome, Settings};
use broker::{Account, Identity};
use slapd::Slapd;
use std::sync::Arc;
use std::time::Duration;

fn template() -> Look {
    Look::Template("uid={user},ou=people,dc=example,dc=org".into())
}

fn search() -> Look {
    Look::Search {
        bind: Some(("cn=search,dc=example,dc=org".into(), "search secret".into())),
        base: "ou=people,dc=example,dc=org".into(),
        filter: "(&(objectClass=person)(uid={user}))".into(),
    }
}

/// With everything that the entries have.
fn full(url: &str, look: Look) -> LdapSettings {
    LdapSettings {
        account_attribute: Some("mail".into()),
        disabled: Some("(employeeType=former)".into()),
        ..LdapSettings::new(url, look)
    }
}

async fn check(ldap: &Ldap, user: &str, password: &str) -> Result<Found, String> {
    ldap.check(&Claim::of_login(user, password)).await.map_err(|trouble| trouble.to_string())
}

fn identity(found: Result<Found, String>) -> Identity {
    match found {
        Ok(Found::Right(identity)) => identity,
        other => panic!("not let in: {other:?}"),
    }
}

#[tokio::test]
async fn users_log_in_by_a_template_and_by_a_search() {
    let slapd = Slapd::start().await;
    for (look, not_theirs) in [(template(), Found::Unknown), (search(), Found::Wrong)] {
        let ldap = Ldap::new("people", full(&slapd.plain(), look)).unwrap();
        let alice = identity(check(&ldap, "alice", "wonder land").await);
        assert_eq!((&*alice.name, alice.proof.word()), ("alice", "people"));
        assert_eq!(alice.account, Some(Account { user: "1000".into(), domain: "pbx.example".into() }));
        assert_eq!(
            identity(check(&ldap, "ALICE", "wonder land").await).name,
            alice.name,
            "as the entry spells it"
        );
        assert_eq!(check(&ldap, "alice", "Wonder land").await, Ok(not_theirs.clone()));
        assert_eq!(check(&ldap, "nobody", "x").await, Ok(Found::Unknown));
        assert_eq!(check(&ldap, "gone", "still right").await, Ok(Found::Disabled));
        assert_eq!(check(&ldap, "gone", "x").await, Ok(not_theirs));
        assert_eq!(identity(check(&ldap, "a+b", "plus").await).account, None, "has none");
        assert_eq!(
            check(&ldap, "alice@pbx.example", "wonder land").await,
            Ok(Found::Unknown),
            "no domain is asked for"
        );
    }
}

#[tokio::test]
async fn an_empty_password_is_never_sent() {
    let slapd = Slapd::start().await;
    // This server takes a bind without a password for an anonymous one and lets it in.
    assert!(slapd.lets_in_without_a_password("uid=alice,ou=people,dc=example,dc=org").await);
    for look in [template(), search()] {
        let ldap = Ldap::new("people", full(&slapd.plain(), look)).unwrap();
        assert_eq!(check(&ldap, "alice", "").await, Ok(Found::Unknown));
        assert_eq!(check(&ldap, "alice", "\0").await, Ok(Found::Unknown));
    }
}

#[tokio::test]
async fn a_hostile_name_is_unknown() {
    let slapd = Slapd::start().await;
    for look in [template(), search()] {
        let ldap = Ldap::new("people", full(&slapd.plain(), look)).unwrap();
        for name in [
            "*",
            "a*",
            "alice)(uid=*",
            "*)(objectClass=*",
            "alice)(|(uid=*",
            "alice,ou=people",
            "alice ",
            " alice",
            "alice\0",
            "\\61lice",
            "ａｌｉｃｅ",
            "alice\n",
            "uid=alice",
            "",
            "{user}",
            "alice#",
            "alice;",
            "alice/",
        ] {
            let found = ldap.check(&Claim::new(name, None, "wonder land")).await;
            assert_eq!(found, Ok(Found::Unknown), "{name:?}");
        }
    }
}

#[tokio::test]
async fn passwords_go_over_tls_to_a_server_that_is_checked() {
    let slapd = Slapd::start().await;
    let tls = |url: &str, start_tls| LdapSettings {
        start_tls,
        authorities: Some(slapd.authority()),
        ..full(url, search())
    };
    for settings in
        [tls(&slapd.tls("localhost"), false), tls(&slapd.tls("127.0.0.1"), false), tls(&slapd.plain(), true)]
    {
        let url = settings.url.clone();
        let ldap = Ldap::new("people", settings).unwrap();
        assert_eq!(&*identity(check(&ldap, "alice", "wonder land").await).name, "alice", "{url}");
        assert_eq!(check(&ldap, "alice", "x").await, Ok(Found::Wrong));
    }
    // Another authority, and another name than the certificate's.
    let system =
        LdapSettings { authorities: Some(slapd.other_authority()), ..tls(&slapd.tls("localhost"), false) };
    let other_name = tls(&slapd.tls("127.0.0.2"), false);
    let start_tls = LdapSettings { authorities: Some(slapd.other_authority()), ..tls(&slapd.plain(), true) };
    for settings in [system, other_name, start_tls] {
        let trouble =
            check(&Ldap::new("people", settings).unwrap(), "alice", "wonder land").await.unwrap_err();
        assert!(trouble.contains("certificate"), "{trouble}");
    }
}

#[test]
fn passwords_in_plain_text_stay_on_this_machine() {
    let new = |settings: LdapSettings| {
        Ldap::new("people", settings).map(|_| ()).map_err(|trouble| trouble.to_string())
    };
    for url in [
        "ldap://ldap.example.org",
        "ldap://192.0.2.1:389",
        "ldap://[2001:db8::1]",
        "ldap://localhost.example.org",
    ] {
        assert!(new(LdapSettings::new(url, template())).unwrap_err().contains("plain text"), "{url}");
        assert_eq!(new(LdapSettings { allow_plain: true, ..LdapSettings::new(url, template()) }), Ok(()));
    }
    for url in ["ldap://localhost", "ldap://127.0.0.1:3389/", "ldap://[::1]:389"] {
        assert_eq!(new(LdapSettings::new(url, template())), Ok(()), "{url}");
    }
    for url in [
        "",
        "localhost",
        "http://localhost",
        "ldap://",
        "ldap:///",
        "ldap://:389",
        "ldap://localhost:x",
        "ldap://localhost:99999",
        "ldap://[::1",
        "ldap://127.0.0.1@ldap.example.org",
        "ldap://localhost?x",
        "ldap://a b",
        "ldapi:///run/x",
    ] {
        assert!(new(LdapSettings::new(url, template())).unwrap_err().contains("no LDAP URL"), "{url}");
    }
    let both = LdapSettings { start_tls: true, ..LdapSettings::new("ldaps://localhost", template()) };
    assert!(new(both).unwrap_err().contains("start_tls"));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_refuses_the_search_is_trouble() {
    let slapd = Slapd::start().await;
    let Look::Search { base, filter, .. } = search() else { unreachable!() };
    let of = |bind| Look::Search { bind, base: base.clone(), filter: filter.clone() };
    let wrong = of(Some(("cn=search,dc=example,dc=org".into(), "wrong".into())));
    let trouble =
        check(&Ldap::new("people", full(&slapd.plain(), wrong)).unwrap(), "alice", "wonder land").await;
    assert!(trouble.unwrap_err().contains("refuses the DN and password to search with"));
    // Anonymously nothing may be read here.
    let anonymous = Ldap::new("people", full(&slapd.plain(), of(None))).unwrap();
    let trouble = check(&anonymous, "alice", "wonder land").await;
    assert!(trouble.unwrap_err().contains("50 (insufficient access rights)"));
    let many = Look::Search {
        bind: Some(("cn=search,dc=example,dc=org".into(), "search secret".into())),
        base,
        filter: "(|(uid={user})(objectClass=person))".into(),
    };
    let trouble =
        check(&Ldap::new("people", full(&slapd.plain(), many)).unwrap(), "alice", "wonder land").await;
    assert!(trouble.unwrap_err().contains("more than one"));

    let ldap = Ldap::new("people", full(&slapd.plain(), search())).unwrap();
    identity(check(&ldap, "alice", "wonder land").await);
    let slapd = slapd.stopped();
    for _ in 0..2 {
        let trouble = check(&ldap, "alice", "wonder land").await.unwrap_err();
        assert!(trouble.contains("cannot be reached") && !trouble.contains("alice"), "{trouble}");
    }
    let _slapd = slapd.start_again().await;
    ldap.forget();
    identity(check(&ldap, "alice", "wonder land").await);
}

#[tokio::test]
async fn a_server_that_says_nothing_or_nonsense_is_trouble_in_time() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let answers: [&[u8]; 7] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0x30, 0x00],
        &[0x30, 0x03, 0x02, 0x01, 0x01],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x31, 0x04, 0x00, 0x04],
        &[0x30, 0x05, 0x02, 0x01, 0x01, 0x7f, 0x00],
    ];
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1_024];
            _ = stream.read(&mut buffer).await;
            _ = stream.write_all(answer).await;
            held.push(stream);
        }
        held
    });
    let limit = Duration::from_millis(400);
    for answer in answers {
        let ldap =
            Ldap::new("people", LdapSettings { limit, ..LdapSettings::new(&url, template()) }).unwrap();
        let found = check(&ldap, "alice", "wonder land").await;
        assert!(found.is_err(), "{answer:?}: {found:?}");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn domains_are_told_apart() {
    let slapd = Slapd::start().await;
    let tenants = Look::Template("uid={user},ou={domain},dc=example,dc=org".into());
    let ldap = Ldap::new("tenants", LdapSettings::new(&slapd.plain(), tenants)).unwrap();
    assert_eq!(&*identity(check(&ldap, "alice@People", "wonder land").await).name, "alice@people");
    assert_eq!(&*identity(check(&ldap, "alice@other.example", "another").await).name, "alice@other.example");
    assert_eq!(check(&ldap, "alice@other.example", "wonder land").await, Ok(Found::Unknown));
    assert_eq!(check(&ldap, "alice", "wonder land").await, Ok(Found::Unknown), "which one?");
    let own =
        LdapSettings { domain: Some("corp.example".into()), ..LdapSettings::new(&slapd.plain(), search()) };
    let ldap = Ldap::new("people", own).unwrap();
    for (login, is_known) in [
        ("alice", true),
        ("alice@corp.example", true),
        ("alice@CORP.example", true),
        ("alice@other.example", false),
    ] {
        let found = check(&ldap, login, "wonder land").await;
        assert_eq!(matches!(found, Ok(Found::Right(_))), is_known, "{login} {found:?}");
    }
}

#[tokio::test]
async fn it_is_one_of_several_directories() {
    let slapd = Slapd::start().await;
    let ldap = Arc::new(Ldap::new("people", full(&slapd.plain(), search())).unwrap());
    let directories = Directories::new(vec![ldap], Settings::default()).unwrap();
    let outcome = directories.check(&Claim::of_login("alice", "wonder land"), None).await;
    assert!(matches!(outcome, Outcome::Right(_)), "{outcome:?}");
    let _slapd = slapd.stopped();
    let outcome = directories.check(&Claim::of_login("alice", "wonder land"), None).await;
    assert!(matches!(outcome, Outcome::Right(_)), "remembered: {outcome:?}");
    let outcome = directories.check(&Claim::of_login("alice", "x"), None).await;
    assert!(matches!(outcome, Outcome::Trouble(_)), "{outcome:?}");
}
