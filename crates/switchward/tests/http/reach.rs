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

const LISTS: &str = "xml_locate configuration configuration name acl.conf";

fn lists(nodes: &str) -> String {
    format!(
        "<configuration name=\"acl.conf\" description=\"Network Lists\">\n  <network-lists>\n\
         <list name=\"lan\" default=\"allow\">\n<node type=\"allow\" cidr=\"198.51.100.99/32\"></node>\n</list>\n\
         <list name=\"carriers\" default=\"deny\">\n{nodes}</list>\n</network-lists>\n</configuration>\n"
    )
}

fn allow(cidr: &str) -> String {
    format!("<node type=\"allow\" cidr=\"{cidr}\"></node>\n\n")
}

#[tokio::test]
async fn whom_an_access_list_lets_in_is_never_banned_until_it_no_longer_does() {
    let (switch, daemon) = stage(Kernel::Real, Vec::new(), |_| {}).await;
    let nodes = [
        "203.0.113.0/24",
        "198.51.100.7/32",
        "2001:db8:1::/48",
        "127.0.0.0/8",
        "127.9.0.0/16",
        "192.0.0.0/8",
    ]
    .map(allow)
    .concat();
    switch.set_api(LISTS, &lists(&nodes));
    for target in ["203.0.113.50", "198.51.100.99", "198.51.100.0/24"] {
        daemon.post("/security/blacklist", &json!({"ip": target})).await.ok();
    }
    let _reader = read(&daemon);
    let of_list = Some("access list carriers".to_owned());
    eventually("the list is learnt", || label(&daemon, "203.0.113.9") == of_list).await;
    // As a gateway, it lifts what stands against it, and is refused to an operator.
    eventually("bans are lifted", || daemon.app.guard.ledger().sizes().0 == 1).await;
    assert_eq!(label(&daemon, "2001:db8:1:2::3"), of_list);
    assert_eq!(label(&daemon, "127.8.0.1"), None);
    assert_eq!(label(&daemon, "127.9.0.1"), None);
    for stranger in ["192.0.2.9", "198.51.100.99", "198.51.100.8", "203.0.114.1"] {
        assert_eq!(label(&daemon, stranger), None, "{stranger}");
    }
    for ip in ["203.0.113.9", "198.51.100.7", "198.51.100.8"] {
        daemon.refuse(ip, "1000", 100);
    }
    let banned = daemon.get("/security/blacklist").await.ok();
    assert_eq!(banned.as_object().unwrap().keys().collect::<Vec<_>>(), ["198.51.100.8", "198.51.100.99"]);
    let refusal = daemon.post("/security/blacklist", &json!({"ip": "203.0.113.77"})).await.error(400);
    assert!(refusal.contains("203.0.113.0/24") && refusal.contains("access list carriers"), "{refusal}");
    let view = daemon.get("/security/overview").await.ok();
    let listed = view["switches"][0]["outOfReach"].as_array().unwrap();
    assert!(listed.contains(&json!({"ip": "203.0.113.0/24", "label": "access list carriers"})), "{listed:?}");

    // What the switch does not tell now is kept; what it tells otherwise is not.
    switch.set_api(LISTS, "-ERR permission denied\n");
    switch.set_gateways(vec![Gateway::new("one", "sip:198.51.100.20")]);
    eventually("the gateway is learnt", || label(&daemon, "198.51.100.20").is_some()).await;
    assert_eq!(label(&daemon, "203.0.113.9"), of_list);
    switch.set_api(LISTS, &lists(&allow("203.0.113.128/25")));
    switch.set_gateways(vec![Gateway::new("two", "sip:198.51.100.21")]);
    eventually("the list is narrower", || label(&daemon, "203.0.113.9").is_none()).await;
    assert_eq!(label(&daemon, "203.0.113.200"), of_list);

    // Off by the configuration, while it runs.
    let mut config = (*daemon.app.config.load_full()).clone();
    config.guard.learn_acl = false;
    daemon.app.reload(config);
    eventually("the list counts no more", || label(&daemon, "203.0.113.200").is_none()).await;
    assert!(label(&daemon, "198.51.100.21").is_some());
}

#[tokio::test]
async fn the_lists_that_a_switch_ships_with_put_nobody_out_of_reach() {
    let (_switch, daemon) = stage(Kernel::None, vec![Gateway::new("one", "sip:198.51.100.20")], |_| {}).await;
    let _reader = read(&daemon);
    eventually("the gateway is learnt", || label(&daemon, "198.51.100.20").is_some()).await;
    let learnt = daemon.app.switches[0].learnt.all();
    assert!(learnt.iter().all(|learnt| !learnt.label.starts_with("access list")), "{learnt:?}");
}

/// `sofia status` of a switch whose profile is not where FreeSWITCH ships it.
fn elsewhere(port: u16) -> String {
    format!(
        "                     Name\t   Type\t                                      Data\tState\n=====\n\
         \x20                internal\tprofile\t             sip:mod_sofia@127.0.0.1:{port}\tRUNNING (0)\n\
         \x20                internal\tprofile\t             sip:mod_sofia@127.0.0.1:5061\tRUNNING (0) (TLS)\n\
         =====\n1 profiles 0 alias\n"
    )
}

async fn ports(daemon: &Daemon) -> serde_json::Value {
    daemon.get("/security/overview").await.ok()["firewall"].take()
}

#[tokio::test]
async fn the_ports_of_the_switchs_profiles_are_closed_by_bans_from_sip_too() {
    let (switch, daemon) = stage(Kernel::Real, Vec::new(), |_| {}).await;
    switch.set_api("sofia status", &elsewhere(5160));
    switch.set_api(
        "sofia status profile internal",
        "Name             \tinternal\nURL              \tsip:mod_sofia@127.0.0.1:5160\n\
         WSS-BIND-URL     \tsips:mod_sofia@127.0.0.1:8443;transport=wss\n",
    );
    let _reader = read(&daemon);
    let writer = daemon.app.mirror.firewall().unwrap();
    let closes =
        |port: u16| writer.stats().sip_ports.iter().any(|(first, last)| (*first..=*last).contains(&port));
    eventually("the ports are closed", || closes(5160) && closes(8443)).await;
    let state = ports(&daemon).await;
    let of = "profile internal of freeswitch";
    assert_eq!(state["sipPorts"], json!(["5060-5061", "5066", "5080-5081", "5160", "7443", "8443"]));
    assert_eq!(state["learntSipPorts"], json!([{"port": 5160, "of": of}, {"port": 8443, "of": of}]));
    assert_eq!((&state["openSipPorts"], &state["problems"]), (&json!([]), &json!([])));

    // The profile moves, to where it must not be closed unasked: the switch's own event socket.
    let socket = daemon.app.switches[0].port;
    switch.set_api("sofia status profile internal", "Invalid Profile!\n");
    switch.set_api("sofia status", &elsewhere(socket));
    switch.set_gateways(vec![Gateway::new("one", "sip:198.51.100.20")]);
    eventually("the port is opened again", || !closes(5160)).await;
    let state = ports(&daemon).await;
    assert_eq!(state["openSipPorts"][0]["port"], socket);
    assert!(!closes(socket) && !closes(8443));
}

#[tokio::test]
async fn a_port_that_is_not_to_be_learnt_raises_an_alarm_that_names_it_and_the_mend() {
    let (switch, daemon) =
        stage(Kernel::Real, Vec::new(), |config| config.firewall.learn_sip_ports = false).await;
    switch.set_api("sofia status", &elsewhere(5160));
    let _reader = read(&daemon);
    eventually("the port is told", || !daemon.app.switches[0].learnt.ports().is_empty()).await;
    let mut watch = switchward::alarms::watch::Watch::new(&daemon.app);
    let mut alarm_of = async |wanted: bool| {
        let looking = async {
            loop {
                watch.look(&daemon.app);
                let active = daemon.get("/security/alarms").await.ok()["active"].clone();
                let found = active.as_array().unwrap().iter().find(|alarm| alarm["name"] == "sip-ports-open");
                if found.is_some() == wanted {
                    return found.cloned();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        crate::support::within(looking).await
    };
    let text = alarm_of(true).await.unwrap().to_string();
    for part in ["5160 (profile internal of freeswitch)", "firewall.sip_ports", "learn_sip_ports = true"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("5061"), "it is closed: {text}");
    let state = ports(&daemon).await;
    assert_eq!((&state["openSipPorts"][0]["port"], &state["learntSipPorts"]), (&json!(5160), &json!([])));

    // The mend, while it runs.
    let mut config = (*daemon.app.config.load_full()).clone();
    config.firewall.learn_sip_ports = true;
    daemon.app.reload(config);
    alarm_of(false).await;
    assert_eq!(ports(&daemon).await["openSipPorts"], json!([]));
}
