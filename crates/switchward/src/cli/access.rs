//! What `token` and `user` have in common: how they print, and what may be typed.

use crate::config::{duration, parse_network};
use clap::Args;
use ipnet::IpNet;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

/// How to print.
#[derive(Args, Debug)]
pub(super) struct Book {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn printed(out: &mut dyn Write, value: &Value) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// A time to live: days, or as everywhere.
pub(super) fn expiry(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = match days {
        Some(days) => days.checked_mul(86_400).map(Duration::from_secs),
        None => duration::parse(text).ok(),
    };
    match span {
        Some(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        _ => Err("write 12h, 30d or 365d, at most 3650d".into()),
    }
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    parse_network(text).map_err(|error| format!("{error}; write 192.0.2.1 or 192.0.2.0/24"))
}

/// The longest life of a token that ends.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_for_days_or_hours() {
        assert_eq!(expiry("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(expiry("1h30m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "0", "0d", "-1d", "d", "4000d", "99999999999999999999d", "soon"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }
}
