//! What one client listens to, and what it missed: [`Listener`].
//!
//! It is called in the task that reads from the switch and never waits. When the client's queue is full, all further events are left
//! out and counted until half of the queue is free again; then the client is told how many with an event `CUSTOM switchward::missed`
//! (or a line of the log, if it listens to nothing else), which stands exactly where they would have stood. A client whose queue stays full for too long is cut off. Nobody else notices.

use super::bound::{Bound, End, Lingers, Timer};
use super::filter::{BadFilter, Filter, Filters};
use crate::clock;
use crate::desk::{Shown, View};
use crate::upstream::{Happening, JobId, Link, LogLine, Sink, Wants};
use esl::server::{Outbox, Pending, Pushed};
use esl::{EventView, EventWriter, Format, reply};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// See the module. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Listener(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    view: View,
    outbox: Outbox,
    /// How long its queue may stay full.
    stuck: Duration,
    ear: Mutex<Ear>,
    missed: AtomicU64,
}

#[derive(Debug, Default)]
struct Ear {
    format: Format,
    /// Whether `event` was accepted since the last `noevents`.
    listening: bool,
    wants: Wants,
    filters: Filters,
    /// The jobs that this client started: their ends come from the desk.
    jobs: VecDeque<JobId>,
    /// How many events were left out since the queue was full.
    missing: Option<u64>,
    /// The connection to the switch was lost since the last event.
    gap: bool,
    /// The channel of `myevents`: only its events are sent, and the connection ends with it.
    bound: Option<Bound>,
}

impl Listener {
    /// Nothing is listened to yet. What comes is shown through `view`.
    pub(super) fn new(view: View, outbox: Outbox, stuck: Duration) -> Listener {
        let (ear, missed) = (Mutex::default(), AtomicU64::new(0));
        Listener(Arc::new(Inner { view, outbox, stuck, ear, missed }))
    }

    /// What the client may see.
    pub(super) fn view(&self) -> &View {
        &self.0.view
    }

    /// Listens to this in this format, and to no more.
    pub(super) fn listen(&self, wants: Wants, format: Option<Format>) {
        let mut ear = self.0.ear.lock();
        ear.listening = true;
        ear.wants = wants;
        if let Some(format) = format {
            ear.format = format;
        }
    }

    /// Listens to no events any more; gives whether it did. Log lines go on.
    pub(super) fn ignore(&self) -> bool {
        let mut ear = self.0.ear.lock();
        let mut wants = Wants::nothing();
        wants.set_log(ear.wants.log());
        ear.wants = wants;
        // Those that were left out would not be sent any more either.
        self.0.outbox.discard_events();
        std::mem::take(&mut ear.listening)
    }

    /// What it listens to.
    pub(super) fn wants(&self) -> Wants {
        self.0.ear.lock().wants.clone()
    }

    /// Log lines up to this level, or none.
    pub(super) fn log_up_to(&self, level: Option<u8>) {
        self.0.ear.lock().wants.set_log(level);
    }

    /// A filter, when one more may be had.
    pub(super) fn filter(&self, header: &str, value: &str) -> Result<Filter, BadFilter> {
        self.0.ear.lock().filters.read(header, value)
    }

    pub(super) fn add_filter(&self, filter: Filter) {
        self.0.ear.lock().filters.add(filter);
    }

    pub(super) fn delete_filter(&self, header: &str, value: Option<&str>) {
        self.0.ear.lock().filters.delete(header, value);
    }

    /// From now on the only events are those of this channel, and the connection ends with it, unless it lingers.
    pub(super) fn bind(&self, channel: &str) {
        self.0.ear.lock().bound = Some(Bound::to(channel));
    }

    /// How long the connection goes on when its channel has ended.
    pub(super) fn linger(&self, lingers: Option<Lingers>) {
        let mut ear = self.0.ear.lock();
        let Some(timer) = ear.bound.as_mut().and_then(|bound| bound.linger(lingers)) else { return };
        self.leave_after(timer);
    }

    /// An event of the channel's own: neither what is listened to nor filters matter, as with FreeSWITCH.
    pub(super) fn diverted(&self, shown: &Shown<'_>) {
        let mut ear = self.0.ear.lock();
        if ear.listening {
            let frame = if ear.missing.is_some() { Arc::default() } else { shown.frame(ear.format).clone() };
            self.push(&mut ear, frame);
        }
    }

    /// Ends the connection when the time is up, unless another was set since.
    fn leave_after(&self, Timer { after, set }: Timer) {
        let listener = self.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let ear = listener.0.ear.lock();
            if ear.bound.as_ref().is_some_and(|bound| bound.is_due(set)) {
                listener.leave();
            }
        });
    }

    fn leave(&self) {
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::GOODBYE);
        self.0.outbox.close(Pending::Send, &notice);
    }

    /// A job of this client's is about to be started.
    pub(super) fn will_end(&self, job: &JobId) {
        let mut ear = self.0.ear.lock();
        if ear.jobs.len() >= JOBS_IN_MIND {
            ear.jobs.pop_front();
        }
        ear.jobs.push_back(job.clone());
    }

    /// Tells the end of a job that this client started, by the name that it knows it by.
    pub(super) fn job_ended(&self, name: &str, command: &str, text: &[u8]) {
        let (format, is_filtered) = {
            let ear = self.0.ear.lock();
            if ear.bound.is_some() || !ear.wants.takes(b"BACKGROUND_JOB", None) {
                return;
            }
            (ear.format, !ear.filters.pass_all())
        };
        // Some MiB perhaps: who reads from the switch must not wait for that.
        let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
        let written = |format| {
            let mut writer = begin(format, "BACKGROUND_JOB", None);
            writer.header("Job-UUID", name.as_bytes()).header("Job-Command", verb.as_bytes());
            if !argument.is_empty() {
                writer.header("Job-Command-Arg", argument.as_bytes());
            }
            frame(writer, Some(text))
        };
        let plain = is_filtered.then(|| written(Format::Plain));
        let frame = written(format);
        let mut ear = self.0.ear.lock();
        // The client may have thought otherwise meanwhile.
        if !ear.wants.takes(b"BACKGROUND_JOB", None) {
            return;
        }
        let frame = if ear.format == format { frame } else { written(ear.format) };
        if let Some(plain) = plain {
            let body = memchr::memmem::find(&plain, b"\n\n").map_or(&plain[..0], |at| &plain[at + 2..]);
            if !EventView::parse(Format::Plain, body).is_ok_and(|event| ear.filters.pass(&event)) {
                return;
            }
        }
        self.push(&mut ear, frame);
    }

    /// How many events this client missed by not reading.
    pub(super) fn missed(&self) -> u64 {
        self.0.missed.load(Relaxed)
    }

    fn push(&self, ear: &mut Ear, frame: Arc<[u8]>) {
        if let Some(missing) = &mut ear.missing {
            *missing += 1;
            self.0.missed.fetch_add(1, Relaxed);
        } else if self.0.outbox.push(frame) == Pushed::Dropped {
            ear.missing = Some(1);
            self.0.missed.fetch_add(1, Relaxed);
            tokio::spawn(self.clone().recover());
        }
    }

    /// Waits until the client reads again, and tells what it missed.
    async fn recover(self) {
        let Inner { outbox, stuck, .. } = &*self.0;
        if timeout(*stuck, outbox.half_free()).await.is_err() {
            outbox.kill();
            return;
        }
        let mut ear = self.0.ear.lock();
        let Some(missing) = ear.missing.take() else { return };
        if ear.listening {
            let told = missed(ear.format, &missing.to_string(), "the client did not read");
            self.push(&mut ear, told);
        } else if ear.wants.log().is_some() {
            let text = format!("{missing} lines of the log were missed: the client did not read\n");
            self.push(&mut ear, log_line(&text));
        }
    }
}

impl Ear {
    /// Whether it is sent, of what the client may see. With a channel more comes than is listened to.
    fn takes(&self, event: &EventView<'_>) -> bool {
        self.listening
            && self.bound.as_ref().is_none_or(|bound| {
                let subclass = event.subclass();
                bound.is_of(event)
                    && self.wants.takes(event.name(), subclass.as_ref().map(esl::Value::decoded).as_deref())
            })
    }

    fn is_own_job(&self, event: &EventView<'_>) -> bool {
        if event.name() != b"BACKGROUND_JOB" {
            return false;
        }
        let job = event.header("Job-UUID").map(|value| value.decoded()).unwrap_or_default();
        self.jobs.iter().any(|own| own.as_str().as_bytes() == &*job)
    }
}

impl Sink for Listener {
    fn event(&self, event: &Arc<Happening>) {
        let mut ear = self.0.ear.lock();
        if !(ear.listening || ear.bound.is_some()) || ear.is_own_job(&event.view()) {
            return;
        }
        let Some(shown) = self.0.view.event(event) else { return };
        if ear.takes(&event.view()) && (ear.filters.pass_all() || ear.filters.pass(&shown.view())) {
            // Making JSON is not worth the time for somebody who does not read.
            let frame = if ear.missing.is_some() { Arc::default() } else { shown.frame(ear.format).clone() };
            self.push(&mut ear, frame);
        }
        match ear.bound.as_mut().and_then(|bound| bound.observe(&event.view())) {
            None => {}
            Some(End::Now) => self.leave(),
            Some(End::Lingers { notice, timer }) => {
                self.push(&mut ear, notice);
                if let Some(timer) = timer {
                    self.leave_after(timer);
                }
            }
        }
    }

    fn log(&self, line: &LogLine) {
        let mut ear = self.0.ear.lock();
        if ear.wants.log().is_none_or(|level| line.level() > level) {
            return;
        }
        match self.0.view.log(line) {
            None => {}
            Some(Cow::Borrowed(_)) => self.push(&mut ear, line.frame().clone()),
            Some(Cow::Owned(text)) => self.push(&mut ear, rewritten(line, &text)),
        }
    }

    fn state(&self, link: &Link) {
        let mut ear = self.0.ear.lock();
        if link.is_down() {
            ear.gap = true;
        } else if link.is_up() && std::mem::take(&mut ear.gap) && ear.listening {
            let told = missed(ear.format, "unknown", "the connection to the switch was lost");
            self.push(&mut ear, told);
        }
    }
}

/// A line of the log that says something else.
fn rewritten(line: &LogLine, text: &[u8]) -> Arc<[u8]> {
    let head = &line.frame()[..line.frame().len() - line.text().len()];
    let mut frame = Vec::with_capacity(head.len() + text.len() + 8);
    for header in head.split_inclusive(|&byte| byte == b'\n') {
        match header.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH)) {
            true => frame.extend_from_slice(format!("Content-Length: {}\n", text.len()).as_bytes()),
            false => frame.extend_from_slice(header),
        }
    }
    frame.extend_from_slice(text);
    frame.into()
}

/// A warning in the log.
fn log_line(text: &str) -> Arc<[u8]> {
    let head = format!("Content-Type: log/data\nContent-Length: {}\nLog-Level: 4\n\n", text.len());
    (head + text).into_bytes().into()
}

fn missed(format: Format, how_many: &str, why: &str) -> Arc<[u8]> {
    let mut writer = begin(format, "CUSTOM", Some(MISSED));
    writer.header("Missed", how_many.as_bytes()).header("Missed-Reason", why.as_bytes());
    frame(writer, None)
}

fn begin(format: Format, name: &str, subclass: Option<&str>) -> EventWriter {
    let mut writer = EventWriter::new(format);
    if let Some(subclass) = subclass {
        writer.header("Event-Subclass", subclass.as_bytes());
    }
    writer.header("Event-Name", name.as_bytes());
    writer.header("Event-Date-Timestamp", clock::now().to_string().as_bytes());
    writer
}

fn frame(mut writer: EventWriter, body: Option<&[u8]>) -> Arc<[u8]> {
    let mut frame = Vec::new();
    writer.finish(body, &mut frame);
    frame.into()
}

const LENGTH: &[u8] = b"Content-Length";
/// The subclass of the event that tells what was missed.
const MISSED: &str = "switchward::missed";
/// Of one client; more are the switch's to tell, if the client may see other people's.
const JOBS_IN_MIND: usize = 1024;
