//! The people who log in with a password (HTTP Basic), and how theirs is checked.
//!
//! [`Users`] is what the file holds: argon2id in PHC strings. [`Passwords`] checks: one at a time for strangers and one for who is
//! familiar, each with a short queue, so that guessing takes neither the machine from the guard nor the door from its people. An unknown
//! name costs what a wrong password costs. Right ones are remembered for a few seconds and wrong ones for the guard's window, under a
//! key that this process alone has; many who ask the same at once share one check.

use super::book::{self, Held};
use super::role::Role;
use anyhow::bail;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use guard::{Source, Time};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OnceCell, Semaphore};

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
    /// They are right, but this user is kept out.
    Disabled,
    /// Too many are being checked.
    Busy,
}

/// Whose password is to be checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// Where from; none on the Unix socket.
    pub(crate) source: Option<Source>,
    /// Whether strangers are not to stand in their way.
    pub(crate) is_familiar: bool,
    /// How many of this source's checks may be under way.
    pub(crate) most: usize,
}

/// What stands for a name and a password where they themselves must not be kept.
pub(crate) type Mark = [u8; 32];

/// Checks passwords.
pub(crate) struct Passwords {
    key: [u8; 32],
    strangers: Lane,
    familiar: Lane,
    right: Mutex<HashMap<Mark, Right>>,
    refused: Mutex<HashMap<(Option<Source>, Mark), Refused>>,
    under_way: Mutex<UnderWay>,
    by_source: Mutex<HashMap<Option<Source>, usize>>,
    right_before: Mutex<HashMap<Source, Instant>>,
}

/// The checks that are under way, by what is checked and the generation of the users.
type UnderWay = HashMap<(Mark, u64), Weak<OnceCell<Checked>>>;

/// One check at a time, and a few that wait.
struct Lane {
    hashing: Arc<Semaphore>,
    waiting: Semaphore,
}

/// A name and a password that did not let somebody in.
struct Refused {
    checked: Checked,
    generation: u64,
    until: Instant,
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
        let lane = || Lane {
            hashing: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(AT_ONCE + WAITING),
        };
        Ok(Passwords {
            key,
            strangers: lane(),
            familiar: lane(),
            right: Mutex::default(),
            refused: Mutex::default(),
            under_way: Mutex::default(),
            by_source: Mutex::default(),
            right_before: Mutex::default(),
        })
    }

    /// Whether this is somebody's password. What was found a moment ago is not checked again.
    pub(crate) async fn check(
        &self,
        users: &Held<Users>,
        asker: Asker,
        name: &str,
        password: &str,
    ) -> Checked {
        if users.value.users.is_empty() || password.len() > LONGEST || name.len() > LONGEST_NAME {
            return Checked::Wrong { known: false };
        }
        let Some(mark) = self.mark(name, password) else { return Checked::Busy };
        if let Some(role) = self.remembered(&mark, users.generation) {
            self.was_right(asker.source);
            return Checked::Right(role);
        }
        if let Some(refused) = self.refused.lock().get(&(asker.source, mark))
            && refused.generation == users.generation
            && refused.until > Instant::now()
        {
            return refused.checked.clone();
        }
        let shared = self.shared(mark, users.generation);
        let checked = shared.get_or_try_init(|| self.find_out(users, asker, name, password)).await;
        match checked {
            Ok(Checked::Right(role)) => {
                self.remember(mark, *role, users.generation);
                self.was_right(asker.source);
                Checked::Right(*role)
            }
            Ok(checked) => checked.clone(),
            Err(()) => Checked::Busy,
        }
    }

    /// The check itself; `Err` when there is no place for it.
    async fn find_out(
        &self,
        users: &Held<Users>,
        asker: Asker,
        name: &str,
        password: &str,
    ) -> Result<Checked, ()> {
        let _flight = Flight::begin(self, asker).ok_or(())?;
        let lane = if asker.is_familiar { &self.familiar } else { &self.strangers };
        let _waiting = lane.waiting.try_acquire().map_err(|_| ())?;
        let place = lane.hashing.clone().acquire_owned().await.map_err(|_| ())?;
        let user = users.value.users.iter().find(|user| user.name == name);
        let hash = user.map_or_else(|| NOBODY.to_owned(), |user| user.password.clone());
        let password = password.to_owned();
        let verified = tokio::task::spawn_blocking(move || {
            let _place = place;
            verify(&hash, &password)
        });
        let is_right = verified.await.unwrap_or(false);
        Ok(match user {
            Some(user) if is_right && user.disabled => Checked::Disabled,
            Some(user) if is_right => Checked::Right(user.role),
            user => Checked::Wrong { known: user.is_some() },
        })
    }

    /// The check of this mark that is under way, or the one that begins.
    fn shared(&self, mark: Mark, generation: u64) -> Arc<OnceCell<Checked>> {
        let mut under_way = self.under_way.lock();
        if let Some(shared) = under_way.get(&(mark, generation)).and_then(Weak::upgrade) {
            return shared;
        }
        under_way.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::default();
        under_way.insert((mark, generation), Arc::downgrade(&shared));
        shared
    }

    /// What stands for a name and a password.
    pub(crate) fn mark(&self, name: &str, password: &str) -> Option<Mark> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).ok()?;
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(password.as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    /// The role, when these were right a moment ago.
    pub(crate) fn remembered(&self, mark: &Mark, generation: u64) -> Option<Role> {
        let right = self.right.lock();
        right
            .get(mark)
            .filter(|right| right.generation == generation && right.until > Instant::now())
            .map(|right| right.role)
    }

    fn remember(&self, mark: Mark, role: Role, generation: u64) {
        let now = Instant::now();
        let mut right = self.right.lock();
        right.retain(|_, right| right.until > now && right.generation == generation);
        if right.len() < MOST {
            right.insert(mark, Right { role, generation, until: now + REMEMBERED });
        }
    }

    /// Keeps in mind what did not let a source in. True when it is the first time within the `window`: a program that repeats one
    /// stale credential guesses nothing.
    pub(crate) fn refuse(
        &self,
        source: Option<Source>,
        mark: Mark,
        checked: Checked,
        generation: u64,
        window: Duration,
    ) -> bool {
        let (now, key) = (Instant::now(), (source, mark));
        let mut refused = self.refused.lock();
        if let Some(before) = refused.get_mut(&key)
            && before.until > now
        {
            (before.checked, before.generation) = (checked, generation);
            return false;
        }
        if refused.len() >= MOST_REFUSED {
            refused.retain(|_, refused| refused.until > now);
        }
        if refused.len() >= MOST_REFUSED {
            let oldest = refused.iter().min_by_key(|(_, refused)| refused.until).map(|(key, _)| *key);
            oldest.map(|key| refused.remove(&key));
        }
        refused.insert(key, Refused { checked, generation, until: now + window });
        true
    }

    /// Whether a right password came from there within the last day.
    pub(crate) fn is_familiar(&self, source: Source) -> bool {
        self.right_before.lock().get(&source).is_some_and(|at| at.elapsed() < FAMILIAR)
    }

    fn was_right(&self, source: Option<Source>) {
        let Some(source) = source else { return };
        let mut before = self.right_before.lock();
        if before.len() >= MOST && !before.contains_key(&source) {
            let oldest = before.iter().min_by_key(|(_, at)| **at).map(|(source, _)| *source);
            oldest.map(|source| before.remove(&source));
        }
        before.insert(source, Instant::now());
    }
}

/// A check that is under way, counted until it is dropped.
struct Flight<'a>(&'a Passwords, Option<Source>);

impl<'a> Flight<'a> {
    fn begin(passwords: &'a Passwords, asker: Asker) -> Option<Flight<'a>> {
        let mut by_source = passwords.by_source.lock();
        let number = by_source.entry(asker.source).or_default();
        if *number > 0 && *number >= asker.most {
            return None;
        }
        *number += 1;
        Some(Flight(passwords, asker.source))
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut by_source = self.0.by_source.lock();
        if let Some(number) = by_source.get_mut(&self.1) {
            *number -= 1;
            if *number == 0 {
                by_source.remove(&self.1);
            }
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
/// The longest name that is looked for, in bytes.
const LONGEST_NAME: usize = 64;
/// Passwords that are checked at a time in a lane: each takes a processor for tens of milliseconds, and 19 MiB.
const AT_ONCE: usize = 1;
/// Most that wait for that.
const WAITING: usize = 8;
/// How long a right password is remembered.
const REMEMBERED: Duration = Duration::from_secs(15);
/// Most wrong credentials that are kept in mind.
const MOST_REFUSED: usize = 4_096;
/// How long a source of right passwords is familiar.
const FAMILIAR: Duration = Duration::from_secs(86_400);
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

    fn asker() -> Asker {
        Asker { source: None, is_familiar: false, most: 100 }
    }

    #[tokio::test]
    async fn many_who_ask_the_same_share_one_check() {
        let mut users = Users::default();
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        let (passwords, users) = (Arc::new(Passwords::new().unwrap()), held(users, 1));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (passwords, users) = (passwords.clone(), users.clone());
            asking.spawn(async move {
                passwords.check(&users, Asker { most: 1, ..asker() }, "alice", "correct horse").await
            });
        }
        let all = asking.join_all().await;
        assert!(all.iter().all(|checked| *checked == Checked::Right(Role::Admin)), "{all:?}");
        assert!(passwords.by_source.lock().is_empty());
    }

    #[tokio::test]
    async fn strangers_do_not_keep_out_who_is_familiar() {
        let mut users = Users::default();
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        let (passwords, users) = (Passwords::new().unwrap(), held(users, 1));
        let _places = passwords.strangers.waiting.try_acquire_many((AT_ONCE + WAITING) as u32).unwrap();
        let familiar = Asker { is_familiar: true, ..asker() };
        assert_eq!(passwords.check(&users, asker(), "alice", "correct horse").await, Checked::Busy);
        assert_eq!(
            passwords.check(&users, familiar, "alice", "correct horse").await,
            Checked::Right(Role::Admin)
        );
    }

    #[test]
    fn one_wrong_credential_is_news_once_for_each_source_and_the_table_is_bounded() {
        let passwords = Passwords::new().unwrap();
        let source = |n: u32| Some(Source::of(std::net::IpAddr::from(n.to_be_bytes())));
        let wrong = Checked::Wrong { known: true };
        let hour = Duration::from_secs(3_600);
        let mark = |text: &str| passwords.mark("alice", text).unwrap();
        let refuse = |from, text: &str| passwords.refuse(from, mark(text), wrong.clone(), 1, hour);
        assert!(refuse(source(1), "old password"));
        assert!(!refuse(source(1), "old password"));
        assert!(refuse(source(2), "old password") && refuse(source(1), "another one"));
        for n in 0..MOST_REFUSED as u32 {
            refuse(source(100 + n), "old password");
        }
        assert_eq!(passwords.refused.lock().len(), MOST_REFUSED);
    }

    #[tokio::test]
    async fn a_password_is_right_until_it_is_changed_or_its_owner_is_kept_out() {
        let mut users = Users::default();
        users.add("alice", Role::Operator, "correct horse", at(0)).unwrap();
        let passwords = Passwords::new().unwrap();
        let first = held(users.clone(), 1);
        assert_eq!(
            passwords.check(&first, asker(), "alice", "correct horse").await,
            Checked::Right(Role::Operator)
        );
        assert_eq!(
            passwords.check(&first, asker(), "alice", "correct house").await,
            Checked::Wrong { known: true }
        );
        assert_eq!(
            passwords.check(&first, asker(), "bob", "correct horse").await,
            Checked::Wrong { known: false }
        );
        users.set_disabled("alice", true).unwrap();
        let second = held(users.clone(), 2);
        assert_eq!(passwords.check(&second, asker(), "alice", "correct horse").await, Checked::Disabled);
        users.set_disabled("alice", false).unwrap();
        users.set_password("alice", "battery staple", at(1)).unwrap();
        let third = held(users, 3);
        assert_eq!(
            passwords.check(&third, asker(), "alice", "correct horse").await,
            Checked::Wrong { known: true }
        );
        assert_eq!(
            passwords.check(&third, asker(), "alice", "battery staple").await,
            Checked::Right(Role::Operator)
        );
    }

    #[tokio::test]
    async fn guesses_that_come_all_at_once_are_put_off_not_piled_up() {
        let mut users = Users::default();
        users.add("alice", Role::Admin, "correct horse", at(0)).unwrap();
        let (passwords, users) = (Arc::new(Passwords::new().unwrap()), held(users, 1));
        let mut guesses = tokio::task::JoinSet::new();
        for number in 0..40 {
            let (passwords, users) = (passwords.clone(), users.clone());
            guesses.spawn(async move {
                passwords.check(&users, asker(), "alice", &format!("guess {number}")).await
            });
        }
        let all = guesses.join_all().await;
        let busy = all.iter().filter(|checked| **checked == Checked::Busy).count();
        assert!(busy > 0, "nobody was put off");
        assert!(all.iter().all(|checked| !matches!(checked, Checked::Right(_))));
        assert_eq!(
            passwords.check(&users, asker(), "alice", "correct horse").await,
            Checked::Right(Role::Admin)
        );
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
