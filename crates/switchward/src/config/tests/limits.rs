//! What is too large or too deep is refused in words, not with a crash.

use proptest::prelude::*;

use super::{json, refusal, toml};
use crate::config::example::default_json;
use crate::config::{EXAMPLE_TOML, MAX_BYTES};

#[test]
fn a_huge_text_is_refused() {
    let huge = format!("# {}\n", "x".repeat(MAX_BYTES));
    assert_eq!(
        refusal(toml(&huge)),
        ["switchward.toml:1:1: found 1048579 bytes, expected at most 1048576 bytes; name another file"]
    );
    assert_eq!(refusal(json(&huge)).len(), 1);
}

#[test]
fn a_text_of_the_largest_size_is_read() {
    let text = format!("#{}", "x".repeat(MAX_BYTES - 1));
    assert!(toml(&text).is_ok());
}

#[test]
fn deep_nesting_is_refused_whether_it_is_closed_or_not() {
    for depth in [600, 20_000, 400_000] {
        for text in [
            "[".repeat(depth),
            format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            format!("{}1{}", "{\"a\":".repeat(depth / 5), "}".repeat(depth / 5)),
        ] {
            // 600 / 5 levels of objects are let through, and are an unknown key.
            let few = depth == 600 && text.starts_with('{');
            assert_eq!(json(&text).is_ok(), few, "{depth} levels of JSON");
        }
        for text in [
            format!("a = {}", "[".repeat(depth)),
            format!("a = {}{}", "[".repeat(depth), "]".repeat(depth)),
            format!("a = {}1{}", "{a=".repeat(depth / 3), "}".repeat(depth / 3)),
            format!("{}a = 1", "a.".repeat(depth)),
            format!("[{}a]", "a.".repeat(depth)),
            format!("[[{}a]]", "a.".repeat(depth)),
        ] {
            assert!(toml(&text).is_err(), "{depth} levels of TOML: {}", &text[..20]);
        }
    }
}

#[test]
fn the_refusal_of_deep_nesting_names_the_place() {
    let lines = refusal(json(&"[".repeat(1000)));
    assert_eq!(
        lines,
        [
            "config.json:1:513: found maximum nesting depth exceeded, expected JSON; no key needs more than four levels"
        ]
    );
}

#[test]
fn a_long_unknown_key_is_not_compared_and_is_cut_nowhere() {
    let key = "k".repeat(100_000);
    let lines = super::warnings(toml(&format!("{key} = 1")));
    assert_eq!(lines.len(), 1);
}

#[test]
fn of_very_many_problems_the_first_hundred_are_told_and_the_errors_before_the_warnings() {
    let unknown: String = (0..500).map(|index| format!("unknown{index} = 1\n")).collect();
    let text = format!("{unknown}server.port = 0\nfirewall.never_ban = [{}]", "'x', ".repeat(1000));
    let lines = refusal(toml(&text));
    assert_eq!(lines.len(), 101);
    assert!(lines[0].starts_with("switchward.toml:501:15: server.port: "), "{}", lines[0]);
    assert_eq!(lines[100], "switchward.toml: found 1401 more problems, expected none; mend these first");
    assert_eq!(super::warnings(toml(&unknown)).len(), 101);
    assert_eq!(refusal(toml(&"= 1\n".repeat(2000))).len(), 101);
}

/// The example or the default file with a piece cut out and something else put in.
fn damaged(whole: &str, at: usize, length: usize, piece: &str) -> String {
    let chars: Vec<char> = whole.chars().collect();
    let start = at % chars.len();
    let end = (start + length).min(chars.len());
    chars[..start].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect()
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_point_outside_the_text(
        at in 0usize..100_000,
        length in 0usize..60,
        piece in "([\\[\\]{}\",'=:#\\\\\n ä.0-]|true|null|\"5m\"){0,8}",
    ) {
        for (whole, read) in [(EXAMPLE_TOML, toml as fn(&str) -> _), (&default_json(), json)] {
            let text = damaged(whole, at, length, &piece);
            let problems = match read(&text) {
                Ok(loaded) => loaded.warnings,
                Err(problems) => problems.0,
            };
            for problem in problems.iter().filter(|problem| problem.line > 0) {
                let line = text.split('\n').nth(problem.line as usize - 1);
                let width = line.map(|line| line.chars().count());
                prop_assert!(width.is_some_and(|width| problem.column as usize <= width + 1), "{problem}");
            }
        }
    }
}
