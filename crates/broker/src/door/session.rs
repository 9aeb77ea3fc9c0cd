//! One client from the greeting to the goodbye: [`talk`].
//!
//! As in FreeSWITCH the orders of a client are carried out one after the other, and a job goes on by itself. The answers are
//! FreeSWITCH's own, oddities included, so that programs cope; where it has none, they begin with `-ERR` and say what is wrong.

use super::bound::Lingers;
use super::diverting::Diverting;
use super::listener::Listener;
use super::order::Order;
use super::{Client, Door, Entered, Stays, Stranger};
use crate::announcement::Announcement;
use crate::clock;
use crate::desk::{Order as Wanted, Refused, Visit};
use crate::message::Message;
use crate::upstream::{Following, JobId};
use crate::{Grant, LogLevel};
use esl::reply;
use esl::server::{Ended, Request, Session};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

mod listening;
mod login;

use login::{Known, Leaving, how, log_in};

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
                if !talk.stays.holds() {
                    drop(talk);
                    return session.finish().await;
                }
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
    stays: Stays,
    listener: Listener,
    following: Option<Following>,
    /// The channel of `myevents`.
    channel: Option<String>,
    /// Whose own events come here.
    diverting: Option<Diverting>,
    _entered: Entered,
}

impl<'a> Talk<'a> {
    fn begin(
        door: &'a Arc<Door>,
        session: &Session,
        known: Known,
        stranger: Stranger,
    ) -> Result<Talk<'a>, String> {
        let Known { visit, stays, by_name } = known;
        let (desk, how, switch) = (&door.desk, how(by_name), door.settings.switch.as_deref());
        let kept_out = |why: Refused| desk.keeps_out(&visit, how, why).as_reply();
        let view = desk.view(&visit, switch).map_err(kept_out)?;
        let outbox = session.outbox();
        let listener = Listener::new(view, outbox.clone(), door.settings.stuck);
        let client = Client {
            visit: visit.clone(),
            stays: stays.clone(),
            peer: stranger.peer,
            since: clock::now(),
            outbox,
            listener: listener.clone(),
        };
        let entered = door.enter(client).ok_or_else(|| {
            let why = Refused::Malformed("too many connections of this user".into());
            desk.keeps_out(&visit, how, why).as_reply()
        })?;
        desk.comes_in(&visit, how, switch).map_err(|refused| refused.as_reply())?;
        let talk = Talk {
            door,
            visit,
            stays,
            listener,
            following: None,
            channel: None,
            diverting: None,
            _entered: entered,
        };
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
            Order::Event(words) => self.listen(session, &words, &rest(request)).await,
            Order::NixEvent(words) => self.forgo(session, &words).await,
            Order::NoEvents => {
                let was = self.listener.ignore();
                self.follow().await;
                answer(session, if was { reply::NO_EVENTS } else { reply::NOT_LISTENING });
            }
            Order::MyEvents(uuid, format) => answer(session, &self.bind(uuid, format).await),
            Order::Filter { header, value } => {
                answer(session, &self.add_filter(header, value, &rest(request)));
            }
            Order::FilterDelete { header, value } => {
                answer(session, &self.delete_filter(header, value, &rest(request)));
            }
            Order::Log(level) => answer(session, &self.log(level).await),
            Order::NoLog => {
                let was = self.listener.wants().log().is_some();
                self.listener.log_up_to(None);
                self.follow().await;
                answer(session, if was { reply::NO_LOG } else { "-ERR not loging" });
            }
            Order::SendMsg(uuid) => answer(session, &self.message(uuid, request).await),
            Order::SendEvent(name) => answer(session, &self.announce(name, request).await),
            Order::Linger(seconds) => answer(session, &self.linger(Some(Lingers::of(seconds)))),
            Order::NoLinger => answer(session, &self.linger(None)),
            Order::DivertEvents(word) => answer(session, &self.divert(word).await),
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
}

/// What stands behind the verb, for the audit.
fn rest(request: &Request) -> String {
    String::from_utf8_lossy(request.argument().unwrap_or_default()).into_owned()
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

/// In the reply to `userauth`.
const LONGEST_LIST: usize = 1024;
