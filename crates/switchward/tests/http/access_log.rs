//! What a request leaves in the log.

use crate::support::{Daemon, Kernel};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// What was logged, a JSON object a line.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    /// Everything that this thread logs, which is all of a daemon on a runtime of one thread.
    pub(crate) fn of_this_thread(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(self.clone());
        tracing::subscriber::set_default(subscriber.with_max_level(tracing::Level::TRACE).finish())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn requests(&self) -> Vec<Value> {
        let lines = self.text();
        let values = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        values.filter(|line| line["message"] == "request").collect()
    }
}

#[tokio::test]
async fn a_request_is_one_line_without_its_body() {
    let log = Log::default();
    let _guard = log.of_this_thread();
    let daemon = Daemon::start().await;
    daemon
        .post("/security/blacklist", &json!({"ip": "nonsense", "reason": "marker-in-the-body"}))
        .await
        .error(400);
    daemon.ask("GET", "/health?token=marker-in-the-query").from([127, 0, 0, 2]).send().await.ok();
    daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from([127, 0, 0, 2]).send().await.error(403);
    let lines = log.requests();
    let shown: Vec<_> = lines
        .iter()
        .map(|line| json!([line["method"], line["path"], line["status"], line["peer"]]))
        .collect();
    let wanted = [
        json!(["POST", "/security/blacklist", 400, "127.0.0.1"]),
        json!(["GET", "/health", 200, "127.0.0.2"]),
        json!(["DELETE", "/security/blacklist/203.0.113.5", 403, "127.0.0.2"]),
    ];
    assert_eq!(shown, wanted);
    assert!(lines.iter().all(|line| line["ms"].is_f64() && line.get("body").is_none()), "{lines:?}");
    assert!(!log.text().contains("marker"), "{}", log.text());
}

#[tokio::test]
async fn the_answers_body_is_logged_when_that_is_wanted() {
    let log = Log::default();
    let _guard = log.of_this_thread();
    let daemon = Daemon::with(Kernel::None, |config| config.server.log_responses = true).await;
    daemon.get("/health").await.ok();
    assert!(log.requests()[0]["body"].as_str().unwrap().contains("\"ok\""));
}

#[tokio::test]
async fn nothing_is_logged_when_that_is_wanted() {
    let log = Log::default();
    let _guard = log.of_this_thread();
    let daemon = Daemon::with(Kernel::None, |config| config.server.log_requests = false).await;
    daemon.get("/health").await.ok();
    assert!(log.requests().is_empty());
}
