//! Server-sent events as they come from the daemon (WHATWG HTML, section 9.2), with a bound on what one may be.

use super::Failure;
use super::client::Talking;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::time::Duration;

/// What follows the daemon's stream.
pub(crate) struct Events {
    url: String,
    body: Incoming,
    parser: Parser,
    _talking: Talking,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its name.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
}

impl Events {
    pub(super) fn new(url: String, body: Incoming, talking: Talking) -> Events {
        Events { url, body, parser: Parser::default(), _talking: talking }
    }

    /// The next event.
    ///
    /// # Errors
    /// When the daemon closes the stream, falls silent, or says what is no event.
    pub(crate) async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            if let Some(told) = self.parser.told.pop_front() {
                return Ok(told);
            }
            let over = |reason: &str| Failure::NotRunning { url: self.url.clone(), reason: reason.into() };
            match tokio::time::timeout(LONGEST_SILENCE, self.body.frame()).await {
                Err(_) => return Err(over("the stream fell silent")),
                Ok(None) => return Err(over("the stream was closed")),
                Ok(Some(Err(error))) => return Err(over(&error.to_string())),
                Ok(Some(Ok(frame))) => {
                    let fits = frame.data_ref().is_none_or(|bytes| self.parser.take(bytes));
                    if !fits {
                        return Err(Failure::Stranger {
                            url: self.url.clone(),
                            reason: "an event without an end".into(),
                        });
                    }
                }
            }
        }
    }

    /// The number to go on after.
    pub(crate) fn last(&self) -> &str {
        &self.parser.id
    }
}

/// Makes events of bytes that come in any pieces.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    id: String,
    told: VecDeque<Told>,
}

impl Parser {
    /// Takes what came; false when an event grows beyond all bounds.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + piece.len() > LARGEST {
                return false;
            }
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            }
        }
        true
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            if !data.is_empty() {
                self.told.push_back(Told { name, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.into(),
            "id" if !value.contains('\0') => self.id = value.into(),
            "data" if self.data.is_empty() => self.data = value.into(),
            "data" => {
                self.data.push('\n');
                self.data += value;
            }
            // A comment, or what a later daemon may say.
            _ => {}
        }
    }
}

/// The daemon says something at least every 15 s.
const LONGEST_SILENCE: Duration = Duration::from_secs(40);
/// Bytes of one event.
const LARGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, data: &str) -> Told {
        Told { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_read_in_any_pieces() {
        let text = ": now\nid: 7\n\nretry: 2000\nevent: ban\nid: 8\ndata: {\"a\":1}\n\nevent:unban\r\ndata:x\r\ndata: y\r\n\r\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            assert!(text.as_bytes().chunks(size).all(|piece| parser.take(piece)));
            assert_eq!(parser.told, [told("ban", "{\"a\":1}"), told("unban", "x\ny")]);
            assert_eq!(parser.id, "8");
        }
    }

    #[test]
    fn a_comment_with_a_number_is_no_event_but_counts() {
        let mut parser = Parser::default();
        assert!(parser.take(b": keep-alive\nid: 12\n\n"));
        assert!(parser.told.is_empty());
        assert_eq!(parser.id, "12");
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; LARGEST / 4];
        assert!(parser.take(&piece) && parser.take(&piece) && parser.take(&piece));
        assert!(!parser.take(&piece) || !parser.take(&piece));
    }
}
