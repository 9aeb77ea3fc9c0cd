//! Two network namespaces and a veth pair between them: the switch's host here, the attackers there.
//!
//! Start with [`Net::new`]: the calling thread, and every thread that it starts afterwards, is the switch's host. The
//! attackers' side is a thread that does what it is sent; there, any address of [`Family::attacker`] can be sent from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};

/// Over what the attackers come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// Where the switch takes SIP.
    pub(crate) fn switch(self) -> SocketAddr {
        match self {
            Family::V4 => "192.0.2.1:5060".parse().unwrap(),
            Family::V6 => "[2001:db8:5::1]:5060".parse().unwrap(),
        }
    }

    /// A source of its own for each number: an address of 198.18.0.0/16, or one in a /64 of its own.
    pub(crate) fn attacker(self, number: u16) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::from(0xc612_0000 + u32::from(number)).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xa, number, 0, 0, 0, 1).into(),
        }
    }

    /// Another one, for those who attack beside: of 198.19.0.0/16 or 2001:db8:b::/48.
    pub(crate) fn other(self, number: u16) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::from(0xc613_0000 + u32::from(number)).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xb, number, 0, 0, 0, 1).into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

type Act = Box<dyn FnOnce() + Send>;

/// The attackers' side. See the module.
pub(crate) struct Net(Sender<Act>);

impl Net {
    pub(crate) fn new() -> Net {
        own_network();
        let (attackers, acts) = channel::<Act>();
        let (told, thread) = channel();
        std::thread::spawn(move || {
            own_network();
            let path = std::fs::read_link("/proc/thread-self").unwrap();
            let thread = path.file_name().unwrap().to_str().unwrap().to_owned();
            // A pause of 20 µs is to be one of 20 µs and not of 70.
            std::fs::write(format!("/proc/{thread}/timerslack_ns"), "1").unwrap();
            told.send(thread).unwrap();
            acts.into_iter().for_each(|act| act());
        });
        let net = Net(attackers);
        // Fixed link addresses: no address resolution, which a ban of a whole IPv6 source would cut, too.
        sh(&format!(
            "ip link add sw0 address {HERE} type veth peer name sw1 address {THERE} netns {}",
            thread.recv().unwrap()
        ));
        sh("ip link set sw0 up");
        sh("ip addr add 192.0.2.1/32 dev sw0");
        sh("ip addr add 2001:db8:5::1/64 dev sw0 nodad");
        sh("ip route add 198.18.0.0/15 dev sw0");
        sh("ip -6 route add 2001:db8::/32 dev sw0");
        net.there(|| {
            // The host part of an IPv6 source is nowhere configured.
            std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
            sh("ip link set sw1 up");
            sh("ip addr add 198.18.255.254/32 dev sw1");
            sh("ip addr add 2001:db8:f::1/128 dev sw1 nodad");
            sh("ip route add 192.0.2.1/32 dev sw1");
            sh("ip -6 route add 2001:db8:5::/64 dev sw1");
            sh("ip route add local 198.18.0.0/15 dev lo");
            sh("ip -6 route add local 2001:db8:a::/48 dev lo");
            sh(&format!("ip neigh add 192.0.2.1 lladdr {HERE} dev sw1 nud permanent"));
            sh(&format!("ip neigh add 2001:db8:5::1 lladdr {HERE} dev sw1 nud permanent"));
        });
        net
    }

    /// Does something on the attackers' side, without waiting for it.
    pub(crate) fn send(&self, act: impl FnOnce() + Send + 'static) {
        self.0.send(Box::new(act)).expect("the attackers' thread panicked");
    }

    fn there(&self, act: impl FnOnce() + Send + 'static) {
        let (done, wait) = channel();
        self.send(move || {
            act();
            done.send(()).unwrap();
        });
        wait.recv().expect("the attackers' thread panicked");
    }
}

/// Link addresses of the two ends.
const HERE: &str = "02:00:00:00:00:01";
const THERE: &str = "02:00:00:00:00:02";

/// A network namespace of its own for this thread and all that it starts.
fn own_network() {
    let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET);
    made.expect("this benchmark needs root: it makes network namespaces of its own");
    sh("ip link set lo up");
}

/// Runs a command line (no quoting) in this thread's namespace.
fn sh(line: &str) {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
