//! The thread that writes: frames out of the queue, secrets out of the frames, blocks of them onto the disk.
//!
//! Frames are gathered and written as one block, a whole zstd frame (RFC 8878), so that a file can be played up to its last block
//! whatever happened. Each file begins with a block that says what is known by then ([`State`]), and each block with the name of the switch that
//! its first frames came from. What the disk does not take is dropped and counted; it is tried again with the next block.

use super::files::Files;
use super::frames::append_redacted;
use super::{Knows, Message, SPARE, SPARE_SIZE, Shared, State};
use crate::clock;
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
    /// The switch that the last frames of the block came from.
    from: Arc<str>,
    /// Tells what each file begins with.
    knows: Option<Knows>,
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
        Writer {
            files,
            redactor,
            shared,
            block: Vec::new(),
            frames: 0,
            from: "".into(),
            knows: None,
            begun: Instant::now(),
            pause: None,
            is_done: false,
        }
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
                Ok(Message::Stop(done)) => stopping = Some(done),
                Ok(message) => self.hear(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stopping.is_some() {
                break;
            }
            if self.begun.elapsed() >= LINGER {
                self.write(true);
            }
        }
        while let Ok(message) = orders.try_recv() {
            self.hear(message);
        }
        // Nobody is asked any more: the program waits for its end.
        self.write(false);
        self.files.close();
        self.is_done = true;
        if let Some(done) = stopping {
            _ = done.send(());
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Frames(frames, count, from) => self.take(frames, count, &from),
            Message::State(frames) => {
                self.shared.waiting.fetch_sub(frames.len(), Relaxed);
                self.begin_block();
                self.block.extend_from_slice(&frames);
            }
            Message::Knows(knows) => self.knows = Some(knows),
            Message::Stop(_) => {}
        }
    }

    fn begin_block(&mut self) {
        if self.block.is_empty() {
            self.begun = Instant::now();
            self.from = "".into();
        }
    }

    /// Says which switch the next frames came from.
    fn are_from(&mut self, from: &Arc<str>) {
        if self.from != *from {
            self.from = from.clone();
            let from = Some(from.to_string());
            State { from, ..State::default() }.append(clock::now(), &mut self.block);
        }
    }

    /// Gathers frames without their secrets.
    fn take(&mut self, frames: Vec<u8>, count: u64, from: &Arc<str>) {
        self.shared.waiting.fetch_sub(frames.len(), Relaxed);
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&frames);
        let mut taken = 0;
        while let Ok(Some(frame)) = decoder.next() {
            self.begin_block();
            self.are_from(from);
            if append_redacted(&frame, &self.redactor, &mut self.block) {
                taken += 1;
                self.frames += 1;
            }
            if self.block.len() >= BLOCK {
                self.write(true);
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

    /// The block that a file begins with; empty where nothing is known.
    fn head(&self, may_ask: bool) -> Vec<u8> {
        let mut head = Vec::new();
        for state in self.knows.iter().flat_map(|knows| knows(may_ask)) {
            state.append(clock::now(), &mut head);
        }
        if head.is_empty() { head } else { compress_to_vec(head.as_slice(), CompressionLevel::Fastest) }
    }

    /// Writes the block, and ends a file that is old. Whoever knows may ask a switch for it.
    fn write(&mut self, may_ask: bool) {
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
        let mut compressed = compress_to_vec(self.block.as_slice(), CompressionLevel::Fastest);
        self.block.clear();
        if self.files.begins_with(compressed.len() as u64) {
            compressed = [self.head(may_ask), compressed].concat();
        }
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
