//! What a client wants, read from its packet: [`Order`].
//!
//! Nothing of a packet but what is taken out of it here goes any further. Verbs ignore case, as FreeSWITCH's do; of its matching by
//! prefix only what programs in use send is taken over (`events`). A header that an order does not know is left out, above all
//! `console_execute`, with which FreeSWITCH would read the line as several commands.

use esl::{Format, server::Request};

/// See the module. Texts are as they came, without blanks around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order<'a> {
    /// `auth TOKEN`.
    Auth(&'a str),
    /// `userauth USER@DOMAIN:PASSWORD`.
    UserAuth(&'a str),
    Exit,
    Api(&'a str),
    /// With the id that the client wants to know its job by.
    BgApi(&'a str, Option<&'a str>),
    Event(Words<'a>),
    NixEvent(Words<'a>),
    NoEvents,
    MyEvents(&'a str, Option<Format>),
    Filter {
        header: &'a str,
        value: &'a str,
    },
    FilterDelete {
        header: &'a str,
        value: Option<&'a str>,
    },
    /// Headers and body are read from the packet.
    SendMsg(Option<&'a str>),
    SendEvent(&'a str),
    Log(&'a str),
    NoLog,
    /// With the seconds as they are written; it wants a channel of one's own, as the next two do.
    Linger(Option<&'a str>),
    NoLinger,
    /// With "on" or something else.
    DivertEvents(Option<&'a str>),
    GetVar(&'a str),
    /// FreeSWITCH knows it, but not so.
    Malformed(&'static str),
    /// FreeSWITCH does not know it.
    Unknown,
}

/// The words of `event` and `nixevent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Words<'a> {
    pub(super) format: Option<Format>,
    /// Before `CUSTOM`.
    pub(super) names: Vec<&'a str>,
    /// Whether `CUSTOM` is there.
    pub(super) custom: bool,
    /// After it.
    pub(super) subclasses: Vec<&'a str>,
}

impl<'a> Order<'a> {
    /// Reads a packet.
    pub(super) fn of(request: &'a Request) -> Order<'a> {
        let Ok(line) = str::from_utf8(request.line()) else {
            return if request.is_secret() { Order::Auth("") } else { Order::Malformed(NOT_UTF8) };
        };
        let (verb, rest) = match line.split_once(' ') {
            Some((verb, rest)) => (verb, Some(rest.trim_matches(' '))),
            None => (line, None),
        };
        let given = rest.filter(|rest| !rest.is_empty());
        match (verb.to_ascii_lowercase().as_str(), given) {
            // A password may begin or end with blanks.
            ("auth", Some(_)) => Order::Auth(line.get(5..).unwrap_or_default()),
            ("userauth", Some(_)) => Order::UserAuth(line.get(9..).unwrap_or_default()),
            ("exit", _) => Order::Exit,
            ("api", Some(command)) => Order::Api(command),
            ("bgapi", Some(command)) => match request.header("Job-UUID").map(str::from_utf8) {
                None => Order::BgApi(command, None),
                Some(Ok(job)) if is_job(job) => Order::BgApi(command, Some(job)),
                Some(_) => Order::Malformed("-ERR invalid Job-UUID"),
            },
            ("event" | "events", words) => Order::Event(Words::of(words.unwrap_or_default())),
            ("nixevent" | "nixevents", words) => Order::NixEvent(Words::of(words.unwrap_or_default())),
            ("noevents" | "noevent", _) => Order::NoEvents,
            ("myevents", Some(words)) => my_events(words),
            ("filter", Some(words)) => filter(words),
            ("sendmsg", uuid) => Order::SendMsg(uuid),
            ("sendevent", Some(name)) => Order::SendEvent(name),
            ("log", level) => Order::Log(level.unwrap_or("debug")),
            ("nolog", _) => Order::NoLog,
            ("linger", seconds) => Order::Linger(seconds),
            ("nolinger", _) => Order::NoLinger,
            ("divert_events", word) => Order::DivertEvents(word),
            ("getvar", Some(name)) => Order::GetVar(name),
            _ => Order::Unknown,
        }
    }
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let mut all = text.split(' ').filter(|word| !word.is_empty()).peekable();
        let format = all.peek().and_then(|word| format(word));
        if format.is_some() {
            all.next();
        }
        let mut words = Words { format, ..Words::default() };
        for word in all {
            if words.custom {
                words.subclasses.push(word);
            } else if word.eq_ignore_ascii_case("CUSTOM") {
                words.custom = true;
            } else {
                words.names.push(word);
            }
        }
        words
    }
}

fn format(word: &str) -> Option<Format> {
    [Format::Plain, Format::Json, Format::Xml]
        .into_iter()
        .find(|format| word.eq_ignore_ascii_case(format.as_str()))
}

fn my_events(words: &str) -> Order<'_> {
    // `myevents json` is for connections that the switch opened itself.
    match words.split_once(' ') {
        None if format(words).is_some() => Order::Malformed("-ERR invalid uuid"),
        None => Order::MyEvents(words, None),
        Some((uuid, word)) => Order::MyEvents(uuid, format(word.trim_matches(' '))),
    }
}

fn filter(words: &str) -> Order<'_> {
    let first = words.split(' ').next().unwrap_or_default();
    let rest = words[first.len()..].trim_start_matches(' ');
    let split = |text: &str| text.split_once(' ').map(|(header, value)| (header.len(), value.len()));
    if first.eq_ignore_ascii_case("delete") {
        return match split(rest) {
            _ if rest.is_empty() => Order::Malformed("-ERR invalid syntax"),
            None => Order::FilterDelete { header: rest, value: None },
            Some((header, value)) => Order::FilterDelete {
                header: &rest[..header],
                value: Some(rest[rest.len() - value..].trim_start_matches(' ')),
            },
        };
    }
    let both = if first.eq_ignore_ascii_case("add") { rest } else { words };
    match both.split_once(' ') {
        Some((header, value)) => Order::Filter { header, value: value.trim_start_matches(' ') },
        None => Order::Malformed("-ERR invalid syntax"),
    }
}

/// The id of a job is told to nobody but the client itself: it may be anything that is one word.
fn is_job(text: &str) -> bool {
    (1..=LONGEST_JOB).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const NOT_UTF8: &str = "-ERR the command is not UTF-8";
/// FreeSWITCH cuts it to 36 characters.
const LONGEST_JOB: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use esl::{CommandDecoder, Limits};

    fn request(packet: &[u8]) -> Request {
        let mut decoder = CommandDecoder::new(Limits::default());
        decoder.push(packet);
        decoder.next().unwrap().unwrap().into()
    }

    #[track_caller]
    fn reads(packet: &str, order: Order<'_>) {
        assert_eq!(Order::of(&request(packet.as_bytes())), order, "{packet:?}");
    }

    #[test]
    fn verbs_ignore_case_and_blanks_at_the_end_are_cut() {
        reads("API  status \r\n\r\n", Order::Api("status"));
        reads("api status\nconsole_execute: true\n\n", Order::Api("status"));
        reads("Exit\n\n", Order::Exit);
        reads("exitfoo\n\n", Order::Unknown);
        reads(" api status\n\n", Order::Unknown);
        reads("api\n\n", Order::Unknown);
        reads("api \n\n", Order::Unknown);
        reads("connect\n\n", Order::Unknown);
        reads("userauth 1000@pbx.example: x \n\n", Order::UserAuth("1000@pbx.example: x "));
    }

    #[test]
    fn what_follows_custom_is_a_subclass() {
        let words = |format, names: &[&'static str], custom, subclasses: &[&'static str]| Words {
            format,
            names: names.to_vec(),
            custom,
            subclasses: subclasses.to_vec(),
        };
        reads("EVENTS PLAIN ALL\n\n", Order::Event(words(Some(Format::Plain), &["ALL"], false, &[])));
        reads(
            "event json TALK custom a::b CHANNEL_CREATE\n\n",
            Order::Event(words(Some(Format::Json), &["TALK"], true, &["a::b", "CHANNEL_CREATE"])),
        );
        reads("event\n\n", Order::Event(Words::default()));
        reads("nixevent TALK\n\n", Order::NixEvent(words(None, &["TALK"], false, &[])));
    }

    #[test]
    fn filters_are_added_and_deleted() {
        let filter = |header, value| Order::Filter { header, value };
        let delete = |header, value| Order::FilterDelete { header, value };
        reads("filter Event-Name /^A B$/\n\n", filter("Event-Name", "/^A B$/"));
        reads("filter add Event-Name TALK\n\n", filter("Event-Name", "TALK"));
        reads("filter delete all\n\n", delete("all", None));
        reads("filter delete Event-Name TALK\n\n", delete("Event-Name", Some("TALK")));
        reads("filter Event-Name\n\n", Order::Malformed("-ERR invalid syntax"));
        reads("filter\n\n", Order::Unknown);
    }

    #[test]
    fn the_id_of_a_job_is_one_word() {
        reads("bgapi status\nJob-UUID: abc-1\n\n", Order::BgApi("status", Some("abc-1")));
        reads("bgapi status\nJob-UUID: a b\n\n", Order::Malformed("-ERR invalid Job-UUID"));
        reads("bgapi status\n\n", Order::BgApi("status", None));
    }

    #[test]
    fn what_is_not_utf8_is_no_order_and_no_password() {
        assert!(matches!(Order::of(&request(b"api st\xff\n\n")), Order::Malformed(_)));
        assert_eq!(Order::of(&request(b"auth \xff\n\n")), Order::Auth(""));
    }
}
