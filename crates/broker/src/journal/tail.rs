//! Reading along: the lines after a number, in order, across files, as they are written.
//!
//! The files are the record; an index of them asks for what comes after its own newest line, at its start and each time that
//! [`super::Journal::newest`] changes, so that nothing waits in memory. It does not check the chain.

use super::files;
use crate::audit::{LONGEST_LINE, Record};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where somebody reads.
#[derive(Debug)]
pub struct Tail {
    directory: PathBuf,
    /// The number of the newest line that was read.
    read: u64,
    place: Option<(PathBuf, BufReader<File>)>,
    unreadable: u64,
}

impl Tail {
    /// Reads what comes after a line; 0 reads everything.
    pub fn new(directory: &Path, after: u64) -> Tail {
        Tail { directory: directory.into(), read: after, place: None, unreadable: 0 }
    }

    /// The next lines, at most `most`; none when all were read. Blocks.
    ///
    /// # Errors
    /// What reading says; it may be tried again.
    pub fn next(&mut self, most: usize) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        while records.len() < most {
            // Before the lines: when there is a later file, this one grows no more.
            let later = self.later()?;
            if self.place.is_some() && self.fill(most, &mut records)? {
                continue;
            }
            let Some(later) = later else { break };
            self.place = match File::open(&later) {
                Ok(file) => Some((later, BufReader::with_capacity(1 << 16, file))),
                // Deleted since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        Ok(records)
    }

    /// Lines that could not be understood and were left out.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The file after the one that is read; the one with the line wanted at the beginning.
    fn later(&self) -> io::Result<Option<PathBuf>> {
        let mut all = files::list(&self.directory)?;
        let next = match &self.place {
            Some((path, _)) => {
                all.partition_point(|file| (files::first_of(file), file) <= (files::first_of(path), path))
            }
            None => {
                all.partition_point(|file| files::first_of(file) <= Some(self.read + 1)).saturating_sub(1)
            }
        };
        Ok((next < all.len()).then(|| all.swap_remove(next)))
    }

    /// Reads whole lines; false when there was none.
    fn fill(&mut self, most: usize, records: &mut Vec<Record>) -> io::Result<bool> {
        let Some((_, reader)) = &mut self.place else { return Ok(false) };
        let mut line = Vec::new();
        let mut is_any = false;
        while records.len() < most {
            line.clear();
            let length = reader.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') && length < LONGEST_LINE {
                // Not all of it is there yet.
                reader.seek(SeekFrom::Current(-i64::try_from(length).unwrap_or(i64::MAX)))?;
                break;
            }
            is_any = true;
            if number_of(&line).is_some_and(|number| number <= self.read) {
                continue;
            }
            match Record::read(&line) {
                Some(record) => {
                    self.read = record.sequence;
                    records.push(record);
                }
                None => self.unreadable += 1,
            }
        }
        Ok(is_any)
    }
}

/// The number of a line, without reading the rest.
fn number_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b',')?]).ok()?.parse().ok()
}
