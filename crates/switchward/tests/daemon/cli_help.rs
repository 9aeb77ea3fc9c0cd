//! Completions, manual pages, help: what real shells and groff make of them.

use crate::support::{Ended, Stage};
use std::process::Command;

#[test]
fn bash_completes_commands_and_options() {
    let stage = Stage::new();
    let script = stage.run(&["completions", "bash"]);
    assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
    let file = stage.file("completions.bash", &script.out);
    for (words, expected) in [
        ("switchward sta", "status"),
        ("switchward log-level de", "debug"),
        ("switchward ban --perm", "--permanent"),
        ("switchward untrusted te", "test"),
    ] {
        let typed: Vec<&str> = words.split(' ').collect();
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={}; _switchward switchward {} {}; echo \"${{COMPREPLY[@]}}\"",
            file.display(),
            typed.len() - 1,
            typed[typed.len() - 1],
            typed[typed.len() - 2],
        );
        let said = Ended::of(Command::new("bash").args(["--norc", "-c", &line])).with(0);
        assert!(said.split_whitespace().any(|word| word == expected), "{words}: {said}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = stage.run(&["completions", shell]).with(0);
        assert!(script.contains("log-level"), "{shell}");
    }
    stage.run(&["completions", "tcsh"]).with(64);
}

#[test]
fn manual_pages_are_what_groff_takes_without_complaint() {
    let stage = Stage::new();
    let folder = stage.folder().join("man");
    stage.run(&["man", folder.to_str().unwrap()]).with(0);
    let mut pages: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let names: Vec<_> =
        pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for name in ["switchward.1", "switchward-ban.1", "switchward-top.1", "switchward-untrusted-add.1"] {
        assert!(names.iter().any(|other| other == name), "{name} is not in {names:?}");
    }
    for page in &pages {
        let set = Ended::of(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page));
        assert_eq!((set.code, set.err.as_str()), (Some(0), ""), "{}", page.display());
    }
    stage.run(&["man", "/proc/nowhere"]).with(74);
}

#[test]
fn a_word_that_is_nearly_right_is_answered_with_the_right_one() {
    let stage = Stage::new();
    assert!(stage.run(&["unbann", "198.51.100.7"]).with(64).contains("'unban'"));
    let help = stage.run(&["--help"]).with(0);
    assert!(help.contains("\nBans:\n") && help.contains("\nWatching:\n"), "{help}");
}
