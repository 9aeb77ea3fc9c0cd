//! The gateways of the switch, as `sofia status` and `sofia xmlstatus gateway` list them: [`Gateway`].

use super::Shared;
use std::fmt::Write as _;

/// Somebody whom the switch sends calls to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// The profile it belongs to.
    pub profile: String,
    /// Where it is: `sip:host` or `sip:host:port`.
    pub proxy: String,
}

impl Gateway {
    /// A gateway of the profile `external`.
    pub fn new(name: &str, proxy: &str) -> Self {
        Self { name: name.into(), profile: "external".into(), proxy: proxy.into() }
    }

    /// That of the captures.
    pub(super) fn of_the_captures() -> Vec<Self> {
        vec![Self::new("carrier", "sip:127.0.9.9:5090")]
    }

    fn registers_as(&self) -> String {
        format!("sip:trunk@{}", self.proxy.trim_start_matches("sip:"))
    }
}

/// The table of `sofia status`.
pub(super) fn status(shared: &Shared) -> String {
    let mut out = String::new();
    for line in include_str!("../../templates/api/sofia_status.txt").lines() {
        if !line.contains("\tgateway\t") {
            let _ = writeln!(out, "{line}");
            continue;
        }
        for gateway in &shared.knobs().gateways {
            let name = format!("{}::{}", gateway.profile, gateway.name);
            let _ = writeln!(out, "{name:>25}\tgateway\t  {:>40}\tNOREG", gateway.registers_as());
        }
    }
    out
}

/// `sofia status profile NAME`: the lines up to the codecs (mod_sofia.c, `cmd_status`), with the ports of the table.
pub(super) fn profile(shared: &Shared, name: &str) -> String {
    let table = status(shared);
    let mut lines = table.lines().map(|line| line.split('\t').map(str::trim));
    let found = lines.find_map(|mut columns| {
        let is_it = columns.next() == Some(name) && columns.next() == Some("profile");
        columns.next().filter(|_| is_it)
    });
    let Some(url) = found else { return "Invalid Profile!\n".into() };
    let host = url.rsplit('@').next().unwrap_or(url);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let line = "=".repeat(97);
    let domain = &shared.identity().domain;
    format!(
        "{line}\nName             \t{name}\nDomain Name      \tN/A\nAuto-NAT         \tfalse\n\
         DBName           \tsofia_reg_{name}\nPres Hosts       \t{domain}\nDialplan         \tXML\n\
         Context          \tpublic\nChallenge Realm  \tauto_from\nRTP-IP           \t{host}\n\
         SIP-IP           \t{host}\nURL              \t{url}\n\
         BIND-URL         \t{url};transport=udp,tcp\nHOLD-MUSIC       \tlocal_stream://moh\n\
         OUTBOUND-PROXY   \tN/A\n"
    )
}

/// `sofia xmlstatus gateway`: all, or the one of this name.
pub(super) fn xml(shared: &Shared, name: Option<&str>) -> String {
    let gateways = shared.knobs().gateways.clone();
    let header = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n";
    match name {
        None => {
            let all: String = gateways.iter().map(|gateway| element(gateway, "\t")).collect();
            format!("{header}<gateways>\n{all}</gateways>\n")
        }
        Some(name) => match gateways.iter().find(|gateway| gateway.name == name) {
            Some(gateway) => format!("{header}{}", element(gateway, "  ")),
            None => "Invalid Gateway!\n".into(),
        },
    }
}

fn element(gateway: &Gateway, indent: &str) -> String {
    let host = gateway.proxy.trim_start_matches("sip:");
    let elements = [
        ("name", gateway.name.clone()),
        ("profile", gateway.profile.clone()),
        ("scheme", "Digest".into()),
        ("realm", host.into()),
        ("username", "trunk".into()),
        ("password", "yes".into()),
        ("from", format!("&lt;sip:trunk@{host};transport=udp&gt;")),
        ("contact", "&lt;sip:gw+carrier@127.0.0.1:5080;transport=udp;gw=carrier&gt;".into()),
        ("exten", "trunk".into()),
        ("to", gateway.registers_as()),
        ("proxy", gateway.proxy.clone()),
        ("context", "public".into()),
        ("expires", "3600".into()),
        ("freq", "3600".into()),
        ("ping", "0".into()),
        ("pingfreq", "0".into()),
        ("pingmin", "0".into()),
        ("pingcount", "0".into()),
        ("pingmax", "0".into()),
        ("pingtime", "0.00".into()),
        ("pinging", "0".into()),
        ("state", "NOREG".into()),
        ("status", "UP".into()),
        ("uptime-usec", "0".into()),
        ("calls-in", "0".into()),
        ("calls-out", "0".into()),
        ("failed-calls-in", "0".into()),
        ("failed-calls-out", "0".into()),
    ];
    let mut out = format!("{indent}<gateway>\n");
    for (name, value) in elements {
        let _ = writeln!(out, "{indent}{indent}<{name}>{value}</{name}>");
    }
    out + indent + "</gateway>\n"
}
