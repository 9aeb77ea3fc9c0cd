//! The keys of roles and users.

use super::{HOUR, KIB, LARGEST_ANSWER};
use crate::config::broker::{Role, User};
use crate::config::keys::{Entries, Field, Key, MILLION};
use crate::config::text::Shape;
use std::time::Duration;

/// The keys that roles and users have alike, after their own.
macro_rules! with_rules {
    ($entry:ty; $($own:expr),+ $(,)?) => {
        [
            $($own,)+
            Key::new(
                "allow",
                "",
                Field::Texts(Shape::Rule, |e: &mut $entry| &mut e.rules.allow),
                "Patterns of what is allowed: a command with arguments, or a class.",
            )
            .sample(&["show channels", "uuid_kill {own}", "@read"]),
            Key::new(
                "deny",
                "",
                Field::Texts(Shape::Rule, |e: &mut $entry| &mut e.rules.deny),
                "Patterns of what is refused, whatever else allows it.",
            )
            .sample(&["@dangerous"]),
            Key::new(
                "events",
                "",
                Field::Texts(Shape::Rule, |e: &mut $entry| &mut e.rules.events),
                "Events that may be seen: \"CHANNEL_*\", \"CUSTOM sofia::*\", \"*\" for all but API and BACKGROUND_JOB, \"ALL\".",
            )
            .sample(&["CHANNEL_*", "CUSTOM sofia::*"]),
            Key::new(
                "rows",
                "",
                Field::Word(|e: &mut $entry| &mut e.rules.rows),
                "Which of those events, and which rows of `show`: all, those of the own domain, or of the own channels.",
            ),
            Key::new(
                "networks",
                "",
                Field::Networks(|e: &mut $entry| &mut e.rules.networks),
                "From where it counts; empty for everywhere.",
            ),
            Key::new(
                "hours",
                "",
                Field::Texts(Shape::Rule, |e: &mut $entry| &mut e.rules.hours),
                "When it counts, in the machine's local time; empty for always.",
            )
            .sample(&["Mon-Fri 08:00-18:00"]),
            Key::new(
                "rate",
                "",
                Field::OptionalCount { at: |e: &mut $entry| &mut e.rules.rate, min: 0, max: MILLION },
                "Requests in a second, 0 for no limit; broker.rate when absent.",
            )
            .sample(&["10"]),
            Key::new(
                "concurrency",
                "",
                Field::OptionalCount { at: |e: &mut $entry| &mut e.rules.concurrency, min: 0, max: MILLION },
                "Requests at once, 0 for no limit; broker.concurrency when absent.",
            )
            .sample(&["4"]),
            Key::new(
                "max_output",
                "",
                Field::OptionalSize { at: |e: &mut $entry| &mut e.rules.max_output, min: KIB, max: LARGEST_ANSWER },
                "Bytes of one answer; broker.max_output when absent.",
            )
            .sample(&["1MiB"]),
            Key::new(
                "timeout",
                "",
                Field::OptionalSpan { at: |e: &mut $entry| &mut e.rules.timeout, min: SHORTEST_WAIT, max: HOUR },
                "How long a command or a background job may take; broker.timeout and broker.job_timeout when absent.",
            )
            .sample(&["10s"]),
            Key::new(
                "timeouts",
                "",
                Field::Texts(Shape::PatternSpan, |e: &mut $entry| &mut e.rules.timeouts),
                "The same for some commands; the first pattern that fits counts.",
            )
            .sample(&["originate 60s"]),
            Key::new(
                "log",
                "",
                Field::Text(Shape::SwitchLevel, |e: &mut $entry| &mut e.rules.log),
                "The most talkative level of the switch's log that may be read; empty for none.",
            )
            .sample(&["info"]),
            Key::new(
                "shadow",
                "",
                Field::Bool(|e: &mut $entry| &mut e.rules.shadow),
                "Only look at it and write down what it would change.",
            ),
        ]
    };
}

pub(in super::super) static ROLES: Entries<Role> = Entries {
    name: "broker.role",
    intro: "One entry for each role, beside the built-in monitor, agent, dialer, operator and admin; one with such a \
            name adds to it.",
    keys: &ROLE,
    all: |config| &mut config.broker.roles,
    label: |role| &role.name,
    restart: false,
};

pub(in super::super) static USERS: Entries<User> = Entries {
    name: "broker.user",
    intro: "What users may do. All entries that fit a user add up; their roles take the place of those that come with a \
            credential of the API (broker.viewer_roles and its neighbours).",
    keys: &USER,
    all: |config| &mut config.broker.users,
    label: |user| &user.name,
    restart: false,
};

static ROLE: [Key<Role>; 15] = with_rules![
    Role;
    Key::new("name", "", Field::Text(Shape::RoleName, |r: &mut Role| &mut r.name), "Unique.")
        .sample(&["reception"]),
    Key::new(
        "extends",
        "",
        Field::Texts(Shape::RoleName, |r: &mut Role| &mut r.extends),
        "Roles whose rules it has, too.",
    )
    .sample(&["agent"]),
];

static USER: [Key<User>; 16] = with_rules![
    User;
    Key::new(
        "name",
        "",
        Field::Text(Shape::UserName, |u: &mut User| &mut u.name),
        "As the directory knows the user: \"alice\", \"1000@example.net\", \"token:crm\", \"cert:NAME\"; `*` stands \
         for anything but an \"@\".",
    )
    .sample(&["alice"]),
    Key::new(
        "account",
        "",
        Field::Text(Shape::Account, |u: &mut User| &mut u.account),
        "Whose channels and domain are the user's own, when the directory does not say.",
    )
    .sample(&["1000@example.net"]),
    Key::new("roles", "", Field::Texts(Shape::RoleName, |u: &mut User| &mut u.roles), "The user's roles.")
        .sample(&["agent"]),
];

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
