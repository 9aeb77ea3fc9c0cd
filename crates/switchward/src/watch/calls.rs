//! The calls of a switch, as it lists them: events get lost, and some calls began before we came.
//!
//! It is asked when events begin to be read and every few minutes. A call that is not in the list is asked for by itself before it
//! counts as over; a channel that nobody told of is looked at once (`uuid_dump`), some hundreds in a look and one after the other. An
//! answer that makes no sense is counted and changes nothing. Start with [`follow`].

use super::carry_out;
use crate::app::App;
use crate::clock;
use crate::switch::Switch;
use esl::{EventView, Format};
use extract::freeswitch::{Extractor, Running};
use guard::Time;
use guard::fraud::Listed;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// `show channels as json`: every value is a string. Without channels there are no rows.
#[derive(Deserialize)]
struct Answer {
    row_count: u64,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    uuid: String,
    #[serde(default)]
    direction: String,
    /// Seconds since 1970.
    #[serde(default)]
    created_epoch: String,
    #[serde(default)]
    callstate: String,
}

/// Looks whenever `up` says that events are read, until its sender is gone.
pub(super) async fn follow(
    app: Arc<App>,
    switch: Arc<Switch>,
    default_domain: String,
    mut up: watch::Receiver<bool>,
) {
    let extractor = Extractor::new(switch.number, &default_domain);
    let mut looker = Looker { app, switch, extractor, up: up.clone(), looked_at: HashSet::new() };
    loop {
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        looker.up = up.clone();
        let next = looker.look().await;
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            // Down and up again may be too quick to be seen as two.
            changed = up.changed() => if changed.is_err() { return },
        }
    }
}

/// A name and whether it was answered: a channel is looked at once while it rings, and once afterwards.
type Mark = (String, bool);

struct Looker {
    app: Arc<App>,
    switch: Arc<Switch>,
    extractor: Extractor,
    /// Changes when the connection does that the look is about.
    up: watch::Receiver<bool>,
    /// What was looked at and still runs.
    looked_at: HashSet<Mark>,
}

impl Row {
    fn is_answered(&self) -> bool {
        matches!(self.callstate.as_str(), "ACTIVE" | "HELD" | "UNHELD")
    }

    fn mark(&self) -> Mark {
        (self.uuid.clone(), self.is_answered())
    }

    /// The oldest first, and before a leg the one that it was made for.
    fn order(&self) -> (u64, bool) {
        (self.created_epoch.parse().unwrap_or(u64::MAX), self.direction == "outbound")
    }
}

impl Looker {
    /// Looks once; tells when to look again.
    async fn look(&mut self) -> Duration {
        let app = self.app.clone();
        let (fraud, switch) = (app.guard.fraud(), self.switch.number);
        if !fraud.policy().enabled {
            self.in_sight();
            return LOOK_EVERY;
        }
        let look = fraud.look();
        let asked = clock::now();
        let rows = match self.list().await {
            Ok(rows) => rows,
            Err(why) => {
                fraud.counts().odd_answers.up();
                self.in_sight();
                let switch = &self.switch.name;
                tracing::warn!(switch, %why, "the switch did not list its calls; what is known of them is left as it is");
                return LOOK_EVERY;
            }
        };
        let channels: Vec<Listed<'_>> = rows
            .iter()
            .map(|row| Listed { call: row.uuid.as_bytes(), is_answered: row.is_answered() })
            .collect();
        let differences = fraud.compare(switch, &channels, asked);
        let (confirmed, ended) = self.confirm(&differences.missing).await;
        self.in_sight();
        let running: HashSet<&str> = rows.iter().map(|row| row.uuid.as_str()).collect();
        self.looked_at.retain(|(uuid, _)| running.contains(uuid.as_str()));
        let untold = differences.untold.iter().filter_map(|place| rows.get(*place));
        let mut untold: Vec<&Row> = untold.filter(|row| !self.looked_at.contains(&row.mark())).collect();
        untold.sort_by_key(|row| row.order());
        let before = fraud.counts().learnt.value();
        let looked = self.look_at(&untold).await;
        drop(look);
        let learnt = fraud.counts().learnt.value() - before;
        tracing::debug!(switch = self.switch.name, channels = rows.len(), looked, "looked at the calls");
        if ended > 0 || learnt > 0 {
            tracing::info!(switch = self.switch.name, ended, learnt, "calls had begun or ended unseen");
        }
        match confirmed == differences.missing.len() && looked == untold.len() {
            true => LOOK_EVERY,
            false => LOOK_ON,
        }
    }

    /// What is known of the switch's calls is as good as it gets, unless the connection broke meanwhile.
    fn in_sight(&self) {
        if self.up.has_changed().is_ok_and(|changed| !changed) {
            self.app.guard.fraud().in_sight(self.switch.number);
        }
    }

    /// The channels of the switch.
    async fn list(&self) -> Result<Vec<Row>, String> {
        let answer = self.switch.commands.api("show channels as json", LIST_WITHIN).await;
        let answer = answer.map_err(|error| error.to_string())?;
        // Names of callers may hold any byte; a row that is not UTF-8 must not cost the others.
        let answer: Answer =
            serde_json::from_str(&String::from_utf8_lossy(&answer)).map_err(|error| error.to_string())?;
        if answer.rows.len() as u64 != answer.row_count {
            return Err(format!("{} rows were announced and {} came", answer.row_count, answer.rows.len()));
        }
        Ok(answer.rows)
    }

    /// Asks for calls that were not in the list; those that are not there are over. Tells how many were asked for and are over.
    async fn confirm(&self, missing: &[Box<[u8]>]) -> (usize, usize) {
        let (fraud, mut asked, mut ended) = (self.app.guard.fraud(), 0, 0);
        for call in missing.iter().take(MOST_ASKED) {
            // It is plain, or it would not have been missed.
            let name = String::from_utf8_lossy(call);
            match self.switch.commands.api(&format!("uuid_exists {name}"), ANSWER_WITHIN).await.as_deref() {
                Ok(b"false") => {
                    fraud.ended_unseen(self.switch.number, call);
                    ended += 1;
                }
                Ok(b"true") => {}
                _ => fraud.counts().odd_answers.up(),
            }
            asked += 1;
            tokio::time::sleep(PAUSE).await;
        }
        (asked, ended)
    }

    /// Looks at channels that nobody told of; tells at how many.
    async fn look_at(&mut self, untold: &[&Row]) -> usize {
        let mut looked = 0;
        for row in untold.iter().take(MOST_ASKED) {
            looked += 1;
            self.looked_at.insert(row.mark());
            if !is_plain(&row.uuid) {
                self.app.guard.fraud().counts().odd_answers.up();
                continue;
            }
            match self.switch.commands.api(&format!("uuid_dump {}", row.uuid), ANSWER_WITHIN).await {
                Ok(answer) => self.learn(&answer),
                Err(_) => self.app.guard.fraud().counts().odd_answers.up(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        looked
    }

    /// Learns of one call, as `uuid_dump` tells of it.
    fn learn(&mut self, answer: &[u8]) {
        // It ended since it was listed.
        if answer.starts_with(b"-ERR No such channel") {
            return;
        }
        let now = clock::now();
        let Ok(event) = EventView::parse(Format::Plain, answer) else {
            return self.app.guard.fraud().counts().odd_answers.up();
        };
        if event.name() != b"CHANNEL_DATA" {
            return self.app.guard.fraud().counts().odd_answers.up();
        }
        let Some(Running { seen, age, answered }) = self.extractor.running(event) else { return };
        let before = |ago: Duration| Time::from_micros(now.micros().saturating_sub(ago.as_micros() as u64));
        let verdicts = self.app.guard.learn_call(&seen, before(age), answered.map(before), now);
        for verdict in verdicts {
            carry_out(&self.app, &self.switch, &tokio::runtime::Handle::current(), verdict, now);
        }
    }
}

/// Whether a name may be the argument of a command, and is written in events as it is in lists.
fn is_plain(uuid: &str) -> bool {
    !uuid.is_empty()
        && uuid.len() <= 256
        && uuid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// How often the switch is asked while nothing is wrong, and when a look was too long for one.
const LOOK_EVERY: Duration = Duration::from_secs(180);
const LOOK_ON: Duration = Duration::from_secs(10);
/// Calls that are asked for by themselves in one look, of each kind, and the pause after each.
const MOST_ASKED: usize = 300;
const PAUSE: Duration = Duration::from_millis(5);
const LIST_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
