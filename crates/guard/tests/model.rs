//! The engine against a model of it that is slow and simple.
//!
//! Both are told the same: a few sources, ports and accounts do anything at random, by a policy made at random, while an operator bans,
//! allows and lifts, and time goes on by milliseconds or days. After each step verdicts, bans, allow entries and counts must
//! agree. A failure names its seed: `MODEL_SEED=17 cargo nextest run -p guard --test model` plays that one again;
//! `MODEL_RUNS` sets how many there are.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "model/counting.rs"]
mod counting;
#[path = "model/judge.rs"]
mod judge;
#[path = "model/world.rs"]
mod world;

use fastrand::Rng;
use guard::counts::Outcome;
use guard::{Ban, Evidence, Guard, Limits, Time, Verdict};
use judge::{Allow, Banned, Model, Said};
use std::collections::BTreeMap;
use std::sync::Arc;
use world::Step;

const STEPS: usize = 600;

#[test]
fn the_engine_agrees_with_the_model() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MODEL_SEED") {
        return run(seed);
    }
    (0..number("MODEL_RUNS").unwrap_or(24)).for_each(run);
}

fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let policy = world::policy(&mut random);
    // The model knows no past: reputation and earlier bans have models of their own.
    let limits = Limits { remembered: 0, ..Limits::default() };
    let guard = Guard::new(policy.clone(), limits, [seed, 2, 3, 4], Box::new(|_| ()));
    guard.set_places(Some(Arc::new(world::place)));
    let mut model = Model::new(policy.clone(), world::place);
    let mut now = Time::from_secs(1_000_000_000);
    let mut steps = Vec::new();
    for at in 0..STEPS {
        now = now + world::pause(&mut random);
        guard.tick(now);
        model.tick(now);
        let step = world::step(&mut random);
        steps.push((now, step.clone()));
        let (left, right) = both(&guard, &mut model, &step, now);
        let told = || {
            let last: Vec<String> =
                steps.iter().rev().take(12).rev().map(|step| format!("{step:?}")).collect();
            format!("MODEL_SEED={seed}, step {at}; the last steps:\n{}\nby {policy:#?}", last.join("\n"))
        };
        assert_eq!(left, right, "what they say (engine, model); {}", told());
        assert_eq!(bans(&guard, now), model.bans(), "bans (engine, model); {}", told());
        assert_eq!(allows(&guard, now), model.allows(), "allow entries (engine, model); {}", told());
        assert_eq!(decided(&guard), model.decided, "decisions (engine, model); {}", told());
        assert_eq!(guard.counts().heard_while_banned.value(), model.heard_while_banned, "{}", told());
        if at % 16 == 0 {
            for ip in world::SOURCES.map(|text| text.parse().unwrap()) {
                let counted = guard.explain(ip, now).counted.into_iter();
                let counted: BTreeMap<String, (u32, Time, Time)> = counted
                    .map(|of| (of.rule.to_string(), (of.record.count, of.record.first, of.record.last)))
                    .collect();
                assert_eq!(counted, model.counted(ip, now), "{ip} (engine, model); {}", told());
            }
        }
    }
}

/// Lets both take a step; what each says to it.
fn both(guard: &Guard, model: &mut Model, step: &Step, now: Time) -> (Vec<Said>, Vec<Said>) {
    let agreed = |engine: bool, model: bool| {
        assert_eq!(engine, model, "whether an order was taken: {step:?}");
        (Vec::new(), Vec::new())
    };
    match step {
        Step::Seen(happened) => {
            let seen = happened.observation();
            (guard.observe(&seen, now).iter().map(said).collect(), model.observe(&seen, now))
        }
        Step::Ban(target, ttl, scope) => {
            let taken = guard.order_ban(*target, *ttl, *scope, "", "somebody", now).is_ok();
            agreed(taken, model.order_ban(*target, *ttl, *scope, now))
        }
        Step::Lift(target) => {
            let lifted = guard.order_lift(*target, "somebody", now).len();
            assert_eq!(lifted, model.order_lift(*target), "bans lifted (engine, model): {step:?}");
            agreed(true, true)
        }
        Step::Allow(target, ttl) => {
            let taken = guard.order_allow(*target, *ttl, "", "", "somebody", now).is_ok();
            agreed(taken, model.order_allow(*target, *ttl, now))
        }
        Step::Disallow(target) => {
            agreed(guard.order_disallow(*target, "somebody"), model.order_disallow(*target))
        }
    }
}

fn banned(ban: &Ban) -> Banned {
    Banned {
        target: ban.target,
        scope: ban.scope,
        since: ban.since,
        until: ban.until,
        by_operator: ban.origin.is_operator(),
        rule: ban.reason.rule.clone(),
        evidence: ban.reason.evidence,
        count: ban.reason.count,
        from: ban.reason.first,
        to: ban.reason.last,
    }
}

fn said(verdict: &Verdict) -> Said {
    match verdict {
        Verdict::Ban(ban) => Said::Ban(banned(ban)),
        Verdict::WouldBan(ban) => Said::WouldBan(banned(ban)),
        Verdict::HangUp { call, .. } => Said::HangUp(call.clone().into_bytes()),
        // No number leads anywhere here, so that the rules about fraud have nothing to say.
        Verdict::BlockAccount { .. } => Said::Alert("block", String::new()),
        Verdict::Alert(alert) => {
            let rule = match &alert.kind {
                guard::AlertKind::Rule(name) => name.to_string(),
                _ => String::new(),
            };
            Said::Alert(alert.kind.word(), rule)
        }
        Verdict::Allow(entry) => Said::Allow(entry.target, entry.until),
    }
}

fn bans(guard: &Guard, now: Time) -> Vec<Banned> {
    let mut bans: Vec<Banned> = guard.ledger().bans(now).iter().map(|ban| banned(ban)).collect();
    bans.sort();
    bans
}

fn allows(guard: &Guard, now: Time) -> Vec<Allow> {
    let allows = guard.ledger().allows(now).into_iter();
    let mut allows: Vec<Allow> = allows
        .map(|entry| Allow {
            target: entry.target,
            until: entry.until,
            by_operator: entry.origin.is_operator(),
        })
        .collect();
    allows.sort();
    allows
}

fn decided(guard: &Guard) -> BTreeMap<(String, &'static str, Evidence), u64> {
    let mut decided = BTreeMap::new();
    for (slot, name) in guard.rule_names().iter().enumerate() {
        let counts = guard.counts().decisions.of(slot).unwrap();
        for outcome in Outcome::ALL {
            for evidence in Evidence::ALL {
                let count = counts[outcome as usize][evidence as usize].value();
                if count > 0 {
                    decided.insert((name.to_string(), outcome.word(), evidence), count);
                }
            }
        }
    }
    decided
}
