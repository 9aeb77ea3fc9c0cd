//! The headers for browsers, which every answer has.

use crate::support::Daemon;
use serde_json::json;

#[tokio::test]
async fn every_answer_forbids_browsers_to_guess_frame_keep_and_tell() {
    let daemon = Daemon::start().await;
    let answers = [
        daemon.get("/health").await,
        daemon.get("/security/blacklist").await,
        daemon.get("/nothing").await,
        daemon.ask("PUT", "/health").send().await,
        daemon.ask("POST", "/security/blacklist").body("{").send().await,
        daemon.ask("POST", "/security/blacklist").from([127, 0, 0, 2]).send().await,
        daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await,
    ];
    for answer in answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.headers[name], value, "{name} of {answer:?}");
            assert_eq!(answer.headers.get_all(name).iter().count(), 1);
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
    }
}
