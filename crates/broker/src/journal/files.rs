//! The files of a journal: how they are named, listed, made and deleted.
//!
//! `commands-<number of its first line, 15 digits>-<day>.jsonl`, so that the order of names is the order of lines.

use crate::audit::{micros_of_stamp, stamp};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files of a journal, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| first_of(path).is_some())
        .collect();
    files.sort_by_cached_key(|path| (first_of(path), path.clone()));
    Ok(files)
}

pub(super) fn name(first: u64, at: u64) -> String {
    format!("commands-{first:015}-{}.jsonl", &stamp(at)[..10])
}

/// The number of a file's first line, by its name.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    Some(parts_of(path)?.0)
}

/// A time in the day of a file's name, in microseconds; `at` when it has none.
pub(super) fn day_or(path: &Path, at: u64) -> u64 {
    day_of(path).unwrap_or(at)
}

/// When the day of a file's name began, in microseconds.
fn day_of(path: &Path) -> Option<u64> {
    micros_of_stamp(&format!("{}T00:00:00.000000Z", parts_of(path)?.1))
}

fn parts_of(path: &Path) -> Option<(u64, &str)> {
    let name = path.file_name()?.to_str()?.strip_prefix("commands-")?.strip_suffix(".jsonl")?;
    let (first, day) = name.split_once('-')?;
    Some((first.parse().ok()?, day))
}

pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// A file that was not there before; never through a link that somebody left.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().append(true).read(true).create_new(true).mode(mode).open(path)
}

pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).read(true).open(path)
}

/// Deletes the oldest files: those with only lines older than `keep`, and what is more than `keep_size` bytes. Gives how many, and the
/// newest of them.
pub(super) fn prune(
    directory: &Path,
    keep: Duration,
    keep_size: u64,
    now: u64,
) -> io::Result<Option<(usize, PathBuf)>> {
    let files = list(directory)?;
    let sizes: Vec<u64> = files.iter().map(|path| path.metadata().map_or(0, |file| file.len())).collect();
    let mut total: u64 = sizes.iter().sum();
    let before = now.saturating_sub(u64::try_from(keep.as_micros()).unwrap_or(u64::MAX));
    let mut gone = None;
    for (number, (pair, size)) in files.windows(2).zip(sizes).enumerate() {
        // The next file began on that day, so nothing here is newer than its end.
        let is_old = day_of(&pair[1]).is_some_and(|day| day + DAY <= before);
        if !is_old && total <= keep_size {
            break;
        }
        fs::remove_file(&pair[0])?;
        remove_scraps(&pair[0])?;
        total -= size;
        gone = Some((number + 1, pair[0].clone()));
    }
    Ok(gone)
}

/// Deletes what crashes left of a file's lines.
fn remove_scraps(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let scrap = format!("{name}.torn-");
    for entry in fs::read_dir(directory)?.filter_map(Result::ok) {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&scrap)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A day in microseconds.
pub(super) const DAY: u64 = 86_400_000_000;
