//! Which rows of `show` are told to whom.

use crate::support::{Bench, texts, until};
use broker::desk::Refused;
use broker::events::Rows;
use broker::rulebook::{Rules as Written, User};
use broker::{Account, Terms};
use simswitch::Event;

const OURS: &str = "11111111-0000-4000-8000-000000000001";
const MINE: &str = "11111111-0000-4000-8000-000000000002";
const THEIRS: &str = "22222222-0000-4000-8000-000000000001";
/// A trunk's, which nobody logged in at.
const TRUNK: &str = "33333333-0000-4000-8000-000000000001";

fn user(name: &str, account: &str, roles: &[&str], allow: &[&str], rows: Rows) -> User {
    let rules = Written { allow: texts(allow), rows, ..Written::default() };
    User { name: name.into(), account: account.parse().ok(), roles: texts(roles), rules }
}

fn users() -> Vec<User> {
    let own = Rows::default();
    vec![
        user("ours", "crm@pbx.example", &["dialer"], &["show registrations", "xml_wrap"], own),
        user("theirs", "crm@other.example", &["dialer"], &["show registrations"], own),
        user("agent", "1000@pbx.example", &["agent"], &["show", "expand", "sched_api"], own),
        user("stranger", "", &["dialer"], &[], own),
        user("monitor", "", &["monitor"], &[], own),
        user("widened", "", &["dialer"], &["show registrations"], Rows::All),
    ]
}

/// A channel of somebody who logged in, or of nobody.
fn created(uuid: &str, account: Option<&str>) -> Event {
    let mut text = format!(
        "Event-Name: CHANNEL_CREATE\nEvent-Calling-File: switch_core_state_machine.c\nUnique-ID: {uuid}\nCall-Direction: inbound\n"
    );
    if let Some(Account { user, domain }) = account.and_then(|account| account.parse().ok()) {
        text += &format!(
            "variable_sip_authorized: true\nvariable_user_name: {user}\nvariable_domain_name: {domain}\n"
        );
    }
    Event::from_plain((text + "\n").into_bytes()).unwrap()
}

/// A row as FreeSWITCH tells it, with a presence id that its caller chose.
fn row(uuid: &str, call: &str, presence: &str) -> String {
    format!(
        "{{\"uuid\":\"{uuid}\",\"cid_name\":\"x, y\",\"presence_id\":\"{presence}\",\"call_uuid\":\"{call}\"}}"
    )
}

async fn bench() -> Bench {
    let bench = Bench::open(&users(), Terms::default()).await;
    let rows = [
        row(OURS, OURS, "1001@pbx.example"),
        row(MINE, "", "1000@pbx.example"),
        // One that claims to be ours.
        row(THEIRS, THEIRS, "1000@pbx.example"),
        row(TRUNK, OURS, ""),
        row("44444444-0000-4000-8000-000000000001", "", "1000@else.example"),
    ];
    let text = format!("{{\"row_count\":5,\"rows\":[{}]}}", rows.join(","));
    bench.switch.set_api("show channels as json", &text);
    bench.switch.set_api("show calls as json", &text);
    let registered = |user: &str, domain: &str| {
        format!(
            "{{\"reg_user\":\"{user}\",\"realm\":\"{domain}\",\"url\":\"sofia/internal/sip:{user}@192.0.2.10\"}}"
        )
    };
    let phones = [
        registered("1000", "pbx.example"),
        registered("1001", "pbx.example"),
        registered("1000", "other.example"),
    ];
    let text = format!("{{\"row_count\":3,\"rows\":[{}]}}", phones.join(","));
    bench.switch.set_api("show registrations as json", &text);
    // Nobody follows events: whose a channel is is known all the same.
    until("the switch sends what is needed", || {
        bench.switch.emit(&created(OURS, Some("1001@pbx.example")));
        bench.upstream().owners().owner(OURS).is_some()
    })
    .await;
    for (uuid, account) in
        [(MINE, Some("1000@pbx.example")), (THEIRS, Some("1000@other.example")), (TRUNK, None)]
    {
        bench.switch.emit(&created(uuid, account));
    }
    until("all is known", || {
        let owners = bench.upstream().owners();
        owners.owner(MINE).is_some() && owners.owner(THEIRS).is_some()
    })
    .await;
    bench
}

fn uuids(table: &str) -> Vec<&str> {
    let lines = table.lines().skip(1).filter_map(|line| line.split_once(','));
    lines.map(|(uuid, _)| uuid).collect()
}

#[tokio::test]
async fn a_dialer_sees_calls_and_phones_of_the_own_domain_alone() {
    let bench = bench().await;
    let ours = bench.run("ours", "show channels").await.unwrap();
    // The trunk's leg is part of a call of ours.
    assert_eq!(uuids(&ours), [OURS, MINE, TRUNK], "{ours}");
    assert!(
        ours.starts_with("uuid,cid_name,presence_id,call_uuid\n") && ours.ends_with("\n\n3 total.\n"),
        "{ours}"
    );
    let theirs = bench.run("theirs", "show calls").await.unwrap();
    assert_eq!(uuids(&theirs), [THEIRS], "{theirs}");
    let phones = bench.run("theirs", "show registrations").await.unwrap();
    assert_eq!(
        phones,
        "reg_user,realm,url\n1000,other.example,sofia/internal/sip:1000@192.0.2.10\n\n1 total.\n"
    );
    // A job does no more.
    let job = bench.start("theirs", "show channels").await.unwrap();
    assert_eq!(uuids(&String::from_utf8(job.result.await.unwrap().unwrap().text).unwrap()), [THEIRS]);
    assert_eq!(bench.received("bgapi show channels as json"), 1);
}

#[tokio::test]
async fn an_agent_sees_the_own_account_and_the_form_is_the_one_that_was_wanted() {
    let bench = bench().await;
    let json = bench.run("agent", "show channels as json").await.unwrap();
    assert_eq!(json, format!("{{\"row_count\":1,\"rows\":[{}]}}", row(MINE, "", "1000@pbx.example")));
    assert_eq!(bench.run("agent", "show channels count").await.unwrap(), "\n1 total.\n");
    assert_eq!(bench.run("agent", "show registrations count").await.unwrap(), "\n1 total.\n");
    assert!(bench.run("agent", "show modules").await.is_ok(), "these are nobody's");
    bench.switch.set_api("show calls as json", "{\"row_count\": 0}\n");
    assert_eq!(bench.run("agent", "show calls").await.unwrap(), "\n0 total.\n");
    bench.switch.set_api("show calls as json", "-ERR SQL Error [x]\n{\"row_count\":1,\"rows\":[]}");
    assert_eq!(bench.run("agent", "show calls").await.unwrap(), "-ERR SQL Error [x]\n");
    bench.switch.set_api("show calls as json", "uuid,cid_name\nall of them");
    assert!(matches!(bench.run("agent", "show calls").await, Err(Refused::Failed { .. })));
}

#[tokio::test]
async fn what_cannot_be_told_in_part_is_refused_and_never_sent() {
    let bench = bench().await;
    let before = bench.received("api ") + bench.received("bgapi ");
    for (name, command) in [
        ("ours", "show channels as xml"),
        ("ours", "show 'channels'"),
        ("agent", "show tasks"),
        ("agent", "expand show channels"),
        ("agent", "expand echo ${show(channels)}"),
        ("agent", "sched_api +1 none show calls"),
        ("ours", "bgapi show channels"),
        ("ours", "xml_wrap show channels"),
        ("stranger", "show channels"),
    ] {
        let refused = bench.run(name, command).await.unwrap_err();
        assert!(matches!(&refused, Refused::Denied { .. }), "{name} {command}: {refused}");
    }
    let why = bench.run("stranger", "show calls").await.unwrap_err().to_string();
    assert!(why.contains("no account") && why.contains("rows"), "{why}");
    assert_eq!(bench.received("api ") + bench.received("bgapi "), before);
}

#[tokio::test]
async fn who_may_see_all_rows_gets_the_switchs_own_answer() {
    let bench = bench().await;
    bench.switch.set_api("show channels", "as the switch writes it");
    for name in ["monitor", "widened"] {
        assert_eq!(bench.run(name, "show channels").await.unwrap(), "as the switch writes it", "{name}");
    }
    assert_eq!(bench.received("api show channels as json"), 0);
}

#[tokio::test]
async fn of_a_call_that_was_there_before_only_what_claims_to_be_of_the_domain_is_asked_about() {
    let bench = bench().await;
    let unknown = |n: u32| format!("55555555-0000-4000-8000-{n:012}");
    let mut rows: Vec<String> = (0..40).map(|n| row(&unknown(n), "", "1009@other.example")).collect();
    rows.push(row(&unknown(99), "", "1009@pbx.example"));
    let text = format!("{{\"row_count\":41,\"rows\":[{}]}}", rows.join(","));
    bench.switch.set_api("show channels as json", &text);
    let dump = format!(
        "{{\"Event-Name\":\"CHANNEL_DATA\",\"Unique-ID\":\"{}\",\"Call-Direction\":\"inbound\",\"variable_sip_authorized\":\"true\",\
         \"variable_user_name\":\"1009\",\"variable_domain_name\":\"pbx.example\"}}",
        unknown(99)
    );
    bench.switch.set_api(&format!("uuid_dump {} json", unknown(99)), &dump);
    let told = bench.run("ours", "show channels").await.unwrap();
    assert_eq!(uuids(&told), [unknown(99)], "{told}");
    assert_eq!(bench.received("api uuid_dump"), 1);
    // However many claim it, the switch is asked about a few.
    bench.run("theirs", "show channels").await.unwrap();
    assert_eq!(bench.received("api uuid_dump"), 17);
}
