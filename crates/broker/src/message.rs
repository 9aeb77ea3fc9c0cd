//! A message to a channel (`sendmsg`): what a client sent, checked, and exactly what is passed on.
//!
//! A [`Message`] is made of headers that nobody has looked at. Only what is known is taken; the rest is dropped, what would make two readings
//! of one message is refused, and what goes to the switch ([`Message::headers`]) is written anew. [`Message::deeds`] says what it would do, as
//! [`freeswitch::unfold`] does for a command; the first deed is the command `sendmsg UUID`. See PARSING.md, "sendmsg".

use crate::catalogue::Catalogue;
use crate::deed::Deeds;
use crate::freeswitch;
use crate::line::is_name;
use std::fmt;
use std::net::IpAddr;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    channel: Option<String>,
    action: Action,
    /// How it is carried out: header and value, as they are sent.
    manner: Vec<(&'static str, String)>,
}

/// What a channel is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Run an application.
    Execute {
        /// Which.
        application: String,
        /// With what.
        arguments: String,
    },
    /// Hang up.
    Hangup {
        /// Why: the name of a cause, or its number.
        cause: Option<String>,
    },
    /// Leave the media to this channel and its peer.
    NoMedia {
        /// The channel, which may be another.
        channel: String,
    },
    /// Send the media elsewhere.
    Unicast(Vec<(&'static str, String)>),
    /// Run these applications as an extension.
    Extension(Vec<(String, String)>),
}

/// Why something is no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadMessage {
    /// No call-command, or none that is known.
    #[error("call-command must be execute, hangup, nomedia, unicast or xferext")]
    Command,
    /// A header whose value is not of its kind.
    #[error("header {0}: {1}")]
    Header(&'static str, &'static str),
    /// A header that may be there once.
    #[error("header {0} is there twice")]
    Twice(&'static str),
    /// Two channels, or one that is none.
    #[error("the channel is not named by one UUID")]
    Channel,
    /// A body, where none belongs.
    #[error("a body is only taken as the argument of an application, with \"content-type: text/plain\"")]
    Body,
    /// Too much of something.
    #[error("the message is too long")]
    TooLong,
    /// The event socket would take it for something else.
    #[error("the event socket takes it for an order to reload or unload itself")]
    Unload,
}

impl Message {
    /// Checks a message: the word behind `sendmsg`, the headers in their order, the body.
    ///
    /// # Errors
    /// See [`BadMessage`].
    pub fn new<'a>(
        channel: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        body: &[u8],
    ) -> Result<Message, BadMessage> {
        let mut given = Given::read(headers)?;
        let channel = match (
            channel.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()),
            given.take("session-id")?,
        ) {
            (None, None) => None,
            (Some(text), None) => {
                Some(std::str::from_utf8(text).map_err(|_| BadMessage::Channel)?.to_owned())
            }
            (None, Some(text)) => Some(text),
            (Some(text), Some(other)) if text == other.as_bytes() => Some(other),
            _ => return Err(BadMessage::Channel),
        };
        if channel.as_deref().is_some_and(|channel| !is_name(channel)) {
            return Err(BadMessage::Channel);
        }
        let command = given.take("call-command")?.ok_or(BadMessage::Command)?;
        // Compared by a hash of the text with its case: nothing but these words.
        let action = match command.as_str() {
            "execute" => given.execute(body)?,
            _ if !body.trim_ascii().is_empty() => return Err(BadMessage::Body),
            "hangup" => Action::Hangup { cause: given.name("hangup-cause")? },
            "nomedia" => Action::NoMedia {
                channel: given
                    .name("nomedia-uuid")?
                    .ok_or(BadMessage::Header("nomedia-uuid", "is missing"))?,
            },
            "unicast" => given.unicast()?,
            "xferext" => given.extension()?,
            _ => return Err(BadMessage::Command),
        };
        let manner = given.manner()?;
        let message = Message { channel, action, manner };
        let all = message.to_string();
        if freeswitch::cuts_the_line(&all) {
            return Err(BadMessage::Unload);
        }
        Ok(message)
    }

    /// The same for this channel: that to which the connection is bound when the message names none.
    #[must_use]
    pub fn bound_to(mut self, channel: &str) -> Message {
        self.channel.get_or_insert_with(|| channel.to_owned());
        self
    }

    /// The channel that it is for.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// What the channel is to do.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Whether the switch answers before it is done.
    pub fn is_queued(&self) -> bool {
        self.manner.iter().any(|(name, value)| *name == "async" && value == "true")
    }

    /// What it would do; first the message itself.
    pub fn deeds(&self, catalogue: &Catalogue) -> Deeds {
        freeswitch::unfold_message(self, catalogue)
    }

    /// What is sent; there is never a body.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = Vec::new();
        match &self.action {
            Action::Execute { application, arguments } => {
                headers.extend([("call-command", "execute"), ("execute-app-name", application.as_str())]);
                if !arguments.is_empty() {
                    headers.push(("execute-app-arg", arguments.as_str()));
                }
            }
            Action::Hangup { cause } => {
                headers.push(("call-command", "hangup"));
                headers.extend(cause.as_deref().map(|cause| ("hangup-cause", cause)));
            }
            Action::NoMedia { channel } => {
                headers.extend([("call-command", "nomedia"), ("nomedia-uuid", channel.as_str())]);
            }
            Action::Unicast(options) => {
                headers.push(("call-command", "unicast"));
                headers.extend(options.iter().map(|(name, value)| (*name, value.as_str())));
            }
            Action::Extension(steps) => {
                headers.push(("call-command", "xferext"));
                headers.extend(steps.iter().map(|(_, step)| ("application", step.as_str())));
            }
        }
        headers.extend(self.manner.iter().map(|(name, value)| (*name, value.as_str())));
        headers
    }
}

impl fmt::Display for Message {
    /// In one line, for the audit: a redactor has yet to look at it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sendmsg {}", self.channel.as_deref().unwrap_or("-"))?;
        match &self.action {
            Action::Execute { application, arguments } => write!(f, " execute {application} {arguments}"),
            Action::Hangup { cause } => write!(f, " hangup {}", cause.as_deref().unwrap_or_default()),
            Action::NoMedia { channel } => write!(f, " nomedia {channel}"),
            Action::Unicast(options) => {
                f.write_str(" unicast")?;
                options.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            Action::Extension(steps) => {
                f.write_str(" xferext")?;
                steps.iter().try_for_each(|(_, step)| write!(f, " &{step}"))
            }
        }
    }
}

/// The known headers of a message.
struct Given(Vec<(&'static str, String)>);

impl Given {
    fn read<'a>(headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Given, BadMessage> {
        let mut known = Vec::new();
        let mut length = 0;
        for (count, (name, value)) in headers.into_iter().enumerate() {
            length += name.len() + value.len();
            if count >= MOST_HEADERS || length > LONGEST {
                return Err(BadMessage::TooLong);
            }
            let Some(name) = KNOWN.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name)) else {
                continue;
            };
            if *name != "application" && known.iter().any(|(other, _)| other == name) {
                return Err(BadMessage::Twice(name));
            }
            let value = value_of(value).map_err(|why| BadMessage::Header(name, why))?;
            known.push((*name, value.to_owned()));
        }
        Ok(Given(known))
    }

    /// The value of a header; an empty one counts as none.
    fn take(&mut self, name: &'static str) -> Result<Option<String>, BadMessage> {
        let at = self.0.iter().position(|(other, _)| *other == name);
        Ok(at.map(|at| self.0.remove(at).1).filter(|value| !value.is_empty()))
    }

    fn name(&mut self, header: &'static str) -> Result<Option<String>, BadMessage> {
        match self.take(header)? {
            Some(value) if !is_name(&value) => Err(BadMessage::Header(header, "is no single word")),
            value => Ok(value),
        }
    }

    fn execute(&mut self, body: &[u8]) -> Result<Action, BadMessage> {
        let name = "execute-app-name";
        let application = self.take(name)?.ok_or(BadMessage::Header(name, "is missing"))?;
        // "app::args" without an argument is split by the switch.
        if !is_name(&application) {
            return Err(BadMessage::Header(name, "is not the name of an application"));
        }
        let mut arguments = self.take("execute-app-arg")?.unwrap_or_default();
        let is_text = self.take("content-type")?.is_some_and(|kind| kind.eq_ignore_ascii_case("text/plain"));
        if !body.trim_ascii().is_empty() {
            if !is_text || !arguments.is_empty() {
                return Err(BadMessage::Body);
            }
            let text =
                value_of(body.trim_ascii_end()).map_err(|why| BadMessage::Header("execute-app-arg", why))?;
            arguments = text.to_owned();
        }
        Ok(Action::Execute { application, arguments })
    }

    fn unicast(&mut self) -> Result<Action, BadMessage> {
        let mut options = Vec::new();
        for (name, kind) in UNICAST {
            let Some(value) = self.take(name)? else { continue };
            let is_right = match kind {
                Kind::Address => value.parse::<IpAddr>().is_ok(),
                Kind::Number(most) => value.parse::<u32>().is_ok_and(|number| number <= *most),
                Kind::Word | Kind::Truth => is_name(&value),
            };
            if !is_right {
                return Err(BadMessage::Header(name, "is not of its kind"));
            }
            options.push((*name, value));
        }
        Ok(Action::Unicast(options))
    }

    fn extension(&mut self) -> Result<Action, BadMessage> {
        let mut steps = Vec::new();
        while let Some(step) = self.take("application")? {
            let name = step.split(' ').next().unwrap_or_default();
            if !is_name(name) {
                return Err(BadMessage::Header(
                    "application",
                    "does not begin with the name of an application",
                ));
            }
            steps.push((name.to_owned(), step));
        }
        match steps.is_empty() {
            true => Err(BadMessage::Header("application", "is missing")),
            false => Ok(Action::Extension(steps)),
        }
    }

    /// Headers that go with every action.
    fn manner(&mut self) -> Result<Vec<(&'static str, String)>, BadMessage> {
        let mut manner = Vec::new();
        for (name, kind) in MANNER {
            let Some(value) = self.take(name)? else { continue };
            let value = match kind {
                Kind::Truth => match truth(&value) {
                    Some(truth) => truth.to_string(),
                    None => return Err(BadMessage::Header(name, "must be true or false")),
                },
                // "loops: -1": until the call ends.
                Kind::Number(_) if *name == "loops" && value == "-1" => value,
                Kind::Number(most) => match value.parse::<u32>() {
                    Ok(number) if number <= *most => number.to_string(),
                    _ => return Err(BadMessage::Header(name, "is no number, or too large")),
                },
                _ if !is_name(&value) => return Err(BadMessage::Header(name, "is no single word")),
                _ => value,
            };
            manner.push((*name, value));
        }
        Ok(manner)
    }
}

/// A value that means the same to everybody: UTF-8 without control characters, no array.
pub(crate) fn value_of(value: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "is not UTF-8")?.trim_matches(' ');
    if text.chars().any(crate::line::is_control) {
        return Err("holds a control character");
    }
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("ARRAY")) && text[5..].starts_with("::") {
        return Err("is an array");
    }
    if text.len() > LONGEST_VALUE {
        return Err("is too long");
    }
    Ok(text)
}

/// What FreeSWITCH takes for true, and what people write for false.
fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is(&["true", "yes", "on", "1"]), is(&["false", "no", "off", "0"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

enum Kind {
    Truth,
    Word,
    /// Up to this.
    Number(u32),
    Address,
}

const UNICAST: &[(&str, Kind)] = &[
    ("local-ip", Kind::Address),
    ("local-port", Kind::Number(65_535)),
    ("remote-ip", Kind::Address),
    ("remote-port", Kind::Number(65_535)),
    ("transport", Kind::Word),
    ("flags", Kind::Word),
];
const MANNER: &[(&str, Kind)] = &[
    ("async", Kind::Truth),
    ("loops", Kind::Number(1000)),
    ("event-lock", Kind::Truth),
    ("event-lock-pri", Kind::Truth),
    ("hold-bleg", Kind::Truth),
    ("lead-frames", Kind::Number(1000)),
    ("event-uuid", Kind::Word),
    ("event-uuid-name", Kind::Word),
];
const KNOWN: &[&str] = &[
    "call-command",
    "session-id",
    "execute-app-name",
    "execute-app-arg",
    "content-type",
    "hangup-cause",
    "nomedia-uuid",
    "application",
    "local-ip",
    "local-port",
    "remote-ip",
    "remote-port",
    "transport",
    "flags",
    "async",
    "loops",
    "event-lock",
    "event-lock-pri",
    "hold-bleg",
    "lead-frames",
    "event-uuid",
    "event-uuid-name",
];
const MOST_HEADERS: usize = 64;
const LONGEST: usize = 64 * 1024;
/// As long as a command may be.
pub(crate) const LONGEST_VALUE: usize = crate::Line::LONGEST;
