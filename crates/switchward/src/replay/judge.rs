//! One configuration that events are judged by: a guard, and the time that the events themselves tell.

use super::capture::Heard;
use super::ground::Ground;
use super::{Line, Map, Summary};
use crate::config::Config;
use crate::record::{Reach, Registration, State};
use crate::store::Remembered;
use extract::freeswitch::Extractor;
use extract::freeswitch::log::LogReader;
use guard::engine::{Explanation, Learnt};
use guard::pattern::DomainPattern;
use guard::{Allowed, Guard, Observation, Origin, Target, Time, Verdict};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub(super) struct Judge {
    ground: Ground,
    maps: Vec<Map>,
    guard: Guard,
    /// Who reads the frames, by the numbers of the switches.
    ears: BTreeMap<usize, Ears>,
    /// The switch that the frames come from.
    from: usize,
    /// What each switch told to be out of reach.
    learnt: BTreeMap<usize, Vec<Learnt>>,
    /// What a file said before its first event, whose time decides whether it goes on or begins.
    waiting: Vec<State>,
    /// Whether the file said what was known when it was recorded.
    is_informed: bool,
    now: Time,
    ticked: Time,
    /// Whether the next event is the first of a file.
    first: bool,
    /// How many times an older capture began another story.
    stories: u32,
    events: u64,
    observations: u64,
}

/// Reads what one switch says.
struct Ears {
    /// Taken out while it lends an observation.
    events: Option<Extractor>,
    log: LogReader,
}

/// Hears of each verdict, with the address that it is about.
type Tell<'a> = &'a mut dyn FnMut(Option<IpAddr>, Line);

impl Judge {
    /// By the rules of a configuration. Bans are judged as enforced, whatever the configuration says.
    pub(super) fn new(config: &Config, past: Option<Arc<Remembered>>, maps: Vec<Map>) -> Judge {
        let mut ground = Ground::new(config, past);
        Judge {
            guard: ground.guard(),
            ground,
            maps,
            ears: BTreeMap::new(),
            from: 0,
            learnt: BTreeMap::new(),
            waiting: Vec::new(),
            is_informed: false,
            now: Time::ZERO,
            ticked: Time::ZERO,
            first: true,
            stories: 0,
            events: 0,
            observations: 0,
        }
    }

    /// What could not be read and is done without.
    pub(super) fn troubles(&self) -> &[String] {
        self.ground.troubles()
    }

    /// A file begins.
    pub(super) fn begin(&mut self) {
        self.ears.clear();
        self.waiting.clear();
        (self.from, self.first, self.is_informed) = (0, true, false);
    }

    /// Judges what was heard.
    pub(super) fn hear(&mut self, heard: Heard<'_>, tell: Tell<'_>) {
        match heard {
            Heard::Event(event) => {
                if let Some(state) = State::read(&event) {
                    self.is_told(state);
                    return;
                }
                self.events += 1;
                // The extractor lends its own memory.
                let mut extractor = std::mem::take(&mut self.ears().events);
                if let Some(seen) = extractor.as_mut().and_then(|extractor| extractor.read(event)) {
                    self.is_time(event.timestamp().map_or(self.now, Time::from_micros), tell);
                    self.judge(seen, tell);
                }
                self.ears().events = extractor;
            }
            // A line has the switch's local time; that of the last event is near and sure. The first lines of all have none.
            Heard::Log(frame) => {
                if self.now != Time::ZERO
                    && let Some(seen) = self.ears().log.read(&frame)
                {
                    self.judge(seen, tell);
                }
            }
        }
    }

    fn ears(&mut self) -> &mut Ears {
        let number = self.from as u16;
        self.ears.entry(self.from).or_insert_with(|| Ears {
            events: Some(Extractor::new(number, self.ground.default_domain(self.from))),
            log: LogReader::new(number),
        })
    }

    fn is_time(&mut self, time: Time, tell: Tell<'_>) {
        let is_older = self.first && time < self.now;
        let begins = is_older || self.now == Time::ZERO;
        if is_older {
            // Another story.
            self.guard = self.ground.guard();
            self.learnt.clear();
            self.stories += 1;
        }
        if begins {
            (self.now, self.ticked) = (time, time);
            self.ground.remind(&self.guard, time);
        }
        self.first = false;
        self.now = self.now.max(time);
        for state in std::mem::take(&mut self.waiting) {
            self.learn(state, begins);
        }
        self.tick(tell);
    }

    /// As the daemon does each second, above all for the calls that run; the rest need not be looked at so often.
    fn tick(&mut self, tell: Tell<'_>) {
        let since = self.now.since(self.ticked);
        if since < SECOND {
            return;
        }
        if since > MOST_TICKED {
            self.ticked = Time::from_secs(self.now.secs() - MOST_TICKED.as_secs());
        }
        while self.now.since(self.ticked) >= SECOND {
            self.ticked = self.ticked + SECOND;
            for (_, verdict) in self.guard.tick_calls(self.ticked) {
                // Nobody ends a recorded call: that it must end is said once.
                if matches!(verdict, Verdict::HangUp { again: 1.., .. }) {
                    continue;
                }
                let line = Line::of(&verdict, None, self.ticked);
                tell(super::line::address(&verdict), line);
            }
        }
        self.guard.tick(self.now);
    }

    fn judge(&mut self, mut seen: Observation<'_>, tell: Tell<'_>) {
        self.observations += 1;
        seen.ip = seen.ip.map(|ip| self.mapped(ip));
        for verdict in self.guard.observe(&seen, self.now) {
            tell(seen.ip, Line::of(&verdict, Some(&seen), self.now));
        }
    }

    fn mapped(&self, ip: IpAddr) -> IpAddr {
        self.maps.iter().fold(ip, |ip, map| map.apply(ip))
    }

    /// The capture tells what was known.
    fn is_told(&mut self, state: State) {
        self.is_informed |= state.is_knowledge();
        if let Some(name) = &state.from {
            self.from = self.switch(name).unwrap_or(self.from);
        } else if !self.first {
            self.learn(state, false);
        } else if self.waiting.len() < MOST_WAITING {
            self.waiting.push(state);
        }
    }

    /// Number of the switch of this name; the guard knows the name.
    fn switch(&mut self, name: &str) -> Option<usize> {
        let known = self.ground.switches();
        let number = self.ground.switch(name);
        if self.ground.switches() != known {
            self.guard.set_policy(self.ground.policy());
        }
        number
    }

    /// Takes in what was known; `begins` tells whether nothing was known before.
    fn learn(&mut self, state: State, begins: bool) {
        let State { from: _, switch, learnt, registrations, own, operators, allowed, disallowed, patterns } =
            state;
        let now = self.now;
        if let Some(own) = own {
            self.ground.is_of(own);
            self.guard.set_policy(self.ground.policy());
        }
        if let Some(learnt) = learnt
            && let Some(number) = self.switch(&switch)
        {
            let of = |reach: Reach| Learnt { net: self.mapped_net(reach.net), label: reach.what.into() };
            let learnt = learnt.into_iter().map(of).collect();
            self.learnt.insert(number, learnt);
            let all: Vec<Learnt> = self.learnt.values().flatten().cloned().collect();
            self.guard.learn_reach(&all, now);
        }
        for Registration { ip, port, user, domain, until } in registrations.into_iter().flatten() {
            if until > now {
                let account = (user.as_bytes(), domain.as_bytes());
                self.guard.learn_registration(self.mapped(ip), port, account, until, now);
            }
        }
        for (ip, name) in operators {
            self.guard.proved(self.mapped(ip), &name, now);
        }
        for entry in allowed.into_iter().flatten() {
            self.allow(entry, begins);
        }
        let by = || Origin::Operator(String::new());
        for target in disallowed {
            self.guard.ledger().disallow(self.mapped_target(target), by());
        }
        if let Some(patterns) = patterns {
            let wanted: Vec<DomainPattern> =
                patterns.iter().filter_map(|text| DomainPattern::new(text).ok()).collect();
            let ledger = self.guard.ledger();
            for gone in ledger.patterns().iter().filter(|pattern| !wanted.contains(pattern)) {
                ledger.remove_pattern(gone);
            }
            for pattern in wanted {
                ledger.add_pattern(pattern);
            }
        }
    }

    /// An entry of an operator holds whatever the configuration says; those by a success the configuration makes itself, once it has seen one.
    fn allow(&self, mut entry: Allowed, begins: bool) {
        entry.target = self.mapped_target(entry.target);
        let is_over = entry.until.is_some_and(|until| until <= self.now);
        let is_wanted = entry.origin.is_operator() || (begins && self.guard.policy().allow_on_success);
        if !is_over && is_wanted {
            self.guard.ledger().allow(entry);
        }
    }

    fn mapped_net(&self, net: IpNet) -> IpNet {
        self.maps.iter().fold(net, |net, map| map.apply_to(net))
    }

    fn mapped_target(&self, target: Target) -> Target {
        match target {
            Target::Port(ip, port) => Target::port(self.mapped(ip), port),
            Target::Host(_) | Target::Net(_) => Target::net(self.mapped_net(target.covers())),
        }
    }

    /// Adds what was counted since the file began to `summary`.
    pub(super) fn account(&mut self, summary: &mut Summary) {
        for counts in self.ears.values().filter_map(|ears| ears.events.as_ref()).map(Extractor::counts) {
            summary.forged += counts.forged;
            summary.bad_address += counts.bad_address;
        }
        summary.uninformed += u64::from(!self.is_informed && self.events > 0);
        summary.files += 1;
        summary.events += std::mem::take(&mut self.events);
        summary.observations += std::mem::take(&mut self.observations);
    }

    /// The time of the last event.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// How many times an older capture began another story.
    pub(super) fn stories(&self) -> u32 {
        self.stories
    }

    /// All that is known of an address.
    pub(super) fn explain(&self, ip: IpAddr) -> Explanation {
        self.guard.explain(ip, self.now)
    }

    /// The guard, for a look at its ledger.
    pub(super) fn guard_at(&self) -> (&Guard, Time) {
        (&self.guard, self.now)
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// After a longer gap calls are looked at for its end alone.
const MOST_TICKED: Duration = Duration::from_secs(3600);
/// What a file may say before its first event.
const MOST_WAITING: usize = 1000;
