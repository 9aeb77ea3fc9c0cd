//! `/security/export` and `/security/import`.

use crate::support::{Answer, Daemon, within};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn import(daemon: &Daemon, query: &str, body: impl Into<hyper::body::Bytes>) -> Answer {
    daemon.ask("POST", &format!("/security/import?{query}")).body(body).send().await
}

fn counts(answer: &Value) -> [u64; 5] {
    ["added", "extended", "unchanged", "refused", "bad"].map(|name| answer[name].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere() {
    let from = Daemon::start().await;
    for ip in ["203.0.113.5", "198.51.100.0/24", "2001:db8::1", "203.0.113.8:5062"] {
        let body = json!({"ip": ip, "reason": "=a \"quoted\", reason", "note": "n", "ttl": "2h"});
        from.post("/security/blacklist", &body).await.ok();
    }
    for (format, kind, many) in [
        ("json", "application/json", 4),
        ("csv", "text/csv; charset=utf-8", 4),
        ("ipset", "text/plain; charset=utf-8", 3),
    ] {
        let text = from.get(&format!("/security/export?format={format}")).await;
        assert_eq!((text.status, text.headers["content-type"].to_str().unwrap()), (200, kind));
        let to = Daemon::start().await;
        let query = format!("format={format}");
        let dry = import(&to, &format!("{query}&dry_run=true"), text.body.clone()).await.ok();
        assert_eq!((counts(&dry), &dry["dryRun"]), ([many, 0, 0, 0, 0], &json!(true)), "{dry}");
        assert_eq!(to.get("/security/bans").await.ok()["total"], 0);
        let done = import(&to, &query, text.body.clone()).await.ok();
        assert_eq!(counts(&done), [many, 0, 0, 0, 0]);
        assert_eq!(to.get("/security/bans").await.ok()["total"], many);
        // The times of an ipset count from now on, so there a second import may extend.
        if format != "ipset" {
            assert_eq!(counts(&import(&to, &query, text.body).await.ok())[0..2], [0, 0]);
            let ban = &to.get("/security/bans?ip=203.0.113.5").await.ok()["bans"][0];
            assert_eq!((&ban["reason"], &ban["note"]), (&json!("=a \"quoted\", reason"), &json!("n")));
        }
    }
}

#[tokio::test]
async fn every_line_is_judged_like_an_order_and_none_stops_another() {
    let daemon = Daemon::start().await;
    daemon.post("/security/whitelist", &json!({"ip": "198.51.100.7"})).await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.1", "permanent": true})).await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.2", "ttl": "1h"})).await.ok();
    let table = "ip,until,reason\n203.0.113.1,2100-01-01T00:00:00Z,\n203.0.113.2,,longer\n203.0.113.3,,new\n\
                 198.51.100.7,,allow-listed\n10.0.0.1,,trusted\nnowhere,,bad\n203.0.113.9,yesterday,bad\n\
                 203.0.113.9,2001-01-01T00:00:00Z,over\n";
    for dry in [true, false] {
        let answer = import(&daemon, &format!("format=csv&dry_run={dry}"), table).await.ok();
        assert_eq!(counts(&answer), [1, 1, 1, 2, 3], "{answer}");
        let lines: Vec<u64> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["line"].as_u64().unwrap())
            .collect();
        assert_eq!(lines, [5, 6, 7, 8, 9]);
    }
    assert_eq!(daemon.get("/security/bans?ip=203.0.113.2").await.ok()["bans"][0]["until"], Value::Null);
    assert_eq!(daemon.get("/security/bans").await.ok()["total"], 3);
    let allows = "ip,userId\n192.0.2.1,bob\n203.0.113.1:5060,x\n";
    let answer = import(&daemon, "what=allows&format=csv", allows).await.ok();
    assert_eq!(counts(&answer), [1, 0, 0, 1, 0]);
    assert_eq!(daemon.get("/security/allows?account=bob").await.ok()["matched"], 1);
}

#[tokio::test]
async fn the_audit_tells_what_an_import_came_to_and_which_was_dry() {
    let daemon = Daemon::start().await;
    let body = "ip\n203.0.113.5\n203.0.113.6\nnowhere\n";
    import(&daemon, "format=csv&dry_run=true", body).await.ok();
    import(&daemon, "format=csv", body).await.ok();
    import(&daemon, "format=csv&what=allows", "ip\n192.0.2.1\n").await.ok();
    let page = daemon.get("/security/audit?action=import").await.ok();
    let details: Vec<&str> =
        page["entries"].as_array().unwrap().iter().map(|row| row["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["allows, 1 added", "bans, 2 added, 1 bad", "bans, dry run, 2 added, 1 bad"]);
}

#[tokio::test]
async fn what_is_no_list_is_told_and_too_much_is_refused() {
    let daemon = Daemon::start().await;
    for (format, body) in
        [("json", "{}"), ("json", "1"), ("json", ""), ("json", "[1,"), ("csv", ""), ("ipset", "\n ")]
    {
        import(&daemon, &format!("format={format}"), body).await.error(400);
    }
    for (format, body) in [("json", "[1]"), ("csv", "a,b\n1,2\n"), ("ipset", "flush x")] {
        let answer = import(&daemon, &format!("format={format}"), body).await.ok();
        assert!(answer["bad"].as_u64().unwrap() >= 1, "{format} {body}: {answer}");
    }
    let half = "[{\"ip\": \"203.0.113.5\"}, {\"ip\"";
    import(&daemon, "format=json", half).await.error(400);
    assert_eq!(daemon.get("/security/bans").await.ok()["total"], 0);
    daemon.ask("POST", "/security/import?format=csv").json().body("ip\n").send().await.error(400);
    import(&daemon, "format=xml", "[]").await.error(400);
    import(&daemon, "dry=yes", "[]").await.error(400);
    daemon.get("/security/export?what=all").await.error(400);
    import(&daemon, "format=csv", vec![b'x'; (32 << 20) + 1]).await.error(413);
    let two_mib = format!("ip\n{}", "203.0.113.1\n".repeat(200_000));
    assert_eq!(import(&daemon, "format=csv", two_mib).await.ok()["unchanged"], 199_999);
    let denied = daemon.ask("POST", "/security/import").from([127, 0, 0, 2]).body("[]").send().await;
    denied.error(403);
}

#[expect(clippy::disallowed_methods, reason = "the real tool is asked")]
#[tokio::test]
async fn ipset_takes_the_export_and_its_own_list_comes_back() {
    let daemon = Daemon::start().await;
    for (ip, ttl, scope) in
        [("203.0.113.5", "2h", "all"), ("198.51.100.0/24", "1h", "sip"), ("2001:db8::1", "1h", "all")]
    {
        let body = json!({"ip": ip, "ttl": ttl, "scope": scope, "reason": "it's \"bad\""});
        daemon.post("/security/blacklist", &body).await.ok();
    }
    let text = daemon.get("/security/export?format=ipset").await.body;
    // In a network namespace of its own, which ends with the command.
    let mut ipset = Command::new("unshare")
        .args(["-n", "sh", "-c", "ipset restore && ipset save"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ipset.stdin.take().unwrap().write_all(&text).unwrap();
    let done = ipset.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}\n{}", String::from_utf8_lossy(&text));
    let other = Daemon::start().await;
    let answer = import(&other, "format=ipset", done.stdout).await.ok();
    assert_eq!(counts(&answer), [3, 0, 0, 0, 0], "{answer}");
    let ban = &other.get("/security/bans?ip=198.51.100.9").await.ok()["bans"][0];
    assert_eq!((&ban["scope"], &ban["reason"]), (&json!("sip"), &json!("it's bad")));
}

#[tokio::test]
async fn unfinished_bodies_are_few_and_the_places_come_back() {
    let daemon = Daemon::start().await;
    let head = b"POST /security/import HTTP/1.1\r\nHost: x\r\nContent-Length: 33000000\r\n\r\n[";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(daemon.address).await.unwrap();
        stream.write_all(head).await.unwrap();
        open.push(stream);
    }
    let until = async |status| {
        while import(&daemon, "dry_run=true", "[]").await.status != status {
            tokio::task::yield_now().await;
        }
    };
    within(until(503)).await;
    drop(open);
    within(until(200)).await;
}
