//! What gives scanners away: the list, its hits, the file's mistakes.

use crate::support::{Daemon, Kernel};

#[tokio::test(flavor = "multi_thread")]
async fn signatures_and_honeypots_are_listed_with_their_hits_and_the_mistakes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signatures");
    std::fs::write(&file, "# ours\nEvilPhone\n!sipsak\n").unwrap();
    let named = file.clone();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.guard.signatures_file = Some(named);
        config.guard.honeypots = vec!["admin".into(), "9999*".into()];
    })
    .await;
    let look = || daemon.app.suspects.look(&daemon.app.config.load().guard);
    let suspicion = look().unwrap();
    for _ in 0..2 {
        suspicion.of(b"99991", b"pbx.example", b"evilphone/1.0", b"");
    }
    let answer = daemon.get("/security/signatures").await;
    assert_eq!(answer.status, 200);
    let given = answer.json();
    let item = |text: &str| {
        let items = given["signatures"].as_array().unwrap();
        items.iter().find(|item| item["signature"] == text).cloned()
    };
    let evil = item("evilphone").unwrap();
    assert_eq!((&evil["origin"], &evil["line"], &evil["hits"]), (&"file".into(), &2.into(), &2.into()));
    let built_in = item("friendly-scanner").unwrap();
    assert_eq!((&built_in["origin"], &built_in["line"]), (&"built-in".into(), &serde_json::Value::Null));
    assert!(built_in["about"].as_str().unwrap().contains("SIPVicious"));
    assert!(item("sipsak").is_none(), "switched off");
    let expected = serde_json::json!([{"honeypot": "admin", "hits": 0}, {"honeypot": "9999*", "hits": 2}]);
    assert_eq!(given["honeypots"], expected);
    assert_eq!(given["file"], file.display().to_string());
    assert_eq!(given["troubles"], serde_json::json!([]));

    std::fs::write(&file, "x\n").unwrap();
    look();
    let given = daemon.get("/security/signatures").await.json();
    assert!(given["troubles"][0].as_str().unwrap().contains("signatures:1: "), "{given}");
    let overview = daemon.get("/security/overview").await.json();
    assert!(overview["warnings"].to_string().contains("signatures:1: "), "{overview}");
}
