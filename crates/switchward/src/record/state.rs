//! What nobody can tell from the events alone, as a capture carries it: gateways, registrations, the allow-list, the switch's name.
//!
//! It stands in a capture as an event of a subclass of our own ([`SUBCLASS`]) whose body is JSON, so that whoever does not know it passes over
//! it. No secret is in it. What a switch sends under that name is left out of a recording. Start with [`State`].

use super::frames;
use esl::{EventView, Format};
use guard::engine::{Learnt, MOST_LEARNT};
use guard::{Allowed, Target, Time};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The subclass of the events that carry it.
pub const SUBCLASS: &str = "switchward::state";

/// Something that was known, of a switch or of the daemon; what is `None` is not said. [`State::from`] stands alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The frames that follow came from this switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The switch that `learnt` and `registrations` are of; empty otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub switch: String,
    /// All that this switch told to be out of reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Vec<Reach>>,
    /// Phones that are registered, beside those known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrations: Option<Vec<Registration>>,
    /// Addresses and name servers of the host that recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Vec<IpNet>>,
    /// Addresses that proved the credential of an operator lately, and whose: "user alice".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<(IpAddr, String)>,
    /// Allow entries, beside those known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Allowed>>,
    /// Allow entries that were removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disallowed: Vec<Target>,
    /// All untrusted-domain patterns added at run time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<String>>,
}

/// An address or a network that is out of reach, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The address, as a network of one, or the network.
    pub net: IpNet,
    /// What it is: "gateway carrier1".
    pub what: String,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Where.
    pub ip: IpAddr,
    /// Its port there; 0 when that is not known.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Its domain.
    pub domain: String,
    /// Until when, by the switch's clock.
    pub until: Time,
}

impl From<&Learnt> for Reach {
    fn from(learnt: &Learnt) -> Reach {
        Reach { net: learnt.net, what: learnt.label.to_string() }
    }
}

impl State {
    /// What a switch told to be out of reach.
    pub(crate) fn learnt(switch: &str, all: &[Learnt]) -> State {
        State {
            switch: switch.into(),
            learnt: Some(all.iter().map(Reach::from).collect()),
            ..State::default()
        }
    }

    /// Phones that a switch listed.
    pub(crate) fn registered(switch: &str, registrations: Vec<Registration>) -> State {
        State { switch: switch.into(), registrations: Some(registrations), ..State::default() }
    }

    /// Whether it tells what was known, and not only which switch speaks.
    pub(crate) fn is_knowledge(&self) -> bool {
        self.from.is_none()
    }

    /// Appends it as events; a long one as several, none of them large.
    pub(super) fn append(mut self, at: Time, out: &mut Vec<u8>) {
        let registrations = self.registrations.as_mut().map(|all| all.split_off(all.len().min(AT_ONCE)));
        let allowed = self.allowed.as_mut().map(|all| all.split_off(all.len().min(AT_ONCE)));
        if let Some(learnt) = &mut self.learnt {
            learnt.truncate(MOST_LEARNT);
        }
        self.append_one(at, out);
        for some in registrations.iter().flat_map(|all| all.chunks(AT_ONCE)) {
            State::registered(&self.switch, some.to_vec()).append_one(at, out);
        }
        for some in allowed.iter().flat_map(|all| all.chunks(AT_ONCE)) {
            State { allowed: Some(some.to_vec()), ..State::default() }.append_one(at, out);
        }
    }

    fn append_one(&self, at: Time, out: &mut Vec<u8>) {
        let Ok(body) = serde_json::to_vec(self) else { return };
        let head = format!("Event-Date-Timestamp: {}\nContent-Length: {}\n\n", at.micros(), body.len());
        let event = [BEGINNING, head.as_bytes(), &body].concat();
        frames::append(b"", b"text/event-plain", &event, out);
    }

    /// What an event of ours says; `None` for every other event, and for one that somebody made to look like ours.
    pub(crate) fn read(event: &EventView<'_>) -> Option<State> {
        let is_ours = event.format() == Format::Plain && event.raw().starts_with(BEGINNING);
        // A switch writes its name into whatever it sends, `sendevent` included.
        if !is_ours || event.header("Core-UUID").is_some() {
            return None;
        }
        serde_json::from_slice(event.body()?.raw()).ok()
    }

    /// Whether an event that a switch sent has our name.
    pub(super) fn is_named(event: &EventView<'_>) -> bool {
        event.subclass().is_some_and(|subclass| subclass.eq_decoded(SUBCLASS.as_bytes()))
    }
}

/// How our events begin. Those of a switch have the subclass in front.
const BEGINNING: &[u8] = b"Event-Name: CUSTOM\nEvent-Subclass: switchward%3A%3Astate\n";
/// Registrations, and allow entries, in one event.
const AT_ONCE: usize = 1000;
