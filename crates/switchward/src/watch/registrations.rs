//! What the switch knows already when we come: who is registered from where.
//!
//! Without it a restart of the daemon would leave every phone a stranger until its next registration, up to an hour.

use crate::app::App;
use crate::clock;
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

/// Asks the switch for its registrations and tells the guard.
pub(super) async fn learn(app: Arc<App>, switch: Arc<Switch>) {
    let name = switch.name.as_str();
    let answer = match switch.commands.api("show registrations as json", Duration::from_secs(30)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(switch = name, %error, "the switch did not list its registrations; phones are known once they register");
            return;
        }
    };
    // User names may hold any byte; a row that is not UTF-8 must not cost the others.
    match serde_json::from_str::<Answer>(&String::from_utf8_lossy(&answer)) {
        Ok(answer) => {
            let learnt = answer.rows.iter().filter(|row| tell(&app, row).is_some()).count();
            tracing::info!(switch = name, registrations = learnt, "learnt who is registered");
        }
        Err(error) => {
            tracing::warn!(switch = name, %error, "the switch's list of registrations was not understood");
        }
    }
}

fn tell(app: &App, row: &Row) -> Option<()> {
    let (ip, until, now) =
        (parse_ip(row.network_ip.as_bytes())?, Time::from_secs(row.expires.parse().ok()?), clock::now());
    if until <= now {
        return None;
    }
    let port = row.network_port.parse().unwrap_or(0);
    app.guard.learn_registration(ip, port, (row.reg_user.as_bytes(), row.realm.as_bytes()), until, now);
    Some(())
}
