//! The engine: an observation in, verdicts out.
//!
//! Start with [`Guard::observe`]. It is called inline by whoever reads a switch, from any thread: the state is split into
//! shards by source, each behind a short lock; nothing waits and nothing is allocated unless a verdict is made. The order of
//! judgement: count, then ask whether the rule fires, then who must be spared, then what the evidence allows.

use crate::ban::{Ban, Origin, Reason, Scope};
use crate::counts::{Counts, Outcome};
use crate::ledger::{AllowedBy, Entered, Journal, Ledger, Paced};
use crate::observation::{Evidence, Method, Observation, What};
use crate::policy::{Policy, Signal, Subject, UNTRUSTED_DOMAIN, UNTRUSTED_NUMBER};
use crate::source::{Source, Target};
use crate::tally::printable;
use crate::time::Time;
use crate::timeline::{Did, Record};
use crate::verdict::{Alert, AlertKind, Verdict};
use crate::window::Tick;
use ahash::RandomState;
use arc_swap::ArcSwap;
use arrayvec::ArrayVec;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

mod compiled;
mod lately;
mod look;
mod orders;
mod shard;

use compiled::Compiled;
use shard::{Seen, Shard};

pub use look::{Explanation, RuleRecord, State};
pub use orders::{Amendment, Refusal, Terms};

/// The verdicts on one observation; nearly always none.
pub type Verdicts = ArrayVec<Verdict, 4>;

/// How much the guard may keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Windows kept at most, over all rules and sources.
    pub windows: usize,
    /// Registrations kept at most.
    pub registrations: usize,
    /// Bans, and allow entries, kept at most.
    pub bans: usize,
    /// Records of what sources did lately.
    pub timeline: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { windows: 1_000_000, registrations: 200_000, bans: 1_000_000, timeline: 65_536 }
    }
}

/// The guard: rules, windows, registrations and the ledger.
pub struct Guard {
    shards: Box<[Mutex<Shard>]>,
    policy: ArcSwap<Compiled>,
    ledger: Ledger,
    counts: Counts,
    /// When a full ledger was last told.
    full_told: Paced,
    hasher: RandomState,
}

/// Shards: enough that two switches' readers seldom meet.
const SHARDS: usize = 16;
/// Slots that each observation sweeps.
const SWEEP: usize = 2;
/// How long after a ban its source may still be heard: events on their way, and calls given up 10 s after the INVITE.
const STILL_HEARD: Duration = Duration::from_secs(15);

impl Guard {
    /// A guard with an empty ledger. `seed` keys the hashes: random in production, fixed in tests.
    pub fn new(policy: Policy, limits: Limits, seed: [u64; 4], journal: Journal) -> Guard {
        let hasher = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let shard = || Mutex::new(Shard::new(&limits, SHARDS, &hasher));
        Guard {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            policy: ArcSwap::from_pointee(Compiled::new(policy)),
            ledger: Ledger::new(limits.bans, hasher.clone(), journal),
            counts: Counts::default(),
            full_told: Paced::default(),
            hasher,
        }
    }

    /// The bans and the allow-list.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.policy.load().policy.clone()
    }

    /// Replaces the policy. Windows keep what they have counted.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(Compiled::new(policy)));
    }

    fn shard(&self, source: Source) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(source) >> 32) as usize % SHARDS]
    }

    /// Judges one observation, made at `now`.
    pub fn observe(&self, seen: &Observation<'_>, now: Time) -> Verdicts {
        let mut verdicts = Verdicts::new();
        self.counts.see(&seen.what, seen.evidence, now);
        let Some(ip) = seen.ip else {
            if !seen.what.is_of_the_switch() {
                self.counts.without_source.up();
            }
            return verdicts;
        };
        let source = Source::of(ip);
        let seen = Seen { seen, ip, source, now };
        match seen.seen.what {
            What::AuthFailed(method) => self.auth_failed(&seen, method, &mut verdicts),
            What::CallAbandoned => self.strike(&seen, &[Signal::CallAbandoned], &mut verdicts),
            What::LoginFailed => self.strike(&seen, &[Signal::LoginFailed], &mut verdicts),
            What::CallStarted { call, authenticated, .. } => {
                self.call_started(&seen, call, &mut verdicts);
                if authenticated {
                    self.succeeded(&seen, &mut verdicts);
                }
            }
            What::AuthSucceeded => self.succeeded(&seen, &mut verdicts),
            What::Registered { expires } => self.registered(&seen, expires, &mut verdicts),
            What::Unregistered | What::Expired => {
                let mut shard = self.shard(source).lock();
                shard.record(&seen);
                shard.standings.unbind(source, seen.seen.user, seen.seen.domain);
            }
            What::Challenged
            | What::StaleNonce
            | What::Refused
            | What::CallAnswered { .. }
            | What::CallEnded { .. }
            | What::UnknownAccount
            | What::AclRejected
            | What::OverSessionRate
            | What::Heartbeat
            | What::SwitchStarted
            | What::SwitchStopping => {}
        }
        for verdict in &verdicts {
            if matches!(verdict, Verdict::Alert(_)) {
                self.counts.alerts.up();
            }
        }
        verdicts
    }

    fn auth_failed(&self, seen: &Seen<'_>, method: Method, verdicts: &mut Verdicts) {
        let signals: &[Signal] = if method == Method::Register {
            &[Signal::AuthFailed, Signal::Registration]
        } else {
            &[Signal::AuthFailed]
        };
        self.strike(seen, signals, verdicts);
        self.untrusted(seen, verdicts);
    }

    fn call_started(&self, seen: &Seen<'_>, call: &[u8], verdicts: &mut Verdicts) {
        self.strike(seen, &[Signal::Call], verdicts);
        let Some(pattern) = self.untrusted(seen, verdicts) else { return };
        if !self.policy.load().policy.enforce {
            return;
        }
        self.counts.hang_ups.up();
        verdicts.push(Verdict::HangUp {
            switch: seen.seen.switch,
            call: printable(call),
            cause: "CALL_REJECTED",
            why: format!("the call names the untrusted domain {} ({pattern})", printable(seen.seen.domain)),
            source: seen.source,
        });
    }

    /// Bans a source whose call or failed registration names an untrusted domain; tells the pattern.
    ///
    /// `None` when the domain is not untrusted, or the source is out of reach.
    fn untrusted(&self, seen: &Seen<'_>, verdicts: &mut Verdicts) -> Option<String> {
        if seen.seen.domain.is_empty() {
            return None;
        }
        let compiled = self.policy.load();
        let configured =
            compiled.policy.untrusted.iter().find(|pattern| pattern.matches(seen.seen.domain)).cloned();
        let pattern = configured.or_else(|| self.ledger.matching_pattern(seen.seen.domain))?.to_string();
        let spared = || self.counts.decided(UNTRUSTED_NUMBER, Outcome::Spared, seen.seen.evidence);
        if self.is_untouchable(&compiled, seen) {
            spared();
            return None;
        }
        if self.ledger.banned(seen.ip, seen.seen.port, seen.now).is_none() {
            let (registered, in_a_phones_name) = {
                let shard = self.shard(seen.source).lock();
                let registered = shard.standings.phones(seen.source, seen.now) > 0;
                (registered, seen.seen.port == 0 || shard.is_phones_name(seen, seen.seen.evidence))
            };
            if registered && in_a_phones_name {
                spared();
                return Some(pattern);
            }
            // One strike is little: where phones are registered it costs a port, not the office.
            let (target, scope) = match registered {
                true => (Target::port(seen.ip, seen.seen.port), Scope::Sip),
                false => (Target::Host(seen.source), Scope::All),
            };
            let ban = compiled.policy.untrusted_ban;
            let rule = UNTRUSTED_NUMBER;
            let order = Order { rule, target, ban, scope, bans: true, evidence: seen.seen.evidence };
            let reason = || {
                let what = format!("requests that name an untrusted domain ({pattern})");
                let switch = compiled.switch(seen.seen.switch);
                Some(Reason::counted(UNTRUSTED_DOMAIN, &what, seen.seen.evidence, seen.record(), switch))
            };
            self.sentence(&compiled, seen, &order, registered, reason, verdicts);
        }
        Some(pattern)
    }

    fn registered(&self, seen: &Seen<'_>, expires: u32, verdicts: &mut Verdicts) {
        self.strike(seen, &[Signal::Registration], verdicts);
        let Observation { user, domain, .. } = *seen.seen;
        let lifetime = Duration::from_secs(u64::from(expires));
        let port = seen.seen.port;
        self.shard(seen.source).lock().standings.bind(seen.source, port, (user, domain), lifetime, seen.now);
        self.succeeded(seen, verdicts);
    }

    /// Right credentials: an allow entry, or an alarm when they come after many wrong ones.
    fn succeeded(&self, seen: &Seen<'_>, verdicts: &mut Verdicts) {
        let compiled = self.policy.load();
        let policy = &compiled.policy;
        if policy.allow && policy.allow_on_success && !compiled.is_out_of_reach(seen.source) {
            let Observation { user, domain, .. } = *seen.seen;
            let entry = self.ledger.succeeded(seen.ip, user, domain, policy.allow_ttl, seen.now);
            verdicts.extend(entry.map(Verdict::Allow));
        }
        if let Some(standing) = self.ledger.standing(seen.ip, seen.seen.port, seen.now)
            && standing.ban.reason.rule.starts_with("failed-registrations")
            && standing.report_compromise_once()
        {
            verdicts.push(Verdict::Alert(Alert {
                kind: AlertKind::Compromise,
                source: seen.source,
                text: format!(
                    "{} logged in as {} after {}: its password was probably found; change it",
                    seen.source,
                    printable(seen.seen.user),
                    standing.ban.reason.text
                ),
            }));
        }
    }

    /// Counts a strike under every rule of the signals, and judges those that fire.
    fn strike(&self, seen: &Seen<'_>, signals: &[Signal], verdicts: &mut Verdicts) {
        let compiled = self.policy.load();
        // A ban of the SIP ports leaves the way to the guard's own interface open: what comes in there is no surprise.
        let is_elsewhere = |scope: Scope| scope == Scope::Sip && matches!(seen.seen.what, What::LoginFailed);
        if let Some(standing) = self.ledger.standing(seen.ip, seen.seen.port, seen.now)
            && !is_elsewhere(standing.ban.scope)
        {
            self.heard_while_banned(seen, &standing, verdicts);
            return;
        }
        let mut fired: ArrayVec<(usize, Evidence), 3> = ArrayVec::new();
        let (registered, known) = {
            let mut shard = self.shard(seen.source).lock();
            shard.tallies.sweep(Tick::of(seen.now), SWEEP, &compiled.spans);
            shard.record(seen);
            let registered = shard.standings.phones(seen.source, seen.now) > 0;
            let known = registered || self.allowed(&compiled.policy, seen).is_some();
            let strike = shard.names.strike(seen);
            for (index, rule) in compiled
                .rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.enabled && signals.contains(&rule.signal))
            {
                if let Some(evidence) = shard.count(&compiled, index, rule, seen, strike, known) {
                    _ = fired.try_push((index, evidence));
                }
            }
            (registered, known)
        };
        for (index, evidence) in fired {
            let rule = &compiled.rules[index];
            let key = seen.key(index as u8, rule.subject);
            let target = match rule.subject {
                Subject::Source => Target::Host(seen.source),
                Subject::Port => Target::port(seen.ip, seen.seen.port),
            };
            // Phones do not lose the switch for what a browser or a script beside them does at another door.
            let bans = rule.bans && !(known && rule.signal == Signal::LoginFailed);
            let (ban, scope) = (rule.limit.ban, rule.scope);
            let order = Order { rule: index, target, ban, scope, bans, evidence };
            let reason = || {
                let shard = self.shard(seen.source).lock();
                let record = shard.tallies.record(key, seen.now, compiled.spans[index], &shard.names)?;
                Some(Reason::counted(
                    rule.name,
                    rule.what,
                    evidence,
                    record,
                    compiled.switch(seen.seen.switch),
                ))
            };
            if self.sentence(&compiled, seen, &order, registered, reason, verdicts) {
                self.shard(seen.source).lock().tallies.forget(key);
            }
        }
    }

    /// On what ground a source is on the allow-list, if that is heeded.
    fn allowed(&self, policy: &Policy, seen: &Seen<'_>) -> Option<AllowedBy> {
        policy.allow.then(|| self.ledger.allowed(seen.ip, seen.now)).flatten()
    }

    /// Whether nothing that a source does may ban it: trusted, protected, or allowed by an operator.
    fn is_untouchable(&self, compiled: &Compiled, seen: &Seen<'_>) -> bool {
        compiled.is_out_of_reach(seen.source)
            || self.allowed(&compiled.policy, seen) == Some(AllowedBy::Operator)
    }

    /// The last questions before a ban: who is spared, and what the evidence allows. True when the strikes are spent.
    fn sentence(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        order: &Order,
        registered: bool,
        reason: impl FnOnce() -> Option<Reason>,
        verdicts: &mut Verdicts,
    ) -> bool {
        let policy = &compiled.policy;
        let forgeable = order.evidence == Evidence::Forgeable;
        let trusted = || registered || self.allowed(&compiled.policy, seen).is_some();
        let decided = |outcome| self.counts.decided(order.rule, outcome, order.evidence);
        if self.is_untouchable(compiled, seen) || (forgeable && trusted()) {
            decided(Outcome::Spared);
            return false;
        }
        let Some(reason) = reason() else { return false };
        let length = if forgeable { order.ban.min(policy.forgeable_max) } else { order.ban };
        let scope = if forgeable { Scope::Sip } else { order.scope };
        let until = Some(seen.now + length);
        let note = String::new();
        let ban =
            Ban { target: order.target, scope, since: seen.now, until, origin: Origin::Guard, reason, note };
        if !policy.enforce || !order.bans {
            decided(Outcome::WouldBan);
            verdicts.push(Verdict::WouldBan(Arc::new(ban)));
            return true;
        }
        let Some(entered) = self.ledger.ban_unless_allowed(ban, policy.allow, seen.now) else { return false };
        match entered {
            Entered::Made(ban) => {
                decided(Outcome::Ban);
                verdicts.push(Verdict::Ban(ban));
                true
            }
            Entered::Stands(_) => true,
            Entered::Full => {
                decided(Outcome::LedgerFull);
                if !self.full_told.is_due(seen.now) {
                    return false;
                }
                verdicts.push(Verdict::Alert(Alert {
                    kind: AlertKind::LedgerFull,
                    source: seen.source,
                    text: format!(
                        "{} should be banned, but the ledger is full; raise firewall.max_elements",
                        seen.source
                    ),
                }));
                false
            }
        }
    }

    fn heard_while_banned(
        &self,
        seen: &Seen<'_>,
        standing: &crate::ledger::Standing,
        verdicts: &mut Verdicts,
    ) {
        self.counts.heard_while_banned.up();
        if standing.is_to_record(seen.now) {
            let heard = Record::new(seen.seen, seen.ip, Did::HeardWhileBanned, seen.now);
            self.shard(seen.source).lock().timeline.push(heard);
        }
        let since = seen.now.since(standing.ban.since);
        // A clock that was set back makes the ban seem to lie ahead: the kernel's time has gone on.
        let overdue = since > STILL_HEARD || seen.now < standing.ban.since;
        if overdue && self.policy.load().policy.enforce && standing.is_due(seen.now) {
            verdicts.push(Verdict::Alert(Alert {
                kind: AlertKind::NotEnforced(standing.ban.clone()),
                source: seen.source,
                text: format!(
                    "{} is still heard {} after it was banned: the kernel does not drop its packets; see `switchward status`",
                    seen.source,
                    crate::ban::span(since)
                ),
            }));
        }
    }

    /// A switch listed its registrations: a phone is registered until `until`.
    pub fn learn_registration(&self, ip: IpAddr, port: u16, account: (&[u8], &[u8]), until: Time, now: Time) {
        let source = Source::of(ip);
        self.shard(source).lock().standings.bind(source, port, account, until.since(now), now);
    }

    /// Housekeeping, about once a second: what has run out is forgotten. Returns the bans that ended.
    pub fn tick(&self, now: Time) -> Vec<Arc<Ban>> {
        let compiled = self.policy.load();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.standings.sweep(now);
            // All of it once in ten minutes, in small pieces.
            let slots = shard.tallies.len() / 600 + 64;
            shard.tallies.sweep(Tick::of(now), slots, &compiled.spans);
        }
        self.ledger.expire(now)
    }
}

/// A ban to be made, before the evidence has had its say.
struct Order {
    /// Number of the rule.
    rule: usize,
    target: Target,
    ban: Duration,
    scope: Scope,
    bans: bool,
    evidence: Evidence,
}

/// Whether any of `nets` overlaps the target.
fn overlapping<'a>(nets: impl IntoIterator<Item = &'a IpNet>, target: Target) -> Option<IpNet> {
    nets.into_iter().find(|net| target.overlaps(net)).copied()
}

#[cfg(test)]
mod tests;
