//! The thread that writes: frames out of the queue, secrets out of the frames, blocks of them onto the disk.
//!
//! Frames are gathered and written as one block, a whole zstd frame (RFC 8878), so that a file can be played up to its last block
//! whatever happened. What the disk does not take is dropped and counted; it is tried again with the next block.

use super::files::Files;
use super::frames::append_redacted;
use super::{Message, SPARE, SPARE_SIZE, Shared};
use broker::Redactor;
use esl::{Decoder, Limits};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

pub(super) struct Writer {
    files: Files,
    redactor: Redactor,
    shared: Arc<Shared>,
    /// Frames that are not on the disk yet, and how many.
    block: Vec<u8>,
    frames: u64,
    begun: Instant,
    /// When the disk may be tried again.
    pause: Option<Instant>,
    /// Whether it was told to stop.
    is_done: bool,
}

/// Bytes of frames that make a block.
const BLOCK: usize = 1 << 20;
/// A block is written after this time however small it is.
const LINGER: Duration = Duration::from_secs(5);
/// How long a disk that did not take a block is left alone.
const PAUSE: Duration = Duration::from_secs(5);

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.ended.store(!self.is_done, Relaxed);
    }
}

impl Writer {
    pub(super) fn new(files: Files, redactor: Redactor, shared: Arc<Shared>) -> Writer {
        let (block, begun) = (Vec::new(), Instant::now());
        Writer { files, redactor, shared, block, frames: 0, begun, pause: None, is_done: false }
    }

    /// Lets the disk be tried again at once.
    #[cfg(test)]
    pub(super) fn try_again(&mut self) {
        self.pause = None;
    }

    /// Until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(&mut self, orders: &Receiver<Message>) {
        let mut stopping: Option<Sender<()>> = None;
        loop {
            match orders.recv_timeout(LINGER / 5) {
                Ok(Message::Frames(frames, count)) => self.take(frames, count),
                Ok(Message::Stop(done)) => stopping = Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stopping.is_some() {
                break;
            }
            if self.begun.elapsed() >= LINGER {
                self.write();
            }
        }
        while let Ok(Message::Frames(frames, count)) = orders.try_recv() {
            self.take(frames, count);
        }
        self.write();
        self.files.close();
        self.is_done = true;
        if let Some(done) = stopping {
            _ = done.send(());
        }
    }

    /// Gathers frames without their secrets.
    fn take(&mut self, frames: Vec<u8>, count: u64) {
        self.shared.waiting.fetch_sub(frames.len(), Relaxed);
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&frames);
        let mut taken = 0;
        while let Ok(Some(frame)) = decoder.next() {
            if self.block.is_empty() {
                self.begun = Instant::now();
            }
            if append_redacted(&frame, &self.redactor, &mut self.block) {
                taken += 1;
                self.frames += 1;
            }
            if self.block.len() >= BLOCK {
                self.write();
            }
        }
        self.shared.dropped.fetch_add(count.saturating_sub(taken), Relaxed);
        self.give_back(frames);
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() <= SPARE_SIZE {
            let mut spare = self.shared.spare.lock();
            if spare.len() < SPARE {
                spare.push(buffer);
            }
        }
    }

    /// Writes the block, and ends a file that is old.
    fn write(&mut self) {
        self.begun = Instant::now();
        let frames = std::mem::take(&mut self.frames);
        if self.block.is_empty() {
            self.files.end_if_old();
            return;
        }
        if self.pause.is_some_and(|until| Instant::now() < until) {
            self.shared.dropped.fetch_add(frames, Relaxed);
            self.block.clear();
            return;
        }
        let compressed = compress_to_vec(self.block.as_slice(), CompressionLevel::Fastest);
        self.block.clear();
        match self.files.append(&compressed) {
            Ok(()) => {
                self.shared.frames.fetch_add(frames, Relaxed);
                self.shared.bytes.fetch_add(compressed.len() as u64, Relaxed);
                self.pause = None;
                if self.shared.trouble.lock().take().is_some() {
                    tracing::info!("captures can be written again");
                }
            }
            Err(error) => {
                self.shared.dropped.fetch_add(frames, Relaxed);
                self.pause = Some(Instant::now() + PAUSE);
                let directory = self.files.directory().display().to_string();
                let trouble = format!("captures cannot be written to {directory}: {error}");
                let before = self.shared.trouble.lock().replace(trouble.clone());
                if before.as_ref() != Some(&trouble) {
                    tracing::error!("{trouble}; free some space or mend the disk; it is tried again");
                }
            }
        }
        self.shared.kept.store(self.files.total(), Relaxed);
    }
}
