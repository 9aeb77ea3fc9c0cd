//! The configuration, as the guard and the firewall want it.

use crate::config::{Config, FirewallMode};
use crate::names::lookup::parse_server;
use crate::rules;
use guard::budget::Budget;
use guard::pattern::DomainPattern;
use guard::priors::Growth;
use guard::rule::Limit;
use guard::{Limits, Policy};
use ipnet::IpNet;
use std::net::IpAddr;

/// What the guard is told to do.
///
/// `own` are the host's own addresses and its name servers; with those of the API's operators they are never banned. The limits of the rates
/// are the last that pass, so one more makes the rule fire.
pub fn policy(config: &Config, own: &[IpNet]) -> Policy {
    let security = &config.security;
    let rate = &security.rate_limit;
    Policy {
        enforce: security.enabled && security.auto_block_enabled,
        failed: Limit {
            threshold: security.max_failed_attempts,
            window: security.failed_attempts_window,
            ban: security.block_duration,
        },
        wrong_call_state: Limit {
            threshold: security.max_wrong_call_states,
            window: security.wrong_call_state_window,
            ban: config.guard.wrong_call_state_block_duration,
        },
        call_rate: Limit {
            threshold: rate.call_rate_limit.saturating_add(1),
            window: rate.call_rate_interval,
            ban: rate.block_duration,
        },
        registration_rate: Limit {
            threshold: rate.registration_limit.saturating_add(1),
            window: rate.registration_window,
            ban: rate.block_duration,
        },
        failed_logins: Limit {
            threshold: config.api.max_failed_logins,
            window: config.api.failed_logins_window,
            ban: security.block_duration,
        },
        rates: rate.enabled,
        rates_ban: rate.auto_block_on_exceed,
        rates_bypass: rate.whitelist_bypass,
        untrusted_ban: config.guard.untrusted_block_duration,
        untrusted: security
            .untrusted_networks
            .iter()
            .filter_map(|text| DomainPattern::new(text).ok())
            .collect(),
        forgeable_max: security.forgeable_ban_max,
        growth: Growth {
            factor: config.guard.ban_growth,
            longest: config.guard.ban_longest,
            kept: config.guard.priors_kept,
        },
        budget: Budget {
            all: config.guard.max_bans_per_minute,
            standing: config.guard.max_standing_bans_per_minute,
        },
        trusted: security.trusted_networks.clone(),
        protected: protected(config, own),
        allow: security.whitelist_enabled,
        allow_on_success: security.auto_whitelist_on_success,
        allow_ttl: security.whitelist_ttl,
        switches: config.switches.iter().map(|switch| switch.name.clone()).collect(),
        countries: config.geo.countries.iter().filter_map(|text| text.parse().ok()).collect(),
        changes: config.rules.iter().map(rules::named).collect(),
    }
}

/// The addresses that must never be banned whatever happens: operators, the host itself, the switches, `never_ban`.
fn protected(config: &Config, own: &[IpNet]) -> Vec<IpNet> {
    let switches =
        config.switches.iter().filter_map(|switch| switch.host.parse::<IpAddr>().ok()).map(IpNet::from);
    // As with the host's own: whoever forges their address must not cut us off from names.
    let servers = config.security.name_servers.iter().filter_map(|text| parse_server(text));
    let servers = servers.map(|address| IpNet::from(address.ip()));
    let mut nets: Vec<IpNet> = config
        .firewall
        .never_ban
        .iter()
        .chain(&config.api_allowed())
        .chain(own)
        .copied()
        .chain(switches)
        .chain(servers)
        .collect();
    nets.sort();
    nets.dedup();
    nets
}

/// How much the guard may keep.
pub fn limits(config: &Config) -> Limits {
    Limits {
        windows: config.guard.max_sources as usize,
        registrations: config.guard.max_registrations as usize,
        bans: config.firewall.max_elements as usize,
        timeline: config.guard.timeline as usize,
        remembered: config.guard.max_remembered as usize,
    }
}

/// How the kernel's sets are laid out.
pub fn firewall(config: &Config, own: &[IpNet]) -> netfilter::Config {
    let mut protect = protected(config, own);
    protect.extend(&config.security.trusted_networks);
    netfilter::Config {
        mode: match config.firewall.mode {
            FirewallMode::Auto => netfilter::Mode::Auto,
            FirewallMode::Nftables => netfilter::Mode::Nftables,
            FirewallMode::Ipset => netfilter::Mode::Ipset,
        },
        table: config.firewall.table.clone(),
        ipset_name: config.security.ipset_name.clone(),
        iptables_chain: config.security.iptables_chain.clone(),
        sip_ports: config.firewall.sip_ports.iter().map(|range| (range.first, range.last)).collect(),
        max_elements: config.firewall.max_elements,
        dry_run: config.security.dry_run,
        conntrack: config.firewall.conntrack,
        protect,
    }
}
