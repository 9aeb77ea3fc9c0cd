//! A small file that one side edits and the other follows: the tokens, the users.
//!
//! [`edit`] is for the command line: under a lock, and so that a reader sees the old file or the new one, never half of either.
//! [`Watched`] is for the daemon: it holds what the file said when it was last sound, and looks again when it has changed.

use anyhow::Context;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    /// Of its owner and its rights, too.
    changed: (i64, i64),
}

impl Stamp {
    /// That of a file; `None` when there is none.
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Stamp { inode: metadata.ino(), length: metadata.len(), modified, changed })
    }
}

/// What a file says.
pub(crate) struct Held<T> {
    /// What it said when it was last sound.
    pub(crate) value: Arc<T>,
    /// Grows with each change.
    pub(crate) generation: u64,
    /// Why the present file cannot be used.
    pub(crate) trouble: Option<String>,
}

/// A file that is followed.
pub(crate) struct Watched<T> {
    path: PathBuf,
    held: ArcSwap<Held<T>>,
    seen: Mutex<Option<Stamp>>,
}

impl<T: Default + DeserializeOwned> Watched<T> {
    /// Follows a file, which need not be there.
    pub(crate) fn open(path: PathBuf) -> Watched<T> {
        let held = Held { value: Arc::default(), generation: 0, trouble: None };
        let watched = Watched { path, held: ArcSwap::from_pointee(held), seen: Mutex::new(None) };
        watched.refresh();
        watched
    }

    /// What it says.
    pub(crate) fn held(&self) -> Arc<Held<T>> {
        self.held.load_full()
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next [`Watched::refresh`] reads it, changed or not.
    pub(crate) fn distrust(&self) {
        *self.seen.lock() = None;
    }

    /// Reads it again when it has changed, and each time while it cannot be used: what keeps it from being read need not be in the
    /// file. Reads a disk: not for the threads of a runtime.
    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.lock();
        let stamp = Stamp::of(&self.path);
        let before = self.held.load();
        if *seen == stamp && before.trouble.is_none() {
            return;
        }
        *seen = stamp;
        let held = match read(&self.path) {
            Ok(value) => {
                if before.trouble.is_some() {
                    tracing::warn!(file = %self.path.display(), "the file can be used again");
                }
                Held { value: Arc::new(value), generation: before.generation + 1, trouble: None }
            }
            Err(trouble) if before.trouble.as_ref() == Some(&trouble) => return,
            Err(trouble) => {
                tracing::error!("{trouble}; what it said before still holds");
                Held { value: before.value.clone(), generation: before.generation, trouble: Some(trouble) }
            }
        };
        self.held.store(Arc::new(held));
    }
}

/// What a file says; nothing when there is none.
///
/// # Errors
/// When it cannot be read, or makes no sense.
pub(crate) fn read<T: Default + DeserializeOwned>(path: &Path) -> Result<T, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => {
            return Err(format!(
                "cannot read {}: {error}; it must belong to the daemon's user",
                path.display()
            ));
        }
    };
    let mut text = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // What stands there is not for a log: only the place of the mistake is told.
    serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "{} has a mistake in line {line}, column {column}; make it anew with the command line",
            path.display()
        )
    })
}

/// Changes a file that may not be there yet. The whole change is made, or none of it.
///
/// # Errors
/// What `change` says, or what keeps the file from being written.
pub(crate) fn edit<T, R>(path: &Path, change: impl FnOnce(&mut T) -> anyhow::Result<R>) -> anyhow::Result<R>
where
    T: Default + DeserializeOwned + Serialize,
{
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // The folder itself is the lock: a file made for it could be put in its place by somebody else.
    let lock = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", folder.display()))?;
    let mut value: T = read(path).map_err(anyhow::Error::msg)?;
    let result = change(&mut value)?;
    replace(path, &lock, &value).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(result)
}

/// Puts a file with the value in the place of the old one. It is for its owner alone, who is the folder's: the daemon reads what
/// root has written.
pub(crate) fn replace(path: &Path, folder: &File, value: &impl Serialize) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = (|| {
        let owner = folder.metadata()?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
            // Without the right to give it away it stays ours, and the daemon says so if it cannot read it.
            _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        folder.sync_all()
    })();
    if written.is_err() {
        _ = fs::remove_file(&fresh);
    }
    written
}

/// The name of a token or a user: it stands in logs, in tables and before a colon.
///
/// # Errors
/// When it cannot be one.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    match begins && text.len() <= 64 && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("a name has 1 to 64 letters, digits, \".\", \"_\", \"@\" or \"-\" and begins with a letter or a digit".into()),
    }
}

/// A time in a file, as RFC 3339 in UTC with seconds.
pub(crate) mod time {
    use guard::Time;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        crate::clock::rfc3339(Some(*time)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        let stamp: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        u64::try_from(stamp.as_second()).map(Time::from_secs).map_err(D::Error::custom)
    }
}

/// A time that may be none.
pub(crate) mod maybe_time {
    use guard::Time;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct At(#[serde(with = "super::time")] Time);

    pub(crate) fn serialize<S: Serializer>(time: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
        time.map(At).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
        Ok(Option::<At>::deserialize(from)?.map(|at| at.0))
    }
}

/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn many_that_edit_at_once_lose_nothing_and_the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/book.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    // Each with a process of its own in earnest; here the lock is per open folder, which is as good.
                    edit(path, |numbers: &mut BTreeSet<u32>| Ok(numbers.insert(number))).unwrap()
                });
            }
        });
        let numbers: BTreeSet<u32> = read(&path).unwrap();
        assert_eq!(numbers, (0..8).collect());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_change_is_noticed_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book.json");
        let watched: Watched<BTreeSet<u32>> = Watched::open(path.clone());
        assert!(watched.held().value.is_empty() && watched.held().trouble.is_none());
        edit(&path, |numbers: &mut BTreeSet<u32>| Ok(numbers.insert(7))).unwrap();
        watched.refresh();
        assert_eq!(*watched.held().value, BTreeSet::from([7]));
        fs::write(&path, "[7, secret").unwrap();
        watched.refresh();
        let held = watched.held();
        assert_eq!(*held.value, BTreeSet::from([7]));
        assert!(
            held.trouble.as_ref().is_some_and(|said| said.contains("line 1") && !said.contains("secret"))
        );
        assert!(
            edit(&path, |numbers: &mut BTreeSet<u32>| Ok(numbers.insert(8))).is_err(),
            "a broken file is not overwritten"
        );
        fs::remove_file(&path).unwrap();
        // A link to itself cannot be read by anybody, whatever his rights.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        watched.refresh();
        assert!(watched.held().trouble.is_some());
        *watched.seen.lock() = Stamp::of(&path);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "[9]").unwrap();
        *watched.seen.lock() = Stamp::of(&path);
        watched.refresh();
        assert_eq!(*watched.held().value, BTreeSet::from([9]), "read again though its stamp is known");
        fs::remove_file(&path).unwrap();
        watched.refresh();
        assert!(watched.held().value.is_empty() && watched.held().trouble.is_none());
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "grafana", "alice@pbx.example", "cron-1_b"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a:b", "a\n", "ä", "x".repeat(65).as_str()] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
