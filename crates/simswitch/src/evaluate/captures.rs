//! The captures of a real switch before a judge, by the labels beside them: [`labels`] and [`Recording::play`].
//!
//! The labels say who is who (`labels.txt` beside the captures). The recorded addresses are loopback ones, which are
//! trusted; they are judged as 198.18.0.0/16.

use super::{
    EvaluateError,
    book::{Book, Party},
    judge::{Bench, Judge},
    score::Score,
};
use crate::{
    capture::Capture,
    scenario::{Label, Source},
};
use extract::freeswitch::Extractor;
use guard::{Observation, Time, What};
use ipnet::IpNet;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// A capture and who is who in it.
#[derive(Debug)]
pub(super) struct Recording {
    capture: String,
    path: PathBuf,
    parties: Vec<(Label, Vec<Source>, String)>,
}

/// Reads `labels.txt` in a directory: a line has the capture, a label, addresses or networks with commas between, and what
/// they do.
pub(super) fn labels(directory: &Path) -> Result<Vec<Recording>, EvaluateError> {
    let path = directory.join("labels.txt");
    let bad = |line: usize, problem: String| EvaluateError::Labels { path: path.clone(), line, problem };
    let text = std::fs::read_to_string(&path).map_err(|error| bad(0, error.to_string()))?;
    let mut recordings: Vec<Recording> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(capture), Some(label), Some(addresses)) = (words.next(), words.next(), words.next()) else {
            return Err(bad(number + 1, "a line has a capture, a label and addresses".into()));
        };
        if recordings.last().is_none_or(|recording| recording.capture != capture) {
            let path = directory.join(format!("{capture}.plain.esl.zst"));
            recordings.push(Recording { capture: capture.into(), path, parties: Vec::new() });
        }
        let label = match label {
            "healthy" => Label::Healthy,
            "attacker" => Label::Attacker,
            // Nothing has to be found there, and nothing is wrong with a ban.
            "open" => continue,
            other => return Err(bad(number + 1, format!("{other:?} is none of healthy, attacker, open"))),
        };
        let sources = addresses.split(',').map(source).collect::<Result<Vec<_>, _>>();
        let sources = sources.map_err(|problem| bad(number + 1, problem))?;
        let role = words.collect::<Vec<_>>().join(" ");
        if let Some(recording) = recordings.last_mut() {
            recording.parties.push((label, sources, format!("{role} ({addresses})")));
        }
    }
    Ok(recordings)
}

fn source(text: &str) -> Result<Source, String> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let net = net.map_err(|_| format!("{text:?} is neither an address nor a network"))?;
    Ok(Source { address: mapped(net.network()), prefix: net.prefix_len(), port: None })
}

/// 127.0.x.y is judged as 198.18.x.y.
fn mapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.octets()[..2] == [127, 0] => {
            let [_, _, third, fourth] = v4.octets();
            Ipv4Addr::new(198, 18, third, fourth).into()
        }
        other => other,
    }
}

impl Recording {
    pub(super) fn name(&self) -> String {
        format!("capture:{}", self.capture)
    }

    /// Plays the capture before a judge. What comes from a source after its ban is not heard.
    pub(super) fn play(&self, judge: Judge) -> Result<Score, EvaluateError> {
        let capture = Capture::load(&self.path)
            .map_err(|source| EvaluateError::Capture { path: self.path.clone(), source })?;
        let parties = self
            .parties
            .iter()
            .map(|(label, sources, role)| Party::new(role.as_str(), *label, sources.clone(), true));
        let mut book = Book::new(parties.collect());
        let mut bench = Bench::new(judge, &[]);
        let mut extractor = Extractor::new(0, "pbx.example");
        let mut tries: Vec<Tries> = vec![Tries::default(); self.parties.len()];
        let (mut first, mut now) = (None, Time::ZERO);
        let mut found = Vec::new();
        for event in capture.events() {
            let view = event.view();
            let stamp = view.timestamp().map_or(now, Time::from_micros);
            let Some(mut seen) = extractor.read(view) else { continue };
            now = now.max(stamp);
            let at = now.since(*first.get_or_insert(now));
            bench.pass(now, &mut found);
            for finding in found.drain(..) {
                book.find(None, at, &finding);
            }
            seen.ip = seen.ip.map(mapped);
            let party = seen.ip.and_then(|ip| book.at(ip));
            let dropped = seen.ip.is_some_and(|ip| bench.drops(ip, seen.port, now));
            if let (Some(party), Some(ip)) = (party, seen.ip) {
                let source = SocketAddr::new(ip, seen.port);
                book.step(party, at, source, dropped, || bench.why(ip, seen.port, now));
                tries[party].count(&seen, dropped);
            }
            if dropped {
                continue;
            }
            bench.observe(&seen, now, &mut found);
            for finding in found.drain(..) {
                book.find(party, at, &finding);
            }
        }
        for (number, tries) in tries.iter().enumerate() {
            if let Some(party) = book.party(number) {
                (party.attempts, party.blocked) = tries.attempts();
            }
        }
        Ok(book.score())
    }
}

/// A try makes several events: its challenge and its failure, or a call.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    /// Challenges, failures and calls: heard, and dropped.
    challenges: [u64; 2],
    failures: [u64; 2],
    calls: [u64; 2],
}

impl Tries {
    fn count(&mut self, seen: &Observation<'_>, dropped: bool) {
        let counter = match seen.what {
            What::Challenged => &mut self.challenges,
            What::AuthFailed(_) | What::CallAbandoned => &mut self.failures,
            What::CallStarted { .. } => &mut self.calls,
            _ => return,
        };
        counter[usize::from(dropped)] += 1;
    }

    /// All tries, and those that were dropped.
    fn attempts(&self) -> (u64, u64) {
        let of = |which: usize| self.challenges[which].max(self.failures[which]) + self.calls[which];
        let sum = |counts: [u64; 2]| counts[0] + counts[1];
        let all = sum(self.challenges).max(sum(self.failures)) + sum(self.calls);
        (all, all.saturating_sub(of(0)))
    }
}
