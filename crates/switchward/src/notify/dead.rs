//! Dead letters: messages that were given up, kept in a bounded file so that nothing is lost in silence.
//!
//! One JSON object a line beside the store, readable by the daemon's user alone; the newest are shown by
//! `GET /security/notifications`. Without a place for a file they are kept in memory alone.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// When it was given up.
    pub at: String,
    /// For which target.
    pub target: String,
    /// Its number; a webhook's receiver may have seen it.
    pub id: String,
    /// The event, "digest" or "test".
    pub event: String,
    /// In a few words.
    pub title: String,
    /// What it said.
    pub text: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed.
    pub reason: String,
}

/// The newest dead letters.
#[derive(Clone, Default)]
pub(super) struct DeadLetters(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    letters: VecDeque<DeadLetter>,
    file: Option<PathBuf>,
    /// Whether a failure to write was told already.
    complained: bool,
}

impl DeadLetters {
    /// Keeps them in this file from now on, and takes over those that are in it.
    pub(super) fn open(&self, file: PathBuf) {
        let found = read(&file).unwrap_or_default();
        let mut kept = self.0.lock();
        kept.letters = found;
        kept.file = Some(file);
    }

    /// Keeps one more; the oldest goes.
    pub(super) async fn keep(&self, letter: DeadLetter) {
        let kept = self.0.clone();
        // The lock is held while the file is written, so that lines keep their order.
        let written = tokio::task::spawn_blocking(move || {
            let mut kept = kept.lock();
            kept.keep(letter);
        });
        _ = written.await;
    }

    /// The newest, the newest first.
    pub(super) fn newest(&self) -> Vec<DeadLetter> {
        self.0.lock().letters.iter().rev().cloned().collect()
    }
}

impl Kept {
    fn keep(&mut self, letter: DeadLetter) {
        if self.letters.len() == MOST {
            self.letters.pop_front();
        }
        self.letters.push_back(letter);
        let Some(file) = &self.file else { return };
        let written = self.letters.back().map_or(Ok(0), |letter| append(file, letter));
        let is_long = |length| length > MOST_BYTES;
        match written.and_then(|length| if is_long(length) { rewrite(file, &self.letters) } else { Ok(()) }) {
            Ok(()) => self.complained = false,
            Err(error) if !std::mem::replace(&mut self.complained, true) => {
                tracing::error!(file = %file.display(), %error, "dead letters cannot be written; the newest are kept in memory");
            }
            Err(_) => {}
        }
    }
}

fn read(file: &Path) -> io::Result<VecDeque<DeadLetter>> {
    let mut letters = VecDeque::new();
    for line in BufReader::new(File::open(file)?).lines() {
        // A line that a crash has cut is no letter.
        let Ok(letter) = serde_json::from_str(&line?) else { continue };
        if letters.len() == MOST {
            letters.pop_front();
        }
        letters.push_back(letter);
    }
    Ok(letters)
}

/// Appends a line; the length of the file after it.
fn append(file: &Path, letter: &DeadLetter) -> io::Result<u64> {
    let mut line = serde_json::to_vec(letter)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(&line)?;
    Ok(file.metadata()?.len())
}

/// Writes the newest half alone; another process sees the old file or the new one.
fn rewrite(file: &Path, letters: &VecDeque<DeadLetter>) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut lines = Vec::new();
    for letter in letters.iter().skip(letters.len() / 2) {
        serde_json::to_writer(&mut lines, letter)?;
        lines.push(b'\n');
    }
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    new.write_all(&lines)?;
    std::fs::rename(draft, file)
}

/// Letters in memory, and those that are told.
const MOST: usize = 100;
/// The file's length at which the older half goes.
const MOST_BYTES: u64 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: usize) -> DeadLetter {
        DeadLetter {
            at: "2026-11-21T04:18:18Z".into(),
            target: "slack".into(),
            id: number.to_string(),
            event: "ban".into(),
            title: "Banned 192.0.2.1".into(),
            text: "x".repeat(3000),
            attempts: 6,
            reason: "no answer in time".into(),
        }
    }

    #[tokio::test]
    async fn they_survive_a_restart_and_the_file_stays_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dead.jsonl");
        let dead = DeadLetters::default();
        dead.open(file.clone());
        for number in 0..1000 {
            dead.keep(letter(number)).await;
            assert!(std::fs::metadata(&file).unwrap().len() <= MOST_BYTES);
        }
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"at\":\"20").unwrap();
        let again = DeadLetters::default();
        again.open(file);
        let newest = again.newest();
        assert_eq!(newest[0], letter(999));
        assert!(newest.len() >= MOST / 2, "{}", newest.len());
        assert_eq!(dead.newest().len(), MOST);
    }
}
