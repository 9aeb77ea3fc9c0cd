//! Lists as text, piece by piece.

use super::record::Line;
use super::{Format, What};
use axum::body::Bytes;
use guard::{Scope, Target, Time};
use hyper::body::{Frame, SizeHint};
use ipnet::IpNet;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One entry to write.
pub(super) struct Entry {
    pub(super) line: Line,
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) until: Option<Time>,
}

/// The text of a list, made while it is sent.
pub(super) struct Text<T> {
    items: std::vec::IntoIter<T>,
    entry: fn(&T) -> Entry,
    format: Format,
    what: What,
    /// How many entries there are.
    most: usize,
    now: Time,
    written: usize,
    left_out: usize,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Begin,
    Entries,
    End,
}

impl<T> Text<T> {
    pub(super) fn new(
        items: Vec<T>,
        entry: fn(&T) -> Entry,
        (what, format): (What, Format),
        now: Time,
    ) -> Text<T> {
        let most = items.len();
        let items = items.into_iter();
        Text { items, entry, format, what, most, now, written: 0, left_out: 0, state: State::Begin }
    }

    /// The next part, at least [`PART`] bytes unless it is the last.
    pub(super) fn part(&mut self) -> Vec<u8> {
        let mut text = Vec::with_capacity(PART + PART / 4);
        if self.state == State::Begin {
            self.begin(&mut text);
            self.state = State::Entries;
        }
        while text.len() < PART {
            let Some(item) = self.items.next() else {
                self.end(&mut text);
                self.state = State::End;
                break;
            };
            let entry = (self.entry)(&item);
            self.put(&entry, &mut text);
        }
        text
    }

    fn begin(&self, text: &mut Vec<u8>) {
        match self.format {
            Format::Json => text.push(b'['),
            Format::Csv => row(text, names(self.what)),
            Format::Ipset => {
                let most = self.most.max(65_536);
                for (name, kind, family) in sets(self.what) {
                    let line =
                        format!("create {name} {kind} family {family} maxelem {most} timeout 0 comment\n");
                    text.extend_from_slice(line.as_bytes());
                }
            }
        }
    }

    fn put(&mut self, entry: &Entry, text: &mut Vec<u8>) {
        match self.format {
            Format::Json => {
                text.extend_from_slice(if self.written == 0 { b"\n" } else { b",\n" });
                // Into memory, of a plain struct: it cannot fail.
                _ = serde_json::to_writer(&mut *text, &entry.line);
            }
            Format::Csv => row(text, cells(self.what, &entry.line)),
            Format::Ipset => match added(self.what, entry, self.now) {
                Some(line) => text.extend_from_slice(line.as_bytes()),
                None => {
                    self.left_out += 1;
                    return;
                }
            },
        }
        self.written += 1;
    }

    fn end(&self, text: &mut Vec<u8>) {
        match self.format {
            Format::Json => text.extend_from_slice(b"\n]\n"),
            Format::Ipset if self.left_out > 0 => {
                let line = format!(
                    "# {} entries for single ports or for everything have no place here\n",
                    self.left_out
                );
                text.extend_from_slice(line.as_bytes());
            }
            Format::Csv | Format::Ipset => {}
        }
    }
}

impl<T: Unpin> hyper::body::Body for Text<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready((!self.is_end_stream()).then(|| Ok(Frame::data(Bytes::from(self.part())))))
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::End
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The names of a table's columns.
fn names(what: What) -> &'static [&'static str] {
    match what {
        What::Bans => &["ip", "scope", "until", "reason", "note", "since", "by", "rule"],
        What::Allows => &["ip", "until", "userId", "domain", "since", "by"],
    }
}

fn cells(what: What, line: &Line) -> Vec<String> {
    let Line { ip, scope, until, reason, note, user_id, domain, since, by, rule } = line;
    let cells = match what {
        What::Bans => vec![ip, scope, until, reason, note, since, by, rule],
        What::Allows => vec![ip, until, user_id, domain, since, by],
    };
    cells.into_iter().map(|cell| harmless(cell)).collect()
}

fn row<C: AsRef<[u8]>>(text: &mut Vec<u8>, cells: impl IntoIterator<Item = C>) {
    let mut writer = csv::Writer::from_writer(text);
    // Into memory: it cannot fail.
    _ = writer.write_record(cells);
    _ = writer.flush();
}

/// A cell that no spreadsheet takes for a formula: an apostrophe before what might be one; `read` takes it away.
fn harmless(cell: &str) -> String {
    match cell.chars().next() {
        Some(first) if FORMULAS.contains(&first) => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}

/// The first characters before which an apostrophe is put; the apostrophe itself, so that it can be taken away again.
pub(super) const FORMULAS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// The sets of a list.
fn sets(what: What) -> Vec<(String, &'static str, &'static str)> {
    let scopes: &[&str] = match what {
        What::Bans => &["all", "sip"],
        What::Allows => &["allow"],
    };
    let kinds = [("ip4", "hash:ip", "inet"), ("net4", "hash:net", "inet"), ("net6", "hash:net", "inet6")];
    let all = scopes.iter().flat_map(|scope| {
        kinds.map(|(part, kind, family)| (format!("switchward-{scope}-{part}"), kind, family))
    });
    all.collect()
}

/// A line of `ipset save`; `None` for what its sets cannot hold.
fn added(what: What, entry: &Entry, now: Time) -> Option<String> {
    let net = match entry.target {
        Target::Port(..) => return None,
        Target::Host(_) | Target::Net(_) => entry.target.covers(),
    };
    let part = match net {
        IpNet::V4(v4) if v4.prefix_len() == 32 => "ip4",
        _ if net.prefix_len() == 0 => return None,
        IpNet::V4(_) => "net4",
        IpNet::V6(_) => "net6",
    };
    let scope = match (what, entry.scope) {
        (What::Allows, _) => "allow",
        (What::Bans, Scope::All) => "all",
        (What::Bans, Scope::Sip) => "sip",
    };
    let shown = if part == "ip4" { net.addr().to_string() } else { net.to_string() };
    // Zero is for good; what is about to end lasts a second.
    let timeout = entry.until.map_or(0, |until| until.since(now).as_secs().clamp(1, LONGEST_TIMEOUT));
    let comment: String = entry.line.reason.chars().filter(|c| *c != '"' && !c.is_control()).collect();
    let comment = cut(&comment, LONGEST_COMMENT);
    let comment = if comment.is_empty() { String::new() } else { format!(" comment \"{comment}\"") };
    Some(format!("add switchward-{scope}-{part} {shown} timeout {timeout}{comment}\n"))
}

/// The beginning of a text, at most `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes of text that are made at a time.
const PART: usize = 32 * 1024;
/// The longest timeout of an ipset in seconds (ipset(8)).
pub(super) const LONGEST_TIMEOUT: u64 = 2_147_483;
/// The longest comment of an ipset in bytes (ipset(8)).
const LONGEST_COMMENT: usize = 255;
