//! Files of countries beside a running daemon: named at a reload, replaced, damaged.

use crate::support::{Daemon, Stage, eventually};
use std::path::Path;

fn testdata(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/geo").join(name)).unwrap()
}

fn country(daemon: &Daemon) -> String {
    let bans = daemon.http.get("/security/bans");
    bans["bans"][0]["country"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_file_of_countries_is_taken_over_at_a_reload_and_by_itself_when_it_changes() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let daemon = stage.start("");
    assert!(daemon.http.ban("192.0.2.7"));
    assert_eq!(country(&daemon), "none");
    let file = stage.folder().join("country.mmdb");
    std::fs::write(&file, testdata("country.mmdb")).unwrap();
    stage.configure(&format!("geo.country_file = \"{}\"", file.display()));
    daemon.signal("HUP");
    let said = daemon.log.wait_for("the configuration is read anew");
    assert!(said.contains("geo.country_file"), "{said}");
    eventually("the file is read", || country(&daemon) == "DE");

    let beside = stage.folder().join("new.mmdb");
    std::fs::write(&beside, testdata("moved.mmdb")).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    eventually("the new file is read", || country(&daemon) == "SE");

    std::fs::write(&file, "<html>sign in first</html>").unwrap();
    let said = daemon.log.wait_for("is damaged or not in MaxMind DB format");
    assert!(
        said.contains("WARN") && said.contains("country.mmdb") && said.contains("download it again"),
        "{said}"
    );
    assert_eq!(country(&daemon), "SE");
    stage.agreed(&daemon);
}
