//! What the guard would have done to an address, and which calls of it were hung up: out of the news, which keep the newest.

use super::ban::BanAccount;
use crate::app::App;
use crate::clock;
use crate::news::{Event, KEPT};
use guard::rule::Rule;
use guard::{Source, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A call that was hung up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HangUpAccount {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// The switch.
    pub switch: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// The newest of both about a source, the newest first.
pub(super) fn told(
    app: &App,
    source: Source,
    rules: &[Rule],
    now: Time,
) -> (Vec<BanAccount>, Vec<HangUpAccount>) {
    let (mut would_bans, mut hang_ups) = (Vec::new(), Vec::new());
    for item in app.mirror.news().latest(KEPT).iter().rev() {
        match &item.event {
            Event::WouldBan(ban) if would_bans.len() < MOST && ban.target.overlaps(&source.net()) => {
                would_bans.push(BanAccount::of(ban, rules, now));
            }
            Event::HangUp { switch, source: of, why } if *of == source && hang_ups.len() < MOST => {
                let (at, switch) = (clock::rfc3339(Some(item.at)), switch.clone());
                hang_ups.push(HangUpAccount { at, switch, reason: why.clone() });
            }
            _ => {}
        }
    }
    (would_bans, hang_ups)
}

/// Of each, so many are told.
const MOST: usize = 5;
