//! One attack at a time: numbered packets to the SIP port, and which of them arrived.
//!
//! [`Ear::new`] opens the SIP port, [`Attack::start`] sends to it until [`Attack::end_when_silent`], which finds the first packet
//! that was dropped. Nothing wakes up for a packet: they wait in the socket until they are counted.

use crate::net::{Family, Net};
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Between two packets the attacker sleeps so long; waking up and sending take their time, too.
const PAUSE: Duration = Duration::from_micros(20);
/// So many packets in a row must be missing: then it was the rule and no accident.
const SILENCE: u32 = 60;
/// How often the packets are counted while the end is awaited.
const LOOK: Duration = Duration::from_millis(1);
/// Whoever is not dropped by then is not dropped at all.
const LIMIT: Duration = Duration::from_secs(5);

/// The switch's SIP port.
pub(crate) struct Ear {
    socket: UdpSocket,
    family: Family,
}

impl Ear {
    pub(crate) fn new(family: Family) -> Ear {
        let socket = UdpSocket::bind(family.switch()).unwrap();
        socket.set_nonblocking(true).unwrap();
        // Room for far more packets than come between two looks.
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        Ear { socket, family }
    }

    /// Packets that the socket had no room for, so far: those the rule has not dropped.
    fn overflowed(&self) -> u64 {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
        let four = read("snmp");
        let mut udp = four.lines().filter(|line| line.starts_with("Udp:"));
        let (names, values) = (udp.next().unwrap(), udp.next().unwrap());
        let mut both = names.split_whitespace().zip(values.split_whitespace());
        let four: u64 = both.find(|(name, _)| *name == "RcvbufErrors").unwrap().1.parse().unwrap();
        let six = read("snmp6");
        let six = six.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors")).unwrap();
        four + six.trim().parse::<u64>().unwrap()
    }

    /// The numbers of the packets of an attack that have arrived since the last look.
    fn arrived(&self, attack: u32) -> Vec<u32> {
        let (mut numbers, mut packet) = (Vec::new(), [0; 64]);
        loop {
            match self.socket.recv(&mut packet) {
                Ok(_) => {
                    let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
                    if word(0) == attack {
                        numbers.push(word(4));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return numbers,
                Err(error) => panic!("the SIP port: {error}"),
            }
        }
    }
}

/// Packets from one source, under way.
pub(crate) struct Attack {
    number: u32,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    times: Receiver<Vec<Instant>>,
    overflowed: u64,
}

/// What became of an attack.
pub(crate) struct Outcome {
    /// When the last packet that arrived had been sent.
    pub(crate) through: Instant,
    /// When the next one had been sent, the first that was dropped.
    pub(crate) dropped: Instant,
    /// Packets that did not arrive, and not because of the rule: then the times are not to be trusted.
    pub(crate) lost: usize,
    /// From one packet to the next, all of them.
    pub(crate) gaps: Vec<Duration>,
}

impl Attack {
    /// Lets an attacker send to the SIP port; comes back when `first` packets are on their way.
    pub(crate) fn start(net: &Net, ear: &Ear, number: u32, source: IpAddr, first: u32) -> Attack {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (told, times) = channel();
        let overflowed = ear.overflowed();
        let (stopped, count, to) = (stop.clone(), sent.clone(), ear.family.switch());
        net.send(move || {
            let socket = UdpSocket::bind((source, 5060)).unwrap();
            socket.connect(to).unwrap();
            let mut times = Vec::with_capacity(1 << 14);
            let mut packet = *b"........REGISTER sip:pbx.example SIP/2.0";
            packet[..4].copy_from_slice(&number.to_be_bytes());
            while !stopped.load(SeqCst) {
                packet[4..8].copy_from_slice(&(times.len() as u32).to_be_bytes());
                socket.send(&packet).unwrap();
                times.push(Instant::now());
                count.store(times.len() as u32, SeqCst);
                std::thread::sleep(PAUSE);
            }
            told.send(times).unwrap();
        });
        let attack = Attack { number, stop, sent, times, overflowed };
        let start = Instant::now();
        while attack.sent.load(SeqCst) < first {
            assert!(start.elapsed() < LIMIT, "the attacker does not come to send");
            std::thread::sleep(LOOK);
        }
        attack
    }

    /// Waits until nothing gets through any more.
    pub(crate) fn end_when_silent(self, ear: &Ear) -> Outcome {
        let (start, mut arrived) = (Instant::now(), Vec::new());
        loop {
            std::thread::sleep(LOOK);
            let sent = self.sent.load(SeqCst);
            arrived.extend(ear.arrived(self.number));
            let next = arrived.last().map_or(0, |last| last + 1);
            if sent >= next + SILENCE {
                break;
            }
            assert!(
                start.elapsed() < LIMIT,
                "the attacker is never dropped: {sent} packets sent, {next} arrived"
            );
        }
        self.stop.store(true, SeqCst);
        let times = self.times.recv().expect("the attacker panicked");
        arrived.extend(ear.arrived(self.number));
        let last = *arrived.last().expect("no packet arrived at all") as usize;
        Outcome {
            through: times[last],
            dropped: times[last + 1],
            lost: last + 1 - arrived.len() + (ear.overflowed() - self.overflowed) as usize,
            gaps: times.windows(2).map(|two| two[1] - two[0]).collect(),
        }
    }
}

/// Rules that ban each attacker by himself: those of whole nets would ban whom a later sample measures.
pub(crate) fn alone() -> Vec<guard::RuleChange> {
    let off = |name: &&str| guard::RuleChange {
        name: (*name).into(),
        enabled: Some(false),
        ..guard::RuleChange::default()
    };
    ["account-attacked", "net-failures", "net-banned", "wide-net-banned"].iter().map(off).collect()
}
