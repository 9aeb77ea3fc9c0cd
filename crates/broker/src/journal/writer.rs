//! Who appends: one file at a time, begun anew by size and day, mended after a failure.

use super::{Settings, Sync, Trouble, files, open};
use crate::audit::{Anchor, Chain, Entry, Head, stamp};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Writer {
    settings: Settings,
    /// Held for the lock on it: one process alone writes here.
    lock: File,
    chain: Chain,
    open: Option<OpenFile>,
    /// The next line's bytes.
    line: Vec<u8>,
    checked: u64,
    /// The file that was open is not there any more, or was changed.
    vanished: bool,
    /// When old files were looked for last; 0 when it is time to.
    pruned: u64,
    lost: Option<Lost>,
    failing: Option<Trouble>,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: Arc<File>,
    /// Those of whole lines.
    bytes: u64,
    inode: (u64, u64),
    day: u64,
    /// There may be the beginning of a line after `bytes`.
    has_scrap: bool,
    is_unsynced: bool,
}

/// Entries that could not be written.
#[derive(Debug)]
struct Lost {
    entries: u64,
    since: u64,
    reason: String,
}

impl Writer {
    pub(super) fn new(settings: Settings, lock: File, last: Anchor, at: u64) -> Writer {
        let chain = Chain::new(last, settings.key.clone());
        let line = Vec::with_capacity(4096);
        Writer {
            settings,
            lock,
            chain,
            open: None,
            line,
            checked: at,
            vanished: false,
            pruned: 0,
            lost: None,
            failing: None,
        }
    }

    pub(super) fn last(&self) -> Anchor {
        self.chain.last()
    }

    pub(super) fn failing(&self) -> Option<String> {
        self.failing.as_ref().map(|trouble| trouble.reason.clone())
    }

    pub(super) fn path(&self) -> &Path {
        self.open.as_ref().map_or(&self.settings.directory, |open| &open.path)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.bytes)
    }

    /// Goes on in a file that ends with a whole line.
    pub(super) fn go_on(&mut self, path: PathBuf, file: File, at: u64) -> io::Result<()> {
        let metadata = file.metadata()?;
        let inode = (metadata.dev(), metadata.ino());
        let bytes = metadata.len();
        let file = Arc::new(file);
        // The day of its name, for all that matters: a new one is begun at the next.
        self.open = Some(OpenFile {
            path,
            file,
            bytes,
            inode,
            day: at / files::DAY,
            has_scrap: false,
            is_unsynced: false,
        });
        Ok(())
    }

    pub(super) fn write(&mut self, entry: &Entry<'_>) -> Result<Anchor, Trouble> {
        let at = at_of(entry);
        let written = self.ready(at).and_then(|()| self.append(entry));
        if let Err(trouble) = &written {
            let reason = trouble.reason.clone();
            self.lost.get_or_insert(Lost { entries: 0, since: at, reason }).entries += 1;
        }
        let written = written.and_then(|anchor| self.sync_each().map(|()| anchor));
        self.failing = written.as_ref().err().cloned();
        written
    }

    /// Makes sure that there is a file for the next line.
    fn ready(&mut self, at: u64) -> Result<(), Trouble> {
        if at.abs_diff(self.checked) >= SECOND {
            self.checked = at;
            self.look_after_file();
        }
        match &self.open {
            None if self.vanished => {
                self.begin(at, "the file before was taken away or changed by somebody else", 0)?;
            }
            None => self.begin(at, "a new file", 0)?,
            Some(open) if open.day < at / files::DAY => self.begin(at, "a new day", 0)?,
            Some(open) if open.bytes >= self.settings.file_size => self.begin(at, "the file was full", 0)?,
            Some(_) => {}
        }
        self.clear_scrap()?;
        if let Some(Lost { entries, since, reason }) = &self.lost {
            let text = format!("{entries} entries since {} could not be written: {reason}", stamp(*since));
            self.append(&Entry::Note { at, text: &text })?;
            self.lost = None;
        }
        Ok(())
    }

    /// Whether the file is still the one in the directory, and as long as we left it.
    fn look_after_file(&mut self) {
        let Some(open) = &self.open else { return };
        let is_ours = fs::symlink_metadata(&open.path).is_ok_and(|found| {
            (found.dev(), found.ino()) == open.inode && (found.len() == open.bytes || open.has_scrap)
        });
        if !is_ours {
            self.open = None;
            self.vanished = true;
        }
    }

    /// Begins a new file.
    pub(super) fn begin(&mut self, at: u64, why: &str, lost: u64) -> Result<(), Trouble> {
        self.lock_what_is_there()?;
        let mut lost = lost;
        let (path, file) = loop {
            let first = self.chain.last().sequence.saturating_add(1).saturating_add(lost);
            let path = self.settings.directory.join(files::name(first, at));
            match files::create(&path, self.settings.mode) {
                Ok(file) => break (path, file),
                // Left empty by a failure, or what became of a file that was damaged.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && lost < MOST_TRIES => {
                    if path.metadata().is_ok_and(|found| found.len() == 0) && fs::remove_file(&path).is_ok() {
                        continue;
                    }
                    lost += 1;
                }
                Err(error) => return Err(Trouble::new(&path, error)),
            }
        };
        let before = self.open.take();
        if let Err(error) = self.go_on(path.clone(), file, at) {
            self.open = before;
            return Err(Trouble::new(&path, error));
        }
        if let Err(trouble) = self.append(&Entry::Head(Head { at, why, lost })) {
            _ = fs::remove_file(&path);
            self.open = before;
            return Err(trouble);
        }
        self.vanished = false;
        // All together may be too large now.
        self.pruned = 0;
        if self.settings.sync != Sync::Never {
            // The last lines of the old file, and the name of the new one.
            if let Some(before) = before {
                before.file.sync_data().map_err(|error| Trouble::new(&before.path, error))?;
            }
            let directory = &self.settings.directory;
            File::open(directory)
                .and_then(|file| file.sync_all())
                .map_err(|error| Trouble::new(directory, error))?;
        }
        Ok(())
    }

    /// When somebody has put another directory in the place of ours, that one is to be ours alone, too.
    fn lock_what_is_there(&mut self) -> Result<(), Trouble> {
        let directory = &self.settings.directory;
        let inode = |found: fs::Metadata| (found.dev(), found.ino());
        let held = self.lock.metadata().map(inode).map_err(|error| Trouble::new(directory, error))?;
        let there = fs::metadata(directory).map(inode).map_err(|error| Trouble::new(directory, error))?;
        if held != there {
            self.lock = open::lock(directory).map_err(|error| Trouble::new(directory, error))?;
        }
        Ok(())
    }

    /// Takes away what a failed write left.
    fn clear_scrap(&mut self) -> Result<(), Trouble> {
        let Some(open) = self.open.as_mut().filter(|open| open.has_scrap) else { return Ok(()) };
        open.file.set_len(open.bytes).map_err(|error| Trouble::new(&open.path, error))?;
        open.has_scrap = false;
        Ok(())
    }

    /// Appends one line to the file that is open.
    pub(super) fn append(&mut self, entry: &Entry<'_>) -> Result<Anchor, Trouble> {
        let Some(open) = &mut self.open else {
            return Err(Trouble::new(&self.settings.directory, "no file is open"));
        };
        self.line.clear();
        let anchor = self.chain.line(entry, &mut self.line);
        // One write(2), but when the system takes only a part.
        if let Err(error) = (&*open.file).write_all(&self.line) {
            open.has_scrap = open.file.set_len(open.bytes).is_err();
            return Err(Trouble::new(&open.path, error));
        }
        open.bytes += self.line.len() as u64;
        open.is_unsynced = true;
        self.chain.advance(anchor);
        Ok(anchor)
    }

    fn sync_each(&mut self) -> Result<(), Trouble> {
        if self.settings.sync != Sync::Each {
            return Ok(());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.is_unsynced = false;
        open.file.sync_data().map_err(|error| Trouble::new(&open.path, error))
    }

    /// The file whose lines are to be forced to the disk.
    pub(super) fn unsynced(&mut self) -> Option<(PathBuf, Arc<File>)> {
        if self.settings.sync == Sync::Never {
            return None;
        }
        let open = self.open.as_mut().filter(|open| open.is_unsynced)?;
        open.is_unsynced = false;
        Some((open.path.clone(), open.file.clone()))
    }

    /// Lines may not be on the disk.
    pub(super) fn unsafe_on_disk(&mut self, trouble: Trouble) -> Trouble {
        self.failing = Some(trouble.clone());
        trouble
    }

    pub(super) fn tick(&mut self, at: u64) -> Result<(), Trouble> {
        if self.lost.is_some() || self.failing.is_some() || self.open.is_none() {
            let ready = self.ready(at);
            self.failing = ready.as_ref().err().cloned();
            ready?;
        }
        if at.abs_diff(self.pruned) >= PRUNE_EVERY {
            self.pruned = at;
            self.prune(at)?;
        }
        Ok(())
    }

    fn prune(&mut self, at: u64) -> Result<(), Trouble> {
        let Settings { directory, keep, keep_size, .. } = &self.settings;
        let gone =
            files::prune(directory, *keep, *keep_size, at).map_err(|error| Trouble::new(directory, error))?;
        let Some((count, newest)) = gone else { return Ok(()) };
        let name = newest.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = format!(
            "{count} files were deleted because they were too old or too many, the newest of them {name}"
        );
        self.write(&Entry::Note { at, text: &text }).map(|_| ())
    }
}

fn at_of(entry: &Entry<'_>) -> u64 {
    match entry {
        Entry::Asked(asked) => asked.at,
        Entry::Done(done) => done.at,
        Entry::Note { at, .. } => *at,
        Entry::Head(head) => head.at,
    }
}

/// In microseconds.
const SECOND: u64 = 1_000_000;
/// In microseconds: an hour.
const PRUNE_EVERY: u64 = 3_600 * SECOND;
/// How many names of new files are tried.
const MOST_TRIES: u64 = 1_000_000;
