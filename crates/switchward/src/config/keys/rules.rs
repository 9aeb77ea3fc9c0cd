//! The keys of a `[[rules]]` entry.

use super::{Entries, Field, Key, TEN_YEARS};
use crate::config::text::Shape;
use guard::rule::{LONGEST_WINDOW_DAYS, MOST_STRIKES, RuleChange};
use std::time::Duration;

type Setting = Key<RuleChange>;

pub(super) static RULES: Entries<RuleChange> = Entries {
    name: "rules",
    intro: "Rules of the guard. An entry with the name of a built-in rule changes the keys that it gives and leaves the \
            rest; another name makes a rule of your own, which needs counts, key, threshold and window. What holds is \
            printed by `switchward rules`; docs/rule-configuration.md has examples.",
    keys: &RULE,
    all: |config| &mut config.rules,
    label: |rule| &rule.name,
    restart: false,
};

static RULE: [Setting; 16] = [
    Setting::new(
        "name",
        "",
        Field::Text(Shape::GuardRule, |r| &mut r.name),
        "Unique; that of a built-in rule changes it.",
    )
    .sample(&["slow-guessing"]),
    Setting::new(
        "what",
        "",
        Field::OptionalText(Shape::Plural, |r| &mut r.what),
        "What its strikes are called in reasons, in the plural; without it the words of what it counts.",
    )
    .sample(&["failed authentications"]),
    Setting::new(
        "counts",
        "",
        Field::Signals(|r| &mut r.counts),
        "The signals that are strikes; docs/rule-configuration.md explains each.",
    )
    .sample(&["auth-failed"]),
    Setting::new(
        "undone_by",
        "",
        Field::Signals(|r| &mut r.undone_by),
        "The signals after which the strikes so far are forgotten.",
    )
    .sample(&["succeeded"]),
    Setting::new(
        "key",
        "",
        Field::Word(|r| &mut r.key),
        "Whose strikes are counted together: a source (an IPv4 address or an IPv6 /64), an address and port, an account \
         as one source names it, an account whoever names it, a network (IPv4 /24, IPv6 /56), a wide one (IPv6 \
         /48; IPv4 has none), an autonomous system, a country.",
    )
    .sample(&["source"]),
    Setting::new(
        "distinct",
        "",
        Field::Word(|r| &mut r.distinct),
        "Counts each account, source or network once, however often it comes.",
    )
    .sample(&["accounts"]),
    Setting::new(
        "threshold",
        "",
        Field::OptionalCount { at: |r| &mut r.threshold, min: 1, max: MOST_STRIKES },
        "How many within the window make it fire.",
    )
    .sample(&["12"]),
    Setting::new(
        "window",
        "",
        Field::OptionalSpan {
            at: |r| &mut r.window,
            min: Duration::from_secs(1),
            max: Duration::from_secs(LONGEST_WINDOW_DAYS * DAY),
        },
        "The sliding window in which strikes are counted.",
    )
    .sample(&["168h"]),
    Setting::new(
        "patience",
        "",
        Field::OptionalSpan {
            at: |r| &mut r.patience,
            min: Duration::ZERO,
            max: Duration::from_secs(DAY),
        },
        "How long a strike waits for a signal of undone_by before it counts; \"0s\" for not at all.",
    )
    .sample(&["32s"]),
    Setting::new(
        "applies",
        "",
        Field::Word(|r| &mut r.applies),
        "Which sources it is for: everyone; strangers, without a registered phone and an allow entry; known ones, but for \
         what comes from the port of a registered phone; what comes from that port.",
    )
    .sample(&["strangers"]),
    Setting::new("action", "", Field::Word(|r| &mut r.action), "What happens when it fires.").sample(&["ban"]),
    Setting::new(
        "ban",
        "",
        Field::OptionalSpan {
            at: |r| &mut r.ban,
            min: Duration::from_secs(1),
            max: Duration::from_secs(TEN_YEARS),
        },
        "How long a ban lasts, before security.forgeable_ban_max has its say.",
    )
    .sample(&["24h"]),
    Setting::new("scope", "", Field::Word(|r| &mut r.scope), "Which packets a ban drops.").sample(&["all"]),
    Setting::new(
        "evidence",
        "",
        Field::Word(|r| &mut r.evidence),
        "How hard to forge the strikes must be, at the least; weaker ones count, but make no ban.",
    )
    .sample(&["likely"]),
    Setting::new(
        "shadow",
        "",
        Field::OptionalBool(|r| &mut r.shadow),
        "It says what it would do, and does nothing.",
    )
    .sample(&["true"]),
    Setting::new("enabled", "", Field::OptionalBool(|r| &mut r.enabled), "It counts at all.")
        .sample(&["true"]),
];

/// Seconds.
const DAY: u64 = 86_400;
