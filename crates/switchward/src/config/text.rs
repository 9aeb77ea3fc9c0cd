//! What a text must look like in each place that one is put in: a host, a chain, a command.
//!
//! Start with [`Shape::accept`]. Texts that reach a command line or the event socket are
//! held to letters that cannot become an option or a second command there.

use super::broker::{ACCEPTED, DIRECTORIES};
use super::duration;
use crate::access::Role;
use crate::names::HostName;
use crate::names::lookup::parse_server;
use std::net::Ipv6Addr;
use std::time::Duration;

/// The looks of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A host name or address; empty is every address.
    BindHost,
    /// A host name or address.
    Host,
    /// A domain; may be empty.
    Domain,
    /// A domain pattern.
    Pattern,
    /// A command of the switch.
    Command,
    /// A label.
    Name,
    /// Anything on one line; may be empty.
    Line,
    /// A template; may be empty, and may have lines.
    Template,
    /// An `http` or `https` address; may be empty.
    Url,
    /// An iptables chain.
    ChainName,
    /// An ipset, with a byte to spare for the "6".
    SetName,
    /// An nftables table.
    TableName,
    /// A path that a Unix socket may have; empty for none.
    SocketPath,
    /// A name and a role.
    NamedRole,
    /// A full host name.
    HostName,
    /// The address of a name server, perhaps with a port.
    NameServer,
    /// A directory of the broker.
    Directory,
    /// A param of a directory user that lets in.
    Accepted,
    /// A rule of the broker.
    Rule,
    /// A role of the broker.
    RoleName,
    /// A user of the broker, or several.
    UserName,
    /// An account; may be empty.
    Account,
    /// A pattern of the broker and a duration.
    PatternSpan,
    /// A level of the switch's log; may be empty.
    SwitchLevel,
    /// A variable or a header, perhaps with `*`.
    Variable,
    /// A rule of the guard.
    GuardRule,
    /// What is counted, in the plural.
    Plural,
    /// An `ldap` or `ldaps` address; may be empty.
    LdapUrl,
    /// Who may come from which countries.
    Countries,
    /// A country that has telephone numbers; may be empty.
    CountryCode,
    /// What is dialled before a number.
    DialPrefix,
    /// Days and times.
    OfficeHours,
    /// A time zone; may be empty.
    TimeZone,
    /// What is done about a call.
    FraudAction,
    /// A command that blocks an account; may be empty.
    BlockCommand,
    /// An account or a number that nobody uses, perhaps with `*`.
    Honeypot,
}

impl Shape {
    /// The text as it is kept: trimmed, and a host without the brackets of an IPv6 address. None when it does not
    /// look right.
    pub(super) fn accept(self, text: &str) -> Option<String> {
        let text = text.trim();
        let kept = if matches!(self, Self::Host | Self::BindHost) { strip_brackets(text) } else { text };
        self.fits(text).then(|| kept.to_owned())
    }

    /// The looks in words.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::BindHost => "a host name or address without blanks and without a port",
            Self::Host => "a host name or address, not empty, without blanks and without a port",
            Self::Domain => "a domain without blanks",
            Self::Pattern => "a domain pattern, not empty and without blanks",
            Self::Command => "a command, not empty and without control characters",
            Self::Name => "a name of 1 to 64 bytes without control characters",
            Self::Line => "a text of at most 1000 bytes without control characters",
            Self::Template => "a text of at most 4000 bytes without control characters but line feeds",
            Self::Url => "an http:// or https:// address, or an empty text",
            Self::ChainName => {
                "a chain name of 1 to 28 bytes without blanks and with no \"-\" or \"!\" in front"
            }
            Self::SetName => {
                "a set name of 1 to 29 letters, digits, \"_\", \"-\" or \".\" with no \"-\" in front (31 bytes less \
                 \"6p\" for the sets beside it)"
            }
            Self::TableName => "a table name of 1 to 64 letters, digits, \"_\" or \"-\", a letter first",
            Self::SocketPath => "an absolute path of at most 90 bytes, or an empty text",
            Self::NamedRole => "NAME=viewer, NAME=operator or NAME=admin",
            Self::HostName => "a full host name such as \"sip.carrier.example\" (other letters as punycode)",
            Self::NameServer => {
                "an address, perhaps with a port, such as \"192.0.2.53\" or \"127.0.0.1:5353\""
            }
            Self::Directory => "\"users\", \"freeswitch\", \"xml\" or \"ldap\"",
            Self::Accepted => "\"esl-password\", \"password\" or \"a1-hash\"",
            Self::Rule => "a text of 1 to 1000 bytes without control characters",
            Self::RoleName => "a role's name of 1 to 64 letters, digits, \"_\" or \"-\"",
            Self::UserName => "a user's name of 1 to 255 bytes without control characters",
            Self::Account => "an account as user@domain, or an empty text",
            Self::PatternSpan => {
                "a command and a duration from 100ms to 1h, such as \"originate 60s\" or \"sofia status 5s\""
            }
            Self::SwitchLevel => {
                "\"console\", \"alert\", \"crit\", \"err\", \"warning\", \"notice\", \"info\", \"debug\", or an \
                 empty text"
            }
            Self::Variable => {
                "a name of 1 to 100 letters, digits, \"_\", \"-\" or \".\", with \"*\" at its ends alone"
            }
            Self::GuardRule => {
                "a rule's name of 1 to 48 small letters, digits or \"-\", a letter first and no \"-\" at the end"
            }
            Self::Plural => "a text of 1 to 64 bytes without control characters",
            Self::LdapUrl => "an ldaps:// or ldap:// address, or an empty text",
            Self::Countries => {
                "WHO: COUNTRIES, such as \"all: !KP\", \"profile external: DE AT\" or \"account *@pbx.example: DE\""
            }
            Self::CountryCode => {
                "the two letters of a country (ISO 3166) that has telephone numbers, such as \"DE\""
            }
            Self::DialPrefix => "one to eight of the letters 0-9 * # +",
            Self::OfficeHours => {
                "days and times such as \"mon-fri 07:00-19:00\", \"sat 9:00-13:00\" or \"daily 20:00-04:00\""
            }
            Self::TimeZone => {
                "a time zone that this machine knows, such as \"Europe/Berlin\", or an empty text"
            }
            Self::FraudAction => "\"alert\", \"hang-up\", \"block\" or \"ban\"",
            Self::BlockCommand => {
                "a command such as \"api lua block.lua {user} {domain}\": \"api \" in front, {user} in it, no other braces"
            }
            Self::Honeypot => {
                "an account or a number of at most 64 characters without blanks, with more than \"*\", such as \"admin\", \
                 \"9999*\" or \"test@pbx.example\""
            }
        }
    }

    fn fits(self, text: &str) -> bool {
        let tight = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        match self {
            Self::BindHost => text.is_empty() || (tight && is_host(text)),
            Self::Host => tight && is_host(text),
            Self::Domain => tight,
            Self::Pattern => tight && !text.is_empty(),
            Self::Command => !text.is_empty() && !text.contains(char::is_control),
            Self::Name => (1..=64).contains(&text.len()) && !text.contains(char::is_control),
            Self::Line => text.len() <= 1000 && !text.contains(char::is_control),
            Self::Template => text.len() <= 4000 && !text.contains(|c: char| c.is_control() && c != '\n'),
            Self::Url => text.is_empty() || (tight && has_host(text)),
            Self::ChainName => tight && (1..=28).contains(&text.len()) && !text.starts_with(['-', '!']),
            Self::SetName => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                (1..=29).contains(&text.len()) && text.bytes().all(known) && !text.starts_with(['-', '.'])
            }
            // sockaddr_un has 108 bytes, and the name is a little longer while the socket is made.
            Self::SocketPath => {
                text.is_empty()
                    || (text.starts_with('/') && text.len() <= 90 && !text.contains(char::is_control))
            }
            Self::NamedRole => text.rsplit_once('=').is_some_and(|(name, role)| {
                !name.trim().is_empty() && !name.contains(char::is_control) && role.parse::<Role>().is_ok()
            }),
            Self::HostName => text.parse::<HostName>().is_ok(),
            Self::NameServer => parse_server(text).is_some(),
            Self::Directory => DIRECTORIES.contains(&text),
            Self::Accepted => ACCEPTED.contains(&text),
            Self::Rule => (1..=1000).contains(&text.len()) && !text.contains(char::is_control),
            Self::RoleName => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                (1..=64).contains(&text.len()) && text.bytes().all(known)
            }
            Self::UserName => (1..=255).contains(&text.len()) && !text.contains(char::is_control),
            Self::Account => text.is_empty() || (tight && text.parse::<broker::Account>().is_ok()),
            Self::PatternSpan => pattern_span(text).is_some(),
            Self::SwitchLevel => text.is_empty() || text.parse::<broker::LogLevel>().is_ok(),
            Self::Variable => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                let front = text.strip_prefix('*').unwrap_or(text);
                let bare = front.strip_suffix('*').unwrap_or(front);
                (1..=100).contains(&bare.len()) && bare.bytes().all(known)
            }
            Self::GuardRule => {
                (1..=48).contains(&text.len())
                    && text.starts_with(|c: char| c.is_ascii_lowercase())
                    && !text.ends_with('-')
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
            Self::Plural => (1..=64).contains(&text.len()) && !text.contains(char::is_control),
            Self::Honeypot => guard::suspicion::honeypot::checked(text).is_ok(),
            Self::LdapUrl => {
                let rest = text.strip_prefix("ldaps://").or_else(|| text.strip_prefix("ldap://"));
                text.is_empty()
                    || (tight && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':'])))
            }
            Self::Countries => text.parse::<guard::countries::CountryRule>().is_ok(),
            Self::CountryCode => text.is_empty() || is_country(text),
            Self::DialPrefix => {
                let one = toll::Dialling { trunk: vec![text.to_owned()], ..toll::Dialling::default() };
                toll::Plan::new(one, toll::Table::default()).is_ok()
            }
            Self::OfficeHours => crate::fraud::hours::parse(text).is_some(),
            Self::TimeZone => crate::fraud::hours::is_zone(text),
            Self::FraudAction => guard::fraud::Actions::WORDS.contains(&text),
            Self::BlockCommand => text.is_empty() || crate::fraud::is_block_command(text),
            Self::TableName => {
                (1..=64).contains(&text.len())
                    && text.starts_with(|c: char| c.is_ascii_alphabetic())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
        }
    }
}

/// A pattern of the broker and the time that its commands may take.
pub(crate) fn pattern_span(text: &str) -> Option<(&str, Duration)> {
    let (pattern, span) = text.rsplit_once(' ')?;
    let span = duration::parse(span).ok()?;
    let fits = (Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&span);
    (fits && text.len() <= 1000 && !text.contains(char::is_control)).then_some((pattern.trim(), span))
}

fn is_country(text: &str) -> bool {
    let home = toll::Country::new(text);
    home.is_some()
        && toll::Plan::new(toll::Dialling { home, ..toll::Dialling::default() }, toll::Table::default())
            .is_ok()
}

/// A colon is an IPv6 address's (perhaps with a zone, `fe80::1%eth0`) or in front of a port, which has its own key.
fn is_host(text: &str) -> bool {
    let bare = strip_brackets(text);
    let address = bare.split_once('%').map_or(bare, |(address, _)| address);
    match text.contains([':', '[', ']', '/', '%']) {
        true => address.parse::<Ipv6Addr>().is_ok(),
        false => !text.is_empty(),
    }
}

/// `::1` of `[::1]`.
fn strip_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}

fn has_host(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
}
