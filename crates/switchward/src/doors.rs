//! Where do I stand: every listener of ours and the event socket of every switch, since when, where, how secured, with a mend for each
//! weakness.
//!
//! Start with [`report`]. Listeners of ours tell [`Listening`] when they open; how they are secured is read off the configuration in force.
//! What a switch listens on is asked of the switch itself and of this machine's table of sockets; no packet goes anywhere else.

mod ours;
mod sockets;
mod switch;

use crate::app::App;
use crate::clock;
use crate::http::overview::OperatorPlace;
use guard::Time;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a listener of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The HTTP interface.
    Http,
    /// The same on the Unix socket.
    HttpSocket,
    /// Profiles.
    Profiling,
    /// The event socket protocol.
    Esl,
    /// The same on a Unix socket.
    EslSocket,
}

/// Where a listener of ours is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// An address and port; whether it speaks TLS.
    Tcp(SocketAddr, bool),
    /// A path.
    Unix(PathBuf),
}

/// The listeners of ours.
#[derive(Debug, Default)]
pub struct Listening {
    open: Mutex<Vec<Opened>>,
    /// What the switches said of theirs, not asked anew within seconds.
    asked: switch::Asked,
}

/// A listener of ours.
#[derive(Clone, Debug)]
struct Opened {
    kind: Kind,
    place: Place,
    since: Time,
}

impl Listening {
    /// One listens from now on.
    pub fn opened(&self, kind: Kind, place: Place) {
        self.open.lock().push(Opened { kind, place, since: clock::now() });
    }

    /// The ports that listen.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let open = self.open.lock();
        let port = |opened: &Opened| match &opened.place {
            Place::Tcp(address, _) => Some(address.port()),
            Place::Unix(_) => None,
        };
        open.iter().filter_map(port).collect()
    }
}

/// Every door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// How many weaknesses there are, notes not counted.
    pub warnings: usize,
    /// The daemon's own first, then those of the switches.
    pub doors: Vec<Door>,
    /// Where operators and administrators proved their credentials in the last 12 hours: addresses that no rule bans.
    #[serde(default)]
    pub operators: Vec<OperatorPlace>,
}

/// A door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Door {
    /// "http", "http socket", "profiling", "event socket", "event socket on a Unix socket".
    pub kind: String,
    /// Whose: "switchward", or the name of a switch.
    pub of: String,
    /// Addresses with ports, or a path.
    pub listens: Vec<String>,
    /// Since when (RFC 3339); `null` when nobody knows.
    pub since: Option<String>,
    /// What that is the time of.
    pub since_means: String,
    /// Who can reach it: "this machine", "other machines", "whoever may open the file", "unknown".
    pub reach: String,
    /// "TLS", "plain" or "Unix socket".
    pub transport: String,
    /// What has to be shown.
    pub credentials: String,
    /// Which addresses are let in.
    pub acl: String,
    /// What is weak, the worst first.
    pub findings: Vec<Finding>,
}

/// Something that is weak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// "warning", or "note" for what may well be meant.
    pub severity: String,
    /// What is weak.
    pub what: String,
    /// What to do.
    pub mend: String,
}

/// Looks at every door.
pub async fn report(app: &Arc<App>) -> Report {
    let mut doors = ours::doors(app).await;
    doors.extend(switch::doors(app).await);
    for door in &mut doors {
        door.findings.sort_by_key(|finding| finding.severity != WARNING);
    }
    let warnings = doors.iter().flat_map(|door| &door.findings).filter(|finding| finding.severity == WARNING);
    let operators = app.guard.operators(clock::now()).iter().map(OperatorPlace::of).collect();
    Report { warnings: warnings.count(), doors, operators }
}

fn warning(what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { severity: WARNING.into(), what: what.into(), mend: mend.into() }
}

fn note(what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { severity: "note".into(), what: what.into(), mend: mend.into() }
}

const WARNING: &str = "warning";
/// Loopback addresses alone.
const HERE: &str = "this machine";
/// Any other address, whatever a packet filter may keep out.
const ELSEWHERE: &str = "other machines";
