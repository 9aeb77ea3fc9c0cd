//! A name server on loopback that says what it is told to, over UDP, byte by byte (RFC 1035 section 4).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is said about a name.
#[derive(Clone)]
pub(crate) enum Say {
    /// These addresses, for so many seconds; of the family that is asked for.
    Addresses(u32, Vec<IpAddr>),
    /// It is another name, which has this address; each for so many seconds.
    Alias(u32, &'static str, u32, IpAddr),
    /// NXDOMAIN.
    NoName,
    /// SERVFAIL.
    Failure,
    /// Nothing at all.
    Silence,
}

/// See the module. It ends with the test.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<HashMap<String, Say>>>,
}

impl NameServer {
    /// One in the network of the calling thread, that knows no name.
    pub(crate) fn start() -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let address = socket.local_addr().unwrap();
        let said: Arc<Mutex<HashMap<String, Say>>> = Arc::default();
        let knows = Arc::downgrade(&said);
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Some(said) = knows.upgrade() {
                let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
                if let Some(answer) = answer(&bytes[..length], &said.lock().unwrap()) {
                    _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { address, said }
    }

    pub(crate) fn say(&self, name: &str, say: Say) {
        self.said.lock().unwrap().insert(name.into(), say);
    }

    /// These addresses with a time to live of nothing.
    pub(crate) fn now(&self, name: &str, addresses: &[&str]) {
        self.say(name, for_secs(0, addresses));
    }
}

pub(crate) fn for_secs(ttl: u32, addresses: &[&str]) -> Say {
    Say::Addresses(ttl, addresses.iter().map(|text| text.parse().unwrap()).collect())
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

fn answer(query: &[u8], said: &HashMap<String, Say>) -> Option<Vec<u8>> {
    let (name, end) = name_at(query, 12)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let mut records = Vec::new();
    let mut code = 0;
    match said.get(&name.to_ascii_lowercase()).unwrap_or(&Say::NoName) {
        Say::Addresses(ttl, addresses) => {
            // The name is that of the question.
            records.extend(addresses.iter().filter_map(|ip| record(&[0xc0, 12], *ttl, kind, *ip)));
        }
        Say::Alias(ttl, other, own, ip) => {
            let other = wire(other);
            let mut alias = vec![0xc0, 12];
            put(&mut alias, CNAME, *ttl, &other);
            records.push(alias);
            records.extend(record(&other, *own, kind, *ip));
        }
        Say::NoName => code = 3,
        Say::Failure => code = 2,
        Say::Silence => return None,
    }
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend((records.len() as u16).to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&query[12..end + 4]);
    answer.extend(records.concat());
    Some(answer)
}

/// The name at an offset, and where it ends.
fn name_at(query: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
        at += length;
    }
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn record(name: &[u8], ttl: u32, kind: u16, ip: IpAddr) -> Option<Vec<u8>> {
    let mut record = name.to_vec();
    match (kind, ip) {
        (A, IpAddr::V4(v4)) => put(&mut record, A, ttl, &v4.octets()),
        (AAAA, IpAddr::V6(v6)) => put(&mut record, AAAA, ttl, &v6.octets()),
        _ => return None,
    }
    Some(record)
}

fn put(record: &mut Vec<u8>, kind: u16, ttl: u32, content: &[u8]) {
    record.extend(kind.to_be_bytes());
    record.extend([0, 1]);
    record.extend(ttl.to_be_bytes());
    record.extend((content.len() as u16).to_be_bytes());
    record.extend(content);
}
