//! Looks at all that the daemon can see of itself, once a second: [`Watch::look`].
//!
//! It reads counters; only when the kernel's count does not fit is the firewall's thread asked, and not waited for.

use super::*;
use crate::app::App;
use crate::config;
use crate::switch::Switch;
use guard::Guard;
use guard::Signal;
use guard::ban::span;
use guard::rule::{Applies, Rule};
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;

/// What must be remembered from one look to the next.
pub struct Watch {
    switches: Vec<Ear>,
    bans: Rise,
    foreign: Rise,
    unrecorded: Rise,
    asked: Option<oneshot::Receiver<Option<String>>>,
    /// What the firewall's thread said last when it was asked.
    confirmed: Option<String>,
}

/// What is remembered of a switch.
struct Ear {
    events: u64,
    /// When the last event was noticed, and since when there is no connection.
    heard: Duration,
    lost: Option<Duration>,
    connects: Rise,
    killed: Rise,
    unreadable: Rise,
    forged: Rise,
}

/// How much a counter has grown within a window, in steps of a sixtieth of it.
#[derive(Default)]
struct Rise(VecDeque<(Duration, u64)>);

impl Rise {
    /// The counter stands at `value` now.
    fn within(&mut self, window: Duration, now: Duration, value: u64) -> u64 {
        while self.0.len() > 1 && now.saturating_sub(self.0[1].0) >= window {
            self.0.pop_front();
        }
        let grown = value.saturating_sub(self.0.front().map_or(0, |(_, before)| *before));
        let is_due = self.0.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= window / 60);
        if is_due {
            self.0.push_back((now, value));
        }
        grown
    }
}

impl Watch {
    /// Nothing was seen before `now`.
    pub fn new(app: &App) -> Watch {
        let now = app.monitor.alarms.moment().up;
        // Before the first look every counter stood at nothing.
        let from_zero = || Rise(VecDeque::from([(now, 0)]));
        let ear = |_| Ear {
            events: 0,
            heard: now,
            lost: Some(now),
            connects: from_zero(),
            killed: from_zero(),
            unreadable: from_zero(),
            forged: from_zero(),
        };
        let switches = app.switches.iter().map(ear).collect();
        Watch {
            switches,
            bans: from_zero(),
            foreign: from_zero(),
            unrecorded: from_zero(),
            asked: None,
            confirmed: None,
        }
    }

    /// Looks at everything.
    pub fn look(&mut self, app: &App) {
        let config = app.config.load();
        let see = See { app, limits: &config.alarms, now: app.monitor.alarms.moment() };
        if config.security.enabled {
            for (switch, ear) in app.switches.iter().zip(&mut self.switches) {
                ear.look(&see, switch, config.guard.silence_alarm);
            }
            see.rules();
        }
        let bans = self.bans.within(MINUTE, see.now.up, app.guard.counts().all_bans());
        let is_storm = bans > u64::from(see.limits.bans_per_minute);
        see.see(
            &BAN_STORM,
            "",
            is_storm.then(|| {
                format!(
                    "rules made {bans} bans within a minute; is it an attack, or does a rule ban customers?"
                )
            }),
        );
        see.ledger();
        see.store();
        see.audit();
        self.record(&see);
        self.kernel(&see);
    }

    fn record(&mut self, see: &See<'_>) {
        let Some(recorder) = &see.app.recorder else { return };
        let lost = self.unrecorded.within(see.limits.window, see.now.up, recorder.stats().dropped);
        let told = recorder.trouble().or_else(|| {
            (lost > 0)
                .then(|| format!("{lost} events were left out of the captures: disk or machine are too slow"))
        });
        see.see(&RECORD_FAILING, "", told);
    }

    fn kernel(&mut self, see: &See<'_>) {
        let Some(writer) = see.app.mirror.firewall().filter(|_| see.app.is_enforcing()) else { return };
        let stats = writer.stats();
        let degraded = stats.degraded.as_ref();
        see.see(&DEGRADED, "", degraded.map(|reason| format!("the kernel does not hold all bans: {reason}")));
        see.see(&SIP_PORTS_OPEN, "", crate::ports::look(see.app).trouble());
        let late = stats.oldest_waits;
        see.see(
            &KERNEL_LATE,
            "",
            (late > LATE).then(|| {
                format!(
                    "the kernel has not answered for {}; {} changes wait behind that and are not in force",
                    span(late),
                    stats.queue_depth
                )
            }),
        );
        let foreign = self.foreign.within(see.limits.window, see.now.up, stats.foreign_flushes);
        see.see(&KERNEL_CHANGED, "", (foreign > 0).then(|| {
            "somebody else changed our firewall; it was repaired: let who did it leave our table alone".into()
        }));
        let differs = stats.queue_depth == 0 && !fits(&see.app.guard, stats.elements);
        if let Some(asked) = &mut self.asked {
            match asked.try_recv() {
                Ok(said) => (self.confirmed, self.asked) = (said, None),
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => self.asked = None,
            }
        }
        if !differs {
            self.confirmed = None;
        } else if self.asked.is_none() {
            let (writer, guard, (told, answer)) = (writer.clone(), see.app.guard.clone(), oneshot::channel());
            tokio::task::spawn_blocking(move || _ = told.send(audit(&writer, &guard)));
            self.asked = Some(answer);
        }
        see.see(&KERNEL_DIFFERS, "", self.confirmed.clone().filter(|_| differs));
    }
}

/// What the firewall's thread says when the counts do not fit; `None` when all is well after all.
fn audit(writer: &netfilter::Writer, guard: &Guard) -> Option<String> {
    let (before, _) = guard.ledger().sizes();
    match writer.health() {
        Err(error) => Some(format!("the kernel does not tell what it holds: {error}")),
        Ok(health) if !health.problems.is_empty() => {
            Some(format!("the kernel's part is not as it should be: {}", health.problems.join("; ")))
        }
        // The thread has done what was queued before it answered, so its count is that of now, if the ledger stood still.
        Ok(_) => {
            let held = writer.stats().elements;
            let (bans, _) = guard.ledger().sizes();
            let differs = bans == before && !fits(guard, held);
            differs.then(|| {
                format!("the ledger has {bans} bans and the kernel holds {held}; see `switchward status`")
            })
        }
    }
}

/// Whether the kernel may hold so many: it drops what runs out a moment before the ledger does.
fn fits(guard: &Guard, held: u64) -> bool {
    let (bans, _) = guard.ledger().sizes();
    let bans = bans as u64;
    held == bans || (held < bans && held + guard.ledger().ending_by(clock::now() + EARLY) as u64 >= bans)
}

/// From when on a change that waits for the kernel is late.
const LATE: Duration = Duration::from_secs(5);
/// How much earlier the writer may count a ban as run out.
const EARLY: Duration = Duration::from_secs(3);

impl Ear {
    fn look(&mut self, see: &See<'_>, switch: &Switch, silence: Duration) {
        let (name, counts, now) = (switch.name.as_str(), &switch.counts, see.now.up);
        let window = see.limits.window;
        let events = counts.events.load(Relaxed);
        if events != self.events {
            (self.events, self.heard) = (events, now);
        }
        let silent = now.saturating_sub(self.heard);
        see.see(
            &SILENCE,
            name,
            (silent >= silence).then(|| {
                let why = switch.state().trouble;
                let why =
                    why.as_deref().unwrap_or("it is connected; does it hang, or is HEARTBEAT switched off?");
                format!("no event for {}, nobody is guarded there: {why}", span(silent))
            }),
        );
        if switch.is_connected() {
            self.lost = None;
        }
        let lost = (!switch.is_connected()).then(|| now.saturating_sub(*self.lost.get_or_insert(now)));
        let lost = lost.filter(|lost| *lost >= see.limits.disconnected_after);
        see.see(
            &DISCONNECTED,
            name,
            lost.map(|lost| {
                let why = switch.state().trouble.unwrap_or_else(|| "it has not been reached yet".into());
                format!("not connected for {}: {why}", span(lost))
            }),
        );
        let connects = self.connects.within(window, now, counts.connects.load(Relaxed));
        see.see(
            &RECONNECTS,
            name,
            (connects > u64::from(see.limits.reconnects)).then(|| {
                format!("connected {connects} times within {}; what ends the connections?", span(window))
            }),
        );
        let killed = self.killed.within(window, now, counts.killed.load(Relaxed));
        see.see(&EVENTS_LOST, name, (killed > 0).then(|| {
            "the switch dropped us because we read too slowly; events were lost: is this machine overloaded?".into()
        }));
        let bad = counts.malformed.load(Relaxed) + counts.bad_address.load(Relaxed);
        let bad = self.unreadable.within(window, now, bad);
        see.see(
            &MALFORMED,
            name,
            (bad >= u64::from(see.limits.malformed)).then(|| {
                format!(
                    "{bad} events within {} could not be read or named no address: was the switch changed?",
                    span(window)
                )
            }),
        );
        let forged = self.forged.within(window, now, counts.forged.load(Relaxed));
        see.see(&FORGED, name, (forged > 0).then(|| {
            "a client of the event socket forges events; they are ignored: who has the event socket's password?".into()
        }));
    }
}

/// One look.
struct See<'a> {
    app: &'a App,
    limits: &'a config::Alarms,
    now: Moment,
}

impl See<'_> {
    fn see(&self, kind: &'static Kind, subject: &str, trouble: Option<String>) {
        let news = self.app.mirror.news();
        self.app.monitor.alarms.see_at(self.now, news, kind, subject, trouble, self.limits.clear_after);
    }

    /// Rules that have counted much and never fired. One that counted nothing may just be at peace.
    fn rules(&self) {
        let limit = self.limits.rule_never_fired;
        let counts = self.app.guard.counts();
        let is_late = !limit.is_zero() && self.now.up >= limit;
        let names = self.app.guard.rule_names();
        let rules = self.app.guard.policy().rules();
        let is_for_all = |rule: &Rule| matches!(rule.applies, Applies::Everyone | Applies::Strangers);
        let has_fired = |rule: &Rule| {
            names.iter().position(|name| *name == rule.name).is_some_and(|slot| counts.fired(slot) > 0)
        };
        for rule in &rules {
            // A rule that another one forestalls is well: who is banned by the quick one never comes to the patient one.
            let is_forestalled = || {
                rules.iter().any(|other| is_for_all(other) && other.counts == rule.counts && has_fired(other))
            };
            let is_plain = rule.distinct.is_none() && !rule.key.is_wide();
            let seen = match () {
                () if !is_plain => 0,
                () if rule.counts == Signal::AuthFailed.into() => counts.failed.value(),
                () if rule.counts == Signal::CallAbandoned.into() => counts.wrong_call_states.value(),
                () => 0,
            };
            let is_much = seen >= u64::from(rule.limit.threshold).saturating_mul(MUCH);
            // Rules for registered phones are met seldom, limits of rates hardly ever, and that is well.
            let never = is_late && is_for_all(rule) && rule.enabled && is_much && !is_forestalled();
            self.see(
                &RULE_NEVER_FIRED,
                &rule.name,
                never.then(|| {
                    format!(
                        "the rule {} has not fired for {} although {seen} of what it counts were seen: its threshold may be too high \
                         for them, or all of them came from phones that are spared",
                        rule.name,
                        span(self.now.up)
                    )
                }),
            );
        }
    }

    fn ledger(&self) {
        let (bans, _) = self.app.guard.ledger().sizes();
        let most = u64::from(self.app.config.load().firewall.max_elements);
        let is_full = bans as u64 * 100 >= most * u64::from(self.limits.ledger_percent);
        self.see(
            &LEDGER_NEARLY_FULL,
            "",
            is_full.then(|| {
                format!("the ledger holds {bans} bans of at most {most}; raise firewall.max_elements")
            }),
        );
    }

    fn audit(&self) {
        let trail = &self.app.trail;
        let failing = trail.journal.health().failing;
        self.see(
            &AUDIT_FAILING,
            "",
            failing.map(|reason| {
                let passes = self.app.config.load().broker.allow_unaudited;
                let so =
                    if passes { "commands are carried out without a trace" } else { "commands are refused" };
                format!("the audit of commands cannot be written, so {so}: {reason}")
            }),
        );
        self.see(
            &AUDIT_DAMAGED,
            "",
            trail.damage().map(|damage| format!("{damage}; see `switchward audit verify`")),
        );
    }

    fn store(&self) {
        let failing = self.app.mirror.store().and_then(|store| store.health().failing);
        self.see(&STORE_FAILING, "", failing.map(|reason| {
            format!("the store cannot be written, so bans would not survive a restart: {reason}; free some space or mend the disk")
        }));
    }
}

/// Strikes seen, as a multiple of a rule's threshold, from which on its silence is odd.
const MUCH: u64 = 20;
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_what_came_within_the_window() {
        let (mut rise, secs) = (Rise(VecDeque::from([(Duration::ZERO, 0)])), Duration::from_secs);
        assert_eq!(rise.within(secs(60), secs(1), 10), 10);
        assert_eq!(rise.within(secs(60), secs(30), 15), 15);
        // What came in the first second is outside the window now.
        assert_eq!(rise.within(secs(60), secs(62), 15), 5);
        for second in 63..10_000 {
            rise.within(secs(60), secs(second), 15);
        }
        assert_eq!(rise.within(secs(60), secs(10_000), 16), 1);
        assert!(rise.0.len() < 70, "it must stay small: {}", rise.0.len());
    }
}
