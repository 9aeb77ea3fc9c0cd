//! The policy in force, and what is worked out from it once.

use crate::policy::{Policy, Rule};
use crate::source::{Source, Target};
use crate::tally::Measure;
use crate::window::ticks;
use ipnet::IpNet;

/// The policy, and what is worked out from it once.
pub(crate) struct Compiled {
    pub(super) policy: Policy,
    pub(super) rules: Vec<Rule>,
    /// Window of each rule in ticks.
    pub(super) spans: Vec<u32>,
}

impl Compiled {
    pub(super) fn new(policy: Policy) -> Compiled {
        let rules = policy.rules();
        let spans = rules.iter().map(|rule| ticks(rule.limit.window)).collect();
        Compiled { policy, rules, spans }
    }

    pub(super) fn measure(&self, rule: usize) -> Measure {
        Measure { span: self.spans[rule], keep: self.rules[rule].limit.threshold }
    }

    /// Whether a trusted or protected network overlaps the source: of an IPv6 /64, one address is enough.
    pub(super) fn is_out_of_reach(&self, source: Source) -> bool {
        self.reaches_not(source).is_some()
    }

    /// The trusted or protected network that overlaps the source.
    pub(super) fn reaches_not(&self, source: Source) -> Option<IpNet> {
        let target = Target::Host(source);
        self.policy.trusted.iter().chain(&self.policy.protected).find(|net| target.overlaps(net)).copied()
    }

    pub(super) fn switch(&self, number: u16) -> &str {
        self.policy.switches.get(usize::from(number)).map_or("", String::as_str)
    }
}
