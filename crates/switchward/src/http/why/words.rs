//! The account of an address for a person: a line that says what it is, then everything behind it.
//!
//! All names in it were made printable before they got into the ledger.

use super::{BanAccount, Standing, Why};
use crate::clock;
use crate::config::duration::{self, format_short};
use crate::geo::Place;
use guard::ban::span;
use guard::engine::{Explanation, RuleRecord};
use guard::rule::KeyKind;
use guard::{Allowed, Ban, Time};
use std::fmt::Write;

/// The account for a person.
pub(super) fn words(account: &Why, known: &Explanation, place: Option<&Place>, now: Time) -> String {
    let mut text = format!(
        "{}{}: ",
        account.ip,
        if account.source == account.ip {
            String::new()
        } else {
            format!(" (counted as {})", account.source)
        }
    );
    text += match account.standing {
        Standing::Banned => "banned",
        Standing::PortBanned => "not banned as a whole; single ports of it are",
        Standing::OutOfReach => "never banned",
        Standing::Allowed => "on the allow-list",
        Standing::Registered => "not banned, phones are registered from it",
        Standing::Watched => "not banned, watched",
        Standing::Unknown => "not banned; nothing is known of it",
    };
    if let Some(place) = place {
        _ = write!(text, "\n  it belongs to {place}");
    }
    let told = account.ban.iter().chain(&account.port_bans);
    for (ban, told) in known.ban.iter().chain(&known.ports).zip(told) {
        tell_ban(&mut text, ban, account, now);
        tell_case(&mut text, told);
    }
    if let Some(learnt) = &known.learnt {
        _ = write!(text, "\n  out of reach: {} is {}, as the switch told", learnt.place(), learnt.label);
    }
    if let Some(operator) = &known.operator {
        _ = write!(
            text,
            "\n  no rule bans it until {}: {} proved a credential from {}",
            clock::rfc3339(Some(operator.until())),
            operator.name,
            operator.ip
        );
    }
    if let Some(net) = known.out_of_reach {
        _ = write!(text, "\n  out of reach: in {net}, which is trusted, an operator's or the host's own");
    }
    if let Some(entry) = &known.allowed {
        tell_allowed(&mut text, entry, now);
    }
    if known.phones > 0 {
        _ = write!(
            text,
            "\n  registered: {} phone{}",
            known.phones,
            if known.phones == 1 { "" } else { "s" }
        );
    }
    if !known.repute.told().is_empty() {
        _ = write!(text, "\n  standing: {}", known.repute);
    }
    if known.priors > 0 {
        _ = write!(text, "\n  earlier bans that count: {}", known.priors);
    }
    for counted in &known.counted {
        tell_counted(&mut text, counted, now);
    }
    text
}

fn tell_ban(text: &mut String, ban: &Ban, account: &Why, now: Time) {
    let scope = match ban.scope {
        guard::Scope::All => "all packets",
        guard::Scope::Sip => "packets to the SIP ports",
    };
    _ = write!(text, "\n  ban of {}, {scope}: {}", ban.target, ban.reason.text);
    _ = match ban.origin.is_operator() {
        true => write!(text, "\n    by {}", ban.origin),
        false => write!(
            text,
            "\n    by rule {} on {} evidence, {} counted{}",
            ban.reason.rule,
            ban.reason.evidence,
            ban.reason.count,
            if ban.reason.switch.is_empty() {
                String::new()
            } else {
                format!(", seen by {}", ban.reason.switch)
            }
        ),
    };
    if !ban.reason.standing.is_empty() {
        _ = write!(text, "\n    it was {}", ban.reason.standing);
    }
    if ban.reason.priors > 0 {
        _ = write!(text, "\n    longer than the rule says: {} earlier", ban.reason.priors);
    }
    _ = write!(text, "\n    since {}", ago(ban.since, now));
    _ = match ban.until {
        Some(until) => {
            write!(text, ", until {} ({} left)", clock::rfc3339(Some(until)), span(until.since(now)))
        }
        None => write!(text, ", for good"),
    };
    if !ban.note.is_empty() {
        _ = write!(text, "\n    note: {}", ban.note);
    }
    if let Some(reason) = &account.unenforced {
        _ = write!(text, "\n    NOT dropped in the kernel: {reason}");
    }
}

/// What led to a ban, and what would have prevented it.
fn tell_case(text: &mut String, ban: &BanAccount) {
    if let (Some(threshold), Some(window)) = (ban.threshold, &ban.window) {
        let window = duration::parse(window).map_or_else(|_| window.clone(), format_short);
        _ = write!(text, "\n    the rule takes {threshold} within {window}");
    }
    for (number, moment) in ban.moments.iter().enumerate() {
        if number == 0 {
            text.push_str("\n    what led to it:");
        }
        _ = write!(text, "\n      {} {}", moment.at, moment.text);
        let from = match (&moment.ip, moment.port) {
            (Some(ip), Some(port)) if ip.contains(':') => format!("from [{ip}]:{port}"),
            (Some(ip), Some(port)) => format!("from {ip}:{port}"),
            (Some(ip), None) => format!("from {ip}"),
            _ => String::new(),
        };
        let facts = [
            from,
            moment.transport.clone(),
            moment.evidence.clone(),
            moment.user_id.clone(),
            moment.user_agent.clone(),
        ];
        let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
        _ = write!(text, " ({})", facts.join(", "));
    }
    for (number, way) in ban.prevented_by.iter().enumerate() {
        if number == 0 {
            text.push_str("\n    it would not stand with any of:");
        }
        _ = write!(text, "\n      {way}");
    }
}

/// Adds its past bans and what it did lately.
pub(super) fn tell_past(account: &mut Why) {
    let over = account.history.iter().filter(|item| item.ended.is_some());
    for (number, item) in over.enumerate() {
        if number == 0 {
            account.text += "\n  earlier bans:";
        }
        let by = item.lifted_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        _ = write!(
            account.text,
            "\n    {} of {}: {}; {}{by} {}",
            item.since,
            item.ban.target,
            item.ban.reason,
            item.how.as_deref().unwrap_or_default(),
            item.ended.as_deref().unwrap_or_default()
        );
    }
    for (number, ban) in account.would_bans.iter().enumerate() {
        if number == 0 {
            account.text += "\n  would have been banned:";
        }
        _ = write!(account.text, "\n    {} by rule {}: {}", ban.since, ban.rule, ban.reason);
    }
    for (number, call) in account.hang_ups.iter().enumerate() {
        if number == 0 {
            account.text += "\n  calls hung up:";
        }
        _ = write!(account.text, "\n    {} on {}: {}", call.at, call.switch, call.reason);
    }
    for (number, item) in account.timeline.iter().enumerate() {
        if number == 0 {
            account.text += "\n  lately:";
        }
        let name = match (item.user_id.as_str(), item.domain.as_str()) {
            ("", "") => String::new(),
            (user, domain) => format!(" ({user}@{domain})"),
        };
        _ = write!(account.text, "\n    {} {}{name}", item.at, item.text);
    }
}

fn tell_allowed(text: &mut String, entry: &Allowed, now: Time) {
    _ = write!(text, "\n  allowed: {} by {} since {}", entry.target, entry.origin, ago(entry.added, now));
    _ = match entry.until {
        Some(until) => {
            write!(text, ", until {} ({} left)", clock::rfc3339(Some(until)), span(until.since(now)))
        }
        None => write!(text, ", for good"),
    };
    let account = match (entry.user.as_str(), entry.domain.as_str()) {
        ("", "") => return,
        (user, "") => user.to_owned(),
        ("", domain) => format!("of {domain}"),
        (user, domain) => format!("{user}@{domain}"),
    };
    _ = write!(text, "\n    as {account}, last seen {}", ago(entry.last_seen, now));
}

fn tell_counted(text: &mut String, counted: &RuleRecord, now: Time) {
    let RuleRecord { rule, what, key, threshold, window, record } = counted;
    let (count, window) = (record.count, format_short(*window));
    let whose = match key {
        KeyKind::Net => " (its /24 or /56)",
        KeyKind::WideNet => " (its /48)",
        KeyKind::Switch => " (all of the switch)",
        KeyKind::System => " (its autonomous system)",
        KeyKind::Country => " (its country)",
        KeyKind::Source | KeyKind::Port | KeyKind::SourceAccount | KeyKind::Account => "",
    };
    _ = write!(
        text,
        "\n  rule {rule}{whose}: {}, fires at {threshold} within {window}; last {}",
        guard::ban::numbered(count, what),
        ago(record.last, now)
    );
    for (label, list) in
        [("accounts", &record.users), ("domains", &record.domains), ("user agents", &record.agents)]
    {
        if !list.is_empty() {
            _ = write!(text, "\n    {label} {}", list.join(", "));
        }
    }
}

fn ago(time: Time, now: Time) -> String {
    format!("{} ({} ago)", clock::rfc3339(Some(time)), span(now.since(time)))
}
