//! Which events and log lines somebody wants: [`Wants`].
//!
//! The rules are FreeSWITCH's: event names ignore case, subclasses of CUSTOM do not; ALL is every event; taking one name away from ALL leaves
//! all the others.

use esl::{Format, Subscription};
use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

/// See the module. Nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    all: bool,
    /// A bit for each of [`NAMES`].
    names: u128,
    subclasses: BTreeSet<Box<str>>,
    log: Option<u8>,
}

impl Wants {
    /// Nothing.
    pub fn nothing() -> Wants {
        Wants::default()
    }

    /// Adds an event by its name, or all by `ALL`. Gives whether there is such a name; `CUSTOM` alone is that of events without a subclass.
    pub fn add(&mut self, name: &str) -> bool {
        if name.eq_ignore_ascii_case("ALL") {
            self.all = true;
            return true;
        }
        let bit = bit(name);
        self.names |= bit;
        bit != 0
    }

    /// Adds a subclass of CUSTOM. One that cannot be written into a command, or is overlong, is left out; gives whether it could.
    pub fn add_custom(&mut self, subclass: &str) -> bool {
        let fits = (1..=LONGEST_SUBCLASS).contains(&subclass.len())
            && !subclass.chars().any(|c| c.is_control() || c == ' ');
        if fits {
            self.names |= bit("CUSTOM");
            self.subclasses.insert(subclass.into());
        }
        fits
    }

    /// Takes an event away, or all by `ALL`. Gives whether there is such a name.
    pub fn remove(&mut self, name: &str) -> bool {
        if name.eq_ignore_ascii_case("ALL") {
            (self.all, self.names) = (false, 0);
            self.subclasses.clear();
            return true;
        }
        let bit = bit(name);
        if bit != 0 && self.all {
            self.all = false;
            self.names = EVERY_NAME;
        }
        self.names &= !bit;
        bit != 0
    }

    /// Takes a subclass away.
    pub fn remove_custom(&mut self, subclass: &str) {
        self.subclasses.remove(subclass);
    }

    /// Log lines up to this level, 0 (console) to 7 (debug), or none.
    pub fn set_log(&mut self, level: Option<u8>) {
        self.log = level.map(|level| level.min(7));
    }

    /// Log lines up to which level.
    pub fn log(&self) -> Option<u8> {
        self.log
    }

    /// Whether every event is wanted.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Whether any event is wanted.
    pub fn has_events(&self) -> bool {
        self.all || self.names != 0
    }

    /// How many subclasses there are; a door bounds them.
    pub fn subclasses(&self) -> usize {
        self.subclasses.len()
    }

    /// Whether an event is wanted.
    pub fn takes(&self, name: &[u8], subclass: Option<&[u8]>) -> bool {
        self.takes_bit(bit_of(name), subclass)
    }

    pub(super) fn takes_bit(&self, bit: u128, subclass: Option<&[u8]>) -> bool {
        if self.all {
            return true;
        }
        self.names & bit != 0
            && (bit != CUSTOM
                || subclass.is_none_or(|subclass| {
                    str::from_utf8(subclass).is_ok_and(|subclass| self.subclasses.contains(subclass))
                }))
    }

    /// What either wants.
    pub(super) fn unite(&mut self, other: &Wants) {
        self.all |= other.all;
        self.names |= other.names;
        self.subclasses.extend(other.subclasses.iter().cloned());
        self.log = self.log.max(other.log);
    }
}

/// What a connection is subscribed to at the switch.
#[derive(Debug, Default)]
pub(super) struct Subscribed(Wants);

/// What to send so that a connection brings what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) add: Option<Subscription>,
    pub(super) remove: Option<Subscription>,
    /// `log` with this level, or `nolog`.
    pub(super) log: Option<Option<u8>>,
}

impl Subscribed {
    /// Brings this to what is wanted. While ALL is subscribed nothing is taken away: that would end ALL. When ALL goes, all names that are not
    /// wanted are taken away one by one, so that none that is wanted is missed in between.
    pub(super) fn follow(&mut self, wanted: &Wants) -> Change {
        let has = &mut self.0;
        let custom = |names: u128, subclasses: Vec<&Box<str>>, all: bool| {
            let nothing = names == 0 && subclasses.is_empty() && !all;
            let mut list = Subscription::new(Format::Plain);
            if all {
                list = list.event("ALL");
            }
            for name in (0..NAMES.len()).filter(|at| names & 1 << at != 0).map(|at| NAMES[at]) {
                list = list.event(name);
            }
            let list = subclasses.into_iter().fold(list, |list, subclass| list.custom(&**subclass));
            (!nothing).then_some(list)
        };
        let add = custom(
            wanted.names & !has.names,
            wanted.subclasses.difference(&has.subclasses).collect(),
            wanted.all && !has.all,
        );
        let log = (wanted.log != has.log).then_some(wanted.log);
        let mut remove = None;
        if wanted.all {
            has.unite(wanted);
        } else {
            let had = if has.all { EVERY_NAME } else { has.names };
            // CUSTOM itself cannot be taken away by `nixevent`: what follows it are subclasses.
            let names = had & !wanted.names & !CUSTOM;
            remove = custom(names, has.subclasses.difference(&wanted.subclasses).collect(), false);
            *has = Wants { names: wanted.names | has.names & CUSTOM, ..wanted.clone() };
        }
        has.log = wanted.log;
        Change { add, remove, log }
    }
}

/// The bit of a name in any case; 0 for one that is not known.
fn bit(name: &str) -> u128 {
    bit_of(name.to_ascii_uppercase().as_bytes())
}

/// The bit of a name as FreeSWITCH writes it; 0 for one that is not known.
pub(super) fn bit_of(name: &[u8]) -> u128 {
    static BITS: LazyLock<HashMap<&[u8], u128>> =
        LazyLock::new(|| NAMES.iter().enumerate().map(|(at, name)| (name.as_bytes(), 1 << at)).collect());
    BITS.get(name).copied().unwrap_or(0)
}

/// In bytes. FreeSWITCH reads commands of 10 MiB at most, and what all followers want together is sent to it.
const LONGEST_SUBCLASS: usize = 128;
/// The bit of CUSTOM, the first name.
pub(super) const CUSTOM: u128 = 1;
const EVERY_NAME: u128 = (1 << NAMES.len()) - 1;
const _: () = assert!(NAMES.len() < 128);

/// The events that FreeSWITCH 1.11 knows by name (`EVENT_NAMES` in its `switch_event.c`); ALL is none.
#[rustfmt::skip]
pub const NAMES: &[&str] = &[
    "CUSTOM", "CLONE", "CHANNEL_CREATE", "CHANNEL_DESTROY", "CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_ANSWER",
    "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HOLD",
    "CHANNEL_UNHOLD", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_OUTGOING", "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_APPLICATION", "CHANNEL_ORIGINATE", "CHANNEL_UUID",
    "API", "LOG", "INBOUND_CHAN", "OUTBOUND_CHAN", "STARTUP", "SHUTDOWN", "PUBLISH", "UNPUBLISH", "TALK", "NOTALK",
    "SESSION_CRASH", "MODULE_LOAD", "MODULE_UNLOAD", "DTMF", "MESSAGE", "PRESENCE_IN", "NOTIFY_IN", "PRESENCE_OUT",
    "PRESENCE_PROBE", "MESSAGE_WAITING", "MESSAGE_QUERY", "ROSTER", "CODEC", "BACKGROUND_JOB", "DETECTED_SPEECH",
    "DETECTED_TONE", "PRIVATE_COMMAND", "HEARTBEAT", "TRAP", "ADD_SCHEDULE", "DEL_SCHEDULE", "EXE_SCHEDULE",
    "RE_SCHEDULE", "RELOADXML", "NOTIFY", "PHONE_FEATURE", "PHONE_FEATURE_SUBSCRIBE", "SEND_MESSAGE", "RECV_MESSAGE",
    "REQUEST_PARAMS", "CHANNEL_DATA", "GENERAL", "COMMAND", "SESSION_HEARTBEAT", "CLIENT_DISCONNECTED",
    "SERVER_DISCONNECTED", "SEND_INFO", "RECV_INFO", "RECV_RTCP_MESSAGE", "SEND_RTCP_MESSAGE", "CALL_SECURE", "NAT",
    "RECORD_START", "RECORD_STOP", "PLAYBACK_START", "PLAYBACK_STOP", "CALL_UPDATE", "FAILURE", "SOCKET_DATA",
    "MEDIA_BUG_START", "MEDIA_BUG_STOP", "CONFERENCE_DATA_QUERY", "CONFERENCE_DATA", "CALL_SETUP_REQ",
    "CALL_SETUP_RESULT", "CALL_DETAIL", "DEVICE_STATE", "TEXT", "SHUTDOWN_REQUESTED",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(names: &[&str], subclasses: &[&str]) -> Wants {
        let mut wants = Wants::nothing();
        assert!(names.iter().all(|name| wants.add(name)));
        assert!(subclasses.iter().all(|subclass| wants.add_custom(subclass)));
        wants
    }

    fn names(list: &Option<Subscription>) -> Vec<&str> {
        let list = list.as_ref();
        list.map(|list| list.events().iter().map(String::as_str).collect()).unwrap_or_default()
    }

    #[test]
    fn names_ignore_case_and_subclasses_do_not() {
        let wants = wants(&["channel_create"], &["sofia::register"]);
        assert!(wants.takes(b"CHANNEL_CREATE", None));
        assert!(wants.takes(b"CUSTOM", Some(b"sofia::register")));
        assert!(!wants.takes(b"CUSTOM", Some(b"sofia::Register")) && !wants.takes(b"HEARTBEAT", None));
        assert!(!Wants::nothing().add("NO_SUCH_EVENT"));
        assert!(!Wants::nothing().add_custom("a\nb") && !Wants::nothing().add_custom("a b"));
        assert!(
            Wants::nothing().add_custom(&"x".repeat(128)) && !Wants::nothing().add_custom(&"x".repeat(129))
        );
    }

    #[test]
    fn one_name_taken_from_all_leaves_the_others() {
        let mut wants = wants(&["ALL"], &[]);
        assert!(wants.remove("TALK") && !wants.is_all());
        assert!(!wants.takes(b"TALK", None) && wants.takes(b"NOTALK", None));
        assert!(wants.remove("all") && !wants.has_events());
    }

    #[test]
    fn only_what_differs_is_sent() {
        let mut has = Subscribed::default();
        let change = has.follow(&wants(&["TALK", "DTMF"], &["a::b"]));
        assert_eq!(names(&change.add), ["CUSTOM", "TALK", "DTMF"]);
        assert_eq!(change.remove, None);
        let change = has.follow(&wants(&["DTMF", "CODEC"], &["c::d"]));
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["CODEC"], vec!["TALK"]));
        assert_eq!(change.add.unwrap().subclasses(), ["c::d"]);
        assert_eq!(change.remove.unwrap().subclasses(), ["a::b"]);
        assert_eq!(has.follow(&wants(&["DTMF", "CODEC"], &["c::d"])), Change::default());
    }

    #[test]
    fn nothing_is_taken_away_while_all_is_wanted_and_everything_else_afterwards() {
        let mut has = Subscribed::default();
        has.follow(&wants(&["TALK", "DTMF"], &["a::b"]));
        let change = has.follow(&wants(&["ALL", "TALK"], &[]));
        assert_eq!((names(&change.add), change.remove), (vec!["ALL"], None));
        let change = has.follow(&wants(&["TALK"], &[]));
        assert_eq!(change.add, None);
        let removed = names(&change.remove);
        assert_eq!(removed.len(), NAMES.len() - 2, "all but TALK and CUSTOM");
        assert!(!removed.contains(&"TALK") && removed.contains(&"DTMF"));
        assert_eq!(change.remove.unwrap().subclasses(), ["a::b"]);
    }
}
