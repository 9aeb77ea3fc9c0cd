//! What a switch says of its gateways and of itself: `sofia xmlstatus gateway` and `sofia status`.
//!
//! Both are written from the switch's own configuration, so nothing in them is a caller's. The XML is FreeSWITCH's fixed layout and
//! not always well-formed (names are not escaped), so elements are found by their tags and nothing is believed of the rest. Start
//! with [`gateways`] and [`status`].

use guard::source::parse_ip;
use memchr::memmem;
use std::net::IpAddr;

/// A host that the switch sends calls to, or an address of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// What it is.
    pub kind: Kind,
    /// Name of the gateway or of the profile.
    pub name: String,
    /// Where it is.
    pub host: Host,
}

/// What a place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A gateway: somebody else's host.
    Gateway,
    /// A profile: an address of the switch itself.
    Profile,
}

/// The host of a SIP URI.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, to be looked up; with a port in the URI its SRV records do not count (RFC 3263 section 4.2).
    Name {
        /// The name, in lower case.
        name: String,
        /// Whether the URI has a port.
        port: bool,
    },
}

/// The places that `sofia xmlstatus gateway` lists, at most `most`: the proxy of each gateway.
pub fn gateways(xml: &[u8], most: usize) -> Vec<Place> {
    let ends = memmem::find_iter(xml, b"</gateway>");
    let mut from = 0;
    let each = ends.filter_map(|end| {
        let element = &xml[from..end];
        from = end + b"</gateway>".len();
        let name = text(inside(element, "name")?);
        let host = ["proxy", "register-proxy", "outbound-proxy"].iter();
        let hosts: Vec<Host> = host.filter_map(|tag| self::host(inside(element, tag)?)).collect();
        Some(hosts.into_iter().map(move |host| Place { kind: Kind::Gateway, name: name.clone(), host }))
    });
    each.flatten().take(most).collect()
}

/// The places in the table of `sofia status`, at most `most`: profiles and gateways. The host of a gateway is here that of the
/// registration, which `sofia xmlstatus gateway` tells better.
pub fn status(table: &[u8], most: usize) -> Vec<Place> {
    let lines = table.split(|byte| *byte == b'\n');
    let places = lines.filter_map(|line| {
        let mut columns = line.split(|byte| *byte == b'\t').map(<[u8]>::trim_ascii);
        let (name, kind, uri) = (columns.next()?, columns.next()?, columns.next()?);
        let kind = match kind {
            b"gateway" => Kind::Gateway,
            b"profile" => Kind::Profile,
            _ => return None,
        };
        // A gateway is listed with its profile in front: "external::carrier".
        let name = match (kind, memmem::find(name, b"::")) {
            (Kind::Gateway, Some(at)) => &name[at + 2..],
            _ => name,
        };
        Some(Place { kind, name: text(name), host: host(uri)? })
    });
    places.take(most).collect()
}

/// The text of the first element of this name.
fn inside<'a>(xml: &'a [u8], tag: &str) -> Option<&'a [u8]> {
    let opening = format!("<{tag}>");
    let begin = memmem::find(xml, opening.as_bytes())? + opening.len();
    let length = memmem::find(&xml[begin..], format!("</{tag}>").as_bytes())?;
    Some(&xml[begin..begin + length])
}

/// The host of a SIP URI, with or without its scheme, in angle brackets or not.
fn host(uri: &[u8]) -> Option<Host> {
    let uri = uri.trim_ascii();
    let uri = match memchr::memchr(b'<', uri) {
        Some(at) => &uri[at + 1..],
        None => uri.strip_prefix(b"&lt;").unwrap_or(uri),
    };
    let uri = ["sips:", "sip:"]
        .iter()
        .find_map(|scheme| {
            let (front, rest) = uri.split_at_checked(scheme.len())?;
            front.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
        })
        .unwrap_or(uri);
    let end = uri.iter().position(|byte| matches!(byte, b';' | b'?' | b'>' | b'&')).unwrap_or(uri.len());
    let uri = &uri[..end];
    let at = memchr::memrchr(b'@', uri).map_or(0, |at| at + 1);
    let address = &uri[at..];
    if let Some(ip) = parse_ip(address) {
        return Some(Host::Address(ip));
    }
    let (name, port) = match memchr::memrchr(b':', address) {
        Some(colon) => (&address[..colon], &address[colon + 1..]),
        None => (address, &b""[..]),
    };
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if let Some(ip) = parse_ip(name) {
        return Some(Host::Address(ip));
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(is_name) {
        return None;
    }
    Some(Host::Name { name: text(name).to_ascii_lowercase(), port: !port.is_empty() })
}

/// A name of the switch's, fit for a line of a log and not too long to keep.
fn text(bytes: &[u8]) -> String {
    guard::printable(&bytes[..bytes.len().min(LONGEST_LABEL)])
}

/// Of a domain name (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 255;
/// Of the name of a gateway or profile that is kept.
const LONGEST_LABEL: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Host {
        Host::Address(text.parse().unwrap())
    }

    fn named(name: &str, port: bool) -> Host {
        Host::Name { name: name.into(), port }
    }

    #[test]
    fn the_captured_table_names_the_gateway_and_the_profiles() {
        let transcript = crate::freeswitch::tests::captured("api.txt");
        let begins = memmem::find(&transcript, b"api sofia status\n").unwrap();
        let length = memmem::find(&transcript[begins..], b"profiles 1 alias").unwrap();
        let place = |kind, name: &str, ip| Place { kind, name: name.into(), host: address(ip) };
        assert_eq!(
            status(&transcript[begins..begins + length], 100),
            [
                place(Kind::Profile, "external", "127.0.0.1"),
                place(Kind::Gateway, "carrier", "127.0.9.9"),
                place(Kind::Profile, "internal", "127.0.0.1"),
            ]
        );
    }

    #[test]
    fn every_gateway_of_the_list_is_found_with_its_proxy() {
        let one = |name: &str, proxy: &str| {
            format!(
                "\t<gateway>\n\t\t<name>{name}</name>\n\t\t<profile>external</profile>\n\t\t<scheme>Digest</scheme>\n\
                 \t\t<realm>realm.example</realm>\n\t\t<from>&lt;sip:me@198.51.100.1&gt;</from>\n\
                 \t\t<to>sip:me@realm.example</to>\n\t\t<proxy>{proxy}</proxy>\n\t\t<state>REGED</state>\n\t</gateway>\n"
            )
        };
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<gateways>\n{}{}{}{}</gateways>\n",
            one("a", "sip:198.51.100.7:5080"),
            one("b & <co>", "sip:SIP.Carrier.example;transport=tcp"),
            one("c", "sips:sip.carrier.example:5061"),
            one("d", "sip:[2001:db8::7]:5060"),
        );
        let found = gateways(xml.as_bytes(), 100);
        let hosts: Vec<(&str, &Host)> = found.iter().map(|place| (&*place.name, &place.host)).collect();
        assert_eq!(
            hosts,
            [
                ("a", &address("198.51.100.7")),
                ("b & <co>", &named("sip.carrier.example", false)),
                ("c", &named("sip.carrier.example", true)),
                ("d", &address("2001:db8::7")),
            ]
        );
        assert_eq!(gateways(xml.as_bytes(), 2).len(), 2);
    }

    #[test]
    fn a_host_is_found_in_every_shape_of_a_uri() {
        for (uri, expected) in [
            ("sip:198.51.100.7", address("198.51.100.7")),
            ("198.51.100.7:5060", address("198.51.100.7")),
            ("<sip:u@198.51.100.7:5060;lr>", address("198.51.100.7")),
            ("&lt;sip:u@198.51.100.7:5060&gt;", address("198.51.100.7")),
            ("sip:a@b@198.51.100.7", address("198.51.100.7")),
            ("2001:db8::7", address("2001:db8::7")),
            ("sip:mod_sofia@[2001:db8::7]:5060", address("2001:db8::7")),
            ("SIP:carrier.example", named("carrier.example", false)),
            ("carrier", named("carrier", false)),
        ] {
            assert_eq!(host(uri.as_bytes()), Some(expected), "{uri}");
        }
        for uri in [
            "",
            "sip:",
            "sip:u@",
            "sip:a b",
            "sip:x:y",
            "sip:[2001:db8::7",
            "\u{e4}.example",
            "sip:1.2.3.4/24",
        ] {
            assert_eq!(host(uri.as_bytes()), None, "{uri}");
        }
    }

    #[test]
    fn what_is_no_list_names_nothing() {
        for answer in
            ["Invalid Syntax!\n", "", "-ERR no reply\n", "</gateway></gateway>", "<gateway><name></gateway>"]
        {
            assert_eq!(gateways(answer.as_bytes(), 100), [], "{answer}");
            assert_eq!(status(answer.as_bytes(), 100), [], "{answer}");
        }
    }
}
