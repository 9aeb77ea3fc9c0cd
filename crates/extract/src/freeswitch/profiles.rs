//! Which ports the profiles of a switch listen on: `sofia status` and `sofia status profile NAME`.
//!
//! Both are written from the switch's own configuration (mod_sofia.c, `cmd_status`). The table tells the port for UDP and TCP and
//! the one for TLS; those for WebSocket stand with the profile alone. Start with [`running`] and [`ports`].

use std::collections::BTreeSet;

/// A profile that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name, as the switch writes it: an argument of `sofia status profile` when it [`Self::is_plain`].
    pub name: String,
    /// Ports that the table tells.
    pub ports: BTreeSet<u16>,
}

impl Profile {
    /// Whether its name can be written into a command.
    pub fn is_plain(&self) -> bool {
        self.name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
    }
}

/// The profiles in the table of `sofia status` that run, at most `most`.
pub fn running(table: &[u8], most: usize) -> Vec<Profile> {
    let mut profiles: Vec<Profile> = Vec::new();
    for line in table.split(|byte| *byte == b'\n') {
        let mut columns = line.split(|byte| *byte == b'\t').map(<[u8]>::trim_ascii);
        let (Some(name), Some(b"profile"), Some(uri), Some(state)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        if !state.starts_with(b"RUNNING") || name.is_empty() || name.len() > LONGEST_NAME {
            continue;
        }
        let name = guard::printable(name);
        // With TLS it has a second line.
        match profiles.iter().position(|profile| profile.name == name) {
            Some(at) => profiles[at].ports.extend(port(uri)),
            None if profiles.len() < most => {
                profiles.push(Profile { name, ports: port(uri).into_iter().collect() });
            }
            None => {}
        }
    }
    profiles
}

/// The ports that `sofia status profile NAME` tells: for UDP and TCP, TLS, WebSocket and secure WebSocket.
pub fn ports(status: &[u8]) -> BTreeSet<u16> {
    let lines = status.split(|byte| *byte == b'\n');
    let urls = lines.filter_map(|line| {
        let tab = memchr::memchr(b'\t', line)?;
        let key = line[..tab].trim_ascii();
        (key == b"URL" || key.ends_with(b"-URL")).then_some(&line[tab + 1..])
    });
    urls.filter_map(port).take(MOST_PORTS).collect()
}

/// The port of a SIP URI, written or meant (RFC 3261 section 19.1.2).
fn port(uri: &[u8]) -> Option<u16> {
    let uri = uri.trim_ascii();
    let (scheme, rest) = uri.split_at(memchr::memchr(b':', uri)?);
    let is_secure = scheme.eq_ignore_ascii_case(b"sips");
    if !is_secure && !scheme.eq_ignore_ascii_case(b"sip") {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b';' | b'?' | b'>')).unwrap_or(rest.len());
    let address = &rest[1..end];
    let address = &address[memchr::memrchr(b'@', address).map_or(0, |at| at + 1)..];
    // An IPv6 address without brackets has no port: that of a profile has them.
    let after = match memchr::memrchr(b']', address) {
        Some(bracket) => &address[bracket + 1..],
        None => address,
    };
    match memchr::memrchr(b':', after) {
        Some(colon) => {
            let digits = &after[colon + 1..];
            let port: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            (port != 0 && !after[..colon].contains(&b':')).then_some(port)
        }
        None if address.is_empty() => None,
        None => Some(if is_secure { 5061 } else { 5060 }),
    }
}

const LONGEST_NAME: usize = 100;
const MOST_PORTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(profiles: &[Profile]) -> Vec<String> {
        profiles.iter().map(|profile| format!("{} {:?}", profile.name, profile.ports)).collect()
    }

    #[test]
    fn the_captured_table_tells_the_port_of_each_profile() {
        let transcript = crate::freeswitch::tests::captured("api.txt");
        let begins = memchr::memmem::find(&transcript, b"api sofia status\n").unwrap();
        let length = memchr::memmem::find(&transcript[begins..], b"profiles 1 alias").unwrap();
        let profiles = running(&transcript[begins..begins + length], 100);
        assert_eq!(told(&profiles), ["external {5080}", "internal {5060}"]);
        assert!(profiles.iter().all(Profile::is_plain));
    }

    #[test]
    fn every_profile_that_runs_is_told_with_tls_and_by_its_default_port() {
        let table = "  internal\tprofile\t  sip:mod_sofia@198.51.100.1:5160\tRUNNING (3)\n\
            \x20 internal\tprofile\t  sip:mod_sofia@198.51.100.1:5161\tRUNNING (3) (TLS)\n\
            \x20 six\tprofile\t sip:mod_sofia@[2001:db8::1]:5260\tRUNNING (0)\n\
            \x20 plain\tprofile\t sip:mod_sofia@198.51.100.1\tRUNNING (0)\n\
            \x20 secure\tprofile\t sips:mod_sofia@[2001:db8::1]\tRUNNING (0)\n\
            \x20 down\tprofile\t sip:mod_sofia@198.51.100.1:5999\tDOWN (0)\n\
            \x20 a b\tprofile\t sip:mod_sofia@198.51.100.1:99999\tRUNNING (0)\n\
            \x20 pbx.example\t alias\t internal\tALIASED\n\
            external::c\tgateway\t sip:trunk@198.51.100.9:5070\tNOREG\n";
        let profiles = running(table.as_bytes(), 100);
        assert_eq!(
            told(&profiles),
            ["internal {5160, 5161}", "six {5260}", "plain {5060}", "secure {5061}", "a b {}"]
        );
        assert!(!profiles[4].is_plain());
        assert_eq!(running(table.as_bytes(), 2).len(), 2);
    }

    #[test]
    fn a_profile_tells_its_ports_for_websocket_too() {
        let status = "=================\nName             \tinternal\nAuto-NAT         \tfalse\n\
            Ext-SIP-IP       \t198.51.100.1\nURL              \tsip:mod_sofia@198.51.100.1:5160\n\
            BIND-URL         \tsip:mod_sofia@198.51.100.1:5160;maddr=192.0.2.4;transport=udp,tcp\n\
            TLS-URL          \tsip:mod_sofia@198.51.100.1:5161\n\
            TLS-BIND-URL     \tsips:mod_sofia@198.51.100.1:5161;maddr=192.0.2.4;transport=tls\n\
            WS-BIND-URL     \tsip:mod_sofia@192.0.2.4:8066;transport=ws\n\
            WSS-BIND-URL     \tsips:mod_sofia@192.0.2.4:8443;transport=wss\n\
            HOLD-MUSIC       \tlocal_stream://moh:77\nCALLS-IN         \t5555\n";
        assert_eq!(Vec::from_iter(ports(status.as_bytes())), [5160, 5161, 8066, 8443]);
    }

    #[test]
    fn what_is_no_uri_has_no_port() {
        for uri in [
            "",
            "sip:",
            "sip:u@",
            "http://x:1",
            "sip:u@x:0",
            "sip:u@x:70000",
            "sip:u@x:",
            "sip:u@2001:db8::1:5",
        ] {
            assert_eq!(port(uri.as_bytes()), None, "{uri}");
        }
        for answer in ["Invalid Profile!\n", "-ERR no reply\n", "URL", "URL\t", "\t\t\t\n\tprofile"] {
            assert_eq!(
                (ports(answer.as_bytes()).len(), running(answer.as_bytes(), 9).len()),
                (0, 0),
                "{answer}"
            );
        }
    }
}
