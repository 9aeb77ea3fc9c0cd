//! The channel to which a client bound its connection with `myevents`: [`Bound`].
//!
//! As with FreeSWITCH the connection ends with the channel, unless it lingers: then the client is told when the channel hangs up, and the
//! time of `linger SECONDS` begins. Without lingering ours ends when the channel is gone and not when it hangs up, so that the last
//! events, CHANNEL_HANGUP_COMPLETE above all, always come.

use esl::{EventView, reply};
use std::sync::Arc;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(super) struct Bound {
    channel: Box<str>,
    lingers: Option<Lingers>,
    /// The client was told that it lingers.
    told: bool,
    /// How often a time was set.
    set: u64,
}

/// How long a connection goes on when its channel has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lingers {
    /// Until the client goes.
    Forever,
    /// So many seconds, as they were written: less than 1 is none.
    Seconds(i64),
}

/// What comes of an event.
#[derive(Debug)]
pub(super) enum End {
    /// The connection ends.
    Now,
    /// It lingers.
    Lingers {
        /// What the client is told.
        notice: Arc<[u8]>,
        /// When it ends, if it does by itself.
        timer: Option<Timer>,
    },
}

/// A time after which the connection ends.
#[derive(Debug)]
pub(super) struct Timer {
    /// From now.
    pub(super) after: Duration,
    /// For [`Bound::is_due`].
    pub(super) set: u64,
}

impl Lingers {
    /// What stands behind `linger`. As FreeSWITCH reads it: what is no number is 0, and -1 is no end.
    pub(super) fn of(text: Option<&str>) -> Lingers {
        let Some(text) = text else { return Lingers::Forever };
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        let number = &text[..text.len() - digits.len() + end];
        let most = if text.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) };
        match (end, number.parse().unwrap_or(most).clamp(i32::MIN.into(), i32::MAX.into())) {
            (0, _) => Lingers::Seconds(0),
            (_, -1) => Lingers::Forever,
            (_, seconds) => Lingers::Seconds(seconds),
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Lingers::Forever => -1,
            Lingers::Seconds(seconds) => seconds,
        }
    }

    fn limit(self) -> Option<Duration> {
        match self {
            Lingers::Forever => None,
            Lingers::Seconds(seconds) => Some(Duration::from_secs(seconds.try_into().unwrap_or(0))),
        }
    }
}

impl Bound {
    /// To this channel.
    pub(super) fn to(channel: &str) -> Bound {
        Bound { channel: channel.into(), lingers: None, told: false, set: 0 }
    }

    /// Whether an event is of the channel.
    pub(super) fn is_of(&self, event: &EventView<'_>) -> bool {
        event.header("Unique-ID").is_some_and(|value| *value.decoded() == *self.channel.as_bytes())
    }

    /// Sets how long it lingers. When the channel has ended already, the time begins now.
    pub(super) fn linger(&mut self, lingers: Option<Lingers>) -> Option<Timer> {
        self.lingers = lingers;
        // Who lingers already stays until the time is up, whatever becomes of the wish.
        if !self.told || lingers.is_none() {
            return None;
        }
        self.timer()
    }

    /// Whether the timer that was set as this one is the last.
    pub(super) fn is_due(&self, set: u64) -> bool {
        self.set == set
    }

    /// What an event of whatever channel means for the connection.
    pub(super) fn observe(&mut self, event: &EventView<'_>) -> Option<End> {
        let is_gone = event.name() == b"CHANNEL_DESTROY";
        if self.told || !(is_gone || event.name() == b"CHANNEL_HANGUP") || !self.is_of(event) {
            return None;
        }
        let Some(lingers) = self.lingers else { return is_gone.then_some(End::Now) };
        self.told = true;
        let name = event.header("Channel-Name").map(|value| value.decoded()).unwrap_or_default();
        let mut notice = Vec::new();
        reply::linger_notice(&mut notice, &self.channel, &String::from_utf8_lossy(&name), lingers.seconds());
        Some(End::Lingers { notice: notice.into(), timer: self.timer() })
    }

    fn timer(&mut self) -> Option<Timer> {
        self.set += 1;
        let after = self.lingers?.limit()?;
        Some(Timer { after, set: self.set })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esl::Format;

    fn seen(bound: &mut Bound, name: &str, channel: &str) -> Option<End> {
        let text = format!("Event-Name: {name}\nUnique-ID: {channel}\nChannel-Name: sofia/a%0Ab\n\n");
        bound.observe(&EventView::parse(Format::Plain, text.as_bytes()).unwrap())
    }

    #[test]
    fn seconds_are_read_as_freeswitch_reads_them() {
        for (text, lingers) in [
            (None, Lingers::Forever),
            (Some("-1"), Lingers::Forever),
            (Some("5"), Lingers::Seconds(5)),
            (Some("+5 s"), Lingers::Seconds(5)),
            (Some("-2"), Lingers::Seconds(-2)),
            (Some("soon"), Lingers::Seconds(0)),
            (Some("-"), Lingers::Seconds(0)),
            (Some("99999999999999999999"), Lingers::Seconds(i32::MAX.into())),
            (Some("-99999999999999999999"), Lingers::Seconds(i32::MIN.into())),
        ] {
            assert_eq!(Lingers::of(text), lingers, "{text:?}");
        }
        assert_eq!(Lingers::Seconds(-2).limit(), Some(Duration::ZERO));
    }

    #[test]
    fn it_ends_with_its_channel_and_no_other() {
        let mut bound = Bound::to("one");
        assert!(seen(&mut bound, "CHANNEL_DESTROY", "two").is_none());
        assert!(seen(&mut bound, "CHANNEL_HANGUP", "one").is_none());
        assert!(matches!(seen(&mut bound, "CHANNEL_DESTROY", "one"), Some(End::Now)));
    }

    #[test]
    fn it_lingers_from_the_hang_up_on_and_the_last_time_set_counts() {
        let mut bound = Bound::to("one");
        assert!(bound.linger(Some(Lingers::Seconds(3))).is_none());
        let Some(End::Lingers { notice, timer: Some(first) }) = seen(&mut bound, "CHANNEL_HANGUP", "one")
        else {
            panic!("it does not linger");
        };
        let notice = String::from_utf8_lossy(&notice).into_owned();
        assert!(notice.contains("\nChannel-Name: sofia/a b\nLinger-Time: 3\n"), "{notice}");
        assert!(seen(&mut bound, "CHANNEL_DESTROY", "one").is_none());
        assert_eq!(first.after, Duration::from_secs(3));
        assert!(bound.is_due(first.set) && bound.linger(None).is_none() && bound.is_due(first.set));
        let second = bound.linger(Some(Lingers::Seconds(9))).unwrap();
        assert!(!bound.is_due(first.set) && bound.is_due(second.set));
        assert!(bound.linger(Some(Lingers::Forever)).is_none() && !bound.is_due(second.set));
    }
}
