//! Domain patterns: exact, `*.suffix` and glob, without regard to ASCII case.
//!
//! `*` stands for any run of characters, dots included, `?` for exactly one. `*.example.com` matches every name below
//! `example.com` and not `example.com` itself. Matching is linear in the name for each `*` and allocates nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One domain pattern. Compared and stored in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainPattern(String);

/// Why a text is no domain pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPattern {
    /// Nothing there.
    #[error("a domain pattern is empty; write a name such as \"evil.example\", \"*.evil.example\" or a glob")]
    Empty,
    /// Longer than a domain name can be (RFC 1035 section 2.3.4).
    #[error("a domain pattern is longer than 253 characters")]
    TooLong,
    /// A blank or a control character.
    #[error("a domain pattern holds a blank or a control character")]
    BadCharacter,
    /// Would match every domain there is.
    #[error(
        "a domain pattern of wildcards alone matches every domain, the healthy ones too; name the domain"
    )]
    MatchesAll,
}

impl DomainPattern {
    /// Checks and keeps a pattern.
    ///
    /// # Errors
    /// When it is empty, over 253 characters, holds blanks or control characters, or is made of wildcards alone.
    pub fn new(text: &str) -> Result<DomainPattern, BadPattern> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.len() > 253 {
            return Err(BadPattern::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadPattern::BadCharacter);
        }
        if text.chars().all(|c| matches!(c, '*' | '?' | '.')) {
            return Err(BadPattern::MatchesAll);
        }
        Ok(DomainPattern(text.to_ascii_lowercase()))
    }

    /// The pattern as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole of `domain`.
    pub fn matches(&self, domain: &[u8]) -> bool {
        glob(self.0.as_bytes(), domain)
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DomainPattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<DomainPattern, BadPattern> {
        DomainPattern::new(&text)
    }
}

impl From<DomainPattern> for String {
    fn from(pattern: DomainPattern) -> String {
        pattern.0
    }
}

/// Greedy glob with one point to return to: the last `*`.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == text[t].to_ascii_lowercase() => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, domain: &str) -> bool {
        DomainPattern::new(pattern).unwrap().matches(domain.as_bytes())
    }

    #[test]
    fn exact_suffix_and_glob_match_without_regard_to_case() {
        assert!(matches("evil.example", "EVIL.example"));
        assert!(!matches("evil.example", "not-evil.example"));
        assert!(!matches("evil.example", "evil.example.org"));
        assert!(matches("*.evil.example", "a.b.evil.example"));
        assert!(!matches("*.evil.example", "evil.example"));
        assert!(!matches("*.evil.example", "notevil.example"));
        assert!(matches("sip-??.*", "sip-01.example"));
        assert!(!matches("sip-??.*", "sip-1.example"));
        assert!(matches("*evil*", "my.EVIL.host"));
        assert!(matches("198.51.100.*", "198.51.100.7"));
    }

    #[test]
    fn patterns_that_would_match_everything_are_refused() {
        for pattern in ["*", "**", "*.*", "?", "...", ""] {
            assert!(DomainPattern::new(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn globs_agree_with_a_plain_recursive_matcher() {
        fn slow(p: &[u8], t: &[u8]) -> bool {
            match p.split_first() {
                None => t.is_empty(),
                Some((b'*', rest)) => (0..=t.len()).any(|skip| slow(rest, &t[skip..])),
                Some((&c, rest)) => {
                    t.split_first().is_some_and(|(&d, more)| (c == b'?' || c == d) && slow(rest, more))
                }
            }
        }
        proptest::proptest!(|(p in "[ab*?.]{0,8}", t in "[ab.]{0,10}")| {
            proptest::prop_assert_eq!(glob(p.as_bytes(), t.as_bytes()), slow(p.as_bytes(), t.as_bytes()));
        });
    }
}
