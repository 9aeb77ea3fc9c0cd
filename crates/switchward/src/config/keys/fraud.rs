//! The keys of the fraud rules: how numbers are dialled, what they cost, what is too much, and what is done then.

use super::{Field, Key, MILLION, Section, TEN_YEARS, count_or_none, span};
use crate::config::model::Config;
use crate::config::text::Shape;
use std::time::Duration;

type Setting = Key<Config>;

/// A length of calls; 0 is no cap.
const fn cap(at: fn(&mut Config) -> &mut Duration) -> Field<Config> {
    Field::Span { at, min: Duration::ZERO, max: Duration::from_secs(TEN_YEARS) }
}

const fn actions(at: fn(&mut Config) -> &mut Vec<String>) -> Field<Config> {
    Field::Texts(Shape::FraudAction, at)
}

pub(super) const FRAUD: Section = Section {
    name: "fraud",
    intro: "Toll fraud: calls of accounts that log in with the right password; docs/fraud.md. Calls between extensions never count. \
            What is done is a list of \"alert\", \"hang-up\", \"block\" and \"ban\".",
    keys: &[
        Setting::new("fraud.enabled", "", Field::Bool(|c| &mut c.fraud.enabled), "Calls are looked at."),
        Setting::new(
            "fraud.learning",
            "",
            Field::Bool(|c| &mut c.fraud.learning),
            "Only watch: learn countries and levels, and say what would have been done.",
        ),
        Setting::new(
            "fraud.home_country",
            "",
            Field::Text(Shape::CountryCode, |c| &mut c.fraud.home_country),
            "The country of the switch, two letters. Without it national numbers are not understood, and no country is told as new.",
        )
        .sample(&["DE"]),
        Setting::new(
            "fraud.trunk_prefixes",
            "",
            Field::Texts(Shape::DialPrefix, |c| &mut c.fraud.trunk_prefixes),
            "What callers may dial for a line out before the number.",
        )
        .sample(&["9"]),
        Setting::new(
            "fraud.international_prefixes",
            "",
            Field::Texts(Shape::DialPrefix, |c| &mut c.fraud.international_prefixes),
            "What is dialled before a country code, beside the home country's own.",
        ),
        Setting::new(
            "fraud.table_file",
            "",
            Field::OptionalPath(|c| &mut c.fraud.table_file),
            "Your prices: a CSV file of prefix,name,class,cost per minute. A changed file is taken over by itself.",
        ),
        Setting::new(
            "fraud.known_countries",
            "",
            Field::Texts(Shape::CountryCode, |c| &mut c.fraud.known_countries),
            "Countries that are never new to any account.",
        )
        .sample(&["AT", "CH"]),
        Setting::new(
            "fraud.history",
            "",
            cap(|c| &mut c.fraud.history),
            "How long log-ins must have been watched before a country can be new to an account.",
        ),
        Setting::new(
            "fraud.call_rate",
            "",
            count_or_none(|c| &mut c.fraud.call_rate, MILLION),
            "Toll calls of an account in a minute; 0 for no cap. Toll calls go abroad, or to dear numbers.",
        ),
        Setting::new(
            "fraud.concurrent_calls",
            "",
            count_or_none(|c| &mut c.fraud.concurrent_calls, MILLION),
            "Toll calls of an account at a time; 0 for no cap.",
        ),
        Setting::new(
            "fraud.sequential_calls",
            "",
            count_or_none(|c| &mut c.fraud.sequential_calls, MILLION),
            "Toll calls of an account to the same number one after the other; 0 for no cap.",
        ),
        Setting::new(
            "fraud.call_duration",
            "",
            cap(|c| &mut c.fraud.call_duration),
            "How long one toll call may be; 0 for no cap.",
        ),
        Setting::new(
            "fraud.account_duration",
            "",
            cap(|c| &mut c.fraud.account_duration),
            "How long all toll calls of an account together may be in 24 hours; 0 for no cap.",
        ),
        Setting::new(
            "fraud.country_duration",
            "",
            cap(|c| &mut c.fraud.country_duration),
            "The same for its toll calls to one country.",
        ),
        Setting::new(
            "fraud.account_cost_hour",
            "",
            count_or_none(|c| &mut c.fraud.account_cost_hour, MILLION),
            "What an account may spend in an hour, in the unit of the table; 0 for no cap.",
        ),
        Setting::new(
            "fraud.account_cost_day",
            "",
            count_or_none(|c| &mut c.fraud.account_cost_day, MILLION),
            "What an account may spend in 24 hours; 0 for no cap.",
        ),
        Setting::new(
            "fraud.tenant_cost_hour",
            "",
            count_or_none(|c| &mut c.fraud.tenant_cost_hour, MILLION),
            "What all accounts of a domain may spend in an hour; 0 for no cap.",
        ),
        Setting::new(
            "fraud.tenant_cost_day",
            "",
            count_or_none(|c| &mut c.fraud.tenant_cost_day, MILLION),
            "What all accounts of a domain may spend in 24 hours; 0 for no cap.",
        ),
        Setting::new(
            "fraud.hours",
            "",
            Field::Texts(Shape::OfficeHours, |c| &mut c.fraud.hours),
            "When toll calls are usual; empty for always. Of two entries for a day the later holds.",
        )
        .sample(&["mon-fri 07:00-19:00", "sat 09:00-13:00"]),
        Setting::new(
            "fraud.time_zone",
            "",
            Field::Text(Shape::TimeZone, |c| &mut c.fraud.time_zone),
            "The time zone of fraud.hours; empty for that of the machine.",
        )
        .sample(&["Europe/Berlin"]),
        Setting::new("fraud.on_premium", "", actions(|c| &mut c.fraud.on_premium), "A call to a premium number or a satellite network."),
        Setting::new(
            "fraud.on_new_country",
            "",
            actions(|c| &mut c.fraud.on_new_country),
            "A call to a country that the account never called.",
        ),
        Setting::new("fraud.on_call_rate", "", actions(|c| &mut c.fraud.on_call_rate), "More calls in a minute than fraud.call_rate."),
        Setting::new("fraud.on_concurrent", "", actions(|c| &mut c.fraud.on_concurrent), "More calls at a time than fraud.concurrent_calls."),
        Setting::new("fraud.on_sequential", "", actions(|c| &mut c.fraud.on_sequential), "More calls in a row than fraud.sequential_calls."),
        Setting::new("fraud.on_duration", "", actions(|c| &mut c.fraud.on_duration), "Longer calls than one of the three durations."),
        Setting::new("fraud.on_cost", "", actions(|c| &mut c.fraud.on_cost), "More spent by an account than one of its two costs."),
        Setting::new(
            "fraud.on_tenant_cost",
            "",
            actions(|c| &mut c.fraud.on_tenant_cost),
            "More spent by all accounts of a domain than one of its two costs; told once, and what else is done hits only those that spent most.",
        ),
        Setting::new("fraud.on_off_hours", "", actions(|c| &mut c.fraud.on_off_hours), "A toll call outside fraud.hours."),
        Setting::new(
            "fraud.block_command",
            "",
            Field::Text(Shape::BlockCommand, |c| &mut c.fraud.block_command),
            "What \"block\" runs at the switch; it must answer +OK.",
        )
        .sample(&["api lua block.lua {user} {domain}"]),
        Setting::new("fraud.ban_duration", "", span(|c| &mut c.fraud.ban_duration), "How long \"ban\" bans the source of the call."),
    ],
};
