//! The tokens of programs: opaque, 256 bits of chance, kept as their SHA-256.
//!
//! [`Tokens`] is what the file holds. A token is shown once, when [`Tokens::add`] makes it; afterwards only [`Tokens::find`] can tell
//! whether a text is one. A revoked token is kept for a while, so that a forgotten script is told from a guess. When each was
//! used last the daemon keeps in a file of its own, [`Uses`], so that it and the command line never write the same.

use super::book;
use super::role::Role;
use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::Time;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use subtle::{Choice, ConstantTimeEq};

/// What every token begins with, so that one that leaked can be found.
pub const PREFIX: &str = "swt_";

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// In the order in which they were made.
    pub tokens: Vec<Token>,
}

/// One token; the text itself is nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its name, unique among those that are not revoked.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// SHA-256 of the whole text.
    #[serde(with = "hex")]
    pub hash: [u8; 32],
    /// When it was made.
    #[serde(with = "book::time")]
    pub created: Time,
    /// When it ends.
    #[serde(default, with = "book::maybe_time", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Where it may be used from; everywhere when empty.
    #[serde(default, with = "networks", skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// When it was revoked.
    #[serde(default, with = "book::maybe_time", skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Time>,
}

/// Why a token does not open the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Closed {
    /// It is none of ours: a guess.
    Unknown,
    /// It was one of ours.
    Revoked(String),
    /// It has ended.
    Expired(String),
    /// It may not be used from there.
    Elsewhere(String),
}

impl Tokens {
    /// Makes a token and gives its text, the only time that it is seen.
    ///
    /// # Errors
    /// When the name is taken, or there is no chance to be had.
    pub fn add(
        &mut self,
        name: &str,
        role: Role,
        expires: Option<Time>,
        networks: Vec<IpNet>,
        now: Time,
    ) -> anyhow::Result<String> {
        if self.standing().any(|token| token.name == name) {
            bail!("there is a token {name} already; revoke it first, or take another name");
        }
        if self.standing().count() >= MOST {
            bail!("there are {MOST} tokens already; revoke some");
        }
        let mut chance = [0; 32];
        getrandom::fill(&mut chance)
            .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(chance));
        self.tokens.retain(|token| token.revoked.is_none_or(|at| now.since(at) < REMEMBERED));
        let name = name.to_owned();
        self.tokens.push(Token {
            name,
            role,
            hash: hash(&text),
            created: now,
            expires,
            networks,
            revoked: None,
        });
        Ok(text)
    }

    /// Revokes the token of this name; tells whether there was one.
    pub fn revoke(&mut self, name: &str, now: Time) -> bool {
        let found = self.tokens.iter_mut().find(|token| token.name == name && token.revoked.is_none());
        found.map(|token| token.revoked = Some(now)).is_some()
    }

    /// Those that are not revoked.
    pub fn standing(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|token| token.revoked.is_none())
    }

    /// The token that a text is, if it opens the door to `peer` at `now`.
    ///
    /// Every token is compared, each in the same time whatever differs.
    ///
    /// # Errors
    /// Why it does not.
    pub fn find(&self, text: &str, peer: Option<IpAddr>, now: Time) -> Result<&Token, Closed> {
        let hash = hash(text);
        let mut found = None;
        for token in &self.tokens {
            let same: Choice = token.hash.ct_eq(&hash);
            if bool::from(same) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Closed::Unknown)?;
        let name = || token.name.clone();
        if token.revoked.is_some() {
            return Err(Closed::Revoked(name()));
        }
        if token.expires.is_some_and(|end| end <= now) {
            return Err(Closed::Expired(name()));
        }
        let is_within = |peer: IpAddr| token.networks.iter().any(|net| net.contains(&peer));
        // The Unix socket has no address, and whoever is there is on this machine.
        if !token.networks.is_empty() && peer.is_some_and(|peer| !is_within(peer)) {
            return Err(Closed::Elsewhere(name()));
        }
        Ok(token)
    }
}

impl Token {
    /// What it is called where its name would not do: a later token may have the same name.
    pub fn id(&self) -> String {
        self.hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// When a token was used last, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// When.
    #[serde(with = "book::time")]
    pub at: Time,
    /// The peer's address.
    pub from: String,
}

/// When each token was used last; the daemon's own.
pub(crate) struct Uses {
    path: PathBuf,
    uses: Mutex<(BTreeMap<String, Use>, bool)>,
    saved: Mutex<Instant>,
}

/// The file of [`Uses`] that belongs to a file of tokens.
pub fn uses_file(tokens: &Path) -> PathBuf {
    tokens.with_extension("used.json")
}

/// What the daemon last wrote down; nothing when it never did.
pub fn last_uses(tokens: &Path) -> BTreeMap<String, Use> {
    book::read(&uses_file(tokens)).unwrap_or_default()
}

impl Uses {
    pub(crate) fn open(tokens: &Path) -> Uses {
        let uses = Mutex::new((last_uses(tokens), false));
        Uses { path: uses_file(tokens), uses, saved: Mutex::new(Instant::now()) }
    }

    /// A token was used.
    pub(crate) fn note(&self, token: &Token, from: Option<IpAddr>, now: Time) {
        let from = from.map_or_else(|| "socket".into(), |peer| peer.to_string());
        let mut uses = self.uses.lock();
        // A second is all that is shown.
        let is_news =
            uses.0.get(&token.id()).is_none_or(|last| last.at.secs() != now.secs() || last.from != from);
        if is_news {
            uses.0.insert(token.id(), Use { at: now, from });
            uses.1 = true;
        }
    }

    /// Writes them down, at most once a minute unless it is the end. Writes to a disk.
    pub(crate) fn save(&self, known: &Tokens, is_last: bool) {
        let mut saved = self.saved.lock();
        if !is_last && saved.elapsed() < SAVE_EVERY {
            return;
        }
        *saved = Instant::now();
        let uses = {
            let mut uses = self.uses.lock();
            if !std::mem::take(&mut uses.1) {
                return;
            }
            uses.0.retain(|id, _| known.tokens.iter().any(|token| token.id() == *id));
            uses.0.clone()
        };
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = File::open(folder).and_then(|folder| book::replace(&self.path, &folder, &uses));
        if let Err(error) = written {
            tracing::warn!(file = %self.path.display(), %error, "when tokens were used last cannot be written down");
        }
    }
}

/// Bytes as hexadecimal digits.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom("not 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        Ok(bytes)
    }
}

/// Networks as texts.
mod networks {
    use ipnet::IpNet;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(networks: &[IpNet], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(networks.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| crate::config::parse_network(text).map_err(D::Error::custom)).collect()
    }
}

/// Most tokens at a time.
const MOST: usize = 1_000;
/// How long a revoked token is known as one.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
const SAVE_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_secs(1_795_000_000 + secs)
    }

    #[test]
    fn a_token_opens_the_door_until_its_end_and_from_where_it_may() {
        let mut tokens = Tokens::default();
        let networks = vec!["198.51.100.0/24".parse().unwrap()];
        let text = tokens.add("cron", Role::Operator, Some(at(60)), networks, at(0)).unwrap();
        assert!(text.starts_with("swt_") && text.len() == 47, "{text}");
        let peer = |text: &str| Some(text.parse().unwrap());
        let (near, far) = (peer("198.51.100.7"), peer("203.0.113.7"));
        assert_eq!(tokens.find(&text, near, at(59)).unwrap().name, "cron");
        assert_eq!(tokens.find(&text, None, at(59)).unwrap().name, "cron");
        assert_eq!(tokens.find(&text, far, at(1)), Err(Closed::Elsewhere("cron".into())));
        assert_eq!(tokens.find(&text, near, at(60)), Err(Closed::Expired("cron".into())));
        for wrong in ["", "swt_", &text[..46], &text.to_uppercase(), &format!("{text} ")] {
            assert_eq!(tokens.find(wrong, near, at(1)), Err(Closed::Unknown), "{wrong}");
        }
        assert!(tokens.revoke("cron", at(2)) && !tokens.revoke("cron", at(2)));
        assert_eq!(tokens.find(&text, near, at(3)), Err(Closed::Revoked("cron".into())));
    }

    #[test]
    fn the_file_holds_no_token_and_reads_as_it_was_written() {
        let mut tokens = Tokens::default();
        let text = tokens.add("a", Role::Admin, None, Vec::new(), at(0)).unwrap();
        tokens.add("b", Role::Viewer, Some(at(9)), vec!["2001:db8::/32".parse().unwrap()], at(0)).unwrap();
        assert!(tokens.add("a", Role::Viewer, None, Vec::new(), at(0)).is_err(), "the name is taken");
        let file = serde_json::to_string(&tokens).unwrap();
        assert!(!file.contains(&text) && !file.contains(&text[4..]));
        assert_eq!(serde_json::from_str::<Tokens>(&file).unwrap(), tokens);
    }

    #[test]
    fn a_name_is_free_again_once_its_token_is_revoked_and_the_old_one_is_forgotten_in_time() {
        let mut tokens = Tokens::default();
        let old = tokens.add("a", Role::Admin, None, Vec::new(), at(0)).unwrap();
        tokens.revoke("a", at(1));
        let new = tokens.add("a", Role::Viewer, None, Vec::new(), at(2)).unwrap();
        assert_eq!(tokens.find(&new, None, at(3)).unwrap().role, Role::Viewer);
        assert_eq!(tokens.find(&old, None, at(3)), Err(Closed::Revoked("a".into())));
        tokens.add("b", Role::Viewer, None, Vec::new(), at(2) + REMEMBERED).unwrap();
        assert_eq!(tokens.find(&old, None, at(3)), Err(Closed::Unknown));
    }

    #[test]
    fn the_last_use_survives_and_revoked_tokens_take_theirs_along() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.json");
        let mut tokens = Tokens::default();
        tokens.add("a", Role::Admin, None, Vec::new(), at(0)).unwrap();
        let uses = Uses::open(&file);
        uses.note(&tokens.tokens[0], Some("198.51.100.7".parse().unwrap()), at(5));
        uses.save(&tokens, false);
        assert!(last_uses(&file).is_empty(), "not within the first minute");
        uses.save(&tokens, true);
        let used = last_uses(&file);
        assert_eq!(used[&tokens.tokens[0].id()], Use { at: at(5), from: "198.51.100.7".into() });
        let uses = Uses::open(&file);
        uses.note(&tokens.tokens[0], None, at(6));
        uses.save(&Tokens::default(), true);
        assert!(last_uses(&file).is_empty());
    }
}
