//! The policy in force, and what is worked out from it once.

use crate::policy::{Policy, Rule};
use crate::tally::Measure;
use crate::window::ticks;
use std::net::IpAddr;

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

    pub(super) fn is_out_of_reach(&self, ip: IpAddr) -> bool {
        let nets = self.policy.trusted.iter().chain(&self.policy.protected);
        nets.into_iter().any(|net| net.contains(&ip))
    }

    pub(super) fn switch(&self, number: u16) -> &str {
        self.policy.switches.get(usize::from(number)).map_or("", String::as_str)
    }
}
