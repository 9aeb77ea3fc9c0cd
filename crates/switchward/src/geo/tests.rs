//! Countries and systems of addresses, out of real database files.

use super::*;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/geo").join(name)
}

fn geo(country: Option<&str>, systems: Option<&str>) -> Geo {
    let geo = Geo::default();
    geo.look(&config::Geo {
        country_file: country.map(file),
        as_file: systems.map(file),
        ..Default::default()
    });
    geo
}

fn told(atlas: &Atlas, ip: &str) -> String {
    atlas.lookup(ip.parse().unwrap()).map(|place| place.to_string()).unwrap_or_default()
}

/// What the test files know.
pub(crate) fn atlas() -> Arc<Atlas> {
    geo(Some("country.mmdb"), Some("as.mmdb")).atlas()
}

#[test]
fn a_country_and_a_system_are_found_in_two_files() {
    let atlas = atlas();
    assert_eq!(told(&atlas, "192.0.2.77"), "DE, AS64496 Example Net");
    assert_eq!(told(&atlas, "::ffff:192.0.2.77"), "DE, AS64496 Example Net");
    assert_eq!(told(&atlas, "203.0.113.1"), "US");
    assert_eq!(told(&atlas, "2001:db8:7::1"), "JP, AS64511 Beispiel ß");
    assert_eq!(atlas.lookup("198.18.0.1".parse().unwrap()), None);
    let name = atlas.lookup("198.51.100.1".parse().unwrap()).unwrap().as_name.unwrap();
    assert!(name.starts_with(r"Turned \u{202e}Name\u{1b}[31m xx"), "{name}");
    assert!(name.len() < 120 && !name.contains(char::is_control), "{name}");
}

#[test]
fn a_network_and_a_port_are_where_their_address_is() {
    let atlas = geo(Some("country.mmdb"), None).atlas();
    for (target, country) in [
        ("198.51.100.0/25", "FR"),
        ("192.0.2.9:5062", "DE"),
        ("2001:db8::1", "JP"),
        ("[2001:db8::1]:5060", "JP"),
    ] {
        let found = atlas.country(target.parse().unwrap());
        assert_eq!(found, Country::new(country), "{target}");
    }
    assert_eq!(atlas.country("198.18.0.0/15".parse().unwrap()), None);
}

#[test]
fn flat_records_with_both_are_read_and_odd_ones_say_nothing() {
    let atlas = geo(Some("both.mmdb"), None).atlas();
    assert_eq!(told(&atlas, "192.0.2.1"), "DE, AS64496 Example Net");
    assert_eq!(told(&atlas, "198.51.100.1"), "FR, AS64497 Exemple");
    assert_eq!(told(&atlas, "203.0.113.1"), "US, AS64498");
    assert_eq!(atlas.lookup("2001:db8::1".parse().unwrap()), None);
}

#[test]
fn an_old_file_is_used_and_told_of() {
    let atlas = geo(Some("old.mmdb"), Some("as.mmdb")).atlas();
    assert_eq!(told(&atlas, "192.0.2.1"), "DE, AS64496 Example Net");
    let built = Time::from_secs(1_795_000_000);
    let warnings = atlas.warnings(built);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("geo.country_file") && warnings[0].contains("built 2256 days ago"),
        "{warnings:?}"
    );
    assert_eq!(atlas.warnings(built + TOO_OLD + Duration::from_secs(DAY)).len(), 2);
}

#[test]
fn a_file_that_is_no_such_file_is_named_with_the_mend_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country.mmdb");
    let wanted = config::Geo { country_file: Some(path.clone()), ..Default::default() };
    let geo = Geo::default();
    geo.look(&wanted);
    assert!(geo.atlas().warnings(clock::now())[0].contains("cannot be read"), "{:?}", geo.atlas());
    std::fs::copy(file("country.mmdb"), &path).unwrap();
    geo.look(&wanted);
    assert_eq!(told(&geo.atlas(), "192.0.2.1"), "DE");
    assert_eq!(geo.atlas().shelves().next().unwrap().trouble, None);
    let whole = std::fs::read(file("country.mmdb")).unwrap();
    // Cut off, nothing at all, other files.
    for bad in [&whole[..whole.len() / 2], b"", b"PK\x03\x04", &whole[whole.len() - 100..]] {
        std::fs::write(&path, bad).unwrap();
        geo.look(&wanted);
        let warnings = geo.atlas().warnings(clock::now());
        assert!(warnings[0].contains("is damaged or not in MaxMind DB format"), "{warnings:?}");
        assert!(warnings[0].contains("the one read before stays in use"), "{warnings:?}");
        assert_eq!(told(&geo.atlas(), "192.0.2.1"), "DE");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    geo.look(&wanted);
    assert!(geo.atlas().warnings(clock::now())[0].contains("no ordinary file"), "{:?}", geo.atlas());
    std::fs::remove_dir(&path).unwrap();
    geo.look(&wanted);
    assert!(geo.atlas().warnings(clock::now())[0].contains("cannot be read"), "{:?}", geo.atlas());
    std::fs::copy(file("moved.mmdb"), &path).unwrap();
    geo.look(&wanted);
    assert_eq!(told(&geo.atlas(), "192.0.2.1"), "SE");
    assert_eq!(geo.atlas().shelves().next().unwrap().trouble, None);
    geo.look(&config::Geo::default());
    assert_eq!(told(&geo.atlas(), "192.0.2.1"), "");
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let geo = geo(Some("country.mmdb"), None);
    let before = geo.atlas().shelves().next().unwrap().book.clone().unwrap();
    geo.look(&config::Geo { country_file: Some(file("country.mmdb")), ..Default::default() });
    assert!(Arc::ptr_eq(&before, geo.atlas().shelves().next().unwrap().book.as_ref().unwrap()));
}

#[test]
fn no_damage_makes_a_lookup_panic() {
    let whole = std::fs::read(file("country.mmdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.mmdb");
    let mut used = 0;
    for at in 0..whole.len() {
        for change in [0x00, 0xff, whole[at] ^ 0x21] {
            let mut bytes = whole.clone();
            bytes[at] = change;
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(book) = Book::open(&path) {
                used += 1;
                for ip in
                    ["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "::", "255.255.255.255"]
                {
                    let ip = ip.parse().unwrap();
                    _ = (book.country(ip), book.system(ip), book.built_at(), book.age(clock::now()));
                }
            }
        }
    }
    // Most of what a changed byte does is no damage.
    assert!(used > 0 && used < whole.len() * 3, "{used}");
}

#[test]
fn a_country_is_two_letters_and_sorts_by_them() {
    assert_eq!(Country::new("de").unwrap().to_string(), "DE");
    for wrong in ["", "D", "DEU", "D1", "ß", "\u{1b}x"] {
        assert_eq!(Country::new(wrong), None, "{wrong}");
    }
    let ranks: Vec<u64> =
        ["AD", "AE", "DE", "ZW"].iter().map(|text| Country::new(text).unwrap().rank()).collect();
    assert!(ranks.is_sorted());
}
