//! The last few refused attempts: whose credentials a `sofia::register_failure` is about.
//!
//! `sofia::register_attempt` names the account and comes first; `sofia::register_failure` counts but names the number dialled
//! when the method is INVITE. Both carry address and port. The memory is a small ring: other threads' events lie in between.

use esl::Value;
use std::net::IpAddr;

const KEPT: usize = 32;

#[derive(Debug)]
pub(super) struct Refused {
    ip: IpAddr,
    port: u16,
    /// The account of its credentials; empty when they named none.
    pub(super) user: Vec<u8>,
    /// The domain in which the switch looked for it.
    pub(super) domain: Vec<u8>,
}

/// The last few refused attempts.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ring: Vec<Refused>,
    next: usize,
}

impl Recent {
    /// An attempt from there was refused; `user` is the account of its credentials, if they named one, and `domain` where the switch looked
    /// for it.
    pub(super) fn refused(
        &mut self,
        ip: IpAddr,
        port: u16,
        user: Option<Value<'_>>,
        domain: Option<Value<'_>>,
    ) {
        if self.ring.len() < KEPT {
            self.ring.push(Refused { ip, port, user: Vec::new(), domain: Vec::new() });
            self.next = self.ring.len() - 1;
        }
        let slot = &mut self.ring[self.next];
        (slot.ip, slot.port) = (ip, port);
        for (text, value) in [(&mut slot.user, user), (&mut slot.domain, domain)] {
            text.clear();
            text.extend(value.into_iter().flat_map(|value| value.bytes()).take(super::LONGEST));
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The last attempt from there.
    pub(super) fn attempt(&self, ip: IpAddr, port: u16) -> Option<&Refused> {
        let kept = self.ring.len();
        let mut newest_first = (1..=kept).map(|back| &self.ring[(self.next + kept - back) % kept]);
        newest_first.find(|refused| refused.ip == ip && refused.port == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attempt_from_an_address_and_port_is_found_while_it_is_recent() {
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        fn user(refused: &Refused) -> &[u8] {
            &refused.user
        }
        let mut recent = Recent::default();
        assert_eq!(recent.attempt(ip(1), 5060).map(user), None);
        let event =
            esl::EventView::parse(esl::Format::Plain, b"Event-Name: A\nu: one\nv: two%20too\n\n").unwrap();
        recent.refused(ip(1), 5060, event.header("u"), None);
        recent.refused(ip(1), 5061, event.header("v"), event.header("u"));
        assert_eq!(recent.attempt(ip(1), 5060).map(user), Some(&b"one"[..]));
        assert_eq!(recent.attempt(ip(1), 5061).map(user), Some(&b"two too"[..]));
        recent.refused(ip(1), 5060, event.header("v"), event.header("u"));
        assert_eq!(recent.attempt(ip(1), 5060).map(user), Some(&b"two too"[..]), "the newest");
        assert_eq!(recent.attempt(ip(1), 5060).map(|refused| refused.domain.as_slice()), Some(&b"one"[..]));
        for n in 0..KEPT as u8 {
            recent.refused(ip(9), u16::from(n), None, None);
        }
        assert_eq!(recent.attempt(ip(1), 5060).map(user), None);
        assert_eq!(recent.attempt(ip(9), 3).map(user), Some(&b""[..]), "named nobody");
    }
}
