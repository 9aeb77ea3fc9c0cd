//! Whose channel is which.

use crate::support::{SOON, api, call, config, is_up, quick, received, register, switch, until, upstream};
use broker::upstream::{Following, Happening, Link, LogLine, Sink, Wants, owners::proven};
use broker::{Account, Upstream};
use simswitch::{Capture, Event, SimSwitch};
use std::collections::BTreeMap;
use std::sync::Arc;

fn account(user: &str, domain: &str) -> Account {
    Account { user: user.into(), domain: domain.into() }
}

/// Follows and looks away: while nobody follows, no events tell whose a channel is.
struct Blind;

impl Sink for Blind {
    fn event(&self, _: &Arc<Happening>) {}

    fn log(&self, _: &LogLine) {}

    fn state(&self, _: &Link) {}
}

async fn followed(upstream: &Upstream) -> Following {
    let following = upstream.hub().follow(Wants::nothing(), Arc::new(Blind));
    assert!(following.settled().await);
    following
}

/// The two channels of a call from 1000 to 1001.
async fn call_between(switch: &SimSwitch) -> (String, String) {
    switch.act(&register("1001", "192.0.2.11:5061"));
    switch.act(&call("1000", "1001", "192.0.2.10:5060"));
    until("it is answered", || switch.world().legs().all(|leg| leg.state == simswitch::State::Active)).await;
    let legs: Vec<_> = switch.world().legs().map(|leg| leg.uuid.clone()).collect();
    let [caller, called] = legs.try_into().unwrap();
    (caller, called)
}

#[tokio::test]
async fn a_channel_is_that_of_who_logged_in_or_was_called_until_it_is_gone() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let _following = followed(&upstream).await;
    let (caller, called) = call_between(&switch).await;
    let owners = upstream.owners();
    let domain = switch.identity().domain.clone();
    until("it is known", || owners.owner(&caller).is_some() && owners.owner(&called).is_some()).await;
    assert_eq!(owners.owner(&caller), Some(account("1000", &domain)));
    assert_eq!(owners.owner(&called), Some(account("1001", &domain)));
    assert!(owners.is_of(&caller, &account("1000", &domain)));
    assert!(!owners.is_of(&caller, &account("1001", &domain)));
    let uuids = [caller.as_str(), called.as_str(), "no-such-channel", "no uuid at all"];
    let found = owners.resolve(&uuids).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(received(&switch, "api uuid_dump no-such-channel json"), 1);
    assert_eq!(received(&switch, &format!("api uuid_dump {caller} json")), 0, "it is known");
    assert_eq!(api(&upstream, &format!("uuid_kill {caller}")).await.unwrap(), "+OK\n");
    until("it is gone", || owners.owner(&caller).is_none() && owners.owner(&called).is_none()).await;
}

#[tokio::test]
async fn of_a_channel_that_was_there_before_the_switch_is_asked_once() {
    let switch = switch().await;
    let (caller, called) = call_between(&switch).await;
    let upstream = Upstream::start(config(&switch), quick());
    is_up(&upstream).await;
    let owners = upstream.owners();
    assert_eq!(owners.owner(&caller), None);
    let domain = switch.identity().domain.clone();
    for _ in 0..3 {
        let found = owners.resolve(&[&caller, &called]).await.unwrap();
        assert_eq!(found[&caller], account("1000", &domain));
        assert_eq!(found[&called], account("1001", &domain));
    }
    assert_eq!(received(&switch, &format!("api uuid_dump {caller} json")), 1);
    assert_eq!(owners.owner(&called), Some(account("1001", &domain)));
    switch.restart().await.unwrap();
    until("it is forgotten", || owners.owner(&caller).is_none()).await;
}

#[tokio::test]
async fn an_event_that_somebody_sent_makes_nobody_the_owner() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let _following = followed(&upstream).await;
    let (forged, genuine) = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222");
    let headers = |uuid: &'static str, file: &'static str| {
        [
            ("Unique-ID", uuid),
            ("Call-Direction", "inbound"),
            ("Event-Calling-File", file),
            ("variable_sip_authorized", "true"),
            ("variable_user_name", "1000"),
            ("variable_domain_name", "pbx.example"),
        ]
    };
    let emit = |uuid: &'static str, file: &'static str, more: &str| {
        let lines = headers(uuid, file).map(|(name, value)| format!("{name}: {value}\n")).concat();
        let text = format!("Event-Name: CHANNEL_CREATE\n{lines}{more}\n");
        assert_eq!(switch.emit(&Event::from_plain(text.into_bytes()).unwrap()), 1);
    };
    let core = "switch_core_state_machine.c";
    let reply = upstream.announce("CHANNEL_CREATE", &headers(forged, core), None, SOON).await.unwrap();
    assert!(reply.starts_with("+OK"));
    // The application `event` writes no header Command, but its own file.
    emit(forged, "mod_dptools.c", "");
    // Should a switch not add its own file to what `sendevent` says.
    emit(forged, core, "Command: sendevent%20CHANNEL_CREATE\n");
    // When the true one is known, those before it were read.
    emit(genuine, core, "");
    let owners = upstream.owners();
    until("the true one is known", || owners.owner(genuine).is_some()).await;
    assert_eq!(owners.owner(forged), None);
}

#[test]
fn in_the_captures_only_authentication_and_the_called_user_prove() {
    let capture = Capture::load("../../testdata/captures/freeswitch/calls.plain.esl.zst").unwrap();
    let mut owners = BTreeMap::new();
    let mut forged_from = 0;
    for event in capture.events() {
        let view = event.view();
        if view.name() != b"CHANNEL_CREATE" {
            continue;
        }
        let owner = proven(&view).map(|owner| owner.to_string());
        let from = view
            .header("Caller-Username")
            .map(|value| String::from_utf8_lossy(&value.decoded()).into_owned());
        if owner.as_deref() == Some("1004@pbx.example") && from.as_deref() == Some("1000") {
            forged_from += 1;
        }
        let direction = view.header("Call-Direction").map_or(&b""[..], |value| value.raw());
        *owners.entry((String::from_utf8_lossy(direction).into_owned(), owner)).or_insert(0) += 1;
    }
    assert_eq!(forged_from, 1, "1004 who wrote 1000 into From");
    let expected = [
        (("inbound", None), 4),
        (("inbound", Some("1000@pbx.example")), 5),
        (("inbound", Some("1003@pbx.example")), 11),
        (("inbound", Some("1004@pbx.example")), 1),
        (("outbound", None), 9),
        (("outbound", Some("1000@pbx.example")), 1),
        (("outbound", Some("1001@pbx.example")), 2),
    ];
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|((direction, owner), count)| ((direction.to_owned(), owner.map(str::to_owned)), count))
        .collect();
    assert_eq!(owners, expected);
}

#[test]
fn headers_that_contradict_each_other_prove_nothing() {
    let base = "Event-Name: CHANNEL_CREATE\nCall-Direction: inbound\nvariable_sip_authorized: true\n\
                variable_user_name: 1000\nvariable_domain_name: pbx.example\n";
    let owner = |more: &str| {
        let event = Event::from_plain(format!("{base}{more}\n").into_bytes()).unwrap();
        proven(&event.view())
    };
    assert_eq!(owner(""), Some(account("1000", "pbx.example")));
    for more in [
        "variable_user_name: 1001\n",
        "variable_domain_name: other.example\n",
        "Call-Direction: outbound\n",
        "variable_sip_authorized: false\n",
    ] {
        assert_eq!(owner(more), None, "{more}");
    }
}

#[tokio::test]
async fn while_nobody_follows_calls_cost_nothing_here() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let subscriptions = || {
        let lines = switch.commands_received().into_iter().map(|received| received.line());
        lines.filter(|line| line.starts_with("event ") || line.starts_with("nixevent ")).collect::<Vec<_>>()
    };
    assert!(!subscriptions().iter().any(|line| line.contains("CHANNEL_")), "{:?}", subscriptions());
    let following = followed(&upstream).await;
    assert!(subscriptions().last().unwrap().contains("CHANNEL_CREATE"));
    let (caller, _) = call_between(&switch).await;
    until("it is known", || upstream.owners().owner(&caller).is_some()).await;
    drop(following);
    until("it is not wanted any more", || subscriptions().last().unwrap().starts_with("nixevent ")).await;
    until("it is forgotten", || upstream.owners().owner(&caller).is_none()).await;
}
