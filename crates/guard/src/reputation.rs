//! What is known of a source and of an account over weeks: days of good behaviour, answered calls, user agents, networks.
//!
//! Only a success that is no forgery counts, and it only ever makes the guard doubt weak evidence: what is proven is judged as
//! everybody's. Everything fades by itself ([`days`]), the tables are bounded, and who holds one stolen account brings in a few sources a
//! day and throws out nobody who has been here for longer than that day. Accounts are kept as keyed hashes. Start with
//! [`Reputation::succeeded`], then [`Reputation::of_source`].

use crate::bounded::Bounded;
use crate::source::Source;
use crate::time::Time;
use ahash::RandomState;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) mod days;
mod kept;
#[cfg(test)]
mod tests;

use days::{Calls, Days, day_of};
pub use kept::{KeptAccount, KeptSource};

/// How far a source is believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Nothing speaks for it.
    #[default]
    Stranger,
    /// A phone is registered from it, or it is on the allow-list.
    Known,
    /// Good on at least five of the last fourteen days, and no proven attack in them.
    Trusted,
}

impl Tier {
    /// The word for it, as in logs and answers.
    pub fn word(self) -> &'static str {
        match self {
            Tier::Stranger => "stranger",
            Tier::Known => "known",
            Tier::Trusted => "trusted",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How many good days make a source trusted.
pub const TRUSTED_DAYS: u32 = 5;
/// On how many of them an account has succeeded that has a past.
const A_PAST: u32 = 3;
/// Out of how many.
pub const TRUSTED_OF: u16 = 14;

/// What is known of a source, in a form to show.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Repute {
    /// How far it is believed.
    pub tier: Tier,
    /// Phones that are registered from it.
    pub phones: u32,
    /// Whether it is on the allow-list.
    pub allowed: bool,
    /// Good days among the last fourteen.
    pub good_days: u32,
    /// Days with a proven attack among them.
    pub bad_days: u32,
    /// Answered calls, halved every week.
    pub answered: u16,
    /// Different user agents, at most three.
    pub agents: u8,
}

impl Repute {
    /// With what holds at this moment, and the tier that follows.
    #[must_use]
    pub fn now(self, phones: u32, allowed: bool) -> Repute {
        let tier = match (self.good_days >= TRUSTED_DAYS && self.bad_days == 0, phones > 0 || allowed) {
            (true, _) => Tier::Trusted,
            (false, true) => Tier::Known,
            (false, false) => Tier::Stranger,
        };
        Repute { tier, phones, allowed, ..self }
    }
}

impl Repute {
    /// As a line, or nothing when nothing is known.
    pub fn told(&self) -> String {
        let is_blank =
            self.tier == Tier::Stranger && self.good_days + self.bad_days == 0 && self.answered == 0;
        if is_blank { String::new() } else { self.to_string() }
    }
}

impl fmt::Display for Repute {
    /// One line: "trusted: good on 12 of 14 days, 340 answered calls".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        let mut parts = Vec::new();
        if self.phones > 0 {
            parts.push(format!("{} phone{} registered", self.phones, plural(self.phones)));
        } else if self.allowed {
            parts.push("on the allow-list".to_owned());
        }
        if self.good_days > 0 {
            parts.push(format!("good on {} of {TRUSTED_OF} days", self.good_days));
        }
        if self.bad_days > 0 {
            parts.push(format!("a proven attack on {} of them", self.bad_days));
        }
        if self.answered > 0 {
            parts.push(format!("{} answered call{}", self.answered, plural(self.answered.into())));
        }
        f.write_str(self.tier.word())?;
        if parts.is_empty() { Ok(()) } else { write!(f, ": {}", parts.join(", ")) }
    }
}

/// What is known of an account, in a form to show.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccountRepute {
    /// Good days among the last fourteen.
    pub good_days: u32,
    /// Good days among the last thirty-two.
    pub kept_days: u32,
    /// Answered calls, halved every week.
    pub answered: u16,
    /// Different user agents, at most three.
    pub agents: u8,
    /// The countries that it succeeded from, the newest first, at most four.
    pub countries: Vec<[u8; 2]>,
    /// How many /24 (IPv6: /56) networks it succeeded from, at most four are kept.
    pub networks: u8,
}

/// A success to be noted.
#[derive(Clone, Copy)]
pub struct Success<'a> {
    /// From where.
    pub source: Source,
    /// User part of the account that was proved.
    pub user: &'a [u8],
    /// Domain of it.
    pub domain: &'a [u8],
    /// The user agent; empty when unknown.
    pub agent: &'a [u8],
    /// Tells the country of the source, when that is known; asked for a network that is new to the account.
    pub country: &'a dyn Fn() -> Option<[u8; 2]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct SourceRecord {
    days: Days,
    calls: Calls,
    /// Hashes, the newest first; 0 is none.
    agents: [u32; 3],
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct AccountRecord {
    days: Days,
    calls: Calls,
    agents: [u32; 3],
    countries: [[u8; 2]; 4],
    networks: [u64; 4],
    /// Sources that it brought into the table on `brought_on`.
    brought: u8,
    brought_on: u16,
}

/// What is known of sources and accounts.
pub struct Reputation {
    sources: Box<[Mutex<Bounded<Source, SourceRecord>>]>,
    accounts: Box<[Mutex<Bounded<u64, AccountRecord>>]>,
    /// Keys the hashes of accounts and user agents; the same for the life of the store.
    key: [AtomicU64; 2],
    hasher: RandomState,
}

/// Shards of each table.
const SHARDS: usize = 16;
/// Sources that one account may bring into the table in a day: a stolen one must not fill it.
const BROUGHT_A_DAY: u8 = 8;
/// Who is new throws out only what has been good on this many days at most.
const NEWCOMERS_WORTH: (u32, u16) = (1, u16::MAX);

impl Reputation {
    /// Room for `capacity` sources and as many accounts.
    pub fn new(capacity: usize, key: [u64; 2], hasher: &RandomState) -> Reputation {
        let each = capacity.div_ceil(SHARDS);
        Reputation {
            sources: (0..SHARDS).map(|_| Mutex::new(Bounded::new(each, hasher.clone()))).collect(),
            accounts: (0..SHARDS).map(|_| Mutex::new(Bounded::new(each, hasher.clone()))).collect(),
            key: key.map(AtomicU64::new),
            hasher: hasher.clone(),
        }
    }

    fn sources(&self, source: Source) -> &Mutex<Bounded<Source, SourceRecord>> {
        &self.sources[(self.hasher.hash_one(source) >> 32) as usize % SHARDS]
    }

    fn accounts(&self, account: u64) -> &Mutex<Bounded<u64, AccountRecord>> {
        &self.accounts[(account >> 32) as usize % SHARDS]
    }

    fn sip(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.key[0].load(Relaxed), self.key[1].load(Relaxed))
    }

    /// The hash that an account is kept by; a domain is the same in capitals.
    fn account(&self, user: &[u8], domain: &[u8]) -> u64 {
        let mut hasher = self.sip();
        hasher.write(user);
        hasher.write_u8(b'@');
        let mut lower = [0u8; LONGEST_DOMAIN];
        let domain = &domain[..domain.len().min(LONGEST_DOMAIN)];
        let lower = &mut lower[..domain.len()];
        lower.copy_from_slice(domain);
        lower.make_ascii_lowercase();
        hasher.write(lower);
        hasher.finish()
    }

    fn agent(&self, agent: &[u8]) -> u32 {
        if agent.is_empty() {
            return 0;
        }
        let mut hasher = self.sip();
        hasher.write(agent);
        (hasher.finish() as u32).max(1)
    }

    /// Right credentials came from a source, and that is no forgery. `attacked_on` tells the day of an earlier proven attack of it.
    pub fn succeeded(&self, seen: &Success<'_>, attacked_on: impl FnOnce() -> Option<u16>, now: Time) {
        let today = day_of(now);
        let agent = self.agent(seen.agent);
        let is_here =
            self.sources(seen.source).lock().change(&seen.source, |record| record.touch(agent, today));
        // An account without a name is nobody's; it brings nobody in.
        let may_come = !seen.user.is_empty() && self.account_succeeded(seen, agent, !is_here, today);
        if is_here || !may_come {
            return;
        }
        let mut record = SourceRecord::default();
        if let Some(day) = attacked_on() {
            record.days.bad(day);
        }
        record.touch(agent, today);
        let mut sources = self.sources(seen.source).lock();
        if sources.get(&seen.source).is_none() {
            sources.make(seen.source, record, |record| record.days.worth(today), &NEWCOMERS_WORTH);
        }
    }

    /// Notes the success of the account; true when it may bring in the source, which `is_new`.
    fn account_succeeded(&self, seen: &Success<'_>, agent: u32, is_new: bool, today: u16) -> bool {
        let account = self.account(seen.user, seen.domain);
        let mut accounts = self.accounts(account).lock();
        let mut may_bring = false;
        let touch = |record: &mut AccountRecord| {
            let before = *record;
            record.touch(seen, agent, today);
            if is_new {
                may_bring = record.brings(today);
            }
            *record != before
        };
        if !accounts.change(&account, touch) {
            let mut record = AccountRecord::default();
            record.touch(seen, agent, today);
            may_bring = is_new && record.brings(today);
            // An account that finds no room brings nobody in, or it would do so without end.
            may_bring &= accounts.make(account, record, |record| record.days.worth(today), &NEWCOMERS_WORTH);
        }
        may_bring
    }

    /// An inbound call was answered, and who called is no forgery. Only who has succeeded before gets anything for it: a stranger's call is
    /// answered as well.
    pub fn answered(&self, source: Source, user: &[u8], domain: &[u8], now: Time) {
        let today = day_of(now);
        let is_here = self.sources(source).lock().change(&source, |record| {
            record.calls.one(today);
            true
        });
        if is_here && !user.is_empty() {
            let account = self.account(user, domain);
            let network = network(source);
            self.accounts(account).lock().change(&account, |record| {
                // A caller that proved no account may still name one.
                let is_its_own = record.networks.contains(&network);
                if is_its_own {
                    record.calls.one(today);
                }
                is_its_own
            });
        }
    }

    /// A source proved an attack.
    pub fn attacked(&self, source: Source, now: Time) {
        self.sources(source).lock().change(&source, |record| record.days.bad(day_of(now)));
    }

    /// The attack of that time was none.
    pub fn forgiven(&self, source: Source, at: Time) {
        self.sources(source).lock().change(&source, |record| record.days.forgive(day_of(at)));
    }

    /// Whether a source was good on so many days, and proved no attack in them, that it is trusted.
    pub fn is_trusted(&self, source: Source, now: Time) -> bool {
        let today = day_of(now);
        self.sources(source).lock().get(&source).is_some_and(|record| record.is_trusted(today))
    }

    /// Whether anybody in a net is trusted. Looks at all sources: for the rare moment before a net is banned.
    pub(crate) fn is_any_trusted_within(&self, net: &IpNet, now: Time) -> bool {
        let today = day_of(now);
        let is_such = |source: &Source, record: &SourceRecord| {
            net.contains(&source.first()) && record.is_trusted(today)
        };
        self.sources.iter().any(|sources| sources.lock().any(is_such))
    }

    /// What is known of a source.
    pub fn of_source(&self, source: Source, now: Time) -> Repute {
        let record = self.sources(source).lock().get(&source).copied().unwrap_or_default();
        let today = day_of(now);
        let (good_days, bad_days) = record.days.within(TRUSTED_OF, today);
        let agents = record.agents.iter().filter(|agent| **agent != 0).count() as u8;
        Repute { good_days, bad_days, answered: record.calls.count(today), agents, ..Repute::default() }
    }

    /// What is known of an account; `None` when it never succeeded, or that is forgotten.
    pub fn of_account(&self, user: &[u8], domain: &[u8], now: Time) -> Option<AccountRepute> {
        let account = self.account(user, domain);
        let record = *self.accounts(account).lock().get(&account)?;
        let today = day_of(now);
        Some(AccountRepute {
            good_days: record.days.within(TRUSTED_OF, today).0,
            kept_days: record.days.within(days::KEPT, today).0,
            answered: record.calls.count(today),
            agents: record.agents.iter().filter(|agent| **agent != 0).count() as u8,
            countries: record.countries.into_iter().filter(|country| *country != [0; 2]).collect(),
            networks: record.networks.iter().filter(|network| **network != 0).count() as u8,
        })
    }

    /// Whether an account that has succeeded from known countries never did so from this one, which is asked for only then.
    pub fn is_new_country(
        &self,
        user: &[u8],
        domain: &[u8],
        country: impl FnOnce() -> Option<[u8; 2]>,
    ) -> bool {
        let account = self.account(user, domain);
        let known = self.accounts(account).lock().get(&account).map(|record| record.countries);
        known
            .filter(|known| known[0] != [0; 2])
            .is_some_and(|known| country().is_some_and(|country| !known.contains(&country)))
    }

    /// Whether an account has succeeded on some days, and with this very user agent.
    pub(crate) fn is_phone_of(&self, user: &[u8], domain: &[u8], agent: &[u8], now: Time) -> bool {
        let (account, agent, today) = (self.account(user, domain), self.agent(agent), day_of(now));
        let accounts = self.accounts(account).lock();
        let is_its = |record: &AccountRecord| {
            record.agents.contains(&agent) && record.days.within(TRUSTED_OF, today).0 >= A_PAST
        };
        agent != 0 && accounts.get(&account).is_some_and(is_its)
    }

    /// Housekeeping: looks at a part of the tables and forgets whom nothing is known of any more.
    pub fn sweep(&self, now: Time) {
        let today = day_of(now);
        // All of it once in ten minutes.
        for shard in &self.sources {
            let mut shard = shard.lock();
            let count = shard.len() / 600 + 8;
            shard.sweep(count, |record| record.days.is_over(today));
        }
        for shard in &self.accounts {
            let mut shard = shard.lock();
            let count = shard.len() / 600 + 8;
            shard.sweep(count, |record| record.days.is_over(today));
        }
    }

    /// How full the tables are.
    pub fn state(&self) -> State {
        let mut state = State::default();
        for shard in &self.sources {
            let shard = shard.lock();
            state.sources += shard.len();
            state.bytes += shard.bytes();
            let (evicted, refused) = shard.turned_away();
            state.turned_away += evicted + refused;
        }
        for shard in &self.accounts {
            let shard = shard.lock();
            state.accounts += shard.len();
            state.bytes += shard.bytes();
            let (evicted, refused) = shard.turned_away();
            state.turned_away += evicted + refused;
        }
        state
    }
}

/// How full the tables of reputation are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct State {
    /// Sources known.
    pub sources: usize,
    /// Accounts known.
    pub accounts: usize,
    /// Bytes held.
    pub bytes: usize,
    /// Entries that had to go, or did not come in, because a table was full.
    pub(crate) turned_away: u64,
}

impl SourceRecord {
    /// Good on so many days, and no attack proved in them.
    fn is_trusted(&self, today: u16) -> bool {
        let (good, bad) = self.days.within(TRUSTED_OF, today);
        good >= TRUSTED_DAYS && bad == 0
    }

    /// Notes a success; true when that changed anything, which it mostly does not.
    fn touch(&mut self, agent: u32, today: u16) -> bool {
        if self.days.is_marked(today) && (agent == 0 || self.agents[0] == agent) {
            return false;
        }
        let before = *self;
        self.days.good(today);
        newest(&mut self.agents, agent);
        *self != before
    }
}

impl AccountRecord {
    /// Notes a success.
    fn touch(&mut self, seen: &Success<'_>, agent: u32, today: u16) {
        let network = network(seen.source);
        // Files of places grow: one where nothing was known of any network is asked again the next day.
        let is_nowhere = self.countries[0] == [0; 2] && !self.days.is_marked(today);
        if is_nowhere || !self.networks.contains(&network) {
            newest(&mut self.countries, (seen.country)().unwrap_or_default());
        }
        self.days.good(today);
        newest(&mut self.agents, agent);
        newest(&mut self.networks, network);
    }

    /// Whether it may bring one more source into the table today; it has then.
    fn brings(&mut self, today: u16) -> bool {
        if self.brought_on != today {
            (self.brought, self.brought_on) = (0, today);
        }
        let may = self.brought < BROUGHT_A_DAY;
        self.brought += u8::from(may);
        may
    }
}

/// Puts a value first in a short list of different ones, unless it is none or there already.
fn newest<T: Copy + PartialEq + Default>(list: &mut [T], value: T) {
    if value == T::default() || list.contains(&value) {
        return;
    }
    list.rotate_right(1);
    if let Some(first) = list.first_mut() {
        *first = value;
    }
}

/// A number for the /24 or /56 of a source; never 0.
fn network(source: Source) -> u64 {
    match source.bits() {
        (bits, false) => (bits >> 8) | 1 << 62,
        (bits, true) => (bits >> 8) | 1 << 63,
    }
}

/// Longest part of a domain that tells accounts apart, in bytes.
const LONGEST_DOMAIN: usize = 128;
