//! Files: reading the configuration and the passwords it points at, and writing the first one.
//!
//! [`load()`] is what the daemon calls at start and at a reload; [`write_default`] what it calls when there is no file.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::example::default_json;
use super::findings::{Findings, Place};
use super::problem::Problems;
use super::{Config, EXAMPLE_TOML, Format, Loaded, MAX_BYTES, Secret, parse};

/// Why no configuration came of a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file; a first run may write one with [`write_default`].
    #[error("{0}: no such file; name another one, or let a first run write it")]
    Missing(PathBuf),
    /// The operating system refused.
    #[error("{}: cannot be read: {source}{}", path.display(), mend(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// More than [`MAX_BYTES`].
    #[error("{0}: larger than 1 MiB, so it is no configuration; name another file")]
    TooLarge(PathBuf),
    /// Not UTF-8.
    #[error("{}:{line}: not UTF-8 text; save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line of the first bad byte, from 1.
        line: usize,
    },
    /// The text was read, but cannot be used.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// Reads `path` and the password files it names, and lays the environment over it. JSON or TOML is told by the
/// extension, or by the content when it is neither.
pub fn load(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Loaded, LoadError> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        LoadError::NotText { path: path.into(), line }
    })?;
    let file = path.display().to_string();
    let mut loaded = parse(&text, &file, Format::of(path, &text), environment)?;
    loaded.path = Some(path.into());
    let mut findings = Findings::new(&file);
    read_passwords(&mut loaded.config, path.parent().unwrap_or(Path::new("")), &mut findings);
    super::notify::read_files(
        &mut loaded.config.notify,
        path.parent().unwrap_or(Path::new("")),
        &mut findings,
    );
    super::broker::read_files(
        &mut loaded.config.broker,
        path.parent().unwrap_or(Path::new("")),
        &mut findings,
    );
    match findings.finish() {
        Ok(more) => loaded.warnings.extend(more),
        Err(Problems(more)) => return Err(Problems([loaded.warnings, more].concat()).into()),
    }
    Ok(loaded)
}

/// Writes the defaults to `path`, mode 0600: the predecessor's keys when it ends in `.json`, [`EXAMPLE_TOML`]
/// otherwise. Another process sees either no file or the whole of it. A file that exists is never touched
/// (`AlreadyExists`).
pub fn write_default(path: &Path) -> io::Result<()> {
    let json = Format::by_extension(path) == Some(Format::Json);
    let text = if json { default_json() } else { EXAMPLE_TOML.to_owned() };
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (draft, file) = create_draft(directory, &name.to_string_lossy())?;
    let written = fill(file, &text)
        // A link fails when the name is taken, where a rename would replace the file.
        .and_then(|()| std::fs::hard_link(&draft, path))
        .and_then(|()| File::open(directory)?.sync_all());
    let removed = std::fs::remove_file(&draft);
    written.and(removed)
}

/// A file of ours alone: names that other runs use, or that a crash left, are passed over.
fn create_draft(directory: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let process = std::process::id();
    let mut last = ErrorKind::AlreadyExists.into();
    for turn in 0..DRAFTS {
        let draft = directory.join(format!(".{name}.{process}.{turn}.new"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft) {
            Ok(file) => return Ok((draft, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read_bounded(path: &Path, most: usize) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => LoadError::Missing(path.into()),
        _ => LoadError::Unreadable { path: path.into(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most { Err(LoadError::TooLarge(path.into())) } else { Ok(bytes) }
}

/// Reads the password file of each switch, and that of `security`.
fn read_passwords(config: &mut Config, directory: &Path, findings: &mut Findings) {
    let security = &mut config.security;
    let shared = security.esl_password_file.as_ref().map(|file| directory.join(file));
    if let Some(file) = &shared {
        // The one switch of a configuration without [[switch]] names the same file; it is read once.
        if let Some(password) = read_secret(file, "security.esl_password_file", findings) {
            security.esl_password = password;
        }
    }
    for switch in &mut config.switches {
        let Some(file) = switch.password_file.as_ref().map(|file| directory.join(file)) else { continue };
        let password = match shared.as_ref() == Some(&file) {
            true => Some(security.esl_password.clone()),
            false => read_secret(&file, &format!("switch[{}].password_file", switch.name), findings),
        };
        if let Some(password) = password {
            switch.password = password;
        }
    }
}

/// The first line of a file with a password or another secret; says what is wrong with it.
pub(super) fn read_secret(path: &Path, key: &str, findings: &mut Findings) -> Option<Secret> {
    let place = || Place { file: path.display().to_string(), line: 0, column: 0, key: key.into() };
    let expected = "a file whose first line is the password";
    let bytes = match read_bounded(path, PASSWORD_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (found, mend) = match error {
                LoadError::Missing(_) => ("no such file".into(), "create it, or correct the path"),
                LoadError::TooLarge(_) => ("more than 4096 bytes".to_owned(), "name another file"),
                LoadError::Unreadable { source, .. } => (source.to_string(), mend(&source)),
                other => (other.to_string(), ""),
            };
            findings.error(place(), &found, expected, mend.trim_start_matches("; "));
            return None;
        }
    };
    if File::open(path)
        .and_then(|file| file.metadata())
        .is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
    {
        findings.warning(place(), "a file that every user may read", "mode 0600", "chmod 600 it");
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default();
    let bad = match line {
        "" => "an empty first line",
        _ if line.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) => {
            "control characters, or no UTF-8 text"
        }
        _ => return Some(Secret::from(line)),
    };
    findings.error(place(), bad, expected, "write the password into its first line");
    None
}

/// A text file as a whole; says what is wrong with it.
pub(super) fn read_text(path: &Path, key: &str, findings: &mut Findings) -> Option<String> {
    let read = read_bounded(path, MAX_BYTES).map_err(|error| error.to_string());
    match read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "no UTF-8 text".to_owned())) {
        Ok(text) => Some(text),
        Err(found) => {
            let place = Place { file: path.display().to_string(), line: 0, column: 0, key: key.into() };
            findings.error(place, &found, "a file that can be read", "correct the path, or its rights");
            None
        }
    }
}

fn mend(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::PermissionDenied => "; give the daemon's user the right to read it",
        ErrorKind::IsADirectory => "; name the file in it",
        _ => "",
    }
}

const PASSWORD_BYTES: usize = 4096;
/// Names that are tried for a draft.
const DRAFTS: u32 = 64;
