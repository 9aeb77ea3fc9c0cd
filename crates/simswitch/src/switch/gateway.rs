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
