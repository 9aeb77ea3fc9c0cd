//! What the switch knows already when we come: who is registered from where.
//!
//! Without it a restart of the daemon would leave every phone a stranger until its next registration, up to an hour.

use crate::app::App;
use crate::clock;
use crate::record::{Registration, State};
use crate::switch::Switch;
use guard::Time;
use guard::source::parse_ip;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// `show registrations as json`: every value is a string.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    reg_user: String,
    #[serde(default)]
    realm: String,
    #[serde(default)]
    network_ip: String,
    #[serde(default)]
    network_port: String,
    /// Seconds since 1970.
    #[serde(default)]
    expires: String,
}

/// Asks the switch for its registrations and tells the guard, and the recording.
pub(super) async fn learn(app: Arc<App>, switch: Arc<Switch>) {
    let name = switch.name.as_str();
    let listed = match listed(&switch.commands, ASK_WITHIN).await {
        Ok(listed) => listed,
        Err(Unlisted::NoAnswer(error)) => {
            tracing::warn!(switch = name, %error, "the switch did not list its registrations; phones are known once they register");
            return;
        }
        Err(Unlisted::Nonsense(error)) => {
            tracing::warn!(switch = name, %error, "the switch's list of registrations was not understood");
            return;
        }
    };
    let now = clock::now();
    let listed: Vec<_> = listed.into_iter().filter(|phone| phone.until > now).collect();
    for Registration { ip, port, user, domain, until } in &listed {
        app.guard.learn_registration(*ip, *port, (user.as_bytes(), domain.as_bytes()), *until, now);
    }
    tracing::info!(switch = name, registrations = listed.len(), "learnt who is registered");
    if let Some(recorder) = &app.recorder {
        recorder.tell(State::registered(name, listed));
    }
}

/// Why nothing is known of a switch's registrations.
pub(crate) enum Unlisted {
    /// It did not say.
    NoAnswer(esl::CallError),
    /// What it said is no list.
    Nonsense(serde_json::Error),
}

/// What a switch lists as registered.
pub(crate) async fn listed(commands: &esl::Pool, within: Duration) -> Result<Vec<Registration>, Unlisted> {
    let answer = commands.api("show registrations as json", within).await.map_err(Unlisted::NoAnswer)?;
    // User names may hold any byte; a row that is not UTF-8 must not cost the others.
    let answer =
        serde_json::from_str::<Answer>(&String::from_utf8_lossy(&answer)).map_err(Unlisted::Nonsense)?;
    Ok(answer.rows.into_iter().filter_map(registration).collect())
}

fn registration(row: Row) -> Option<Registration> {
    Some(Registration {
        ip: parse_ip(row.network_ip.as_bytes())?,
        port: row.network_port.parse().unwrap_or(0),
        user: row.reg_user,
        domain: row.realm,
        until: Time::from_secs(row.expires.parse().ok()?),
    })
}

/// How long the switch may take at the start.
const ASK_WITHIN: Duration = Duration::from_secs(30);
