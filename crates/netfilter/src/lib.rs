//! Kernel sets over raw netlink: the part of Switchward that has packets dropped.
//!
//! It owns a table of nftables sets ([`Mode::Nftables`]) or classic ipsets with one iptables rule each
//! ([`Mode::Ipset`]), for IPv4 and IPv6 hosts, networks, and single phones behind a NAT (address and port), with
//! timeouts kept by the kernel. It decides nothing: who is dropped, how long and why is the caller's. No process is
//! started for a ban, and CAP_NET_ADMIN is all that is needed.
//!
//! Start with [`Writer`], the thread that the daemon talks to; [`Firewall`] is the blocking interface below it, and
//! [`Target`] and [`Element`] say what can be dropped.

mod config;
mod conntrack;
mod error;
mod firewall;
mod ipset;
mod netlink;
mod nft;
mod shadow;
mod target;
pub mod thread;
mod wake;
mod writer;

pub use config::{Config, Mode};
pub use error::Error;
pub use firewall::{Applied, Backend, Counter, Firewall, Health, Reconciled, SetHealth};
pub use shadow::Census;
pub use target::{Change, Element, Scope, Target};
pub use writer::{Desired, Done, LATENCY_BOUNDS, Started, Writer, WriterStats};
