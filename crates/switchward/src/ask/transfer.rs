//! The lists out into a file and in again.
//!
//! An export becomes the file it is to be only when it is whole. An import is told line by line what was not carried out, and
//! then ends with an exit code of its own.

use super::client::Client;
use super::table::{grouped, shown};
use super::{Daemon, Failure, orders};
use crate::http::transfer::LARGEST_IMPORT;
use crate::http::transfer::import::Imported;
use clap::{Args, ValueEnum};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// What goes out, in which form, and where to.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// Which list.
    #[arg(value_enum)]
    what: List,
    /// In which form [default: by the file's ending, else json].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Into this file, not to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// What comes in, in which form.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// Into which list.
    #[arg(value_enum)]
    what: List,
    /// The file; - is standard input.
    file: PathBuf,
    /// In which form it is [default: by the file's ending].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// A list that travels.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    /// The bans.
    Bans,
    /// The allow-list.
    Allows,
}

/// The form that it travels in.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// An array of objects.
    Json,
    /// A table with a line of names.
    Csv,
    /// What `ipset restore` reads and `ipset save` writes.
    Ipset,
}

/// Writes a list into a file or to `out`, as the daemon sends it.
pub(super) async fn export(client: &Client, asked: Export, out: &mut dyn Write) -> Result<(), Failure> {
    let format = asked.format.or_else(|| asked.out.as_deref().and_then(by_ending)).unwrap_or(Format::Json);
    let path = format!("/security/export?what={}&format={}", word(asked.what), word(format));
    let Some(file) = asked.out else {
        client.download(&path, out).await?;
        return Ok(out.flush()?);
    };
    let wrong = |error: io::Error| Failure::Files(format!("cannot write {}: {error}", file.display()));
    let mut fresh = Fresh::beside(&file).map_err(wrong)?;
    let bytes = match client.download(&path, &mut fresh.writer).await {
        Ok(bytes) => bytes,
        Err(Failure::Output(error)) => return Err(wrong(error)),
        Err(failure) => return Err(failure),
    };
    fresh.finish().map_err(wrong)?;
    if client.json {
        writeln!(out, "{}", serde_json::json!({"file": file.display().to_string(), "bytes": bytes}))?;
    } else {
        writeln!(out, "wrote {} ({} bytes)", file.display(), grouped(bytes))?;
    }
    Ok(())
}

/// Adds what stands in a file; prints what came of it, and fails when a line was not carried out.
pub(super) async fn import(client: &Client, asked: Import, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(format) = asked.format.or_else(|| by_ending(&asked.file)) else {
        return Err(Failure::Refused("say which form it has: --format json, csv or ipset".into()));
    };
    let name = asked.file.display();
    let text = read(&asked.file).map_err(|error| Failure::Files(format!("cannot read {name}: {error}")))?;
    if text.len() > LARGEST_IMPORT {
        return Err(Failure::Refused(format!(
            "{name} is larger than {} MiB; send it in parts",
            LARGEST_IMPORT >> 20
        )));
    }
    let (what, format, dry_run) = (word(asked.what), word(format), asked.dry_run);
    let path = format!("/security/import?what={what}&format={format}&dry_run={dry_run}");
    let answer = client.upload(&path, text.into()).await?;
    let imported: Imported = match client.understand(&answer, out)? {
        Some(imported) => imported,
        // Printed as it came; whether all went well is told by the exit code all the same.
        None => client.parsed(&answer)?,
    };
    if !client.json {
        tell(&imported, out)?;
    }
    match imported.refused + imported.bad {
        0 => Ok(()),
        failed => Err(Failure::Lines { failed, all: imported.lines, dry_run }),
    }
}

fn tell(imported: &Imported, out: &mut dyn Write) -> Result<(), Failure> {
    for error in &imported.errors {
        writeln!(out, "line {}: {}: {}", error.line, shown(&error.text), shown(&error.error))?;
    }
    let (failed, told) = (imported.refused + imported.bad, imported.errors.len() as u64);
    if failed > told {
        writeln!(out, "and {} lines more", grouped(failed - told))?;
    }
    let would = if imported.dry_run { "would be " } else { "" };
    writeln!(
        out,
        "{} lines: {} {would}added, {} {would}extended, {} unchanged, {} refused, {} bad",
        grouped(imported.lines),
        grouped(imported.added),
        grouped(imported.extended),
        grouped(imported.unchanged),
        grouped(imported.refused),
        grouped(imported.bad),
    )?;
    if imported.dry_run {
        writeln!(out, "dry run: nothing was changed")?;
    }
    orders::warn(&imported.warnings, out)
}

/// No more than one byte over what may be sent.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = LARGEST_IMPORT as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut text)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut text)?;
    }
    Ok(text)
}

fn by_ending(file: &Path) -> Option<Format> {
    Format::from_str(file.extension()?.to_str()?, true).ok()
}

/// A value as it is typed, which is how the daemon calls it.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// A file under another name until it is whole; removed when it does not get there.
struct Fresh {
    writer: BufWriter<File>,
    /// Its name for now, and the one that it gets; `None` for what is no regular file, such as a pipe.
    names: Option<(PathBuf, PathBuf)>,
}

impl Fresh {
    fn beside(file: &Path) -> io::Result<Fresh> {
        if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
            return Ok(Fresh {
                writer: BufWriter::new(OpenOptions::new().write(true).open(file)?),
                names: None,
            });
        }
        // What a link points to is written, as by any other program.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = file.with_file_name(name);
        let opened = OpenOptions::new().write(true).create_new(true).open(&part)?;
        Ok(Fresh { writer: BufWriter::new(opened), names: Some((part, file)) })
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        let Some((part, file)) = &self.names else { return Ok(()) };
        self.writer.get_ref().sync_all()?;
        fs::rename(part, file)?;
        self.names = None;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.names {
            _ = fs::remove_file(part);
        }
    }
}
