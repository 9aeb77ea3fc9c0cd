//! The table of the known keys: the only place that knows them.
//!
//! A [`Key`] joins a path of the file, a variable of the environment, a field of [`Config`] and a sentence. Reading,
//! suggestions, checks of ranges, the example, `docs/configuration.md` and the comparison at a reload all walk
//! [`SECTIONS`] and [`ARRAYS`]; a key that is not here does not exist.

mod alarms;
mod broker;
mod daemon;
mod fraud;
mod geo;
mod notify;
mod record;
mod rules;
mod security;
mod switch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use guard::signal::Signals;
use ipnet::IpNet;

use super::arrays::{Array, Entries};
use super::choice::Choice;
use super::model::{Config, PortRange};
use super::secret::Secret;
use super::text::Shape;

pub(super) use switch::RETIRED;

/// A table of the file with its keys.
pub(super) struct Section {
    /// `security.rate_limit`
    pub(super) name: &'static str,
    /// One sentence for the documentation.
    pub(super) intro: &'static str,
    pub(super) keys: &'static [Key<Config>],
}

/// One key; `T` is the struct that it sets a field of.
pub(super) struct Key<T: 'static> {
    /// The whole path, `security.rate_limit.enabled`; of an entry of an array the name alone.
    pub(super) path: &'static str,
    /// The variable that wins over the file; empty when there is none.
    pub(super) variable: &'static str,
    pub(super) field: Field<T>,
    pub(super) meaning: &'static str,
    /// A changed value needs a new process.
    pub(super) restart: bool,
    /// The predecessor has it, too.
    pub(super) contract: bool,
    /// Takes another key's value when it is absent.
    pub(super) follows: Option<Follows<T>>,
    /// What the example shows where the default shows nothing; a list has several.
    pub(super) sample: &'static [&'static str],
}

/// The other key, and how its value is taken over.
pub(super) struct Follows<T: 'static> {
    pub(super) path: &'static str,
    pub(super) take: fn(&mut T),
}

/// The type and range of a key, and the field it sets.
pub(super) enum Field<T: 'static> {
    Bool(fn(&mut T) -> &mut bool),
    OptionalBool(fn(&mut T) -> &mut Option<bool>),
    Count {
        at: fn(&mut T) -> &mut u32,
        min: u32,
        max: u32,
    },
    OptionalCount {
        at: fn(&mut T) -> &mut Option<u32>,
        min: u32,
        max: u32,
    },
    Port(fn(&mut T) -> &mut u16),
    /// 0 is none.
    OptionalPort(fn(&mut T) -> &mut Option<u16>),
    Span {
        at: fn(&mut T) -> &mut Duration,
        min: Duration,
        max: Duration,
    },
    OptionalSpan {
        at: fn(&mut T) -> &mut Option<Duration>,
        min: Duration,
        max: Duration,
    },
    /// Bytes.
    Size {
        at: fn(&mut T) -> &mut u64,
        min: u64,
        max: u64,
    },
    OptionalSize {
        at: fn(&mut T) -> &mut Option<u64>,
        min: u64,
        max: u64,
    },
    Text(Shape, fn(&mut T) -> &mut String),
    OptionalText(Shape, fn(&mut T) -> &mut Option<String>),
    Texts(Shape, fn(&mut T) -> &mut Vec<String>),
    /// Words of the guard's signals.
    Signals(fn(&mut T) -> &mut Option<Signals>),
    Secret(fn(&mut T) -> &mut Secret),
    Word(fn(&mut T) -> &mut dyn Choice),
    Networks(fn(&mut T) -> &mut Vec<IpNet>),
    Ports(fn(&mut T) -> &mut Vec<PortRange>),
    Socket(fn(&mut T) -> &mut SocketAddr),
    Path(fn(&mut T) -> &mut PathBuf),
    OptionalPath(fn(&mut T) -> &mut Option<PathBuf>),
}

/// Every section, in the order of the documentation.
pub(super) static SECTIONS: &[Section] = &[
    daemon::SERVER,
    daemon::FREESWITCH,
    daemon::CACHE,
    security::SECURITY,
    security::CHANDAEMON,
    security::RATE_LIMIT,
    daemon::FIREWALL,
    daemon::STORE,
    daemon::LOG,
    daemon::GUARD,
    alarms::ALARMS,
    geo::GEO,
    fraud::FRAUD,
    record::RECORD,
    daemon::API,
    broker::BROKER,
    broker::DOOR,
    broker::FREESWITCH,
    broker::XML,
    broker::LDAP,
    notify::NOTIFY,
    notify::TEMPLATES,
    notify::WEBHOOK,
    notify::SLACK,
    notify::TELEGRAM,
    notify::MAIL,
    notify::SYSLOG,
];

/// Every array of tables, in the order of the documentation.
pub(super) static ARRAYS: [&dyn Array; 4] =
    [&switch::SWITCHES, &rules::RULES, &broker::ROLES, &broker::USERS];

/// Every key but those of the arrays.
pub(super) fn keys() -> impl Iterator<Item = &'static Key<Config>> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

impl<T> Key<T> {
    /// A key of the predecessor.
    const fn known(
        path: &'static str,
        variable: &'static str,
        field: Field<T>,
        meaning: &'static str,
    ) -> Self {
        Self { path, variable, field, meaning, restart: false, contract: true, follows: None, sample: &[] }
    }

    /// A key of our own.
    const fn new(path: &'static str, variable: &'static str, field: Field<T>, meaning: &'static str) -> Self {
        Self { path, variable, field, meaning, restart: false, contract: false, follows: None, sample: &[] }
    }

    const fn restart(self) -> Self {
        Self { restart: true, ..self }
    }

    const fn follows(self, path: &'static str, take: fn(&mut T)) -> Self {
        Self { follows: Some(Follows { path, take }), ..self }
    }

    const fn sample(self, sample: &'static [&'static str]) -> Self {
        Self { sample, ..self }
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// From 1 to `max`.
const fn count<T>(at: fn(&mut T) -> &mut u32, max: u32) -> Field<T> {
    Field::Count { at, min: 1, max }
}

/// From 0, which stands for no limit or for never, to `max`.
const fn count_or_none<T>(at: fn(&mut T) -> &mut u32, max: u32) -> Field<T> {
    Field::Count { at, min: 0, max }
}

/// The time in which something is counted, or for which something holds: a second to ten years.
const fn span<T>(at: fn(&mut T) -> &mut Duration) -> Field<T> {
    Field::Span { at, min: Duration::from_secs(1), max: Duration::from_secs(TEN_YEARS) }
}

/// A wait on the network: a tenth of a second to an hour.
const fn wait<T>(at: fn(&mut T) -> &mut Duration) -> Field<T> {
    Field::Span { at, min: Duration::from_millis(100), max: Duration::from_secs(3_600) }
}

const TEN_YEARS: u64 = 87_600 * 3_600;
/// The most that a threshold may be.
const MILLION: u32 = 1_000_000;
/// The most elements that a kernel set may hold, and the most that the engine may track.
const MOST_ELEMENTS: u32 = 16_777_216;
