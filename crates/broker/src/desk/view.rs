//! What one caller sees of a switch's events and log: only rows of theirs, and no secrets unless they may read them.
//!
//! A [`View`] is asked for every event inside a [`Sink`](crate::upstream::Sink), so it is quick: the grant is looked up anew when the rules
//! have changed or a second has passed, and an event is freed of secrets once for all who look. A filter must look at [`Shown::view`]: on the
//! event itself it would tell a secret by what it lets through.

use super::{Desk, Rules, Visit};
use crate::clock;
use crate::events::Rows;
use crate::grant::{Grant, LogLevel};
use crate::upstream::{Happening, LogLine, Upstream};
use esl::{EventView, Format};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct View {
    desk: Arc<Desk>,
    visit: Visit,
    upstream: Arc<Upstream>,
    held: Mutex<Held>,
}

/// What was looked up last.
#[derive(Debug)]
struct Held {
    rules: Arc<Rules>,
    /// None when the caller may do nothing just now.
    grant: Option<Arc<Grant>>,
    /// Micros of the steady clock.
    looked: u64,
}

/// An event that a caller may see.
#[derive(Debug)]
pub struct Shown<'a> {
    happening: &'a Happening,
    rules: Arc<Rules>,
    tells_secrets: bool,
}

impl View {
    pub(super) fn new(desk: &Arc<Desk>, visit: &Visit, upstream: &Arc<Upstream>) -> View {
        let held = Held { rules: desk.rules(), grant: desk.grant(visit).ok(), looked: clock::steady() };
        View { desk: desk.clone(), visit: visit.clone(), upstream: upstream.clone(), held: Mutex::new(held) }
    }

    /// The way to the switch whose events these are.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Whether the caller may do anything just now. A door ends who may not.
    pub fn is_open(&self) -> bool {
        self.look().1.is_some()
    }

    /// Whether the caller may ask for an event, or for `ALL`.
    pub fn may_ask(&self, name: &str, subclass: Option<&str>) -> bool {
        let bound = self.visit.identity.bound.as_deref();
        self.look().1.is_some_and(|grant| grant.events.may_ask(bound, name, subclass))
    }

    /// Whether the caller may read the log up to this level.
    pub fn may_log(&self, level: LogLevel) -> bool {
        let forbidden = self.visit.identity.bound.as_ref().is_some_and(|bound| bound.log == Some(false));
        !forbidden && self.look().1.is_some_and(|grant| grant.terms.log.is_some_and(|most| level <= most))
    }

    /// The event, when the caller may see it.
    pub fn event<'a>(&self, happening: &'a Happening) -> Option<Shown<'a>> {
        let (rules, grant) = self.look();
        let grant = grant?;
        let owners = self.upstream.owners();
        let owner = |channel: &str| owners.owner(channel);
        grant.events.shows(&happening.view(), &self.visit.identity, &owner).then(|| Shown {
            happening,
            rules,
            tells_secrets: grant.tells_secrets(),
        })
    }

    /// An event of a channel's own, when the caller may see it: whose it is follows from the channel, whatever it says of itself. The switch may
    /// have to be asked whose the channel is.
    pub async fn of_channel<'a>(&self, happening: &'a Happening, channel: &str) -> Option<Shown<'a>> {
        let (rules, grant) = self.look();
        let grant = grant?;
        let who = &self.visit.identity;
        let rows = grant.events.rows_of(&happening.view(), who)?;
        if rows != Rows::All {
            let owners = self.upstream.owners().resolve(&[channel]).await.ok()?;
            if !rows.hold(who.account.as_ref()?, owners.get(channel)?) {
                return None;
            }
        }
        Some(Shown { happening, rules, tells_secrets: grant.tells_secrets() })
    }

    /// A line of the log, when the caller may see it: what it says, freed of secrets.
    pub fn log<'a>(&self, line: &'a LogLine) -> Option<Cow<'a, [u8]>> {
        if !LogLevel::new(line.level()).is_some_and(|level| self.may_log(level)) {
            return None;
        }
        let (rules, grant) = self.look();
        Some(match grant?.tells_secrets() {
            true => line.text().into(),
            false => rules.redactor.bytes(line.text()),
        })
    }

    fn look(&self) -> (Arc<Rules>, Option<Arc<Grant>>) {
        let mut held = self.held.lock();
        let now = clock::steady();
        let rules = self.desk.rules.load();
        if !Arc::ptr_eq(&rules, &held.rules) || now.saturating_sub(held.looked) > SECOND {
            *held = Held { rules: rules.clone(), grant: self.desk.grant(&self.visit).ok(), looked: now };
        }
        (held.rules.clone(), held.grant.clone())
    }
}

impl Shown<'_> {
    /// Its headers, as the caller may see them.
    pub fn view(&self) -> EventView<'_> {
        if self.tells_secrets {
            return self.happening.view();
        }
        let frame = self.frame(Format::Plain);
        let text = memchr::memmem::find(frame, b"\n\n").map_or(&frame[..0], |at| &frame[at + 2..]);
        EventView::parse(Format::Plain, text).unwrap_or_default()
    }

    /// The whole frame in a format, as the caller may see it. Made once for all who may see the same.
    pub fn frame(&self, format: Format) -> &Arc<[u8]> {
        if self.tells_secrets {
            return self.happening.frame(format);
        }
        self.happening.redacted(format, |view, out| self.rules.redactor.event(view, format, out))
    }
}

const SECOND: u64 = 1_000_000;
