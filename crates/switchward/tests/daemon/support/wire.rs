//! A wire between an attacker's network and the switch's, so that packets really pass the kernel's sets.

use super::{DEADLINE, own_network, sh};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Address of the switch on the wire.
const SWITCH: &str = "192.0.2.1";
/// An address on the other side that nobody bans: when its packets arrive, the wire carries.
pub(crate) const FRIEND: &str = "203.0.113.250";

type Act = Box<dyn FnOnce() + Send>;

/// The attacker's side, and what arrives at the switch's SIP port from there.
pub(crate) struct Wire {
    attacker: Sender<Act>,
    arrived: Arc<Arrived>,
}

/// A stream of packets from one address; it ends when it is asked what arrived.
pub(crate) struct Stream {
    from: IpAddr,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    sender: JoinHandle<()>,
    arrived: Arc<Arrived>,
    before: u64,
}

#[derive(Default)]
struct Arrived(std::sync::Mutex<std::collections::HashMap<IpAddr, u64>>);

impl Arrived {
    fn from(&self, ip: IpAddr) -> u64 {
        self.0.lock().unwrap().get(&ip).copied().unwrap_or_default()
    }
}

impl Wire {
    /// Lays a wire to the calling thread's network.
    pub(crate) fn new() -> Wire {
        let (attacker, acts) = channel::<Act>();
        let (told, process) = channel();
        std::thread::spawn(move || {
            own_network();
            told.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            acts.into_iter().for_each(|act| act());
        });
        let thread = process.recv().unwrap();
        let thread = thread.file_name().unwrap().to_str().unwrap().to_owned();
        sh(&format!("ip link add sw0 type veth peer name sw1 netns {thread}"));
        sh("ip link set sw0 up");
        sh(&format!("ip addr add {SWITCH}/32 dev sw0"));
        for net in ["198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15"] {
            sh(&format!("ip route add {net} dev sw0"));
        }
        let arrived = Arc::new(Arrived::default());
        let socket = UdpSocket::bind((SWITCH, 5060)).unwrap();
        let counts = Arc::downgrade(&arrived);
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let Some(counts) = counts.upgrade() else { return };
                *counts.0.lock().unwrap().entry(from.ip()).or_default() += 1;
            }
        });
        let wire = Wire { attacker, arrived };
        wire.there(|| {
            sh("ip link set sw1 up");
            sh(&format!("ip addr add {FRIEND}/32 dev sw1"));
            sh(&format!("ip route add {SWITCH}/32 dev sw1 src {FRIEND}"));
            for net in ["198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15"] {
                sh(&format!("ip route add local {net} dev lo"));
            }
        });
        // Address resolution takes a moment on a fresh link.
        wire.stream(FRIEND).wait_for_arrival();
        wire
    }

    fn there<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = channel();
        self.attacker.send(Box::new(move || drop(sender.send(act())))).unwrap();
        receiver.recv().expect("the attacker's thread panicked")
    }

    /// Sends a packet about every millisecond from an address, until it is asked what arrived.
    pub(crate) fn stream(&self, from: &str) -> Stream {
        let from: IpAddr = from.parse().unwrap();
        let to = SocketAddr::new(SWITCH.parse().unwrap(), 5060);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), sent.clone());
        // The thread inherits the attacker's network.
        let sender = self.there(move || {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            std::thread::spawn(move || {
                while !stopped.load(SeqCst) {
                    // A full neighbour queue on a fresh link is not the subject.
                    if socket.send_to(b"REGISTER sip:pbx.example SIP/2.0", to).is_ok() {
                        count.fetch_add(1, SeqCst);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        });
        Stream { from, stop, sent, sender, arrived: self.arrived.clone(), before: self.arrived.from(from) }
    }
}

impl Stream {
    /// How many packets have arrived so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.from(self.from) - self.before
    }

    /// Waits until one more packet has arrived.
    #[track_caller]
    pub(crate) fn wait_for_arrival(&self) {
        let before = self.arrived();
        super::eventually("a packet arrives", || self.arrived() > before);
    }

    /// Waits until a second has passed without a packet arriving, while packets were sent: the source is dropped.
    #[track_caller]
    pub(crate) fn wait_for_silence(&self) {
        let start = Instant::now();
        let (mut arrived, mut sent) = (self.arrived(), self.sent());
        while self.sent() < sent + 100 {
            assert!(start.elapsed() < DEADLINE, "packets from {} still arrive", self.from);
            if self.arrived() != arrived {
                (arrived, sent) = (self.arrived(), self.sent());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many packets were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(SeqCst)
    }

    /// Ends it: packets sent, packets that arrived.
    pub(crate) fn end(self) -> (u64, u64) {
        self.stop.store(true, SeqCst);
        self.sender.join().unwrap();
        (self.sent.load(SeqCst), self.arrived.from(self.from) - self.before)
    }
}
