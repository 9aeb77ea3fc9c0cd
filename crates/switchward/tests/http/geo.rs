//! Country and autonomous system beside an address: shown, searched, sorted, replaced, damaged, not there.

use crate::support::{Daemon, Kernel, fields};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A copy of a test file that may be replaced.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn of(name: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        let file = File { path: folder.path().join("country.mmdb"), _folder: folder };
        file.replace(name);
        file
    }

    /// As a download tool does it: written beside it, then renamed.
    fn replace(&self, name: &str) {
        let beside = self.path.with_extension("new");
        std::fs::copy(testdata(name), &beside).unwrap();
        std::fs::rename(beside, &self.path).unwrap();
    }
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/geo").join(name)
}

fn look(daemon: &Daemon) {
    daemon.app.geo.look(&daemon.app.config.load().geo);
}

async fn daemon(country: Option<&Path>, systems: Option<&Path>) -> Daemon {
    let daemon = Daemon::with(Kernel::None, |config| {
        config.geo.country_file = country.map(Into::into);
        config.geo.as_file = systems.map(Into::into);
    })
    .await;
    look(&daemon);
    for ip in ["192.0.2.7", "198.51.100.0/24", "203.0.113.8:5062", "2001:db8:1::/48", "198.18.0.7"] {
        daemon.post("/security/blacklist", &json!({"ip": ip, "reason": "spam"})).await.ok();
    }
    daemon
}

fn targets(page: &Value) -> Vec<&str> {
    page["bans"].as_array().unwrap().iter().map(|ban| ban["target"].as_str().unwrap()).collect()
}

fn country_of<'a>(page: &'a Value, target: &str) -> &'a Value {
    &page["bans"].as_array().unwrap().iter().find(|ban| ban["target"] == target).unwrap()["country"]
}

#[tokio::test]
async fn bans_history_and_why_tell_country_and_system() {
    let daemon = daemon(Some(&testdata("country.mmdb")), Some(&testdata("as.mmdb"))).await;
    let page = daemon.get("/security/bans?sort=target&order=asc").await.ok();
    let told: Vec<[&Value; 4]> = page["bans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ban| [&ban["target"], &ban["country"], &ban["asNumber"], &ban["asName"]])
        .collect();
    assert_eq!(told[0], [&json!("192.0.2.7"), &json!("DE"), &json!(64496), &json!("Example Net")]);
    let of = |target: &str| *told.iter().find(|ban| ban[0] == target).unwrap();
    assert_eq!(of("203.0.113.8:5062")[1..], [&json!("US"), &Value::Null, &Value::Null]);
    assert_eq!(of("2001:db8:1::/48")[1..], [&json!("JP"), &json!(64511), &json!("Beispiel ß")]);
    assert_eq!(of("198.18.0.7")[1..], [&Value::Null; 3]);
    let name = of("198.51.100.0/24")[3].as_str().unwrap();
    assert!(name.contains(r"\u{202e}Name\u{1b}[31m") && name.len() < 120, "{name}");

    daemon.delete("/security/blacklist/192.0.2.7").await.ok();
    let history = daemon.get("/security/history?ip=192.0.2.7").await.ok();
    assert_eq!(history["history"][0]["ban"]["country"], "DE");
    let found = daemon.get("/security/history?country=jp").await.ok();
    assert_eq!(found["history"].as_array().unwrap().len(), 1);
    assert_eq!(found["history"][0]["ban"]["target"], "2001:db8:1::/48");

    let why = daemon.get("/security/why/192.0.2.9").await.ok();
    assert_eq!(
        (&why["country"], &why["asNumber"], &why["asName"]),
        (&json!("DE"), &json!(64496), &json!("Example Net"))
    );
    assert!(why["text"].as_str().unwrap().contains("it belongs to DE, AS64496 Example Net"), "{why}");
}

#[tokio::test]
async fn bans_are_searched_and_sorted_by_country() {
    let daemon = daemon(Some(&testdata("country.mmdb")), None).await;
    for (query, expected) in [
        ("country=DE", vec!["192.0.2.7"]),
        ("country=fr", vec!["198.51.100.0/24"]),
        ("country=US&reason=spam", vec!["203.0.113.8:5062"]),
        ("country=US&reason=other", vec![]),
        ("country=BR", vec![]),
        ("country=&ip=192.0.2.7", vec!["192.0.2.7"]),
        (
            "sort=country&order=asc",
            vec!["192.0.2.7", "198.51.100.0/24", "2001:db8:1::/48", "203.0.113.8:5062", "198.18.0.7"],
        ),
    ] {
        let page = daemon.get(&format!("/security/bans?{query}")).await.ok();
        assert_eq!(targets(&page), expected, "{query}");
        assert_eq!(page["total"], 5);
    }
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("/security/bans?sort=country&limit=2{cursor}")).await.ok();
        paged.extend(targets(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, ["198.18.0.7", "203.0.113.8:5062", "2001:db8:1::/48", "198.51.100.0/24", "192.0.2.7"]);
    for wrong in ["D", "DEU", "D1", "%C3%9F"] {
        for list in ["bans", "history"] {
            let error = daemon.get(&format!("/security/{list}?country={wrong}")).await.error(400);
            assert!(error.contains("two letters"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_replaced_file_changes_the_answers_and_a_damaged_one_does_not() {
    let file = File::of("country.mmdb");
    let daemon = daemon(Some(&file.path), None).await;
    let bans = async || daemon.get("/security/bans").await.ok();
    assert_eq!(country_of(&bans().await, "192.0.2.7"), "DE");
    file.replace("moved.mmdb");
    look(&daemon);
    assert_eq!(country_of(&bans().await, "192.0.2.7"), "SE");
    assert_eq!(targets(&daemon.get("/security/bans?country=NO").await.ok()), ["203.0.113.8:5062"]);

    let whole = std::fs::read(&file.path).unwrap();
    std::fs::write(&file.path, &whole[..whole.len() / 2]).unwrap();
    look(&daemon);
    assert_eq!(country_of(&bans().await, "192.0.2.7"), "SE");
    let overview = daemon.get("/security/overview").await.ok();
    let warnings = overview["warnings"].to_string();
    for word in ["geo.country_file", "country.mmdb", "damaged", "download it again", "stays in use"] {
        assert!(warnings.contains(word), "{word} is not in {warnings}");
    }
    assert_eq!(
        (&overview["geo"][0]["loaded"], &overview["geo"][0]["kind"]),
        (&json!(true), &json!("GeoLite2-Country"))
    );
    assert!(overview["geo"][0]["trouble"].is_string());

    file.replace("old.mmdb");
    look(&daemon);
    let overview = daemon.get("/security/overview").await.ok();
    assert_eq!(overview["geo"][0]["built"], "2020-09-13T12:26:40Z");
    assert!(overview["geo"][0]["ageDays"].as_u64().unwrap() > 2000);
    assert_eq!(overview["geo"][0]["trouble"], Value::Null);
    assert!(overview["warnings"].to_string().contains("get a newer one"), "{overview}");
}

#[tokio::test]
async fn without_a_file_nothing_is_told_and_all_else_works() {
    let daemon = daemon(None, None).await;
    let page = daemon.get("/security/bans?sort=country").await.ok();
    assert_eq!(targets(&page).len(), 5);
    for name in
        fields(&page["bans"][0]).into_iter().chain(fields(&daemon.get("/security/why/192.0.2.7").await.ok()))
    {
        assert!(!["country", "asNumber", "asName"].contains(&name), "{name}");
    }
    let overview = daemon.get("/security/overview").await.ok();
    assert!(!fields(&overview).contains(&"geo"), "{overview}");
    for list in ["bans", "history"] {
        let error = daemon.get(&format!("/security/{list}?country=DE")).await.error(404);
        assert!(error.contains("set geo.country_file"), "{error}");
    }
    let missing = Daemon::with(Kernel::None, |config| {
        config.geo.country_file = Some("/nowhere/country.mmdb".into());
    })
    .await;
    look(&missing);
    let overview = missing.get("/security/overview").await.ok();
    assert_eq!(overview["geo"][0]["loaded"], false);
    assert!(overview["warnings"].to_string().contains("/nowhere/country.mmdb: cannot be read"), "{overview}");
    missing.post("/security/blacklist", &json!({"ip": "192.0.2.7"})).await.ok();
    assert_eq!(targets(&missing.get("/security/bans").await.ok()), ["192.0.2.7"]);
}
