//! The files of captures in one directory: named by number and time, ended by size and age, the oldest deleted.
//!
//! Files are for their owner alone (0600 in a directory of 0700), made anew and never opened a second time. Only files with our
//! kind of name are ever deleted.

use super::Settings;
use crate::clock;
use crate::replay::COMPRESSED;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// See the module.
pub struct Files {
    settings: Settings,
    current: Option<Current>,
    /// Ended files, the oldest first, with their sizes.
    ended: Vec<(PathBuf, u64)>,
    next: u64,
}

struct Current {
    path: PathBuf,
    file: File,
    size: u64,
    since: Instant,
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or read.
    #[error("cannot record into {directory}: {error}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others may look into the directory.
    #[error(
        "cannot record into {directory}: others may enter it, and captures say who calls whom; chmod 700 it"
    )]
    Open {
        /// The directory.
        directory: PathBuf,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit of tasks (TasksMax, ulimit -u)")]
    Thread(io::Error),
}

impl Files {
    /// Looks into the directory, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made or read, or others may look into it.
    pub fn open(settings: Settings) -> Result<Files, OpenError> {
        let directory = settings.directory.clone();
        let wrong = |error| OpenError::Directory { directory: directory.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(wrong)?;
        if std::fs::metadata(&directory).map_err(wrong)?.mode() & 0o077 != 0 {
            return Err(OpenError::Open { directory });
        }
        let (mut ended, mut next) = (Vec::new(), 1);
        for entry in directory.read_dir().map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(number) else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                next = next.max(number + 1);
                ended.push((entry.path(), metadata.len()));
            }
        }
        ended.sort();
        let mut files = Files { settings, current: None, ended, next };
        files.make_room(0);
        Ok(files)
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.settings.directory
    }

    /// Bytes of all.
    pub fn total(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |current| current.size);
        current + self.ended.iter().map(|(_, size)| size).sum::<u64>()
    }

    /// Whether a block of so many bytes goes into a new file.
    pub fn begins_with(&mut self, more: u64) -> bool {
        self.end_if_old();
        self.current.as_ref().is_none_or(|current| current.size + more > self.settings.file_size)
    }

    /// Writes a block at the end, into a new file where the one before has its size or age. After an error the file is as
    /// it was before.
    ///
    /// # Errors
    /// What the system says.
    pub fn append(&mut self, block: &[u8]) -> io::Result<()> {
        let more = block.len() as u64;
        if self.begins_with(more) {
            self.close();
        }
        self.make_room(more);
        if self.current.is_none() {
            self.current = Some(self.begin()?);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Err(error) = current.file.write_all(block) {
            // Half a block would hide all that comes after it.
            if current.file.set_len(current.size).is_err() {
                self.close();
            }
            return Err(error);
        }
        current.size += more;
        Ok(())
    }

    /// Ends the file when it is old; a new one begins with the next block.
    pub fn end_if_old(&mut self) {
        if self.current.as_ref().is_some_and(|current| current.since.elapsed() >= self.settings.file_age) {
            self.close();
        }
    }

    /// Ends the file. One with nothing in it is no capture.
    pub fn close(&mut self) {
        let Some(Current { path, size, .. }) = self.current.take() else { return };
        if size == 0 {
            _ = std::fs::remove_file(path);
        } else {
            self.ended.push((path, size));
        }
    }

    /// Deletes the oldest until `more` bytes fit.
    fn make_room(&mut self, more: u64) {
        while self.total() + more > self.settings.total_size && !self.ended.is_empty() {
            let (path, _) = self.ended.remove(0);
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "an old capture cannot be deleted");
            }
        }
    }

    fn begin(&mut self) -> io::Result<Current> {
        let mut tries = 0;
        loop {
            let path = self.settings.directory.join(name(self.next));
            self.next += 1;
            tries += 1;
            match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Current { path, file, size: 0, since: Instant::now() }),
                // Somebody else records here, too.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The name of a file that begins now. Names sort by number, so that a clock that is set back confuses nobody.
fn name(number: u64) -> String {
    let digits = |text: String| text.chars().filter(|c| !matches!(c, '-' | ':')).collect::<String>();
    format!("{PREFIX}{number:010}-{}{COMPRESSED}", digits(clock::rfc3339(Some(clock::now()))))
}

/// The number in a name of ours.
fn number(name: &str) -> Option<u64> {
    let (number, time) = name.strip_prefix(PREFIX)?.strip_suffix(COMPRESSED)?.split_once('-')?;
    let is_ours = number.len() == 10 && time.len() == "20261121T041818Z".len();
    is_ours.then(|| number.parse().ok()).flatten()
}

const PREFIX: &str = "switchward-";
