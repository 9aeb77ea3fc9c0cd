//! The keys of the directories that are asked who somebody is.

use super::Setting;
use crate::config::keys::{Field, Section, wait};
use crate::config::text::Shape;

pub(in super::super) const FREESWITCH: Section = Section {
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
        Setting::new(
            "broker.freeswitch.disabled_by",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.freeswitch.disabled_by),
            "A param or variable of the directory: a user for whom it is \"true\" is kept out; empty for none.",
        )
        .restart()
        .sample(&["esl-disabled"]),
    ],
};

pub(in super::super) const XML: Section = Section {
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
        Setting::new(
            "broker.xml.disabled_by",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.xml.disabled_by),
            "A param or variable of the directory: a user for whom it is \"true\" is kept out; empty for none.",
        )
        .restart()
        .sample(&["esl-disabled"]),
    ],
};

pub(in super::super) const LDAP: Section = Section {
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
            "broker.ldap.name_attribute",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.name_attribute),
            "The attribute with the name that rules are written for; empty for the one that bind_dn or filter compares with {user}.",
        )
        .restart()
        .sample(&["cn"]),
        Setting::new(
            "broker.ldap.domain",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.domain),
            "The only domain that a user may log in with (user@domain); they may also leave it out. Empty for any.",
        )
        .restart()
        .sample(&["example.net"]),
        Setting::new(
            "broker.ldap.disabled_by",
            "",
            Field::Text(Shape::Line, |c| &mut c.broker.ldap.disabled_by),
            "A filter (RFC 4515) that is true of users who are kept out; empty for none.",
        )
        .restart()
        .sample(&["(employeeType=former)"]),
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
