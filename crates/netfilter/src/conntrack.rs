//! Removes the connection tracking entries of banned sources: [`Sweeper`], a thread and a socket of its own.
//!
//! An entry made before the ban would otherwise keep its NAT and its timers; the drop itself does not depend on it.
//! Whatever the number of bans, the table is listed at most once a second, and the sets never wait for it. A kernel
//! without connection tracking, or with an empty table, costs nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::error::Error;
use crate::netlink::socket::Part;
use crate::netlink::{Attributes, DUMP, SUBSYS_CTNETLINK, Socket};
use crate::target::{Scope, Target, subnet};
use crate::thread;

/// Where banned targets are handed in. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Sweeper(Sender<Order>);

/// What is handed in.
#[derive(Debug)]
enum Order {
    /// The entries of these sources shall go.
    Sweep(Vec<(Target, Scope)>),
    /// These are the SIP ports from now on.
    Ports(Vec<(u16, u16)>),
}

impl Sweeper {
    /// Starts the thread; `removed` counts the entries that it removes, `ports` are the SIP ports.
    pub(crate) fn spawn(ports: Vec<(u16, u16)>, removed: Arc<AtomicU64>) -> Result<Self, Error> {
        let socket = Socket::open()?;
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("conntrack".into())
            .spawn(move || run(&receiver, socket, ports, &removed))
            .map_err(|error| {
                Error::from_code("starting a thread", error.raw_os_error().unwrap_or(libc::EAGAIN))
            })?;
        Ok(Self(sender))
    }

    /// The entries of these sources shall go, soon.
    pub(crate) fn sweep(&self, banned: Vec<(Target, Scope)>) {
        if !banned.is_empty() {
            // A thread that has ended has said why.
            let _ = self.0.send(Order::Sweep(banned));
        }
    }

    /// A ban of the SIP ports closes these from now on.
    pub(crate) fn use_ports(&self, ports: Vec<(u16, u16)>) {
        let _ = self.0.send(Order::Ports(ports));
    }
}

fn run(receiver: &Receiver<Order>, mut socket: Socket, mut ports: Vec<(u16, u16)>, removed: &AtomicU64) {
    thread::stand_back();
    while let Ok(first) = receiver.recv() {
        let mut banned = Banned::default();
        for order in std::iter::once(first).chain(receiver.try_iter()) {
            match order {
                Order::Sweep(more) => banned.extend(more),
                Order::Ports(new) => ports = new,
            }
        }
        if !banned.is_empty() && !nothing_tracked() {
            match sweep(&mut socket, &banned, &ports) {
                Ok(count) => drop(removed.fetch_add(count, Ordering::Relaxed)),
                Err(error) => tracing::debug!(%error, "connection tracking entries stay until they run out"),
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// Lists the table and deletes what belongs to a banned source. Returns how many entries went.
fn sweep(socket: &mut Socket, banned: &Banned, ports: &[(u16, u16)]) -> Result<u64, Error> {
    let mut count = 0;
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let mut doomed: Vec<Doomed> = Vec::new();
        if !banned.concerns(family) {
            continue;
        }
        let only = banned.only();
        let request = |run: &mut crate::netlink::Messages| {
            run.message(SUBSYS_CTNETLINK, GET, DUMP, family);
            if let Some(ip) = only {
                run.nest(TUPLE_ORIGINAL, |tuple| {
                    tuple.nest(TUPLE_IP, |own| {
                        own.bytes(IP_V4_SOURCE, &ip.octets());
                    });
                });
                run.nest(FILTER, |filter| {
                    filter.bytes(FILTER_ORIGINAL_FLAGS, &FILTER_IP_SOURCE.to_ne_bytes());
                });
            }
        };
        socket.dump(request, "listing connection tracking", |part| match part {
            Part::Restart => doomed.clear(),
            Part::Entry(message) if message.family() == family => {
                let about = message.attributes();
                if flow(about).is_some_and(|flow| banned.meets(flow, ports)) {
                    doomed.extend(Doomed::of(about));
                }
            }
            Part::Entry(_) => {}
        })?;
        for entry in &doomed {
            let mut run = socket.compose();
            run.message(SUBSYS_CTNETLINK, DELETE, 0, family)
                .bytes(TUPLE_ORIGINAL | NESTED, &entry.tuple)
                .bytes(ID, &entry.id);
            if let Some(zone) = &entry.zone {
                run.bytes(ZONE, zone);
            }
            run.acknowledge();
            match socket.transact(&run, "deleting a connection tracking entry") {
                Ok(()) => count += 1,
                // It ended by itself in the meantime.
                Err(error) if error.code() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(count)
}

/// Whether this network namespace tracks no connection at all, as far as can be told for free.
fn nothing_tracked() -> bool {
    std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")
        .is_ok_and(|count| count.trim() == "0")
}

/// The sources to be swept.
#[derive(Debug, Default)]
struct Banned {
    exact: HashMap<Target, Scope>,
    networks: Vec<(Target, Scope)>,
}

impl Banned {
    fn extend(&mut self, targets: Vec<(Target, Scope)>) {
        for (target, scope) in targets {
            match target {
                Target::Net(_) => self.networks.push((target, scope)),
                _ => drop(self.exact.insert(target, scope)),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.networks.is_empty()
    }

    /// Whether any of them is of this address family.
    fn concerns(&self, family: u8) -> bool {
        let six = i32::from(family) == libc::AF_INET6;
        let mut all = self.exact.keys().chain(self.networks.iter().map(|(target, _)| target));
        all.any(|target| target.network().network().is_ipv6() == six)
    }

    /// The single IPv4 address that it is all about: then the kernel need not tell of the other entries
    /// (CTA_FILTER, Linux 5.8; an older one tells of all).
    fn only(&self) -> Option<Ipv4Addr> {
        let mut targets = self.exact.keys();
        match (targets.next(), targets.next(), self.networks.is_empty()) {
            (Some(Target::Host(IpAddr::V4(ip)) | Target::HostPort(IpAddr::V4(ip), _)), None, true) => {
                Some(*ip)
            }
            _ => None,
        }
    }

    fn meets(&self, flow: Flow, ports: &[(u16, u16)]) -> bool {
        let whole = match flow.source {
            IpAddr::V4(_) => flow.source,
            IpAddr::V6(ip) => IpAddr::V6(subnet(ip)),
        };
        let keys = [
            Target::host(flow.source),
            Target::host_port(flow.source, flow.source_port),
            Target::host_port(whole, flow.source_port),
        ];
        let exact = keys.iter().filter_map(|key| self.exact.get(key));
        let wide = self.networks.iter().filter(|(target, _)| target.covers(flow.source, flow.source_port));
        let sip = ports.iter().any(|(from, to)| (*from..=*to).contains(&flow.target_port));
        exact.chain(wide.map(|(_, scope)| scope)).any(|scope| *scope == Scope::All || sip)
    }
}

/// Who opened a connection, and to which port.
#[derive(Debug, Clone, Copy)]
struct Flow {
    source: IpAddr,
    source_port: u16,
    target_port: u16,
}

fn flow(about: Attributes<'_>) -> Option<Flow> {
    let tuple = about.inside(TUPLE_ORIGINAL);
    let (ip, protocol) = (tuple.inside(TUPLE_IP), tuple.inside(TUPLE_PROTO));
    let source = match (ip.find(IP_V4_SOURCE), ip.find(IP_V6_SOURCE)) {
        (Some(four), _) => IpAddr::V4(Ipv4Addr::from(*four.first_chunk::<4>()?)),
        (_, Some(six)) => IpAddr::V6(Ipv6Addr::from(*six.first_chunk::<16>()?)),
        _ => return None,
    };
    let port = |kind| protocol.be16(kind).unwrap_or(0);
    Some(Flow { source, source_port: port(PROTO_SOURCE_PORT), target_port: port(PROTO_TARGET_PORT) })
}

/// What identifies an entry to be deleted.
struct Doomed {
    tuple: Vec<u8>,
    id: Vec<u8>,
    zone: Option<Vec<u8>>,
}

impl Doomed {
    fn of(about: Attributes<'_>) -> Option<Self> {
        Some(Self {
            tuple: about.find(TUPLE_ORIGINAL)?.to_vec(),
            id: about.find(ID)?.to_vec(),
            zone: about.find(ZONE).map(<[u8]>::to_vec),
        })
    }
}

/// include/uapi/linux/netfilter/nfnetlink_conntrack.h: IPCTNL_MSG_CT_* and CTA_*.
const GET: u8 = 1;
const DELETE: u8 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const ID: u16 = 12;
const ZONE: u16 = 18;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_V4_SOURCE: u16 = 1;
const IP_V6_SOURCE: u16 = 3;
const PROTO_SOURCE_PORT: u16 = 2;
const PROTO_TARGET_PORT: u16 = 3;
const FILTER: u16 = 25;
const FILTER_ORIGINAL_FLAGS: u16 = 1;
const FILTER_IP_SOURCE: u32 = 1;
const NESTED: u16 = 0x8000;
/// Between two listings.
const PAUSE: Duration = Duration::from_secs(1);
