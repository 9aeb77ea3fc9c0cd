//! Reputation as rows that a store keeps, and back.
//!
//! Rows are told once for each change; whoever could not write one down gives it back by [`Reputation::unwritten`]. What a store tells
//! at the start is believed, but for what is out of bounds. Start with [`Reputation::take_changed`].

use super::days::{Calls, Days, day_of};
use super::{AccountRecord, Reputation, SourceRecord};
use crate::source::{Source, Target};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::Relaxed;

/// What is known of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptSource {
    source: Target,
    days: Days,
    calls: Calls,
    agents: [u32; 3],
}

/// What is known of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptAccount {
    account: u64,
    days: Days,
    calls: Calls,
    agents: [u32; 3],
    countries: [[u8; 2]; 4],
    networks: [u64; 4],
    brought: u8,
    brought_on: u16,
}

impl KeptSource {
    /// What a row is found by.
    pub fn key(&self) -> String {
        self.source.to_string()
    }

    /// The day of its last mark, counted from 1970; 32 days later nothing is left of it.
    pub fn day(&self) -> u16 {
        self.days.last()
    }
}

impl KeptAccount {
    /// What a row is found by.
    pub fn key(&self) -> String {
        format!("{:016x}", self.account)
    }

    /// The day of its last mark, counted from 1970; 32 days later nothing is left of it.
    pub fn day(&self) -> u16 {
        self.days.last()
    }
}

impl Reputation {
    /// Gives what has changed since it was last asked to `source` and `account`.
    pub fn take_changed(&self, mut source: impl FnMut(KeptSource), mut account: impl FnMut(KeptAccount)) {
        for shard in &self.sources {
            let mut next = Some(0);
            while let Some(from) = next {
                next = shard.lock().take_changed(from, |key, record| source(record.kept(*key)));
            }
        }
        for shard in &self.accounts {
            let mut next = Some(0);
            while let Some(from) = next {
                next = shard.lock().take_changed(from, |key, record| account(record.kept(*key)));
            }
        }
    }

    /// The key of the hashes.
    pub fn key(&self) -> [u64; 2] {
        [self.key[0].load(Relaxed), self.key[1].load(Relaxed)]
    }

    /// These rows could not be written down: they count as changed again.
    pub fn unwritten(&self, sources: &[KeptSource], accounts: &[KeptAccount]) {
        for source in sources.iter().filter_map(|kept| kept.source.source()) {
            self.sources(source).lock().change(&source, |_| true);
        }
        for kept in accounts {
            self.accounts(kept.account).lock().change(&kept.account, |_| true);
        }
    }

    /// Takes in what a store kept, with the key of its hashes.
    pub fn restore(&self, key: [u64; 2], sources: &[KeptSource], accounts: &[KeptAccount], now: Time) {
        let today = day_of(now);
        self.key[0].store(key[0], Relaxed);
        self.key[1].store(key[1], Relaxed);
        for kept in sources.iter().filter(|kept| !kept.days.is_over(today)) {
            let Target::Host(source) = kept.source else { continue };
            let KeptSource { days, calls, agents, .. } = *kept;
            let mut shard = self.sources(source).lock();
            if shard.get(&source).is_none() {
                let record = SourceRecord { days, calls, agents };
                shard.make(source, record, |record| record.days.worth(today), &days.worth(today));
            }
        }
        for kept in accounts.iter().filter(|kept| !kept.days.is_over(today)) {
            let KeptAccount { account, days, calls, agents, countries, networks, brought, brought_on } =
                *kept;
            let mut shard = self.accounts(account).lock();
            if shard.get(&account).is_none() {
                let record = AccountRecord { days, calls, agents, countries, networks, brought, brought_on };
                shard.make(account, record, |record| record.days.worth(today), &days.worth(today));
            }
        }
        self.sources.iter().for_each(|shard| shard.lock().settle());
        self.accounts.iter().for_each(|shard| shard.lock().settle());
    }
}

impl SourceRecord {
    fn kept(&self, source: Source) -> KeptSource {
        let SourceRecord { days, calls, agents } = *self;
        KeptSource { source: Target::Host(source), days, calls, agents }
    }
}

impl AccountRecord {
    fn kept(&self, account: u64) -> KeptAccount {
        let AccountRecord { days, calls, agents, countries, networks, brought, brought_on } = *self;
        KeptAccount { account, days, calls, agents, countries, networks, brought, brought_on }
    }
}
