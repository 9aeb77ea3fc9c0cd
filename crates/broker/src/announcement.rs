//! An event that a client wants to send (`sendevent`): checked, and exactly what is passed on.
//!
//! Some events are commands in disguise (`catalogue/events.toml`), and a forged one is believed by everybody who listens. An [`Announcement`]
//! holds headers of plain names, each once, with plain values; none of those that the switch writes itself or takes for orders.
//! [`Announcement::deeds`] gives it as a [`Deed::Event`](crate::Deed), which patterns such as `!NOTIFY user={user}` speak of. See PARSING.md,
//! "sendevent".

use crate::catalogue::Catalogue;
use crate::deed::Deeds;
use crate::freeswitch;
use crate::line::is_name;
use crate::message::value_of;
use std::fmt;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    name: String,
    subclass: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// Why something is no event to be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadAnnouncement {
    /// No name, or not of letters, digits and `_`.
    #[error("the name of the event is missing, or is none")]
    Name,
    /// CUSTOM wants a subclass; others have none.
    #[error(
        "CUSTOM, and no other event, has one header Event-Subclass, of letters, digits, \"_\", \"-\", \".\" and \":\""
    )]
    Subclass,
    /// The name of a header holds more than letters, digits, `_`, `-` and `.`.
    #[error("a header's name holds a character that none has")]
    HeaderName,
    /// The value of a header.
    #[error("header {0}: {1}")]
    Header(String, &'static str),
    /// Twice the same header.
    #[error("header {0} is there twice")]
    Twice(String),
    /// Only the switch writes it, or it makes a message of the event.
    #[error("header {0} cannot be sent in an event")]
    Forbidden(String),
    /// Too much of something.
    #[error("the event is too long")]
    TooLong,
    /// A body with a NUL, at which the switch cuts it.
    #[error("the body holds a NUL")]
    Body,
    /// The event socket would take it for something else.
    #[error("the event socket takes it for an order to reload or unload itself")]
    Unload,
}

impl Announcement {
    /// Checks an event: the word behind `sendevent`, the headers in their order, the body.
    ///
    /// # Errors
    /// See [`BadAnnouncement`].
    pub fn new<'a>(
        name: &[u8],
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        body: &[u8],
    ) -> Result<Announcement, BadAnnouncement> {
        let name =
            std::str::from_utf8(name.trim_ascii()).map_err(|_| BadAnnouncement::Name)?.to_ascii_uppercase();
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_right) {
            return Err(BadAnnouncement::Name);
        }
        let mut event = Announcement { name, subclass: None, headers: Vec::new(), body: None };
        let mut length = 0;
        for (count, (name, value)) in headers.into_iter().enumerate() {
            length += name.len() + value.len();
            if count >= MOST_HEADERS || length > LONGEST {
                return Err(BadAnnouncement::TooLong);
            }
            event.take(name, value)?;
        }
        let is_custom = event.name == "CUSTOM";
        if is_custom != event.subclass.is_some() {
            return Err(BadAnnouncement::Subclass);
        }
        if body.len() > LONGEST_BODY {
            return Err(BadAnnouncement::TooLong);
        }
        if body.contains(&0) {
            return Err(BadAnnouncement::Body);
        }
        if freeswitch::cuts_the_line(&event.to_string()) {
            return Err(BadAnnouncement::Unload);
        }
        event.body = (!body.is_empty()).then(|| body.to_owned());
        Ok(event)
    }

    /// Its name, in upper case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its subclass, when it is CUSTOM.
    pub fn subclass(&self) -> Option<&str> {
        self.subclass.as_deref()
    }

    /// What is sent.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let subclass = self.subclass.iter().map(|subclass| ("Event-Subclass", subclass.as_str()));
        subclass.chain(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect()
    }

    /// What is sent after the headers.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// What it would do.
    pub fn deeds(&self, catalogue: &Catalogue) -> Deeds {
        freeswitch::unfold_announcement(self, catalogue)
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadAnnouncement> {
        let name = std::str::from_utf8(name).map_err(|_| BadAnnouncement::HeaderName)?;
        if !is_name(name) {
            return Err(BadAnnouncement::HeaderName);
        }
        let lower = name.to_ascii_lowercase();
        if DROPPED.contains(&lower.as_str()) {
            return Ok(());
        }
        let value = value_of(value).map_err(|why| BadAnnouncement::Header(name.to_owned(), why))?;
        if lower == "event-subclass" {
            let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
            if value.is_empty()
                || value.len() > LONGEST_NAME
                || !value.bytes().all(is_right)
                || self.subclass.is_some()
            {
                return Err(BadAnnouncement::Subclass);
            }
            self.subclass = Some(value.to_owned());
            return Ok(());
        }
        if FORBIDDEN.contains(&lower.as_str())
            || FORBIDDEN_STARTS.iter().any(|start| lower.starts_with(start))
        {
            return Err(BadAnnouncement::Forbidden(name.to_owned()));
        }
        if self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(BadAnnouncement::Twice(name.to_owned()));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Headers without the subclass.
    pub(crate) fn own_headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

impl fmt::Display for Announcement {
    /// In one line, for the audit: a redactor has yet to look at it. The body is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sendevent {}", self.name)?;
        if let Some(subclass) = &self.subclass {
            write!(f, " {subclass}")?;
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { " {" } else { "," })?;
        }
        if self.headers.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

/// Written by us or by the switch, and of no use.
const DROPPED: &[&str] = &["content-length", "event-uuid", "command"];
/// With a channel's id the event goes into that channel's queue, where it is run as a message (`switch_ivr_parse_event`).
const FORBIDDEN: &[&str] =
    &["unique-id", "call-command", "session-id", "core-uuid", "_body", "console_execute"];
/// Those that the switch puts first in each event, `Event-Name` among them.
const FORBIDDEN_STARTS: &[&str] =
    &["event-name", "event-date-", "event-calling-", "event-sequence", "freeswitch-"];
const MOST_HEADERS: usize = 128;
const LONGEST: usize = 64 * 1024;
const LONGEST_BODY: usize = 64 * 1024;
const LONGEST_NAME: usize = 128;
