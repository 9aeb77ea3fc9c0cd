//! The switch's own directory.

use crate::support::*;
use broker::Bound;
use broker::directory::{Accept, Claim, Directory, Found, SwitchSettings};
use std::time::Duration;

const ALL: [Accept; 3] = [Accept::EslPassword, Accept::Password, Accept::A1Hash];

#[tokio::test]
async fn users_of_the_captures_log_in_as_they_do_at_freeswitch() {
    let switch = switch().await;
    let directory = of_switch(&switch, SwitchSettings::default()).await;
    for (argument, is_right) in [
        ("1000@pbx.example:esl-1000", true),
        ("1000:esl-1000@pbx.example", true),
        ("1000@pbx.example:wrong", false),
        ("1000@pbx.example:lab-only-4711", false),
        ("1004@pbx.example:lab-only-4711", false),
        ("9999@pbx.example:x", false),
        ("1000@nowhere.example:esl-1000", false),
        ("1000:esl-1000", false),
        ("odd@pbx.example:a\"b<c>&amp;d' e", true),
    ] {
        let found = directory.check(&Claim::of_userauth(argument)).await.unwrap();
        assert_eq!(matches!(found, Found::Right(_)), is_right, "{argument}: {found:?}");
    }
}

#[tokio::test]
async fn what_the_directory_allows_at_most_comes_with_the_identity() {
    let switch = switch().await;
    let directory = chain(vec![of_switch(&switch, SwitchSettings::default()).await], plain());
    let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let events =
        words("CHANNEL_CREATE CHANNEL_HANGUP_COMPLETE CUSTOM sofia::register sofia::register_failure");
    for (user, bound) in [
        ("1000", None),
        ("1001", Some(Bound { api: words("status show bgapi"), events, log: Some(false) })),
        (
            "1002",
            Some(Bound {
                api: words("uptime version"),
                events: words("HEARTBEAT CHANNEL_CREATE"),
                log: None,
            }),
        ),
        ("1003", Some(Bound { api: Some(vec![]), events: words("all"), log: None })),
    ] {
        let identity = identity(directory.check(&claim(user, &format!("esl-{user}")), from(1)).await);
        assert_eq!(identity.bound.as_deref(), bound.as_ref(), "{user}");
        assert_eq!(&*identity.name, format!("{user}@{DOMAIN}"));
    }
}

#[tokio::test]
async fn which_password_lets_in_is_set() {
    let switch = switch().await;
    let of = async |accept: &[Accept]| {
        of_switch(&switch, SwitchSettings { accept: accept.to_vec(), ..SwitchSettings::default() }).await
    };
    let sip = of(&[Accept::Password]).await;
    assert!(matches!(sip.check(&claim("1004", "lab-only-4711")).await, Ok(Found::Right(_))));
    assert_eq!(sip.check(&claim("1000", "esl-1000")).await, Ok(Found::Wrong));
    let hash = of(&[Accept::A1Hash]).await;
    assert!(matches!(hash.check(&claim("alice", "secret")).await, Ok(Found::Right(_))));
    assert_eq!(hash.check(&claim("alice", "Secret")).await, Ok(Found::Wrong));
    assert_eq!(hash.check(&claim("1000", "esl-1000")).await, Ok(Found::Unknown), "has no a1-hash");
    let all = of(&ALL).await;
    assert!(matches!(all.check(&claim("1000", "lab-only-4711")).await, Ok(Found::Right(_))));
}

#[tokio::test]
async fn another_spelling_and_an_alias_are_the_same_user() {
    let switch = switch().await;
    let directory =
        of_switch(&switch, SwitchSettings { accept: ALL.to_vec(), ..SwitchSettings::default() }).await;
    for claim in [
        claim("5000", "secret"),
        claim("Alice", "secret"),
        Claim::new("ALICE", Some("PBX.example"), "secret"),
    ] {
        let Ok(Found::Right(identity)) = directory.check(&claim).await else { panic!("{claim:?}") };
        assert_eq!(&*identity.name, "alice@pbx.example");
    }
}

#[tokio::test]
async fn who_is_marked_is_kept_out_but_only_with_the_right_password() {
    let switch = switch().await;
    let settings = SwitchSettings { disabled_by: Some("kept-out".into()), ..SwitchSettings::default() };
    let directory = of_switch(&switch, settings).await;
    assert_eq!(directory.check(&claim("1010", "esl-1010")).await, Ok(Found::Disabled));
    assert_eq!(directory.check(&claim("1010", "x")).await, Ok(Found::Wrong));
}

#[tokio::test]
async fn a_hostile_name_is_unknown_and_sends_nothing() {
    let switch = switch().await;
    let settings = SwitchSettings { default_domain: Some(DOMAIN.into()), ..SwitchSettings::default() };
    let directory = of_switch(&switch, settings).await;
    let mut names: Vec<String> = [
        "",
        "1000 pbx.example",
        "1000\napi system id",
        "1000\r\n\r\nexit",
        "1000\0",
        "${system id}",
        "$${x}",
        "1000;;status",
        "'1000'",
        "\"1000\"",
        "1000\\",
        "1000/..",
        "1000%0aexit",
        "１０００",
        "1000\u{200b}",
        "*",
        "<user>",
        "1000@x",
        "-a b",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("1".repeat(65));
    for name in &names {
        let found = directory.check(&Claim::new(name, Some(DOMAIN), "esl-1000")).await;
        assert_eq!(found, Ok(Found::Unknown), "{name:?}");
        let found = directory.check(&Claim::new("1000", Some(name), "esl-1000")).await;
        assert_eq!(found, Ok(Found::Unknown), "domain {name:?}");
    }
    // "1" 65 times is a domain that could be.
    assert_eq!(asked(&switch), [format!("api find_user_xml id 1000 {}", "1".repeat(65))]);
    assert!(matches!(directory.check(&Claim::new("1000", None, "esl-1000")).await, Ok(Found::Right(_))));
}

#[tokio::test]
async fn what_is_no_user_lets_nobody_in() {
    let switch = switch().await;
    let directory = of_switch(&switch, SwitchSettings::default()).await;
    let user = |attributes: &str| {
        format!("<user {attributes}><params><param name='esl-password' value='x'/></params></user>")
    };
    let deep = "<user id='1000'>".to_owned() + &"<a>".repeat(100_000);
    let bomb = "<!DOCTYPE user [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><user id='1000'>&b;</user>";
    let outside = "<!DOCTYPE user [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><user id='1000' x='&a;'/>";
    for (answer, is_trouble) in [
        ("-ERR can't find user\n", false),
        ("<error type=\"user-not-found\"/>", false),
        (&user("id='1000' type='pointer'"), false),
        ("<error type=\"bad args\"/>", true),
        ("-ERR no reply\n", true),
        ("-ERR find_user_xml Command not found!\n", true),
        ("true", true),
        ("<user id='1000'>", true),
        ("<user id='1000'></user><user id='1001'/>", true),
        ("<domain name='pbx.example'/>", true),
        (bomb, true),
        (outside, true),
        (&deep, true),
        (&user("id='1001'"), true),
        (&user("id='' number-alias='1000'"), true),
        (&user("id='1000' domain-name='other.example'"), true),
        (&format!("<user id='1000'>{}</user>", "x".repeat(300_000)), true),
    ] {
        switch.set_api("find_user_xml", answer);
        let found = directory.check(&claim("1000", "x")).await;
        let answer = &answer[..answer.len().min(80)];
        match found {
            Ok(found) => assert!(!is_trouble && found == Found::Unknown, "{answer}: {found:?}"),
            Err(trouble) => {
                assert!(is_trouble, "{answer}: {trouble}");
                assert!(
                    !trouble.to_string().contains("passwd") && !trouble.to_string().contains("1001"),
                    "{trouble}"
                );
            }
        }
    }
    switch.set_api("find_user_xml", &user("id='1000'"));
    assert!(matches!(directory.check(&claim("1000", "x")).await, Ok(Found::Right(_))));
}

#[tokio::test]
async fn without_the_switch_nobody_gets_in_and_with_it_everybody_again() {
    let switch = switch().await;
    let directory = chain(vec![of_switch(&switch, SwitchSettings::default()).await], plain());
    assert!(matches!(
        directory.check(&claim("1000", "esl-1000"), from(1)).await,
        broker::directory::Outcome::Right(_)
    ));
    switch.stop().await;
    let outcome = directory.check(&claim("1000", "esl-1000"), from(1)).await;
    let broker::directory::Outcome::Trouble(why) = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("switch: ") && !why.contains("1000"), "{why}");
    assert_eq!(directory.parts()[0].trouble, 1);
    assert!(directory.parts()[0].complaint.is_some());
    switch.restart().await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let outcome = directory.check(&claim("1000", "esl-1000"), from(1)).await;
        if matches!(outcome, broker::directory::Outcome::Right(_)) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{outcome:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(directory.parts()[0].complaint, None);
}
