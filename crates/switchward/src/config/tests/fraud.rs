//! What the fraud section refuses.

use super::{refusal, toml};

#[test]
fn an_account_is_not_blocked_without_a_command() {
    let lines = refusal(toml("[fraud]\non_cost = [\"alert\", \"block\"]"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["switchward.toml", "2", "fraud.on_cost", "fraud.block_command"] {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
    let command = "[fraud]\non_cost = [\"block\"]\nblock_command = \"api lua block.lua {user} {domain}\"";
    assert!(toml(command).is_ok());
}

#[test]
fn what_cannot_be_is_refused_by_its_key() {
    for (key, value) in [
        ("home_country", "\"Germany\""),
        ("home_country", "\"QQ\""),
        ("known_countries", "[\"A1\"]"),
        ("trunk_prefixes", "[\"\"]"),
        ("international_prefixes", "[\"00x\"]"),
        ("hours", "[\"mon-fri 7-19\"]"),
        ("time_zone", "\"Europe/Nowhere\""),
        ("on_premium", "[\"shoot\"]"),
        ("block_command", "\"lua block.lua {user}\""),
        ("block_command", "\"api lua block.lua\""),
    ] {
        let lines = refusal(toml(&format!("fraud.{key} = {value}")));
        assert!(lines[0].contains(&format!("fraud.{key}")), "{lines:?}");
    }
}
