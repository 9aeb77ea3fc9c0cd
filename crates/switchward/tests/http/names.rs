//! Allow entries by name, against a name server of the test's own.

use crate::name_server::{NameServer, Say, for_secs};
use crate::support::{Daemon, Kernel, apart, fields};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use switchward::config::Config;
use switchward::names::{Pace, follow};

const LIST: &str = "/security/whitelist";
const NAMES: &str = "/security/allowed-names";
const SIP: &str = "sip.carrier.example";
const ONE: &str = "/security/allowed-names/sip.carrier.example";

/// A daemon that asks a name server, a hundred times as often as a real one.
struct Stage {
    daemon: Daemon,
    server: NameServer,
    _stop: tokio::sync::watch::Sender<bool>,
}

impl Stage {
    async fn new() -> Stage {
        Stage::with(pace(), |_| {}).await
    }

    async fn with(pace: Pace, change: impl FnOnce(&mut Config)) -> Stage {
        let server = NameServer::start();
        let daemon = Daemon::with(Kernel::None, |config| {
            config.security.name_servers = vec![server.address.to_string()];
            change(config);
        })
        .await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        daemon.app.names.restore(&daemon.app, Vec::new(), &daemon.app.config.load());
        tokio::spawn(follow(daemon.app.clone(), pace, stopped));
        Stage { daemon, server, _stop: stop }
    }

    async fn allow(&self, name: &str) -> Value {
        self.daemon.post(LIST, &json!({"ip": name})).await.ok()
    }

    /// What is on the allow-list.
    async fn list(&self) -> Vec<String> {
        let list = self.daemon.get(LIST).await.ok();
        fields(&list).into_iter().map(str::to_owned).collect()
    }

    #[track_caller]
    fn comes_to<'a>(&'a self, wanted: &'a [&str]) -> impl Future<Output = ()> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + Duration::from_secs(60);
            loop {
                let list = self.list().await;
                if list == wanted {
                    return;
                }
                assert!(Instant::now() < deadline, "{place}: {list:?}, not {wanted:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits until the name is told to be so.
    async fn name_is(&self, so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let name = self.daemon.get(ONE).await.ok();
            if so(&name) {
                return name;
            }
            assert!(Instant::now() < deadline, "{name}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn pace() -> Pace {
    Pace {
        shortest: Duration::from_millis(20),
        longest_retry: Duration::from_millis(40),
        confirmations: 3,
        most: Duration::from_secs(1),
        sweep: Duration::from_millis(20),
        ..Pace::default()
    }
}

#[tokio::test]
async fn a_name_is_allowed_with_the_addresses_that_it_has() {
    let stage = Stage::new().await;
    let daemon = &stage.daemon;
    daemon.post("/security/blacklist", &json!({"ip": "192.0.2.1"})).await.ok();
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1", "2001:db8:0:1::7"]));
    let answer = stage.allow("SIP.Carrier.example.").await;
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("sip.carrier.example") && message.contains("for good"), "{answer}");
    assert!(message.contains("2 addresses"), "{answer}");

    let list = daemon.get(LIST).await.ok();
    assert_eq!(fields(&list), ["192.0.2.1", "2001:db8:0:1::/64"]);
    assert_eq!((&list["192.0.2.1"]["domain"], &list["192.0.2.1"]["permanent"]), (&json!(SIP), &json!(true)));
    let allows = daemon.get("/security/allows?who=name").await.ok();
    assert_eq!(allows["matched"], 2);
    assert_eq!(allows["allows"][0]["who"], format!("name {SIP}"));
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}), "the ban is lifted");
    daemon.refuse("192.0.2.1", "1000", 50);
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));

    let one = daemon.get(&format!("{LIST}/{SIP}")).await.ok();
    assert_eq!(
        (&one["whitelisted"], &one["addresses"]),
        (&json!(true), &json!(["192.0.2.1", "2001:db8:0:1::7"]))
    );
    let told = daemon.get(ONE).await.ok();
    assert_eq!(daemon.get(NAMES).await.ok()["names"], json!([told]));
    assert_eq!(
        (&told["ttlSeconds"], &told["failures"], &told["error"]),
        (&json!(3600), &json!(0), &Value::Null)
    );
    assert_eq!((&told["who"], &told["configured"]), (&json!("127.0.0.1"), &json!(false)));
    assert!((3595..=3605).contains(&apart(&told["lastAnswer"], &told["nextLook"]).as_secs()), "{told}");
    let other = daemon.get(&format!("{LIST}/other.example")).await.ok();
    assert_eq!(other, json!({"ip": "other.example", "whitelisted": false}));
}

#[tokio::test]
async fn the_shortest_time_to_live_on_the_way_counts() {
    let stage = Stage::new().await;
    stage.server.say(SIP, Say::Alias(120, "pool.carrier.example", 7200, "192.0.2.1".parse().unwrap()));
    stage.server.say("pool.carrier.example", for_secs(7200, &["192.0.2.1"]));
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1"]).await;
    assert_eq!(stage.daemon.get(ONE).await.ok()["ttlSeconds"], 120);
}

#[tokio::test]
async fn other_addresses_take_the_place_of_those_before() {
    let stage = Stage::new().await;
    stage.server.now(SIP, &["192.0.2.1", "192.0.2.2"]);
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1", "192.0.2.2"]).await;
    stage.server.now(SIP, &["192.0.2.2", "203.0.113.3"]);
    stage.comes_to(&["192.0.2.2", "203.0.113.3"]).await;
    stage.daemon.refuse("192.0.2.1", "1000", 50);
    let bans = stage.daemon.get("/security/blacklist").await.ok();
    assert_eq!(fields(&bans), ["192.0.2.1"], "it is judged again");
}

#[tokio::test]
async fn no_answer_keeps_what_the_name_meant_and_is_told() {
    let stage = Stage::new().await;
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1"]).await;
    for (say, words) in [(Say::Failure, "Fail"), (Say::Silence, "")] {
        stage.server.say(SIP, say);
        let told = stage.name_is(|name| name["failures"].as_u64() > Some(4)).await;
        assert!(told["error"].as_str().is_some_and(|error| error.contains(words)), "{told}");
        assert_eq!(apart(&told["failingSince"], &told["keptUntil"]), Duration::from_secs(24 * 3600));
        assert_eq!(stage.list().await, ["192.0.2.1"]);
        stage.server.now(SIP, &["192.0.2.1"]);
        stage.name_is(|name| name["failures"] == 0 && name["error"].is_null()).await;
        assert_eq!(stage.list().await, ["192.0.2.1"]);
    }
}

#[tokio::test]
async fn what_is_never_answered_again_goes_when_its_time_is_over() {
    let stage = Stage::with(Pace { keep: Duration::from_millis(300), ..pace() }, |_| {}).await;
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1"]).await;
    stage.server.say(SIP, Say::Failure);
    stage.comes_to(&[]).await;
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.comes_to(&["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_name_that_does_not_exist_any_more_loses_its_addresses_after_some_answers() {
    let stage = Stage::new().await;
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1"]).await;
    stage.server.say(SIP, Say::NoName);
    stage.comes_to(&[]).await;
    let told = stage.daemon.get(ONE).await.ok();
    assert!(told["failures"].as_u64() >= Some(3), "{told}");
    assert!(told["error"].as_str().unwrap().contains("no such name"), "{told}");
    stage.server.now(SIP, &["192.0.2.9"]);
    stage.comes_to(&["192.0.2.9"]).await;
}

#[tokio::test]
async fn a_name_without_an_answer_is_there_and_says_so() {
    let stage = Stage::new().await;
    let answer = stage.allow(SIP).await;
    assert!(answer["warnings"].to_string().contains("no such name"), "{answer}");
    assert_eq!(stage.list().await, Vec::<String>::new());
    assert_eq!(stage.daemon.get(ONE).await.ok()["addresses"], json!([]));
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.comes_to(&["192.0.2.1"]).await;
}

#[tokio::test]
async fn addresses_of_nobody_are_refused_and_told() {
    let stage = Stage::new().await;
    stage.server.now(SIP, &["127.0.0.1", "0.0.0.0", "192.0.2.1", "224.0.0.5", "::1", "255.255.255.255"]);
    let answer = stage.allow(SIP).await;
    assert!(answer["warnings"].to_string().contains("127.0.0.1 is loopback"), "{answer}");
    assert_eq!(stage.list().await, ["192.0.2.1"]);
    let problems = stage.daemon.get(ONE).await.ok()["problems"].to_string();
    for refused in ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255"] {
        assert!(problems.contains(refused), "{problems}");
    }
    // Nothing but such addresses is no answer.
    stage.server.now(SIP, &["0.0.0.0", "::"]);
    stage.name_is(|name| name["error"].as_str().is_some_and(|error| error.contains("unspecified"))).await;
    assert_eq!(stage.list().await, ["192.0.2.1"]);
}

#[tokio::test]
async fn a_banned_network_stands_and_is_told_until_it_is_lifted() {
    let stage = Stage::new().await;
    stage.daemon.post("/security/blacklist", &json!({"ip": "192.0.2.0/24"})).await.ok();
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1", "203.0.113.1"]));
    let answer = stage.allow(SIP).await;
    assert!(answer["warnings"].to_string().contains("192.0.2.0/24"), "{answer}");
    assert_eq!(stage.list().await, ["203.0.113.1"]);
    let told = stage.daemon.get(ONE).await.ok();
    assert!(told["problems"][0].as_str().unwrap().contains("192.0.2.0/24"), "{told}");
    stage.daemon.delete("/security/blacklist/192.0.2.0%2F24").await.ok();
    stage.comes_to(&["192.0.2.1", "203.0.113.1"]).await;
    assert_eq!(stage.daemon.get(ONE).await.ok()["problems"], json!([]));
}

#[tokio::test]
async fn what_another_name_or_an_operator_allowed_stays() {
    let stage = Stage::new().await;
    stage.daemon.post(LIST, &json!({"ip": "192.0.2.3", "permanent": true, "userId": "hand"})).await.ok();
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
    stage.server.say("b.example", for_secs(3600, &["192.0.2.2"]));
    stage.allow("b.example").await;
    stage.allow(SIP).await;
    stage.comes_to(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]).await;
    assert_eq!(stage.daemon.get(LIST).await.ok()["192.0.2.3"]["userId"], "hand");
    stage.daemon.delete(ONE).await.ok();
    assert_eq!(stage.list().await, ["192.0.2.2", "192.0.2.3"]);
    stage.daemon.delete(&format!("{NAMES}/b.example")).await.ok();
    assert_eq!(stage.list().await, ["192.0.2.3"]);
}

#[tokio::test]
async fn an_address_that_is_taken_away_comes_back_while_a_name_has_it() {
    let stage = Stage::new().await;
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1"]));
    stage.allow(SIP).await;
    let answer = stage.daemon.delete(&format!("{LIST}/192.0.2.1")).await.ok();
    assert!(answer["warnings"].to_string().contains(SIP), "{answer}");
    stage.comes_to(&["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_name_is_removed_by_either_path() {
    let stage = Stage::new().await;
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1"]));
    for path in [format!("{LIST}/{SIP}"), ONE.to_owned()] {
        stage.allow(SIP).await;
        assert_eq!(stage.list().await, ["192.0.2.1"]);
        let answer = stage.daemon.delete(&path).await.ok();
        assert!(answer["message"].as_str().unwrap().contains("removed"), "{answer}");
        assert_eq!(stage.list().await, Vec::<String>::new());
        stage.daemon.get(ONE).await.error(404);
    }
    stage.daemon.delete(ONE).await.error(404);
    let answer = stage.daemon.delete(&format!("{LIST}/{SIP}")).await.ok();
    assert!(answer["message"].as_str().unwrap().contains("was not"), "{answer}");
}

#[tokio::test]
async fn a_name_for_a_time_goes_when_it_is_over() {
    let stage = Stage::new().await;
    stage.server.say(SIP, for_secs(3600, &["192.0.2.1"]));
    stage.daemon.post(LIST, &json!({"ip": SIP, "ttl": "1h"})).await.ok();
    let entry = stage.daemon.get(LIST).await.ok()["192.0.2.1"].clone();
    assert_eq!(entry["expiresAt"], stage.daemon.get(ONE).await.ok()["expiresAt"]);
    assert_eq!(entry["permanent"], false);
    stage.daemon.post(LIST, &json!({"ip": SIP, "ttl": "50ms"})).await.ok();
    stage.comes_to(&[]).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage.daemon.get(ONE).await.status != 404 {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn the_names_of_the_configuration_are_followed_and_go_when_they_leave_it() {
    let configured = vec![SIP.into(), "b.example".into()];
    let stage = Stage::with(pace(), |config| config.security.allowed_names = configured).await;
    stage.server.now(SIP, &["192.0.2.1"]);
    stage.server.now("b.example", &["192.0.2.2"]);
    stage.comes_to(&["192.0.2.1", "192.0.2.2"]).await;
    assert_eq!(stage.daemon.get(ONE).await.ok()["configured"], true);
    let error = stage.daemon.delete(ONE).await.error(409);
    assert!(error.contains("security.allowed_names"), "{error}");
    stage.allow(SIP).await;
    let mut config = Config::clone(&stage.daemon.app.config.load());
    config.security.allowed_names = Vec::new();
    stage.daemon.app.reload(config);
    stage.comes_to(&["192.0.2.1"]).await;
    assert_eq!(stage.daemon.get(ONE).await.ok()["configured"], false, "somebody ordered it, too");
    stage.daemon.delete(ONE).await.ok();
    assert_eq!(stage.list().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_mistyped_address_is_an_error_and_no_name() {
    let daemon = Daemon::start().await;
    for text in
        ["1.2.3.4x", "192.0.2.OO", "192.0.2.256", "carrier", "sip_x.example", "b\u{fc}cher.example", ""]
    {
        let error = daemon.post(LIST, &json!({"ip": text})).await.error(400);
        assert!(error.contains("CIDR"), "{error}");
    }
    for path in ["1.2.3.4x", "carrier"] {
        daemon.get(&format!("{LIST}/{path}")).await.error(400);
        daemon.delete(&format!("{LIST}/{path}")).await.error(400);
        daemon.get(&format!("{NAMES}/{path}")).await.error(400);
        daemon.delete(&format!("{NAMES}/{path}")).await.error(400);
    }
    assert_eq!(daemon.get(NAMES).await.ok(), json!({"names": []}));
}

#[tokio::test]
async fn a_batch_takes_names_up_to_the_most_there_may_be() {
    let daemon = Daemon::start().await;
    let names: Vec<Value> = (0..1000).map(|n| json!({"ip": format!("n{n}.example")})).collect();
    let answer = daemon.post(&format!("{LIST}/batch"), &names.into()).await.ok();
    assert!(answer["results"].as_array().unwrap().iter().all(|result| result["status"] == "success"));
    let more = json!([{"ip": "one-more.example"}, {"ip": "n1.example"}, {"ip": "192.0.2.1"}]);
    let answer = daemon.post(&format!("{LIST}/batch"), &more).await.ok();
    assert!(answer["results"][0]["error"].as_str().unwrap().contains("1000"), "{answer}");
    assert_eq!(
        (&answer["results"][1]["ip"], &answer["results"][1]["status"]),
        (&json!("n1.example"), &json!("success"))
    );
    assert_eq!(answer["results"][2]["status"], "success");
    assert_eq!(daemon.get(NAMES).await.ok()["names"].as_array().unwrap().len(), 1000);
}
