//! Captures: which files there are, in which order, and the events in one.
//!
//! Start with [`captures`], which knows what a directory of recordings looks like, and [`play`].

use super::{Error, Summary};
use esl::{Decoder, End, EventView, Frame, FrameKind, Limits};
use source::Source;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod source;

/// The captures that were named, in the order in which they are to be played.
pub struct Captures {
    files: Vec<PathBuf>,
    /// Those that a directory stood for: nobody asked for this one or that one of them.
    found: HashSet<PathBuf>,
}

impl Captures {
    /// The files.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Plays one after the other. A file that was named must hold an event; one of a directory may hold none.
    ///
    /// # Errors
    /// The first one of `play`.
    pub fn each(&self, mut play: impl FnMut(&Path) -> Result<(), Error>) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| match play(file) {
            Err(Error::NoEvents { .. }) if self.found.contains(file) => Ok(()),
            played => played,
        })
    }
}

/// The captures that `paths` name. A directory stands for those in it by name, which for recordings is their order in time; one that is
/// there twice, because it is being compressed at this moment, counts once.
///
/// # Errors
/// When a directory cannot be read or holds no capture.
pub fn captures(paths: &[PathBuf]) -> Result<Captures, Error> {
    let (mut files, mut of_directories) = (Vec::new(), HashSet::new());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let directory = path.display().to_string();
        let read = |error| Error::Read { file: directory.clone(), error };
        let mut found = Vec::new();
        for entry in path.read_dir().map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if !name.starts_with('.') && (name.ends_with(PLAIN) || name.ends_with(COMPRESSED)) {
                found.push(entry.path());
            }
        }
        found.sort();
        // "x.esl" stands right before "x.esl.zst".
        found.dedup_by(|later, kept| {
            let is_twice = kept.as_os_str().len() + COMPRESSED.len() - PLAIN.len() == later.as_os_str().len()
                && later.as_os_str().as_encoded_bytes().starts_with(kept.as_os_str().as_encoded_bytes());
            if is_twice {
                std::mem::swap(later, kept);
            }
            is_twice
        });
        if found.is_empty() {
            return Err(Error::Empty { directory });
        }
        of_directories.extend(found.iter().cloned());
        files.append(&mut found);
    }
    Ok(Captures { files, found: of_directories })
}

/// How the name of a plain capture ends.
pub(crate) const PLAIN: &str = ".esl";
/// How the name of a compressed one ends.
pub(crate) const COMPRESSED: &str = ".esl.zst";

/// What a file had in it.
#[derive(Clone, Copy)]
pub(super) struct Played {
    bytes: u64,
    events: u64,
    cut_off: bool,
    took: Duration,
}

impl Played {
    /// Adds it to `summary`.
    ///
    /// # Errors
    /// When the file held no event.
    pub(super) fn account(self, path: &Path, summary: &mut Summary) -> Result<(), Error> {
        summary.bytes += self.bytes;
        summary.cut_off += u64::from(self.cut_off);
        summary.took += self.took;
        if self.events == 0 {
            return Err(Error::NoEvents { file: path.display().to_string() });
        }
        Ok(())
    }
}

/// What a capture has that can be judged.
#[derive(Clone, Copy)]
pub(super) enum Heard<'a> {
    /// An event.
    Event(EventView<'a>),
    /// A line of the switch's log.
    Log(Frame<'a>),
}

/// Gives `tell` all that can be judged of a file.
pub(super) fn play(path: &Path, tell: &mut dyn FnMut(Heard<'_>)) -> Result<Played, Error> {
    let file = path.display().to_string();
    let read = |error| Error::Read { file: file.clone(), error };
    let mut source = Source::open(path).map_err(read)?;
    let mut decoder = Decoder::new(Limits::default());
    let (started, mut events, mut bytes) = (Instant::now(), 0, 0u64);
    loop {
        let read_now = source.read(decoder.space()).map_err(read)?;
        decoder.filled(read_now);
        bytes += read_now as u64;
        loop {
            let frame = decoder.next().map_err(|error| Error::Broken { file: file.clone(), error, bytes })?;
            let Some(frame) = frame else { break };
            match (frame.kind(), frame.event()) {
                (_, Some(Ok(event))) => {
                    events += 1;
                    tell(Heard::Event(event));
                }
                (FrameKind::LogData, _) => tell(Heard::Log(frame)),
                _ => {}
            }
        }
        if read_now == 0 {
            break;
        }
    }
    let cut_off = source.is_cut_off() || matches!(decoder.finish(), End::Truncated { .. });
    Ok(Played { bytes, events, cut_off, took: started.elapsed() })
}
