//! The state machine of one alarm.

use super::*;

const CLEAR: Duration = Duration::from_secs(60);

struct Bench {
    alarms: Alarms,
    news: Arc<News>,
}

impl Bench {
    fn new() -> Bench {
        Bench { alarms: Alarms::default(), news: Arc::new(News::new(false)) }
    }

    fn see(&self, at: u64, kind: &'static Kind, subject: &str, trouble: Option<&str>) {
        let now = Moment { wall: Time::from_secs(1_000_000 + at), up: Duration::from_secs(at) };
        self.alarms.see_at(now, &self.news, kind, subject, trouble.map(str::to_owned), CLEAR);
    }

    /// What was told so far: name, subject, raised.
    fn told(&self) -> Vec<(&'static str, String, bool)> {
        let alarm = |item: &Arc<crate::news::Item>| match &item.event {
            Event::Alarm(alarm) => (alarm.name, alarm.subject.clone(), alarm.raised),
            other => panic!("{other:?}"),
        };
        self.news.latest(100).iter().map(alarm).collect()
    }
}

#[test]
fn an_alarm_is_told_once_and_over_when_the_trouble_was_gone_for_a_while() {
    let bench = Bench::new();
    for second in 0..100 {
        // It flaps: gone for thirty seconds, and there again.
        bench.see(second, &STORE_FAILING, "", (second < 10 || second == 40).then_some("full"));
    }
    assert_eq!(bench.told(), [("store-failing", String::new(), true)]);
    assert_eq!(bench.alarms.active().len(), 1);
    bench.see(101, &STORE_FAILING, "", None);
    assert_eq!(bench.told()[1], ("store-failing", String::new(), false));
    assert!(bench.alarms.active().is_empty());
    let over = bench.alarms.over();
    assert_eq!(
        (over[0].alarm.since, over[0].until),
        (Time::from_secs(1_000_000), Time::from_secs(1_000_101))
    );
    bench.see(102, &STORE_FAILING, "", None);
    assert_eq!(bench.told().len(), 2);
}

#[test]
fn a_short_trouble_of_a_patient_kind_is_none() {
    let bench = Bench::new();
    for second in 0..100 {
        bench.see(second, &KERNEL_DIFFERS, "", (second % 10 < 9).then_some("3 and 4"));
    }
    assert!(bench.told().is_empty());
    (100..=110).for_each(|second| bench.see(second, &KERNEL_DIFFERS, "", Some("3 and 4")));
    assert_eq!(bench.told(), [("kernel-differs", String::new(), true)]);
    assert_eq!(bench.alarms.active()[0].since, Time::from_secs(1_000_100));
}

#[test]
fn subjects_are_apart_and_the_worst_stands_first() {
    let bench = Bench::new();
    bench.see(1, &RECONNECTS, "north", Some("often"));
    bench.see(1, &SILENCE, "north", Some("nothing"));
    bench.see(1, &SILENCE, "south", Some("nothing"));
    bench.see(2, &SILENCE, "north", None);
    let active: Vec<(&str, String)> =
        bench.alarms.active().iter().map(|alarm| (alarm.name, alarm.subject.clone())).collect();
    assert_eq!(active, [("silence", "south".to_owned()), ("reconnects", "north".to_owned())]);
    let counts = bench.alarms.counts();
    let of = |name| counts.iter().find(|(kind, _)| kind.name == name).unwrap().1;
    assert_eq!((of("silence"), of("reconnects"), of("malformed"), counts.len()), (1, 1, 0, ALL.len()));
}

#[test]
fn there_are_only_so_many() {
    let bench = Bench::new();
    for number in 0..2 * MOST {
        bench.see(1, &SILENCE, &number.to_string(), Some("nothing"));
    }
    assert_eq!(bench.alarms.active().len(), MOST);
    (0..2 * MOST).for_each(|number| bench.see(2, &SILENCE, &number.to_string(), None));
    assert_eq!((bench.alarms.active().len(), bench.alarms.over().len()), (0, KEPT));
}

#[test]
fn the_documentation_has_every_alarm_with_its_mend() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- alarms -->\n", "<!-- end of alarms -->\n");
    let (head, rest) = text.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let mut table = String::from("| alarm | severity | raised when | what to do |\n|---|---|---|---|\n");
    for kind in ALL {
        let Kind { name, severity, when, mend, .. } = kind;
        table += &format!("| `{name}` | {} | {when} | {mend} |\n", severity.word());
    }
    let expected = format!("{head}{begin}{table}{end}{tail}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == expected, "docs/monitoring.md is outdated: run this test with UPDATE=1");
}
