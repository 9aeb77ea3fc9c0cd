//! The model: the engine's rules of judgement in plain lists. No windows, no shards, no bounds, no sweeps.

use crate::counting::{Account, Group, List, Subject, groups, net, subject, tag};
use guard::counts::Outcome;
use guard::rule::{Action, Applies, KeyKind, Rule};
use guard::suspicion::Suspicion;
use guard::{
    Evidence, Method, Observation, Place, Policy, Scope, Signal, Signals, Source, Target, Time, What,
};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// A ban, as far as both sides must agree on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Banned {
    pub(crate) target: Target,
    pub(crate) scope: Scope,
    pub(crate) since: Time,
    pub(crate) until: Option<Time>,
    pub(crate) by_operator: bool,
    pub(crate) rule: String,
    pub(crate) evidence: Evidence,
    pub(crate) count: u32,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

/// A verdict, likewise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Ban(Banned),
    WouldBan(Banned),
    HangUp(Vec<u8>),
    /// The kind, and the rule's name if it is one.
    Alert(&'static str, String),
    Allow(Target, Option<Time>),
}

struct Held {
    ban: Banned,
    /// Whether a compromise was told of it, and when a lack of enforcement was.
    compromise: bool,
    not_enforced: Option<Time>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Allow {
    pub(crate) target: Target,
    pub(crate) until: Option<Time>,
    pub(crate) by_operator: bool,
}

struct Phone {
    source: Source,
    port: u16,
    account: (Vec<u8>, Vec<u8>),
    until: Time,
}

pub(crate) struct Model {
    policy: Policy,
    rules: Vec<Rule>,
    group_of: Vec<usize>,
    groups: Vec<Group>,
    lists: Vec<List>,
    bans: Vec<Held>,
    allows: Vec<Allow>,
    phones: Vec<Phone>,
    /// Ports, and when a phone last left them.
    left: Vec<(Source, u16, Time)>,
    /// Failures: whose, from which port, for which account, when.
    failures: Vec<(Source, u16, Account, Time)>,
    told: Vec<(Source, Vec<u8>, Vec<u8>, Time)>,
    suspicion: Suspicion,
    places: fn(IpAddr) -> Place,
    /// Decisions by rule, outcome and evidence.
    pub(crate) decided: BTreeMap<(String, &'static str, Evidence), u64>,
    pub(crate) heard_while_banned: u64,
}

/// Who the sender is.
#[derive(Clone, Copy)]
struct Who {
    registered: bool,
    known: bool,
    from_a_phones_port: bool,
}

struct Seen<'a> {
    seen: Observation<'a>,
    ip: IpAddr,
    source: Source,
    now: Time,
    place: Place,
}

impl Seen<'_> {
    fn tick(&self) -> u64 {
        self.now.micros() / 10_000
    }
}

struct Fired {
    rule: usize,
    subject: Subject,
    evidence: Evidence,
}

/// At most so many verdicts, and so many rules that fire, at one observation.
const VERDICTS: usize = 10;
const FIRED: usize = 8;

impl Model {
    pub(crate) fn new(policy: Policy, places: fn(IpAddr) -> Place) -> Model {
        let rules = policy.rules();
        let (group_of, groups) = groups(&rules);
        Model {
            policy,
            rules,
            group_of,
            groups,
            lists: Vec::new(),
            bans: Vec::new(),
            allows: Vec::new(),
            phones: Vec::new(),
            left: Vec::new(),
            failures: Vec::new(),
            told: Vec::new(),
            suspicion: Suspicion::built_in().unwrap(),
            places,
            decided: BTreeMap::new(),
            heard_while_banned: 0,
        }
    }

    /// Time goes on: what has run out is gone.
    pub(crate) fn tick(&mut self, now: Time) {
        self.bans.retain(|held| held.ban.until.is_none_or(|until| until > now));
        self.allows.retain(|entry| entry.until.is_none_or(|until| until > now));
        for phone in self.phones.iter().filter(|phone| phone.until <= now) {
            self.left.push((phone.source, phone.port, phone.until));
        }
        self.phones.retain(|phone| phone.until > now);
    }

    pub(crate) fn bans(&self) -> Vec<Banned> {
        let mut bans: Vec<Banned> = self.bans.iter().map(|held| held.ban.clone()).collect();
        bans.sort();
        bans
    }

    pub(crate) fn allows(&self) -> Vec<Allow> {
        let mut allows = self.allows.clone();
        allows.sort();
        allows
    }

    /// What each rule has counted against an address, by the rule's name.
    pub(crate) fn counted(&self, ip: IpAddr, now: Time) -> BTreeMap<String, (u32, Time, Time)> {
        let observation = Observation { ip: Some(ip), ..Observation::of(0, What::Heartbeat) };
        let (source, place) = (Source::of(ip), (self.places)(ip));
        let of = |(at, rule): (usize, &Rule)| {
            let subject = subject(rule, &observation, source, place)?;
            let (count, from, to) =
                self.list(self.group_of[at], &subject)?.shown(rule, now.micros() / 10_000)?;
            let time = |tick: u64| Time::from_micros(tick * 10_000);
            Some((rule.name.to_string(), (count, time(from), time(to))))
        };
        let tells = |(_, rule): &(usize, &Rule)| rule.enabled && rule.key != KeyKind::Switch;
        self.rules.iter().enumerate().filter(tells).filter_map(of).collect()
    }

    pub(crate) fn observe(&mut self, seen: &Observation<'_>, now: Time) -> Vec<Said> {
        let mut said = Vec::new();
        let Some(ip) = seen.ip else { return said };
        let seen = Seen { seen: *seen, ip, source: Source::of(ip), now, place: (self.places)(ip) };
        let may_be_attack = matches!(
            seen.seen.what,
            What::AuthFailed(_)
                | What::Challenged
                | What::CallAbandoned
                | What::UnknownAccount
                | What::CallStarted { authenticated: false, .. }
        );
        let mut signals = Signals::of(&seen.seen.what);
        if may_be_attack {
            signals |= self.suspicion.seen(&seen.seen);
        }
        self.strike(&seen, signals, &mut said);
        match seen.seen.what {
            What::AuthFailed(_) => _ = self.untrusted(&seen, &mut said),
            What::CallStarted { call, authenticated, .. } => {
                if self.untrusted(&seen, &mut said) && self.policy.enforce {
                    say(&mut said, Said::HangUp(call.to_vec()));
                }
                if authenticated {
                    self.succeeded(&seen, &mut said);
                }
            }
            What::AuthSucceeded => self.succeeded(&seen, &mut said),
            What::Registered { expires } => {
                self.succeeded(&seen, &mut said);
                // The switch keeps a binding for a while after it ran out; no phone registers for longer than a day.
                let lifetime = Duration::from_secs(u64::from(expires).min(86_400) + 90);
                self.register(&seen, lifetime);
            }
            What::Unregistered | What::Expired => {
                let account = (seen.seen.user.to_vec(), seen.seen.domain.to_vec());
                self.leave(&seen, &account);
            }
            _ => {}
        }
        said
    }

    fn register(&mut self, seen: &Seen<'_>, lifetime: Duration) {
        let account = (seen.seen.user.to_vec(), seen.seen.domain.to_vec());
        self.leave(seen, &account);
        let (source, port, until) = (seen.source, seen.seen.port, seen.now + lifetime);
        self.phones.push(Phone { source, port, account, until });
    }

    /// A phone is no longer registered where it was.
    fn leave(&mut self, seen: &Seen<'_>, account: &(Vec<u8>, Vec<u8>)) {
        let is_it = |phone: &Phone| phone.source == seen.source && phone.account == *account;
        for phone in self.phones.iter().filter(|phone| is_it(phone)) {
            self.left.push((phone.source, phone.port, seen.now.min(phone.until)));
        }
        self.phones.retain(|phone| !is_it(phone));
    }

    fn who(&self, seen: &Seen<'_>) -> Who {
        let mine = || self.phones.iter().filter(|phone| phone.source == seen.source);
        let registered = mine().next().is_some();
        let known = registered || self.allowed(seen.ip).is_some();
        let (source, port) = (seen.source, seen.seen.port);
        let left = |(of, from, at): &(Source, u16, Time)| {
            *of == source && *from == port && seen.now < *at + Duration::from_secs(3600)
        };
        let from_a_phones_port = mine().any(|phone| phone.port == port) || self.left.iter().any(left);
        Who { registered, known, from_a_phones_port }
    }

    fn strike(&mut self, seen: &Seen<'_>, signals: Signals, said: &mut Vec<Said>) {
        let counting = self.those(|rule| rule.counts.meets(signals));
        let undoing = self.those(|rule| rule.undone_by.meets(signals));
        if let Some(ban) = self.covering(seen.ip, seen.seen.port)
            && !counting.is_empty()
        {
            let is_elsewhere = ban.scope == Scope::Sip && seen.seen.what == What::LoginFailed;
            let is_harder = ban.evidence == Evidence::Forgeable && seen.seen.evidence > Evidence::Forgeable;
            if !is_elsewhere {
                self.heard_while_banned(seen, said);
                // What was banned on forgeable evidence earns more by what is harder to forge.
                if !is_harder {
                    return;
                }
            }
        }
        if matches!(seen.seen.what, What::AuthFailed(_)) {
            let cut = |name: &[u8]| name[..name.len().min(32)].to_vec();
            let account = (cut(seen.seen.user), cut(seen.seen.domain));
            self.failures.push((seen.source, seen.seen.port, account, seen.now));
        }
        let mut who = self.who(seen);
        // The switch let this very call in.
        who.known |= matches!(
            seen.seen.what,
            What::CallStarted { authenticated: true, .. } | What::CallStarted { admitted: true, .. }
        );
        let mut fired = Vec::new();
        // What is about the source comes before what is about many.
        for wide in [false, true] {
            self.count(seen, who, &counting, wide, &mut fired);
            self.undo(seen, &undoing, wide);
        }
        let before = said.len();
        for fired in fired {
            self.carry_out(seen, who, &fired, said);
        }
        let lost_a_port = |said: &Said| matches!(said, Said::Ban(Banned { target: Target::Port(..), .. }));
        if said[before..].iter().any(lost_a_port) {
            say(said, Said::Alert("failing-phone", String::new()));
        }
        let banned = said[before..].iter().find_map(|said| match said {
            Said::Ban(ban) if matches!(ban.target, Target::Host(_)) => Some(ban.evidence),
            _ => None,
        });
        if let Some(evidence) = banned {
            let seen = Seen { seen: Observation { evidence, ..seen.seen }, ..*seen };
            let counting = self.those(|rule| rule.counts.has(Signal::Banned));
            let mut fired = Vec::new();
            self.count(&seen, who, &counting, true, &mut fired);
            for fired in fired {
                self.carry_out(&seen, who, &fired, said);
            }
        }
    }

    fn those(&self, which: impl Fn(&Rule) -> bool) -> Vec<usize> {
        (0..self.rules.len()).filter(|at| self.rules[*at].enabled && which(&self.rules[*at])).collect()
    }

    fn count(&mut self, seen: &Seen<'_>, who: Who, rules: &[usize], wide: bool, fired: &mut Vec<Fired>) {
        let mut struck: Vec<usize> = Vec::new();
        for at in rules.iter().copied() {
            let rule = self.rules[at].clone();
            // What is trusted makes nobody else's crowd.
            if rule.key.is_wide() != wide || (wide && self.is_out_of_reach(Target::Host(seen.source))) {
                continue;
            }
            let in_a_phones_name = who.from_a_phones_port && seen.seen.evidence < Evidence::Proven;
            let applies = match rule.applies {
                Applies::Everyone => true,
                Applies::Strangers => !who.known,
                Applies::Known => who.known && !in_a_phones_name,
                Applies::Phone => in_a_phones_name,
            };
            let is_shown = ["failed-registrations", "wrong-call-states", "call-rate", "registration-rate"]
                .contains(&&*rule.name);
            if !applies && (wide || !is_shown) {
                continue;
            }
            let Some(subject) = subject(&rule, &seen.seen, seen.source, seen.place) else { continue };
            let group = self.group_of[at];
            if !struck.contains(&group) {
                struck.push(group);
                let (how, tag) = (self.groups[group].clone(), tag(&rule, &seen.seen, seen.source));
                self.list_mut(group, &subject).strike(&how, seen.tick(), seen.seen.evidence, tag);
            }
            let fires = self.list_mut(group, &subject).fires(&rule, seen.tick());
            if let Some(evidence) = fires.filter(|evidence| applies && *evidence >= rule.evidence)
                && fired.len() < FIRED
            {
                fired.push(Fired { rule: at, subject, evidence });
            }
        }
    }

    fn undo(&mut self, seen: &Seen<'_>, rules: &[usize], wide: bool) {
        let mut undone: Vec<usize> = Vec::new();
        for at in rules.iter().copied() {
            let rule = &self.rules[at];
            if rule.key.is_wide() != wide {
                continue;
            }
            let Some(subject) = subject(rule, &seen.seen, seen.source, seen.place) else { continue };
            let group = self.group_of[at];
            if !undone.contains(&group) {
                undone.push(group);
                let tag = tag(rule, &seen.seen, seen.source);
                self.take_back(group, &subject, tag);
            }
        }
    }

    fn take_back(&mut self, group: usize, subject: &Subject, tag: Option<crate::counting::Tag>) {
        if self.list(group, subject).is_some() {
            self.list_mut(group, subject).undo(tag);
            self.lists.retain(|list| !list.is_empty());
        }
    }

    fn list(&self, group: usize, subject: &Subject) -> Option<&List> {
        self.lists.iter().find(|list| list.group == group && list.subject == *subject)
    }

    fn list_mut(&mut self, group: usize, subject: &Subject) -> &mut List {
        let same = |list: &List| list.group == group && list.subject == *subject;
        let place = self.lists.iter().position(same).unwrap_or_else(|| {
            self.lists.push(List::new(group, subject.clone()));
            self.lists.len() - 1
        });
        &mut self.lists[place]
    }

    fn forget(&mut self, group: usize, subject: &Subject) {
        self.lists.retain(|list| list.group != group || list.subject != *subject);
    }

    /// Whether two to four phones, each with a port and an account of its own, failed fewer times each than the rule takes.
    fn is_mistyped(&self, seen: &Seen<'_>, rule: &Rule, (group, subject): (usize, &Subject)) -> bool {
        let each = rule.limit.threshold.min(self.policy.failed.threshold) as usize - 1;
        let count = self.list(group, subject).and_then(|list| list.shown(rule, seen.tick()));
        let Some((count, ..)) = count.filter(|_| &*rule.name == "failed-registrations" && each > 0) else {
            return false;
        };
        let lately = self
            .failures
            .iter()
            .filter(|(source, _, _, at)| *source == seen.source && seen.now.since(*at) < rule.limit.window);
        let mut phones: BTreeMap<(u16, &Account), usize> = BTreeMap::new();
        lately.clone().for_each(|(_, port, account, _)| *phones.entry((*port, account)).or_default() += 1);
        let ports: std::collections::BTreeSet<u16> = phones.keys().map(|(port, _)| *port).collect();
        let accounts: std::collections::BTreeSet<_> = phones.keys().map(|(_, account)| *account).collect();
        count as usize <= each * 4
            && lately.count() >= count as usize
            && (2..=4).contains(&phones.len())
            && ports.len() == phones.len()
            && accounts.len() == phones.len()
            && !ports.contains(&0)
            && phones.values().all(|tries| *tries <= each)
    }

    fn carry_out(&mut self, seen: &Seen<'_>, who: Who, fired: &Fired, said: &mut Vec<Said>) {
        let rule = self.rules[fired.rule].clone();
        let group = self.group_of[fired.rule];
        if rule.action == Action::Alert {
            if self.list(group, &fired.subject).is_some()
                && self.list_mut(group, &fired.subject).tell(&rule, seen.tick())
            {
                if rule.shadow {
                    return self.decide(&rule.name, Outcome::WouldBan, fired.evidence);
                }
                self.decide(&rule.name, Outcome::Alert, fired.evidence);
                say(said, Said::Alert("rule", rule.name.to_string()));
            }
            return;
        }
        if !who.known && self.is_mistyped(seen, &rule, (group, &fired.subject)) {
            return;
        }
        let target = match rule.key {
            KeyKind::Port => Target::port(seen.ip, seen.seen.port),
            KeyKind::Net | KeyKind::WideNet => Target::net(net(seen.source, rule.key)),
            _ => Target::Host(seen.source),
        };
        let own = rule.key.is_its_own_target();
        let evidence = if own { fired.evidence } else { fired.evidence.min(seen.seen.evidence) };
        let reason = self.list(group, &fired.subject).and_then(|list| list.shown(&rule, seen.tick()));
        let shadow = rule.shadow || (who.known && rule.counts.has(Signal::LoginFailed));
        let order = Order {
            rule: &rule.name,
            target,
            ban: rule.limit.ban,
            scope: rule.scope,
            shadow,
            evidence,
            reason,
        };
        if self.sentence(seen, who, &order, said) && own {
            self.forget(group, &fired.subject);
        }
    }

    /// True when the strikes are spent.
    fn sentence(&mut self, seen: &Seen<'_>, who: Who, order: &Order<'_>, said: &mut Vec<Said>) -> bool {
        let forgeable = order.evidence == Evidence::Forgeable;
        let is_net = matches!(order.target, Target::Net(_));
        if self.is_untouchable(seen)
            || (forgeable && (who.known || is_net))
            || (is_net && self.has_residents(order.target))
        {
            self.decide(order.rule, Outcome::Spared, order.evidence);
            return is_net;
        }
        let Some((count, from, to)) = order.reason else { return false };
        let length = if forgeable { order.ban.min(self.policy.forgeable_max) } else { order.ban };
        let is_port = matches!(order.target, Target::Port(..));
        let length = if is_port { length.min(Duration::from_secs(900)) } else { length };
        let ban = Banned {
            target: order.target,
            scope: if forgeable { Scope::Sip } else { order.scope },
            since: seen.now,
            until: Some(seen.now + length),
            by_operator: false,
            rule: order.rule.into(),
            evidence: order.evidence,
            count,
            from: Time::from_micros(from * 10_000),
            to: Time::from_micros(to * 10_000),
        };
        if !self.policy.enforce || order.shadow {
            self.decide(order.rule, Outcome::WouldBan, order.evidence);
            say(said, Said::WouldBan(ban));
            return true;
        }
        let first = match order.target {
            Target::Host(source) => source.first(),
            Target::Port(ip, _) => ip,
            Target::Net(net) => net.addr(),
        };
        if self.allowed(first) == Some(true) {
            return false;
        }
        if let Some(made) = self.enter(ban) {
            self.decide(order.rule, Outcome::Ban, order.evidence);
            say(said, Said::Ban(made));
        }
        true
    }

    /// Enters a ban of the guard; `None` when one that is as strong stands.
    fn enter(&mut self, mut ban: Banned) -> Option<Banned> {
        if let Some(place) = self.bans.iter().position(|held| held.ban.target == ban.target) {
            let held = &self.bans[place].ban;
            let later = |one: Option<Time>, other: Option<Time>| match (one, other) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(one), Some(other)) => one > other,
            };
            if !later(ban.until, held.until) && ban.scope <= held.scope {
                return None;
            }
            ban.scope = ban.scope.max(held.scope);
            ban.until = if later(held.until, ban.until) { held.until } else { ban.until };
            ban.since = held.since;
            self.bans.remove(place);
        }
        self.bans.push(Held { ban: ban.clone(), compromise: false, not_enforced: None });
        Some(ban)
    }

    /// The ban that covers an address and port: the host's, the port's, or a net's, the narrowest first.
    fn covering(&self, ip: IpAddr, port: u16) -> Option<&Banned> {
        self.covering_at(ip, port).map(|place| &self.bans[place].ban)
    }

    fn covering_at(&self, ip: IpAddr, port: u16) -> Option<usize> {
        let of = |target: Target| self.bans.iter().position(|held| held.ban.target == target);
        let wide = || {
            let nets = self.bans.iter().enumerate().filter_map(|(place, held)| match held.ban.target {
                Target::Net(net) if net.contains(&ip) => Some((net.prefix_len(), place)),
                _ => None,
            });
            nets.max().map(|(_, place)| place)
        };
        of(Target::host(ip))
            .or_else(|| (port != 0).then(|| of(Target::port(ip, port))).flatten())
            .or_else(wide)
    }

    /// Whether an address is on the allow-list, and whether by an operator.
    fn allowed(&self, ip: IpAddr) -> Option<bool> {
        let covers = |entry: &&Allow| match entry.target {
            Target::Host(source) => source == Source::of(ip),
            target => target.covers().contains(&ip),
        };
        self.policy
            .allow
            .then(|| self.allows.iter().filter(covers).map(|entry| entry.by_operator).max())
            .flatten()
    }

    fn is_out_of_reach(&self, target: Target) -> bool {
        self.policy.trusted.iter().chain(&self.policy.protected).any(|net| target.overlaps(net))
    }

    fn is_untouchable(&self, seen: &Seen<'_>) -> bool {
        self.is_out_of_reach(Target::Host(seen.source)) || self.allowed(seen.ip) == Some(true)
    }

    fn has_residents(&self, target: Target) -> bool {
        let net: IpNet = target.covers();
        self.is_out_of_reach(target)
            || (self.policy.allow && self.allows.iter().any(|entry| entry.target.overlaps(&net)))
            || self.phones.iter().any(|phone| net.contains(&phone.source.first()))
    }

    fn heard_while_banned(&mut self, seen: &Seen<'_>, said: &mut Vec<Said>) {
        self.heard_while_banned += 1;
        let enforce = self.policy.enforce;
        let Some(place) = self.covering_at(seen.ip, seen.seen.port) else { return };
        let held = &mut self.bans[place];
        let overdue = seen.now.since(held.ban.since) > Duration::from_secs(15);
        let due = held.not_enforced.is_none_or(|last| seen.now.since(last) >= Duration::from_secs(60));
        if overdue && enforce && due {
            held.not_enforced = Some(seen.now);
            say(said, Said::Alert("not-enforced", String::new()));
        }
    }

    /// Whether the domain is untrusted and the source in reach; bans it then.
    fn untrusted(&mut self, seen: &Seen<'_>, said: &mut Vec<Said>) -> bool {
        let matches = self.policy.untrusted.iter().any(|pattern| pattern.matches(seen.seen.domain));
        if seen.seen.domain.is_empty() || !matches {
            return false;
        }
        if self.is_untouchable(seen) {
            self.decide("untrusted-domain", Outcome::Spared, seen.seen.evidence);
            return false;
        }
        if self.covering(seen.ip, seen.seen.port).is_none() {
            let who = self.who(seen);
            let in_a_phones_name =
                seen.seen.port == 0 || (who.from_a_phones_port && seen.seen.evidence < Evidence::Proven);
            if who.registered && in_a_phones_name {
                self.decide("untrusted-domain", Outcome::Spared, seen.seen.evidence);
                return true;
            }
            let (target, scope) = if who.registered {
                (Target::port(seen.ip, seen.seen.port), Scope::Sip)
            } else {
                (Target::Host(seen.source), Scope::All)
            };
            let (ban, evidence) = (self.policy.untrusted_ban, seen.seen.evidence);
            let reason = Some((1, seen.tick(), seen.tick()));
            let order =
                Order { rule: "untrusted-domain", target, ban, scope, shadow: false, evidence, reason };
            self.sentence(seen, who, &order, said);
        }
        true
    }

    fn succeeded(&mut self, seen: &Seen<'_>, said: &mut Vec<Said>) {
        if self.is_suspicious(seen, said) {
            return;
        }
        let Policy { allow, allow_on_success, allow_ttl, .. } = self.policy;
        if !allow || !allow_on_success || self.is_out_of_reach(Target::Host(seen.source)) {
            return;
        }
        let (target, until) = (Target::host(seen.ip), seen.now + allow_ttl);
        // A ban of the port alone says nothing of the address.
        if self.covering(seen.ip, 0).is_some() {
            return;
        }
        match self.allows.iter_mut().find(|entry| entry.target == target) {
            Some(entry) if entry.by_operator => {}
            Some(entry) => entry.until = entry.until.map(|held| held.max(until)),
            None => {
                self.allows.push(Allow { target, until: Some(until), by_operator: false });
                say(said, Said::Allow(target, Some(until)));
            }
        }
    }

    /// Whether right credentials are suspicious; tells so, once.
    fn is_suspicious(&mut self, seen: &Seen<'_>, said: &mut Vec<Said>) -> bool {
        let guessing = Signals::these(&[
            Signal::AuthFailed,
            Signal::UnknownAccount,
            Signal::ScannerAgent,
            Signal::Honeypot,
            Signal::Injection,
        ]);
        if let Some(place) = self.covering_at(seen.ip, seen.seen.port) {
            let held = &mut self.bans[place];
            let rule = self.rules.iter().find(|rule| *rule.name == *held.ban.rule);
            let is_guessing = rule.is_some_and(|rule| rule.counts.meets(guessing));
            if held.ban.evidence == Evidence::Forgeable || !is_guessing {
                return false;
            }
            if !std::mem::replace(&mut held.compromise, true) {
                say(said, Said::Alert("compromise", String::new()));
            }
            return true;
        }
        if self.who(seen).known {
            return false;
        }
        let count = |name: &str| {
            let at = self.rules.iter().position(|rule| *rule.name == *name)?;
            let rule = &self.rules[at];
            let subject = subject(rule, &seen.seen, seen.source, seen.place)?;
            let list = self.list(self.group_of[at], &subject)?;
            let one = Rule {
                limit: guard::rule::Limit { threshold: 1, ..rule.limit },
                patience: Duration::ZERO,
                ..rule.clone()
            };
            Some((list.number(&one, seen.tick()), rule.limit.threshold, rule.enabled))
        };
        let many = count("failed-registrations").is_some_and(|(failures, ..)| failures >= 5)
            || count("slow-failures").is_some_and(|(failures, ..)| failures >= 8);
        let attacked = count("account-attacked")
            .is_some_and(|(sources, threshold, enabled)| enabled && sources >= threshold);
        if !many && !attacked {
            return false;
        }
        let (user, domain) = (seen.seen.user.to_vec(), seen.seen.domain.to_vec());
        self.told.retain(|(.., at)| seen.now.since(*at) < Duration::from_secs(3600));
        let is_same = |told: &(Source, Vec<u8>, Vec<u8>, Time)| {
            (told.0, &told.1, &told.2) == (seen.source, &user, &domain)
        };
        if !self.told.iter().any(is_same) {
            self.told.push((seen.source, user, domain, seen.now));
            say(said, Said::Alert("compromise", String::new()));
        }
        true
    }

    fn decide(&mut self, rule: &str, outcome: Outcome, evidence: Evidence) {
        *self.decided.entry((rule.into(), outcome.word(), evidence)).or_default() += 1;
    }
}

/// A ban to be made.
struct Order<'a> {
    rule: &'a str,
    target: Target,
    ban: Duration,
    scope: Scope,
    shadow: bool,
    evidence: Evidence,
    /// Strikes, the first and the last of them.
    reason: Option<(u32, u64, u64)>,
}

fn say(said: &mut Vec<Said>, what: Said) {
    if said.len() < VERDICTS {
        said.push(what);
    }
}

/// An operator's orders.
impl Model {
    pub(crate) fn order_ban(
        &mut self,
        target: Target,
        ttl: Option<Duration>,
        scope: Scope,
        now: Time,
    ) -> bool {
        let contradicts = |entry: &Allow| entry.by_operator && entry.target.overlaps(&target.covers());
        if self.is_out_of_reach(target) || self.allows.iter().any(contradicts) {
            return false;
        }
        self.allows.retain(|entry| !matches!(target, Target::Host(_)) || entry.target != target);
        self.bans.retain(|held| held.ban.target != target);
        let ban = Banned {
            target,
            scope,
            since: now,
            until: ttl.map(|ttl| now + ttl),
            by_operator: true,
            rule: "operator".into(),
            evidence: Evidence::Proven,
            count: 0,
            from: now,
            to: now,
        };
        self.bans.push(Held { ban, compromise: false, not_enforced: None });
        true
    }

    /// How many bans it lifted.
    pub(crate) fn order_lift(&mut self, target: Target) -> usize {
        let lifted = self.take_within(target);
        for target in lifted.iter().copied().chain([target]) {
            self.forget_strikes(target);
        }
        lifted.len()
    }

    fn take_within(&mut self, target: Target) -> Vec<Target> {
        let is_within = |held: &Held| match target {
            Target::Port(..) => held.ban.target == target,
            Target::Host(source) => held.ban.target.source() == Some(source),
            Target::Net(net) => net.contains(&held.ban.target.covers()),
        };
        let (lifted, kept) = std::mem::take(&mut self.bans).into_iter().partition(is_within);
        self.bans = kept;
        let lifted: Vec<Held> = lifted;
        lifted.into_iter().map(|held| held.ban.target).collect()
    }

    pub(crate) fn order_allow(&mut self, target: Target, ttl: Option<Duration>, now: Time) -> bool {
        let covers = |held: &Held| match held.ban.target {
            Target::Net(net) => held.ban.target != target && net.contains(&target.covers()),
            _ => false,
        };
        if matches!(target, Target::Port(..)) || self.bans.iter().any(covers) {
            return false;
        }
        self.allows.retain(|entry| entry.target != target);
        self.allows.push(Allow { target, until: ttl.map(|ttl| now + ttl), by_operator: true });
        for lifted in self.take_within(target) {
            self.forget_strikes(lifted);
        }
        true
    }

    pub(crate) fn order_disallow(&mut self, target: Target) -> bool {
        let before = self.allows.len();
        self.allows.retain(|entry| entry.target != target);
        self.allows.len() < before
    }

    fn forget_strikes(&mut self, target: Target) {
        let (ip, port) = match target {
            Target::Host(source) => (source.first(), 0),
            Target::Port(ip, port) => (ip, port),
            Target::Net(net) => (net.network(), 0),
        };
        let observation = Observation { port, ..Observation::of(0, What::AuthFailed(Method::Other)) };
        let source = Source::of(ip);
        let is_net = matches!(target, Target::Net(_));
        let mut undone = Vec::new();
        for at in 0..self.rules.len() {
            let rule = self.rules[at].clone();
            let Some(subject) = subject(&rule, &observation, source, Place::default()) else { continue };
            let group = self.group_of[at];
            match rule.key {
                KeyKind::Source | KeyKind::Port if !is_net => self.forget(group, &subject),
                KeyKind::Net | KeyKind::WideNet if is_net => self.forget(group, &subject),
                KeyKind::Net | KeyKind::WideNet
                    if rule.distinct == Some(guard::rule::Distinct::Sources) && !undone.contains(&group) =>
                {
                    undone.push(group);
                    self.take_back(group, &subject, tag(&rule, &observation, source));
                }
                _ => {}
            }
        }
    }
}
