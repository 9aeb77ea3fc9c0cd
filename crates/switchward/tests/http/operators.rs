//! Whoever proved an operator's credential is banned by no rule: over real connections from addresses that are not loopback, in a
//! network namespace of the test's own.

use crate::access::{PASSWORD, basic, edit, token, users};
use crate::entrance::{Client, open};
use crate::support::{Daemon, Kernel};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use switchward::access::{Role, operators};
use switchward::clock;

const HOME: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OFFICE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const HOTEL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Runs it on a machine with these addresses of its own, and nothing else.
fn abroad<F: Future<Output = ()>>(act: impl FnOnce() -> F) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("needs root");
    ip("link set lo up");
    for own in [HOME, OFFICE, HOTEL] {
        ip(&format!("addr add {own}/32 dev lo"));
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(act());
}

#[allow(clippy::disallowed_methods, reason = "the host's own tool lays out the test's network")]
fn ip(arguments: &str) {
    let done = std::process::Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(done.success(), "ip {arguments}");
}

async fn get(daemon: &Daemon, from: Ipv4Addr, credential: &str) -> u16 {
    let ask = daemon.ask("GET", "/security/status").from(from.octets());
    ask.header("Authorization", credential).send().await.status
}

/// A softphone at this address with a wrong password; whether that got the address banned.
fn fails(daemon: &Daemon, from: Ipv4Addr) -> bool {
    daemon.refuse(&from.to_string(), "1000", 50);
    let banned = daemon.app.guard.ledger().banned(IpAddr::V4(from), 0, clock::now()).is_some();
    daemon.app.guard.order_lift(from.to_string().parse().unwrap(), "test", clock::now());
    banned
}

async fn listed(daemon: &Daemon) -> Vec<(String, String)> {
    let view = daemon.get("/security/overview").await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let places = view["operators"].as_array().unwrap().iter();
    places.map(|place| (text(&place["ip"]), text(&place["name"]))).collect()
}

async fn start() -> Daemon {
    let daemon = Daemon::with(Kernel::None, |config| config.security.trusted_networks.clear()).await;
    users(daemon.app.config.load().users_file());
    daemon
}

#[test]
fn an_operator_whose_phone_has_a_wrong_password_keeps_the_interface_and_a_viewer_does_not() {
    abroad(|| async {
        let daemon = start().await;
        let ops = format!("Bearer {}", token(&daemon, "ops", Role::Operator));
        let scrape = format!("Bearer {}", token(&daemon, "grafana", Role::Viewer));
        assert!(fails(&daemon, HOME), "nobody has come from there yet");
        assert_eq!(get(&daemon, HOME, &ops).await, 200);
        assert_eq!(get(&daemon, OFFICE, &basic("ada", PASSWORD)).await, 200);
        assert_eq!(get(&daemon, HOTEL, &scrape).await, 200);
        assert_eq!(get(&daemon, HOTEL, &basic("vera", PASSWORD)).await, 200);
        assert_eq!(get(&daemon, HOTEL, "Bearer swt_guess").await, 401);
        assert!(!fails(&daemon, HOME) && !fails(&daemon, OFFICE) && fails(&daemon, HOTEL));
        let expected =
            [(HOME, "token ops"), (OFFICE, "user ada")].map(|(ip, name)| (ip.to_string(), name.into()));
        assert_eq!(listed(&daemon).await, expected);

        let why = daemon.get(&format!("/security/why/{HOME}")).await.ok();
        assert_eq!((&why["standing"], &why["operator"]), (&json!("out-of-reach"), &json!("token ops")));
        assert!(
            why["text"].as_str().unwrap().contains("token ops proved a credential from 198.51.100.7"),
            "{why}"
        );
        // By order: not in passing, with the net around it, but when it is meant.
        let refusal = daemon.post("/security/blacklist", &json!({"ip": "198.51.100.0/24"})).await.error(400);
        assert!(refusal.contains("token ops") && refusal.contains("198.51.100.7"), "{refusal}");
        daemon.post("/security/blacklist", &json!({"ip": "198.51.100.7"})).await.ok();
        assert_eq!(listed(&daemon).await.len(), 1);
    });
}

#[test]
fn a_revoked_credential_protects_no_longer() {
    abroad(|| async {
        let daemon = start().await;
        let ops = format!("Bearer {}", token(&daemon, "ops", Role::Operator));
        assert_eq!(get(&daemon, HOME, &ops).await, 200);
        assert_eq!(get(&daemon, OFFICE, &basic("olga", PASSWORD)).await, 200);
        operators::sweep(&daemon.app);
        assert_eq!(listed(&daemon).await.len(), 2);
        edit(&daemon, |tokens| assert!(tokens.revoke("ops", clock::now())));
        daemon.app.access.tick();
        operators::sweep(&daemon.app);
        assert_eq!(listed(&daemon).await, [(OFFICE.to_string(), "user olga".into())]);
        assert!(fails(&daemon, HOME) && !fails(&daemon, OFFICE));
    });
}

#[test]
fn whoever_comes_from_this_machine_makes_nothing_of_it() {
    abroad(|| async {
        let daemon = start().await;
        assert_eq!(get(&daemon, Ipv4Addr::new(127, 0, 0, 2), &basic("ada", PASSWORD)).await, 200);
        assert_eq!(listed(&daemon).await, []);
    });
}

#[test]
fn the_event_socket_door_counts_as_the_interface_does() {
    abroad(|| async {
        let daemon = start().await;
        let (address, _stop) = open(&daemon).await;
        let admin = token(&daemon, "pbx", Role::Admin);
        let viewer = token(&daemon, "grafana", Role::Viewer);
        for (from, token) in [(HOME, admin), (HOTEL, viewer)] {
            let mut client = Client::connect_from(address, from).await;
            assert!(client.ask(&format!("auth {token}")).await.contains("+OK accepted"));
        }
        let mut client = Client::connect_from(address, OFFICE).await;
        assert!(client.ask(&format!("userauth olga:{PASSWORD}")).await.contains("+OK"));
        let expected =
            [(HOME, "token pbx"), (OFFICE, "user olga")].map(|(ip, name)| (ip.to_string(), name.into()));
        assert_eq!(listed(&daemon).await, expected);
        assert!(!fails(&daemon, HOME) && fails(&daemon, HOTEL));
    });
}
