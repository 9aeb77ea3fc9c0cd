//! Opening: finds where the chain ends, sets aside what a crash left unfinished, and tells what is missing.

use super::writer::Writer;
use super::{Settings, Trouble, files};
use crate::audit::{Anchor, Entry, LONGEST_LINE, Record, Walk, line_anchor};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What was found when a journal was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Opened {
    /// The last line that was there before; number 0 for a new journal.
    pub found: Anchor,
    /// Where the beginning of a line that a crash left was moved, and its bytes.
    pub torn: Option<(PathBuf, u64)>,
    /// Lines that the anchor knows and the files have not: the end was cut off, or a power cut took it.
    pub lost: u64,
    /// What is wrong with the newest lines otherwise.
    pub damaged: Option<String>,
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error(
        "the audit in {0} is written by another process; stop that one, or give this one a directory of its own"
    )]
    InUse(PathBuf),
    /// It cannot be read and written.
    #[error("cannot open the audit in {path}: {reason}; make it writable for this user")]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl OpenError {
    fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
        |error| OpenError::Unusable { path: path.into(), reason: error.to_string() }
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> OpenError {
        OpenError::Unusable { path: trouble.path, reason: trouble.reason }
    }
}

pub(super) fn open(
    settings: Settings,
    anchor: Option<Anchor>,
    at: u64,
) -> Result<(Writer, Opened), OpenError> {
    let directory = settings.directory.clone();
    files::make_directory(&directory).map_err(OpenError::at(&directory))?;
    let lock = lock(&directory)?;
    let (end, torn) = end_of_all(&directory, &settings, at).map_err(OpenError::at(&directory))?;
    let anchor = anchor.unwrap_or_default();
    let mut opened = Opened { found: end.last, torn, lost: 0, damaged: end.damaged };
    if anchor.sequence > end.last.sequence {
        opened.lost = anchor.sequence - end.last.sequence;
    } else if anchor.sequence == end.last.sequence && anchor.hash != end.last.hash {
        opened.damaged.get_or_insert("the last line is not the one that was written".into());
    }
    let key = settings.key.as_ref().map_or("", |key| key.id()).to_owned();
    let mut writer = Writer::new(settings, lock, end.last, at);
    // Numbers that are in use, readable or not, are not used again.
    let lost = opened.lost.max(end.after);
    let why = if opened.lost > 0 {
        Some("the newest lines that are remembered elsewhere are missing")
    } else if opened.damaged.is_some() {
        Some("the end of the file before is damaged")
    } else if end.file.is_none() {
        Some("a new file")
    } else if end.key != key {
        Some("another key")
    } else {
        None
    };
    match (why, end.file) {
        (None, Some(path)) => {
            let file = files::append(&path).map_err(OpenError::at(&path))?;
            writer.go_on(path.clone(), file, files::day_or(&path, at)).map_err(OpenError::at(&path))?;
        }
        (why, _) => writer.begin(at, why.unwrap_or("a new file"), lost)?,
    }
    for text in notes(&opened) {
        writer.write(&Entry::Note { at, text: &text })?;
    }
    Ok((writer, opened))
}

fn notes(opened: &Opened) -> Vec<String> {
    let mut notes = vec!["the journal was opened".to_owned()];
    if let Some((path, bytes)) = &opened.torn {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        notes.push(format!("{bytes} bytes of an unfinished line were set aside in {name}"));
    }
    if opened.lost > 0 {
        notes.push(format!("the newest {} lines that are remembered elsewhere are missing", opened.lost));
    }
    if let Some(damaged) = &opened.damaged {
        notes.push(format!("the end of the journal was found damaged: {damaged}"));
    }
    notes
}

/// Makes a directory ours alone, until the file is dropped.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let lock = File::open(directory).map_err(OpenError::at(directory))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.into())),
        Err(TryLockError::Error(error)) => Err(OpenError::at(directory)(error)),
    }
}

/// Where a journal ends.
#[derive(Default)]
struct End {
    last: Anchor,
    /// The file to go on in.
    file: Option<PathBuf>,
    /// Its key's name.
    key: String,
    /// Lines after the last good one.
    after: u64,
    damaged: Option<String>,
}

fn end_of_all(directory: &Path, settings: &Settings, at: u64) -> io::Result<(End, Option<(PathBuf, u64)>)> {
    let (mut after, mut damaged, mut torn) = (0, None, None);
    for path in files::list(directory)?.into_iter().rev() {
        if path.metadata()?.len() == 0 {
            fs::remove_file(&path)?;
            continue;
        }
        let mut file = File::open(&path)?;
        let (whole, scrap) = whole_lines(&mut file)?;
        if !scrap.is_empty() && torn.is_none() && damaged.is_none() {
            torn = Some(set_aside(&path, whole, &scrap, settings.mode, at)?);
        }
        if whole == 0 {
            fs::remove_file(&path)?;
            continue;
        }
        if damaged.is_none()
            && let Some(last) = last_line(&mut file, whole)?.as_deref().and_then(line_anchor)
        {
            let key = key_of(&path)?;
            return Ok((End { last, file: Some(path), key, after, damaged }, torn));
        }
        // Somebody changed it; the good lines before that are found by walking from its beginning.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut walk = Walk::new(&[], None);
        walk.file(&name, BufReader::new(File::open(&path)?))?;
        let report = walk.finish();
        if let Some(broken) = report.broken {
            damaged.get_or_insert(format!("{} line {}: {}", broken.file, broken.line, broken.what));
        }
        if report.last.sequence > 0 {
            after += report.lines - (report.last.sequence + 1 - report.first).min(report.lines);
            return Ok((
                End { last: report.last, file: Some(path), key: String::new(), after, damaged },
                torn,
            ));
        }
        after += report.lines;
    }
    Ok((End { after, damaged, ..End::default() }, torn))
}

/// How many bytes the whole lines have, and what comes after them.
fn whole_lines(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LONGEST_LINE as u64);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(LONGEST_LINE as u64).read_to_end(&mut end)?;
    Ok(match end.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => (from + at as u64 + 1, end.split_off(at + 1)),
        None => (from, end),
    })
}

/// Moves the beginning of a line out of the way.
fn set_aside(path: &Path, whole: u64, scrap: &[u8], mode: u32, at: u64) -> io::Result<(PathBuf, u64)> {
    use std::io::Write;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!("{name}.torn-{at}"));
    let mut kept = files::create(&aside, mode)?;
    kept.write_all(scrap)?;
    kept.sync_data()?;
    let file = files::append(path)?;
    file.set_len(whole)?;
    file.sync_data()?;
    Ok((aside, scrap.len() as u64))
}

/// The last whole line, without its line feed; `None` when it is longer than any.
fn last_line(file: &mut File, whole: u64) -> io::Result<Option<Vec<u8>>> {
    let from = whole.saturating_sub(LONGEST_LINE as u64 + 1);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(whole - from).read_to_end(&mut end)?;
    end.pop();
    Ok(match end.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Some(end.split_off(at + 1)),
        None if from == 0 => Some(end),
        None => None,
    })
}

/// The name of the key in the first line.
fn key_of(path: &Path) -> io::Result<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
    Ok(Record::read(&line).map_or_else(String::new, |record| record.key))
}
