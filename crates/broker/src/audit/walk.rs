//! The walk along a journal that finds the first place where somebody changed it.
//!
//! Files come in order, one line at a time in bounded memory. The first broken line is kept; what follows is only looked at to
//! tell what was done there. Start with [`Walk::new`].

use super::chain::{Anchor, Key};
use super::line::{LONGEST, Parts};
use super::read::Record;
use std::fmt;
use std::io::{self, BufRead, Read};

/// What was done to a journal, as far as the lines tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The line is not as it was written.
    Changed,
    /// The line is whole but does not follow the one before it, which was replaced.
    Replaced,
    /// Lines are missing before this one.
    Removed {
        /// How many.
        lines: u64,
    },
    /// This line was put in.
    Inserted,
    /// This line comes before one that it followed.
    Reordered,
    /// The line stops in the middle though the journal went on in another file.
    Cut,
    /// The newest lines are gone: the anchor knows more.
    CutOff {
        /// How many.
        lines: u64,
    },
    /// The anchor has another hash for this line: all from some line on was written anew.
    Rewritten,
    /// The seal is not that of the key.
    WrongSeal,
    /// There is no seal where one must be.
    NotSealed,
    /// The file is sealed with a key that was not given.
    OtherKey,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Changed => write!(f, "this line was changed"),
            What::Replaced => write!(f, "this line does not follow the one before it, which was replaced"),
            What::Removed { lines: 1 } => write!(f, "a line before this one was removed"),
            What::Removed { lines } => write!(f, "{lines} lines before this one were removed"),
            What::Inserted => write!(f, "this line was put in"),
            What::Reordered => write!(f, "this line was moved: one that comes before it stands after it"),
            What::Cut => write!(f, "this line was cut short, though the journal goes on in another file"),
            What::CutOff { lines: 1 } => write!(f, "the line after this one, the newest, was cut off"),
            What::CutOff { lines } => write!(f, "the newest {lines} lines, after this one, were cut off"),
            What::Rewritten => {
                write!(f, "this line is not the one that the anchor knows: the journal was written anew")
            }
            What::WrongSeal => write!(f, "the seal of this line was not made with the key"),
            What::NotSealed => write!(f, "this line has no seal, though the journal is sealed with a key"),
            What::OtherKey => write!(f, "this file is sealed with another key than the one given"),
        }
    }
}

/// The first broken line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What was done.
    pub what: What,
}

/// A line at the very end that stops in the middle, as a crash leaves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// How much of it there is.
    pub bytes: usize,
}

/// Lines that the journal itself knows to be lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The file that tells it.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// How many.
    pub lost: u64,
    /// What the journal says about it.
    pub why: String,
}

/// What the walk found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Files.
    pub files: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Lines at the beginning that no key seals though one was given: the journal got its key later.
    pub unsealed: u64,
    /// The first line's number; 0 when there is none.
    pub first: u64,
    /// The last good line.
    pub last: Anchor,
    /// The first broken line.
    pub broken: Option<Broken>,
    /// A line that a crash left unfinished.
    pub torn: Option<Torn>,
    /// Where the journal tells that lines are lost; at most [`MOST_GAPS`].
    pub gaps: Vec<Gap>,
    /// All such places.
    pub gap_count: u64,
}

impl Report {
    /// Whether nothing at all is wrong.
    pub fn is_whole(&self) -> bool {
        self.broken.is_none() && self.torn.is_none() && self.gap_count == 0
    }
}

/// The most gaps in a report.
pub const MOST_GAPS: usize = 100;

/// Goes along the lines.
#[derive(Debug)]
pub struct Walk<'k> {
    keys: &'k [Key],
    /// The key of the file, when it is sealed and the key is known.
    key: Option<&'k Key>,
    anchor: Option<Anchor>,
    report: Report,
    file: String,
    line: u64,
    started: bool,
    sealed: bool,
    met_anchor: bool,
    looking: Looking,
}

/// What the next lines must tell about the broken one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Looking {
    /// Nothing.
    Not,
    /// Whether the next one follows the last good one.
    Next,
    /// Whether the missing one comes later.
    For(u64),
}

impl<'k> Walk<'k> {
    /// Seals are checked when there are keys, the end when there is an anchor.
    pub fn new(keys: &'k [Key], anchor: Option<Anchor>) -> Walk<'k> {
        Walk {
            keys,
            key: None,
            // An anchor of a journal without lines tells nothing.
            anchor: anchor.filter(|anchor| anchor.sequence > 0),
            report: Report::default(),
            file: String::new(),
            line: 0,
            started: false,
            sealed: false,
            met_anchor: false,
            looking: Looking::Not,
        }
    }

    /// Goes along the next file, given from its beginning.
    ///
    /// # Errors
    /// What reading says.
    pub fn file(&mut self, name: &str, mut reader: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        let mut number = 0;
        self.report.files += 1;
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            number += 1;
            // Something comes after what looked like a crash.
            if let Some(torn) = self.report.torn.take() {
                self.found(Broken { file: torn.file, line: torn.line, what: What::Cut }, Looking::Not);
            }
            if number == 1 {
                self.file = name.to_owned();
            }
            self.line = number;
            self.report.lines += 1;
            match line.strip_suffix(b"\n") {
                Some(line) => self.step(line),
                None if line.len() > LONGEST => {
                    self.broken(What::Changed, Looking::Not);
                    skip_line(&mut reader)?;
                }
                None => self.unfinished(&line),
            }
        }
    }

    /// All files were given.
    pub fn finish(mut self) -> Report {
        if !self.keys.is_empty() && !self.sealed && self.started {
            self.broken(What::NotSealed, Looking::Not);
        }
        if let Some(anchor) = self.anchor
            && !self.met_anchor
        {
            // An anchor from before the first line is none of these files' business.
            let missing = anchor.sequence.saturating_sub(self.report.last.sequence);
            if missing > 0 {
                self.broken(What::CutOff { lines: missing }, Looking::Not);
            }
        }
        self.report
    }

    fn step(&mut self, line: &[u8]) {
        if self.report.broken.is_some() {
            return self.look(line);
        }
        let expected = self.report.last.sequence.saturating_add(1);
        let Some(parts) = Parts::of(line).filter(Parts::is_right) else {
            return self.broken(What::Changed, Looking::Next);
        };
        let head = (parts.kind == b"head").then(|| Record::read(line)).flatten();
        if self.line == 1 && head.is_none() {
            return self.broken(
                What::Removed { lines: parts.sequence.saturating_sub(expected).max(1) },
                Looking::Not,
            );
        }
        if self.started {
            let lost = head.as_ref().map_or(0, |head| head.lost);
            if parts.sequence > expected.saturating_add(lost) {
                let lines = parts.sequence - expected - lost;
                return self.broken(What::Removed { lines }, Looking::For(expected));
            }
            if parts.sequence < expected.saturating_add(lost) {
                return self.broken(What::Inserted, Looking::Not);
            }
            if parts.prev != self.report.last.hash {
                return self.broken(What::Replaced, Looking::Not);
            }
        }
        if let Some(what) = self.seal(&parts, head.as_ref()) {
            return self.broken(what, Looking::Not);
        }
        let here = Anchor { sequence: parts.sequence, hash: parts.hash };
        if let Some(anchor) = self.anchor {
            if anchor.sequence == here.sequence {
                self.met_anchor = true;
            }
            // A line that the journal knows to be lost is met by the head that tells of it.
            let passed = self.started
                && anchor.sequence > self.report.last.sequence
                && anchor.sequence < here.sequence;
            self.met_anchor |= passed;
            if anchor.sequence == here.sequence && anchor.hash != here.hash {
                return self.broken(What::Rewritten, Looking::Not);
            }
        }
        if let Some(head) = head.filter(|head| head.lost > 0) {
            self.gap(head);
        }
        if !self.started {
            self.started = true;
            self.report.first = here.sequence;
        }
        self.report.last = here;
    }

    /// Whether the seal of a line is wrong.
    fn seal(&mut self, parts: &Parts<'_>, head: Option<&Record>) -> Option<What> {
        if self.keys.is_empty() {
            return None;
        }
        if let Some(head) = head {
            self.key = self.keys.iter().find(|key| key.id() == head.key);
            if self.key.is_none() && !head.key.is_empty() {
                return Some(What::OtherKey);
            }
        }
        match self.key {
            Some(key) if parts.mac.is_none() || !parts.is_sealed_by(key) => Some(What::WrongSeal),
            Some(_) => {
                self.sealed = true;
                None
            }
            None if self.sealed => Some(What::NotSealed),
            None => {
                self.report.unsealed += 1;
                None
            }
        }
    }

    fn gap(&mut self, head: Record) {
        self.report.gap_count += 1;
        if self.report.gaps.len() < MOST_GAPS {
            let gap = Gap { file: self.file.clone(), line: self.line, lost: head.lost, why: head.why };
            self.report.gaps.push(gap);
        }
    }

    /// The rest of a file that does not end with a line feed.
    fn unfinished(&mut self, rest: &[u8]) {
        if self.report.broken.is_some() {
            return;
        }
        // A crash leaves the beginning of the line that was to come.
        let begins = format!("{{\"seq\":{},\"kind\":\"", self.report.last.sequence.saturating_add(1));
        let same = begins.len().min(rest.len());
        if self.started && begins.as_bytes()[..same] != rest[..same] {
            return self.broken(What::Changed, Looking::Not);
        }
        self.report.torn = Some(Torn { file: self.file.clone(), line: self.line, bytes: rest.len() });
    }

    /// After the first broken line: what do the others tell about it?
    fn look(&mut self, line: &[u8]) {
        let what = match self.looking {
            Looking::Not => return,
            Looking::Next => {
                self.looking = Looking::Not;
                let follows = |parts: Parts<'_>| {
                    parts.is_right()
                        && parts.prev == self.report.last.hash
                        && parts.sequence == self.report.last.sequence.saturating_add(1)
                };
                Parts::of(line).is_some_and(follows).then_some(What::Inserted)
            }
            Looking::For(missing) => {
                let is_it =
                    Parts::of(line).is_some_and(|parts| parts.sequence == missing && parts.is_right());
                is_it.then_some(What::Reordered)
            }
        };
        if let (Some(what), Some(broken)) = (what, &mut self.report.broken) {
            broken.what = what;
            self.looking = Looking::Not;
        }
    }

    fn broken(&mut self, what: What, looking: Looking) {
        self.found(Broken { file: self.file.clone(), line: self.line, what }, looking);
    }

    fn found(&mut self, broken: Broken, looking: Looking) {
        if self.report.broken.is_none() {
            self.report.broken = Some(broken);
            self.looking = looking;
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf()?;
        let (used, is_end) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (bytes.len(), bytes.is_empty()),
        };
        reader.consume(used);
        if is_end {
            return Ok(());
        }
    }
}
