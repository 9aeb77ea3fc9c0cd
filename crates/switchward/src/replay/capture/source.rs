//! The bytes of a capture, whichever way it is stored: plain, or as zstd frames one after the other (RFC 8878 section 3).

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

/// An open capture.
pub(super) enum Source {
    /// As it came.
    Plain(File),
    /// Compressed.
    Compressed(Compressed),
}

/// Zstd frames, read one after the other. The last one may be cut off: whoever recorded was killed.
#[derive(Default)]
pub(super) struct Compressed {
    /// Between two frames.
    rest: Option<BufReader<File>>,
    /// Within a frame.
    frame: Option<Box<StreamingDecoder<BufReader<File>, FrameDecoder>>>,
    is_cut_off: bool,
}

impl Source {
    /// Opens a capture; one that begins like a zstd frame is decompressed.
    pub(super) fn open(path: &Path) -> io::Result<Source> {
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        let length = file.read(&mut magic)?;
        file.rewind()?;
        if magic[..length] != [0x28, 0xb5, 0x2f, 0xfd] {
            return Ok(Source::Plain(file));
        }
        let mut compressed = Compressed { rest: Some(BufReader::new(file)), ..Compressed::default() };
        compressed.begin()?;
        Ok(Source::Compressed(compressed))
    }

    /// Whether it ended in the middle of a zstd frame.
    pub(super) fn is_cut_off(&self) -> bool {
        matches!(self, Source::Compressed(compressed) if compressed.is_cut_off)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(file) => file.read(buffer),
            Source::Compressed(compressed) => compressed.read(buffer),
        }
    }
}

impl Compressed {
    /// Goes on to the next zstd frame; false where there is none.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(mut rest) = self.rest.take() else { return Ok(false) };
        if rest.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.frame = Some(Box::new(StreamingDecoder::new(rest).map_err(io::Error::other)?));
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(frame) = &mut self.frame else { return Ok(0) };
            match frame.read(buffer) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) => {
                    self.is_cut_off = frame.get_mut().fill_buf()?.is_empty();
                    self.frame = None;
                    return if self.is_cut_off { Ok(0) } else { Err(error) };
                }
            }
            self.rest = self.frame.take().map(|frame| frame.into_inner());
            match self.begin() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                // So little is left that it is not even the head of a frame.
                Err(error) if is_end(&error) => {
                    self.is_cut_off = true;
                    return Ok(0);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a frame could not be begun because the file ends within its head.
fn is_end(error: &io::Error) -> bool {
    let mut cause = error.get_ref().map(|error| error as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
