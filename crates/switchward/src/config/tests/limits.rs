//! What is too large or too deep is refused in words, not with a crash.

use super::{json, refusal, toml};
use crate::config::MAX_BYTES;

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
