//! Which addresses of this machine listen on a TCP port (proc(5), `/proc/net/tcp` and `/proc/net/tcp6`).
//!
//! Only the daemon's own network namespace is seen: what runs in a container of its own is not there.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that listen on `port`; `None` when the system does not tell.
pub(super) fn listeners(port: u16) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    let mut is_told = false;
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let Ok(file) = File::open(path) else { continue };
        is_told = true;
        // The kernel prints those that listen first.
        found.extend(of_table(BufReader::new(file), port));
    }
    is_told.then_some(found)
}

fn of_table(table: impl BufRead, port: u16) -> Vec<IpAddr> {
    let lines = table.lines().map_while(Result::ok);
    lines
        .filter_map(|line| listener(&line))
        .filter(|(_, of)| *of == port)
        .map(|(address, _)| address)
        .collect()
}

/// Address and port of a line in state LISTEN (0A).
fn listener(line: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_ascii_whitespace();
    let local = words.nth(1)?;
    if words.nth(1)? != "0A" {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Each group of 32 bits is printed as a number of the machine, although it is kept in network order.
    let group = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(group(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&group(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_on_the_port_is_told() {
        let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = here.local_addr().unwrap().port();
        assert_eq!(listeners(port), Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        // A connection has the same port and does not listen.
        let there = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(listeners(port).unwrap().len(), 1);
        assert_eq!(listeners(there.local_addr().unwrap().port()), Some(Vec::new()));
        drop(here);
        let everywhere = std::net::TcpListener::bind("[::]:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        assert_eq!(listeners(port), Some(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]));
        let six = std::net::TcpListener::bind("[::1]:0").unwrap();
        let port = six.local_addr().unwrap().port();
        assert_eq!(listeners(port), Some(vec![IpAddr::V6(Ipv6Addr::LOCALHOST)]));
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        for line in
            ["", "sl local rem st", "0: x:y z 0A", "0: 00:1F90 0:0 0A", "0: 0100007F:1F90 00000000:0000 01"]
        {
            assert_eq!(listener(line), None, "{line}");
        }
    }
}
