//! Counting: which rules an observation wakes, and what those that fire ask for.
//!
//! Start with [`Guard::strike`]. The rules whose subject is the source or a part of it are counted under one lock; the others
//! (accounts, nets, systems) afterwards, one lock at a time.

use super::compiled::{Compiled, Places, Ready};
use super::own_phone;
use super::seen::{Seen, Who};
use super::sentence::Order;
use super::shard::{AllFired, Fired, Struck};
use super::{Guard, SWEEP, Verdicts};
use crate::ban::{Reason, Scope};
use crate::counts::Outcome;
use crate::observation::{Evidence, What};
use crate::rule::{Action, KeyKind};
use crate::signal::{Signal, Signals};
use crate::source::Target;
use crate::verdict::{Alert, AlertKind, Verdict};

impl Guard {
    /// Counts an observation's signals under every rule that counts them, and judges those that fire.
    pub(super) fn strike(&self, seen: &mut Seen<'_>, signals: Signals, verdicts: &mut Verdicts) {
        let compiled = self.policy.load();
        let (counting, undoing) = (compiled.counting(signals), compiled.undoing(signals));
        if counting.is_empty() && undoing.is_empty() {
            if crate::timeline::Did::of(&seen.seen.what).is_some() {
                self.shard(seen.source).lock().record(seen);
            }
            return;
        }
        // A ban of the SIP ports leaves the way to the guard's own interface open: what comes in there is no surprise.
        let is_elsewhere = |scope: Scope| scope == Scope::Sip && matches!(seen.seen.what, What::LoginFailed);
        if !counting.is_empty()
            && let Some(standing) = self.ledger.standing(seen.ip, seen.seen.port, seen.now)
            && !is_elsewhere(standing.ban.scope)
        {
            self.heard_while_banned(seen, &standing, verdicts);
            // What was banned for a moment on forgeable evidence earns more by what cannot be forged so easily: the failure that
            // follows its challenge at once.
            let is_harder = standing.ban.reason.evidence == Evidence::Forgeable
                && seen.seen.evidence > Evidence::Forgeable;
            if !is_harder {
                return;
            }
        }
        if compiled.asks_place(counting) || compiled.asks_place(undoing) {
            seen.place = self.place(seen.ip);
        }
        let mut fired = AllFired::new();
        let who = self.count_narrow(&compiled, seen, (counting, undoing), &mut fired);
        self.count_wide(&compiled, seen, (counting, undoing), who, &mut fired);
        self.judge(&compiled, seen, who, &fired, verdicts);
    }

    /// The rules by source, port, or account at a source.
    fn count_narrow(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (counting, undoing): (Places, Places),
        fired: &mut AllFired,
    ) -> Who {
        let mut shard = self.shard(seen.source).lock();
        shard.sweep(seen.now, SWEEP, compiled);
        let mut who = shard.who(seen);
        who.known = self.is_known(compiled, seen, who) || seen.is_let_in();
        // The challenges of healthy phones would push everything else out of the timeline.
        if !(who.known && seen.seen.what == What::Challenged) {
            shard.record(seen);
        }
        let mut struck = Struck::default();
        for place in counting.without(compiled.wide) {
            let ready = &compiled.rules[place];
            let Some(key) = seen.key(ready) else { continue };
            if let Some(evidence) = shard.count(compiled, ready, key, (seen, who), &mut struck) {
                _ = fired.try_push(Fired { place, key, evidence });
            }
        }
        for place in undoing.without(compiled.wide) {
            let ready = &compiled.rules[place];
            if let Some(key) = seen.key(ready) {
                shard.undo(ready, key, seen);
            }
        }
        who
    }

    /// The rules by account, net, system or country, each with the lock of its own shard.
    fn count_wide(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (counting, undoing): (Places, Places),
        who: Who,
        fired: &mut AllFired,
    ) {
        let mut struck = Struck::default();
        // What is trusted makes nobody else's crowd.
        let counts = !counting.and(compiled.wide).is_empty() && !compiled.is_out_of_reach(seen.source);
        for place in counting.and(compiled.wide).filter(|_| counts) {
            let ready = &compiled.rules[place];
            if !who.is_met_by(ready.rule.applies, seen.seen.evidence) {
                continue;
            }
            let Some(key) = seen.key(ready) else { continue };
            let mut shard = self.wide_shard(key).lock();
            if let Some(evidence) = shard.count(compiled, ready, key, (seen, who), &mut struck) {
                _ = fired.try_push(Fired { place, key, evidence });
            }
        }
        for place in undoing.and(compiled.wide) {
            let ready = &compiled.rules[place];
            if let Some(key) = seen.key(ready) {
                self.wide_shard(key).lock().undo(ready, key, seen);
            }
        }
    }

    /// Carries out what the rules that fired ask for.
    fn judge(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        who: Who,
        fired: &AllFired,
        verdicts: &mut Verdicts,
    ) {
        if fired.is_empty() {
            return;
        }
        let (before, own) = (verdicts.len(), !who.known && self.is_own_phone(compiled, seen));
        for fired in fired {
            self.carry_out(compiled, seen, (who, own), fired, verdicts);
        }
        self.tell_failing_phone(seen, before, verdicts);
        let banned = verdicts[before..].iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) if matches!(ban.target, Target::Host(_)) => Some(ban.reason.evidence),
            _ => None,
        });
        if let Some(evidence) = banned {
            self.banned(compiled, seen, evidence, who, verdicts);
        }
    }

    /// One phone of several lost its port: somebody has to look at it.
    fn tell_failing_phone(&self, seen: &Seen<'_>, before: usize, verdicts: &mut Verdicts) {
        let banned = verdicts[before..].iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) if matches!(ban.target, Target::Port(..)) => Some(ban.clone()),
            _ => None,
        });
        let Some(ban) = banned else { return };
        let others = self.shard(seen.source).lock().standings.phones(seen.source, seen.now);
        _ = verdicts.try_push(Verdict::Alert(Alert {
            kind: AlertKind::FailingPhone,
            source: seen.source,
            text: format!(
                "one phone behind {} fails: {}; only {} is banned, {others} registered phones of that address go on",
                seen.source, ban.reason.text, ban.target
            ),
        }));
    }

    /// A source was banned: what does that say about its neighbours?
    fn banned(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        evidence: crate::observation::Evidence,
        who: Who,
        verdicts: &mut Verdicts,
    ) {
        let counting = compiled.counting(Signals::one(Signal::Banned));
        if counting.is_empty() {
            return;
        }
        let observation = crate::Observation { evidence, ..*seen.seen };
        // What led to the ban may not have asked for it.
        let place = if compiled.asks_place(counting) { self.place(seen.ip) } else { seen.place };
        let seen = Seen { seen: &observation, place, ..*seen };
        let mut fired = AllFired::new();
        self.count_wide(compiled, &seen, (counting, Places::default()), who, &mut fired);
        for fired in &fired {
            self.carry_out(compiled, &seen, (who, false), fired, verdicts);
        }
    }

    /// Carries out what one rule asks for.
    fn carry_out(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (who, own): (Who, bool),
        Fired { place, key, evidence }: &Fired,
        verdicts: &mut Verdicts,
    ) {
        let ready = &compiled.rules[*place];
        if ready.rule.action == Action::Alert {
            return self.alert(compiled, seen, (ready, *key), *evidence, verdicts);
        }
        if !who.known && self.is_mistyped(compiled, seen, (ready, *key)) {
            return;
        }
        let mut order = order(ready, seen, who, *evidence);
        if own && own_phone::is_lenient(ready) && matches!(order.target, Target::Host(_)) {
            (order.target, order.scope) = (Target::port(seen.ip, seen.seen.port), Scope::Sip);
        }
        let reason = || self.reason(compiled, seen, (ready, *key), order.evidence);
        let spent = self.sentence(compiled, seen, &order, who, reason, verdicts);
        // Who struck last pays for a crowd that goes on.
        if spent && ready.rule.key.is_its_own_target() {
            self.shard_of(ready, seen, *key).lock().forget(ready, *key);
        }
    }

    /// The shard that a rule's key lies in.
    fn shard_of(
        &self,
        ready: &Ready,
        seen: &Seen<'_>,
        key: crate::tally::Key,
    ) -> &parking_lot::Mutex<super::Shard> {
        if ready.rule.key.is_wide() { self.wide_shard(key) } else { self.shard(seen.source) }
    }

    fn reason(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (ready, key): (&Ready, crate::tally::Key),
        evidence: crate::observation::Evidence,
    ) -> Option<Reason> {
        let record = self.shard_of(ready, seen, key).lock().record_of(ready, key, seen.now)?;
        let (rule, switch) = (&ready.rule, compiled.switch(seen.seen.switch));
        let moments = self.just_now(seen, rule.key == KeyKind::Port);
        Some(Reason::counted(&rule.name, &rule.what, evidence, record, switch).after(rule.limit, &moments))
    }

    /// Tells what a rule that alerts has found, at most once in its window for a key.
    fn alert(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (ready, key): (&Ready, crate::tally::Key),
        evidence: crate::observation::Evidence,
        verdicts: &mut Verdicts,
    ) {
        if !self.shard_of(ready, seen, key).lock().tell(ready, key, seen.now) {
            return;
        }
        let Some(reason) = self.reason(compiled, seen, (ready, key), evidence) else { return };
        if ready.rule.shadow {
            self.counts.decided(ready.slot, Outcome::WouldBan, evidence, seen.now);
            return;
        }
        self.counts.decided(ready.slot, Outcome::Alert, evidence, seen.now);
        let whose = match ready.rule.key {
            KeyKind::Source => seen.source.to_string(),
            KeyKind::Port => Target::port(seen.ip, seen.seen.port).to_string(),
            KeyKind::SourceAccount => format!("account \"{}\" at {}", seen.account_shown(), seen.source),
            KeyKind::Account => format!("account \"{}\"", seen.account_shown()),
            KeyKind::Net | KeyKind::WideNet => seen.net(ready.rule.key).to_string(),
            KeyKind::Switch => format!("switch {}", compiled.switch(seen.seen.switch)),
            KeyKind::System => format!("AS{}", seen.place.system.unwrap_or_default()),
            KeyKind::Country => {
                let country = seen.place.country.unwrap_or_default();
                format!("country {}", crate::printable(&country))
            }
        };
        _ = verdicts.try_push(Verdict::Alert(Alert {
            kind: AlertKind::Rule(ready.rule.name.clone()),
            source: seen.source,
            text: format!("{whose}: {} (rule {})", reason.text, ready.rule.name),
        }));
    }
}

/// What a rule that bans asks for.
fn order(ready: &Ready, seen: &Seen<'_>, who: Who, evidence: crate::observation::Evidence) -> Order {
    let rule = &ready.rule;
    let target = match rule.key {
        KeyKind::Port => Target::port(seen.ip, seen.seen.port),
        KeyKind::Net | KeyKind::WideNet => Target::net(seen.net(rule.key)),
        _ => Target::Host(seen.source),
    };
    // Where the crowd is the reason, the one that is banned for it has to be in it by evidence of his own.
    let evidence = if rule.key.is_its_own_target() { evidence } else { evidence.min(seen.seen.evidence) };
    // Phones do not lose the switch for what a browser or a script beside them does at another door.
    let shadow = rule.shadow || (who.known && rule.counts.has(Signal::LoginFailed));
    Order { slot: ready.slot, target, ban: rule.limit.ban, scope: rule.scope, shadow, evidence }
}
