//! One client from the greeting to the goodbye: [`talk`].
//!
//! As in FreeSWITCH the orders of a client are carried out one after the other, and a job goes on by itself. The answers are
//! FreeSWITCH's own, oddities included, so that programs cope; where it has none, they begin with `-ERR` and say what is wrong.

use super::listener::Listener;
use super::order::{Order, Words};
use super::{Admission, Client, Credential, Door, Entered, Stranger};
use crate::announcement::Announcement;
use crate::clock;
use crate::desk::{Order as Wanted, Visit};
use crate::directory::Claim;
use crate::message::Message;
use crate::upstream::{Following, JobId, Wants};
use crate::{Grant, LogLevel};
use esl::reply;
use esl::server::{Ended, Request, Session};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::timeout;

/// Serves one client to its end.
pub(super) async fn talk(door: &Arc<Door>, mut session: Session, stranger: Stranger) {
    let known = match log_in(door, &mut session, &stranger).await {
        Ok(known) => known,
        Err(Leaving::Politely) => return session.finish().await,
        Err(Leaving::Ended) => return,
    };
    session.authenticated();
    let mut talk = match Talk::begin(door, &session, known, stranger) {
        Ok(talk) => talk,
        Err(why) => {
            answer(&session, &why);
            return session.finish().await;
        }
    };
    let ended = loop {
        match session.next().await {
            Ok(request) => {
                if talk.take(&session, &request).await == After::Close {
                    drop(talk);
                    return session.finish().await;
                }
            }
            Err(ended) => break ended,
        }
    };
    if let Ended::Killed = ended {
        door.counts.cut_off.fetch_add(1, Relaxed);
        tracing::warn!(
            user = %talk.visit.identity, peer = %session.peer(), missed = talk.listener.missed(),
            "a client of the event socket door did not read and was cut off"
        );
    }
}

/// How somebody leaves who never came in.
enum Leaving {
    /// With the goodbye.
    Politely,
    /// The connection has ended.
    Ended,
}

/// Somebody who has come in.
struct Known {
    visit: Visit,
    /// With a credential of `userauth`, whose reply tells what is allowed.
    by_name: bool,
}

async fn log_in(door: &Door, session: &mut Session, stranger: &Stranger) -> Result<Known, Leaving> {
    for _ in 0..MOST_BEFORE_LOGIN {
        let request = session.next().await.map_err(|_| Leaving::Ended)?;
        let claim = match Order::of(&request) {
            Order::Auth(token) => Credential::Token(token),
            Order::UserAuth(argument) => Credential::User(Claim::of_userauth(argument)),
            Order::Exit => {
                answer(session, reply::BYE);
                return Err(Leaving::Politely);
            }
            _ => {
                answer(session, reply::COMMAND_NOT_FOUND);
                continue;
            }
        };
        let by_name = matches!(claim, Credential::User(_));
        match door.porter.identify(stranger, claim).await {
            Admission::Welcome(identity) => {
                let visit = Visit { identity, source: stranger.source(), door: stranger.door };
                return Ok(Known { visit, by_name });
            }
            Admission::Wrong => {
                door.counts.wrong.fetch_add(1, Relaxed);
                answer(session, reply::INVALID);
            }
            Admission::Later(why) => answer(session, &format!("-ERR {why}")),
        }
        return Err(Leaving::Politely);
    }
    Err(Leaving::Politely)
}

/// What happens to the connection after an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Stay,
    Close,
}

/// A client that has come in.
struct Talk<'a> {
    door: &'a Arc<Door>,
    visit: Visit,
    listener: Listener,
    following: Option<Following>,
    /// The channel of `myevents`.
    channel: Option<String>,
    _entered: Entered,
}

impl<'a> Talk<'a> {
    fn begin(
        door: &'a Arc<Door>,
        session: &Session,
        known: Known,
        stranger: Stranger,
    ) -> Result<Talk<'a>, String> {
        let Known { visit, by_name } = known;
        let view = door.desk.view(&visit, door.settings.switch.as_deref());
        let view = view.map_err(|refused| refused.as_reply())?;
        let outbox = session.outbox();
        let listener = Listener::new(view, outbox.clone(), door.settings.stuck);
        let (visiting, listening) = (visit.clone(), listener.clone());
        let client =
            Client { visit: visiting, peer: stranger.peer, since: clock::now(), outbox, listener: listening };
        let entered = door.enter(client).ok_or("-ERR too many connections of this user")?;
        let talk = Talk { door, visit, listener, following: None, channel: None, _entered: entered };
        talk.welcome(session, by_name);
        Ok(talk)
    }

    fn welcome(&self, session: &Session, by_name: bool) {
        if !by_name {
            return answer(session, reply::ACCEPTED);
        }
        let grant = self.door.desk.grant(&self.visit).unwrap_or_default();
        let bound = self.visit.identity.bound.as_deref();
        let listed = |list: Option<&Vec<String>>| list.map(|list| list.join(" "));
        let events = listed(bound.and_then(|bound| bound.events.as_ref()));
        let events = events.unwrap_or_else(|| grant.events.to_string());
        let api = listed(bound.and_then(|bound| bound.api.as_ref())).unwrap_or_else(|| patterns(&grant));
        let log = LogLevel::new(0).is_some_and(|least| self.listener.view().may_log(least));
        let mut out = Vec::new();
        reply::user_accepted(&mut out, &events, &api, log);
        session.reply(&out);
    }

    async fn take(&mut self, session: &Session, request: &Request) -> After {
        match Order::of(request) {
            Order::Exit => {
                answer(session, reply::BYE);
                return After::Close;
            }
            Order::Api(command) => self.api(session, command).await,
            Order::BgApi(command, job) => self.start(session, command, job).await,
            Order::GetVar(name) => self.variable(session, name).await,
            Order::Event(words) => self.listen(session, &words).await,
            Order::NixEvent(words) => self.forgo(session, &words).await,
            Order::NoEvents => {
                let was = self.listener.ignore();
                self.follow().await;
                answer(session, if was { reply::NO_EVENTS } else { reply::NOT_LISTENING });
            }
            Order::MyEvents(uuid, format) => self.bind(session, uuid, format).await,
            Order::Filter { header, value } => match self.listener.add_filter(header, value) {
                Ok(()) => answer(session, &format!("+OK filter added. [{header}]=[{value}]")),
                Err(bad) => answer(session, &bad.to_string()),
            },
            Order::FilterDelete { header, value } => {
                self.listener.delete_filter(header, value);
                answer(session, &format!("+OK filter deleted. [{header}][{}]", value.unwrap_or_default()));
            }
            Order::Log(level) => self.log(session, level).await,
            Order::NoLog => {
                let was = self.listener.wants().log().is_some();
                self.listener.log_up_to(None);
                self.follow().await;
                answer(session, if was { reply::NO_LOG } else { "-ERR not loging" });
            }
            Order::SendMsg(uuid) => answer(session, &self.message(uuid, request).await),
            Order::SendEvent(name) => answer(session, &self.announce(name, request).await),
            Order::Linger(_) if self.channel.is_none() => answer(session, "-ERR not controlling a session"),
            Order::Linger(lingers) => {
                self.listener.linger(lingers);
                answer(session, if lingers { "+OK will linger" } else { "+OK will not linger" });
            }
            Order::DivertEvents => answer(session, "-ERR not controlling a session."),
            Order::Malformed(why) => answer(session, why),
            Order::Auth(_) | Order::UserAuth(_) | Order::Unknown => {
                answer(session, reply::COMMAND_NOT_FOUND);
            }
        }
        After::Stay
    }

    fn wanted<'c>(&'c self, command: &'c str) -> Wanted<'c> {
        Wanted { command, switch: self.door.settings.switch.as_deref() }
    }

    async fn api(&self, session: &Session, command: &str) {
        match self.door.desk.run(&self.visit, self.wanted(command)).await {
            Ok(told) if told.cut => session.reply(&cut_response(&told.text)),
            Ok(told) => {
                let mut out = Vec::new();
                reply::api_response(&mut out, &told.text);
                session.reply(&out);
            }
            Err(refused) => answer(session, &refused.as_reply()),
        }
    }

    async fn start(&self, session: &Session, command: &str, name: Option<&str>) {
        let Ok(job) = JobId::random() else {
            return answer(session, "-ERR no random numbers for the id of a job");
        };
        let name = name.unwrap_or(job.as_str()).to_owned();
        self.listener.will_end(&job);
        match self.door.desk.start(&self.visit, self.wanted(command), Some(job)).await {
            Ok(started) => {
                let mut out = Vec::new();
                reply::job_started(&mut out, &name);
                session.reply(&out);
                let (listener, command) = (self.listener.clone(), command.to_owned());
                tokio::spawn(async move {
                    match started.result.await {
                        Ok(Ok(told)) => listener.job_ended(&name, &command, &told.text),
                        Ok(Err(refused)) => {
                            listener.job_ended(
                                &name,
                                &command,
                                format!("{}\n", refused.as_reply()).as_bytes(),
                            );
                        }
                        // The desk is gone, and so is everything else.
                        Err(_) => {}
                    }
                });
            }
            Err(refused) => answer(session, &refused.as_reply()),
        }
    }

    async fn variable(&self, session: &Session, name: &str) {
        let Some(channel) = &self.channel else { return answer(session, reply::COMMAND_NOT_FOUND) };
        if !crate::line::is_name(name) {
            return answer(session, "-ERR invalid variable name");
        }
        let command = format!("uuid_getvar {channel} {name}");
        match self.door.desk.run(&self.visit, self.wanted(&command)).await {
            Ok(told) => answer(session, String::from_utf8_lossy(&told.text).trim_end_matches('\n')),
            Err(refused) => answer(session, &refused.as_reply()),
        }
    }

    async fn listen(&mut self, session: &Session, words: &Words<'_>) {
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

    async fn forgo(&mut self, session: &Session, words: &Words<'_>) {
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
    async fn bind(&mut self, session: &Session, uuid: &str, format: Option<esl::Format>) {
        if !crate::line::is_name(uuid) {
            return answer(session, "-ERR invalid uuid");
        }
        let words = Words { names: OF_A_CHANNEL.to_vec(), format, ..Words::default() };
        if !self.may_listen(&words) {
            return answer(session, reply::PERMISSION_DENIED);
        }
        let mut wants = self.listener.wants();
        OF_A_CHANNEL.iter().for_each(|name| _ = wants.add(name));
        if let Err(bad) = self.listener.add_filter("Unique-ID", uuid) {
            return answer(session, &bad.to_string());
        }
        self.listener.listen(wants, format);
        self.listener.end_with(uuid);
        self.channel = Some(uuid.to_owned());
        self.follow().await;
        answer(session, "+OK Events Enabled");
    }

    async fn log(&mut self, session: &Session, text: &str) {
        let Ok(level) = text.parse::<LogLevel>() else { return answer(session, "-ERR invalid log level") };
        if !self.listener.view().may_log(level) {
            return answer(session, reply::PERMISSION_DENIED);
        }
        self.listener.log_up_to(Some(level.number()));
        self.follow().await;
        answer(session, &format!("+OK log level {text} [{}]", level.number()));
    }

    /// `sendmsg`: to the channel that it names, or to that of `myevents`.
    async fn message(&self, uuid: Option<&str>, request: &Request) -> String {
        let mut message = match Message::new(uuid.map(str::as_bytes), request.headers(), request.body()) {
            Ok(message) => message,
            Err(bad) => return format!("-ERR {bad}"),
        };
        if let Some(channel) = &self.channel {
            message = message.bound_to(channel);
        }
        let switch = self.door.settings.switch.as_deref();
        let told = self.door.desk.message(&self.visit, &message, switch).await;
        told.unwrap_or_else(|refused| refused.as_reply())
    }

    async fn announce(&self, name: &str, request: &Request) -> String {
        let event = match Announcement::new(name.as_bytes(), request.headers(), request.body()) {
            Ok(event) => event,
            Err(bad) => return format!("-ERR {bad}"),
        };
        let switch = self.door.settings.switch.as_deref();
        let told = self.door.desk.announce(&self.visit, &event, switch).await;
        told.unwrap_or_else(|refused| refused.as_reply())
    }

    /// Follows what is listened to. Whoever has the reply relies on it that events come from now on; with the switch away they come when it is
    /// back.
    async fn follow(&mut self) {
        let wants = self.listener.wants();
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

fn answer(session: &Session, text: &str) {
    let mut out = Vec::new();
    reply::command_reply(&mut out, text);
    session.reply(&out);
}

/// An answer that was longer: a header says so, which programs that do not know it skip.
fn cut_response(text: &[u8]) -> Vec<u8> {
    let head = format!("Content-Type: api/response\nContent-Length: {}\nResponse-Cut: true\n\n", text.len());
    [head.as_bytes(), text].concat()
}

/// What may be run, for people.
fn patterns(grant: &Grant) -> String {
    let mut text = String::new();
    for rule in grant.policy.rules().0 {
        let pattern = rule.pattern.to_string();
        if text.len() + pattern.len() > LONGEST_LIST {
            text.push_str(", ...");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&pattern);
    }
    text
}

/// Packets before the login.
const MOST_BEFORE_LOGIN: usize = 16;
/// Of one client.
const MOST_SUBCLASSES: usize = 256;
/// Until the switch has taken a subscription.
const SETTLING: Duration = Duration::from_secs(2);
/// In the reply to `userauth`.
const LONGEST_LIST: usize = 1024;
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
