//! A private network for each test: the switch's namespace (the test's own thread) and an attacker's one, with a
//! veth pair between them, and the kernel's own tools as witnesses.
//!
//! Needs root; without it every test fails, none is skipped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use netfilter::{Change, Config, Element, Mode, Scope, Target};

/// Addresses of the switch.
pub(crate) const SWITCH_V4: &str = "192.0.2.1";
pub(crate) const SWITCH_V6: &str = "2001:db8:5::1";

/// Both namespaces. The calling thread is in the switch's one from now on.
pub(crate) struct Net {
    attacker: Attacker,
    round: AtomicU32,
    listeners: Vec<(u16, UdpSocket, UdpSocket)>,
}

/// A thread in a namespace of its own that does what it is sent.
#[derive(Clone)]
pub(crate) struct Attacker(Sender<Box<dyn FnOnce() + Send>>);

impl Attacker {
    pub(crate) fn run<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = channel();
        self.0.send(Box::new(move || drop(sender.send(act())))).unwrap();
        receiver.recv().expect("the attacker's thread panicked")
    }
}

/// A namespace of its own for this thread, and nothing else.
pub(crate) fn alone() {
    // SAFETY: no pointers; only this thread is moved.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "kernel tests need root: {}", std::io::Error::last_os_error());
    sh("ip link set lo up");
}

impl Net {
    pub(crate) fn new() -> Self {
        alone();
        let (sender, receiver) = channel::<Box<dyn FnOnce() + Send>>();
        let (told, thread) = channel();
        std::thread::spawn(move || {
            alone();
            // SAFETY: gettid cannot fail.
            told.send(unsafe { libc::gettid() }).unwrap();
            receiver.into_iter().for_each(|act| act());
        });
        let attacker = Attacker(sender);
        let thread = thread.recv().unwrap();
        sh(&format!("ip link add sw0 type veth peer name sw1 netns {thread}"));
        sh("ip link set sw0 up");
        sh(&format!("ip addr add {SWITCH_V4}/32 dev sw0"));
        sh(&format!("ip addr add {SWITCH_V6}/64 dev sw0 nodad"));
        sh("ip route add 198.51.100.0/24 dev sw0");
        sh("ip route add 203.0.113.0/24 dev sw0");
        sh("ip route add 198.18.0.0/15 dev sw0");
        sh("ip -6 route add 2001:db8::/32 dev sw0");
        attacker.run(|| {
            std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
            sh("ip link set sw1 up");
            sh("ip addr add 203.0.113.250/32 dev sw1");
            sh("ip addr add 2001:db8:f::1/128 dev sw1 nodad");
            sh(&format!("ip route add {SWITCH_V4}/32 dev sw1 src 203.0.113.250"));
            sh("ip -6 route add 2001:db8:5::/64 dev sw1 src 2001:db8:f::1");
            for local in ["198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15"] {
                sh(&format!("ip route add local {local} dev lo"));
            }
            sh("ip -6 route add local 2001:db8:a::/48 dev lo");
        });
        let listeners = [5060, 5080, 9999]
            .map(|port| {
                let bind = |ip: &str| {
                    let socket = UdpSocket::bind((ip.parse::<IpAddr>().unwrap(), port)).unwrap();
                    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    socket
                };
                (port, bind(SWITCH_V4), bind(SWITCH_V6))
            })
            .into();
        let net = Self { attacker, round: AtomicU32::new(0), listeners };
        net.wait_for_links();
        net
    }

    pub(crate) fn attacker(&self) -> Attacker {
        self.attacker.clone()
    }

    /// Whether a datagram from this address and port reaches this port of the switch. A second one from an address
    /// that is never banned follows on the same way: when it is there and the first is not, the first was dropped.
    pub(crate) fn passes(&self, from: &str, source_port: u16, port: u16) -> bool {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        let from: IpAddr = from.parse().unwrap();
        let (_, four, six) = self.listeners.iter().find(|(own, ..)| *own == port).unwrap();
        let (socket, marker): (_, IpAddr) = match from {
            IpAddr::V4(_) => (four, "203.0.113.250".parse().unwrap()),
            IpAddr::V6(_) => (six, "2001:db8:f::1".parse().unwrap()),
        };
        let to = socket.local_addr().unwrap();
        self.attacker.run(move || {
            send(from, source_port, to, &format!("probe {round}"));
            send(marker, 0, to, &format!("marker {round}"));
        });
        let (mut probe, mut buffer) = (false, [0; 64]);
        loop {
            let (length, _) = socket.recv_from(&mut buffer).expect("the marker never came: the link is down");
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            probe |= text == format!("probe {round}");
            if text == format!("marker {round}") {
                return probe;
            }
        }
    }

    /// The socket on which the switch listens on a port over IPv4.
    pub(crate) fn listener(&self, port: u16) -> &UdpSocket {
        &self.listeners.iter().find(|(own, ..)| *own == port).unwrap().1
    }

    /// Address resolution takes a moment on a fresh link.
    fn wait_for_links(&self) {
        for (ip, index) in [("203.0.113.250", 0), ("2001:db8:f::1", 1)] {
            let from: IpAddr = ip.parse().unwrap();
            let (_, four, six) = &self.listeners[0];
            let socket = if index == 0 { four } else { six };
            let to = socket.local_addr().unwrap();
            socket.set_nonblocking(true).unwrap();
            eventually("the link carries packets", || {
                self.attacker.run(move || send(from, 0, to, "hello"));
                socket.recv_from(&mut [0; 64]).is_ok()
            });
            socket.set_nonblocking(false).unwrap();
        }
    }
}

pub(crate) fn send(from: IpAddr, source_port: u16, to: SocketAddr, text: &str) {
    // A process that was forked a moment ago may still hold the last socket of this address and port.
    let socket = loop {
        match UdpSocket::bind((from, source_port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => std::thread::yield_now(),
            other => break other.unwrap(),
        }
    };
    // A full neighbour queue on a fresh link is no failure of the test's subject.
    let _ = socket.send_to(text.as_bytes(), to);
}

/// Runs a command line (no quoting) in the calling thread's namespace; its output.
pub(crate) fn sh(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a command line succeeds.
pub(crate) fn succeeds(line: &str) -> bool {
    let mut words = line.split_whitespace();
    Command::new(words.next().unwrap()).args(words).output().unwrap().status.success()
}

/// Waits until it is true; how long that took.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(10), "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn host(text: &str) -> Target {
    Target::host(ip(text))
}

pub(crate) fn net(text: &str) -> Target {
    Target::net(text.parse().unwrap())
}

pub(crate) fn all(target: Target, seconds: u64) -> Element {
    Element { target, scope: Scope::All, timeout: Some(Duration::from_secs(seconds)) }
}

pub(crate) fn sip(target: Target, seconds: u64) -> Element {
    Element { scope: Scope::Sip, ..all(target, seconds) }
}

pub(crate) fn for_ever(target: Target) -> Element {
    Element { timeout: None, ..all(target, 0) }
}

pub(crate) fn nftables() -> Config {
    Config { mode: Mode::Nftables, ..Config::default() }
}

pub(crate) fn ipset() -> Config {
    Config { mode: Mode::Ipset, ..Config::default() }
}

/// The first so many hosts of 198.18.0.0/15.
pub(crate) fn many(count: u32) -> impl Iterator<Item = Target> {
    (0..count).map(|index| Target::host(Ipv4Addr::from(0xc612_0000 + index).into()))
}

pub(crate) fn adds(elements: impl IntoIterator<Item = Element>) -> Vec<Change> {
    elements.into_iter().map(Change::Add).collect()
}

/// The elements of one of our nftables sets, as `nft` prints them.
pub(crate) fn nft_set(name: &str) -> Vec<serde_json::Value> {
    let listing: serde_json::Value =
        serde_json::from_str(&sh(&format!("nft -j list set inet switchward {name}"))).unwrap();
    let set = listing["nftables"].as_array().unwrap().iter().find_map(|item| item.get("set")).unwrap();
    set["elem"].as_array().cloned().unwrap_or_default()
}
