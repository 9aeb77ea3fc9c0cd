//! The crate against the running kernel, with `nft`, `ipset`, `iptables` and real packets as witnesses. Each test is
//! in network namespaces that it made itself. Needs root.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests call the kernel's own tools")]

mod ipset_mode;
mod learnt_ports;
mod nft_elements;
mod nft_packets;
mod privilege;
mod support;
mod writer;
