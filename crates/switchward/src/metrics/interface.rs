//! The HTTP interface: what is asked, the live streams, the log-ins.

use super::exposition::Family;
use crate::app::App;

pub(super) fn families(app: &App) -> Vec<Family> {
    let monitor = &app.monitor;
    let mut requests =
        Family::counter("switchward_http_requests", "Requests by route and class of the answer's status.");
    let mut took = Family::histogram(
        "switchward_http_request_duration_seconds",
        "From a request's head to the head of its answer.",
    );
    for ((method, route), asked) in monitor.requests.all() {
        let labels = [("method", method), ("route", route.as_str())];
        for (class, count) in CLASSES.into_iter().zip(&asked.classes) {
            if count.value() > 0 {
                let [method, route] = labels;
                requests = requests.count(&[method, route, ("status", class)], count.value());
            }
        }
        took = took.durations(&labels, &asked.took);
    }
    let streams = &monitor.streams;
    vec![
        requests,
        took,
        Family::counter("switchward_logins_failed", "Tokens and passwords that were not right.")
            .count(&[], monitor.logins_failed.value()),
        Family::gauge("switchward_streams", "Live streams.").count(&[], streams.count() as u64),
        Family::counter("switchward_streams_refused", "Live streams refused because there were too many.")
            .count(&[], streams.refused.value()),
        Family::counter("switchward_streams_cut_off", "Live streams whose reader was too slow.")
            .count(&[], streams.cut_off.value()),
        Family::counter("switchward_news", "Items told to all who follow.")
            .count(&[], app.mirror.news().told()),
    ]
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
