//! What a client listens to: events by name, those of one channel, what that channel keeps for itself, and the log.

use super::{Talk, answer};
use crate::LogLevel;
use crate::desk::{Listening, Refused};
use crate::door::bound::Lingers;
use crate::door::diverting::Diverting;
use crate::door::order::Words;
use crate::upstream::{CallError, Wants};
use esl::server::Session;
use esl::{Format, reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

impl Talk<'_> {
    pub(super) async fn listen(&mut self, session: &Session, words: &Words<'_>, said: &str) {
        match self.listens(words, said) {
            Err(reply) => answer(session, &reply),
            Ok(format) => {
                self.follow().await;
                let mut out = Vec::new();
                reply::event_listener_enabled(&mut out, format);
                session.reply(&out);
            }
        }
    }

    /// Takes what `event` asks for; gives the reply when it does not.
    fn listens(&self, words: &Words<'_>, said: &str) -> Result<Format, String> {
        let mut wants = self.listener.wants();
        let known = words.names.iter().filter(|name| wants.add(name)).count();
        if known == 0 && !words.custom {
            return Err(reply::NO_KEYWORDS.into());
        }
        if !words.subclasses.iter().all(|subclass| wants.add_custom(subclass)) {
            return Err("-ERR invalid subclass".into());
        }
        if wants.subclasses() > MOST_SUBCLASSES {
            return Err("-ERR too many subclasses".into());
        }
        self.admit_listening(words, said)?;
        let format = words.format.unwrap_or_default();
        self.listener.listen(wants, Some(format));
        Ok(format)
    }

    /// Whether somebody may listen to this, which is written down; else the reply.
    fn admit_listening(&self, words: &Words<'_>, said: &str) -> Result<(), String> {
        let (desk, switch) = (&self.door.desk, self.door.settings.switch.as_deref());
        let told = match self.not_shown(words) {
            None => desk.listens(&self.visit, Listening::Events, said, switch),
            Some(name) => {
                let why = Refused::Denied { why: format!("no rule shows the event {name:?}") };
                Err(desk.keeps_from(&self.visit, Listening::Events, said, switch, why))
            }
        };
        told.map_err(|refused| refused.as_reply())
    }

    /// The first of what is asked for that no rule shows.
    fn not_shown(&self, words: &Words<'_>) -> Option<String> {
        // Of jobs everybody sees their own.
        let view = self.listener.view();
        let may = |name: &str| name.eq_ignore_ascii_case("BACKGROUND_JOB") || view.may_ask(name, None);
        let mut probe = Wants::nothing();
        let mut names = words.names.iter().filter(|name| probe.add(name));
        if let Some(name) = names.find(|name| !may(name)) {
            return Some((*name).to_owned());
        }
        let mut subclasses = words.subclasses.iter();
        let hidden = subclasses.find(|subclass| !view.may_ask("CUSTOM", Some(subclass)));
        hidden.map(|subclass| format!("CUSTOM {subclass}"))
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
    pub(super) async fn bind(&mut self, uuid: &str, format: Option<Format>) -> String {
        if !crate::line::is_name(uuid) {
            return "-ERR invalid uuid".into();
        }
        if self.channel.is_some() {
            // As FreeSWITCH writes it.
            return "-ERR aready enabled.".into();
        }
        let words = Words { names: OF_A_CHANNEL.to_vec(), format, ..Words::default() };
        if let Err(reply) = self.admit_listening(&words, &format!("myevents {uuid}")) {
            return reply;
        }
        let mut wants = self.listener.wants();
        OF_A_CHANNEL.iter().for_each(|name| _ = wants.add(name));
        self.listener.listen(wants, format);
        self.listener.bind(uuid);
        self.channel = Some(uuid.to_owned());
        self.follow().await;
        "+OK Events Enabled".into()
    }

    pub(super) async fn log(&mut self, text: &str) -> String {
        let Ok(level) = text.parse::<LogLevel>() else { return "-ERR invalid log level".into() };
        let (desk, switch) = (&self.door.desk, self.door.settings.switch.as_deref());
        let told = match self.listener.view().may_log(level) {
            true => desk.listens(&self.visit, Listening::Log, text, switch),
            false => {
                let why = Refused::Denied { why: format!("no rule shows the log up to {level}") };
                Err(desk.keeps_from(&self.visit, Listening::Log, text, switch, why))
            }
        };
        if let Err(refused) = told {
            return refused.as_reply();
        }
        self.listener.log_up_to(Some(level.number()));
        self.follow().await;
        format!("+OK log level {text} [{}]", level.number())
    }

    /// Takes a filter; the reply. `said` is the order as it came.
    pub(super) fn add_filter(&self, header: &str, value: &str, said: &str) -> String {
        let filter = match self.listener.filter(header, value) {
            Ok(filter) => filter,
            Err(bad) => return bad.to_string(),
        };
        if let Err(reply) = self.admit_filter(said) {
            return reply;
        }
        self.listener.add_filter(filter);
        format!("+OK filter added. [{header}]=[{value}]")
    }

    /// Takes filters away; the reply.
    pub(super) fn delete_filter(&self, header: &str, value: Option<&str>, said: &str) -> String {
        if let Err(reply) = self.admit_filter(said) {
            return reply;
        }
        self.listener.delete_filter(header, value);
        format!("+OK filter deleted. [{header}][{}]", value.unwrap_or_default())
    }

    /// Counts it and writes it down; else the reply.
    fn admit_filter(&self, said: &str) -> Result<(), String> {
        let switch = self.door.settings.switch.as_deref();
        let told = self.door.desk.listens(&self.visit, Listening::Filter, said, switch);
        told.map_err(|refused| refused.as_reply())
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
