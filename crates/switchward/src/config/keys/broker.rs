//! The keys of the broker: who may run which command of the switches. Those of its door, its directories, and of roles and users have files of
//! their own.

use super::{Field, Key, MILLION, Section, count, count_or_none, span, wait};
use crate::config::model::Config;
use crate::config::text::Shape;
use std::time::Duration;

mod directories;
mod door;
mod rules;

pub(super) use directories::{FREESWITCH, LDAP, XML};
pub(super) use door::DOOR;
pub(super) use rules::{ROLES, USERS};

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
            "How long a command may take, unless a role or user says something else; one that makes a call and is waited \
             for has 70 seconds at least.",
        ),
        Setting::new(
            "broker.job_timeout",
            "",
            Field::Span { at: |c| &mut c.broker.job_timeout, min: SECOND, max: DAY },
            "How long a background job may take (`bgapi`, jobs over HTTP), unless a role or user says something else.",
        ),
        Setting::new(
            "broker.max_jobs",
            "",
            count(|c| &mut c.broker.max_jobs, 100_000),
            "Background jobs that may run at each switch at once; a command that makes a call is one, too.",
        )
        .restart(),
        Setting::new(
            "broker.max_jobs_of_one",
            "",
            count_or_none(|c| &mut c.broker.max_jobs_of_one, 100_000),
            "Those of one caller; 0 for no limit. They do not count for broker.concurrency once the switch has taken them.",
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
            "Background jobs over HTTP that are kept with their results; half of them may be one caller's and run.",
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
            "broker.record_dir",
            "",
            Field::OptionalPath(|c| &mut c.broker.record_dir),
            "The directory of recordings on the switch's machine: whoever may record does so below it. Every other file, and any without \
             this key, wants a rule for `record_file` or `@file`.",
        )
        .sample(&["/var/lib/freeswitch/recordings"]),
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

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
/// A larger answer would not fit into a frame of the event socket.
const LARGEST_ANSWER: u64 = 64 << 20;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
