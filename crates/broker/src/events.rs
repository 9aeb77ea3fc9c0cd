//! Which events somebody may see: by name, and of those which rows: all, those of the own domain, those of the own channels.
//!
//! | written | speaks of |
//! |---|---|
//! | `CHANNEL_*` | events by glob, in whatever case |
//! | `CUSTOM sofia::*` | subclasses of CUSTOM by glob, in their case |
//! | `CUSTOM` | all subclasses |
//! | `*` | every event but API and BACKGROUND_JOB, which show what others run |
//! | `ALL` | every event |
//!
//! Whose an event is follows from its channel's owner, whom authentication or the directory named, or from what the directory added to a
//! registration. What a caller can choose (From, Caller-Username, presence ids) counts for nothing, so that nobody can make events look like
//! their own. An event that says nothing of this kind is shown to those who may see all rows, except [`SHARED`].

use crate::identity::{Account, Bound, Identity};
use esl::EventView;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Which events of those that a rule names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Rows {
    /// Those of channels of the own account.
    #[default]
    OwnChannels,
    /// Those of channels and registrations of the own domain.
    OwnDomain,
    /// All.
    All,
}

/// A text that says no rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("rows are own-channels, own-domain or all")]
pub struct NoRows;

/// A text that names no events.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} names no events; write them like \"CHANNEL_*\", \"CUSTOM sofia::*\" or \"*\"")]
pub struct BadEvents(String);

/// What somebody may see. Empty: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventRules(Vec<(Names, Rows)>);

/// Names of events.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Names {
    All,
    /// In upper case.
    Event(String),
    Subclass(String),
}

impl EventRules {
    /// Adds names as they are written.
    ///
    /// # Errors
    /// The first that names no events.
    pub fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>, rows: Rows) -> Result<(), BadEvents> {
        for text in names {
            self.0.push((text.parse()?, rows));
        }
        Ok(())
    }

    /// Adds what other rules show.
    pub fn extend(&mut self, other: &EventRules) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Whether nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody may ask for an event: some of its rows would be shown. `name` may be `ALL`, which is granted to whoever may see
    /// anything, and brings what they may see.
    pub fn may_ask(&self, bound: Option<&Bound>, name: &str, subclass: Option<&str>) -> bool {
        if name.eq_ignore_ascii_case("ALL") {
            return !self.is_empty();
        }
        self.0.iter().any(|(names, _)| names.fit(name, subclass)) && is_within(bound, name, subclass)
    }

    /// Whether an event is shown to somebody. `owner` tells whose a channel is.
    pub fn shows(
        &self,
        event: &EventView<'_>,
        who: &Identity,
        owner: &dyn Fn(&str) -> Option<Account>,
    ) -> bool {
        let Some((rows, name, subclass)) = self.rows(event, who) else { return false };
        if rows == Rows::All || SHARED.contains(&name) {
            return true;
        }
        let Some(account) = &who.account else { return false };
        let is_own = |other: &Account| rows.hold(account, other);
        channels(event).any(|channel| owner(&channel).is_some_and(|owner| is_own(&owner)))
            || told(event, name, subclass.as_deref()).is_some_and(|owner| is_own(&owner))
    }

    /// Which rows of the events of channels are shown at most; `None` when there are none.
    pub fn rows_of_channels(&self) -> Option<Rows> {
        let fitting = self.0.iter().filter(|(names, _)| names.fit("CHANNEL_CREATE", None));
        fitting.map(|(_, rows)| *rows).max()
    }

    /// Which rows of an event's name somebody may see; `None` when they may not see such events at all.
    pub fn rows_of(&self, event: &EventView<'_>, who: &Identity) -> Option<Rows> {
        self.rows(event, who).map(|(rows, ..)| rows)
    }

    fn rows<'e>(
        &self,
        event: &EventView<'e>,
        who: &Identity,
    ) -> Option<(Rows, &'e str, Option<Cow<'e, str>>)> {
        let name = std::str::from_utf8(event.name()).ok()?;
        let subclass = match event.subclass().map(|value| value.decoded()) {
            None => None,
            Some(Cow::Borrowed(bytes)) => Some(Cow::Borrowed(std::str::from_utf8(bytes).ok()?)),
            Some(Cow::Owned(bytes)) => Some(Cow::Owned(String::from_utf8(bytes).ok()?)),
        };
        let rows =
            self.0.iter().filter(|(names, _)| names.fit(name, subclass.as_deref())).map(|(_, rows)| *rows);
        let rows = rows.reduce(Ord::max)?;
        is_within(who.bound.as_deref(), name, subclass.as_deref()).then_some((rows, name, subclass))
    }
}

/// Events that are nobody's and tell nothing of anybody.
pub const SHARED: [&str; 3] = ["HEARTBEAT", "STARTUP", "SHUTDOWN"];
/// Events that show what others run: only named in full, or by `ALL`.
const OF_OTHERS: [&str; 2] = ["API", "BACKGROUND_JOB"];

/// The channels that an event is about.
fn channels<'a>(event: &EventView<'a>) -> impl Iterator<Item = String> + use<'a> {
    let names = ["Unique-ID", "Channel-Call-UUID", "Other-Leg-Unique-ID"];
    let event = *event;
    names.into_iter().filter_map(move |name| {
        let value = event.header(name)?;
        String::from_utf8(value.decoded().into_owned()).ok()
    })
}

/// Whose an event without a channel is, as far as the switch itself says so.
fn told(event: &EventView<'_>, name: &str, subclass: Option<&str>) -> Option<Account> {
    // Somebody's sendevent has the header Command; the rest of its headers they chose.
    if event.header("Command").is_some() {
        return None;
    }
    let text = |name: &str| {
        let mut values = event.header_all(name);
        let first = values.next()?;
        // Twice, and nobody knows which is the directory's.
        values.next().is_none().then(|| String::from_utf8(first.decoded().into_owned()).ok()).flatten()
    };
    match (name, subclass) {
        ("CUSTOM", Some("sofia::register" | "sofia::unregister")) => {
            Some(Account { user: text("user_name")?, domain: text("domain_name")? })
        }
        // What the phone registered as, and what it logged in as.
        ("CUSTOM", Some("sofia::expire")) => {
            let account = Account { user: text("user")?, domain: text("host")? };
            let logged_in = Account { user: text("username")?, domain: text("realm")? };
            (account == logged_in).then_some(account)
        }
        // Agents and queues have the names of the configuration; a queue is no account, only its domain counts.
        ("CUSTOM", Some("callcenter::info")) => {
            let agent = text("CC-Agent").and_then(|agent| agent.parse().ok());
            agent.or_else(|| {
                let queue: Account = text("CC-Queue")?.parse().ok()?;
                Some(Account { user: String::new(), domain: queue.domain })
            })
        }
        ("CUSTOM", Some("vm::maintenance")) => {
            Some(Account { user: text("VM-User")?, domain: text("VM-Domain")? })
        }
        ("MESSAGE_WAITING", _) => {
            let account = text("MWI-Message-Account")?;
            account.strip_prefix("sip:").unwrap_or(&account).parse().ok()
        }
        _ => None,
    }
}

/// Whether the directory does not forbid it.
fn is_within(bound: Option<&Bound>, name: &str, subclass: Option<&str>) -> bool {
    let Some(listed) = bound.and_then(|bound| bound.events.as_ref()) else { return true };
    let mut words = listed.iter();
    let is_named =
        words.by_ref().take_while(|word| *word != "CUSTOM").any(|word| word.eq_ignore_ascii_case(name));
    match subclass {
        _ if listed.iter().any(|word| word.eq_ignore_ascii_case("ALL")) => true,
        None => is_named,
        Some(subclass) => {
            listed.iter().skip_while(|word| *word != "CUSTOM").skip(1).any(|word| word == subclass)
        }
    }
}

impl fmt::Display for EventRules {
    /// The names, as they are written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (names, _)) in self.0.iter().enumerate() {
            let blank = if at == 0 { "" } else { ", " };
            match names {
                Names::All => write!(f, "{blank}ALL")?,
                Names::Event(glob) => write!(f, "{blank}{glob}")?,
                Names::Subclass(glob) => write!(f, "{blank}CUSTOM {glob}")?,
            }
        }
        Ok(())
    }
}

impl Names {
    fn fit(&self, name: &str, subclass: Option<&str>) -> bool {
        match self {
            Names::All => true,
            Names::Event(glob) => {
                let name = name.to_ascii_uppercase();
                match OF_OTHERS.contains(&name.as_str()) {
                    true => *glob == name,
                    false => wild(glob, &name),
                }
            }
            Names::Subclass(glob) => {
                name.eq_ignore_ascii_case("CUSTOM") && subclass.is_none_or(|subclass| wild(glob, subclass))
            }
        }
    }
}

impl FromStr for Names {
    type Err = BadEvents;

    fn from_str(text: &str) -> Result<Names, BadEvents> {
        let bad = || BadEvents(text.to_owned());
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(bad)?.to_ascii_uppercase();
        let subclass = words.next();
        let is_name = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'*' | b'0'..=b'9');
        if words.next().is_some() || !name.bytes().all(is_name) || (subclass.is_some() && name != "CUSTOM") {
            return Err(bad());
        }
        Ok(match (name.as_str(), subclass) {
            ("ALL", _) => Names::All,
            ("CUSTOM", subclass) => Names::Subclass(subclass.unwrap_or("*").to_owned()),
            _ => Names::Event(name),
        })
    }
}

/// Whether `*` in a glob can stand for what is missing.
fn wild(glob: &str, text: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut rest = rest;
    while let Some((part, more)) = rest.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        (text, rest) = (&text[at + part.len()..], more);
    }
    text.ends_with(rest)
}

impl FromStr for Rows {
    type Err = NoRows;

    fn from_str(text: &str) -> Result<Rows, NoRows> {
        [Rows::OwnChannels, Rows::OwnDomain, Rows::All]
            .into_iter()
            .find(|rows| rows.word() == text)
            .ok_or(NoRows)
    }
}

impl Rows {
    /// Whether what is `other`'s is among them for this account.
    pub fn hold(self, account: &Account, other: &Account) -> bool {
        match self {
            Rows::OwnChannels => other == account,
            Rows::OwnDomain => other.domain.eq_ignore_ascii_case(&account.domain),
            Rows::All => true,
        }
    }

    /// The word in a configuration.
    pub fn word(self) -> &'static str {
        match self {
            Rows::OwnChannels => "own-channels",
            Rows::OwnDomain => "own-domain",
            Rows::All => "all",
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
