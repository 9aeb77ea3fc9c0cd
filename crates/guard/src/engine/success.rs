//! Right credentials: standing, an allow entry, or an alarm when they come after many wrong ones.

use super::compiled::Compiled;
use super::seen::Seen;
use super::{Guard, Verdicts};
use crate::ledger::Standing;
use crate::observation::{Evidence, Observation};
use crate::policy::{ACCOUNT_ATTACKED, FAILED, SLOW};
use crate::signal::{Signal, Signals};
use crate::source::Source;
use crate::time::Time;
use crate::verdict::{Alert, AlertKind, Verdict};
use crate::window::Tick;
use std::net::IpAddr;
use std::time::Duration;

impl Guard {
    pub(super) fn registered(&self, seen: &Seen<'_>, expires: u32, verdicts: &mut Verdicts) {
        self.succeeded(seen, verdicts);
        let Observation { user, domain, port, .. } = *seen.seen;
        let lifetime = Duration::from_secs(u64::from(expires));
        self.shard(seen.source).lock().standings.bind(seen.source, port, (user, domain), lifetime, seen.now);
    }

    /// A switch listed its registrations: a phone is registered until `until`.
    pub fn learn_registration(&self, ip: IpAddr, port: u16, account: (&[u8], &[u8]), until: Time, now: Time) {
        let source = Source::of(ip);
        self.shard(source).lock().standings.bind(source, port, account, until.since(now), now);
    }

    /// Right credentials: an allow entry, or an alarm when they come after many wrong ones.
    pub(super) fn succeeded(&self, seen: &Seen<'_>, verdicts: &mut Verdicts) {
        let compiled = self.policy.load();
        let policy = &compiled.policy;
        if let Some(after) = self.suspicious(&compiled, seen) {
            self.tell_compromise(seen, after, verdicts);
            return;
        }
        self.earned(seen);
        let is_out_of_reach = || compiled.is_out_of_reach(seen.source) || self.reach.is_learnt(seen.source);
        if policy.allow && policy.allow_on_success && !is_out_of_reach() {
            let Observation { user, domain, .. } = *seen.seen;
            let entry = self.ledger.succeeded(seen.ip, user, domain, policy.allow_ttl, seen.now);
            if let Some(entry) = entry {
                _ = verdicts.try_push(Verdict::Allow(entry));
            }
        }
    }

    /// What makes right credentials suspicious: a ban for wrong ones, or many of them from this stranger or against this account.
    fn suspicious(&self, compiled: &Compiled, seen: &Seen<'_>) -> Option<After> {
        let (ip, port, now) = (seen.ip, seen.seen.port, seen.now);
        if let Some(standing) = self.ledger.standing(ip, port, now) {
            let counts = compiled.named(&standing.ban.reason.rule).map(|ready| ready.rule.counts);
            let is_for_guessing = standing.ban.reason.evidence >= Evidence::Likely
                && counts.is_some_and(|counts| counts.meets(GUESSING));
            return is_for_guessing.then_some(After::Banned(standing));
        }
        // Nearly every success is that of a phone that is known.
        let is_registered = self.shard(seen.source).lock().standings.phones(seen.source, now) > 0;
        if is_registered
            || self.allowed(&compiled.policy, seen).is_some()
            || self.past.reputation().is_trusted(seen.source, now)
        {
            return None;
        }
        let (soon, slowly) = {
            let shard = self.shard(seen.source).lock();
            let count = |name: &str| {
                let rule = compiled.named(name)?;
                Some(shard.windows.count(seen.key(rule)?, Tick::of(now), rule.span))
            };
            (count(FAILED).unwrap_or(0), count(SLOW).unwrap_or(0))
        };
        if soon >= MANY || slowly >= MANY_SLOWLY {
            return Some(After::Failures(soon.max(slowly)));
        }
        let attacked = compiled.named(ACCOUNT_ATTACKED).filter(|ready| ready.rule.enabled)?;
        let key = seen.key(attacked)?;
        let sources = self.wide_shard(key).lock().crowds.count(key, Tick::of(now), attacked.span);
        (sources >= attacked.rule.limit.threshold).then_some(After::Attack(sources))
    }

    fn tell_compromise(&self, seen: &Seen<'_>, after: After, verdicts: &mut Verdicts) {
        let login = || self.hasher.hash_one((seen.source, seen.seen.user, seen.home()));
        let text = match &after {
            After::Banned(standing) if !standing.report_compromise_once() => return,
            After::Banned(standing) => {
                format!("{}: its password was probably found; change it", standing.ban.reason.text)
            }
            _ if !self.compromises.lock().is_due(login(), seen.now) => return,
            After::Failures(count) => {
                format!("{count} failed authentications: its password was probably found; change it")
            }
            After::Attack(sources) => format!(
                "failed authentications for it from {sources} sources: its password may have been found; \
                 ask its user whether this is his address, else change it"
            ),
        };
        _ = verdicts.try_push(Verdict::Alert(Alert {
            kind: AlertKind::Compromise,
            source: seen.source,
            text: format!("{} logged in as {} after {text}", seen.source, seen.account_shown()),
        }));
    }
}

/// After what right credentials came.
enum After {
    /// A ban for wrong ones, which stands.
    Banned(Standing),
    /// So many wrong ones from the same stranger.
    Failures(u32),
    /// Wrong ones against the account from so many sources.
    Attack(u32),
}

/// What was told lately, so that one log-in, which makes two events, is told once.
#[derive(Default)]
pub(super) struct Told(Vec<(u64, Time)>);

impl Told {
    fn is_due(&mut self, what: u64, now: Time) -> bool {
        self.0.retain(|(_, at)| now.since(*at) < TOLD_FOR && *at <= now);
        let due = !self.0.iter().any(|(other, _)| *other == what);
        if due {
            if self.0.len() >= MOST_TOLD {
                self.0.remove(0);
            }
            self.0.push((what, now));
        }
        due
    }
}

/// What those who guess passwords are banned for.
const GUESSING: Signals = Signals::these(&[
    Signal::AuthFailed,
    Signal::UnknownAccount,
    Signal::ScannerAgent,
    Signal::Honeypot,
    Signal::Injection,
]);
/// Failures after which a stranger's success is no mistyped password any more.
const MANY: u32 = 5;
/// The same over the weeks of the patient rule: more than a person mistypes who then has it right.
const MANY_SLOWLY: u32 = 8;
/// How long the same log-in is not told again, and how many are remembered.
const TOLD_FOR: Duration = Duration::from_secs(3600);
const MOST_TOLD: usize = 256;
