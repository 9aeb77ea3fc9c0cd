//! How long what rings may take, and how many of it there may be.

use crate::support::{Bench, texts, until};
use broker::Terms;
use broker::desk::{Order, Refused};
use broker::rulebook::{Rules as Written, User};
use broker::upstream::CallError;
use std::time::Duration;

const RING: &str = "originate user/1001@pbx.example &park";

fn users() -> Vec<User> {
    // As a dialer, and what takes its time: a dialer may not let the switch sleep.
    let allow = texts(&["originate user/*@{domain} $", "&park $", "uuid_kill {own}", "msleep", "status"]);
    let caller = |name: &str, rules: Written| User {
        name: name.into(),
        account: "crm@pbx.example".parse().ok(),
        roles: Vec::new(),
        rules: Written { allow: allow.clone(), ..rules },
    };
    let own = vec![("originate".to_owned(), Duration::from_millis(150))];
    vec![
        caller("crm", Written::default()),
        caller("hasty", Written { timeouts: own, ..Written::default() }),
        caller("strict", Written { timeout: Some(Duration::from_millis(150)), ..Written::default() }),
        caller("few", Written { rate: Some(3), ..Written::default() }),
    ]
}

fn is_late<T>(result: &Result<T, Refused>) -> bool {
    matches!(result, Err(Refused::Failed { error: CallError::Timeout(_), .. }))
}

#[tokio::test]
async fn a_phone_may_ring_longer_than_a_command_may_take() {
    let long = Duration::from_secs(60);
    let terms = Terms {
        timeout: Duration::from_millis(150),
        call_timeout: long,
        job_timeout: long,
        ..Terms::default()
    };
    let bench = Bench::open(&users(), terms).await;
    bench.switch.set_api("originate", "+OK 11111111-2222-3333-4444-555555555555\n");
    bench.switch.set_api_delay(Duration::from_millis(600));
    let job = bench.start("crm", RING).await.unwrap();
    assert!(bench.run("crm", RING).await.unwrap().starts_with("+OK 1111"));
    assert!(job.result.await.unwrap().unwrap().text.starts_with(b"+OK 1111"));
    // Other commands have their own time, and a rule's word counts before everything, for jobs, too.
    assert!(is_late(&bench.run("crm", "status").await));
    for name in ["hasty", "strict"] {
        assert!(is_late(&bench.run(name, RING).await), "{name}");
        let job = bench.start(name, RING).await.unwrap();
        assert!(is_late(&job.result.await.unwrap()), "{name}");
    }
}

#[tokio::test]
async fn a_hundred_phones_ring_at_once_and_the_caller_still_gives_commands() {
    let bench = Bench::open(&users(), Terms { concurrency: 2, ..Terms::default() }).await;
    let mut ringing = Vec::new();
    for _ in 0..100 {
        ringing.push(bench.start("crm", "msleep 600000").await.unwrap());
    }
    assert_eq!(bench.upstream().counts().jobs, 100);
    assert!(bench.run("crm", "status").await.unwrap().starts_with("UP "));
    // A call that is waited for is a job at the switch, too.
    bench.switch.set_api("originate", "+OK\n");
    assert_eq!(bench.run("crm", RING).await.unwrap(), "+OK\n");
    assert_eq!(bench.received(&format!("bgapi {RING}")), 1);
}

#[tokio::test]
async fn nobody_has_more_jobs_than_may_and_others_are_not_held_up() {
    let bench = Bench::open(&users(), Terms { jobs: 3, ..Terms::default() }).await;
    bench.switch.set_api("originate", "+OK\n");
    let mut running = Vec::new();
    for _ in 0..2 {
        running.push(bench.start("crm", "msleep 600000").await.unwrap());
    }
    let short = bench.start("crm", "msleep 700").await.unwrap();
    assert!(matches!(bench.start("crm", "msleep 600000").await, Err(Refused::TooManyJobs(3))));
    assert!(matches!(bench.run("crm", RING).await, Err(Refused::TooManyJobs(3))));
    assert_eq!(bench.received("bgapi "), 3, "what is refused is not sent");
    assert!(bench.start("hasty", "msleep 1").await.is_ok());
    short.result.await.unwrap().unwrap();
    until("its place is free", || bench.upstream().counts().jobs == 2).await;
    assert_eq!(bench.run("crm", RING).await.unwrap(), "+OK\n");
}

#[tokio::test]
async fn asking_why_counts_for_the_asker() {
    let bench = Bench::open(&users(), Terms::default()).await;
    let kill = |n: usize| format!("uuid_kill 9e8f3f0a-0000-4000-8000-{n:012}");
    let (few, crm) = (bench.visit("few"), bench.visit("crm"));
    for n in 0..3 {
        let command = kill(n);
        let order = Order { command: &command, switch: None };
        assert!(bench.desk.explain(&few, &crm, order).await.is_ok());
    }
    let command = kill(3);
    let order = Order { command: &command, switch: None };
    assert!(matches!(bench.desk.explain(&few, &crm, order).await, Err(Refused::TooFast { .. })));
    assert!(bench.desk.explain(&crm, &few, order).await.is_ok());
    assert_eq!(bench.received("api uuid_dump"), 4);
}
