//! ipset's netlink messages (include/uapi/linux/netfilter/ipset/ip_set.h), one function for each command.
//!
//! ipset answers with private codes from 4096 on, and wants numbers marked as being in network order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::Error;
use crate::netlink::socket::Part;
use crate::netlink::{Attributes, DUMP, EXCL, Messages, SUBSYS_IPSET, Socket};

/// What a set is, from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: String,
    pub(crate) family: u8,
    pub(crate) max: u32,
    /// Whether it was made with timeout support.
    pub(crate) timeouts: bool,
    /// Rules that look it up.
    pub(crate) references: u32,
    /// Elements that have not run out.
    pub(crate) elements: u32,
}

/// One element, as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
    /// Port and protocol, in a set that has them.
    pub(crate) port: Option<(u16, u8)>,
    /// Seconds; 0 is for ever.
    pub(crate) timeout: u32,
}

/// Makes a set.
pub(crate) fn create(socket: &mut Socket, name: &str, kind: &str, family: u8, max: u32) -> Result<(), Error> {
    let revision = revision(socket, kind, family)?;
    let mut run = socket.compose();
    command(&mut run, CREATE, EXCL, name)
        .text(TYPE_NAME, kind)
        .u8(REVISION, revision)
        .u8(FAMILY, family)
        .nest(DATA, |data| {
            data.be32(TIMEOUT | NETWORK_ORDER, 0).be32(MAX_ELEMENTS | NETWORK_ORDER, max);
        });
    acknowledged(socket, run, &format!("creating ipset {name}"))
}

/// Deletes a set.
pub(crate) fn destroy(socket: &mut Socket, name: &str) -> Result<(), Error> {
    let mut run = socket.compose();
    command(&mut run, DESTROY, 0, name);
    acknowledged(socket, run, &format!("destroying ipset {name}"))
}

/// Adds (replacing timeouts) or removes (missing ones are no error) elements. The kernel stops at the first error
/// and keeps what came before.
pub(crate) fn change(socket: &mut Socket, name: &str, add: bool, entries: &[Entry]) -> Result<(), Error> {
    for part in entries.chunks(PER_MESSAGE) {
        let mut run = socket.compose();
        command(&mut run, if add { ADD } else { DELETE }, 0, name).be32(LINE, 0).nest(ADT, |list| {
            for entry in part {
                list.nest(DATA, |data| write_entry(data, entry, add));
            }
        });
        let doing = if add { "adding to ipset" } else { "removing from ipset" };
        acknowledged(socket, run, &format!("{doing} {name}"))?;
    }
    Ok(())
}

/// The header of a set; `None` when there is no such set.
pub(crate) fn header(socket: &mut Socket, name: &str) -> Result<Option<Header>, Error> {
    let mut header = None;
    list(socket, name, HEADER_ONLY, |part| {
        let Part::Entry(message) = part else {
            header = None;
            return;
        };
        let about = message.attributes();
        let data = about.inside(DATA);
        header = header.take().or_else(|| {
            Some(Header {
                kind: about.text(TYPE_NAME)?.to_string(),
                family: about.u8(FAMILY)?,
                max: data.be32(MAX_ELEMENTS).unwrap_or(0),
                timeouts: data.find(TIMEOUT).is_some(),
                references: data.be32(REFERENCES)?,
                elements: data.be32(ELEMENTS)?,
            })
        });
    })?;
    Ok(header)
}

/// All elements of a set; none when there is no such set.
///
/// A listing is not torn as one of nftables may be (`nft/inspect.rs`), so it is not repeated: the kernel keeps the table in which the
/// listing began until it is over (`mtype_uref` in net/netfilter/ipset/ip_set_hash_gen.h), a resize meanwhile copies it and takes
/// nothing out of it, and a bucket is told whole or in the next part (`mtype_list`). What is there from the beginning to the end is told
/// once; what comes or goes meanwhile is told or not.
pub(crate) fn entries(socket: &mut Socket, name: &str) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    list(socket, name, 0, |part| match part {
        Part::Restart => entries.clear(),
        Part::Entry(message) => {
            let list = message.attributes().inside(ADT).filter(|(kind, _)| *kind == DATA);
            entries.extend(list.filter_map(|(_, data)| read_entry(Attributes(data))));
        }
    })?;
    Ok(entries)
}

fn list(socket: &mut Socket, name: &str, flags: u32, each: impl FnMut(Part<'_>)) -> Result<(), Error> {
    let request = |run: &mut Messages| {
        command(run, LIST, DUMP, name).be32(FLAGS | NETWORK_ORDER, flags);
    };
    match socket.dump(request, &format!("listing ipset {name}"), each) {
        Err(error) if error.code() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// The revision of a set type to make. All have what is needed here; an `ipset` program cannot print one that is newer,
/// or much older, than itself, and every one in use knows the third.
fn revision(socket: &mut Socket, kind: &str, family: u8) -> Result<u8, Error> {
    let mut run = socket.compose();
    run.message(SUBSYS_IPSET, TYPE, 0, family).u8(PROTOCOL, VERSION).text(TYPE_NAME, kind).u8(FAMILY, family);
    let (mut lowest, mut highest) = (None, None);
    socket.ask(&run, &format!("asking for ipset type {kind}"), |message| {
        let about = message.attributes();
        (lowest, highest) = (about.u8(REVISION_MIN), about.u8(REVISION));
    })?;
    let highest = highest.unwrap_or(0);
    Ok(PRINTABLE.clamp(lowest.unwrap_or(highest).min(highest), highest))
}

fn command<'a>(run: &'a mut Messages, command: u8, flags: u16, name: &str) -> &'a mut Messages {
    run.message(SUBSYS_IPSET, command, flags, libc::AF_INET as u8).u8(PROTOCOL, VERSION).text(SET_NAME, name)
}

fn acknowledged(socket: &mut Socket, mut run: Messages, doing: &str) -> Result<(), Error> {
    run.acknowledge();
    socket.transact(&run, doing)
}

fn write_entry(data: &mut Messages, entry: &Entry, add: bool) {
    data.nest(IP, |ip| {
        match entry.ip {
            IpAddr::V4(own) => ip.bytes(IP_V4 | NETWORK_ORDER, &own.octets()),
            IpAddr::V6(own) => ip.bytes(IP_V6 | NETWORK_ORDER, &own.octets()),
        };
    });
    match entry.port {
        // hash:ip,port takes no prefix length, so a full one is left out.
        Some(_) if entry.prefix == full(entry.ip) => {}
        _ => drop(data.u8(CIDR, entry.prefix)),
    }
    if let Some((port, protocol)) = entry.port {
        data.be16(PORT | NETWORK_ORDER, port).u8(PROTO, protocol);
    }
    if add {
        data.be32(TIMEOUT | NETWORK_ORDER, entry.timeout);
    }
}

fn read_entry(data: Attributes<'_>) -> Option<Entry> {
    let address = data.inside(IP);
    let ip = match (address.find(IP_V4), address.find(IP_V6)) {
        (Some(four), _) => IpAddr::V4(Ipv4Addr::from(*four.first_chunk::<4>()?)),
        (_, Some(six)) => IpAddr::V6(Ipv6Addr::from(*six.first_chunk::<16>()?)),
        _ => return None,
    };
    let prefix = data.u8(CIDR).unwrap_or(full(ip)).min(full(ip));
    let port = data.be16(PORT).map(|port| (port, data.u8(PROTO).unwrap_or(0)));
    Some(Entry { ip, prefix, port, timeout: data.be32(TIMEOUT).unwrap_or(0) })
}

fn full(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

const CREATE: u8 = 2;
const DESTROY: u8 = 3;
const LIST: u8 = 7;
const ADD: u8 = 9;
const DELETE: u8 = 10;
const TYPE: u8 = 13;

/// IPSET_ATTR_*: of a command ...
const PROTOCOL: u16 = 1;
const SET_NAME: u16 = 2;
const TYPE_NAME: u16 = 3;
const REVISION: u16 = 4;
const FAMILY: u16 = 5;
const FLAGS: u16 = 6;
const DATA: u16 = 7;
const ADT: u16 = 8;
const LINE: u16 = 9;
const REVISION_MIN: u16 = 10;
/// ... of an element ...
const IP: u16 = 1;
const CIDR: u16 = 3;
const PORT: u16 = 4;
const TIMEOUT: u16 = 6;
const PROTO: u16 = 7;
const IP_V4: u16 = 1;
const IP_V6: u16 = 2;
/// ... and of a header.
const MAX_ELEMENTS: u16 = 19;
const ELEMENTS: u16 = 24;
const REFERENCES: u16 = 25;

/// NLA_F_NET_BYTEORDER.
const NETWORK_ORDER: u16 = 0x4000;
/// IPSET_PROTOCOL_MIN: understood by every kernel since 2.6.39.
const VERSION: u8 = 6;
const PRINTABLE: u8 = 3;
/// IPSET_FLAG_LIST_HEADER.
const HEADER_ONLY: u32 = 1 << 2;
/// The list is one attribute of at most 64 KiB (2730 IPv4 entries with a timeout); the largest entry takes 60 bytes.
const PER_MESSAGE: usize = 1000;
