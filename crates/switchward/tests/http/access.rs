//! Who may come in, and with which rights: tokens, passwords, roles, and what a wrong one costs.

use crate::support::{Answer, Ask, Daemon, Kernel, within};
use serde_json::{Value, json};
use std::path::PathBuf;
use switchward::access::Role;
use switchward::access::tokens::Tokens;
use switchward::access::users::Users;
use switchward::clock;
use switchward::config::{Authentication, Config};

/// A peer that may do nothing by its address.
const STRANGER: [u8; 4] = [127, 0, 0, 2];
pub(crate) const PASSWORD: &str = "correct horse";

/// Changes the file of tokens as the command line does.
pub(crate) fn edit(daemon: &Daemon, change: impl FnOnce(&mut Tokens)) {
    let path = daemon.app.config.load().tokens_file();
    let mut tokens: Tokens = std::fs::read(&path)
        .map_or_else(|_| Tokens::default(), |text| serde_json::from_slice(&text).unwrap());
    change(&mut tokens);
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, serde_json::to_vec(&tokens).unwrap()).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

pub(crate) fn token(daemon: &Daemon, name: &str, role: Role) -> String {
    let mut text = String::new();
    edit(daemon, |tokens| text = tokens.add(name, role, None, Vec::new(), clock::now()).unwrap());
    text
}

/// A file of users with one of each role, all with the same password.
pub(crate) fn users(path: PathBuf) {
    let mut users = Users::default();
    for (name, role) in [("vera", Role::Viewer), ("olga", Role::Operator), ("ada", Role::Admin)] {
        users.add(name, role, PASSWORD, clock::now()).unwrap();
    }
    std::fs::write(path, serde_json::to_vec(&users).unwrap()).unwrap();
}

pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {pair}")
}

pub(crate) trait With {
    fn bearer(self, token: &str) -> Ask;
}

impl With for Ask {
    fn bearer(self, token: &str) -> Ask {
        self.header("Authorization", &format!("Bearer {token}"))
    }
}

async fn exposed(change: impl FnOnce(&mut Config)) -> Daemon {
    let daemon = Daemon::with(Kernel::None, change).await;
    // As if it listened on every address: packets leave no test.
    let config = daemon.app.config.load();
    daemon.app.access.listens_on([0, 0, 0, 0].into(), &config).unwrap();
    drop(config);
    daemon
}

/// The entries of the audit but for changes of the files, the newest first.
async fn audited(daemon: &Daemon, query: &str) -> Vec<Value> {
    let mut rows = rows(daemon, query).await;
    rows.retain(|row| row["door"] != "file");
    rows
}

async fn rows(daemon: &Daemon, query: &str) -> Vec<Value> {
    daemon.get(&format!("/security/audit{query}")).await.ok()["entries"].as_array().unwrap().clone()
}

/// Method, path and body of a request, and the least role that may.
const TABLE: &[(&str, &str, &str, Role)] = &[
    ("GET", "/security/blacklist", "", Role::Viewer),
    ("HEAD", "/security/blacklist", "", Role::Viewer),
    ("GET", "/security/why/203.0.113.5", "", Role::Viewer),
    ("GET", "/security/esl", "", Role::Viewer),
    ("GET", "/security/audit", "", Role::Operator),
    ("POST", "/security/blacklist", r#"{"ip": "203.0.113.5"}"#, Role::Operator),
    ("DELETE", "/security/blacklist/203.0.113.5", "", Role::Operator),
    ("DELETE", "/api/v1/ips/203.0.113.5/block", "", Role::Operator),
    ("POST", "/security/whitelist", r#"{"ip": "203.0.113.6"}"#, Role::Operator),
    ("POST", "/security/untrusted-networks", r#"{"pattern": "evil.example"}"#, Role::Operator),
    ("DELETE", "/security/untrusted-networks/evil.example", "", Role::Operator),
    ("POST", "/security/esl/reconnect", "", Role::Operator),
    ("POST", "/security/esl/log-level", r#"{"level": "info"}"#, Role::Admin),
    ("POST", "/security/esl/log_level", r#"{"level": "info"}"#, Role::Admin),
];

#[tokio::test]
async fn each_role_may_do_what_the_table_says_from_any_address() {
    let daemon = Daemon::start().await;
    for (role, name) in [(Role::Viewer, "v"), (Role::Operator, "o"), (Role::Admin, "a")] {
        let text = token(&daemon, name, role);
        for (method, path, body, least) in TABLE {
            for from in [STRANGER, [127, 0, 0, 1]] {
                let answer = daemon.ask(method, path).from(from).bearer(&text).body(*body).send().await;
                // What is gone already, or there, is no matter of rights.
                let may = answer.status != 403;
                assert_eq!(may, role >= *least, "{role} {method} {path}: {}", answer.status);
                assert!(
                    answer.status < 500 && answer.status != 401,
                    "{role} {method} {path}: {}",
                    answer.status
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stolen_viewers_token_changes_nothing_on_any_route() {
    let daemon = Daemon::start().await;
    let text = token(&daemon, "dashboard", Role::Viewer);
    daemon.restore_ban("203.0.113.5");
    let document = switchward::http::openapi::document();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path =
            path.replace("{ip}", "203.0.113.5").replace("{pattern}", "a.example").replace(['{', '}'], "");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let body = r#"{"ip": "203.0.113.5", "command": "hupall"}"#;
            let answer = daemon.ask(method, &path).bearer(&text).body(body).send().await;
            // The broker's rules decide about these: `broker.rs` has more of them.
            match (switchward::access::role::is_brokered(&path), path.as_str()) {
                (true, "/security/broker/explain") if method == "POST" => {
                    assert_eq!(answer.ok()["allowed"], false);
                }
                (true, _) => {
                    assert!(matches!(answer.status, 403..=405), "{method} {path}: {}", answer.status);
                }
                // Here the link is the credential, whoever comes with it.
                (_, "/unban/token") => {
                    assert!(matches!(answer.status, 403..=429), "{method}: {}", answer.status);
                }
                (false, _) => assert_eq!(answer.status, 403, "{method} {path}"),
            }
            tried += usize::from(item.get(method.to_ascii_lowercase()).is_some());
        }
    }
    assert!(tried >= 15, "{tried} changes are described");
    assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_credential_is_refused_and_never_falls_back_to_the_address() {
    let daemon = Daemon::start().await;
    users(daemon.app.config.load().users_file());
    daemon.app.access.tick();
    let good = token(&daemon, "a", Role::Admin);
    let order = || daemon.ask("POST", "/security/blacklist").body(r#"{"ip": "203.0.113.5"}"#);
    let tampered = format!("{}x", &good[..good.len() - 1]);
    for wrong in [
        format!("Bearer {tampered}"),
        "Bearer ".into(),
        "Bearer".into(),
        "Basic !!!".into(),
        "Basic YWxpY2U=".into(),
        "Digest username=a".into(),
        basic("ada", "correct house"),
        basic("nobody", PASSWORD),
    ] {
        let answer = order().header("Authorization", &wrong).send().await;
        assert_eq!(answer.error(401), "the credential is not valid", "{wrong}");
        let offered: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(offered.len(), 2, "{offered:?}");
        // Not even to read what everybody may.
        daemon.ask("GET", "/security/status").header("Authorization", &wrong).send().await.error(401);
        // But whether the daemon is there is told to everybody.
        daemon.ask("GET", "/health").header("Authorization", &wrong).send().await.ok();
    }
    let twice = order().bearer(&good).bearer(&good).send().await;
    twice.error(401);
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
}

#[tokio::test]
async fn a_token_counts_from_the_moment_it_is_made_until_it_is_revoked_or_ends() {
    let daemon = Daemon::start().await;
    let ask = |text: String| {
        let ask = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from(STRANGER).bearer(&text);
        async move { ask.send().await }
    };
    let text = token(&daemon, "cron", Role::Operator);
    ask(text.clone()).await.ok();
    edit(&daemon, |tokens| assert!(tokens.revoke("cron", clock::now())));
    // The daemon looks at the file every second; here it is told to.
    daemon.app.access.tick();
    assert_eq!(ask(text).await.error(401), "the credential is not valid");

    let mut expired = String::new();
    edit(&daemon, |tokens| {
        expired = tokens.add("old", Role::Admin, Some(clock::now()), Vec::new(), clock::now()).unwrap();
    });
    daemon.app.access.tick();
    ask(expired).await.error(401);

    let mut bound = String::new();
    edit(&daemon, |tokens| {
        let networks = vec!["127.0.0.3/32".parse().unwrap()];
        bound = tokens.add("bound", Role::Operator, None, networks, clock::now()).unwrap();
    });
    daemon.app.access.tick();
    ask(bound.clone()).await.error(401);
    let there = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from([127, 0, 0, 3]).bearer(&bound);
    there.send().await.ok();
    let results: Vec<String> =
        audited(&daemon, "").await.iter().map(|row| row["result"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        results,
        [
            "done",
            "token bound, which may not be used from there",
            "token old, which has expired",
            "token cron, which is revoked",
            "done"
        ]
    );
}

#[tokio::test]
async fn people_log_in_with_name_and_password() {
    let daemon = Daemon::start().await;
    users(daemon.app.config.load().users_file());
    daemon.app.access.tick();
    let order = |name: &str| {
        daemon
            .ask("DELETE", "/security/blacklist/203.0.113.5")
            .from(STRANGER)
            .header("Authorization", &basic(name, PASSWORD))
    };
    order("vera").send().await.error(403);
    order("olga").send().await.ok();
    let made = daemon
        .ask("POST", "/security/blacklist")
        .from(STRANGER)
        .header("Authorization", &basic("ada", PASSWORD));
    made.body(r#"{"ip": "203.0.113.5"}"#).send().await.ok();
    let why = daemon.get("/security/why/203.0.113.5").await.ok();
    assert_eq!(why["ban"]["by"], "operator ada (127.0.0.2)");
}

#[tokio::test]
async fn a_brute_force_is_put_off_and_then_banned() {
    let daemon = Daemon::with(Kernel::None, |config| {
        config.security.trusted_networks.clear();
        config.api.max_failed_logins = 12;
    })
    .await;
    users(daemon.app.config.load().users_file());
    daemon.app.access.tick();
    let good = token(&daemon, "a", Role::Viewer);
    let guess = |n: usize, from: [u8; 4]| {
        let ask = daemon.ask("GET", "/security/status").from(from);
        async move { ask.bearer(&format!("swt_guess{n}")).send().await }
    };
    for n in 0..10 {
        guess(n, STRANGER).await.error(401);
    }
    let answer = guess(10, STRANGER).await;
    answer.error(429);
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // A right password could have been guessed, a right token could not.
    let right =
        daemon.ask("GET", "/security/status").from(STRANGER).header("Authorization", &basic("ada", PASSWORD));
    right.send().await.error(429);
    daemon.ask("GET", "/security/status").from(STRANGER).bearer(&good).send().await.ok();
    // Whoever shows none is not in the way of anybody.
    daemon.ask("GET", "/security/status").from(STRANGER).send().await.ok();
    guess(0, [127, 0, 0, 3]).await.error(401);
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    guess(11, STRANGER).await.error(429);
    let bans = daemon.get("/security/blacklist").await.ok();
    assert!(bans["127.0.0.2"]["reason"].as_str().unwrap().contains("12 failed log-ins"), "{bans}");
    let why = daemon.get("/security/why/127.0.0.2").await.ok();
    assert_eq!((&why["ban"]["scope"], &why["ban"]["evidence"]), (&json!("all"), &json!("proven")));
}

#[tokio::test]
async fn trusted_and_allowed_addresses_are_never_banned_for_wrong_credentials() {
    let daemon = Daemon::start().await;
    for from in [STRANGER, [127, 0, 0, 1]] {
        for n in 0..15 {
            let ask = daemon.ask("GET", "/security/status").from(from).bearer(&format!("swt_guess{n}"));
            assert!(matches!(ask.send().await.status, 401 | 429));
        }
    }
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
}

#[tokio::test]
async fn a_stale_password_or_token_that_is_repeated_bans_nobody() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    users(daemon.app.config.load().users_file());
    for stale in [basic("vera", "an old password"), "Bearer swt_gone".into()] {
        for _ in 0..30 {
            let scrape = daemon.ask("GET", "/security/status").from(STRANGER).header("Authorization", &stale);
            scrape.send().await.error(401);
        }
    }
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    // And whoever is right comes in from there.
    let right = daemon.ask("GET", "/security/status").from(STRANGER);
    right.header("Authorization", &basic("vera", PASSWORD)).send().await.ok();
}

#[tokio::test]
async fn who_is_disabled_and_right_is_no_attack() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    let mut users = Users::default();
    users.add("vera", Role::Viewer, PASSWORD, clock::now()).unwrap();
    users.set_disabled("vera", true).unwrap();
    std::fs::write(daemon.app.config.load().users_file(), serde_json::to_vec(&users).unwrap()).unwrap();
    let ask = daemon.ask("GET", "/security/status").from(STRANGER);
    ask.header("Authorization", &basic("vera", PASSWORD)).send().await.error(401);
    assert_eq!(audited(&daemon, "").await[0]["result"], "user vera, who is disabled");
    assert_eq!(daemon.app.guard.counts().failed_logins.value(), 0);
}

#[tokio::test]
async fn a_right_password_comes_in_however_many_use_it_at_once() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    users(daemon.app.config.load().users_file());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let ask = daemon.ask("GET", "/security/status").from(STRANGER);
        asking.spawn(ask.header("Authorization", &basic("vera", PASSWORD)).send());
    }
    for answer in asking.join_all().await {
        answer.ok();
    }
}

#[tokio::test]
async fn a_password_is_nothing_to_us_while_there_are_no_users() {
    let daemon = Daemon::start().await;
    for _ in 0..15 {
        let ask = daemon.ask("GET", "/security/status").from(STRANGER);
        ask.header("Authorization", &basic("proxy", "of nginx")).send().await.ok();
    }
    let order = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from(STRANGER);
    order.header("Authorization", &basic("proxy", "of nginx")).send().await.error(403);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_up_the_operators_attempts() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    users(daemon.app.config.load().users_file());
    daemon.app.access.tick();
    for n in 0..15 {
        for method in ["GET", "POST"] {
            let ask = daemon.ask(method, "/security/blacklist").from(STRANGER);
            let ask = ask.header("Sec-Fetch-Site", "cross-site");
            ask.header("Authorization", &basic("ada", &format!("guess {n}"))).send().await.error(403);
        }
    }
    assert_eq!(daemon.app.guard.counts().failed_logins.value(), 0);
}

#[tokio::test]
async fn a_forgotten_script_with_a_revoked_token_is_no_attack() {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    let text = token(&daemon, "cron", Role::Operator);
    edit(&daemon, |tokens| assert!(tokens.revoke("cron", clock::now())));
    daemon.app.access.tick();
    for _ in 0..30 {
        daemon.ask("GET", "/security/status").from(STRANGER).bearer(&text).send().await.error(401);
    }
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
}

#[tokio::test]
async fn reachable_from_elsewhere_without_a_credential_only_allowed_addresses_may_read() {
    let daemon = exposed(|_| {}).await;
    let read = |from| daemon.ask("GET", "/security/blacklist").from(from).send();
    assert!(read(STRANGER).await.error(403).contains("switchward token add"));
    read([127, 0, 0, 1]).await.ok();
    daemon.ask("GET", "/health").from(STRANGER).send().await.ok();
    let refused = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from(STRANGER).send().await;
    assert_eq!(refused.error(403), "source IP not permitted for this operation");
    let warnings = daemon.get("/security/overview").await.ok()["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("no credential"), "{warnings}");

    // With a credential a stranger is told that he needs one, and gets in with it.
    let text = token(&daemon, "v", Role::Viewer);
    daemon.app.access.tick();
    let answer = read(STRANGER).await;
    answer.error(401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"switchward\"");
    daemon.ask("GET", "/security/blacklist").from(STRANGER).bearer(&text).send().await.ok();
    let warnings = daemon.get("/security/overview").await.ok()["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("without TLS"), "{warnings}");
}

#[tokio::test]
async fn nobody_could_come_in_is_no_way_to_start() {
    let daemon =
        Daemon::with(Kernel::None, |config| config.security.chandaemon.allowed_api_ips.clear()).await;
    let config = daemon.app.config.load_full();
    let everywhere = [0, 0, 0, 0].into();
    let refused = daemon.app.access.listens_on(everywhere, &config).unwrap_err().to_string();
    assert!(refused.contains("switchward token add") && refused.contains("api.allowed_ips"), "{refused}");
    let now = clock::now();
    edit(&daemon, |tokens| drop(tokens.add("old", Role::Admin, Some(now), Vec::new(), now).unwrap()));
    daemon.app.access.tick();
    daemon.app.access.listens_on(everywhere, &config).unwrap_err();
    token(&daemon, "a", Role::Admin);
    daemon.app.access.tick();
    daemon.app.access.listens_on(everywhere, &config).unwrap();
}

#[tokio::test]
async fn authentication_may_be_required_of_everybody() {
    let daemon =
        Daemon::with(Kernel::None, |config| config.api.authentication = Authentication::Required).await;
    let text = token(&daemon, "v", Role::Operator);
    for (method, path) in
        [("GET", "/security/blacklist"), ("POST", "/security/blacklist"), ("GET", "/nowhere")]
    {
        daemon.ask(method, path).send().await.error(401);
    }
    daemon.get("/health").await.ok();
    daemon.ask("GET", "/security/blacklist").bearer(&text).send().await.ok();
    daemon.ask("GET", "/nowhere").bearer(&text).send().await.error(404);
}

#[tokio::test]
async fn a_browser_reads_nothing_under_a_foreign_name() {
    let daemon = Daemon::start().await;
    let request = |host: &str| {
        let read = Ask::raw(daemon.address, "GET", "/security/blacklist").header("Host", host);
        read.header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
    };
    assert!(request("rebound.example:8088").send().await.error(403).contains("api.hosts"));
    request("localhost:8088").send().await.ok();
    // A script that calls it by a name of its own goes on working, and so does whoever shows a token.
    Ask::raw(daemon.address, "GET", "/security/blacklist").header("Host", "pbx.internal").send().await.ok();
    let text = token(&daemon, "v", Role::Viewer);
    request("rebound.example").bearer(&text).send().await.ok();
}

#[tokio::test]
async fn every_change_and_every_refusal_is_in_the_audit() {
    let daemon = Daemon::start().await;
    let text = token(&daemon, "cron", Role::Operator);
    let send = |method, path, body: &'static str| {
        daemon.ask(method, path).from(STRANGER).bearer(&text).body(body).send()
    };
    send("POST", "/security/blacklist", r#"{"ip": "203.0.113.5", "reason": "said in private"}"#).await.ok();
    send("POST", "/security/blacklist/batch", r#"[{"ip": "203.0.113.6"}, {"ip": "203.0.113.7"}]"#).await.ok();
    send("DELETE", "/security/blacklist/203.0.113.5", "").await.ok();
    send("POST", "/security/blacklist", r#"{"ip": "nonsense"}"#).await.error(400);
    send("POST", "/security/esl/log-level", r#"{"level": "of-a-secret"}"#).await.error(403);
    send("GET", "/security/blacklist", "").await.ok();
    let rows = audited(&daemon, "").await;
    let shown: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| json!([row["action"], row["detail"], row["status"], row["result"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["POST /security/blacklist", "203.0.113.5", 200, "done"]),
            json!(["POST /security/blacklist/batch", "2 entries: 2 done, 0 refused", 200, "done"]),
            json!(["DELETE /security/blacklist/{*ip}", "/security/blacklist/203.0.113.5", 200, "done"]),
            json!(["POST /security/blacklist", "nonsense", 400, "not carried out"]),
            json!(["POST /security/esl/log-level", "", 403, "it needs admin"]),
        ]
    );
    for row in &rows {
        let who = [&row["who"], &row["role"], &row["source"], &row["door"]];
        assert_eq!(who, [&json!("cron"), &json!("operator"), &json!("127.0.0.2"), &json!("http")]);
    }
    let page = |query: &str| {
        let path = format!("/security/audit{query}");
        let daemon = &daemon;
        async move { daemon.get(&path).await }
    };
    let first = page("?limit=2&who=cron").await.ok();
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    let rest = page(&format!("?limit=100&who=cron&before={}", first["next"])).await.ok();
    assert_eq!((rest["entries"].as_array().unwrap().len(), rest.get("next")), (3, None));
    assert_eq!(audited(&daemon, "?action=batch").await.len(), 1);
    assert_eq!(audited(&daemon, "?who=cron&source=127.0.0.2&since=2020-01-01T00:00:00Z").await.len(), 5);
    assert_eq!(audited(&daemon, "?who=nobody").await.len(), 0);
    assert_eq!(audited(&daemon, "?until=2020-01-01T00:00:00Z").await.len(), 0);
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?since=yesterday", "?before=x", "?colour=red"] {
        page(wrong).await.error(400);
    }
}

#[tokio::test]
async fn what_the_command_line_does_to_tokens_and_users_is_in_the_audit() {
    let daemon = Daemon::start().await;
    token(&daemon, "cron", Role::Operator);
    let path = daemon.app.config.load().users_file();
    users(path.clone());
    let told = async |wanted: &[(&str, &str)]| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            switchward::access::changes::look(&daemon.app);
            let rows = rows(&daemon, "").await;
            let rows: Vec<_> = rows.iter().filter(|row| row["door"] == "file").collect();
            let is_there = |(action, detail): &(&str, &str)| {
                rows.iter().any(|row| row["action"] == *action && row["detail"] == *detail)
            };
            if wanted.iter().all(is_there) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{wanted:?} are not in {rows:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    told(&[("token made", "cron (operator)"), ("user added", "ada (admin)")]).await;
    edit(&daemon, |tokens| assert!(tokens.revoke("cron", clock::now())));
    let mut users: Users = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    users.set_disabled("ada", true).unwrap();
    users.remove("vera").unwrap();
    std::fs::write(&path, serde_json::to_vec(&users).unwrap()).unwrap();
    let wanted = [
        ("token revoked", "cron (operator)"),
        ("user disabled", "ada (admin)"),
        ("user removed", "vera (viewer)"),
    ];
    told(&wanted).await;
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_audit() {
    let daemon = Daemon::start().await;
    for _ in 0..60 {
        let order = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from(STRANGER);
        order.send().await.error(403);
    }
    assert_eq!(audited(&daemon, "").await.len(), 20);
    // Another peer's is still written down, with the number of those that were not.
    daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from([127, 0, 0, 3]).send().await.error(403);
    let rows: Vec<Value> = audited(&daemon, "?source=127.0.0.3").await;
    assert!(rows[0]["result"].as_str().unwrap().contains("40 refusals before it"), "{rows:?}");
}

#[tokio::test]
async fn no_token_and_no_password_is_in_the_log_or_the_audit() {
    let log = crate::access_log::Log::default();
    let _guard = log.of_this_thread();
    let daemon = Daemon::with(Kernel::None, |config| config.server.log_responses = true).await;
    users(daemon.app.config.load().users_file());
    daemon.app.access.tick();
    let text = token(&daemon, "cron", Role::Operator);
    let body = r#"{"ip": "203.0.113.5", "reason": "marker-in-the-body"}"#;
    let order = || daemon.ask("POST", "/security/blacklist").from(STRANGER).body(body);
    let answers: [Answer; 6] = [
        order().bearer(&text).send().await,
        order().bearer("swt_marker-of-a-guess").send().await,
        order().header("Authorization", &basic("olga", PASSWORD)).send().await,
        order().header("Authorization", &basic("olga", "marker-wrong-password")).send().await,
        order().header("Authorization", &basic("marker-typed-as-a-name", "x")).send().await,
        order().header("Authorization", "marker-scheme marker-value").send().await,
    ];
    assert_eq!(answers.map(|answer| answer.status), [200, 401, 200, 401, 401, 401]);
    let audit = daemon.get("/security/audit").await.ok().to_string();
    assert!(audit.contains("a wrong password of olga") && audit.contains("an unknown user"), "{audit}");
    let said = log.text();
    assert!(said.contains("an unknown token") && said.contains("cron"), "{said}");
    for secret in ["marker", text.as_str(), &text[4..], PASSWORD, &basic("olga", PASSWORD)[6..]] {
        assert!(!audit.contains(secret), "{secret} in the audit: {audit}");
        assert!(!said.contains(secret), "{secret} in the log: {said}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_credential_and_a_stranger_gives_his_place_back() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let daemon = exposed(|_| {}).await;
    let text = token(&daemon, "screen", Role::Viewer);
    let mut stream = tokio::net::TcpStream::connect(daemon.address).await.unwrap();
    let head = format!("GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {text}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    within(stream.read_exact(&mut begin)).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    edit(&daemon, |tokens| assert!(tokens.revoke("screen", clock::now())));
    // It ends by itself; the counters would go on for ever.
    let mut rest = Vec::new();
    _ = within(stream.read_to_end(&mut rest)).await;
    assert_eq!(daemon.app.monitor.streams.count(), 0);

    let refused = daemon.ask("GET", "/stream").bearer(&text).send().await;
    assert_eq!((refused.status, refused.headers["connection"].to_str().unwrap()), (401, "close"));
}
