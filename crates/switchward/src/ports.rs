//! Which ports a ban of the SIP ports closes: those of the configuration, and those that the switches' profiles listen on.
//!
//! `watch::reach` asks the switches and writes into each [`crate::switch::Switch::learnt`]; [`publish`] has the kernel close them, [`look`]
//! compares what the profiles told with what the kernel closes. A port of our own doors, of a switch's event socket or of SSH is never
//! closed because a switch told so: a ban on forged packets must not close those.

use crate::app::App;
use crate::config::Config;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ports, compared.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SipPorts {
    /// What a ban of the SIP ports closes in the kernel, in order: inclusive ranges; nothing without a firewall.
    pub closed: Vec<(u16, u16)>,
    /// Those of the profiles that are closed and not in the configuration.
    pub learnt: Vec<Learnt>,
    /// Those of the profiles that such a ban does not close.
    pub open: Vec<Open>,
}

/// A port that a profile listens on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learnt {
    /// The port.
    pub port: u16,
    /// Whose: "profile internal of freeswitch".
    pub of: Arc<str>,
}

/// A port that stays open to who is banned from SIP alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// The port.
    pub port: u16,
    /// Whose: "profile internal of freeswitch".
    pub of: Arc<str>,
    /// What to do.
    pub mend: &'static str,
}

/// What is to be closed, and what is not although a profile listens there.
struct Plan {
    close: Vec<u16>,
    leave: Vec<Open>,
}

/// Has the kernel close what the switches told by now, and says in the log what that is.
pub(crate) fn publish(app: &App) {
    let Plan { close, leave } = plan(app);
    if let Some(writer) = app.mirror.firewall() {
        if !close.is_empty() {
            tracing::info!(
                ports = listed(close.iter()),
                "the switches' profiles listen there: a ban of the SIP ports closes them, too"
            );
        }
        writer.also_close(close);
    }
    for Open { port, of, mend } in leave {
        tracing::warn!(port, %of, mend, "a ban of the SIP ports does not close this port");
    }
}

/// What is closed, and what is not.
pub fn look(app: &App) -> SipPorts {
    let Some(writer) = app.mirror.firewall() else { return SipPorts::default() };
    let closed = writer.stats().sip_ports;
    let config = app.config.load();
    let Plan { leave, .. } = plan(app);
    let mut ports = SipPorts { closed, ..SipPorts::default() };
    for (port, of) in told(app) {
        if !ports.closed.iter().any(|(first, last)| (*first..=*last).contains(&port)) {
            let known = leave.iter().find(|open| open.port == port).cloned();
            ports.open.push(known.unwrap_or(Open { port, of, mend: KERNEL }));
        } else if !is_configured(&config, port) {
            ports.learnt.push(Learnt { port, of });
        }
    }
    ports
}

impl SipPorts {
    /// The closed ones, as the configuration writes them.
    pub fn ranges(&self) -> Vec<String> {
        let shown = |(first, last): &(u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        self.closed.iter().map(shown).collect()
    }

    /// What is wrong, with the mend.
    pub(crate) fn trouble(&self) -> Option<String> {
        let first = self.open.first()?;
        let named: Vec<String> =
            self.open.iter().map(|open| format!("{} ({})", open.port, open.of)).collect();
        Some(format!(
            "a ban of the SIP ports does not close what profiles listen on: {}; {}",
            named.join(", "),
            first.mend
        ))
    }
}

fn plan(app: &App) -> Plan {
    let config = app.config.load();
    let mut plan = Plan { close: Vec::new(), leave: Vec::new() };
    let doors = app.monitor.listening.ports();
    let is_reserved = |port: u16| {
        port == SSH
            || port == config.server.port
            || doors.contains(&port)
            || app.switches.iter().any(|switch| switch.port == port)
    };
    for (port, of) in told(app) {
        if is_configured(&config, port) {
            continue;
        }
        let mend = match () {
            () if !config.firewall.learn_sip_ports => OFF,
            () if is_reserved(port) => RESERVED,
            () if plan.close.len() >= MOST => TOO_MANY,
            () => {
                plan.close.push(port);
                continue;
            }
        };
        plan.leave.push(Open { port, of, mend });
    }
    plan
}

/// What all switches told, by port; of two that listen on one the first.
fn told(app: &App) -> BTreeMap<u16, Arc<str>> {
    let mut all = BTreeMap::new();
    for switch in &app.switches {
        for (port, of) in switch.learnt.ports() {
            all.entry(port).or_insert(of);
        }
    }
    all
}

fn is_configured(config: &Config, port: u16) -> bool {
    config.firewall.sip_ports.iter().any(|range| (range.first..=range.last).contains(&port))
}

fn listed<'a>(ports: impl Iterator<Item = &'a u16>) -> String {
    ports.map(u16::to_string).collect::<Vec<_>>().join(" ")
}

const OFF: &str = "add it to firewall.sip_ports and restart, or set firewall.learn_sip_ports = true";
const RESERVED: &str = "it is a port of SSH, of Switchward or of an event socket, which is never closed unasked: let the profile listen \
     elsewhere, or add it to firewall.sip_ports and restart";
const TOO_MANY: &str = "more ports than are learnt: add ranges of them to firewall.sip_ports and restart";
const KERNEL: &str = "the kernel did not take it yet: `switchward status` says why";
const SSH: u16 = 22;
/// Most ports that are learnt over all switches.
const MOST: usize = 128;
