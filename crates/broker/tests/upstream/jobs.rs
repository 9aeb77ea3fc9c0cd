//! Background jobs.

use crate::support::{SOON, ask, is_up, quick, received, switch, text, until, upstream};
use broker::{
    Line,
    upstream::{Ask, CallError, JobId, Settings},
};
use simswitch::Event;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn each_of_many_jobs_gets_its_own_result_over_one_connection() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let before = switch.connections();
    let mut jobs = Vec::new();
    for n in 0..100 {
        let command = if n % 10 == 0 { format!("msleep {}", 30 - n / 10) } else { format!("echo {n}") };
        let started = upstream.bgapi(Line::new(&command).unwrap(), None, ask(SOON)).await.unwrap();
        jobs.push((n, started));
    }
    for (n, started) in jobs.into_iter().rev() {
        let expected = if n % 10 == 0 { "+OK\n".to_owned() } else { n.to_string() };
        assert_eq!(text(started.result.wait().await.unwrap()), expected);
    }
    assert_eq!(switch.connections(), before);
    until("none runs", || upstream.counts().jobs == 0).await;
}

#[tokio::test]
async fn a_job_has_the_id_of_its_caller_unless_it_is_in_use() {
    let switch = switch().await;
    let upstream = upstream(&switch, Settings { jobs: 2, ..quick() }).await;
    let id: JobId = "01234567-89AB-4cde-8f01-23456789abcd".parse().unwrap();
    let slow = Line::new("msleep 60000").unwrap();
    let started = upstream.bgapi(slow, Some(id.clone()), ask(SOON)).await.unwrap();
    assert_eq!(started.job.as_str(), "01234567-89ab-4cde-8f01-23456789abcd");
    let again = upstream.bgapi(slow, Some(id.clone()), ask(SOON)).await;
    assert!(matches!(again, Err(CallError::JobInUse)));
    let _another = upstream.bgapi(slow, None, ask(SOON)).await.unwrap();
    let third = upstream.bgapi(slow, None, ask(SOON)).await;
    assert!(matches!(third, Err(CallError::TooManyJobs(2))));
    assert_eq!(received(&switch, "bgapi msleep 60000"), 2);
}

#[tokio::test]
async fn a_lost_connection_ends_its_jobs_and_says_so() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let started = upstream.bgapi(Line::new("msleep 60000").unwrap(), None, ask(SOON)).await.unwrap();
    switch.kill_connections();
    let error = started.result.wait().await.unwrap_err();
    assert!(matches!(error, CallError::Lost(_)) && error.was_sent(), "{error}");
    is_up(&upstream).await;
    let started = upstream.bgapi(Line::new("echo 1").unwrap(), None, ask(SOON)).await.unwrap();
    assert_eq!(text(started.result.wait().await.unwrap()), "1");
}

#[tokio::test]
async fn a_job_is_given_up_at_its_limit_and_its_late_end_is_nobody_elses() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let limit = ask(Duration::from_millis(50));
    let started = upstream.bgapi(Line::new("msleep 300").unwrap(), None, limit).await.unwrap();
    let id = started.job.clone();
    assert!(matches!(started.result.wait().await, Err(CallError::Timeout(_))));
    until("it does not count", || upstream.counts().jobs == 0).await;
    let next = upstream.bgapi(Line::new("msleep 600").unwrap(), None, ask(SOON)).await.unwrap();
    assert_ne!(next.job, id);
    assert_eq!(text(next.result.wait().await.unwrap()), "+OK\n");
}

#[tokio::test]
async fn a_false_end_ends_no_job() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let started = upstream.bgapi(Line::new("msleep 300").unwrap(), None, ask(SOON)).await.unwrap();
    let job = &started.job;
    let headers = format!(
        "Event-Name: BACKGROUND_JOB\nCommand: sendevent%20BACKGROUND_JOB\nJob-UUID: {job}\nContent-Length: 5\n\nfalse"
    );
    assert!(switch.emit(&Event::from_plain(headers.into_bytes()).unwrap()) > 0);
    assert_eq!(text(started.result.wait().await.unwrap()), "+OK\n");
}

#[tokio::test]
async fn the_result_is_cut_and_a_waiter_that_goes_ends_nothing() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    switch.set_api("show", &"x".repeat(5000));
    let ask = Ask { limit: SOON, most: 10, is_read: true };
    let started = upstream.bgapi(Line::new("show").unwrap(), None, ask).await.unwrap();
    let answer = started.result.wait().await.unwrap();
    assert_eq!((answer.bytes.len(), answer.cut), (10, true));
    drop(upstream.bgapi(Line::new("msleep 20").unwrap(), None, ask).await.unwrap());
    until("it ended", || upstream.counts().jobs == 0).await;
}

#[tokio::test]
async fn a_switch_that_is_gone_takes_no_job_and_none_is_started_late() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    switch.stop().await;
    until("it is noticed", || upstream.state().jobs.is_down()).await;
    let refused = Arc::clone(&upstream);
    let error = refused.bgapi(Line::new("echo 1").unwrap(), None, ask(SOON)).await.unwrap_err();
    assert!(matches!(error, CallError::Down { .. }), "{error}");
    switch.restart().await.unwrap();
    is_up(&upstream).await;
    assert_eq!(received(&switch, "bgapi echo 1"), 0);
}
