//! A call that runs, as the answer to `uuid_dump` tells of it: a CHANNEL_DATA with the headers of every CHANNEL event.
//!
//! Ages are told instead of times: both ends of each are of the switch's clock, which need not be ours.

use super::{Extractor, Fields, Kind};
use esl::EventView;
use guard::Observation;
use std::time::Duration;

/// A leg that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// What its beginning would have been told as: [`guard::What::CallStarted`] or [`guard::What::LegStarted`].
    pub seen: Observation<'a>,
    /// How long ago it began.
    pub age: Duration,
    /// How long ago it was answered, if it was.
    pub answered: Option<Duration>,
}

impl Extractor {
    /// The leg that the answer to `uuid_dump` is about; `None` when it is no such answer, has ended, or tells nothing the guard wants.
    pub fn running<'a>(&'a mut self, event: EventView<'a>) -> Option<Running<'a>> {
        let number = |name| event.header(name).and_then(|value| value.number());
        let mut headers = event.headers();
        let is_dump = headers.any(|(name, value)| name == b"Event-Name" && value.raw() == b"CHANNEL_DATA");
        if !is_dump || event.header("Answer-State").is_some_and(|state| state.raw() == b"hangup") {
            return None;
        }
        let now = event.timestamp()?;
        let since = |then: u64| Duration::from_micros(now.saturating_sub(then));
        let age = since(number("Caller-Channel-Created-Time").filter(|time| *time > 0)?);
        let answered = number("Caller-Channel-Answered-Time").filter(|time| *time > 0).map(since);
        let fields = Fields::of_channel(Kind::Create, event, headers, &self.finders.gateway);
        if fields.forged || fields.call.is_empty() {
            return None;
        }
        Some(Running { seen: self.told(Kind::Create, &fields)?, age, answered })
    }
}
