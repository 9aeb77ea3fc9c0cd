//! What gives a source away by itself: a scanner's user agent, a honeypot that it tries, an injection in what it calls itself.
//!
//! Pure and without state but for the hit counts; nothing is allocated. The daemon makes a [`Suspicion`] of the configuration and the
//! operator's file; the engine asks [`Suspicion::of`] for each observation.

use crate::observation::{Observation, What};
use crate::signal::{Signal, Signals};
use crate::signature::{BuildError, Signatures, built_in};
use crate::source::parse_ip;

pub mod honeypot;
pub mod injection;

pub use honeypot::{BadHoneypot, Honeypots};

/// See the module.
#[derive(Debug)]
pub struct Suspicion {
    signatures: Signatures,
    honeypots: Honeypots,
}

impl Suspicion {
    /// Of these signatures and honeypots.
    pub fn new(signatures: Signatures, honeypots: Honeypots) -> Suspicion {
        Suspicion { signatures, honeypots }
    }

    /// Of the signatures that need no file, without a honeypot.
    ///
    /// # Errors
    /// When the signatures cannot be searched for.
    pub fn built_in() -> Result<Suspicion, BuildError> {
        Ok(Suspicion::new(Signatures::new(built_in::all(|_| false), None)?, Honeypots::default()))
    }

    /// What an observation gives away: the account that it names, its user agent, the number that it calls.
    pub fn seen(&self, seen: &Observation<'_>) -> Signals {
        let destination = match seen.what {
            What::CallStarted { destination, .. } => destination,
            _ => b"",
        };
        self.of(seen.user, seen.domain, seen.agent, destination)
    }

    /// What these give away; empty texts give nothing away. Hits are counted.
    pub fn of(&self, user: &[u8], domain: &[u8], agent: &[u8], destination: &[u8]) -> Signals {
        let mut signals = Signals::NONE;
        if !agent.is_empty() && self.signatures.hit(agent).is_some() {
            signals |= Signals::one(Signal::ScannerAgent);
        }
        let is_bait = self.honeypots.hit(user, domain) || self.honeypots.hit(destination, domain);
        if is_bait {
            signals |= Signals::one(Signal::Honeypot);
        }
        if injection::is_in(user) || injection::is_in(destination) {
            signals |= Signals::one(Signal::Injection);
        }
        if is_address(domain) {
            signals |= Signals::one(Signal::AddressDomain);
        }
        signals
    }

    /// The signatures, with their hits.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// The honeypots, with their hits.
    pub fn honeypots(&self) -> &Honeypots {
        &self.honeypots
    }
}

/// Whether a domain is an IP address, with or without a port. Many healthy phones are set up with their server's address, and FreeSWITCH takes its
/// own for the domain when nobody gives it a name; so by itself this proves nothing.
fn is_address(domain: &[u8]) -> bool {
    let may_be = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'[' || *byte == b':';
    if !domain.first().is_some_and(may_be) {
        return false;
    }
    parse_ip(domain).is_some() || without_port(domain).is_some_and(|host| parse_ip(host).is_some())
}

/// What stands before `:PORT`, of an IPv4 address or of an IPv6 address in brackets.
fn without_port(domain: &[u8]) -> Option<&[u8]> {
    let colon = domain.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (&domain[..colon], &domain[colon + 1..]);
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    let is_host = host.ends_with(b"]") || !host.contains(&b':');
    (is_port && is_host).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Method;

    #[track_caller]
    fn of(texts: [&str; 4]) -> Vec<&'static str> {
        let honeypots = Honeypots::new(&["admin", "9999*", "trap@pbx.example"]).unwrap();
        let signatures = Signatures::new(built_in::all(|_| false), None).unwrap();
        let [user, domain, agent, destination] = texts.map(str::as_bytes);
        let signals = Suspicion::new(signatures, honeypots).of(user, domain, agent, destination);
        signals.iter().map(Signal::word).collect()
    }

    #[test]
    fn a_healthy_request_and_an_empty_one_give_nothing_away() {
        assert!(of(["", "", "", ""]).is_empty());
        assert!(of(["1001", "pbx.example", "Yealink SIP-T46S 66.84.0.15", "+442071234567"]).is_empty());
        assert!(of(["alice.o'brien", "pbx.example", "Linphone/4.4", "*97"]).is_empty());
        assert!(of(["1001", "pbx.example", "", "1002"]).is_empty(), "no user agent is no scanner");
    }

    #[test]
    fn each_signal_has_its_cause_and_several_come_together() {
        assert_eq!(of(["1001", "pbx.example", "friendly-scanner", ""]), ["scanner-agent"]);
        assert_eq!(of(["Admin", "pbx.example", "", ""]), ["honeypot"]);
        assert_eq!(of(["1001", "pbx.example", "", "99991"]), ["honeypot"]);
        assert_eq!(of(["a'or'3=3--", "pbx.example", "", ""]), ["injection"]);
        assert_eq!(of(["1001", "pbx.example", "", "1002<script>"]), ["injection"]);
        assert_eq!(of(["1001", "198.51.100.7", "", ""]), ["address-domain"]);
        assert_eq!(
            of(["admin", "[2001:db8::1]:5060", "sipvicious", "\"x\""]),
            ["scanner-agent", "address-domain", "honeypot", "injection"]
        );
    }

    #[test]
    fn nothing_is_allocated() {
        let honeypots = Honeypots::new(&["admin", "9999*", "trap@pbx.example"]).unwrap();
        let signatures = Signatures::new(built_in::all(|_| false), None).unwrap();
        let suspicion = Suspicion::new(signatures, honeypots);
        let mut seen = Signals::NONE;
        let counted = allocation_counter::measure(|| {
            seen |= suspicion.of(b"1001", b"pbx.example", b"Yealink SIP-T46S 66.84.0.15", b"+442071234567");
            seen |= suspicion.of(b"admin", b"198.51.100.7:5060", b"friendly-scanner", b"a'or'3=3--");
            seen |= suspicion.of(b"nobody", b"PBX.example", &[b'x'; 65536], &[b'%'; 65536]);
        });
        assert_eq!((counted.count_total, seen.iter().count()), (0, 4));
    }

    #[test]
    fn an_address_is_told_from_a_name_that_looks_like_one() {
        for domain in
            ["192.0.2.1", "192.0.2.1:5060", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5061", "::1"]
        {
            assert!(is_address(domain.as_bytes()), "{domain}");
        }
        for domain in [
            "",
            "pbx.example",
            "1.example",
            "192.0.2.1.example",
            "cafe.example:5060",
            "192.0.2.256",
            "de",
            ":5060",
        ] {
            assert!(!is_address(domain.as_bytes()), "{domain}");
        }
    }

    #[test]
    fn the_number_called_counts_only_where_there_is_a_call() {
        let suspicion =
            Suspicion::new(Signatures::new(Vec::new(), None).unwrap(), Honeypots::new(&["666"]).unwrap());
        let call =
            What::CallStarted { call: b"c", destination: b"666", authenticated: false, admitted: false };
        assert_eq!(suspicion.seen(&Observation::of(0, call)), Signals::one(Signal::Honeypot));
        let failed = Observation::of(0, What::AuthFailed(Method::Register));
        assert_eq!(suspicion.seen(&failed), Signals::NONE);
        let honeypot = suspicion.honeypots().iter().next().unwrap();
        assert_eq!((honeypot.name(), honeypot.hits()), ("666", 1));
    }
}
