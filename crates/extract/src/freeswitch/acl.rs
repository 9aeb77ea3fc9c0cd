//! What a switch says of its access lists: `xml_locate configuration configuration name acl.conf`.
//!
//! It is the switch's own configuration as it was read, so nothing in it is a caller's. Elements are found by their tags and
//! nothing is believed of the rest. Which networks a list lets in follows FreeSWITCH (switch_core.c, `switch_load_network_lists`):
//! without a `default` a list lets all in, and of two nodes the narrower one counts. Start with [`admitted`].

use guard::source::parse_ip;
use ipnet::IpNet;
use memchr::memmem;
use std::net::IpAddr;

/// A network that a list lets in although it keeps others out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Name of the list.
    pub list: String,
    /// The network.
    pub net: IpNet,
}

/// Whether an answer is the configuration of access lists, be it empty. Anything else is an error message.
pub fn is_answer(xml: &[u8]) -> bool {
    memmem::find(xml, b"<network-lists").is_some() || memmem::find(xml, b"<configuration").is_some()
}

/// The networks that lists with the default `deny` let in by `cidr`, or by `host` and `mask`, at most `most`. Left out are nodes
/// that name a directory's domain, prefixes shorter than [`WIDEST_V4`] and [`WIDEST_V6`], and a network part of which its list
/// keeps out.
pub fn admitted(xml: &[u8], most: usize) -> Vec<Admitted> {
    let mut admitted = Vec::new();
    let mut rest = xml;
    while let Some((attributes, after)) = next_tag(rest, b"list") {
        let end = memmem::find(after, b"</list>").unwrap_or(after.len());
        // The next list begins before this one ends when this one is empty: `<list name="x"/>`.
        let next = next_tag(after, b"list").map_or(after.len(), |(_, behind)| after.len() - behind.len());
        let inside = &after[..end.min(next)];
        rest = after;
        if attribute(attributes, "default").is_none_or(|default| is_true(&default)) {
            continue;
        }
        let Some(name) = attribute(attributes, "name") else { continue };
        let (allowed, denied) = nodes(inside);
        let whole = allowed.into_iter().filter(|net| !denied.iter().any(|hole| net.contains(hole)));
        for net in whole.filter(is_narrow) {
            if admitted.len() == most {
                return admitted;
            }
            let name = guard::printable(&name.as_bytes()[..name.len().min(LONGEST_NAME)]);
            admitted.push(Admitted { list: name, net });
        }
    }
    admitted
}

/// What the nodes of a list let in, and what they keep out.
fn nodes(list: &[u8]) -> (Vec<IpNet>, Vec<IpNet>) {
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    let mut rest = list;
    while let Some((attributes, after)) = next_tag(rest, b"node") {
        rest = after;
        let nets = match attribute(attributes, "type").is_some_and(|kind| is_true(&kind)) {
            true => &mut allowed,
            false => &mut denied,
        };
        if nets.len() < MOST_NODES {
            nets.extend(networks(attributes));
        }
    }
    (allowed, denied)
}

/// The networks of a node; none of one that names a domain.
fn networks(attributes: &[u8]) -> Vec<IpNet> {
    if let Some(cidr) = attribute(attributes, "cidr") {
        return cidr.split(',').take(MOST_OF_A_NODE).filter_map(network).collect();
    }
    let (Some(host), Some(mask)) = (attribute(attributes, "host"), attribute(attributes, "mask")) else {
        return Vec::new();
    };
    let (Some(host), Some(mask)) = (parse_ip(host.trim().as_bytes()), parse_ip(mask.trim().as_bytes()))
    else {
        return Vec::new();
    };
    IpNet::with_netmask(host, mask).map(|net| net.trunc()).into_iter().collect()
}

/// A network with its length; FreeSWITCH takes no other.
fn network(text: &str) -> Option<IpNet> {
    Some(text.trim().parse::<IpNet>().ok()?.trunc())
}

fn is_narrow(net: &IpNet) -> bool {
    let widest = match net.addr() {
        IpAddr::V4(_) => WIDEST_V4,
        IpAddr::V6(_) => WIDEST_V6,
    };
    net.prefix_len() >= widest
}

/// The attributes of the next element of this name, and what comes after its opening tag.
fn next_tag<'a>(xml: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'<', &xml[from..])? + 1;
        let tag = &xml[at..];
        if tag.starts_with(b"!--") {
            from = at + memmem::find(tag, b"-->")?;
            continue;
        }
        let is_it = tag.strip_prefix(name).and_then(<[u8]>::first);
        if is_it.is_none_or(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>')) {
            from = at;
            continue;
        }
        // A '>' may stand in a value.
        let mut quote = None;
        let end = tag.iter().position(|byte| match (quote, byte) {
            (None, b'>') => true,
            (None, b'"' | b'\'') => {
                quote = Some(*byte);
                false
            }
            (Some(open), byte) if open == *byte => {
                quote = None;
                false
            }
            _ => false,
        })?;
        return Some((&tag[name.len()..end], &tag[end + 1..]));
    }
}

/// The value of an attribute.
fn attribute(attributes: &[u8], wanted: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        let equals = memchr::memchr(b'=', rest)?;
        let name = rest[..equals].trim_ascii();
        let name = name.rsplit(u8::is_ascii_whitespace).next().unwrap_or(name);
        let value = rest[equals + 1..].trim_ascii_start();
        let quote = *value.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let end = memchr::memchr(quote, &value[1..])?;
        if name == wanted.as_bytes() {
            return Some(plain(&value[1..=end]));
        }
        rest = &value[end + 2..];
    }
}

/// Without the entities that FreeSWITCH writes (switch_xml.c).
fn plain(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut text = text.into_owned();
    for (entity, meant) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        if text.contains(entity) {
            text = text.replace(entity, meant);
        }
    }
    text
}

/// As `switch_true` of switch_utils.h.
fn is_true(text: &str) -> bool {
    let words = ["yes", "on", "true", "t", "enabled", "active", "allow"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.parse::<i64>().is_ok_and(|number| number != 0)
}

/// A wider IPv4 network is nobody's trunk.
pub const WIDEST_V4: u8 = 16;
/// The same for IPv6.
pub const WIDEST_V6: u8 = 32;
const LONGEST_NAME: usize = 100;
/// Nodes of a list that are looked at, of each kind.
const MOST_NODES: usize = 4096;
/// As many as FreeSWITCH takes apart.
const MOST_OF_A_NODE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(xml: &str) -> Vec<String> {
        admitted(xml.as_bytes(), 100).iter().map(|one| format!("{} {}", one.list, one.net)).collect()
    }

    #[test]
    fn the_lists_that_freeswitch_ships_with_admit_nobody() {
        let vanilla = "<configuration name=\"acl.conf\" description=\"Network Lists\">\n    <network-lists>\n\
            <list name=\"lan\" default=\"allow\">\n<node type=\"deny\" cidr=\"192.168.42.0/24\"></node>\n\n\
            <node type=\"allow\" cidr=\"192.168.42.42/32\"></node>\n</list>\n\n<list name=\"domains\" default=\"deny\">\n\
            <node type=\"allow\" domain=\"pbx.example\"></node>\n</list>\n</network-lists>\n</configuration>\n";
        assert_eq!(nets(vanilla), [""; 0]);
        assert!(is_answer(vanilla.as_bytes()));
    }

    #[test]
    fn what_a_list_lets_in_is_found_in_every_shape() {
        let lists = "<?xml version=\"1.0\"?>\n<configuration name='acl.conf'><network-lists>\
            <list name=\"carriers &amp; co\" default=\"deny\">\
            <node type=\"allow\" cidr=\"198.51.100.0/28\"/>\
            <node cidr='203.0.113.5/32' type='allow' description='a > b'/>\
            <node type=\"allow\" cidr=\"203.0.113.8/30, 203.0.113.16/28\"></node>\
            <node type=\"true\" cidr=\"2001:db8:1::/48\"/>\
            <node type=\"allow\" host=\"192.0.2.77\" mask=\"255.255.255.240\"/>\
            <node type=\"allow\" domain=\"pbx.example\"/>\
            <node type=\"deny\" cidr=\"198.51.100.128/25\"/>\
            </list><list name=\"open\"><node type=\"allow\" cidr=\"192.0.2.9/32\"/></list>\
            <list name=\"empty\" default=\"deny\"/>\
            <list name=\"zero\" default=\"0\"><!-- <node type=\"allow\" cidr=\"192.0.2.1/32\"/> -->\
            <node type=\"allow\" cidr=\"192.0.2.3/32\"/></list></network-lists></configuration>";
        assert_eq!(
            nets(lists),
            [
                "carriers & co 198.51.100.0/28",
                "carriers & co 203.0.113.5/32",
                "carriers & co 203.0.113.8/30",
                "carriers & co 203.0.113.16/28",
                "carriers & co 2001:db8:1::/48",
                "carriers & co 192.0.2.64/28",
                "zero 192.0.2.3/32",
            ]
        );
        assert_eq!(admitted(lists.as_bytes(), 3).len(), 3);
    }

    #[test]
    fn what_is_too_wide_or_has_a_hole_is_left_out() {
        let list = |nodes: &str| nets(&format!("<list name=\"x\" default=\"deny\">{nodes}</list>"));
        let allow = |cidr: &str| format!("<node type=\"allow\" cidr=\"{cidr}\"/>");
        for wide in ["0.0.0.0/0", "198.0.0.0/8", "198.18.0.0/15", "::/0", "2000::/3", "2001:db8::/31"] {
            assert_eq!(list(&allow(wide)), [""; 0], "{wide}");
        }
        assert_eq!(list(&allow("198.18.0.0/16")), ["x 198.18.0.0/16"]);
        assert_eq!(list(&allow("2001:db8::/32")), ["x 2001:db8::/32"]);
        let hole = format!("{}<node type=\"deny\" cidr=\"198.51.100.7/32\"/>", allow("198.51.100.0/24"));
        assert_eq!(list(&hole), [""; 0]);
        // The narrower one counts: within what is kept out, this is let in.
        let island = format!("{}<node type=\"deny\" cidr=\"198.51.100.0/24\"/>", allow("198.51.100.7/32"));
        assert_eq!(list(&island), ["x 198.51.100.7/32"]);
        for nonsense in ["198.51.100.7", "198.51.100.7/33", "/24", "x/24", "", "2001:db8::/129", "1.2.3.4/-1"]
        {
            assert_eq!(list(&allow(nonsense)), [""; 0], "{nonsense}");
        }
    }

    #[test]
    fn what_is_no_list_admits_nobody() {
        for answer in [
            "-ERR no reply\n",
            "can't find anything\n",
            "",
            "<list",
            "<list name=\"x\" default=\"deny\"",
            "<list name=\"x\" default=\"deny\"><node type=\"allow\" cidr=\"198.51.100.7/32",
            "<list name=x default=deny><node type=allow cidr=198.51.100.7/32>",
            "<listing default=\"deny\"><node type=\"allow\" cidr=\"198.51.100.7/32\"/>",
            "<list default=\"deny\"><node type=\"allow\" cidr=\"198.51.100.7/32\"/></list>",
            "<!-- <list name=\"x\" default=\"deny\"><node type=\"allow\" cidr=\"198.51.100.7/32\"/></list>",
            "</list></list><node",
        ] {
            assert_eq!(nets(answer), [""; 0], "{answer}");
        }
        assert!(!is_answer(b"-ERR permission denied\n") && !is_answer(b"can't find anything\n"));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let text =
            b"<list name=\"x\" default='deny'><node type=\"allow\" cidr=\"198.51.100.7/32\"/><!-- --></list>";
        for cut in 0..text.len() {
            for byte in [b'<', b'>', b'"', b'\'', b'=', b'/', 0, 0xff] {
                let mut odd = text.to_vec();
                odd[cut] = byte;
                let _ = admitted(&odd, 100);
                let _ = admitted(&odd[..cut], 100);
            }
        }
    }
}
