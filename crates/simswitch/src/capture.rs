//! Recordings of what a real switch sent: [`Capture`].
//!
//! The files are the raw bytes server to client of one connection, perhaps compressed with zstd (`*.zst`).

use crate::event::Event;
use esl::{Decoder, EventView, Format, FrameKind, Limits};
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// A recording.
#[derive(Debug, Clone)]
pub struct Capture {
    bytes: Vec<u8>,
    events: Vec<Event>,
}

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no zstd file.
    #[error("cannot decompress {path}: {reason}")]
    Decompress {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The bytes are no event socket stream.
    #[error("not an event socket stream")]
    Decode(#[from] esl::DecodeError),
}

impl Capture {
    /// Reads a file; `.zst` is decompressed.
    ///
    /// # Errors
    /// See [`CaptureError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::parse(read(path.as_ref())?)
    }

    /// Splits the bytes into events. Other frames, and an event that was cut off, are left out.
    ///
    /// # Errors
    /// When they cannot be decoded.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, CaptureError> {
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&bytes);
        let mut events = Vec::new();
        while let Some(frame) = decoder.next()? {
            let event = match frame.kind() {
                FrameKind::Event(Format::Plain) => Event::from_plain(frame.body()).ok(),
                FrameKind::Event(format) => {
                    EventView::parse(format, frame.body()).and_then(|view| Event::from_view(&view)).ok()
                }
                _ => None,
            };
            events.extend(event);
        }
        Ok(Self { bytes, events })
    }

    /// The events in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The bytes as they were sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The content of a file; `.zst` is decompressed.
///
/// # Errors
/// See [`CaptureError`].
pub fn read(path: &Path) -> Result<Vec<u8>, CaptureError> {
    let raw = fs::read(path).map_err(|source| CaptureError::Read { path: path.into(), source })?;
    if path.extension().is_none_or(|extension| extension != "zst") {
        return Ok(raw);
    }
    let broken = |reason: String| CaptureError::Decompress { path: path.into(), reason };
    let mut decoder =
        ruzstd::decoding::StreamingDecoder::new(raw.as_slice()).map_err(|error| broken(error.to_string()))?;
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    Ok(bytes)
}
