//! Toll fraud in the daemon: the operator's table of prices, what accounts learnt, and what is done about a finding.
//!
//! The rules are `guard::fraud`, the numbers `toll`. Here: [`Prices`] reads the table when it changes and gives guard and rules what the
//! configuration says; [`watch()`] keeps both up to date and writes down what accounts learnt; [`tick`] carries out what the running
//! calls come to; [`block()`] blocks an account at its switch.

use crate::app::App;
use crate::clock;
use crate::config::{self, Config};
use crate::watch;
use guard::fraud::{Actions, Cost, Country, FraudPolicy, FraudRule, Learnt};
use guard::{Guard, Time};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch as signal};
use toll::{Dialling, Plan, Table};

mod block;
pub(crate) mod hours;

pub(crate) use block::{Blocking, block, is_block_command};

/// The table of prices, and the plan that is made of it.
#[derive(Default)]
pub struct Prices {
    /// One look at a time.
    shelf: Mutex<Shelf>,
    bell: Notify,
}

/// What is known of the table's file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shelf {
    /// Its path.
    pub path: Option<PathBuf>,
    /// What was read last.
    pub table: Table,
    /// Why what is there now cannot be used, with file and line.
    pub trouble: Option<String>,
    stamp: Option<Stamp>,
    /// The plan in force is made of this.
    dialling: Option<Dialling>,
}

/// Tells whether a file is another one or was written: device and inode, change in ns, length.
type Stamp = (u64, u64, i128, u64);

/// How often the file and the hours are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks between two writings of what accounts learnt.
const LOOKS_A_WRITING: u32 = 6;
/// The largest table.
const LARGEST: u64 = 32 << 20;

impl Prices {
    /// What is known of the table's file.
    pub fn shelf(&self) -> Shelf {
        self.shelf.lock().clone()
    }

    /// Has the file looked at soon.
    pub(crate) fn look_soon(&self) {
        self.bell.notify_one();
    }

    /// Brings the guard in line with the configuration and the file. Blocks.
    pub(crate) fn look(&self, guard: &Guard, config: &Config) {
        let wanted = policy(&config.fraud);
        if *guard.fraud().policy() != wanted {
            guard.fraud().set_policy(wanted);
        }
        let mut shelf = self.shelf.lock();
        let changed = shelf.look(config.fraud.table_file.as_deref());
        let dialling = dialling(&config.fraud);
        if !changed && shelf.dialling.as_ref() == Some(&dialling) {
            return;
        }
        match Plan::new(dialling.clone(), shelf.table.clone()) {
            Ok(plan) => guard.fraud().set_destinations(Box::new(move |number, _| plan.classify(number))),
            // The configuration has looked at all of it already.
            Err(error) => tracing::error!(%error, "how numbers are dialled stays as it was"),
        }
        shelf.dialling = Some(dialling);
    }
}

impl Shelf {
    /// Reads the file when it has changed; true when the table has.
    fn look(&mut self, path: Option<&Path>) -> bool {
        let path = path.filter(|path| !path.as_os_str().is_empty());
        let stamp = path.and_then(stamp);
        if self.path.as_deref() == path
            && self.stamp == stamp
            && (stamp.is_some() || self.trouble.is_some() || path.is_none())
        {
            return false;
        }
        (self.path, self.stamp) = (path.map(Path::to_owned), stamp);
        let Some(path) = path else {
            *self = Shelf { dialling: self.dialling.take(), ..Shelf::default() };
            return true;
        };
        match read(path) {
            Ok(table) => {
                tracing::info!(path = %path.display(), prefixes = table.len(), "{TABLE_FILE} is read");
                (self.table, self.trouble) = (table, None);
                true
            }
            Err(reason) => {
                let so = if self.table.is_empty() {
                    "it is done without"
                } else {
                    "the table read before stays in use"
                };
                let trouble = format!("{TABLE_FILE} {}: {reason}; {so}", path.display());
                tracing::warn!("{trouble}");
                self.trouble = Some(trouble);
                false
            }
        }
    }
}

/// The key of the table's file.
const TABLE_FILE: &str = "fraud.table_file";

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    let changed = i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec());
    Some((file.dev(), file.ino(), changed, file.len()))
}

fn read(path: &Path) -> Result<Table, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > LARGEST {
        return Err(format!("{length} bytes; at most {LARGEST} are read"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is no UTF-8 text".to_owned())?;
    Table::parse(&text).map_err(|error| error.to_string())
}

fn dialling(config: &config::Fraud) -> Dialling {
    Dialling {
        home: Country::new(&config.home_country),
        trunk: config.trunk_prefixes.clone(),
        international: config.international_prefixes.clone(),
    }
}

/// What the rules are told.
pub(crate) fn policy(config: &config::Fraud) -> FraudPolicy {
    let units = |amount: u32| Cost::from_micros(u64::from(amount) * 1_000_000);
    let actions = |words: &[String]| {
        words.iter().filter_map(|word| Actions::of(word)).fold(Actions::NONE, Actions::and)
    };
    FraudPolicy {
        enabled: config.enabled,
        learning: config.learning,
        actions: FraudRule::ALL.map(|rule| actions(config.on(rule))),
        home: Country::new(&config.home_country),
        countries: config.known_countries.iter().filter_map(|text| Country::new(text)).collect(),
        history: config.history,
        call_rate: config.call_rate,
        concurrent: config.concurrent_calls,
        sequential: config.sequential_calls,
        call_duration: config.call_duration,
        account_duration: config.account_duration,
        country_duration: config.country_duration,
        account_cost_hour: units(config.account_cost_hour),
        account_cost_day: units(config.account_cost_day),
        tenant_cost_hour: units(config.tenant_cost_hour),
        tenant_cost_day: units(config.tenant_cost_day),
        hours: hours::hours(&config.hours, &config.time_zone),
        ban: config.ban_duration,
    }
}

/// Carries out what the calls that run have come to.
pub(crate) fn tick(app: &Arc<App>) {
    let now = clock::now();
    let runtime = tokio::runtime::Handle::current();
    for (number, verdict) in app.guard.tick_calls(now) {
        if let Some(switch) = app.switches.get(usize::from(number)) {
            watch::carry_out(app, switch, &runtime, verdict, now);
        }
    }
}

/// Looks at the table and the hours now and then, and writes down what accounts learnt, until the end and once more then.
pub(crate) async fn watch(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looks, mut unwritten) = (0u32, Unwritten::default());
    loop {
        let is_over = tokio::select! {
            _ = every.tick() => false,
            () = app.prices.bell.notified() => false,
            _ = stopped.wait_for(|stopped| *stopped) => true,
        };
        if is_over {
            write_down(&app, &mut unwritten).await;
            return;
        }
        let looking = app.clone();
        let looked =
            tokio::task::spawn_blocking(move || looking.prices.look(&looking.guard, &looking.config.load()))
                .await;
        if let Err(error) = looked {
            tracing::error!(%error, "looking at the table of prices failed");
        }
        looks = looks.wrapping_add(1);
        if looks % LOOKS_A_WRITING == 0 {
            write_down(&app, &mut unwritten).await;
        }
    }
}

/// What is still to be written down.
#[derive(Default)]
struct Unwritten {
    accounts: HashMap<(String, String), Learnt>,
    /// Since when calls are watched, as it was written.
    began: Option<Time>,
}

/// Writes what has changed since the last time, and what could not be written then.
async fn write_down(app: &App, unwritten: &mut Unwritten) {
    let Some(store) = app.mirror.store() else { return };
    for learnt in app.guard.fraud().take_learnt() {
        unwritten.accounts.insert((learnt.user.clone(), learnt.domain.clone()), learnt);
    }
    let began = app.guard.fraud().began().filter(|began| Some(*began) != unwritten.began);
    if unwritten.accounts.is_empty() && began.is_none() {
        return;
    }
    match store.learn(unwritten.accounts.values().cloned().collect(), began).await {
        Ok(()) => {
            unwritten.accounts.clear();
            unwritten.began = began.or(unwritten.began);
        }
        Err(error) => tracing::debug!(%error, "what accounts learnt is not written yet"),
    }
}

#[cfg(test)]
mod tests;
