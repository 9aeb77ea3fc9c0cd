//! Events and log lines for many followers.

use crate::support::{SOON, config, is_up, quick, step, switch, until, upstream};
use broker::{
    Upstream,
    upstream::{Happening, Link, LogLine, Sink, Wants},
};
use esl::Format;
use simswitch::{Action, Credentials, Event, SimSwitch};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Arc<Happening>>>,
    lines: Mutex<Vec<u8>>,
    states: Mutex<Vec<bool>>,
}

impl Sink for Seen {
    fn event(&self, event: &Arc<Happening>) {
        self.events.lock().unwrap().push(Arc::clone(event));
    }

    fn log(&self, line: &LogLine) {
        self.lines.lock().unwrap().push(line.level());
    }

    fn state(&self, link: &Link) {
        self.states.lock().unwrap().push(link.is_up());
    }
}

impl Seen {
    fn names(&self) -> Vec<String> {
        let text = |event: &Arc<Happening>| String::from_utf8_lossy(event.view().name()).into_owned();
        self.events.lock().unwrap().iter().map(text).collect()
    }

    fn numbers(&self) -> Vec<u64> {
        let number = |event: &Arc<Happening>| event.view().header("Number")?.number();
        self.events.lock().unwrap().iter().filter_map(number).collect()
    }
}

fn wants(names: &[&str], subclasses: &[&str]) -> Wants {
    let mut wants = Wants::nothing();
    assert!(names.iter().all(|name| wants.add(name)));
    assert!(subclasses.iter().all(|subclass| wants.add_custom(subclass)));
    wants
}

fn event(name: &str, number: u64) -> Event {
    Event::from_plain(format!("Event-Name: {name}\nNumber: {number}\n\n").into_bytes()).unwrap()
}

fn lines(switch: &SimSwitch, verb: &str) -> Vec<String> {
    let received = switch.commands_received();
    received.iter().map(simswitch::Received::line).filter(|line| line.starts_with(verb)).collect()
}

#[tokio::test]
async fn the_switch_sends_what_somebody_wants_and_each_gets_only_what_he_wants() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    assert_eq!(switch.emit(&event("TALK", 0)), 0, "nobody wants it");
    let (one, two) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
    let first = upstream.hub().follow(wants(&["talk"], &["a::b"]), Arc::clone(&one) as Arc<dyn Sink>);
    let second = upstream.hub().follow(wants(&["DTMF"], &[]), Arc::clone(&two) as Arc<dyn Sink>);
    assert!(first.settled().await && second.settled().await);
    for name in ["TALK", "DTMF", "CODEC"] {
        switch.emit(&event(name, 1));
    }
    for subclass in ["a%3A%3Ab", "c%3A%3Ad"] {
        let custom = format!("Event-Subclass: {subclass}\nEvent-Name: CUSTOM\n\n");
        switch.emit(&Event::from_plain(custom.into_bytes()).unwrap());
    }
    until("all came", || one.names().len() == 2 && two.names().len() == 1).await;
    assert_eq!((one.names(), two.names()), (vec!["TALK".into(), "CUSTOM".into()], vec!["DTMF".to_owned()]));
    second.change(wants(&["TALK"], &[]));
    drop(first);
    assert!(second.settled().await);
    assert_eq!(switch.emit(&event("DTMF", 2)), 0, "nobody wants it any more");
    assert_eq!(switch.emit(&event("TALK", 2)), 1);
    until("it came", || two.names().len() == 2).await;
    assert_eq!(one.names().len(), 2, "it follows no more");
    assert_eq!(lines(&switch, "nixevent"), ["nixevent DTMF CUSTOM a::b"]);
    assert_eq!(upstream.counts().followers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_come_and_go_cost_the_others_no_event() {
    let switch = Arc::new(switch().await);
    let upstream = upstream(&switch, quick()).await;
    let steady = Arc::new(Seen::default());
    let following = upstream.hub().follow(wants(&["TALK"], &[]), Arc::clone(&steady) as Arc<dyn Sink>);
    assert!(following.settled().await);
    let flood = tokio::task::spawn_blocking({
        let switch = Arc::clone(&switch);
        move || (0..4000).for_each(|number| _ = switch.emit(&event("TALK", number)))
    });
    let all = wants(&["ALL"], &[]);
    for turn in 0..40 {
        let other = Arc::new(Seen::default());
        let wanted = if turn % 2 == 0 { all.clone() } else { wants(&["TALK", "DTMF"], &["x::y"]) };
        let passing = upstream.hub().follow(wanted, Arc::clone(&other) as Arc<dyn Sink>);
        assert!(passing.settled().await);
        drop(passing);
        assert!(following.settled().await);
        let numbers = other.numbers();
        assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{numbers:?}");
    }
    flood.await.unwrap();
    until("all came", || steady.numbers().len() == 4000).await;
    assert_eq!(steady.numbers(), (0..4000).collect::<Vec<_>>());
    assert_eq!(switch.emit(&event("DTMF", 0)), 0, "what nobody wants is not sent any more");
}

#[tokio::test]
async fn followers_are_told_of_a_gap_and_get_everything_again_after_it() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let seen = Arc::new(Seen::default());
    let following = upstream.hub().follow(wants(&["TALK"], &[]), Arc::clone(&seen) as Arc<dyn Sink>);
    assert!(following.settled().await);
    switch.restart().await.unwrap();
    until("it was told", || seen.states.lock().unwrap().ends_with(&[false, true])).await;
    is_up(&upstream).await;
    assert_eq!(upstream.counts().gaps, 1);
    assert_eq!(switch.emit(&event("TALK", 7)), 1);
    until("it came", || seen.numbers() == [7]).await;
    switch.stop().await;
    until("it is noticed", || upstream.state().events.is_down()).await;
    assert!(!following.settled().await);
}

#[tokio::test]
async fn an_event_is_written_as_the_switch_would_write_it() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let seen = Arc::new(Seen::default());
    let following = upstream.hub().follow(wants(&["ALL"], &[]), Arc::clone(&seen) as Arc<dyn Sink>);
    assert!(following.settled().await);
    let texts = [
        "Event-Name: TALK\nName: a%0Ab%22%5C%C3%A9\nList: ARRAY%3A%3Aa%7C%3Ab\n\n",
        "Event-Name: MESSAGE\nContent-Length: 3\nFrom: x\nContent-Length: 8\n\n<a>\n&\nb\n",
    ];
    for text in texts {
        switch.emit(&Event::from_plain(text.as_bytes()).unwrap());
    }
    until("both came", || seen.names().len() == 2).await;
    let events = seen.events.lock().unwrap();
    for (happening, text) in events.iter().zip(texts) {
        let sent = Event::from_plain(text.as_bytes()).unwrap();
        for format in [Format::Plain, Format::Json, Format::Xml] {
            assert_eq!(**happening.frame(format), *sent.frame(format), "{text} {format:?}");
        }
    }
}

#[tokio::test]
async fn the_log_is_as_verbose_as_the_most_curious_wants_it() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let (much, little) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
    let mut wanted = Wants::nothing();
    wanted.set_log(Some(3));
    let few = upstream.hub().follow(wanted.clone(), Arc::clone(&little) as Arc<dyn Sink>);
    assert!(few.settled().await);
    wanted.set_log(Some(7));
    let many = upstream.hub().follow(wanted, Arc::clone(&much) as Arc<dyn Sink>);
    assert!(many.settled().await);
    switch.act(&step("1000", "192.0.2.1:5060", |client| Action::Register {
        client,
        credentials: Credentials::Wrong,
        expires: 60,
    }));
    until("a warning came", || !much.lines.lock().unwrap().is_empty()).await;
    assert!(much.lines.lock().unwrap().iter().all(|level| *level == 4));
    assert!(little.lines.lock().unwrap().is_empty(), "errors only");
    drop(many);
    assert!(few.settled().await);
    drop(few);
    let end = switch.wait_for_command(SOON, |received| received.line() == "nolog").await;
    assert!(end.is_some());
    assert_eq!(lines(&switch, "log"), ["log 3", "log 7", "log 3"]);
}

#[tokio::test]
async fn a_user_who_may_have_some_events_gets_those_and_jobs_say_why_there_are_none() {
    let switch = switch().await;
    let mut config = config(&switch);
    config.user = Some(format!("1001@{}", switch.identity().domain));
    config.password = "esl-1001".into();
    let upstream = Upstream::start(config, quick());
    let seen = Arc::new(Seen::default());
    let wanted = wants(&["CHANNEL_HANGUP_COMPLETE", "TALK"], &["sofia::register"]);
    let following = upstream.hub().follow(wanted, Arc::clone(&seen) as Arc<dyn Sink>);
    assert!(following.settled().await);
    assert_eq!(switch.emit(&event("CHANNEL_HANGUP_COMPLETE", 1)), 1);
    assert_eq!(switch.emit(&event("TALK", 1)), 0, "not permitted");
    until("it came", || seen.names() == ["CHANNEL_HANGUP_COMPLETE"]).await;
    until("it is said", || upstream.state().jobs.is_down()).await;
    let Link::Down { why, needs_mending, .. } = upstream.state().jobs else { panic!() };
    assert!(needs_mending && why.contains("permission denied"), "{why}");
}
