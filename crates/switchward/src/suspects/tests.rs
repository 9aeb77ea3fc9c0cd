//! Signatures and honeypots as the daemon puts them in force.

use super::*;

fn wanted(path: Option<&Path>, honeypots: &[&str]) -> GuardLimits {
    GuardLimits {
        signatures_file: path.map(Path::to_owned),
        honeypots: honeypots.iter().map(ToString::to_string).collect(),
        ..GuardLimits::default()
    }
}

fn hits(suspicion: &Suspicion, agent: &str) -> bool {
    suspicion.signatures().hit(agent.as_bytes()).is_some()
}

#[test]
fn what_is_in_force_changes_with_the_file_and_with_the_honeypots_and_with_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signatures");
    std::fs::write(&path, "evilphone\n!sipsak\n").unwrap();
    let suspects = Suspects::default();
    assert!(suspects.suspicion().is_none());
    let first = suspects.look(&wanted(Some(&path), &["admin"])).unwrap();
    assert!(hits(&first, "EvilPhone 1.0") && !hits(&first, "sipsak") && hits(&first, "sipvicious"));
    assert!(first.honeypots().hit(b"admin", b""));
    assert!(suspects.look(&wanted(Some(&path), &["admin"])).is_none(), "nothing has changed");

    let second = suspects.look(&wanted(Some(&path), &["admin", "root"])).unwrap();
    assert!(second.honeypots().hit(b"root", b"") && hits(&second, "evilphone"));
    assert_eq!(
        second.honeypots().iter().map(guard::suspicion::honeypot::Honeypot::hits).collect::<Vec<_>>(),
        [1, 1]
    );

    std::fs::write(&path, "otherphone\n").unwrap();
    let third = suspects.look(&wanted(Some(&path), &["admin", "root"])).unwrap();
    assert!(!hits(&third, "evilphone") && hits(&third, "otherphone") && hits(&third, "sipsak"));

    let fourth = suspects.look(&wanted(None, &[])).unwrap();
    assert!(!hits(&fourth, "otherphone") && hits(&fourth, "sipsak") && fourth.honeypots().is_empty());
    let sipsak =
        fourth.signatures().iter().find(|signature| signature.pattern.to_string() == "sipsak").unwrap();
    assert_eq!(sipsak.hits(), 2, "counted on over the changes");
}

#[test]
fn a_file_with_a_mistake_or_none_at_all_leaves_the_one_before_in_use_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signatures");
    let suspects = Suspects::default();
    let look = || suspects.look(&wanted(Some(&path), &[]));
    assert!(hits(&look().unwrap(), "sipvicious"), "the built-in ones without the file");
    assert!(suspects.troubles()[0].contains("No such file"), "{:?}", suspects.troubles());

    std::fs::write(&path, "evilphone\n").unwrap();
    assert!(hits(&look().unwrap(), "evilphone"));
    assert!(suspects.troubles().is_empty());

    std::fs::write(&path, "good\nx\n!nosuch\n").unwrap();
    let kept = look().unwrap();
    assert!(hits(&kept, "evilphone") && !hits(&kept, "good"));
    let troubles = suspects.troubles();
    assert!(troubles[0].contains("signatures:2: a signature has at least"), "{troubles:?}");
    assert!(troubles[1].contains("signatures:3: no built-in signature"), "{troubles:?}");
    assert!(look().is_none(), "told once");

    std::fs::write(&path, vec![b'#'; file::LARGEST as usize + 1]).unwrap();
    look();
    assert!(suspects.troubles()[0].contains("larger than 256 kB"), "{:?}", suspects.troubles());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    look();
    assert!(suspects.troubles()[0].contains("no ordinary file"), "{:?}", suspects.troubles());
    assert!(hits(&suspects.suspicion().unwrap(), "evilphone"));
}

#[test]
fn who_judges_without_a_daemon_is_told_the_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signatures");
    std::fs::write(&path, "x\n").unwrap();
    assert!(of(&wanted(Some(&path), &[])).unwrap_err()[0].contains(":1: "));
    assert!(of(&wanted(None, &["*"])).unwrap_err()[0].contains("every account"));
    assert!(hits(&of(&wanted(None, &["admin"])).unwrap(), "pplsip"));
}
