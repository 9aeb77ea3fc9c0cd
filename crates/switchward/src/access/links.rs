//! One-time unban links: what an operator sends to a customer who is locked out.
//!
//! A link names one ban (its target and the moment since which it stands), until when it may be used and who made it, and is signed with
//! HMAC-SHA256 (RFC 2104) by a key that lies beside the store. Nothing is kept of a link: once the ban is lifted, by the link or by
//! anybody, there is no such ban any more, and a later ban of the same address is another one. Start with [`Links::make`] and
//! [`Links::read`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use guard::{Target, Time};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Makes and reads links.
pub struct Links {
    key: [u8; 32],
}

/// What a link says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// What the ban is of.
    #[serde(rename = "t")]
    pub target: Target,
    /// Since when it stands: tells it from a later one.
    #[serde(rename = "s")]
    pub since: Time,
    /// Until when the link may be used.
    #[serde(rename = "u")]
    pub until: Time,
    /// Who made it, as the audit names them.
    #[serde(rename = "w")]
    pub who: String,
}

/// Why a link is not regarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoLink {
    /// We have not made it.
    Forged,
    /// Its time has run out.
    Expired,
}

impl Links {
    /// With the key beside the store, which is made when it is not there; without a store, or when it cannot be kept, with one that lasts as
    /// long as this process.
    pub fn open(store: Option<&Path>) -> Links {
        let file = store.and_then(Path::parent).map(|directory| directory.join(KEY_FILE));
        let kept = file.as_deref().map(kept_key);
        if let Some(Err(error)) = &kept {
            tracing::warn!(%error, "the key of unban links cannot be kept; links end with this process");
        }
        let key = kept.and_then(Result::ok).unwrap_or_else(|| fresh().unwrap_or_default());
        Links { key }
    }

    /// The token of a link; `None` when there is no chance in this system to make a key of.
    pub fn make(&self, link: &Link) -> Option<String> {
        let said = serde_json::to_vec(link).ok()?;
        let seal = self.seal(&said)?.finalize().into_bytes();
        Some(format!("{}.{}", BASE64.encode(&said), BASE64.encode(seal)))
    }

    /// What a token says.
    ///
    /// # Errors
    /// When we have not made it, or its time has run out.
    pub fn read(&self, token: &str, now: Time) -> Result<Link, NoLink> {
        let (said, seal) = token.split_once('.').filter(|_| token.len() <= LONGEST).ok_or(NoLink::Forged)?;
        let decode = |part: &str| BASE64.decode(part).map_err(|_| NoLink::Forged);
        let (said, seal) = (decode(said)?, decode(seal)?);
        // Compared in constant time.
        self.seal(&said).ok_or(NoLink::Forged)?.verify_slice(&seal).map_err(|_| NoLink::Forged)?;
        let link: Link = serde_json::from_slice(&said).map_err(|_| NoLink::Forged)?;
        if link.until <= now { Err(NoLink::Expired) } else { Ok(link) }
    }

    fn seal(&self, said: &[u8]) -> Option<Hmac<Sha256>> {
        // Without a key nothing is signed, and nothing counts as signed.
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).ok().filter(|_| self.key != [0; 32])?;
        mac.update(said);
        Some(mac)
    }
}

fn fresh() -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(key)
}

/// The key in a file that only we may read; a new one is there before it is used.
fn kept_key(path: &Path) -> io::Result<[u8; 32]> {
    let key = fresh()?;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(&key)?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut key = [0; 32];
            std::fs::File::open(path)?.read_exact(&mut key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

/// Beside the store.
const KEY_FILE: &str = "unban-links.key";
/// Bytes of the longest token that is looked at.
const LONGEST: usize = 1024;
/// The longest that a link may be used.
pub const LONGEST_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn link(until: u64) -> Link {
        Link {
            target: "203.0.113.9".parse().unwrap(),
            since: Time::from_secs(1000),
            until: Time::from_secs(until),
            who: "operator anna".into(),
        }
    }

    #[test]
    fn a_link_is_read_as_it_was_made_until_its_time_is_over() {
        let links = Links { key: [7; 32] };
        let token = links.make(&link(2000)).unwrap();
        assert_eq!(links.read(&token, Time::from_secs(1999)), Ok(link(2000)));
        assert_eq!(links.read(&token, Time::from_secs(2000)), Err(NoLink::Expired));
        assert_eq!(Links { key: [8; 32] }.read(&token, Time::from_secs(1)), Err(NoLink::Forged));
    }

    #[test]
    fn no_byte_of_a_link_can_be_changed() {
        let links = Links { key: [7; 32] };
        let token = links.make(&link(2000)).unwrap();
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character of each part has bits that mean nothing; no other text is accepted for them either.
            assert_eq!(links.read(&forged, Time::from_secs(1)), Err(NoLink::Forged), "{at}");
        }
        for token in ["", ".", "a.b", "....", &"x".repeat(5000)] {
            assert_eq!(links.read(token, Time::from_secs(1)), Err(NoLink::Forged));
        }
        assert!(Links { key: [0; 32] }.make(&link(2000)).is_none());
    }

    #[test]
    fn the_key_outlives_the_process_and_is_ours_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("switchward.db");
        let token = Links::open(Some(&store)).make(&link(2000)).unwrap();
        assert!(Links::open(Some(&store)).read(&token, Time::from_secs(1)).is_ok());
        assert!(Links::open(None).read(&token, Time::from_secs(1)).is_err());
        let mode = directory.path().join(KEY_FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
