//! What a client listens to: events by name, those of one channel, what that channel keeps for itself, and the log.

use super::{Talk, answer};
use crate::LogLevel;
use crate::desk::Refused;
use crate::door::bound::Lingers;
use crate::door::diverting::Diverting;
use crate::door::order::Words;
use crate::upstream::{CallError, Wants};
use esl::reply;
use esl::server::Session;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

impl Talk<'_> {
    pub(super) async fn listen(&mut self, session: &Session, words: &Words<'_>) {
        let mut wants = self.listener.wants();
        let known = words.names.iter().filter(|name| wants.add(name)).count();
        if known == 0 && !words.custom {
            return answer(session, reply::NO_KEYWORDS);
        }
        if !words.subclasses.iter().all(|subclass| wants.add_custom(subclass)) {
            return answer(session, "-ERR invalid subclass");
        }
        if wants.subclasses() > MOST_SUBCLASSES {
            return answer(session, "-ERR too many subclasses");
        }
        if !self.may_listen(words) {
            return answer(session, reply::PERMISSION_DENIED);
        }
        let format = words.format.unwrap_or_default();
        self.listener.listen(wants, Some(format));
        self.follow().await;
        let mut out = Vec::new();
        reply::event_listener_enabled(&mut out, format);
        session.reply(&out);
    }

    fn may_listen(&self, words: &Words<'_>) -> bool {
        // Of jobs everybody sees their own.
        let view = self.listener.view();
        let may = |name: &str| name.eq_ignore_ascii_case("BACKGROUND_JOB") || view.may_ask(name, None);
        let mut probe = Wants::nothing();
        words.names.iter().filter(|name| probe.add(name)).all(|name| may(name))
            && words.subclasses.iter().all(|subclass| view.may_ask("CUSTOM", Some(subclass)))
    }

    pub(super) async fn forgo(&mut self, session: &Session, words: &Words<'_>) {
        let mut wants = self.listener.wants();
        let known = words.names.iter().filter(|name| wants.remove(name)).count();
        if known == 0 && !words.custom {
            return answer(session, reply::NO_KEYWORDS);
        }
        words.subclasses.iter().for_each(|subclass| wants.remove_custom(subclass));
        self.listener.listen(wants, None);
        self.follow().await;
        answer(session, reply::EVENTS_NIXED);
    }

    /// The events of one channel, to which orders without a channel go from now on. As with FreeSWITCH the connection ends with the channel,
    /// unless it is to linger.
    pub(super) async fn bind(&mut self, session: &Session, uuid: &str, format: Option<esl::Format>) {
        if !crate::line::is_name(uuid) {
            return answer(session, "-ERR invalid uuid");
        }
        let words = Words { names: OF_A_CHANNEL.to_vec(), format, ..Words::default() };
        if !self.may_listen(&words) {
            return answer(session, reply::PERMISSION_DENIED);
        }
        if self.channel.is_some() {
            // As FreeSWITCH writes it.
            return answer(session, "-ERR aready enabled.");
        }
        let mut wants = self.listener.wants();
        OF_A_CHANNEL.iter().for_each(|name| _ = wants.add(name));
        self.listener.listen(wants, format);
        self.listener.bind(uuid);
        self.channel = Some(uuid.to_owned());
        self.follow().await;
        answer(session, "+OK Events Enabled");
    }

    pub(super) async fn log(&mut self, session: &Session, text: &str) {
        let Ok(level) = text.parse::<LogLevel>() else { return answer(session, "-ERR invalid log level") };
        if !self.listener.view().may_log(level) {
            return answer(session, reply::PERMISSION_DENIED);
        }
        self.listener.log_up_to(Some(level.number()));
        self.follow().await;
        answer(session, &format!("+OK log level {text} [{}]", level.number()));
    }

    /// How long the connection stays after its channel.
    pub(super) fn linger(&self, lingers: Option<Lingers>) -> String {
        if self.channel.is_none() {
            return "-ERR not controlling a session".into();
        }
        self.listener.linger(lingers);
        match lingers {
            None => "+OK will not linger".into(),
            Some(Lingers::Forever) => "+OK will linger".into(),
            Some(Lingers::Seconds(seconds)) => format!("+OK will linger {seconds} seconds"),
        }
    }

    /// Takes what the channel keeps for itself, or gives it back. As with FreeSWITCH every word but "on" does that.
    pub(super) async fn divert(&mut self, word: Option<&str>) -> String {
        let Some(channel) = &self.channel else { return NO_CHANNEL.into() };
        let Some(word) = word else { return "-ERR missing value.".into() };
        if !word.eq_ignore_ascii_case("on") {
            if let Some(diverting) = self.diverting.take() {
                diverting.end().await;
            }
            return "+OK events not diverted".into();
        }
        if self.diverting.as_mut().is_none_or(|diverting| !diverting.is_on()) {
            let begun = Diverting::begin(self.door, &self.visit, channel, &self.listener).await;
            match begun {
                Ok(diverting) => self.diverting = Some(diverting),
                // There is no such channel, or no longer.
                Err(Refused::Failed { error: CallError::Refused(_), .. }) => return NO_CHANNEL.into(),
                Err(refused) => return refused.as_reply(),
            }
        }
        "+OK events diverted".into()
    }

    /// Follows what is listened to. Whoever has the reply relies on it that events come from now on; with the switch away they come when it is
    /// back.
    pub(super) async fn follow(&mut self) {
        let mut wants = self.listener.wants();
        if self.channel.is_some() {
            ENDS.iter().for_each(|name| _ = wants.add(name));
        }
        let hub = self.listener.view().upstream().hub();
        match &self.following {
            Some(following) => following.change(wants),
            None => self.following = Some(hub.follow(wants, Arc::new(self.listener.clone()))),
        }
        if let Some(following) = &self.following {
            _ = timeout(SETTLING, following.settled()).await;
        }
    }
}

/// Of one client.
const MOST_SUBCLASSES: usize = 256;
/// Until the switch has taken a subscription.
const SETTLING: Duration = Duration::from_secs(2);
const NO_CHANNEL: &str = "-ERR not controlling a session.";
/// What tells that a channel ends.
const ENDS: [&str; 2] = ["CHANNEL_HANGUP", "CHANNEL_DESTROY"];
/// What `myevents` listens to.
const OF_A_CHANNEL: [&str; 32] = [
    "CHANNEL_CREATE",
    "CHANNEL_DESTROY",
    "CHANNEL_STATE",
    "CHANNEL_CALLSTATE",
    "CHANNEL_ANSWER",
    "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_OUTGOING",
    "CHANNEL_PARK",
    "CHANNEL_UNPARK",
    "CHANNEL_APPLICATION",
    "CHANNEL_ORIGINATE",
    "CHANNEL_UUID",
    "CHANNEL_DATA",
    "CALL_UPDATE",
    "TALK",
    "NOTALK",
    "DTMF",
    "DETECTED_SPEECH",
    "DETECTED_TONE",
    "PLAYBACK_START",
    "PLAYBACK_STOP",
    "RECORD_START",
    "RECORD_STOP",
];
