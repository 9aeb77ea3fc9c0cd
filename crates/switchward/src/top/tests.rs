//! What `top` shows and does, on a terminal in memory.

use super::draw::draw;
use super::feed::Update;
use super::view::{Link, List, Over, View, Wish};
use crate::http::stream::{Counters, StreamItem};
use guard::Time;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn now() -> Time {
    Time::from_secs("2026-11-21T05:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second() as u64)
}

fn screen(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, now(), frame)).unwrap();
    terminal.backend().to_string()
}

fn press(view: &mut View, key: KeyCode) -> Option<Wish> {
    view.press(key, KeyModifiers::NONE)
}

fn item(name: &str, data: &Value) -> Update {
    Update::Item(name.into(), StreamItem::parse(name, &data.to_string()).unwrap())
}

fn ban(target: &str, reason: &str) -> Value {
    json!({
        "at": "2026-11-21T04:59:00.000Z", "target": target, "scope": "all", "since": "2026-11-21T04:59:00Z",
        "until": "2026-11-21T05:59:00Z", "madeBy": "guard", "liftedBy": null, "rule": "auth-failures",
        "reason": reason, "evidence": "likely", "count": 5, "first": "2026-11-21T04:58:00Z",
        "last": "2026-11-21T04:59:00Z", "users": ["1000"], "domains": ["pbx.example"], "agents": ["scanner"],
        "switch": "main"
    })
}

fn counters(micros: u64, events: u64, bans: u64) -> Update {
    counters_with(micros, events, bans, bans)
}

fn counters_with(micros: u64, events: u64, bans: u64, in_kernel: u64) -> Update {
    let counters = Counters {
        at: "2026-11-21T05:00:00Z".into(),
        at_micros: micros,
        switches: vec![crate::http::stream::SwitchCounters {
            name: "main".into(),
            connected: true,
            events,
            forged: 0,
            malformed: 0,
        }],
        observations: 0,
        registrations: 0,
        failed: 0,
        calls: 0,
        wrong_call_states: 0,
        bans_made: 0,
        would_ban: 0,
        spared: 0,
        hang_ups: 0,
        alerts: 0,
        bans,
        allows: 0,
        bans_in_kernel: Some(in_kernel),
        firewall_queue: 0,
        last_ban_us: 0,
        store_queue: 0,
        alarms: 0,
        streams: 1,
    };
    Update::Item("counters".into(), StreamItem::Counters(Box::new(counters)))
}

fn counted(sources: &[(&str, u32, &str)]) -> Update {
    let failed = sources.iter().map(|(source, count, user)| {
        let record = json!({
            "count": count, "firstAttempt": "2026-11-21T04:50:00Z", "lastAttempt": "2026-11-21T04:59:30Z",
            "userIds": [user], "domains": []
        });
        ((*source).to_owned(), serde_json::from_value(record).unwrap())
    });
    Update::Counted(failed.collect(), BTreeMap::new())
}

/// A view with something in every part.
fn full() -> View {
    let mut view = View::new("http://127.0.0.1:8088".into(), true);
    view.take(Update::Live);
    view.take(counters(1_000_000, 0, 2));
    view.take(counters(2_000_000, 5000, 2));
    view.take(item("ban", &ban("198.51.100.7", "5 refused credentials in 10 min")));
    view.take(item("ban", &ban("2001:db8:1:2::/64", "scanner \u{1b}[31m\u{202e}evil")));
    view.take(counted(&[("203.0.113.9", 2, "a\u{1b}]0;title\u{7}b"), ("203.0.113.10", 4, "1001")]));
    view.take(item(
        "alarm",
        &json!({"at": "2026-11-21T05:00:00Z", "name": "silence", "subject": "main", "severity": "critical",
                "raised": true, "since": "2026-11-21T04:55:00Z", "text": "no events for 5 min"}),
    ));
    view
}

#[test]
fn it_shows_what_happens() {
    let shown = screen(&full(), 100, 30);
    for part in
        ["5,000/s", "198.51.100.7", "59 min", "auth-failures", "likely", "203.0.113.10", "2001:db8:1:2::/64"]
    {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let newer = shown.find("2001:db8:1:2::/64").unwrap();
    assert!(newer < shown.find("198.51.100.7").unwrap(), "the newest ban first:\n{shown}");
    assert!(
        shown.find("203.0.113.10").unwrap() < shown.find("203.0.113.9 ").unwrap(),
        "most first:\n{shown}"
    );
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    let mut view = full();
    for over in [
        None,
        Some(Over::Help),
        Some(Over::Text("a\nb".into(), 1)),
        Some(Over::Confirm(Wish::Ban("x".into()))),
    ] {
        view.over = over;
        for (width, height) in
            [(1, 1), (2, 1), (1, 2), (3, 3), (10, 4), (20, 40), (80, 24), (300, 3), (300, 100)]
        {
            screen(&view, width, height);
        }
    }
}

#[test]
fn what_attackers_chose_moves_no_cursor() {
    let mut view = full();
    view.take(Update::Lost("\u{1b}[2J".into()));
    view.take(Update::Why("why\u{1b}[H\nreally\u{9b}31m".into()));
    let shown = screen(&view, 200, 40);
    assert!(shown.contains("really\\u{9b}31m") && shown.contains("u{1b}"), "{shown}");
    let harmful = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!shown.contains(harmful), "{shown:?}");
}

#[test]
fn a_lost_daemon_is_said_and_found_again() {
    let mut view = full();
    view.take(Update::Lost("connection refused".into()));
    assert!(screen(&view, 100, 24).contains("connection refused") || view.overview.is_none());
    assert_eq!(view.link, Link::Lost("connection refused".into()));
    view.take(Update::Live);
    assert_eq!(view.link, Link::Live);
    // What was counted before the break makes no rate.
    let rates = view.rates.len();
    view.take(counters(9_000_000, 100, 0));
    assert_eq!(view.rates.len(), rates);
}

#[test]
fn an_order_is_given_only_when_it_is_confirmed() {
    let mut view = full();
    assert_eq!(press(&mut view, KeyCode::Char('u')), None);
    assert!(screen(&view, 100, 30).contains("Lift the bans of 2001:db8:1:2::/64"));
    assert_eq!(press(&mut view, KeyCode::Char('n')), None);
    assert_eq!(view.over, None);
    press(&mut view, KeyCode::Char('u'));
    assert_eq!(press(&mut view, KeyCode::Char('y')), Some(Wish::Unban("2001:db8:1:2::/64".into())));
    press(&mut view, KeyCode::Tab);
    press(&mut view, KeyCode::Char('b'));
    assert_eq!(press(&mut view, KeyCode::Char('y')), Some(Wish::Ban("203.0.113.10".into())));
    assert_eq!(press(&mut view, KeyCode::Enter), Some(Wish::Why("203.0.113.10".into())));
}

#[test]
fn the_selection_stays_on_what_it_was_on() {
    let mut view = full();
    press(&mut view, KeyCode::Down);
    assert_eq!(view.selected_target().as_deref(), Some("198.51.100.7"));
    view.take(item("ban", &ban("192.0.2.1", "new")));
    assert_eq!(view.selected_target().as_deref(), Some("198.51.100.7"));
    view.take(item("unban", &ban("198.51.100.7", "")));
    assert!(view.selected_target().is_some());
    for key in [KeyCode::PageDown, KeyCode::End, KeyCode::PageUp, KeyCode::Home, KeyCode::Up] {
        press(&mut view, key);
        assert!(view.selected < view.length());
    }
    view.take(Update::Bans(Vec::new()));
    assert_eq!((view.selected_target(), view.selected), (None, 0));
    assert_eq!(press(&mut view, KeyCode::Enter), None);
}

#[test]
fn a_pause_holds_the_picture_and_not_the_alarms() {
    let mut view = full();
    press(&mut view, KeyCode::Char('p'));
    view.take(item("ban", &ban("192.0.2.1", "new")));
    assert_eq!(view.bans.len(), 2);
    view.take(item(
        "alarm",
        &json!({"at": "", "name": "silence", "subject": "main", "severity": "critical", "raised": false,
                "since": "", "text": ""}),
    ));
    assert!(view.alarms.is_empty());
    press(&mut view, KeyCode::Char('p'));
    view.take(item("ban", &ban("192.0.2.1", "new")));
    assert_eq!(view.bans.len(), 3);
}

#[test]
fn an_alarm_that_was_on_before_is_shown_and_one_that_ended_unseen_is_not() {
    let mut view = full();
    let alarm = json!({"name": "disconnected", "subject": "main\u{1b}[2J", "severity": "critical", "until": null,
                       "since": "2026-11-21T04:00:00Z", "text": "nobody listens there"});
    view.take(Update::Alarms(vec![serde_json::from_value(alarm).unwrap()]));
    let shown: Vec<_> = view.alarms.iter().collect();
    let key = ("disconnected".to_owned(), "main\\u{1b}[2J".to_owned());
    assert_eq!(shown, [(&key, &"critical: nobody listens there".to_owned())]);
    view.take(item(
        "alarm",
        &json!({"at": "", "name": "disconnected", "subject": "main\u{1b}[2J", "severity": "critical",
                "raised": false, "since": "", "text": ""}),
    ));
    assert!(view.alarms.is_empty());
}

#[test]
fn it_ends_by_q_and_by_ctrl_c() {
    assert_eq!(press(&mut full(), KeyCode::Char('q')), Some(Wish::Quit));
    assert_eq!(full().press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Quit));
    let mut view = full();
    press(&mut view, KeyCode::Char('?'));
    assert_eq!(view.press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Quit));
    assert_eq!(view.list, List::Bans);
}

#[test]
fn without_colours_there_is_none() {
    let mut view = full();
    view.colours = false;
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    terminal.draw(|frame| draw(&view, now(), frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == ratatui::style::Color::Reset), "a colour");
}

#[test]
fn a_ban_that_just_runs_out_is_not_missing_and_one_that_stays_away_is() {
    let mut view = full();
    view.take(counters_with(3_000_000, 5000, 2, 1));
    assert!(!view.is_missing());
    view.take(counters(4_000_000, 5000, 1));
    view.take(counters_with(5_000_000, 5000, 2, 1));
    view.take(counters_with(9_999_999, 5000, 2, 1));
    assert!(!view.is_missing());
    view.take(counters_with(10_000_000, 5000, 2, 1));
    assert!(view.is_missing());
    view.take(Update::Lost("gone".into()));
    assert!(!view.is_missing());
}
