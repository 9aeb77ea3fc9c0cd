//! FreeSWITCH log lines as observations: what no event tells.
//!
//! The frames are those of the event socket's `log LEVEL` ([`LEVEL`] is enough); the texts are those of FreeSWITCH's own source
//! (sofia_reg.c, sofia.c, mod_event_socket.c, switch_core_session.c), 1.6 to 1.11. User names and domains in a line are the
//! attacker's. So a line counts only when the source file of its frame is one that says such things, its whole text has one of the
//! known shapes from the first byte to the last, and there is one way alone to read it; everything else is refused and counted.
//! Lines that repeat an event are passed over. Start with [`LogReader::read`].

use esl::Frame;
use guard::source::parse_ip;
use guard::{Evidence, Observation, Transport, What};
use memchr::memmem;
use std::net::IpAddr;

#[cfg(test)]
mod tests;

/// The level to subscribe to: WARNING. The lines that matter are of WARNING and CRIT.
pub const LEVEL: u8 = 4;

/// What was counted while reading log lines.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct LogCounts {
    /// Lines read.
    pub read: u64,
    /// Lines that became observations.
    pub matched: u64,
    /// Lines that say what an event says too; passed over.
    pub repeated: u64,
    /// Lines of a kind that counts whose text can be read in two ways, or not at all; refused.
    pub ambiguous: u64,
}

/// Reads the log of one switch.
#[derive(Debug)]
pub struct LogReader {
    switch: u16,
    counts: LogCounts,
}

impl LogReader {
    /// For the switch of this number.
    pub fn new(switch: u16) -> LogReader {
        LogReader { switch, counts: LogCounts::default() }
    }

    /// What was counted.
    pub fn counts(&self) -> LogCounts {
        self.counts
    }

    /// What a `log/data` frame says; `None` when it says nothing that the guard wants.
    pub fn read<'a>(&mut self, frame: &Frame<'a>) -> Option<Observation<'a>> {
        self.counts.read += 1;
        let (file, line) = (frame.header("Log-File")?, frame.header("Log-Line")?);
        let file = file.rsplit(|byte| *byte == b'/').next().unwrap_or(file);
        let source = Origin::of(file)?;
        let body = frame.body();
        let Some(text) = message(body.strip_suffix(b"\n").unwrap_or(body), file, line) else {
            self.counts.ambiguous += 1;
            return None;
        };
        match source.reading(text) {
            Reading::Other => None,
            Reading::Repeated => {
                self.counts.repeated += 1;
                None
            }
            Reading::Ambiguous => {
                self.counts.ambiguous += 1;
                None
            }
            Reading::Seen(seen) => {
                self.counts.matched += 1;
                Some(Observation {
                    ip: seen.ip,
                    transport: seen.transport,
                    evidence: seen.evidence,
                    user: seen.user,
                    domain: seen.domain,
                    ..Observation::of(self.switch, seen.what)
                })
            }
        }
    }
}

/// The source files whose lines are read. No client and no caller can write into a line's source file.
#[derive(Clone, Copy)]
enum Origin {
    Registrar,
    Calls,
    EventSocket,
    Sessions,
    Clock,
}

/// What a line says.
enum Reading<'a> {
    Other,
    Repeated,
    Ambiguous,
    Seen(Seen<'a>),
}

struct Seen<'a> {
    what: What<'static>,
    ip: Option<IpAddr>,
    transport: Transport,
    evidence: Evidence,
    user: &'a [u8],
    domain: &'a [u8],
}

impl Origin {
    fn of(file: &[u8]) -> Option<Origin> {
        Some(match file {
            b"sofia_reg.c" => Origin::Registrar,
            b"sofia.c" => Origin::Calls,
            b"mod_event_socket.c" => Origin::EventSocket,
            b"switch_core_session.c" => Origin::Sessions,
            b"switch_time.c" => Origin::Clock,
            _ => return None,
        })
    }

    fn reading(self, text: &[u8]) -> Reading<'_> {
        match self {
            Origin::Registrar => {
                if let Some(rest) = text.strip_prefix(UNKNOWN) {
                    return unknown_account(rest);
                }
                // Both have events: a challenge, a failure (and only with log-auth-failures these lines).
                if text.starts_with(b"SIP auth ") {
                    return Reading::Repeated;
                }
                let Some(rest) = text.strip_prefix(b"IP ") else { return Reading::Other };
                // The address of a line about a user's list may come from a header, X-AUTH-IP; and the refusal is a failure
                // with an event.
                match memmem::find(rest, b" Rejected by user acl ") {
                    Some(_) => Reading::Repeated,
                    None => rejected(rest, b" Rejected by register acl \"", Transport::Unknown),
                }
            }
            Origin::Calls => match text.strip_prefix(b"IP ") {
                // "Rejected ... Falling back to Digest auth." is followed by a challenge.
                Some(rest) if rest.ends_with(b"auth.") => Reading::Repeated,
                // Behind a proxy (apply-proxy-acl) the address is that of the header X-AUTH-IP.
                Some(rest) if memmem::find(rest, b" Rejected by ").is_some() => {
                    rejected(rest, b" Rejected by acl \"", Transport::Unknown)
                }
                _ => Reading::Other,
            },
            Origin::EventSocket => match text.strip_prefix(b"IP ") {
                Some(rest) => rejected(rest, b" Rejected by acl \"", Transport::Tcp),
                None => Reading::Other,
            },
            // One line for each session that is refused, from wherever it came: there is no address in it.
            Origin::Sessions => {
                let count = text
                    .strip_prefix(b"Throttle Error! ")
                    .or_else(|| text.strip_prefix(b"Over Session Limit! "));
                match count {
                    Some(count) if is_number(count) => Reading::Seen(Seen {
                        what: What::OverSessionRate,
                        ip: None,
                        transport: Transport::Unknown,
                        evidence: Evidence::Forgeable,
                        user: b"",
                        domain: b"",
                    }),
                    Some(_) => Reading::Ambiguous,
                    None => Reading::Other,
                }
            }
            // The same, summed up once a second.
            Origin::Clock if text.starts_with(b"Over Session Rate of ") => Reading::Repeated,
            Origin::Clock => Reading::Other,
        }
    }
}

/// `ADDRESS Rejected by ... "LIST"`, to the end. The list's name is the operator's.
fn rejected<'a>(rest: &'a [u8], words: &[u8], transport: Transport) -> Reading<'a> {
    let Some(at) = memmem::find(rest, words) else { return Reading::Ambiguous };
    let list = rest[at + words.len()..].strip_suffix(b"\"");
    let is_name = list.is_some_and(|list| !list.iter().any(|byte| matches!(byte, b'"' | b'\n' | b'\r')));
    match parse_ip(&rest[..at]).filter(|_| is_name) {
        Some(ip) => Reading::Seen(Seen {
            what: if transport.is_connected() { What::ClientRefused } else { What::AclRejected },
            ip: Some(ip),
            transport,
            // A request over UDP is refused by its sender's address before anything was sent there; a TCP connection stands.
            evidence: if transport.is_connected() { Evidence::Proven } else { Evidence::Forgeable },
            user: b"",
            domain: b"",
        }),
        None => Reading::Ambiguous,
    }
}

/// `USER@DOMAIN] from ADDRESS`, and nearly always two more lines, in which domain and user stand once more.
///
/// The switch writes "] from " once; when it is there more than once a name holds it. A name in the Authorization header holds
/// no quotation mark: FreeSWITCH cuts it off there.
fn unknown_account(rest: &[u8]) -> Reading<'_> {
    if rest.len() > LONGEST_LINE {
        return Reading::Ambiguous;
    }
    let mut separators = memmem::find_iter(rest, FROM);
    let (Some(at), None) = (separators.next(), separators.next()) else { return Reading::Ambiguous };
    let (account, rest) = (&rest[..at], &rest[at + FROM.len()..]);
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let Some(ip) = parse_ip(&rest[..end]) else { return Reading::Ambiguous };
    let names = match rest.get(end + 1..) {
        Some(advice) => names_twice(account, advice),
        None => names_once(account),
    };
    match names {
        // A nonce of the switch's was quoted before the account was looked up.
        Some((user, domain)) => Reading::Seen(Seen {
            what: What::UnknownAccount,
            ip: Some(ip),
            transport: Transport::Unknown,
            evidence: Evidence::Likely,
            user: short(user),
            domain: short(domain),
        }),
        None => Reading::Ambiguous,
    }
}

/// User and domain of an account, when both lines tell the same.
fn names_twice<'a>(account: &'a [u8], advice: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let advice = advice.strip_prefix(b"You must define a domain called '")?;
    let advice = advice
        .strip_suffix(b"in it's authentication credentials.")
        .or_else(|| advice.strip_suffix(b"in its authentication credentials."))?
        .strip_suffix(b"\" attribute\nand you must configure your device to use the proper domain ")?;
    let mut halves = advice.splitn(3, |byte| *byte == b'"');
    let (Some(domain), Some(user), None) = (halves.next(), halves.next(), halves.next()) else { return None };
    let domain = domain.strip_suffix(b"' in your directory and add a user with the id=")?;
    let written = account.strip_prefix(user)?.strip_prefix(b"@")?;
    (written == domain).then_some((&account[..user.len()], written))
}

/// User and domain of an account that stands alone: there must be one `@` only.
fn names_once(account: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = account.splitn(3, |byte| *byte == b'@');
    let (Some(user), Some(domain), None) = (halves.next(), halves.next(), halves.next()) else { return None };
    let is_odd = account.iter().any(|byte| matches!(byte, b'[' | b']' | b'\n' | b'\r'));
    (!is_odd).then_some((user, domain))
}

/// What stands after `DATE [IDLE% ][LEVEL] FILE:LINE `. FreeSWITCH 1.10.9 and later write the percentage of idle CPU.
fn message<'a>(text: &'a [u8], file: &[u8], line: &[u8]) -> Option<&'a [u8]> {
    let (date, mut rest) = text.split_at_checked(DATE.len())?;
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if !date.iter().zip(DATE).all(fits) {
        return None;
    }
    if let Some(percent) = rest.iter().take(8).position(|byte| *byte == b'%') {
        if !rest[..percent].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            return None;
        }
        rest = rest[percent + 1..].strip_prefix(b" ")?;
    }
    let rest = rest.strip_prefix(b"[")?;
    let level = rest.iter().take(10).position(|byte| !byte.is_ascii_uppercase())?;
    let rest = rest[level..].strip_prefix(b"] ")?;
    rest.strip_prefix(file)?.strip_prefix(b":")?.strip_prefix(line)?.strip_prefix(b" ")
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= 20 && text.iter().all(u8::is_ascii_digit)
}

fn short(text: &[u8]) -> &[u8] {
    &text[..text.len().min(super::LONGEST)]
}

const UNKNOWN: &[u8] = b"Can't find user [";
const FROM: &[u8] = b"] from ";
/// The shape of the date and the blank after it; 0 is any digit.
const DATE: &[u8] = b"0000-00-00 00:00:00.000000 ";
/// Longer ones are refused: user and domain are there twice, and a datagram holds 64 KiB.
const LONGEST_LINE: usize = 128 * 1024;
