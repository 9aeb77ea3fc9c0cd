//! What an operator may ask the engine: who failed how often, how full the tables are, and why an address is or is not banned.

use super::compiled::Ready;
use super::seen::Seen;
use super::{Guard, Learnt, Operator};
use crate::ban::{Allowed, Ban};
use crate::observation::{Observation, What};
use crate::policy::{CALL_RATE, FAILED, REGISTRATION_RATE, WRONG_CALL_STATE};
use crate::reputation::Repute;
use crate::rule::{KeyKind, Limit};
use crate::signal::Signal;
use crate::source::{Source, Target};
use crate::tally::Record;
use crate::time::Time;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What one rule has counted against a source.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleRecord {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What it counts, in the plural.
    pub what: Arc<str>,
    /// Whose strikes are counted together.
    pub key: KeyKind,
    /// How many make it fire.
    pub threshold: u32,
    /// Its window.
    pub window: Duration,
    /// What it has counted.
    pub record: Record,
}

/// All that is known of an address.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// The source that the address belongs to.
    pub source: Source,
    /// The trusted or protected network that it is in.
    pub out_of_reach: Option<IpNet>,
    /// What it, or an address beside it in its IPv6 /64, was learnt to be: a gateway, a trunk, the switch.
    pub learnt: Option<Learnt>,
    /// Who proved an operator's credential there lately, for which no rule bans it.
    pub operator: Option<Operator>,
    /// The ban that covers it.
    pub ban: Option<Arc<Ban>>,
    /// Bans of single ports of it.
    pub ports: Vec<Arc<Ban>>,
    /// The allow entry that covers it.
    pub allowed: Option<Allowed>,
    /// How many phones are registered from it.
    pub phones: u32,
    /// What is known of it over weeks, and how far it is believed.
    pub repute: Repute,
    /// Earlier bans of it that still count.
    pub priors: u32,
    /// What was counted against it.
    pub counted: Vec<RuleRecord>,
}

/// How full the engine's tables are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct State {
    /// Windows in use.
    pub windows: usize,
    /// Live windows that had to go because the table was full.
    pub windows_evicted: u64,
    /// Registrations known.
    pub registrations: usize,
    /// Registrations not kept because the table was full.
    pub registrations_refused: u64,
    /// Bytes held by windows, names, the timeline and what is known of the past.
    pub bytes: usize,
}

impl Guard {
    /// Failed authentications by source.
    pub fn failed(&self, now: Time) -> Vec<(Source, Record)> {
        self.records(FAILED, now)
    }

    /// Abandoned calls by source.
    pub fn wrong_call_states(&self, now: Time) -> Vec<(Source, Record)> {
        self.records(WRONG_CALL_STATE, now)
    }

    /// Calls, or registrations, by source within the window of their rate.
    pub fn rate(&self, signal: Signal, now: Time) -> Vec<(Source, Record)> {
        self.records(if signal == Signal::Call { CALL_RATE } else { REGISTRATION_RATE }, now)
    }

    fn records(&self, rule: &str, now: Time) -> Vec<(Source, Record)> {
        let compiled = self.policy.load();
        let mut out = Vec::new();
        let Some(ready) = compiled.named(rule).filter(|ready| ready.rule.distinct.is_none()) else {
            return out;
        };
        for shard in &self.shards {
            // In pieces, so that no event waits for thousands of them to be written out.
            let mut next = Some(0);
            while let Some(from) = next {
                let shard = shard.lock();
                next = shard.windows.records(ready.track, now, ready.span, &shard.names, from, &mut out);
            }
        }
        // One that went and came again between two pieces may be there twice.
        out.sort_unstable_by_key(|(source, _)| *source);
        out.dedup_by_key(|(source, _)| *source);
        out
    }

    /// All that is known of an address.
    pub fn explain(&self, ip: IpAddr, now: Time) -> Explanation {
        let compiled = self.policy.load();
        let observation = Observation { ip: Some(ip), ..Observation::of(0, What::Heartbeat) };
        let (source, place) = (Source::of(ip), self.place(ip));
        let seen = Seen { seen: &observation, ip, source, now, hasher: &self.hasher, place };
        let phones = self.shard(source).lock().standings.phones(source, now);
        // What is counted of a whole switch tells nothing of one address.
        let tells = |ready: &&Ready| ready.rule.enabled && ready.rule.key != KeyKind::Switch;
        let counted = compiled.rules.iter().filter(tells).filter_map(|ready| {
            let key = seen.key(ready)?;
            let shard = if ready.rule.key.is_wide() { self.wide_shard(key) } else { self.shard(source) };
            let record = shard.lock().record_of(ready, key, now)?;
            let (rule, Limit { threshold, window, .. }) = (&ready.rule, ready.rule.limit);
            Some(RuleRecord {
                rule: rule.name.clone(),
                what: rule.what.clone(),
                key: rule.key,
                threshold,
                window,
                record,
            })
        });
        let is_allowed = compiled.policy.allow && self.ledger.allowed(ip, now).is_some();
        Explanation {
            source,
            out_of_reach: compiled.reaches_not(source),
            learnt: self.reach.label(source),
            operator: self.reach.operator_in(Target::Host(source), now),
            ban: self.ledger.banned(ip, 0, now),
            ports: self.ledger.port_bans(source, now),
            allowed: self.ledger.allow_entry(Target::host(ip), now),
            phones,
            repute: self.past.repute(source, phones, is_allowed, now),
            priors: self.past.priors().count(Target::Host(source), compiled.policy.growth, now),
            counted: counted.collect(),
        }
    }

    /// How full the tables are.
    pub fn state(&self) -> State {
        let mut state = State::default();
        for shard in &self.shards {
            let shard = shard.lock();
            state.windows += shard.windows.len() + shard.crowds.len();
            state.windows_evicted += shard.windows.evicted() + shard.crowds.evicted();
            state.registrations += shard.standings.len();
            state.registrations_refused += shard.standings.refused();
            state.bytes +=
                shard.windows.bytes() + shard.crowds.bytes() + shard.names.bytes() + shard.timeline.bytes();
        }
        state.bytes += self.past.state(Time::ZERO).bytes;
        state
    }
}
