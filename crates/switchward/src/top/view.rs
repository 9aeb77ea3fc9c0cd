//! All that `top` knows and what its user has chosen. Pure: [`View::take`] takes news, [`View::press`] keys.

use super::feed::Update;
use crate::ask::table::shown;
use crate::http::counted::{Failed, WrongCallStates};
use crate::http::lists::bans::BanItem;
use crate::http::overview::Overview;
use crate::http::status::Channel;
use crate::http::stream::{Counters, StreamItem};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use std::collections::{BTreeMap, VecDeque};

/// See the module.
pub(super) struct View {
    pub(super) url: String,
    pub(super) colours: bool,
    pub(super) link: Link,
    pub(super) overview: Option<Overview>,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) counters: Option<Counters>,
    /// Since when the kernel has fewer bans than the ledger (microseconds since 1970).
    pub(super) missing_since: Option<u64>,
    /// Events a second, the newest last.
    pub(super) rates: VecDeque<u64>,
    /// Bans, the newest first.
    pub(super) bans: Vec<BanItem>,
    pub(super) attackers: Vec<Attacker>,
    /// Alarms that are on, by name and subject.
    pub(super) alarms: BTreeMap<(String, String), String>,
    pub(super) paused: bool,
    pub(super) list: List,
    pub(super) sort: Sort,
    /// The selected line of the list.
    pub(super) selected: usize,
    pub(super) over: Option<Over>,
    /// The last answer to a wish.
    pub(super) message: String,
}

/// How the daemon is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Connecting,
    Live,
    Lost(String),
}

/// A source that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attacker {
    pub(super) source: String,
    pub(super) failed: u32,
    pub(super) abandoned: u32,
    pub(super) last: String,
    pub(super) accounts: String,
}

/// The list that keys move in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Bans,
    Attackers,
}

/// By what the attackers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Count,
    Last,
    Source,
}

/// What lies over the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// A text to read, and the line at its top.
    Text(String, usize),
    /// To be answered with y.
    Confirm(Wish),
    Help,
}

/// What the user wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    Why(String),
    Ban(String),
    Unban(String),
}

impl View {
    pub(super) fn new(url: String, colours: bool) -> View {
        View {
            url,
            colours,
            link: Link::Connecting,
            overview: None,
            channels: BTreeMap::new(),
            counters: None,
            missing_since: None,
            rates: VecDeque::new(),
            bans: Vec::new(),
            attackers: Vec::new(),
            alarms: BTreeMap::new(),
            paused: false,
            list: List::Bans,
            sort: Sort::Count,
            selected: 0,
            over: None,
            message: String::new(),
        }
    }

    /// Whether what is shown changes by itself.
    pub(super) fn is_moving(&self) -> bool {
        !self.paused
    }

    /// Takes something new. While paused only what the user asked for, and whether the daemon is there.
    pub(super) fn take(&mut self, update: Update) {
        match update {
            Update::Live => self.link = Link::Live,
            Update::Lost(reason) => {
                self.link = Link::Lost(reason);
                (self.counters, self.missing_since) = (None, None);
            }
            Update::Answer(text) => self.message = shown(&text),
            Update::Why(text) => {
                let lines: Vec<String> = text.lines().map(shown).collect();
                self.over = Some(Over::Text(lines.join("\n"), 0));
            }
            Update::Item(_, StreamItem::Alarm(news)) => match news.raised {
                true => self.raise(&news.name, &news.subject, &news.severity, &news.text),
                false => _ = self.alarms.remove(&(shown(&news.name), shown(&news.subject))),
            },
            Update::Alarms(active) => {
                self.alarms.clear();
                for alarm in active {
                    self.raise(&alarm.name, &alarm.subject, &alarm.severity, &alarm.text);
                }
            }
            _ if self.paused => {}
            Update::State(overview, channels) => {
                self.overview = Some(*overview);
                self.channels = channels;
            }
            Update::Bans(bans) => self.keep_selected(|view| view.bans = bans),
            Update::Counted(failed, abandoned) => self.keep_selected(|view| {
                view.attackers = attackers(failed, abandoned);
                view.sort_attackers();
            }),
            Update::Item(_, StreamItem::Counters(counters)) => self.count(*counters),
            Update::Item(name, StreamItem::Ban(news)) => {
                let target = news.target.clone();
                self.keep_selected(|view| {
                    view.bans.retain(|ban| ban.target != target);
                    if name == "ban" {
                        view.bans.insert(0, ban(news));
                        view.bans.truncate(MOST_BANS);
                    }
                });
            }
            Update::Item(_, StreamItem::Switch(news)) => {
                let switches = self.overview.iter_mut().flat_map(|overview| &mut overview.switches);
                for switch in switches.filter(|switch| switch.name == news.switch) {
                    switch.connected = news.connected;
                    switch.trouble = Some(news.trouble.clone()).filter(|trouble| !trouble.is_empty());
                }
            }
            Update::Item(_, StreamItem::Alert(news)) => {
                self.message = shown(&format!("{}: {}", news.kind, news.text));
            }
            Update::Item(..) => {}
        }
    }

    fn raise(&mut self, name: &str, subject: &str, severity: &str, text: &str) {
        self.alarms.insert((shown(name), shown(subject)), shown(&format!("{severity}: {text}")));
        while self.alarms.len() > MOST_ALARMS {
            self.alarms.pop_first();
        }
    }

    /// Takes the totals; what was added since the last ones makes the rate.
    fn count(&mut self, counters: Counters) {
        let events = |counters: &Counters| counters.switches.iter().map(|switch| switch.events).sum::<u64>();
        if let Some(before) = &self.counters {
            let micros = counters.at_micros.saturating_sub(before.at_micros);
            let added = events(&counters).saturating_sub(events(before));
            if let Some(rate) = added.saturating_mul(1_000_000).checked_div(micros) {
                self.rates.push_back(rate);
            }
            while self.rates.len() > MOST_RATES {
                self.rates.pop_front();
            }
        }
        let is_missing = counters.bans_in_kernel.is_some_and(|held| held < counters.bans);
        self.missing_since = is_missing.then(|| self.missing_since.unwrap_or(counters.at_micros));
        self.counters = Some(counters);
    }

    /// Whether bans are missing in the kernel for so long that they are not just running out or on their way.
    pub(super) fn is_missing(&self) -> bool {
        let now = self.counters.as_ref().map(|counters| counters.at_micros);
        now.zip(self.missing_since).is_some_and(|(now, since)| now.saturating_sub(since) >= MISSING_AFTER)
    }

    /// Changes the lists; the selection stays on what it was on.
    fn keep_selected(&mut self, change: impl FnOnce(&mut View)) {
        let was = self.selected_target();
        change(self);
        let place = was.filter(|_| self.selected > 0).and_then(|was| match self.list {
            List::Bans => self.bans.iter().position(|ban| ban.target == was),
            List::Attackers => self.attackers.iter().position(|attacker| attacker.source == was),
        });
        self.selected = place.unwrap_or(self.selected).min(self.length().saturating_sub(1));
    }

    fn sort_attackers(&mut self) {
        match self.sort {
            Sort::Count => self.attackers.sort_by(|a, b| {
                (b.failed + b.abandoned, &a.source).cmp(&(a.failed + a.abandoned, &b.source))
            }),
            Sort::Last => self.attackers.sort_by(|a, b| (&b.last, &a.source).cmp(&(&a.last, &b.source))),
            Sort::Source => self.attackers.sort_by(|a, b| a.source.cmp(&b.source)),
        }
    }

    /// Lines of the list that keys move in.
    pub(super) fn length(&self) -> usize {
        match self.list {
            List::Bans => self.bans.len(),
            List::Attackers => self.attackers.len(),
        }
    }

    /// What is selected.
    pub(super) fn selected_target(&self) -> Option<String> {
        match self.list {
            List::Bans => self.bans.get(self.selected).map(|ban| ban.target.clone()),
            List::Attackers => self.attackers.get(self.selected).map(|attacker| attacker.source.clone()),
        }
    }

    /// Takes a key; what is to be done about it, if anything.
    pub(super) fn press(&mut self, key: KeyCode, modifiers: KeyModifiers) -> Option<Wish> {
        if key == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Wish::Quit);
        }
        match self.over.take() {
            Some(Over::Confirm(wish)) => {
                self.message = String::new();
                return matches!(key, KeyCode::Char('y' | 'Y')).then_some(wish);
            }
            Some(Over::Text(text, top)) => {
                let last = text.lines().count().saturating_sub(1);
                let top = match key {
                    KeyCode::Down | KeyCode::Char('j') => (top + 1).min(last),
                    KeyCode::PageDown => (top + PAGE).min(last),
                    KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
                    KeyCode::PageUp => top.saturating_sub(PAGE),
                    _ => return None,
                };
                self.over = Some(Over::Text(text, top));
                return None;
            }
            Some(Over::Help) => return None,
            None => {}
        }
        let last = self.length().saturating_sub(1);
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::PageDown => self.selected = (self.selected + PAGE).min(last),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(PAGE),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Tab | KeyCode::Left | KeyCode::Right => {
                self.list = if self.list == List::Bans { List::Attackers } else { List::Bans };
                self.selected = 0;
            }
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Count => Sort::Last,
                    Sort::Last => Sort::Source,
                    Sort::Source => Sort::Count,
                };
                self.keep_selected(View::sort_attackers);
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('?' | 'h') => self.over = Some(Over::Help),
            KeyCode::Enter => return self.selected_target().map(Wish::Why),
            KeyCode::Char('b') => {
                self.over = self.selected_target().map(|target| Over::Confirm(Wish::Ban(target)));
            }
            KeyCode::Char('u') => {
                self.over = self.selected_target().map(|target| Over::Confirm(Wish::Unban(target)));
            }
            _ => {}
        }
        None
    }
}

fn attackers(
    failed: BTreeMap<String, Failed>,
    abandoned: BTreeMap<String, WrongCallStates>,
) -> Vec<Attacker> {
    let mut all: BTreeMap<String, Attacker> = BTreeMap::new();
    for (source, record) in failed {
        let attacker = Attacker {
            failed: record.count,
            abandoned: 0,
            last: record.last_attempt,
            accounts: shown(&record.user_ids.join(", ")),
            source: source.clone(),
        };
        all.insert(source, attacker);
    }
    for (source, record) in abandoned {
        let accounts = || shown(&record.user_ids.join(", "));
        let attacker = all.entry(source.clone()).or_insert_with(|| Attacker {
            failed: 0,
            abandoned: 0,
            last: String::new(),
            accounts: accounts(),
            source,
        });
        attacker.abandoned = record.count;
        if attacker.last < record.last_attempt {
            attacker.last.clone_from(&record.last_attempt);
        }
    }
    all.into_values().collect()
}

/// A ban as the list has it, of one that was just told.
fn ban(news: crate::http::stream::items::BanNews) -> BanItem {
    BanItem {
        target: news.target,
        scope: news.scope,
        since: news.since,
        until: news.until,
        remaining_seconds: None,
        origin: news.made_by,
        who: String::new(),
        rule: news.rule,
        reason: news.reason,
        evidence: news.evidence,
        count: news.count,
        first: news.first,
        last: news.last,
        user_ids: news.users,
        domains: news.domains,
        user_agents: news.agents,
        switch: news.switch,
        note: String::new(),
        country: None,
        as_number: None,
        as_name: None,
    }
}

/// Lines that a page moves.
pub(super) const PAGE: usize = 10;
/// Bans that are kept.
const MOST_BANS: usize = 200;
/// A ban that runs out leaves the kernel a moment before the ledger; a difference that is older is one (microseconds).
const MISSING_AFTER: u64 = 5_000_000;
/// Rates that are kept: five minutes.
const MOST_RATES: usize = 300;
const MOST_ALARMS: usize = 64;
