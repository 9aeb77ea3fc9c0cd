//! Who may do what on the event socket: [`Rights`] of the directory users and of the shared password.
//!
//! The users and their parameters are those of the captures: `esl-password`, `esl-allowed-api`,
//! `esl-allowed-events`, `esl-allowed-log` of 1000 to 1003.

use super::listener::Word;

/// A directory user that may log in with `userauth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EslUser {
    /// The user, without domain.
    pub name: String,
    /// `esl-password`.
    pub password: String,
    /// `esl-allowed-events`; without it everything.
    pub allowed_events: Option<String>,
    /// `esl-allowed-api`; without it everything.
    pub allowed_api: Option<String>,
    /// `esl-allowed-log`.
    pub allowed_log: bool,
    /// `number-alias`, under which the user is found too.
    pub number_alias: Option<String>,
    /// Further parameters of the directory, as `a1-hash`; one named `password` replaces the SIP password.
    pub params: Vec<(String, String)>,
}

impl EslUser {
    /// A user without restrictions.
    pub fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
            allowed_events: None,
            allowed_api: None,
            allowed_log: true,
            number_alias: None,
            params: Vec::new(),
        }
    }

    /// What the directory says of the user besides the SIP and voice mail passwords; what is as without it is left out.
    pub(super) fn directory_params(&self) -> Vec<(&str, &str)> {
        let mut params = Vec::new();
        if !self.password.is_empty() {
            params.push(("esl-password", &*self.password));
        }
        if !self.allowed_log {
            params.push(("esl-allowed-log", "false"));
        }
        params.extend(self.allowed_events.as_deref().map(|list| ("esl-allowed-events", list)));
        params.extend(self.allowed_api.as_deref().map(|list| ("esl-allowed-api", list)));
        params.extend(self.params.iter().map(|(name, value)| (&**name, &**value)));
        params
    }

    /// 1000 to 1003 of the captures: free, two with lists, one with all events and no command.
    pub fn of_the_captures() -> Vec<Self> {
        let events = "CHANNEL_CREATE CHANNEL_HANGUP_COMPLETE CUSTOM sofia::register sofia::register_failure";
        let mut users: Vec<_> =
            (1000..1004).map(|n| Self::new(&n.to_string(), &format!("esl-{n}"))).collect();
        users[1].allowed_events = Some(events.into());
        users[1].allowed_api = Some("status show bgapi".into());
        users[1].allowed_log = false;
        users[2].allowed_events = Some("HEARTBEAT,CHANNEL_CREATE".into());
        users[2].allowed_api = Some("uptime,version".into());
        users[3].allowed_events = Some("all".into());
        users[3].allowed_api = Some(String::new());
        users
    }
}

/// What a logged-in client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    events: Option<String>,
    api: Option<String>,
    pub(super) log: bool,
}

impl Rights {
    /// Those of the shared password.
    pub(super) fn everything() -> Self {
        Self { events: None, api: None, log: true }
    }

    pub(super) fn of(user: &EslUser) -> Self {
        Self { events: user.allowed_events.clone(), api: user.allowed_api.clone(), log: user.allowed_log }
    }

    pub(super) fn events_text(&self) -> &str {
        self.events.as_deref().unwrap_or("all")
    }

    pub(super) fn api_text(&self) -> &str {
        self.api.as_deref().unwrap_or("all")
    }

    /// Whether an `api` command may run; of `bgapi COMMAND` both must be allowed.
    pub(super) fn may_run(&self, command: &str) -> bool {
        let Some(list) = &self.api else {
            return true;
        };
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default();
        let allowed = |verb: &str| items(list).any(|item| item.eq_ignore_ascii_case(verb));
        match words.next() {
            Some(inner) if verb.eq_ignore_ascii_case("bgapi") => allowed(verb) && allowed(inner),
            _ => allowed(verb),
        }
    }

    /// Whether an event may be subscribed to.
    pub(super) fn may_hear(&self, word: Word<'_>) -> bool {
        let Some(list) = &self.events else {
            return true;
        };
        let all = list.eq_ignore_ascii_case("all");
        match word {
            Word::All => all,
            // What matters are its subclasses.
            Word::Custom => true,
            Word::Name(name) => {
                all || items(list)
                    .take_while(|item| !item.eq_ignore_ascii_case("CUSTOM"))
                    .any(|item| item.eq_ignore_ascii_case(name))
            }
            Word::Subclass(subclass) => items(list)
                .skip_while(|item| !item.eq_ignore_ascii_case("CUSTOM"))
                .skip(1)
                .any(|item| item.as_bytes() == subclass),
        }
    }
}

/// A list with a blank is split at blanks, otherwise at commas.
fn items(list: &str) -> impl Iterator<Item = &str> {
    let separator = if list.contains(' ') { ' ' } else { ',' };
    list.split(separator).filter(|item| !item.is_empty())
}
