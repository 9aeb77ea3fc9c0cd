//! The keys of the notifications: what is told, whom, and how.

use super::{Field, Key, Section, count, span, wait};
use crate::config::model::Config;
use crate::config::text::Shape;

type Setting = Key<Config>;

/// Which events a target is told.
const fn events(
    path: &'static str,
    at: fn(&mut Config) -> &mut Vec<String>,
    take: fn(&mut Config),
) -> Setting {
    Setting::new(path, "", Field::Texts(Shape::Line, at), "What this target is told.")
        .follows("notify.events", take)
}

/// The text around an event's own.
const fn around(path: &'static str, at: fn(&mut Config) -> &mut String) -> Setting {
    let meaning =
        "Text of this target's messages; {title} and {text} stand for the event's. Empty: title and text.";
    Setting::new(path, "", Field::Text(Shape::Template, at), meaning)
}

/// The text for one event.
const fn template(path: &'static str, at: fn(&mut Config) -> &mut String, meaning: &'static str) -> Setting {
    Setting::new(path, "", Field::Text(Shape::Template, at), meaning)
}

pub(super) const NOTIFY: Section = Section {
    name: "notify",
    intro: "Telling others what happens; docs/notifications.md has examples. A target below is on when its first key is set.",
    keys: &[
        Setting::new(
            "notify.events",
            "",
            Field::Texts(Shape::Line, |c| &mut c.notify.events),
            "What is told where a target says nothing of its own: alarm, alert, ban, unban, would-ban, hang-up, switch.",
        ),
        Setting::new(
            "notify.per_minute",
            "",
            count(|c| &mut c.notify.per_minute, 600),
            "Messages that a target gets in a minute at most; what exceeds is told in its digest. A quarter is kept for \
             alarms and alerts.",
        ),
        Setting::new(
            "notify.digest_interval",
            "",
            span(|c| &mut c.notify.digest_interval),
            "How long a digest collects what exceeds, before it is sent.",
        ),
        Setting::new(
            "notify.attempts",
            "",
            count(|c| &mut c.notify.attempts, 100),
            "Tries for one message; then it is kept as a dead letter.",
        ),
        Setting::new(
            "notify.retry_wait",
            "",
            wait(|c| &mut c.notify.retry_wait),
            "The wait after the first failure; it doubles up to a minute.",
        ),
        Setting::new(
            "notify.timeout",
            "",
            wait(|c| &mut c.notify.timeout),
            "The longest that one try may take.",
        ),
        Setting::new(
            "notify.proxy",
            "",
            Field::Text(Shape::Url, |c| &mut c.notify.proxy),
            "HTTP proxy for webhook, Slack and Telegram; variables of the environment count for nothing.",
        ),
        Setting::new(
            "notify.ca_file",
            "",
            Field::OptionalPath(|c| &mut c.notify.ca_file),
            "Certificates (PEM) that are believed beside the system's, by notifications and by the reports of \
             security.chandaemon.",
        ),
    ],
};

pub(super) const TEMPLATES: Section = Section {
    name: "notify.templates",
    intro: "The text for each event, with {variables}; docs/notifications.md names them. Braces are written {{ and }}.",
    keys: &[
        template(
            "notify.templates.alarm",
            |c| &mut c.notify.templates.alarm,
            "A state of the daemon that should be mended, and its end.",
        ),
        template(
            "notify.templates.alert",
            |c| &mut c.notify.templates.alert,
            "Something that a person should know.",
        ),
        template(
            "notify.templates.ban",
            |c| &mut c.notify.templates.ban,
            "A ban was made, extended or widened.",
        ),
        template("notify.templates.unban", |c| &mut c.notify.templates.unban, "A ban was lifted."),
        template(
            "notify.templates.would_ban",
            |c| &mut c.notify.templates.would_ban,
            "A ban that was not made: banning is off, or its rule is in shadow.",
        ),
        template("notify.templates.hang_up", |c| &mut c.notify.templates.hang_up, "A call is ended."),
        template(
            "notify.templates.switch",
            |c| &mut c.notify.templates.switch,
            "The connection to a switch was made or lost.",
        ),
        template(
            "notify.templates.digest",
            |c| &mut c.notify.templates.digest,
            "What exceeded notify.per_minute.",
        ),
    ],
};

pub(super) const WEBHOOK: Section = Section {
    name: "notify.webhook",
    intro: "JSON to a program, signed.",
    keys: &[
        Setting::new(
            "notify.webhook.url",
            "",
            Field::Text(Shape::Url, |c| &mut c.notify.webhook.url),
            "Where events are posted.",
        ),
        Setting::new(
            "notify.webhook.secret",
            "",
            Field::Secret(|c| &mut c.notify.webhook.secret),
            "Key of the signature (HMAC-SHA256); without it there is none.",
        ),
        Setting::new(
            "notify.webhook.secret_file",
            "",
            Field::OptionalPath(|c| &mut c.notify.webhook.secret_file),
            "File whose first line is the key.",
        ),
        events(
            "notify.webhook.events",
            |c| &mut c.notify.webhook.events,
            |c| {
                c.notify.webhook.events = c.notify.events.clone();
            },
        ),
        around("notify.webhook.template", |c| &mut c.notify.webhook.template),
    ],
};

pub(super) const SLACK: Section = Section {
    name: "notify.slack",
    intro: "A chat that takes Slack's incoming web hooks (Slack, Mattermost, Rocket.Chat).",
    keys: &[
        Setting::new(
            "notify.slack.url",
            "",
            Field::Secret(|c| &mut c.notify.slack.url),
            "The web hook's address; whoever knows it can write to the chat.",
        ),
        Setting::new(
            "notify.slack.url_file",
            "",
            Field::OptionalPath(|c| &mut c.notify.slack.url_file),
            "File whose first line is the address.",
        ),
        events(
            "notify.slack.events",
            |c| &mut c.notify.slack.events,
            |c| {
                c.notify.slack.events = c.notify.events.clone();
            },
        ),
        around("notify.slack.template", |c| &mut c.notify.slack.template),
    ],
};

pub(super) const TELEGRAM: Section = Section {
    name: "notify.telegram",
    intro: "A Telegram chat.",
    keys: &[
        Setting::new(
            "notify.telegram.token",
            "",
            Field::Secret(|c| &mut c.notify.telegram.token),
            "The bot's token.",
        ),
        Setting::new(
            "notify.telegram.token_file",
            "",
            Field::OptionalPath(|c| &mut c.notify.telegram.token_file),
            "File whose first line is the token.",
        ),
        Setting::new(
            "notify.telegram.chat_id",
            "",
            Field::Text(Shape::Domain, |c| &mut c.notify.telegram.chat_id),
            "The chat: its number, or the @name of a channel.",
        ),
        Setting::new(
            "notify.telegram.url",
            "",
            Field::Text(Shape::Url, |c| &mut c.notify.telegram.url),
            "The server of the Bot API.",
        ),
        events(
            "notify.telegram.events",
            |c| &mut c.notify.telegram.events,
            |c| {
                c.notify.telegram.events = c.notify.events.clone();
            },
        ),
        around("notify.telegram.template", |c| &mut c.notify.telegram.template),
    ],
};

pub(super) const MAIL: Section = Section {
    name: "notify.mail",
    intro: "E-mail.",
    keys: &[
        Setting::new(
            "notify.mail.host",
            "",
            Field::Text(Shape::BindHost, |c| &mut c.notify.mail.host),
            "The mail server.",
        ),
        Setting::new(
            "notify.mail.port",
            "",
            Field::Port(|c| &mut c.notify.mail.port),
            "Its port; when it is not set, 465 for tls = \"tls\" and 25 for tls = \"none\".",
        ),
        Setting::new(
            "notify.mail.tls",
            "",
            Field::Word(|c| &mut c.notify.mail.tls),
            "\"starttls\": encryption is insisted on after the greeting. \"tls\": from the first byte. \"none\": not at all.",
        ),
        Setting::new(
            "notify.mail.user",
            "",
            Field::Text(Shape::Line, |c| &mut c.notify.mail.user),
            "Whom we log in as; empty for no login.",
        ),
        Setting::new(
            "notify.mail.password",
            "",
            Field::Secret(|c| &mut c.notify.mail.password),
            "The password.",
        ),
        Setting::new(
            "notify.mail.password_file",
            "",
            Field::OptionalPath(|c| &mut c.notify.mail.password_file),
            "File whose first line is the password.",
        ),
        Setting::new(
            "notify.mail.from",
            "",
            Field::Text(Shape::Line, |c| &mut c.notify.mail.from),
            "The sender: \"pbx@example.net\" or \"PBX <pbx@example.net>\".",
        ),
        Setting::new(
            "notify.mail.to",
            "",
            Field::Texts(Shape::Line, |c| &mut c.notify.mail.to),
            "The receivers.",
        ),
        events(
            "notify.mail.events",
            |c| &mut c.notify.mail.events,
            |c| {
                c.notify.mail.events = c.notify.events.clone();
            },
        ),
        around("notify.mail.template", |c| &mut c.notify.mail.template),
    ],
};

pub(super) const SYSLOG: Section = Section {
    name: "notify.syslog",
    intro: "A syslog server (RFC 5424).",
    keys: &[
        Setting::new(
            "notify.syslog.address",
            "",
            Field::Text(Shape::Line, |c| &mut c.notify.syslog.address),
            "\"udp://HOST:PORT\", \"tcp://HOST:PORT\" (octet-counted, RFC 6587) or \"unix:/dev/log\".",
        ),
        Setting::new(
            "notify.syslog.facility",
            "",
            Field::Word(|c| &mut c.notify.syslog.facility),
            "The facility of the messages.",
        ),
        events(
            "notify.syslog.events",
            |c| &mut c.notify.syslog.events,
            |c| {
                c.notify.syslog.events = c.notify.events.clone();
            },
        ),
        around("notify.syslog.template", |c| &mut c.notify.syslog.template),
    ],
};
