//! What counts as a host name: RFC 1123 section 2.1, strictly, so that a mistyped address is never taken for one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A fully qualified host name in small letters, without the dot at its end: labels of letters, digits and hyphens, at least two,
/// the last of letters alone or in punycode.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// A text that is no such name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a full host name such as sip.carrier.example (other letters as punycode, xn--...)")]
pub struct NotAName;

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<HostName, NotAName> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        let labels: Vec<&str> = text.split('.').collect();
        let [front @ .., last] = &labels[..] else { return Err(NotAName) };
        // Three numbers in front of something are a mistyped IPv4 address.
        let is_like_an_address = front.len() == 3 && front.iter().all(|label| is_number(label));
        if text.len() > LONGEST_NAME
            || front.is_empty()
            || !labels.iter().all(|label| is_label(label))
            || !is_top(last)
            || is_like_an_address
        {
            return Err(NotAName);
        }
        Ok(HostName(text.to_ascii_lowercase()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// RFC 1123: the highest label is alphabetic, which tells a name from an address.
fn is_top(label: &str) -> bool {
    let punycode = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    label.len() >= 2 && (punycode || label.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<HostName, NotAName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

/// RFC 1035 section 2.3.4, without the dot of the root.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_are_names_whatever_the_case() {
        for (text, name) in [
            ("sip.carrier.example", "sip.carrier.example"),
            (" SIP.Carrier.Example. ", "sip.carrier.example"),
            ("a.bc", "a.bc"),
            ("1.example", "1.example"),
            ("3com.example", "3com.example"),
            ("sbc-01.carrier.example", "sbc-01.carrier.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("sip.xn--p1ai", "sip.xn--p1ai"),
            ("4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
        let longest = format!("{}.example", vec!["a".repeat(60); 4].join("."));
        assert_eq!(longest.len(), 251);
        assert!(longest.parse::<HostName>().is_ok());
    }

    #[test]
    fn mistyped_addresses_and_what_is_no_full_name_are_none() {
        for text in [
            "",
            ".",
            "..",
            "localhost",
            "carrier",
            "1.2.3.4",
            "1.2.3.4x",
            "1.2.3.4.",
            "192.0.2.l",
            "192.0.2.OO",
            "192.0.2.IO",
            "192.0.2.256",
            "192.0.2",
            "192.0.2.0/24",
            "192.0.2.7:5060",
            "2001:db8::1",
            "[2001:db8::1]",
            "fe80::1%eth0",
            "sip..example",
            ".sip.example",
            "sip.example..",
            "-sip.example",
            "sip-.example",
            "sip_1.example",
            "*.example",
            "b\u{fc}cher.example",
            "sip.exa mple",
            "sip.\nexample",
            "sip.example/x",
            "sip.c0m",
            "sip.e",
            "sip.123",
            "a\0.example",
        ] {
            assert_eq!(text.parse::<HostName>(), Err(NotAName), "{text:?}");
        }
        assert!(format!("{}.example", "a".repeat(64)).parse::<HostName>().is_err());
        assert!(format!("{}.example", vec!["a".repeat(61); 4].join(".")).parse::<HostName>().is_err());
    }
}
