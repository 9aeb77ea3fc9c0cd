//! Syslog, RFC 5424: a datagram (RFC 5426), octet-counted over TCP (RFC 6587), or the local socket.
//!
//! [`SyslogAddress`] is where; [`frame`] makes the message. A TCP connection is made for each message: there are few, and a
//! receiver that went away is noticed by the message that it did not get.

use super::letter::Letter;
use crate::clock;
use crate::config::{self, Facility};
use crate::outgoing::Failure;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, lookup_host};

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// Host and port, a datagram for each message.
    Udp(String),
    /// Host and port.
    Tcp(String),
    /// A socket of this machine.
    Unix(PathBuf),
}

impl FromStr for SyslogAddress {
    type Err = String;

    /// Reads "udp://host:port", "tcp://host:port" or "unix:/path".
    fn from_str(text: &str) -> Result<SyslogAddress, String> {
        let expected = || "\"udp://HOST:PORT\", \"tcp://HOST:PORT\" or \"unix:/dev/log\"".to_owned();
        let (kind, rest) = text.split_once(':').ok_or_else(expected)?;
        if kind == "unix" {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return if path.starts_with('/') {
                Ok(SyslogAddress::Unix(path.into()))
            } else {
                Err(expected())
            };
        }
        let place = rest.strip_prefix("//").ok_or_else(expected)?;
        let (host, port) = place.rsplit_once(':').ok_or_else(expected)?;
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@');
        // A colon in the host is that of an IPv6 address, which stands in brackets.
        let is_whole = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        if !is_host || !is_whole || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(expected());
        }
        match kind {
            "udp" => Ok(SyslogAddress::Udp(place.into())),
            "tcp" => Ok(SyslogAddress::Tcp(place.into())),
            _ => Err(expected()),
        }
    }
}

/// A syslog server.
pub(super) struct Syslog {
    address: SyslogAddress,
    facility: u8,
}

impl Syslog {
    pub(super) fn new(config: &config::Syslog) -> Result<Syslog, String> {
        Ok(Syslog { address: config.address.parse()?, facility: number(config.facility) })
    }

    pub(super) async fn send(&self, letter: &Letter, text: &str, host: &str) -> Result<(), Failure> {
        let frame = frame(letter, text, host, self.facility);
        let sent = match &self.address {
            SyslogAddress::Udp(place) => datagram(place, &frame).await,
            SyslogAddress::Tcp(place) => octets(place, &frame).await,
            SyslogAddress::Unix(path) => match UnixDatagram::unbound() {
                Ok(socket) => socket.send_to(frame.as_bytes(), path).await.map(|_| ()),
                Err(error) => Err(error),
            },
        };
        sent.map_err(|error| Failure::passing(error.to_string()))
    }
}

async fn datagram(place: &str, frame: &str) -> std::io::Result<()> {
    let mut last = std::io::Error::other("the name has no address");
    for address in lookup_host(place).await? {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local).await?;
        match socket.send_to(frame.as_bytes(), address).await {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn octets(place: &str, frame: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(place).await?;
    stream.write_all(format!("{} {frame}", frame.len()).as_bytes()).await?;
    stream.shutdown().await
}

/// A message of RFC 5424; at most [`LONGEST`] bytes, cut at the end of the text.
fn frame(letter: &Letter, text: &str, host: &str, facility: u8) -> String {
    let priority = u16::from(facility) * 8 + letter.severity as u16;
    let (host, process, id) = (name(host), std::process::id(), letter.text.word().to_ascii_uppercase());
    let mut frame =
        format!("<{priority}>1 {} {host} switchward {process} {id} ", clock::rfc3339(Some(letter.at)));
    _ = write!(
        frame,
        "[switchward@{ENTERPRISE} event=\"{}\" id=\"{}\"",
        letter.text.word(),
        value(&letter.id)
    );
    if !letter.switch.is_empty() {
        _ = write!(frame, " switch=\"{}\"", value(&letter.switch));
    }
    for (key, text) in &letter.values {
        // The text has these already, and it may be long.
        if !text.is_empty() && !matches!(*key, "message" | "reason" | "summary" | "trouble" | "text") {
            _ = write!(frame, " {key}=\"{}\"", value(text));
        }
    }
    frame.push_str("] ");
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !line.is_ascii() {
        // Tells the receiver that it is UTF-8 (section 6.4).
        frame.push('\u{feff}');
    }
    frame.push_str(&line);
    let mut end = frame.len().min(LONGEST);
    while !frame.is_char_boundary(end) {
        end -= 1;
    }
    frame.truncate(end);
    frame
}

/// A value of structured data: three signs are escaped (section 6.3.3).
fn value(text: &str) -> String {
    let mut made = String::new();
    for c in text.chars().filter(|c| !c.is_control()).take(128) {
        if matches!(c, '"' | '\\' | ']') {
            made.push('\\');
        }
        made.push(c);
    }
    made
}

/// The host's name, or "-": printable ASCII without blanks (section 6.2.4).
fn name(host: &str) -> &str {
    let fits = !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { host } else { "-" }
}

fn number(facility: Facility) -> u8 {
    match facility {
        Facility::Daemon => 3,
        Facility::Auth => 4,
        Facility::Authpriv => 10,
        Facility::Local0 => 16,
        Facility::Local1 => 17,
        Facility::Local2 => 18,
        Facility::Local3 => 19,
        Facility::Local4 => 20,
        Facility::Local5 => 21,
        Facility::Local6 => 22,
        Facility::Local7 => 23,
    }
}

/// What every receiver should take in one datagram (RFC 5426 section 3.2).
const LONGEST: usize = 2048;
/// The enterprise number for documentation (RFC 5612); there is none of our own.
const ENTERPRISE: u32 = 32473;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::kind::{Kind, Severity};
    use crate::notify::template::Text;
    use guard::Time;

    fn letter(user: &str) -> Letter {
        Letter {
            id: "7".into(),
            at: Time::from_secs(1_795_234_698),
            text: Text::Event(Kind::Ban),
            severity: Severity::Warning,
            switch: "pbx".into(),
            title: "Banned 192.0.2.1".into(),
            values: vec![("target", "192.0.2.1".into()), ("users", user.into()), ("reason", "long".into())],
            data: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_message_is_what_the_standard_says() {
        let made = frame(&letter("1000"), "hello\nyou", "pbx1", 16);
        let process = std::process::id();
        assert_eq!(
            made,
            format!(
                "<132>1 2026-11-21T04:18:18Z pbx1 switchward {process} BAN [switchward@32473 event=\"ban\" id=\"7\" \
                 switch=\"pbx\" target=\"192.0.2.1\" users=\"1000\"] hello you"
            )
        );
    }

    #[test]
    fn no_name_ends_the_structured_data_and_only_what_is_not_ascii_gets_a_mark() {
        let made = frame(&letter("\"]\n\\<!channel>"), "ä", "a b", 3);
        assert!(made.contains(r#"users="\"\]\\<!channel>"] "#), "{made}");
        assert!(made.starts_with("<28>1 2026-11-21T04:18:18Z - switchward "), "{made}");
        assert!(made.ends_with("] \u{feff}ä"), "{made}");
        let long = frame(&letter("x"), &"ä".repeat(5000), "a", 3);
        assert!(long.len() <= LONGEST && long.len() > LONGEST - 2);
    }

    #[test]
    fn addresses_are_read_or_refused() {
        let read = |text: &str| text.parse::<SyslogAddress>();
        assert_eq!(read("udp://[2001:db8::1]:514"), Ok(SyslogAddress::Udp("[2001:db8::1]:514".into())));
        assert_eq!(read("tcp://log.example:601"), Ok(SyslogAddress::Tcp("log.example:601".into())));
        for text in ["unix:/dev/log", "unix:///dev/log"] {
            assert_eq!(read(text), Ok(SyslogAddress::Unix("/dev/log".into())));
        }
        for text in [
            "",
            "log.example:514",
            "udp://log.example",
            "udp://2001:db8::1:514",
            "tls://a:1",
            "udp://a:0",
            "unix:log",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
