//! Whatever bytes a client sends, nothing beyond its rules reaches the switch.

use crate::support::*;
use broker::{Caller, Line, freeswitch, judge, roles};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt as _;

/// Sends bytes as a client with the role monitor and reads until the door has answered or closed.
async fn throw(site: &Site, bytes: &[u8]) {
    let mut client = site.client("monitor").await;
    // The door may close in the middle.
    _ = client.stream.write_all(bytes).await;
    _ = client.stream.shutdown().await;
    while client.next().await.is_some() {}
}

/// Everything that reached the switch, packet by packet, is a command that the role may run, alone in its packet.
fn check(site: &Site) -> Result<(), String> {
    let policy = roles::role("monitor").unwrap().policy().unwrap();
    let nobody = Caller { user: "", domain: "", owns: &|_| false };
    for received in site.switch.commands_received() {
        let line = received.line();
        let sent = match line.split_once(' ') {
            Some(("auth" | "event" | "nixevent" | "log", _)) => continue,
            Some(("api" | "bgapi", command)) => command,
            _ if line == "nolog" => continue,
            _ => return Err(format!("{line:?} reached the switch")),
        };
        let text = Line::new(sent).map_err(|error| format!("{sent:?}: {error}"))?;
        if text.as_str() != sent {
            return Err(format!("{sent:?} was not written anew"));
        }
        let decision = judge(&policy, freeswitch::catalogue(), &nobody, text, freeswitch::unfold);
        if !decision.allowed {
            return Err(format!("{sent:?} reached the switch: {}", decision.why));
        }
        let request = &received.request;
        let headers: Vec<_> = request.headers().map(|(name, _)| name.to_ascii_lowercase()).collect();
        if !request.body().is_empty() || headers.iter().any(|name| name != b"job-uuid") {
            return Err(format!("{sent:?} came with {headers:?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn known_tricks_reach_nothing() {
    let site = Site::open().await;
    for trick in [
        // A second command behind a line end of any kind.
        &b"api status\napi system id\n\n"[..],
        b"api status\r\napi system id\r\n\r\n",
        b"api status\rapi system id\n\n",
        b"api status\r\n\rapi system id\n\n",
        b"\r\n\r\napi status\n\n",
        b"api status%0aapi system id\n\n",
        b"api status%0A%0Aapi%20system%20id\n\n",
        b"api status\0system id\n\n",
        b"api status\x0bsystem id\n\n",
        b"api \tsystem id\n\n",
        b"api  system id\n\n",
        b"api\tsystem id\n\n",
        "api status\u{2028}system id\n\n".as_bytes(),
        "api status\u{85}system id\n\n".as_bytes(),
        // The console's separator, with the header that makes it one.
        b"api status;;system id\nconsole_execute: true\n\n",
        b"api status ;; system id\nconsole_execute: yes\n\n",
        b"api status\nconsole_execute: true\nconsole_execute: true\n\n",
        // Commands inside of commands.
        b"api expand status ${system id}\n\n",
        b"api eval ${${x}(id)}\n\n",
        b"api eval $${system(id)}\n\n",
        b"api eval \\\\${system id}\n\n",
        b"api eval ${system id\n\n",
        b"api bgapi system id\n\n",
        b"api xml_wrap system id\n\n",
        b"api sched_api +1 none system id\n\n",
        b"api cond ${system(id)} == 1 ? a : b\n\n",
        b"api json {\"command\":\"fsapi\",\"data\":{\"cmd\":\"system\",\"arg\":\"id\"}}\n\n",
        b"bgapi system id\nJob-UUID: x\n\n",
        b"bgapi status\nJob-UUID: x\r\nY: z\n\n",
        b"bgapi status\nJob-UUID: 11111111-2222-4333-8444-555555555555\nJob-UUID: y\n\n",
        // What FreeSWITCH rewrites before it checks.
        b"api echo reload mod_event_socket\n\n",
        b"api status unload mod_event_socket\n\n",
        // Lengths that two readers take for two lengths.
        b"api status\nContent-Length: 5\nContent-Length: 0\n\napi system id\n\n",
        b"api status\nContent-Length: 0\nContent-Length: 16\n\napi system id\n\n",
        b"api status\nContent-Length: -1\n\n",
        b"api status\nContent-Length: 99999999999999999999\n\n",
        b"api status\nContent-Length: 16\n\napi system id\n\nexit\n\n",
        b"sendmsg\ncall-command: execute\nexecute-app-name: system\nexecute-app-arg: id\n\n",
        b"sendmsg 11111111-2222-4333-8444-555555555555\ncall-command: execute\nexecute-app-name: system::id\n\n",
        b"sendevent SEND_MESSAGE\ndest_proto: api\nto: system\n\n",
        b"sendevent CUSTOM\nEvent-Subclass: SMS::SEND_MESSAGE\ndest_proto: api\n\n",
        b"event plain ALL\r\napi system id\r\n\r\n",
        b"event plain CUSTOM a\rb c::d\n\n",
        b"event plain CUSTOM a%0ab\n\n",
        b"log 7\nfoo: bar\n\n",
        b"filter Event-Name a\rapi system id\n\n",
        b"myevents x\rapi system id\n\n",
        b"myevents 11111111-2222-4333-8444-555555555555\n\ngetvar x\rapi system id\n\n",
        b"api st\xff\xfe\n\n",
        b"api 'system' id\n\n",
        b"api \"system\" id\n\n",
        b"api show channels as json;;system id\n\n",
        b"console_execute: true\napi system id\n\n",
    ] {
        throw(&site, trick).await;
        check(&site).unwrap_or_else(|wrong| panic!("{:?}: {wrong}", String::from_utf8_lossy(trick)));
    }
    // Not vacuous: some of it was allowed, and came alone.
    assert!(site.received().iter().filter(|line| *line == "api status").count() >= 5);
    assert!(site.received().iter().all(|line| !line.contains("id")), "{:?}", site.received());
}

#[tokio::test]
async fn what_is_huge_ends_that_connection_alone() {
    let site = Site::open().await;
    let mut bystander = site.client("monitor").await;
    for huge in [
        [&b"api "[..], &vec![b'x'; 1 << 20], b"\n\n"].concat(),
        [&b"api status\nContent-Length: 2000000\n\n"[..], &vec![b'x'; 2_000_000]].concat(),
        b"A: b\n".repeat(100_000),
        b"event plain CUSTOM ".iter().copied().chain(b"a::b ".repeat(10_000)).chain(*b"\n\n").collect(),
    ] {
        throw(&site, &huge).await;
    }
    check(&site).unwrap();
    assert!(bystander.ask("api status").await.body.starts_with("UP "));
}

/// Pieces that packets are made of, and those that take them apart.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&[u8]> = vec![
        b"api ",
        b"bgapi ",
        b"status",
        b"system id",
        b"show channels",
        b"\n\n",
        b"\n",
        b"\r\n\r\n",
        b"\r",
        b"\0",
        b"\t",
        b";;",
        b"${system id}",
        b"$${x}",
        b"'",
        b"\"",
        b"\\",
        b"%0a",
        b"event plain ALL\n\n",
        b"sendmsg x\n",
        b"call-command: execute\nexecute-app-name: system\n",
        b"sendevent CUSTOM\n",
        b"Content-Length: 4\n",
        b"Content-Length: 14\n",
        b"console_execute: true\n",
        b"Job-UUID: x\n",
        b"exit\n\n",
        b"filter a b\n\n",
        b"nixevent ALL\n\n",
        b"unload mod_event_socket",
        b"eval ",
        b"expand ",
        b"bgapi",
        b"log 7\n\n",
        b"event json CUSTOM ",
        b" ",
        b": ",
    ];
    let whole: Vec<&[u8]> = vec![b"\n\napi status\n\n", b"\n\nbgapi status\nJob-UUID: ", b"\n\napi show "];
    prop_oneof![
        8 => prop::sample::select(fixed).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(whole).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

#[test]
fn whatever_bytes_come_nothing_beyond_the_rules_is_sent() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = runtime.block_on(Site::open());
    let mut runner = TestRunner::new(Config { cases: 1000, failure_persistence: None, ..Config::default() });
    let packets = prop::collection::vec(piece(), 1..40).prop_map(|pieces| pieces.concat());
    runner
        .run(&packets, |bytes| {
            runtime.block_on(throw(&site, &bytes));
            check(&site).map_err(TestCaseError::fail)
        })
        .unwrap();
    assert!(site.received().len() > 50, "the pieces hardly ever make a command: {:?}", site.received().len());
}
