//! Playing captures to the clients: [`SimSwitch::play`].

use super::SimSwitch;
use crate::{clock, event::Event};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How fast a capture is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As it was recorded, by `Event-Date-Timestamp`, times this factor: 1 is the original pace, 10 ten times as
    /// fast.
    Times(f64),
    /// As fast as the slowest subscribed client reads.
    Max,
    /// At once, whether clients read or not: queues may overflow.
    Flood,
}

impl Pace {
    /// The original pace.
    pub const ORIGINAL: Self = Self::Times(1.0);
}

/// What becomes of the dates in the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// They stay.
    Recorded,
    /// They become the time of playing, and sequence numbers this switch's.
    Now,
}

/// What was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Played {
    /// Events that were offered to the clients.
    pub events: usize,
    /// How many times a client's queue took one.
    pub delivered: usize,
    /// How long it took.
    pub took: Duration,
}

impl SimSwitch {
    /// Plays events to every client, as each has subscribed to them and in its format.
    pub async fn play(&self, events: &[Event], pace: Pace, stamps: Stamps) -> Played {
        let start = Instant::now();
        let first = events.iter().find_map(|event| event.view().timestamp()).unwrap_or_default();
        let mut played = Played::default();
        for event in events {
            match pace {
                Pace::Times(factor) => {
                    let offset = event.view().timestamp().unwrap_or(first).saturating_sub(first);
                    let wait = Duration::from_secs_f64(offset as f64 / 1e6 / factor.max(1e-6));
                    sleep_until(start + wait).await;
                }
                Pace::Max if played.events.is_multiple_of(CHECK_EVERY) => {
                    self.shared.fanout.room(AHEAD).await;
                }
                Pace::Max | Pace::Flood => {}
            }
            played.delivered += match stamps {
                Stamps::Recorded => self.emit(event),
                Stamps::Now => self.emit(&self.restamped(event)),
            };
            played.events += 1;
        }
        played.took = start.elapsed();
        played
    }

    /// Plays bytes as they are to every subscribed client, whatever it has subscribed to, as fast as they are read.
    pub async fn play_raw(&self, bytes: &[u8]) -> Duration {
        let start = Instant::now();
        for piece in bytes.chunks(RAW_PIECE) {
            self.shared.fanout.room(RAW_PIECES_AHEAD).await;
            self.write_raw(piece);
        }
        start.elapsed()
    }

    fn restamped(&self, event: &Event) -> Event {
        let now = self.shared.now();
        let sequence = self.shared.identity().next_sequence().to_string();
        let mut out = Vec::with_capacity(event.plain().len() + 8);
        let mut rest = event.plain();
        // Only the headers: the body, after the empty line, is taken over as it is.
        while let Some(end) = rest.iter().position(|&b| b == b'\n').filter(|&end| end > 0) {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            let name = line.split(|&b| b == b':').next().unwrap_or_default();
            let mut write = |value: &dyn Fn(&mut Vec<u8>)| {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                value(&mut out);
                out.push(b'\n');
            };
            match name {
                b"Event-Date-Local" => write(&|out| clock::push_stamp(now, out)),
                b"Event-Date-GMT" => write(&|out| {
                    clock::push_gmt(now, out);
                    out.extend_from_slice(b"%20GMT");
                }),
                b"Event-Date-Timestamp" => write(&|out| out.extend_from_slice(now.to_string().as_bytes())),
                b"Event-Sequence" => write(&|out| out.extend_from_slice(sequence.as_bytes())),
                _ => out.extend_from_slice(line),
            }
        }
        out.extend_from_slice(rest);
        Event::from_template(&out)
    }
}

/// How many events may wait for the slowest reader while a capture is played as fast as it reads.
const AHEAD: usize = 4096;
/// How often that is looked at.
const CHECK_EVERY: usize = 64;
const RAW_PIECE: usize = 64 * 1024;
const RAW_PIECES_AHEAD: usize = 8;
