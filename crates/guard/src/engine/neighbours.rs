//! Nets: which neighbours a source has, and who of them must not be banned along with the others.

use super::Guard;
use super::compiled::Compiled;
use super::overlapping;
use super::seen::Seen;
use crate::rule::KeyKind;
use crate::source::Target;
use crate::time::Time;
use ipnet::IpNet;

impl Seen<'_> {
    /// The source's neighbours: IPv4 /24, IPv6 /56, or /48 when wide.
    pub(super) fn net(&self, key: KeyKind) -> IpNet {
        let own = self.source.net();
        let length = match (own, key) {
            (IpNet::V4(_), _) => 24,
            (IpNet::V6(_), KeyKind::WideNet) => 48,
            (IpNet::V6(_), _) => 56,
        };
        IpNet::new(own.network(), length).map_or(own, |net| net.trunc())
    }
}

impl Guard {
    /// Whether somebody lives in a net who must not lose the switch for his neighbours: a registered phone, one that has earned
    /// trust and is away, an allow entry, a trusted, protected or learnt address, an operator. Looks at all of them: for the rare moment before a net
    /// is banned.
    pub(super) fn has_residents(&self, compiled: &Compiled, target: Target, now: Time) -> bool {
        let net = target.covers();
        overlapping(compiled.policy.trusted.iter().chain(&compiled.policy.protected), target).is_some()
            || self.reach.overlapping(target).is_some()
            || self.reach.operator_in(target, now).is_some()
            || (compiled.policy.allow && self.ledger.has_allowed_within(&net, now))
            || self.shards.iter().any(|shard| shard.lock().standings.is_any_within(&net, now))
            || self.past.reputation().is_any_trusted_within(&net, now)
    }
}
