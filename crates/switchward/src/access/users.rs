//! The people who log in with a password (HTTP Basic), and how theirs is checked.
//!
//! [`Users`] is what the file holds: argon2id in PHC strings. [`Passwords`] checks: two at a time and a short queue behind them, so that
//! guessing never takes the machine from the guard; an unknown name costs what a wrong password costs; a right one is remembered
//! for a few seconds, under a key that this process alone has.

use super::book::{self, Held};
use super::role::Role;
use anyhow::bail;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use guard::Time;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// In the order in which they came.
    pub users: Vec<User>,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// argon2id, as a PHC string.
    pub password: String,
    /// When they came.
    #[serde(with = "book::time")]
    pub created: Time,
    /// When the password was last set.
    #[serde(with = "book::time")]
    pub changed: Time,
    /// Whether they are kept out for the time being.
    #[serde(default)]
    pub disabled: bool,
}

impl Users {
    /// Adds somebody.
    ///
    /// # Errors
    /// When the name is taken or the password will not do.
    pub fn add(&mut self, name: &str, role: Role, password: &str, now: Time) -> anyhow::Result<()> {
        if self.users.iter().any(|user| user.name == name) {
            bail!("there is a user {name} already; `switchward user passwd {name}` sets the password");
        }
        if self.users.len() >= MOST {
            bail!("there are {MOST} users already; remove some");
        }
        let password = hashed(password)?;
        let name = name.to_owned();
        self.users.push(User { name, role, password, created: now, changed: now, disabled: false });
        Ok(())
    }

    /// Sets a password.
    ///
    /// # Errors
    /// When there is no such user or the password will not do.
    pub fn set_password(&mut self, name: &str, password: &str, now: Time) -> anyhow::Result<()> {
        let password = hashed(password)?;
        let user = self.named(name)?;
        (user.password, user.changed) = (password, now);
        Ok(())
    }

    /// Keeps somebody out, or lets them in again.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn set_disabled(&mut self, name: &str, disabled: bool) -> anyhow::Result<()> {
        self.named(name).map(|user| user.disabled = disabled)
    }

    /// Removes somebody.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn remove(&mut self, name: &str) -> anyhow::Result<()> {
        self.named(name)?;
        self.users.retain(|user| user.name != name);
        Ok(())
    }

    fn named(&mut self, name: &str) -> anyhow::Result<&mut User> {
        let found = self.users.iter_mut().find(|user| user.name == name);
        found.ok_or_else(|| anyhow::anyhow!("there is no user {name}; see `switchward user list`"))
    }
}

fn hashed(password: &str) -> anyhow::Result<String> {
    if password.chars().count() < SHORTEST {
        bail!("a password has at least {SHORTEST} characters");
    }
    if password.len() > LONGEST {
        bail!("a password has at most {LONGEST} bytes");
    }
    match Argon2::default().hash_password(password.as_bytes()) {
        Ok(hash) => Ok(hash.to_string()),
        Err(error) => bail!("the password cannot be hashed: {error}"),
    }
}

/// What came of a name and a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Checked {
    /// They are right; this is the role.
    Right(Role),
    /// They are not. Tells whether there is such a name, which nobody outside may learn.
    Wrong {
        /// Whether there is such a user.
        known: bool,
    },
    /// Too many are being checked.
    Busy,
}

/// Checks passwords.
pub(crate) struct Passwords {
    key: [u8; 32],
    hashing: Semaphore,
    waiting: Semaphore,
    right: Mutex<HashMap<[u8; 32], Right>>,
}

/// A name and a password that were right.
struct Right {
    role: Role,
    generation: u64,
    until: Instant,
}

impl Passwords {
    pub(crate) fn new() -> Result<Passwords, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let (hashing, waiting) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE + WAITING));
        Ok(Passwords { key, hashing, waiting, right: Mutex::default() })
    }

    /// Whether this is somebody's password.
    pub(crate) async fn check(&self, users: &Arc<Held<Users>>, name: &str, password: &str) -> Checked {
        let Some(mark) = self.mark(name, password) else { return Checked::Wrong { known: false } };
        if let Some(role) = self.remembered(&mark, users.generation) {
            return Checked::Right(role);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Checked::Busy };
        let Ok(_hashing) = self.hashing.acquire().await else { return Checked::Busy };
        let user = users.value.users.iter().find(|user| user.name == name).cloned();
        let known = user.is_some();
        let hash = user.as_ref().map_or_else(|| NOBODY.to_owned(), |user| user.password.clone());
        let password = password.to_owned();
        let is_right = tokio::task::spawn_blocking(move || verify(&hash, &password)).await.unwrap_or(false);
        match user.filter(|user| is_right && !user.disabled) {
            Some(user) => {
                self.remember(mark, user.role, users.generation);
                Checked::Right(user.role)
            }
            None => Checked::Wrong { known },
        }
    }

    fn mark(&self, name: &str, password: &str) -> Option<[u8; 32]> {
        if password.len() > LONGEST || name.len() > 64 {
            return None;
        }
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).ok()?;
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(password.as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    fn remembered(&self, mark: &[u8; 32], generation: u64) -> Option<Role> {
        let right = self.right.lock();
        right
            .get(mark)
            .filter(|right| right.generation == generation && right.until > Instant::now())
            .map(|right| right.role)
    }

    fn remember(&self, mark: [u8; 32], role: Role, generation: u64) {
        let now = Instant::now();
        let mut right = self.right.lock();
        right.retain(|_, right| right.until > now && right.generation == generation);
        if right.len() < MOST {
            right.insert(mark, Right { role, generation, until: now + REMEMBERED });
        }
    }
}

fn verify(hash: &str, password: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// The shortest password, in characters.
pub const SHORTEST: usize = 10;
/// The longest, in bytes.
const LONGEST: usize = 1_024;
/// Most people.
const MOST: usize = 1_000;
/// Passwords that are checked at a time: each takes a processor for tens of milliseconds, and 19 MiB.
const AT_ONCE: usize = 2;
/// Most that wait for that.
const WAITING: usize = 8;
/// How long a right password is remembered.
const REMEMBERED: Duration = Duration::from_secs(15);
/// Of no password: what an unknown name is checked against, at the same cost.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c3dpdGNod2FyZG5vYm9keQ$9mfTzLGJ3K0uV0pXn8bq2H5cYw7eR1sA4dG6hJ8kL0M";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_secs(1_795_000_000 + secs)
    }

    fn held(users: Users, generation: u64) -> Arc<Held<Users>> {
        Arc::new(Held { value: Arc::new(users), generation, trouble: None })
    }

    #[tokio::test]
    async fn a_password_is_right_until_it_is_changed_or_its_owner_is_kept_out() {
        let mut users = Users::default();
        users.add("alice", Role::Operator, "correct horse", at(0)).unwrap();
        let passwords = Passwords::new().unwrap();
        let first = held(users.clone(), 1);
        assert_eq!(passwords.check(&first, "alice", "correct horse").await, Checked::Right(Role::Operator));
        assert_eq!(passwords.check(&first, "alice", "correct house").await, Checked::Wrong { known: true });
        assert_eq!(passwords.check(&first, "bob", "correct horse").await, Checked::Wrong { known: false });
        users.set_disabled("alice", true).unwrap();
        let second = held(users.clone(), 2);
        assert_eq!(passwords.check(&second, "alice", "correct horse").await, Checked::Wrong { known: true });
        users.set_disabled("alice", false).unwrap();
        users.set_password("alice", "battery staple", at(1)).unwrap();
        let third = held(users, 3);
        assert_eq!(passwords.check(&third, "alice", "correct horse").await, Checked::Wrong { known: true });
        assert_eq!(passwords.check(&third, "alice", "battery staple").await, Checked::Right(Role::Operator));
    }

    #[tokio::test]
    async fn guesses_that_come_all_at_once_are_put_off_not_piled_up() {
        let mut users = Users::default();
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        let (passwords, users) = (Arc::new(Passwords::new().unwrap()), held(users, 1));
        let mut guesses = tokio::task::JoinSet::new();
        for number in 0..40 {
            let (passwords, users) = (passwords.clone(), users.clone());
            guesses.spawn(async move { passwords.check(&users, "alice", &format!("guess {number}")).await });
        }
        let all = guesses.join_all().await;
        let busy = all.iter().filter(|checked| **checked == Checked::Busy).count();
        assert!(busy > 0, "nobody was put off");
        assert!(all.iter().all(|checked| !matches!(checked, Checked::Right(_))));
        assert_eq!(passwords.check(&users, "alice", "correct horse").await, Checked::Right(Role::Admin));
    }

    #[test]
    fn short_and_empty_passwords_are_refused_and_none_is_in_the_file() {
        let mut users = Users::default();
        for bad in ["", "123456789", &"x".repeat(1_025)] {
            assert!(users.add("alice", Role::Admin, bad, at(0)).is_err(), "{bad}");
        }
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        assert!(users.add("alice", Role::Admin, "another one", at(0)).is_err());
        let file = serde_json::to_string(&users).unwrap();
        assert!(file.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !file.contains("correct"), "{file}");
        assert!(users.remove("bob").is_err() && users.set_password("bob", "long enough", at(0)).is_err());
        users.remove("alice").unwrap();
        assert_eq!(users, Users::default());
    }

    #[test]
    fn nobodys_hash_costs_what_everybodys_does() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let mut users = Users::default();
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        let alice = PasswordHash::new(&users.users[0].password).unwrap();
        assert_eq!(
            (nobody.algorithm, nobody.version, &nobody.params),
            (alice.algorithm, alice.version, &alice.params)
        );
        assert_eq!(nobody.hash.unwrap().len(), alice.hash.unwrap().len());
    }
}
