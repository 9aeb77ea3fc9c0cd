//! What the switches told to be out of reach: their gateways, and themselves.
//!
//! `watch::reach` asks and writes into each [`crate::switch::Switch::learnt`]; [`publish`] puts all of it in force, in the guard
//! and in the kernel, and lifts bans that stand against it, which is news and goes into the audit.

use crate::app::App;
use crate::clock;
use crate::policy;
use crate::store::audit::Audited;
use guard::Ban;
use guard::engine::{Learnt, MOST_LEARNT};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// What one switch told.
#[derive(Default)]
pub struct Told {
    /// Something has changed: a gateway came or went, the switch has another address.
    pub again: Notify,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    all: Vec<Learnt>,
    /// The ports that its profiles listen on, and whose each is.
    ports: BTreeMap<u16, Arc<str>>,
    /// The switch's own addresses, as its events tell them: IPv4 and IPv6.
    own: [Option<IpAddr>; 2],
}

impl Told {
    /// What is out of reach because of this switch.
    pub fn all(&self) -> Vec<Learnt> {
        self.known.lock().all.clone()
    }

    /// The ports that its profiles listen on, and whose each is: "profile internal of freeswitch".
    pub fn ports(&self) -> BTreeMap<u16, Arc<str>> {
        self.known.lock().ports.clone()
    }

    /// Replaces the ports; tells whether that changes anything.
    pub(crate) fn listens(&self, ports: BTreeMap<u16, Arc<str>>) -> bool {
        let mut known = self.known.lock();
        let is_new = known.ports != ports;
        known.ports = ports;
        is_new
    }

    /// The switch's own addresses.
    pub(crate) fn own(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.known.lock().own.into_iter().flatten()
    }

    /// An event tells the switch's own addresses.
    pub(crate) fn is_at(&self, own: [Option<IpAddr>; 2]) {
        let mut known = self.known.lock();
        if known.own != own {
            known.own = own;
            drop(known);
            self.again.notify_one();
        }
    }

    /// Replaces what is known; tells whether that changes anything.
    pub(crate) fn replace(&self, mut all: Vec<Learnt>) -> bool {
        all.sort();
        all.dedup_by(|one, other| one.net == other.net);
        all.truncate(MOST_LEARNT);
        let mut known = self.known.lock();
        let is_new = known.all != all;
        known.all = all;
        is_new
    }
}

/// Puts in force what all switches told, beside the configuration.
pub fn publish(app: &App) {
    // One at a time, so that the last to come in has seen all the others.
    let _order = ORDER.lock();
    let mut all: Vec<Learnt> = app.switches.iter().flat_map(|switch| switch.learnt.all()).collect();
    all.sort();
    all.dedup_by(|one, other| one.net == other.net);
    if all.len() > MOST_LEARNT {
        tracing::warn!(
            addresses = all.len(),
            most = MOST_LEARNT,
            "too many gateways and networks of access lists; not all of them are out of reach"
        );
        all.truncate(MOST_LEARNT);
    }
    tell_lifted(app, app.guard.learn_reach(&all, clock::now()));
    if let Some(writer) = app.mirror.firewall() {
        let mut protect = policy::firewall(&app.config.load(), &app.own.all()).protect;
        protect.extend(all.iter().map(|learnt| learnt.net));
        writer.protect(protect);
    }
}

/// Lifts bans that came in while their targets were being learnt.
pub(crate) fn sweep(app: &App) {
    tell_lifted(app, app.guard.lift_learnt(clock::now()));
}

fn tell_lifted(app: &App, lifted: Vec<(Arc<Ban>, Learnt)>) {
    for (ban, learnt) in lifted {
        let what = &*learnt.label;
        tracing::warn!(target = %ban.target, what, "ban lifted: the switch told that this is out of reach");
        let Some(store) = app.mirror.store() else { continue };
        store.audit(Audited {
            at: clock::now(),
            who: String::new(),
            role: String::new(),
            source: String::new(),
            door: "switch".into(),
            action: "ban lifted".into(),
            detail: format!("{}: {what}", ban.target),
            status: 200,
            result: "done".into(),
            micros: 0,
        });
    }
}

static ORDER: Mutex<()> = Mutex::new(());
