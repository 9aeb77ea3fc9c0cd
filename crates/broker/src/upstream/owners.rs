//! Whose channel is which: [`Owners`], and [`proven`], which says what proves it.
//!
//! A caller chooses the From header, and with it `Caller-Username`, the caller ids, `variable_sip_from_user` and the presence id
//! (in the captures a phone that logs in as 1004 and writes 1000 into From has `Caller-Username: 1000` and
//! `Channel-Presence-ID: 1000@...`); none of these is trusted, nor any `variable_sip_h_*`. What counts:
//! - on a leg that came in (`Call-Direction: inbound`) with `variable_sip_authorized: true`, `variable_user_name` and `variable_domain_name`: the
//!   directory's user, set after the digest was right or the address was that of the user's `cidr`;
//! - on a leg that the switch made (`Call-Direction: outbound`), `variable_dialed_user` and `variable_dialed_domain`, set by the endpoint
//!   `user/`. The caller's leg gets the same two variables after the call was put through, therefore the direction matters.
//!
//! Who may set variables of a channel that is already theirs can give it away by these, but cannot take another's. Events are believed only when
//! the core itself wrote them; one that `sendevent` or the application `event` made carries another file's name or a header `Command`.
//! Of a channel that no event told about the switch is asked (`uuid_dump`).

use super::{Ask, CallError, commands::Commands};
use crate::{Account, line::is_name};
use esl::{Command, EventView, Format, client::Reply};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct Owners {
    commands: Arc<Commands>,
    kept: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// From events; until the channel is gone.
    told: HashMap<Box<str>, Account>,
    /// From the switch's answers, with the time.
    asked: HashMap<Box<str>, (Option<Account>, Instant)>,
}

impl Owners {
    pub(super) fn new(commands: Arc<Commands>, kept: Duration) -> Owners {
        Owners { commands, kept, table: Mutex::default() }
    }

    /// Whose channel this is, as far as it is known without asking the switch. `None`: nobody's, or not known.
    pub fn owner(&self, uuid: &str) -> Option<Account> {
        let table = self.table();
        if let Some(account) = table.told.get(uuid) {
            return Some(account.clone());
        }
        match table.asked.get(uuid) {
            Some((account, at)) if at.elapsed() < self.kept => account.clone(),
            _ => None,
        }
    }

    /// Whether the switch would have to be asked whose channel this is.
    pub fn is_unknown(&self, uuid: &str) -> bool {
        let table = self.table();
        !table.told.contains_key(uuid)
            && table.asked.get(uuid).is_none_or(|(_, at)| at.elapsed() >= self.kept)
    }

    /// Whether this channel is known, without asking the switch, to be this account's.
    pub fn is_of(&self, uuid: &str, account: &Account) -> bool {
        let table = self.table();
        if let Some(owner) = table.told.get(uuid) {
            return owner == account;
        }
        matches!(table.asked.get(uuid), Some((Some(owner), at)) if at.elapsed() < self.kept && owner == account)
    }

    /// Whose these channels are; the switch is asked about those that are not known. Channels that are nobody's, or not there, are left
    /// out; so are texts that cannot be a channel's id, and those after the first [`MOST_ASKED`] that would have to be asked.
    ///
    /// # Errors
    /// When the switch cannot be asked.
    pub async fn resolve(&self, uuids: &[&str]) -> Result<HashMap<String, Account>, CallError> {
        let mut found = HashMap::new();
        let mut to_ask = Vec::new();
        {
            let table = self.table();
            for uuid in uuids {
                match (table.told.get(*uuid), table.asked.get(*uuid)) {
                    (Some(account), _) => _ = found.insert((*uuid).to_owned(), account.clone()),
                    (None, Some((account, at))) if at.elapsed() < self.kept => {
                        found.extend(account.clone().map(|account| ((*uuid).to_owned(), account)));
                    }
                    _ if is_name(uuid) && !to_ask.contains(uuid) => to_ask.push(uuid),
                    _ => {}
                }
            }
        }
        for uuid in to_ask.into_iter().take(MOST_ASKED) {
            let account = self.ask(uuid).await?;
            found.extend(account.map(|account| ((*uuid).to_owned(), account)));
        }
        Ok(found)
    }

    async fn ask(&self, uuid: &str) -> Result<Option<Account>, CallError> {
        let ask = Ask { limit: ASK_LIMIT, most: LONGEST_DUMP, is_read: true };
        let command = format!("uuid_dump {uuid} json");
        let account = match self.commands.ask(Command::Api(&command), ask).await? {
            (Reply::Response(bytes), false) => EventView::parse(Format::Json, &bytes)
                .ok()
                .filter(|event| only(event, "Unique-ID").is_some_and(|id| id.as_bytes() == uuid.as_bytes()))
                .and_then(|event| proven(&event)),
            // An answer that was cut may lack what contradicts it.
            (Reply::Response(_), true) => None,
            (Reply::Text(text), _) => return Err(CallError::refused(text)),
        };
        let mut table = self.table();
        if table.asked.len() >= MOST_ANSWERS {
            let kept = self.kept;
            table.asked.retain(|_, (_, at)| at.elapsed() < kept);
        }
        if table.asked.len() < MOST_ANSWERS {
            table.asked.insert(uuid.into(), (account.clone(), Instant::now()));
        }
        Ok(account)
    }

    /// Learns from CHANNEL_CREATE, CHANNEL_DESTROY and CHANNEL_UUID.
    pub(super) fn observe(&self, event: &EventView<'_>) {
        let Some(uuid) = only(event, "Unique-ID") else { return };
        match event.name() {
            b"CHANNEL_CREATE" if is_of_the_core(event) => {
                let account = proven(event);
                let mut table = self.table();
                table.asked.remove(uuid.as_str());
                match account {
                    Some(account)
                        if table.told.len() < MOST_TOLD || table.told.contains_key(uuid.as_str()) =>
                    {
                        table.told.insert(uuid.into(), account);
                    }
                    _ => _ = table.told.remove(uuid.as_str()),
                }
            }
            // Forgetting what a false event names costs a question only.
            b"CHANNEL_DESTROY" => self.forget(&uuid),
            b"CHANNEL_UUID" => {
                self.forget(&uuid);
                event
                    .header_all("Old-Unique-ID")
                    .for_each(|old| self.forget(&String::from_utf8_lossy(&old.decoded())));
            }
            _ => {}
        }
    }

    /// Forgets everything, as after a gap in the events.
    pub(super) fn forget_all(&self) {
        *self.table() = Table::default();
    }

    fn forget(&self, uuid: &str) {
        let mut table = self.table();
        table.told.remove(uuid);
        table.asked.remove(uuid);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose channel an event or a dump of a channel tells about, when authentication or the directory said so. See the module. Whether the event
/// itself is genuine is another question.
pub fn proven(event: &EventView<'_>) -> Option<Account> {
    let direction = only(event, "Call-Direction")?;
    let (user, domain) = match direction.as_str() {
        "inbound" if only(event, "variable_sip_authorized")? == "true" => {
            ("variable_user_name", "variable_domain_name")
        }
        "outbound" => ("variable_dialed_user", "variable_dialed_domain"),
        _ => return None,
    };
    let account = Account { user: only(event, user)?, domain: only(event, domain)? };
    (!account.user.is_empty() && !account.domain.is_empty()).then_some(account)
}

/// Whether FreeSWITCH's core wrote the event.
fn is_of_the_core(event: &EventView<'_>) -> bool {
    only(event, "Event-Calling-File").is_some_and(|file| file.starts_with("switch_"))
        && event.headers().all(|(name, _)| name != b"Command")
}

/// The value of a header that is there once, or several times with one value.
fn only(event: &EventView<'_>, name: &str) -> Option<String> {
    let mut values = event.header_all(name);
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    String::from_utf8(first.decoded().into_owned()).ok()
}

/// How many channels one question may have to ask about.
pub const MOST_ASKED: usize = 16;
const ASK_LIMIT: Duration = Duration::from_secs(3);
const LONGEST_DUMP: usize = 1024 * 1024;
const MOST_TOLD: usize = 65_536;
const MOST_ANSWERS: usize = 4096;
