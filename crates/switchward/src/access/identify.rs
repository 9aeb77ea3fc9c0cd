//! From a request's credential to who asks, or to why it is refused.
//!
//! [`identify`] reads the one `Authorization` header: a token (RFC 6750) or name and password (RFC 7617). Wrong ones are counted against
//! the peer here and shown to the guard, to which guessing is an attack like any other.

use super::caller::{Arrival, Proof, Who};
use super::tokens::Closed;
use super::users::Checked;
use crate::app::App;
use crate::clock;
use crate::news::Event;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guard::{Alert, AlertKind, Evidence, Observation, Source, Transport, Verdict, What};
use std::sync::Arc;
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
        by_password(app, stranger, rest.trim()).await
    } else {
        Err(Denied::Wrong("a credential of an unknown kind".into()))
    }
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
    if wait.is_none() {
        count(app, &stranger);
    }
    failed(app, &stranger, "");
    Err(wait.map_or(wrong, Denied::Wait))
}

async fn by_password(app: &Arc<App>, stranger: Who, text: &str) -> Result<Who, Denied> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(Denied::Wrong("a name and password that cannot be read".into()));
    };
    if let Some(wait) = must_wait(app, &stranger) {
        return Err(Denied::Wait(wait));
    }
    // Counted before it is known, so that many at once are no way round.
    count(app, &stranger);
    // Somebody may have come this very second; asked for every name alike, so that the time tells nothing.
    let asked = app.clone();
    _ = tokio::task::spawn_blocking(move || asked.access.users.refresh()).await;
    let access = &app.access;
    let forgive = || stranger.peer.map(|peer| access.attempts.forgive(Source::of(peer)));
    match access.passwords.check(&access.users.held(), name, password).await {
        Checked::Right(role) => {
            forgive();
            let name = name.into();
            Ok(Who { proof: Proof::Basic, role: Some(role), name, ..stranger })
        }
        Checked::Busy => {
            forgive();
            Err(Denied::Busy)
        }
        // A name that nobody has may be a password typed in the wrong place.
        Checked::Wrong { known } => {
            failed(app, &stranger, if known { name } else { "" });
            let whose = if known { format!("a wrong password of {name}") } else { "an unknown user".into() };
            Err(Denied::Wrong(whose))
        }
    }
}

fn must_wait(app: &App, who: &Who) -> Option<Duration> {
    app.access.attempts.must_wait(Source::of(who.peer?), Instant::now())
}

fn count(app: &App, who: &Who) {
    if let Some(peer) = who.peer {
        app.access.attempts.count(Source::of(peer), Instant::now());
    }
}

/// Shows a wrong credential to the guard, and carries out what it says.
fn failed(app: &App, who: &Who, user: &str) {
    app.monitor.logins_failed.up();
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
                tracing::info!(target = %ban.target, rule = ban.reason.rule, "would be banned; banning is off");
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
            Verdict::HangUp { .. } | Verdict::Allow(_) => {}
        }
    }
}
