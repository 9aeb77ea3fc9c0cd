//! Writes what the switches say into captures that `switchward replay` can play: redacted, compressed, rotated, bounded.
//!
//! A thread of its own does all the work. Whoever reads a switch has a [`Tap`], which copies each frame and never waits: what the queue has no
//! room for is dropped and counted. Several switches go into one sequence of files, frame by frame in the order in which they were judged, each
//! with its name; what else was known when a file began stands at its beginning ([`State`]).
//! Start with [`Recorder::start`].

use crate::broker::wiring::redactor;
use crate::clock;
use crate::config::{Config, Record};
use esl::{EventView, Format, Frame};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

mod files;
mod frames;
pub(crate) mod known;
mod state;
#[cfg(test)]
mod tests;
mod writer;

pub use files::{Files, OpenError};
pub use state::{Reach, Registration, SUBCLASS, State};

/// Where captures go, and how much of them is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory; made when it is missing.
    pub directory: PathBuf,
    /// A file that has so many bytes is ended.
    pub file_size: u64,
    /// A file that is so old is ended.
    pub file_age: Duration,
    /// The oldest files are deleted where all would have more bytes.
    pub total_size: u64,
}

/// The recorder that a configuration wants, if it wants one.
///
/// # Errors
/// As [`Recorder::start`].
pub fn of(config: &Config) -> Result<Option<Arc<Recorder>>, OpenError> {
    let Record { enabled, directory, file_size, file_age, total_size } = config.record.clone();
    let settings = Settings { directory, file_size, file_age, total_size };
    enabled.then(|| Recorder::start(settings, config)).transpose()
}

/// What was counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Frames written.
    pub frames: u64,
    /// Bytes written to the disk.
    pub bytes: u64,
    /// Frames that were not written: no room in the queue, or the disk did not take them.
    pub dropped: u64,
    /// Bytes that wait.
    pub waiting: u64,
    /// Bytes of all files.
    pub kept: u64,
}

/// The thread that writes, as the others see it.
pub struct Recorder {
    queue: Sender<Message>,
    shared: Arc<Shared>,
}

enum Message {
    /// Whole frames, how many, and the name of the switch that they came from.
    Frames(Vec<u8>, u64, Arc<str>),
    /// Events of our own, to be written as they are.
    State(Vec<u8>),
    /// Who tells what each file begins with.
    Knows(Knows),
    /// Write everything, then tell.
    Stop(Sender<()>),
}

/// Tells what is known at this moment; whether a switch may be asked for it, which takes its time, is said. Called on the recorder's thread.
pub(crate) type Knows = Box<dyn Fn(bool) -> Vec<State> + Send>;

/// What the taps and the thread share.
#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    frames: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    kept: AtomicU64,
    ended: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// Buffers to be used again.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Variables that the guard judges by, although they stand beside secrets: which account a call proved.
const JUDGED_BY: [&str; 1] = ["sip_auth_username"];
/// Bytes that may wait for the thread.
const MOST_WAITING: usize = 64 << 20;
/// Buffers that are kept for another use, and how large each may be.
const SPARE: usize = 16;
const SPARE_SIZE: usize = 1 << 20;

impl Recorder {
    /// Starts the thread. Secrets are taken out as the broker does.
    ///
    /// # Errors
    /// When the directory cannot be used or the system gives no thread.
    pub fn start(settings: Settings, config: &Config) -> Result<Arc<Recorder>, OpenError> {
        let files = Files::open(settings)?;
        let shared = Arc::new(Shared::default());
        shared.kept.store(files.total(), Relaxed);
        let (queue, orders) = mpsc::channel();
        let mut writer = writer::Writer::new(files, redactor(config).keeping(&JUDGED_BY), shared.clone());
        let run = move || {
            // Behind everything else: whoever is banned late is worse than a gap in a recording.
            _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), STEPS_BACK);
            writer.run(&orders);
        };
        std::thread::Builder::new().name("record".into()).spawn(run).map_err(OpenError::Thread)?;
        Ok(Arc::new(Recorder { queue, shared }))
    }

    /// A tap for the switch of this name.
    pub fn tap(self: &Arc<Self>, switch: &str) -> Tap {
        Tap { recorder: self.clone(), switch: switch.into(), buffer: Vec::new(), frames: 0 }
    }

    /// Something became known; it is written where the recording is at this moment.
    pub fn tell(&self, state: State) {
        let mut frames = Vec::new();
        state.append(clock::now(), &mut frames);
        self.send(frames, 1, Message::State);
    }

    /// Every file begins with what `knows` says.
    pub(crate) fn begin_with(&self, knows: Knows) {
        _ = self.queue.send(Message::Knows(knows));
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        Stats {
            frames: shared.frames.load(Relaxed),
            bytes: shared.bytes.load(Relaxed),
            dropped: shared.dropped.load(Relaxed),
            waiting: shared.waiting.load(Relaxed) as u64,
            kept: shared.kept.load(Relaxed),
        }
    }

    /// Why nothing is written at the moment, and the mend.
    pub fn trouble(&self) -> Option<String> {
        if self.shared.ended.load(Relaxed) {
            return Some(
                "the thread that records has ended; the log says why; restart to record again".into(),
            );
        }
        self.shared.trouble.lock().clone()
    }

    /// Writes what waits and ends the thread; tells whether it did so within `limit`. Blocks.
    pub fn stop(&self, limit: Duration) -> bool {
        let (done, ended) = mpsc::channel();
        self.queue.send(Message::Stop(done)).is_ok() && ended.recv_timeout(limit).is_ok()
    }

    /// Hands over whole frames, unless too much waits already. The buffer that takes their place is one to be used again.
    fn offer(&self, buffer: &mut Vec<u8>, frames: u64, switch: &Arc<str>) {
        let spare = self.shared.spare.try_lock().and_then(|mut spare| spare.pop()).unwrap_or_default();
        let full = std::mem::replace(buffer, spare);
        self.send(full, frames, |full| Message::Frames(full, frames, switch.clone()));
    }

    fn send(&self, full: Vec<u8>, frames: u64, message: impl FnOnce(Vec<u8>) -> Message) {
        let length = full.len();
        let waiting = self.shared.waiting.fetch_add(length, Relaxed);
        if waiting + length > MOST_WAITING || self.queue.send(message(full)).is_err() {
            self.shared.waiting.fetch_sub(length, Relaxed);
            self.shared.dropped.fetch_add(frames, Relaxed);
        }
    }
}

/// Copies what one reader hears. Nothing here waits.
pub struct Tap {
    recorder: Arc<Recorder>,
    switch: Arc<str>,
    buffer: Vec<u8>,
    frames: u64,
}

impl Tap {
    /// An event came.
    pub fn event(&mut self, event: &EventView<'_>) {
        let kind: &[u8] = match event.format() {
            Format::Plain => b"text/event-plain",
            Format::Json => b"text/event-json",
            Format::Xml => b"text/event-xml",
        };
        frames::append(b"", kind, event.raw(), &mut self.buffer);
        self.taken();
    }

    /// A line of the switch's log came.
    pub fn log(&mut self, frame: &Frame<'_>) {
        frames::append(frame.head(), b"", frame.body(), &mut self.buffer);
        self.taken();
    }

    fn taken(&mut self) {
        self.frames += 1;
        if self.buffer.len() >= ENOUGH {
            self.pass_on();
        }
    }

    /// Hands over what was copied: the reader is about to wait.
    pub fn pass_on(&mut self) {
        if self.frames > 0 {
            self.recorder.offer(&mut self.buffer, std::mem::take(&mut self.frames), &self.switch);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.pass_on();
    }
}

/// So many bytes are handed over at once.
const ENOUGH: usize = 256 << 10;
/// How far the thread steps back (nice(2)).
const STEPS_BACK: i32 = 19;
