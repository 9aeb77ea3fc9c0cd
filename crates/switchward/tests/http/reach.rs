//! What a switch tells to be out of reach: its gateways, by address and by name, and itself.

use crate::name_server::{NameServer, for_secs};
use crate::support::{Daemon, Kernel};
use guard::engine::Learnt;
use serde_json::json;
use simswitch::{Gateway, SimSwitch};
use std::net::IpAddr;
use std::time::Duration;
use switchward::config::Config;
use switchward::news::Event;
use switchward::watch::{self, Reader};

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A switch with these gateways, and a daemon that will read it.
async fn stage(
    kernel: Kernel,
    gateways: Vec<Gateway>,
    change: impl FnOnce(&mut Config),
) -> (SimSwitch, Daemon) {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    switch.set_gateways(gateways);
    let address = switch.addr();
    let daemon = Daemon::with(kernel, |config| {
        config.security.reconnect_backoff = Duration::from_millis(20);
        let entry = &mut config.switches[0];
        (entry.host, entry.port) = (address.ip().to_string(), address.port());
        entry.password = "ClueCon".into();
        change(config);
    })
    .await;
    (switch, daemon)
}

fn read(daemon: &Daemon) -> Reader {
    let config = daemon.app.config.load_full();
    let (entry, backoff) = (&config.switches[0], config.security.reconnect_backoff);
    watch::start(daemon.app.clone(), daemon.app.switches[0].clone(), entry, backoff).unwrap()
}

/// What an address was learnt to be.
fn label(daemon: &Daemon, ip: &str) -> Option<String> {
    let ip: IpAddr = ip.parse().unwrap();
    let learnt: Option<Learnt> = daemon.app.guard.explain(ip, switchward::clock::now()).learnt;
    learnt.map(|learnt| learnt.label.to_string())
}

#[tokio::test]
async fn a_gateway_is_never_banned_and_whoever_asks_is_told_why() {
    let (switch, daemon) =
        stage(Kernel::None, vec![Gateway::new("carrier1", "sip:198.51.100.7:5080")], |_| {}).await;
    let _reader = read(&daemon);
    eventually("the gateway is learnt", || label(&daemon, "198.51.100.7").is_some()).await;
    daemon.refuse("198.51.100.7", "1000", 500);
    daemon.refuse("198.51.100.8", "1000", 500);
    let banned = daemon.get("/security/blacklist").await.ok();
    assert_eq!(banned.as_object().unwrap().keys().collect::<Vec<_>>(), ["198.51.100.8"]);

    let why = daemon.get("/security/why/198.51.100.7").await.ok();
    assert_eq!((&why["standing"], &why["learnt"]), (&json!("out-of-reach"), &json!("gateway carrier1")));
    assert_eq!(why["outOfReach"], "198.51.100.7");
    let text = why["text"].as_str().unwrap();
    assert!(text.contains("out of reach: 198.51.100.7 is gateway carrier1, as the switch told"), "{text}");
    let refusal = daemon.post("/security/blacklist", &json!({"ip": "198.51.100.0/24"})).await.error(400);
    assert!(refusal.contains("gateway carrier1"), "{refusal}");
    let view = daemon.get("/security/overview").await.ok();
    let listed = view["switches"][0]["outOfReach"].as_array().unwrap();
    assert!(listed.contains(&json!({"ip": "198.51.100.7", "label": "gateway carrier1"})), "{listed:?}");

    // A gateway that is gone is a stranger again, a new one is not: events tell.
    switch.set_gateways(vec![Gateway::new("carrier2", "sip:198.51.100.9")]);
    eventually("the new one is learnt", || label(&daemon, "198.51.100.9") == Some("gateway carrier2".into()))
        .await;
    assert_eq!(label(&daemon, "198.51.100.7"), None);
}

#[tokio::test]
async fn the_switch_itself_is_out_of_reach() {
    let (switch, daemon) = stage(Kernel::None, Vec::new(), |_| {}).await;
    let _reader = read(&daemon);
    eventually("the profiles are learnt", || label(&daemon, "127.0.0.1").is_some()).await;
    assert_eq!(label(&daemon, "127.0.0.1").unwrap(), "switch freeswitch (profile external)");
    // FreeSWITCH-IPv4 of the captures' HEARTBEAT.
    switch.beat();
    eventually("its address is learnt", || label(&daemon, "192.0.2.2").is_some()).await;
    assert_eq!(label(&daemon, "192.0.2.2").unwrap(), "switch freeswitch");
}

#[tokio::test]
async fn a_ban_that_stands_when_its_target_is_learnt_is_lifted_with_news_and_audit() {
    let (switch, daemon) = stage(Kernel::Real, Vec::new(), |_| {}).await;
    let _reader = read(&daemon);
    eventually("the switch is learnt", || label(&daemon, "127.0.0.1").is_some()).await;
    for target in ["198.51.100.7", "198.51.100.8", "203.0.113.0/24"] {
        daemon.post("/security/blacklist", &json!({"ip": target})).await.ok();
    }
    let mut news = daemon.app.mirror.news().follow();
    switch.set_gateways(vec![
        Gateway::new("carrier1", "sip:198.51.100.7:5080"),
        Gateway::new("carrier2", "sip:203.0.113.9:5080"),
    ]);
    eventually("the bans are lifted", || daemon.app.guard.ledger().sizes().0 == 1).await;
    let mut lifted = Vec::new();
    while lifted.len() < 2 {
        let told = crate::support::within(news.next()).await.unwrap();
        if let Event::Lifted(ban, by) = &told.event {
            lifted.push(format!("{} by {by}", ban.target));
        }
    }
    lifted.sort();
    assert_eq!(
        lifted,
        ["198.51.100.7 by operator gateway carrier1", "203.0.113.0/24 by operator gateway carrier2"]
    );
    daemon.app.settle().await;
    assert_eq!(daemon.get("/security/iptables").await.ok()["blockedIps"], json!(["198.51.100.8"]));
    let audit = daemon.get("/security/audit?action=lifted").await.ok().to_string();
    for detail in ["198.51.100.7: gateway carrier1", "203.0.113.0/24: gateway carrier2"] {
        assert!(audit.contains(detail), "{detail} is missing in {audit}");
    }
    // The kernel would refuse a ban of it, too: whoever orders one past the guard gets nowhere.
    let writer = daemon.app.mirror.firewall().unwrap();
    let element = switchward::mirror::element(
        &guard::Ban {
            target: "198.51.100.7".parse().unwrap(),
            scope: guard::Scope::All,
            since: switchward::clock::now(),
            until: None,
            origin: guard::Origin::Guard,
            reason: guard::Reason::operator("test", switchward::clock::now()),
            note: String::new(),
        },
        switchward::clock::now(),
    );
    writer.submit(netfilter::Change::Add(element));
    daemon.app.settle().await;
    assert_eq!(daemon.get("/security/iptables").await.ok()["blockedIps"], json!(["198.51.100.8"]));
}

#[tokio::test]
async fn the_addresses_of_a_gateways_name_are_learnt_and_kept_while_dns_is_silent() {
    let server = NameServer::start();
    server.say("sip.carrier.example", for_secs(600, &["198.51.100.7", "2001:db8::7"]));
    let gateways = vec![
        Gateway::new("named", "sip:sip.carrier.example:5060"),
        Gateway::new("plain", "sip:sip.other.example"),
        Gateway::new("nowhere", "sip:nowhere.example"),
    ];
    server.say("sip.other.example", for_secs(600, &["198.51.100.9"]));
    let servers = vec![server.address.to_string()];
    let (switch, daemon) =
        stage(Kernel::None, gateways.clone(), |config| config.security.name_servers = servers).await;
    let _reader = read(&daemon);
    for (ip, name) in [("198.51.100.7", "named"), ("2001:db8::7", "named"), ("198.51.100.9", "plain")] {
        let wanted = Some(format!("gateway {name}"));
        eventually(ip, || label(&daemon, ip) == wanted).await;
    }
    // The name fails from now on; a new gateway makes us ask again.
    server.say("sip.carrier.example", crate::name_server::Say::Failure);
    let more = gateways.into_iter().chain([Gateway::new("more", "sip:198.51.100.20")]).collect();
    switch.set_gateways(more);
    eventually("the new one is learnt", || label(&daemon, "198.51.100.20").is_some()).await;
    server.now("sip.other.example", &["198.51.100.10"]);
    switch.set_gateways(vec![
        Gateway::new("named", "sip:sip.carrier.example:5060"),
        Gateway::new("plain", "sip:sip.other.example"),
    ]);
    eventually("the name has moved", || label(&daemon, "198.51.100.10").is_some()).await;
    assert_eq!(label(&daemon, "198.51.100.7"), Some("gateway named".into()));
    assert_eq!(label(&daemon, "198.51.100.9"), None);
}

#[tokio::test]
async fn a_reload_keeps_what_was_learnt() {
    let (_switch, daemon) =
        stage(Kernel::None, vec![Gateway::new("carrier1", "sip:198.51.100.7")], |_| {}).await;
    let _reader = read(&daemon);
    eventually("the gateway is learnt", || label(&daemon, "198.51.100.7").is_some()).await;
    let mut config = (*daemon.app.config.load_full()).clone();
    config.security.max_failed_attempts = 3;
    daemon.app.reload(config);
    daemon.refuse("198.51.100.7", "1000", 100);
    assert_eq!(daemon.app.guard.ledger().sizes().0, 0);
}
