//! The event socket door of the daemon, with the event socket's own protocol: who comes in, what reaches the switch.

use crate::access::{PASSWORD, basic, edit, token, users};
use crate::broker::with_switch;
use crate::support::Daemon;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use switchward::access::Role;
use switchward::access::users::Users;
use switchward::broker::entrance::Listeners;
use switchward::clock;
use switchward::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Opens the door of a daemon; it stays open until the sender is dropped or says so.
pub(crate) async fn open(daemon: &Daemon) -> (SocketAddr, watch::Sender<bool>) {
    let mut config = Config::clone(&daemon.app.config.load());
    config.broker.door.port = Some(0);
    let listeners = Listeners::open(&config, false).await.unwrap();
    let address = listeners.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let door = listeners.serve(&daemon.app, &stopped).unwrap();
    assert!(daemon.app.entrance.set(door).is_ok());
    (address, stop)
}

/// A client that knows nothing of the protocol but that a packet ends with an empty line.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let mut client = Client(TcpStream::connect(address).await.unwrap());
        assert!(client.read().await.contains("auth/request"));
        client
    }

    /// One from an address of this machine.
    pub(crate) async fn connect_from(address: SocketAddr, from: std::net::Ipv4Addr) -> Client {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut client = Client(socket.connect(address).await.unwrap());
        assert!(client.read().await.contains("auth/request"));
        client
    }

    /// The next packet with its body; empty at the end.
    pub(crate) async fn read(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\n\n") {
            match timeout(SOON, self.0.read(&mut byte)).await.unwrap() {
                Ok(1) => head.push(byte[0]),
                _ => return String::from_utf8(head).unwrap(),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        timeout(SOON, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        head + &String::from_utf8(body).unwrap()
    }

    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.0.write_all(format!("{command}\n\n").as_bytes()).await.unwrap();
        self.read().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_in_and_does_what_its_rules_allow() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let (address, stop) = open(&daemon).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let mut client = Client::connect(address).await;
    assert!(client.ask("api status").await.contains("-ERR command not found"), "nothing before the log-in");
    assert!(client.ask(&format!("auth {viewer}")).await.contains("+OK accepted"));
    assert!(client.ask("api status").await.contains("UP "));
    assert!(client.ask("api system id").await.contains("-ERR permission denied"));
    assert!(client.ask("api reloadxml").await.contains("-ERR permission denied"));
    assert!(client.ask("api status\nconsole_execute: true").await.contains("UP "));
    assert!(
        client
            .ask("sendmsg 11111111-2222-3333-4444-555555555555\ncall-command: hangup")
            .await
            .contains("-ERR permission denied")
    );
    let sent: Vec<String> = switch.commands_received().iter().map(simswitch::Received::line).collect();
    assert!(
        !sent
            .iter()
            .any(|line| line.contains("system") || line.contains("reloadxml") || line.starts_with("sendmsg")),
        "{sent:?}"
    );
    assert!(switch.commands_received().iter().all(|sent| sent.request.header("console_execute").is_none()));
    assert_eq!(daemon.app.entrance.get().unwrap().clients().len(), 1);
    stop.send(true).unwrap();
    while !client.read().await.is_empty() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_sent_away_and_shown_to_the_guard() {
    let (_switch, daemon) = with_switch(|config| config.api.max_failed_logins = 3).await;
    let (address, _stop) = open(&daemon).await;
    for password in ["ClueCon", "swt_guess1", "swt_guess2", "swt_guess3"] {
        let mut client = Client::connect(address).await;
        let answer = client.ask(&format!("auth {password}")).await;
        assert!(answer.contains("-ERR"), "{answer}");
        while !client.read().await.is_empty() {}
    }
    assert!(daemon.app.monitor.logins_failed.value() >= 3);
    assert_eq!(daemon.app.entrance.get().unwrap().clients().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_users_of_other_directories_come_in_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let xml = r#"<include><domain name="pbx.example"><user id="1000"><params>
        <param name="esl-password" value="secret"/><param name="esl-allowed-api" value="status version"/>
        </params></user></domain></include>"#;
    std::fs::write(folder.path().join("default.xml"), xml).unwrap();
    let path = folder.path().to_owned();
    let (_switch, daemon) = with_switch(|config| {
        config.broker.directories = vec!["users".into(), "xml".into()];
        config.broker.xml.path = Some(path);
        config.broker.xml.accept = vec!["esl-password".into()];
        config.broker.users = vec![switchward::config::broker::User {
            name: "*@pbx.example".into(),
            roles: vec!["operator".into()],
            ..Default::default()
        }];
    })
    .await;
    daemon.app.logins.apply(&daemon.app.config.load(), &daemon.app.desk).unwrap();
    users(daemon.app.config.load().users_file());
    let (address, _stop) = open(&daemon).await;
    let mut vera = Client::connect(address).await;
    assert!(vera.ask(&format!("userauth vera:{PASSWORD}")).await.contains("+OK accepted"));
    assert!(vera.ask("api show calls").await.contains("api/response"));
    let mut phone = Client::connect(address).await;
    let welcome = phone.ask("userauth 1000@pbx.example:secret").await;
    assert!(welcome.contains("+OK accepted") && welcome.contains("Allowed-API: status version"), "{welcome}");
    assert!(phone.ask("api status").await.contains("UP "));
    // The rules would allow it, the directory does not.
    assert!(phone.ask("api show calls").await.contains("-ERR permission denied"));
    let mut wrong = Client::connect(address).await;
    assert!(wrong.ask("userauth 1000@pbx.example:guess").await.contains("-ERR invalid"));
    // The same user over HTTP: commands, and nothing else of the interface.
    let over_http = |path: &'static str, body: serde_json::Value| {
        let ask = daemon.ask("POST", path).body(body.to_string());
        ask.header("Authorization", &basic("1000@pbx.example", "secret")).send()
    };
    assert_eq!(over_http("/security/esl/command", json!({"command": "status"})).await.status, 200);
    assert_eq!(over_http("/security/esl/command", json!({"command": "show calls"})).await.status, 403);
    assert_eq!(over_http("/security/blacklist", json!({"ip": "198.51.100.7"})).await.status, 403);
}

/// Asks until the door says goodbye instead of answering.
async fn is_sent_away(client: &mut Client, daemon: &Daemon) -> bool {
    let deadline = tokio::time::Instant::now() + SOON;
    while tokio::time::Instant::now() < deadline {
        // As the daemon does each second.
        daemon.app.access.tick();
        if !client.ask("api status").await.contains("UP ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_gives_no_further_order() {
    let (_switch, daemon) = with_switch(|_| {}).await;
    let (address, _stop) = open(&daemon).await;
    let ends = clock::now() + Duration::from_secs(2);
    let mut text = String::new();
    edit(&daemon, |tokens| {
        text = tokens.add("short", Role::Viewer, Some(ends), Vec::new(), clock::now()).unwrap();
    });
    let mut client = Client::connect(address).await;
    assert!(client.ask(&format!("auth {text}")).await.contains("+OK accepted"));
    while clock::now() < ends {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // At once, not at the next look round.
    let answer = client.ask("api status").await;
    assert!(!answer.contains("UP ") && answer.contains("disconnect-notice"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_not_be_let_in_again_is_sent_away_and_others_stay() {
    let (_switch, daemon) = with_switch(|config| users(config.users_file())).await;
    let (address, _stop) = open(&daemon).await;
    let come = async |order: String| {
        let mut client = Client::connect(address).await;
        assert!(client.ask(&order).await.contains("+OK accepted"), "{order}");
        client
    };
    let (lost, kept) = (token(&daemon, "crm", Role::Viewer), token(&daemon, "grafana", Role::Viewer));
    let mut lost = come(format!("auth {lost}")).await;
    let mut kept = come(format!("auth {kept}")).await;
    let mut olga = come(format!("userauth olga:{PASSWORD}")).await;
    let mut ada = come(format!("userauth ada:{PASSWORD}")).await;
    let mut vera = come(format!("userauth vera:{PASSWORD}")).await;
    // Another token of the same name, another password, another role.
    edit(&daemon, |tokens| {
        assert!(tokens.revoke("crm", clock::now()));
        tokens.add("crm", Role::Viewer, None, Vec::new(), clock::now()).unwrap();
    });
    let path = daemon.app.config.load().users_file();
    let mut all: Users = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    all.set_password("olga", "correct horse battery", clock::now()).unwrap();
    all.users.iter_mut().find(|user| user.name == "ada").unwrap().role = Role::Viewer;
    std::fs::write(&path, serde_json::to_vec(&all).unwrap()).unwrap();
    for client in [&mut lost, &mut olga, &mut ada] {
        assert!(is_sent_away(client, &daemon).await);
    }
    assert!(kept.ask("api status").await.contains("UP "));
    assert!(vera.ask("api status").await.contains("UP "));
    // The broker's roles of viewers change: whoever has them by their credential comes anew.
    let mut config = Config::clone(&daemon.app.config.load());
    config.broker.viewer_roles = vec!["operator".into()];
    daemon.app.config.store(config.into());
    assert!(is_sent_away(&mut kept, &daemon).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_directories_are_asked_again_about_who_is_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("default.xml");
    let write = |users: &[(&str, &str)]| {
        let user = |(name, password): &(&str, &str)| {
            format!(
                r#"<user id="{name}"><params><param name="esl-password" value="{password}"/></params></user>"#
            )
        };
        let users: String = users.iter().map(user).collect();
        let xml = format!(r#"<include><domain name="pbx.example">{users}</domain></include>"#);
        std::fs::write(&file, xml).unwrap();
    };
    write(&[("1000", "secret"), ("1001", "secret"), ("1002", "secret")]);
    let path = folder.path().to_owned();
    let (_switch, daemon) = with_switch(|config| {
        config.broker.directories = vec!["xml".into()];
        config.broker.xml.path = Some(path);
        config.broker.xml.accept = vec!["esl-password".into()];
        config.broker.password_cache = Duration::ZERO;
        config.broker.door.recheck_time = Duration::from_millis(100);
        config.broker.users = vec![switchward::config::broker::User {
            name: "*@pbx.example".into(),
            roles: vec!["operator".into()],
            ..Default::default()
        }];
    })
    .await;
    daemon.app.logins.apply(&daemon.app.config.load(), &daemon.app.desk).unwrap();
    let (address, _stop) = open(&daemon).await;
    let mut clients = Vec::new();
    for user in ["1000", "1001", "1002"] {
        let mut client = Client::connect(address).await;
        assert!(client.ask(&format!("userauth {user}@pbx.example:secret")).await.contains("+OK accepted"));
        clients.push(client);
    }
    // One is removed, one has another password.
    write(&[("1000", "secret"), ("1001", "another")]);
    assert!(is_sent_away(&mut clients[1], &daemon).await);
    assert!(is_sent_away(&mut clients[2], &daemon).await);
    assert!(clients[0].ask("api status").await.contains("UP "));
}

#[tokio::test]
async fn beyond_loopback_only_with_tls_or_by_order() {
    let mut config = Config::default();
    config.broker.door.host = "0.0.0.0".into();
    config.broker.door.port = Some(0);
    let refused = Listeners::open(&config, false).await.err().unwrap().to_string();
    assert!(refused.contains("without TLS") && refused.contains("broker.door.plain"), "{refused}");
    config.broker.door.plain = true;
    assert!(Listeners::open(&config, false).await.is_ok());
}
