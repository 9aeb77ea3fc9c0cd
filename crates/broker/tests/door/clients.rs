//! Programs that nobody wrote for us: three client libraries of FreeSWITCH's event socket, unchanged, at the door.
//!
//! The one in Rust is a dependency. Those in Python and for Node are installed by `scripts/esl-clients`, which then runs the ignored tests.

use crate::support::*;
use freeswitch_esl_tokio::{AuthMethod, EslClient, EslConnectOptions, EslEventType, EventFormat};
use simswitch::Event;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

fn custom() -> Event {
    Event::from_plain(&b"Event-Subclass: lab%3A%3Aone\nEvent-Name: CUSTOM\nA: b%20c\n\n"[..]).unwrap()
}

#[tokio::test]
async fn freeswitch_esl_tokio() {
    let site = Site::open().await;
    let port = site.address.port();
    let wrong = EslClient::connect("127.0.0.1", port, "wrong").await;
    assert!(wrong.is_err(), "a wrong token was let in");
    let account = AuthMethod::user("1000@pbx.example", "secret-1000");
    let (by_name, _events) =
        EslClient::connect_with_auth("127.0.0.1", port, account, EslConnectOptions::default()).await.unwrap();
    assert!(by_name.api("status").await.unwrap().body().unwrap().starts_with("UP "));
    let (client, mut events) = EslClient::connect("127.0.0.1", port, "token-monitor").await.unwrap();
    assert!(client.api("status").await.unwrap().body().unwrap().starts_with("UP "));
    for refused in ["system id", "uuid_kill 11111111-2222-4333-8444-555555555555"] {
        let told = client.api(refused).await;
        let denied = match &told {
            Ok(told) => told.reply_text() == Some("-ERR permission denied"),
            Err(error) => error.to_string().contains("permission denied"),
        };
        assert!(denied, "{told:?}");
    }
    client
        .subscribe_events(EventFormat::Json, [EslEventType::BackgroundJob, EslEventType::Heartbeat])
        .await
        .unwrap();
    client.subscribe_events_raw(EventFormat::Json, "CUSTOM lab::one").await.unwrap();
    client.bgapi("status").await.unwrap().check().unwrap();
    let job = timeout(SOON, events.recv()).await.unwrap().unwrap().unwrap();
    assert_eq!(job.event_type(), Some(EslEventType::BackgroundJob));
    assert!(job.body().unwrap().starts_with("UP "));
    site.switch.emit(&custom());
    let told = timeout(SOON, events.recv()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.header_str("A"), Some("b c"), "{told:?}");
    client.filter_raw("Event-Name", "HEARTBEAT").await.unwrap();
    site.switch.emit(&custom());
    site.switch.beat();
    let told = timeout(SOON, events.recv()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.event_type(), Some(EslEventType::Heartbeat));
    client.noevents().await.unwrap();
    assert_eq!(client.exit().await.unwrap().reply_text(), Some("+OK bye"));
}

#[tokio::test]
#[ignore = "scripts/esl-clients installs greenswitch and runs it"]
async fn greenswitch() {
    let python = installed("venv/bin/python");
    run(Command::new(python).arg(script("green.py"))).await;
}

#[tokio::test]
#[ignore = "scripts/esl-clients installs modesl and runs it"]
async fn modesl() {
    let modules = installed("node_modules");
    run(Command::new("node").arg(script("modesl.js")).env("NODE_PATH", modules)).await;
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// What `scripts/esl-clients` installed.
fn installed(what: &str) -> PathBuf {
    let root = std::env::var_os("ESL_CLIENTS").expect("run scripts/esl-clients");
    let path = Path::new(&root).join(what);
    assert!(path.exists(), "{} is missing: run scripts/esl-clients", path.display());
    path
}

/// Runs a client to its end; when it listens, events come.
async fn run(command: &mut Command) {
    let site = Site::open().await;
    let port = site.address.port().to_string();
    command.args([&port, "wrong", "token-monitor"]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut client = command.spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let ran = timeout(SOON * 3, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "READY" {
                site.switch.beat();
                site.switch.emit(&custom());
            }
        }
        client.wait().await.unwrap()
    });
    let ended = ran.await.expect("the client did not come to its end");
    assert!(ended.success(), "{ended}; what it said stands above");
    // Of what it asked for, only what it may reached the switch.
    assert!(site.received().iter().all(|line| line.ends_with("status")), "{:?}", site.received());
    assert!(site.received().len() >= 2);
}
