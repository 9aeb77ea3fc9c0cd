//! The keys of the alarms: when each is raised.

use super::{Field, Key, MILLION, Section, TEN_YEARS, count, span};
use crate::config::model::Config;
use std::time::Duration;

type Setting = Key<Config>;

pub(super) const ALARMS: Section = Section {
    name: "alarms",
    intro: "When alarms are raised; docs/monitoring.md tells what to do about each.",
    keys: &[
        Setting::new(
            "alarms.disconnected_after",
            "",
            span(|c| &mut c.alarms.disconnected_after),
            "A switch that is not connected for so long raises an alarm.",
        ),
        Setting::new(
            "alarms.reconnects",
            "",
            count(|c| &mut c.alarms.reconnects, MILLION),
            "More connections to a switch than so many within alarms.window raise an alarm.",
        ),
        Setting::new(
            "alarms.malformed",
            "",
            count(|c| &mut c.alarms.malformed, MILLION),
            "So many unreadable events of a switch, or more, within alarms.window raise an alarm.",
        ),
        Setting::new(
            "alarms.window",
            "",
            span(|c| &mut c.alarms.window),
            "The time in which connections, unreadable events and the like are counted.",
        ),
        Setting::new(
            "alarms.bans_per_minute",
            "",
            count(|c| &mut c.alarms.bans_per_minute, MILLION),
            "More bans of rules than so many within a minute raise an alarm.",
        ),
        Setting::new(
            "alarms.ledger_percent",
            "",
            count(|c| &mut c.alarms.ledger_percent, 100),
            "A ledger that is full to so many per cent of firewall.max_elements raises an alarm.",
        ),
        Setting::new(
            "alarms.rule_never_fired",
            "",
            Field::Span {
                at: |c| &mut c.alarms.rule_never_fired,
                min: Duration::ZERO,
                max: Duration::from_secs(TEN_YEARS),
            },
            "A rule that has not fired for so long since the start is told of once; 0 for never.",
        ),
        Setting::new(
            "alarms.clear_after",
            "",
            span(|c| &mut c.alarms.clear_after),
            "An alarm is over when its cause was gone for so long.",
        ),
    ],
};
