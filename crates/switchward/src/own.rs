//! The host's own addresses and its name servers, which are never banned: [`Own`].
//!
//! They may come later than the daemon (a cluster's address, DHCP, a VPN), so they are read again every [`EVERY`] and at a reload
//! ([`look`], [`follow`]). What is new is out of reach at once, in the guard and in the kernel, and a ban that hit it is lifted.

use crate::app::{App, lift_out_of_reach};
use crate::policy;
use crate::record::State;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as signal;

/// What was found when it was looked last.
#[derive(Default)]
pub struct Own {
    found: ArcSwap<Vec<IpNet>>,
    /// One policy at a time is made of the configuration and of this, so that none replaces a newer one.
    pub(crate) order: Mutex<()>,
}

impl Own {
    /// As it is now, in the network namespace of the calling thread.
    pub fn read() -> Own {
        let own = Own::default();
        own.read_again();
        own
    }

    /// All of them, each alone in its network.
    pub fn all(&self) -> Arc<Vec<IpNet>> {
        self.found.load_full()
    }

    /// Reads them anew; tells whether that changes anything. The host's addresses stay as they were when the system does not tell them.
    pub(crate) fn read_again(&self) -> bool {
        let before = self.all();
        let now = found(&before);
        if *before == now {
            return false;
        }
        let missing = |from: &[IpNet], other: &[IpNet]| -> Vec<String> {
            from.iter().filter(|net| !other.contains(net)).map(|net| net.addr().to_string()).collect()
        };
        let (new, gone) = (missing(&now, &before).join(" "), missing(&before, &now).join(" "));
        tracing::info!(new, gone, "addresses of this host and of its name servers, which are never banned");
        self.found.store(Arc::new(now));
        true
    }
}

/// As they are now, for a command that runs no daemon.
pub fn now() -> Vec<IpNet> {
    found(&[])
}

/// Reads them anew, and puts in force what has changed.
pub fn look(app: &App) {
    if !app.read_own() {
        return;
    }
    app.judge_anew();
    lift_out_of_reach(&app.guard);
    crate::reach::publish(app);
}

/// Looks every [`EVERY`] until `stopped`.
pub(crate) async fn follow(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        look(&app);
    }
}

impl App {
    /// Reads the host's addresses anew; what has changed goes into the recording as well.
    pub(crate) fn read_own(&self) -> bool {
        let is_new = self.own.read_again();
        if is_new && let Some(recorder) = &self.recorder {
            recorder.tell(State { own: Some(self.own.all().to_vec()), ..State::default() });
        }
        is_new
    }

    /// Puts the policy in force that follows from the configuration and from the host's addresses.
    pub(crate) fn judge_anew(&self) {
        let _order = self.own.order.lock();
        self.guard.set_policy(policy::policy(&self.config.load(), &self.own.all()));
    }
}

/// All of them; those `before` where the system does not tell the host's.
fn found(before: &[IpNet]) -> Vec<IpNet> {
    let mut found = addresses().unwrap_or_else(|error| {
        tracing::warn!(%error, "the host's own addresses cannot be read; add them to firewall.never_ban");
        before.to_vec()
    });
    found.extend(resolvers());
    found.sort();
    found.dedup();
    found
}

/// The host's addresses: banning one of them would be banning ourselves. Those of the loopback interface are left to
/// `security.trusted_networks`.
fn addresses() -> std::io::Result<Vec<IpNet>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let ours = interfaces.iter().filter(|interface| interface.name != "lo");
    Ok(ours.map(|interface| IpNet::from(interface.ip())).collect())
}

/// The name servers of this host (resolv.conf(5)): whoever forges their address must not cut the host off from its names.
fn resolvers() -> Vec<IpNet> {
    name_servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn name_servers(text: &str) -> Vec<IpNet> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|rest| rest.split_whitespace().next()?.split('%').next());
    addresses.filter_map(|address| guard::source::parse_ip(address.as_bytes())).map(IpNet::from).collect()
}

/// How long an address may be there before it is protected.
const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_found_whatever_stands_around_them() {
        let text = "# made by hand\nsearch pbx.example\n nameserver 192.0.2.53 # first\nnameserver\t2001:db8::53\n\
                    nameserver fe80::1%eth0\nnameserver\nnameserver nonsense\noptions edns0\n";
        let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53/32", "2001:db8::53/128", "fe80::1/128"]);
    }
}
