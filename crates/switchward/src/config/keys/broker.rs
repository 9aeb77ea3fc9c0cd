//! The keys of the broker: who may run which command of the switches.

use super::{Entries, Field, Key, MILLION, Section, count, count_or_none, span, wait};
use crate::config::broker::{Role, User};
use crate::config::model::Config;
use crate::config::text::Shape;
use std::time::Duration;

type Setting = Key<Config>;

pub(super) const BROKER: Section = Section {
    name: "broker",
    intro: "Who may run which command of the switches and see which event; docs/broker.md tells how rules are written.",
    keys: &[
        Setting::new(
            "broker.directories",
            "",
            Field::Texts(Shape::Directory, |c| &mut c.broker.directories),
            "Who is asked for a user and their password, in this order: \"users\" (`switchward user`), \"freeswitch\" \
             (the directory of a switch that runs), \"xml\" (its files), \"ldap\".",
        )
        .restart(),
        Setting::new(
            "broker.timeout",
            "",
            wait(|c| &mut c.broker.timeout),
            "How long a command may take, unless a role or user says something else.",
        ),
        Setting::new(
            "broker.max_output",
            "",
            Field::Size { at: |c| &mut c.broker.max_output, min: KIB, max: LARGEST_ANSWER },
            "Bytes of one answer; the rest is cut off.",
        ),
        Setting::new(
            "broker.rate",
            "",
            count_or_none(|c| &mut c.broker.rate, MILLION),
            "Requests of one caller in a second; 0 for no limit.",
        ),
        Setting::new(
            "broker.concurrency",
            "",
            count_or_none(|c| &mut c.broker.concurrency, MILLION),
            "Requests of one caller at once; 0 for no limit.",
        ),
        Setting::new(
            "broker.connections",
            "",
            count(|c| &mut c.broker.connections, 1000),
            "Connections to each switch at most, apart from the guard's.",
        )
        .restart(),
        Setting::new(
            "broker.jobs",
            "",
            count(|c| &mut c.broker.jobs, 100_000),
            "Background jobs that are kept with their results.",
        )
        .restart(),
        Setting::new(
            "broker.redact",
            "",
            Field::Texts(Shape::Variable, |c| &mut c.broker.redact),
            "Further variables and headers whose values are taken out of answers and events; `*` at an end stands for anything.",
        )
        .sample(&["api_key", "customer_*"]),
        Setting::new(
            "broker.allow_unaudited",
            "",
            Field::Bool(|c| &mut c.broker.allow_unaudited),
            "Commands are carried out even when they cannot be written down; otherwise they are refused.",
        ),
        Setting::new(
            "broker.audit_dir",
            "",
            Field::OptionalPath(|c| &mut c.broker.audit_dir),
            "The directory of the audit of commands; audit beside the store when absent.",
        )
        .restart()
        .sample(&["/var/lib/switchward/audit"]),
        Setting::new(
            "broker.audit_file_size",
            "",
            Field::Size { at: |c| &mut c.broker.audit_file_size, min: 64 * KIB, max: GIB },
            "A new file of the audit is begun at this size, and each day.",
        )
        .restart(),
        Setting::new(
            "broker.audit_max_size",
            "",
            Field::Size { at: |c| &mut c.broker.audit_max_size, min: KIB * KIB, max: 1024 * GIB },
            "The oldest files are deleted when all together are larger.",
        )
        .restart(),
        Setting::new(
            "broker.audit_retention",
            "",
            span(|c| &mut c.broker.audit_retention),
            "Files whose lines are all older are deleted.",
        )
        .restart(),
        Setting::new(
            "broker.audit_sync",
            "",
            Field::Word(|c| &mut c.broker.audit_sync),
            "When lines are forced to the disk: \"never\" (by the system), \"second\" (at most a second later), \
             \"each\" (before the command is sent; slow).",
        )
        .restart(),
        Setting::new(
            "broker.audit_key_file",
            "",
            Field::OptionalPath(|c| &mut c.broker.audit_key_file),
            "A file with the key that seals each line, so that nobody without it can write the files anew.",
        )
        .restart()
        .sample(&["/etc/switchward/audit.key"]),
        Setting::new(
            "broker.password_cache",
            "",
            Field::Span { at: |c| &mut c.broker.password_cache, min: Duration::ZERO, max: HOUR },
            "How long a right password is remembered, so that not each request asks the directory; \"0s\" for not at \
             all. So long a disabled user may still come in.",
        )
        .restart(),
        Setting::new(
            "broker.wrong_password_cache",
            "",
            Field::Span { at: |c| &mut c.broker.wrong_password_cache, min: Duration::ZERO, max: HOUR },
            "The same for a wrong one.",
        )
        .restart(),
        Setting::new(
            "broker.viewer_roles",
            "",
            Field::Texts(Shape::RoleName, |c| &mut c.broker.viewer_roles),
            "The broker's roles of whoever is viewer of the API by a token, the users file or a certificate.",
        ),
        Setting::new(
            "broker.operator_roles",
            "",
            Field::Texts(Shape::RoleName, |c| &mut c.broker.operator_roles),
            "The same for operators.",
        ),
        Setting::new(
            "broker.admin_roles",
            "",
            Field::Texts(Shape::RoleName, |c| &mut c.broker.admin_roles),
            "The same for admins. The broker's role \"admin\" runs any program on the switch's machine, so that \
             nobody has it who is not named.",
        ),
    ],
};

pub(super) const DOOR: Section = Section {
    name: "broker.door",
    intro: "The event socket protocol on a port of our own, for fs_cli and programs; off without port and socket.",
    keys: &[
        Setting::new(
            "broker.door.host",
            "",
            Field::Text(Shape::BindHost, |c| &mut c.broker.door.host),
            "Address or host name to listen on; empty for every address.",
        )
        .restart(),
        Setting::new(
            "broker.door.port",
            "",
            Field::OptionalPort(|c| &mut c.broker.door.port),
            "TCP port to listen on.",
        )
        .restart()
        .sample(&["8022"]),
        Setting::new(
            "broker.door.socket",
            "",
            Field::Text(Shape::SocketPath, |c| &mut c.broker.door.socket),
            "Path of a Unix socket that speaks the same.",
        )
        .restart()
        .sample(&["/run/switchward/esl.sock"]),
        Setting::new(
            "broker.door.tls_cert",
            "",
            Field::OptionalPath(|c| &mut c.broker.door.tls_cert),
            "The certificate chain (PEM), which makes the port speak TLS; server.tls_cert when absent.",
        )
        .restart(),
        Setting::new(
            "broker.door.tls_key",
            "",
            Field::OptionalPath(|c| &mut c.broker.door.tls_key),
            "Its private key (PEM); server.tls_key when absent.",
        )
        .restart(),
        Setting::new(
            "broker.door.max_clients",
            "",
            count(|c| &mut c.broker.door.max_clients, 100_000),
            "Clients at once.",
        )
        .restart(),
        Setting::new(
            "broker.door.max_clients_of_one",
            "",
            count(|c| &mut c.broker.door.max_clients_of_one, 100_000),
            "Clients of one user at once.",
        )
        .restart(),
        Setting::new(
            "broker.door.queue",
            "",
            count(|c| &mut c.broker.door.queue, MILLION),
            "Events that wait for a client; further ones are lost to it, counted and told.",
        )
        .restart(),
        Setting::new(
            "broker.door.queue_bytes",
            "",
            Field::Size { at: |c| &mut c.broker.door.queue_bytes, min: 64 * KIB, max: GIB },
            "Bytes of the events that wait for a client.",
        )
        .restart(),
        Setting::new(
            "broker.door.plain",
            "",
            Field::Bool(|c| &mut c.broker.door.plain),
            "Without TLS even where there is a certificate, and beyond loopback, where passwords can then be read on \
             their way.",
        )
        .restart(),
    ],
};

pub(super) const FREESWITCH: Section = Section {
    name: "broker.freeswitch",
    intro: "The directory of a switch that runs, asked over its event socket.",
    keys: &[
        Setting::new(
            "broker.freeswitch.switch",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.freeswitch.switch),
            "Name of the switch that is asked; empty for the first.",
        )
        .restart()
        .sample(&["freeswitch"]),
        Setting::new(
            "broker.freeswitch.accept",
            "",
            Field::Texts(Shape::Accepted, |c| &mut c.broker.freeswitch.accept),
            "The params of a user that let in: \"esl-password\" (as FreeSWITCH's userauth does), \"password\", \
             \"a1-hash\".",
        )
        .restart(),
    ],
};

pub(super) const XML: Section = Section {
    name: "broker.xml",
    intro: "Directory files of a FreeSWITCH on the disk; a change is seen within a second.",
    keys: &[
        Setting::new(
            "broker.xml.path",
            "",
            Field::OptionalPath(|c| &mut c.broker.xml.path),
            "A file, or the directory that holds them, such as conf/directory.",
        )
        .restart()
        .sample(&["/etc/freeswitch/directory"]),
        Setting::new(
            "broker.xml.accept",
            "",
            Field::Texts(Shape::Accepted, |c| &mut c.broker.xml.accept),
            "As broker.freeswitch.accept.",
        )
        .restart(),
    ],
};

pub(super) const LDAP: Section = Section {
    name: "broker.ldap",
    intro: "An LDAP server; a user comes in who can bind there with their password.",
    keys: &[
        Setting::new(
            "broker.ldap.url",
            "",
            Field::Text(Shape::LdapUrl, |c| &mut c.broker.ldap.url),
            "Its address.",
        )
        .restart()
        .sample(&["ldaps://ldap.example.net"]),
        Setting::new(
            "broker.ldap.start_tls",
            "",
            Field::Bool(|c| &mut c.broker.ldap.start_tls),
            "Ask an ldap:// server for TLS before anything else.",
        )
        .restart(),
        Setting::new(
            "broker.ldap.allow_plain",
            "",
            Field::Bool(|c| &mut c.broker.ldap.allow_plain),
            "Send passwords without TLS to a server that is not on this machine.",
        )
        .restart(),
        Setting::new(
            "broker.ldap.bind_dn",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.bind_dn),
            "The name to bind with, {user} in it; empty when it has to be searched.",
        )
        .restart()
        .sample(&["uid={user},ou=people,dc=example,dc=net"]),
        Setting::new(
            "broker.ldap.search_base",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.search_base),
            "Where the search for a user begins.",
        )
        .restart()
        .sample(&["ou=people,dc=example,dc=net"]),
        Setting::new(
            "broker.ldap.filter",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.filter),
            "What is searched, {user} in it (RFC 4515).",
        )
        .restart(),
        Setting::new(
            "broker.ldap.search_bind_dn",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.search_bind_dn),
            "Who searches; empty for a search without a name.",
        )
        .restart()
        .sample(&["cn=switchward,dc=example,dc=net"]),
        Setting::new(
            "broker.ldap.search_password",
            "",
            Field::Secret(|c| &mut c.broker.ldap.search_password),
            "Their password.",
        )
        .restart(),
        Setting::new(
            "broker.ldap.search_password_file",
            "",
            Field::OptionalPath(|c| &mut c.broker.ldap.search_password_file),
            "A file whose first line is that password; wins over search_password.",
        )
        .restart(),
        Setting::new(
            "broker.ldap.account_attribute",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.account_attribute),
            "The attribute that holds the user's account of the switch (user@domain); empty for none.",
        )
        .restart()
        .sample(&["mail"]),
        Setting::new(
            "broker.ldap.ca_file",
            "",
            Field::OptionalPath(|c| &mut c.broker.ldap.ca_file),
            "Authorities (PEM) that are believed beside the system's.",
        )
        .restart(),
        Setting::new(
            "broker.ldap.timeout",
            "",
            wait(|c| &mut c.broker.ldap.timeout),
            "The longest wait for an answer of the server.",
        )
        .restart(),
    ],
};

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
                "Which of those events: of all, of the own domain, or of the own channels.",
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
                "How long a command may take; broker.timeout when absent.",
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

pub(super) static ROLES: Entries<Role> = Entries {
    name: "broker.role",
    intro: "One entry for each role, beside the built-in monitor, agent, dialer, operator and admin; one with such a \
            name adds to it.",
    keys: &ROLE,
    all: |config| &mut config.broker.roles,
    label: |role| &role.name,
    restart: false,
};

pub(super) static USERS: Entries<User> = Entries {
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

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
/// A larger answer would not fit into a frame of the event socket.
const LARGEST_ANSWER: u64 = 64 << 20;
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3_600);
