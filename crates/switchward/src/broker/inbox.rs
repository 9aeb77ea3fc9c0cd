//! What one reader of a switch's events has not taken yet: a bounded queue that never holds the switch up.
//!
//! The hub hands every event over inside the task that reads from the switch, so an [`Inbox`] only asks the caller's [`View`], the reader's
//! filter, and puts the event in, or counts it as missed when there is no room. Where something is missing the reader is told how much, in
//! its place. Start with [`Inbox::open`] and [`Inbox::next`].

use broker::desk::View;
use broker::upstream::{Following, Happening, Link, LogLine, Sink, Wants};
use esl::{EventView, Format};
use guard::counts::Count;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// See the module.
pub struct Inbox {
    view: View,
    format: Format,
    waiting: Mutex<Waiting>,
    arrived: Notify,
    bound: Bound,
    /// Where what is missed is counted for all readers.
    missed: Arc<Count>,
}

/// How much may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Events.
    pub items: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// Something for the reader.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// An event: its text, without the head of the frame.
    Event(Body),
    /// So many events are missing here, because the reader was too slow.
    Missed(u64),
    /// Whether the switch is connected, in words. Between a loss and the next connection events are missing, nobody knows how many.
    State {
        /// Whether it is.
        connected: bool,
        /// Since when, or why not.
        text: String,
    },
}

/// The text of an event within its frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Body {
    frame: Arc<[u8]>,
    begins: usize,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    missed: u64,
    filter: Filter,
}

/// Which events of those that are shown a reader wants: for each header that is named one of its values must be there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter(Vec<(String, Vec<String>)>);

/// A text that is no filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a filter is written as Header:value, at most {MOST_FILTERS} of them")]
pub struct BadFilter;

impl Filter {
    /// Understands filters as they are written: "Caller-Destination-Number:1000".
    ///
    /// # Errors
    /// When one of them is none, or there are too many.
    pub fn new<T: AsRef<str>>(texts: &[T]) -> Result<Filter, BadFilter> {
        let mut filter = Filter::default();
        if texts.len() > MOST_FILTERS {
            return Err(BadFilter);
        }
        for text in texts {
            let (name, value) = text.as_ref().split_once(':').ok_or(BadFilter)?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || value.is_empty() {
                return Err(BadFilter);
            }
            match filter.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, values)) => values.push(value.to_owned()),
                None => filter.0.push((name.to_owned(), vec![value.to_owned()])),
            }
        }
        Ok(filter)
    }

    /// Whether an event, as its reader may see it, passes.
    fn lets(&self, event: &EventView<'_>) -> bool {
        self.0.iter().all(|(name, values)| {
            let mut found =
                event.headers().filter(|(header, _)| header.eq_ignore_ascii_case(name.as_bytes()));
            found.any(|(_, value)| {
                let value = value.decoded();
                values.iter().any(|wanted| wanted.as_bytes() == &*value)
            })
        })
    }
}

impl Inbox {
    /// Begins to follow the switch of a view.
    pub fn open(
        view: View,
        wants: Wants,
        filter: Filter,
        format: Format,
        bound: Bound,
        missed: Arc<Count>,
    ) -> (Arc<Inbox>, Following) {
        let hub = view.upstream().hub().clone();
        let waiting = Mutex::new(Waiting { filter, ..Waiting::default() });
        let inbox = Arc::new(Inbox { view, format, waiting, arrived: Notify::new(), bound, missed });
        inbox.state(&hub.link());
        let following = hub.follow(wants, inbox.clone());
        (inbox, following)
    }

    /// What the reader may see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Puts another filter in the place of the one before.
    pub fn filter(&self, filter: Filter) {
        self.waiting.lock().filter = filter;
    }

    /// The next item, as soon as there is one. It may be dropped while it waits; nothing is lost then.
    pub async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<Item> {
        let mut waiting = self.waiting.lock();
        // What is missing came after all that waits.
        let Some(item) = waiting.items.pop_front() else {
            let missed = std::mem::take(&mut waiting.missed);
            return (missed > 0).then_some(Item::Missed(missed));
        };
        if let Item::Event(body) = &item {
            waiting.bytes -= body.frame.len();
        }
        Some(item)
    }
}

impl Waiting {
    /// Says what was missed before what comes now, where there is room again.
    fn settle(&mut self) {
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            self.items.push_back(Item::Missed(missed));
        }
    }
}

impl Sink for Inbox {
    fn event(&self, event: &Arc<Happening>) {
        let Some(shown) = self.view.event(event) else { return };
        {
            let mut waiting = self.waiting.lock();
            if !waiting.filter.0.is_empty() && !waiting.filter.lets(&shown.view()) {
                return;
            }
            if waiting.items.len() >= self.bound.items || waiting.bytes >= self.bound.bytes {
                waiting.missed += 1;
                self.missed.up();
                return;
            }
            waiting.settle();
        }
        // Only the task of the hub puts events in, so that the room is still there.
        let body = Body::of(shown.frame(self.format).clone());
        let mut waiting = self.waiting.lock();
        waiting.bytes += body.frame.len();
        waiting.items.push_back(Item::Event(body));
        drop(waiting);
        self.arrived.notify_one();
    }

    fn log(&self, _: &LogLine) {}

    fn state(&self, link: &Link) {
        let mut waiting = self.waiting.lock();
        // A switch that comes and goes fills no queue that nobody reads.
        if waiting.items.len() >= self.bound.items {
            return;
        }
        waiting.settle();
        waiting.items.push_back(Item::State { connected: link.is_up(), text: link.to_string() });
        drop(waiting);
        self.arrived.notify_one();
    }
}

impl Body {
    fn of(frame: Arc<[u8]>) -> Body {
        let begins = frame.windows(2).position(|two| two == b"\n\n").map_or(0, |at| at + 2);
        Body { frame, begins }
    }

    /// The text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.frame[self.begins..])
    }
}

/// Most filters of one reader.
pub const MOST_FILTERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_header_are_alternatives_and_headers_are_not() {
        let event = |text: &'static str| EventView::parse(Format::Plain, text.as_bytes()).unwrap();
        let filter = Filter::new(&["A: 1", "a:2", "B:x y"]).unwrap();
        assert!(filter.lets(&event("Event-Name: X\nA: 2\nB: x%20y\n\n")));
        assert!(filter.lets(&event("Event-Name: X\nB: x%20y\nA: 1\n\n")));
        assert!(!filter.lets(&event("Event-Name: X\nA: 2\n\n")));
        assert!(!filter.lets(&event("Event-Name: X\nA: 3\nB: x%20y\n\n")));
        assert!(Filter::default().lets(&event("Event-Name: X\n\n")));
        for bad in ["", "A", ":x", "A:"] {
            assert_eq!(Filter::new(&[bad]), Err(BadFilter), "{bad}");
        }
        assert!(Filter::new(&vec!["A:1"; MOST_FILTERS + 1]).is_err());
    }
}
