//! Unban links over real connections: made by an operator, opened by a stranger, once.

use crate::support::{Answer, Daemon};
use guard::What;
use serde_json::json;

async fn link(daemon: &Daemon, ip: &str) -> String {
    let made = daemon.post("/security/unban-links", &json!({"ip": ip, "ttl": "2h"})).await.ok();
    assert_eq!(made["ip"], ip);
    made["link"].as_str().unwrap().to_owned()
}

fn page(answer: &Answer) -> String {
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_stranger_with_a_link_lifts_one_ban_once() {
    let daemon = Daemon::start().await;
    for ip in ["203.0.113.9", "203.0.113.10"] {
        daemon.refuse(ip, ip, 5);
    }
    let path = link(&daemon, "203.0.113.9").await;
    // Who may change nothing.
    let stranger = [127, 0, 0, 9];
    let shown = daemon.ask("GET", &path).from(stranger).send().await;
    assert_eq!(shown.status, 200);
    assert!(page(&shown).contains("Unblock 203.0.113.9"));
    assert_eq!(
        daemon.get("/security/blacklist/203.0.113.9").await.ok()["blacklisted"],
        true,
        "looking lifts nothing"
    );
    let done = daemon.ask("POST", &path).from(stranger).send().await;
    assert_eq!(done.status, 200);
    assert_eq!(daemon.get("/security/blacklist/203.0.113.9").await.ok()["blacklisted"], false);
    assert_eq!(daemon.get("/security/blacklist/203.0.113.10").await.ok()["blacklisted"], true);
    for method in ["GET", "POST"] {
        let again = daemon.ask(method, &path).from(stranger).send().await;
        assert_eq!(again.status, 404, "{method}");
        assert!(page(&again).contains("not good any more"));
    }
    // A ban that comes later is another one.
    daemon.refuse("203.0.113.9", "other", 5);
    assert_eq!(daemon.ask("POST", &path).from(stranger).send().await.status, 404);
    let history = daemon.get("/security/history?ip=203.0.113.9").await.ok();
    assert!(history.to_string().contains("the link of 127.0.0.1"), "{history}");
    let audit = daemon.get("/security/audit").await.ok().to_string();
    assert!(audit.contains("203.0.113.9 by the link of"), "{audit}");
    assert!(!audit.contains(path.trim_start_matches("/unban/")), "{audit}");
}

#[tokio::test]
async fn only_operators_make_links_and_only_of_bans() {
    let daemon = Daemon::start().await;
    daemon.post("/security/unban-links", &json!({"ip": "203.0.113.9"})).await.error(404);
    daemon.post("/security/unban-links", &json!({"ip": "nonsense"})).await.error(400);
    daemon.refuse("203.0.113.9", "1000", 5);
    for ttl in ["721h", "0s", "soon"] {
        daemon.post("/security/unban-links", &json!({"ip": "203.0.113.9", "ttl": ttl})).await.error(400);
    }
    let body = json!({"ip": "203.0.113.9"}).to_string();
    let stranger =
        daemon.ask("POST", "/security/unban-links").json().from([127, 0, 0, 9]).body(body).send().await;
    stranger.error(403);
}

#[tokio::test]
async fn who_guesses_links_is_counted_and_kept_waiting() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 5);
    let path = link(&daemon, "203.0.113.9").await;
    let guesser = [127, 0, 0, 8];
    let mut answers = Vec::new();
    for n in 0..12 {
        let guess = format!("{path}{n}");
        answers.push(daemon.ask("POST", &guess).from(guesser).send().await.status);
    }
    assert_eq!((answers[0], answers[11]), (404, 429), "{answers:?}");
    assert!(daemon.app.guard.counts().failed_logins.value() >= 10);
    // Others are not held up, and the link still is good.
    daemon.observe("203.0.113.200", What::Challenged);
    assert_eq!(daemon.ask("GET", &path).from([127, 0, 0, 7]).send().await.status, 200);
}

#[tokio::test]
async fn the_link_of_a_network_lifts_no_ban_within_it() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 5);
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.0/24"})).await.ok();
    let path = link(&daemon, "203.0.113.0/24").await;
    assert_eq!(daemon.ask("POST", &path).from([127, 0, 0, 9]).send().await.status, 200);
    assert_eq!(daemon.get("/security/blacklist/203.0.113.77").await.ok()["blacklisted"], false);
    assert_eq!(daemon.get("/security/blacklist/203.0.113.9").await.ok()["blacklisted"], true);
}
