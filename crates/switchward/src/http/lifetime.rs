//! How long an order is to hold: for good, for a time that it names, or for the configured one.

use super::Error;
use crate::config::duration;
use std::time::Duration;

/// How long; `None` is for good.
///
/// # Errors
/// 400 when `ttl` is no Go duration, is zero, or contradicts `permanent`.
pub(super) fn lifetime(
    permanent: Option<bool>,
    ttl: Option<&str>,
    standard: Duration,
) -> Result<Option<Duration>, Error> {
    match (permanent.unwrap_or(false), ttl) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(Error::bad_request("permanent and ttl contradict each other; leave one out")),
        (false, None) => Ok(Some(standard)),
        (false, Some(text)) => match duration::parse(text) {
            Ok(ttl) if !ttl.is_zero() => Ok(Some(ttl)),
            Ok(_) => Err(Error::bad_request("ttl must be more than zero")),
            Err(error) => {
                let shown: String = text.chars().take(32).collect();
                Err(Error::bad_request(format!(
                    "ttl {shown:?} is no duration such as \"90s\", \"1h30m\": {error}"
                )))
            }
        },
    }
}

/// A lifetime in words: "for 1h30m", "for good".
pub(super) fn how_long(ttl: Option<Duration>) -> String {
    match ttl {
        Some(ttl) => format!("for {}", duration::format_short(ttl)),
        None => "for good".into(),
    }
}
