//! `/security/why/{ip}`.

use crate::support::{Daemon, Kernel, fields};
use guard::{Evidence, Method, Observation, Source, Verdict, What};
use serde_json::json;
use switchward::news::Event;

#[tokio::test]
async fn a_ban_by_a_rule_tells_rule_evidence_and_names() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    daemon.refuse("203.0.113.50", "1000", 5);
    let why = daemon.get("/security/why/203.0.113.50").await.ok();
    let names = [
        "allowed",
        "ban",
        "counted",
        "enforced",
        "hangUps",
        "history",
        "ip",
        "outOfReach",
        "portBans",
        "registeredPhones",
        "repute",
        "source",
        "standing",
        "text",
        "timeline",
        "unenforced",
        "wouldBans",
    ];
    assert_eq!(fields(&why), names);
    assert_eq!((&why["standing"], &why["enforced"]), (&json!("banned"), &json!(true)));
    let ban = &why["ban"];
    assert_eq!((&ban["rule"], &ban["evidence"]), (&json!("failed-registrations"), &json!("likely")));
    assert_eq!((&ban["count"], &ban["by"]), (&json!(5), &json!("guard")));
    assert_eq!(ban["userIds"], json!(["1000"]));
    assert_eq!((&ban["userAgents"], &ban["switch"]), (&json!(["Yealink SIP-T46U"]), &json!("freeswitch")));
    let text = why["text"].as_str().unwrap();
    for word in ["203.0.113.50: banned", "failed-registrations", "likely", "Yealink SIP-T46U", "left)"] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
    assert!(!text.contains("NOT dropped"), "{text}");
}

#[tokio::test]
async fn a_ban_tells_what_led_to_it_and_what_would_have_prevented_it() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.50", "1000", 4);
    daemon.refuse("203.0.113.50", "1001", 1);
    let why = daemon.get("/security/blacklist/203.0.113.50/why").await.ok();
    let ban = &why["ban"];
    assert_eq!((&ban["threshold"], &ban["window"]), (&json!(5), &json!("10m0s")));
    let moments = ban["moments"].as_array().unwrap();
    assert_eq!(moments.len(), 5, "{moments:#?}");
    let last = &moments[4];
    assert_eq!(
        (&last["what"], &last["userId"], &last["userAgent"]),
        (&json!("refused"), &json!("1001"), &json!("Yealink SIP-T46U"))
    );
    assert_eq!((&last["ip"], &last["port"]), (&json!("203.0.113.50"), &json!(5062)));
    assert_eq!((&last["transport"], &last["evidence"]), (&json!("udp"), &json!("likely")));
    assert_eq!(
        ban["preventedBy"],
        json!([
            "an entry on the allow-list (`switchward allow 203.0.113.50`)",
            "a phone that is registered from this address",
            "security.max_failed_attempts above 5"
        ])
    );
    let text = why["text"].as_str().unwrap();
    for words in [
        "the rule takes 5 within 10m",
        "what led to it:",
        "(from 203.0.113.50:5062, udp, likely, 1001, Yealink SIP-T46U)",
    ] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.51"})).await.ok();
    let by_hand = &daemon.get("/security/why/203.0.113.51").await.ok()["ban"];
    assert_eq!(
        (&by_hand["preventedBy"], &by_hand["moments"], &by_hand["threshold"]),
        (&json!([]), &json!([]), &json!(null))
    );
}

#[tokio::test]
async fn what_would_have_been_banned_and_calls_hung_up_are_told_while_the_news_keep_them() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.auto_block_enabled = false).await;
    let verdicts = (0..5).flat_map(|_| refused(&daemon, "203.0.113.50")).collect::<Vec<_>>();
    let [Verdict::WouldBan(ban)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    let news = daemon.app.mirror.news();
    news.tell(Event::WouldBan(ban.clone()));
    let source = Source::of("203.0.113.50".parse().unwrap());
    let why = "the call names the untrusted domain x.example (x.example)".to_owned();
    news.tell(Event::HangUp { switch: "freeswitch".into(), source, why });
    let why = daemon.get("/security/why/203.0.113.50").await.ok();
    assert_eq!((&why["wouldBans"][0]["rule"], &why["ban"]), (&json!("failed-registrations"), &json!(null)));
    assert_eq!(why["hangUps"][0]["switch"], json!("freeswitch"));
    let text = why["text"].as_str().unwrap();
    assert!(text.contains("would have been banned:") && text.contains("calls hung up:"), "{text}");
    let other = daemon.get("/security/why/203.0.113.51").await.ok();
    assert_eq!((&other["wouldBans"], &other["hangUps"]), (&json!([]), &json!([])));
}

/// A refused registration.
fn refused(daemon: &Daemon, ip: &str) -> guard::Verdicts {
    let seen = Observation {
        ip: Some(ip.parse().unwrap()),
        port: 5062,
        evidence: Evidence::Likely,
        user: b"1000",
        ..Observation::of(0, What::AuthFailed(Method::Register))
    };
    daemon.app.guard.observe(&seen, switchward::clock::now())
}

#[tokio::test]
async fn what_is_not_enforced_is_not_told_as_if_it_were() {
    let daemon = Daemon::start().await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.50", "permanent": true})).await.ok();
    let why = daemon.get("/security/why/203.0.113.50").await.ok();
    assert_eq!((&why["enforced"], &why["ban"]["until"]), (&json!(false), &json!(null)));
    let text = why["text"].as_str().unwrap();
    assert!(text.contains("NOT dropped in the kernel: no firewall in this test"), "{text}");
    assert!(text.contains("for good"), "{text}");
}

#[tokio::test]
async fn each_standing_has_its_word() {
    let daemon = Daemon::start().await;
    daemon.post("/security/whitelist", &json!({"ip": "198.51.100.0/24", "userId": "1000"})).await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.8:5062"})).await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "2001:db8:1::/48"})).await.ok();
    daemon.refuse("203.0.113.9", "1000", 2);
    daemon.observe("203.0.113.7", What::Registered { expires: 3600 });
    daemon.post("/security/whitelist", &json!({"ip": "203.0.113.7"})).await.ok();
    daemon.delete("/security/whitelist/203.0.113.7").await.ok();
    for (ip, standing, word) in [
        ("198.51.100.9", "allowed", "198.51.100.0/24"),
        ("203.0.113.8", "port-banned", "203.0.113.8:5062"),
        ("203.0.113.8:5062", "banned", "203.0.113.8:5062"),
        ("203.0.113.8:5063", "unknown", "nothing is known"),
        ("2001:db8:1:2::3", "banned", "2001:db8:1::/48"),
        ("203.0.113.9", "watched", "fires at 5 within 10m"),
        ("203.0.113.7", "registered", "1 phone"),
        ("10.1.2.3", "out-of-reach", "10.0.0.0/8"),
        ("203.0.113.1", "unknown", "nothing is known"),
        ("2001:db8::1", "unknown", "2001:db8::/64"),
    ] {
        let why = daemon.get(&format!("/security/why/{ip}")).await.ok();
        let text = why["text"].as_str().unwrap();
        assert_eq!(why["standing"], standing, "{ip}\n{text}");
        assert!(text.contains(word), "{ip}: {word} is not in:\n{text}");
    }
    let counted = &daemon.get("/security/why/203.0.113.9").await.ok()["counted"][0];
    assert_eq!((&counted["count"], &counted["threshold"]), (&json!(2), &json!(5)));
    assert_eq!(counted["window"], "10m0s");
}

#[tokio::test]
async fn a_network_or_nonsense_is_no_address() {
    let daemon = Daemon::start().await;
    for path in ["192.0.2.0%2F24", "nonsense", "%20", "%ff"] {
        daemon.get(&format!("/security/why/{path}")).await.error(400);
    }
}
