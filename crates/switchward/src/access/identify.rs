//! From a request's credential to who asks, or to why it is refused.
//!
//! [`identify`] reads the one `Authorization` header: a token (RFC 6750) or name and password (RFC 7617). Wrong ones are counted against
//! the peer here, each once, and shown to the guard, to which guessing is an attack like any other.

use super::attempts::{MOST, WINDOW};
use super::caller::{Arrival, Proof, Who};
use super::tokens::Closed;
use super::users::{Asker, Checked, Mark};
use crate::app::App;
use crate::clock;
use crate::news::Event;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::Identity;
use broker::directory::{Claim, Outcome};
use guard::{Alert, AlertKind, Evidence, Observation, Source, Transport, Verdict, What};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use super::role::Role;

/// Why somebody with a credential is not let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    /// It is wrong, or no longer right; what the audit says, and not the peer.
    Wrong(String),
    /// Too many wrong ones came from there.
    Wait(Duration),
    /// Too many passwords are being checked.
    Busy,
}

/// Who asks. A credential that is shown is right, or the request is refused.
pub(crate) async fn identify(app: &Arc<App>, arrival: &Arrival, headers: &HeaderMap) -> Result<Who, Denied> {
    let stranger = Who::stranger(arrival);
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let Some(credential) = shown.next() else { return Ok(by_connection(app, arrival, stranger)) };
    if shown.next().is_some() {
        return Err(Denied::Wrong("more than one credential".into()));
    }
    let credential = credential.to_str().unwrap_or_default().trim();
    let (scheme, rest) = credential.split_once(' ').unwrap_or((credential, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        by_token(app, stranger, rest.trim()).await
    } else if scheme.eq_ignore_ascii_case("basic") {
        if !has_passwords(app).await {
            return Ok(by_connection(app, arrival, stranger));
        }
        by_password(app, stranger, rest.trim()).await
    } else {
        Err(Denied::Wrong("a credential of an unknown kind".into()))
    }
}

/// Who shows this token at another door.
pub(crate) async fn token(app: &Arc<App>, arrival: &Arrival, token: &str) -> Result<Who, Denied> {
    by_token(app, Who::stranger(arrival), token).await
}

/// Who has this name and password, at another door.
pub(crate) async fn password(
    app: &Arc<App>,
    arrival: &Arrival,
    name: &str,
    password: &str,
) -> Result<Who, Denied> {
    by_name(app, Who::stranger(arrival), name, password).await
}

/// What the connection itself proves.
fn by_connection(app: &App, arrival: &Arrival, stranger: Who) -> Who {
    if let Some(uid) = arrival.uid {
        let (proof, role) = (Proof::Socket, Some(Role::Admin));
        return Who { proof, role, name: format!("uid {uid}").into(), ..stranger };
    }
    let Some(certificate) = &arrival.certificate else { return stranger };
    let role = certificate.role(&app.config.load().api.certificate_roles);
    let name = certificate.names.first().map_or("", String::as_str).into();
    Who { proof: Proof::Certificate, role: Some(role), name, ..stranger }
}

async fn by_token(app: &Arc<App>, stranger: Who, text: &str) -> Result<Who, Denied> {
    let access = &app.access;
    let now = clock::now();
    let mut tokens = access.tokens.held();
    if tokens.value.find(text, stranger.peer, now) == Err(Closed::Unknown)
        && must_wait(app, &stranger).is_none()
    {
        // It may have been made this very second.
        let asked = app.clone();
        _ = tokio::task::spawn_blocking(move || asked.access.tokens.refresh()).await;
        tokens = access.tokens.held();
    }
    let wrong = match tokens.value.find(text, stranger.peer, now) {
        Ok(token) => {
            access.uses.note(token, stranger.peer, now);
            let (name, role) = (token.name.as_str().into(), Some(token.role));
            return Ok(Who { proof: Proof::Token, role, name, ..stranger });
        }
        // Whoever has one of these did not guess it: a forgotten script, which must not get its whole host banned.
        Err(Closed::Revoked(name)) => return Err(Denied::Wrong(format!("token {name}, which is revoked"))),
        Err(Closed::Expired(name)) => return Err(Denied::Wrong(format!("token {name}, which has expired"))),
        Err(Closed::Elsewhere(name)) => {
            return Err(Denied::Wrong(format!("token {name}, which may not be used from there")));
        }
        Err(Closed::Unknown) => Denied::Wrong("an unknown token".into()),
    };
    let wait = must_wait(app, &stranger);
    app.monitor.logins_failed.up();
    // No name has a control character, so that no password is mistaken for this.
    let mark = access.passwords.mark("\u{1}token", text);
    if is_news(app, &stranger, mark, Checked::Wrong { known: false }, 0) {
        if wait.is_none() {
            count(app, &stranger);
        }
        failed(app, &stranger, "");
    }
    Err(wait.map_or(wrong, Denied::Wait))
}

async fn by_password(app: &Arc<App>, stranger: Who, text: &str) -> Result<Who, Denied> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(Denied::Wrong("a name and password that cannot be read".into()));
    };
    by_name(app, stranger, name, password).await
}

async fn by_name(app: &Arc<App>, stranger: Who, name: &str, password: &str) -> Result<Who, Denied> {
    let access = &app.access;
    let mark = access.passwords.mark(name, password);
    let generation = access.users.held().generation;
    if let Some(role) = mark.and_then(|mark| access.passwords.remembered(&mark, generation)) {
        return Ok(Who { proof: Proof::Basic, role: Some(role), name: name.into(), ..stranger });
    }
    if let Some(identity) = app.logins.recall(&Claim::of_login(name, password)) {
        return Ok(of_directory(stranger, identity));
    }
    if let Some(wait) = must_wait(app, &stranger) {
        return Err(Denied::Wait(wait));
    }
    // On its own: whoever hangs up before the answer has guessed all the same.
    let checking = checking(app.clone(), stranger, name.to_owned(), password.to_owned());
    tokio::spawn(checking).await.unwrap_or(Err(Denied::Busy))
}

async fn checking(app: Arc<App>, stranger: Who, name: String, password: String) -> Result<Who, Denied> {
    // Somebody may have come this very second; asked for every name alike, so that the time tells nothing.
    let asked = app.clone();
    _ = tokio::task::spawn_blocking(move || asked.access.users.refresh()).await;
    let passwords = &app.access.passwords;
    let users = app.access.users.held();
    let source = stranger.peer.map(Source::of);
    let most = source.map_or(MOST, |source| app.access.attempts.left(source, Instant::now()));
    let asker = Asker { source, is_familiar: is_familiar(&app, &stranger), most };
    let checked = passwords.check(&users, asker, &name, &password).await;
    let (mark, generation) = (passwords.mark(&name, &password), users.generation);
    match checked {
        Checked::Right(role) => {
            Ok(Who { proof: Proof::Basic, role: Some(role), name: name.into(), ..stranger })
        }
        Checked::Busy => Err(Denied::Busy),
        // Right, and so no guess; nor may a script of theirs get its whole host banned.
        Checked::Disabled => {
            app.monitor.logins_failed.up();
            is_news(&app, &stranger, mark, Checked::Disabled, generation);
            Err(Denied::Wrong(format!("user {name}, who is disabled")))
        }
        Checked::Wrong { known: false } if app.logins.is_any() => {
            elsewhere(&app, stranger, &name, &password, mark, generation).await
        }
        Checked::Wrong { known } => {
            app.monitor.logins_failed.up();
            if is_news(&app, &stranger, mark, checked, generation) {
                count(&app, &stranger);
                // A name that nobody has may be a password typed in the wrong place.
                failed(&app, &stranger, if known { &name } else { "" });
            }
            let whose = if known { format!("a wrong password of {name}") } else { "an unknown user".into() };
            Err(Denied::Wrong(whose))
        }
    }
}

/// Asks the other directories about somebody who is not in the users file.
async fn elsewhere(
    app: &Arc<App>,
    stranger: Who,
    name: &str,
    password: &str,
    mark: Option<Mark>,
    generation: u64,
) -> Result<Who, Denied> {
    let outcome = app.logins.check(&Claim::of_login(name, password), stranger.peer).await;
    let known = match outcome {
        Some(Outcome::Right(identity)) => {
            return Ok(of_directory(stranger, identity));
        }
        Some(Outcome::Busy) => return Err(Denied::Busy),
        Some(Outcome::Trouble(why)) => {
            tracing::warn!(%why, "a directory cannot be asked who somebody is");
            return Err(Denied::Busy);
        }
        Some(Outcome::Disabled) => {
            app.monitor.logins_failed.up();
            return Err(Denied::Wrong(format!("user {name}, who is kept out")));
        }
        Some(Outcome::Wrong { known }) => known,
        None => false,
    };
    app.monitor.logins_failed.up();
    if is_news(app, &stranger, mark, Checked::Wrong { known }, generation) {
        count(app, &stranger);
        failed(app, &stranger, if known { name } else { "" });
    }
    Err(Denied::Wrong(if known { format!("a wrong password of {name}") } else { "an unknown user".into() }))
}

/// Somebody whom another directory than the users file knows: no role of the API, only what the broker's rules allow.
fn of_directory(stranger: Who, identity: Identity) -> Who {
    let (proof, name) = (Proof::Basic, identity.name.clone());
    Who { proof, role: None, name, identity: Some(Arc::new(identity)), ..stranger }
}

/// Whether a password could be right at all. Without any user a server in front may send those that it asks for itself: they are
/// nothing to us.
async fn has_passwords(app: &Arc<App>) -> bool {
    static TOLD: Once = Once::new();
    if app.access.has_passwords() || app.logins.is_any() {
        return true;
    }
    let asked = app.clone();
    _ = tokio::task::spawn_blocking(move || asked.access.users.refresh()).await;
    let has = app.access.has_passwords();
    if !has {
        TOLD.call_once(|| {
            tracing::info!(
                "a name and password came, and there are no users: such credentials are not regarded"
            );
        });
    }
    has
}

/// Whether strangers are not to stand in their way.
fn is_familiar(app: &App, who: &Who) -> bool {
    let Some(peer) = who.peer else { return true };
    let config = app.config.load();
    let lists = [&config.api_allowed(), &config.security.trusted_networks, &config.firewall.never_ban];
    lists.iter().any(|list| list.iter().any(|net| net.contains(&peer)))
        || app.access.passwords.is_familiar(Source::of(peer))
}

/// Whether a wrong credential comes for the first time from there: one that is repeated guesses nothing.
fn is_news(app: &App, who: &Who, mark: Option<Mark>, checked: Checked, generation: u64) -> bool {
    let window = app.config.load().api.failed_logins_window.max(WINDOW);
    let source = who.peer.map(Source::of);
    mark.is_none_or(|mark| app.access.passwords.refuse(source, mark, checked, generation, window))
}

pub(crate) fn must_wait(app: &App, who: &Who) -> Option<Duration> {
    app.access.attempts.must_wait(Source::of(who.peer?), Instant::now())
}

/// An unban link came that we have not made: somebody guesses.
pub(crate) fn wrong_link(app: &App, who: &Who) {
    count(app, who);
    failed(app, who, "");
}

fn count(app: &App, who: &Who) {
    if let Some(peer) = who.peer {
        app.access.attempts.count(Source::of(peer), Instant::now());
    }
}

/// Shows a wrong credential to the guard, and carries out what it says.
fn failed(app: &App, who: &Who, user: &str) {
    let seen = Observation {
        ip: who.peer,
        transport: Transport::Tcp,
        // The peer answered the kernel's SYN-ACK: nobody can have made this up in its name.
        evidence: Evidence::Proven,
        user: user.as_bytes(),
        ..Observation::of(u16::MAX, What::LoginFailed)
    };
    let now = clock::now();
    for verdict in app.guard.observe(&seen, now) {
        match verdict {
            Verdict::Ban(ban) => {
                let length = ban.remaining(now).map_or_else(|| "good".into(), guard::ban::span);
                let (rule, count, dry) = (
                    ban.reason.rule.as_str(),
                    ban.reason.count,
                    if app.is_dry() { " (dry run)" } else { "" },
                );
                tracing::warn!(target = %ban.target, rule, count, "banned for {length}{dry}: wrong credentials at our own door");
            }
            Verdict::WouldBan(ban) => {
                tracing::warn!(target = %ban.target, rule = ban.reason.rule, "wrong credentials at our own door; not banned: phones are there, or banning is off");
                app.mirror.news().tell(Event::WouldBan(ban));
            }
            Verdict::Alert(Alert { kind: AlertKind::NotEnforced(_), .. }) if app.is_dry() => {}
            Verdict::Alert(alert) => {
                tracing::error!(alert = alert.kind.word(), source = %alert.source, "alert");
                if let AlertKind::NotEnforced(ban) = &alert.kind {
                    app.mirror.enforce(ban);
                }
                app.mirror.news().tell(Event::Alert { switch: String::new(), alert });
            }
            Verdict::HangUp { .. } | Verdict::BlockAccount { .. } | Verdict::Allow(_) => {}
        }
    }
}
