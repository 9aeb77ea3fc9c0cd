//! What a client sends: [`Command`] and its encoding, [`Subscription`]; for servers [`CommandDecoder`].
//!
//! A command is a line, headers, an empty line and perhaps a body. Whoever can put a line feed into an argument can
//! add a command of his own, so every control character in every argument is refused; a body is framed by its
//! length and may hold anything.

use crate::event::Format;

mod decoder;

pub use decoder::{CommandDecoder, CommandFrame};

/// A command of the event socket.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `auth PASSWORD`.
    Auth {
        /// The server's event socket password.
        password: &'a str,
    },
    /// `userauth USER:PASSWORD`, with a password of the directory.
    UserAuth {
        /// `user@domain`.
        user: &'a str,
        /// The user's `esl-password`.
        password: &'a str,
    },
    /// `api COMMAND`: the answer comes as `api/response`.
    Api(&'a str),
    /// `bgapi COMMAND`: the answer comes as a BACKGROUND_JOB event.
    BgApi {
        /// The command and its arguments.
        command: &'a str,
        /// Our own Job-UUID; without one the server makes it.
        job: Option<&'a str>,
    },
    /// `event FORMAT NAMES`.
    Event(&'a Subscription),
    /// `nixevent NAMES`: unsubscribes. The format does not matter.
    NixEvent(&'a Subscription),
    /// `noevents`: unsubscribes from everything.
    NoEvents,
    /// `filter HEADER VALUE`; filters are OR-ed.
    Filter {
        /// The name of a header.
        header: &'a str,
        /// Its value, or `/a regular expression/`.
        value: &'a str,
    },
    /// `filter delete HEADER [VALUE]`; header `all` deletes every filter.
    FilterDelete {
        /// The name of a header.
        header: &'a str,
        /// One of its values, or all.
        value: Option<&'a str>,
    },
    /// `myevents UUID [FORMAT]`.
    MyEvents {
        /// The channel.
        uuid: &'a str,
        /// The format of the events.
        format: Option<Format>,
    },
    /// `sendmsg [UUID]`.
    SendMsg {
        /// The channel; an outbound connection leaves it out.
        uuid: Option<&'a str>,
        /// `call-command` and what belongs to it.
        headers: &'a [(&'a str, &'a str)],
        /// Sent with its length.
        body: Option<&'a [u8]>,
    },
    /// `sendevent NAME`.
    SendEvent {
        /// The event's name.
        name: &'a str,
        /// The event's headers.
        headers: &'a [(&'a str, &'a str)],
        /// Sent with its length.
        body: Option<&'a [u8]>,
    },
    /// `log LEVEL`, 0 (console) to 7 (debug).
    Log(u8),
    /// `nolog`.
    NoLog,
    /// `linger [SECONDS]`.
    Linger(Option<u32>),
    /// `nolinger`.
    NoLinger,
    /// `divert_events on` or `off`.
    DivertEvents(bool),
    /// `exit`.
    Exit,
}

/// Why a command cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A line feed or another byte below 0x20, or 0x7f.
    #[error("control character in the {0}")]
    ControlCharacter(&'static str),
    /// A blank, a colon or another separator where the server would take it for the end of the argument.
    #[error("separator in the {0}")]
    Separator(&'static str),
    /// Nothing where something must be.
    #[error("empty {0}")]
    Empty(&'static str),
    /// The caller gives a header that the encoder writes itself.
    #[error("Content-Length is written by the encoder")]
    ContentLength,
}

impl Command<'_> {
    /// Appends the command's bytes to `out`.
    ///
    /// # Errors
    /// When an argument holds what would change the meaning of the command; `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        let before = out.len();
        let result = self.write(out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    /// The command's bytes.
    ///
    /// # Errors
    /// See [`Self::encode`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CommandError> {
        let mut out = Vec::new();
        self.encode(&mut out)?;
        Ok(out)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        match *self {
            Self::Auth { password } => line(out, "auth ", text(password, "password")?),
            Self::UserAuth { user, password } => {
                line(out, "userauth ", user_name(user)?);
                line(out, ":", text(password, "password")?);
            }
            Self::Api(command) => line(out, "api ", text(command, "command")?),
            Self::BgApi { command, job } => {
                line(out, "bgapi ", text(command, "command")?);
                if let Some(job) = job {
                    line(out, "\nJob-UUID: ", word(job, "Job-UUID")?);
                }
            }
            Self::Event(subscription) => {
                line(out, "event ", subscription.format.as_str());
                subscription.write(out)?;
            }
            Self::NixEvent(subscription) => {
                line(out, "nixevent", "");
                subscription.write(out)?;
            }
            Self::NoEvents => line(out, "noevents", ""),
            Self::Filter { header, value } => {
                line(out, "filter ", word(header, "header name")?);
                line(out, " ", text(value, "filter value")?);
            }
            Self::FilterDelete { header, value } => {
                line(out, "filter delete ", word(header, "header name")?);
                if let Some(value) = value {
                    line(out, " ", text(value, "filter value")?);
                }
            }
            Self::MyEvents { uuid, format } => {
                line(out, "myevents ", word(uuid, "channel UUID")?);
                if let Some(format) = format {
                    line(out, " ", format.as_str());
                }
            }
            Self::SendMsg { uuid, headers, body } => {
                line(out, "sendmsg", "");
                if let Some(uuid) = uuid {
                    line(out, " ", word(uuid, "channel UUID")?);
                }
                return message(out, headers, body);
            }
            Self::SendEvent { name, headers, body } => {
                line(out, "sendevent ", word(name, "event name")?);
                return message(out, headers, body);
            }
            Self::Log(level) => line(out, "log ", &level.to_string()),
            Self::NoLog => line(out, "nolog", ""),
            Self::Linger(None) => line(out, "linger", ""),
            Self::Linger(Some(seconds)) => line(out, "linger ", &seconds.to_string()),
            Self::NoLinger => line(out, "nolinger", ""),
            Self::DivertEvents(on) => line(out, "divert_events ", if on { "on" } else { "off" }),
            Self::Exit => line(out, "exit", ""),
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}

impl std::fmt::Debug for Command<'_> {
    /// Never shows a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auth { .. } => f.write_str("auth ***"),
            Self::UserAuth { user, .. } => write!(f, "userauth {user}:***"),
            _ => match self.to_bytes() {
                Ok(bytes) => f.write_str(String::from_utf8_lossy(&bytes).trim_end()),
                Err(error) => write!(f, "({error})"),
            },
        }
    }
}

/// Which events to receive, and how they are written.
///
/// FreeSWITCH takes every name after `CUSTOM` for a subclass, so the encoder writes event names first. Event names
/// are not case sensitive and unknown ones are ignored; subclass names are case sensitive and never checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    format: Format,
    events: Vec<String>,
    subclasses: Vec<String>,
}

impl Subscription {
    /// No events yet.
    pub fn new(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// Every event.
    pub fn all(format: Format) -> Self {
        Self::new(format).event("ALL")
    }

    /// Adds an event by its name, such as `CHANNEL_CREATE`.
    #[must_use]
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.events.push(name.into());
        self
    }

    /// Adds a subclass of CUSTOM, such as `sofia::register`.
    #[must_use]
    pub fn custom(mut self, subclass: impl Into<String>) -> Self {
        self.subclasses.push(subclass.into());
        self
    }

    /// How the events are to be written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The names of events, without subclasses.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The subclasses of CUSTOM.
    pub fn subclasses(&self) -> &[String] {
        &self.subclasses
    }

    /// Whether an event of this name, not being CUSTOM, will come.
    pub fn includes(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.eq_ignore_ascii_case(name) || event.eq_ignore_ascii_case("ALL"))
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        let is_custom = |name: &&String| name.eq_ignore_ascii_case("CUSTOM");
        if self.events.is_empty() && self.subclasses.is_empty() {
            return Err(CommandError::Empty("list of events"));
        }
        for name in self.events.iter().filter(|name| !is_custom(name)) {
            line(out, " ", word(name, "event name")?);
        }
        if !self.subclasses.is_empty() || self.events.iter().any(|name| is_custom(&name)) {
            line(out, " CUSTOM", "");
        }
        for name in &self.subclasses {
            line(out, " ", word(name, "event subclass")?);
        }
        Ok(())
    }
}

fn line(out: &mut Vec<u8>, start: &str, rest: &str) {
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(rest.as_bytes());
}

/// Headers, their length, the empty line and the body.
fn message(out: &mut Vec<u8>, headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<(), CommandError> {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("Content-Length") {
            return Err(CommandError::ContentLength);
        }
        line(out, "\n", word(name, "header name")?);
        if name.contains(':') {
            return Err(CommandError::Separator("header name"));
        }
        line(out, ": ", printable(value, "header value")?);
    }
    if let Some(body) = body {
        line(out, "\nContent-Length: ", &body.len().to_string());
    }
    out.extend_from_slice(b"\n\n");
    out.extend_from_slice(body.unwrap_or_default());
    Ok(())
}

/// An argument that may be empty and may hold blanks.
fn printable<'a>(argument: &'a str, what: &'static str) -> Result<&'a str, CommandError> {
    if argument.bytes().any(|b| b.is_ascii_control()) {
        return Err(CommandError::ControlCharacter(what));
    }
    Ok(argument)
}

/// An argument that reaches to the end of the line.
fn text<'a>(argument: &'a str, what: &'static str) -> Result<&'a str, CommandError> {
    if argument.is_empty() {
        return Err(CommandError::Empty(what));
    }
    printable(argument, what)
}

/// An argument that ends at the next blank.
fn word<'a>(argument: &'a str, what: &'static str) -> Result<&'a str, CommandError> {
    if text(argument, what)?.contains(' ') {
        return Err(CommandError::Separator(what));
    }
    Ok(argument)
}

/// A user of `userauth`: the password follows a colon.
fn user_name(user: &str) -> Result<&str, CommandError> {
    if word(user, "user name")?.contains(':') {
        return Err(CommandError::Separator("user name"));
    }
    Ok(user)
}
