//! What the operator chooses about the firewall: [`Config`], with the defaults, and its check before the start.

use ipnet::IpNet;

use crate::error::Error;

/// Which kernel mechanism holds the bans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// nftables where the kernel has it, else ipset.
    #[default]
    Auto,
    /// A table of our own.
    Nftables,
    /// The classic one: ipsets and one `iptables` rule for each.
    Ipset,
}

/// How the firewall is laid out. [`Config::default`] is good for a FreeSWITCH with its stock profiles.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which mechanism.
    pub mode: Mode,
    /// nftables: the name of our table in family `inet`.
    pub table: String,
    /// ipset: the name of the IPv4 set; `6`, `p` and `6p` are appended for the others. At most 29 bytes.
    pub ipset_name: String,
    /// ipset: the chain of the `filter` table that gets our rules at its top.
    pub iptables_chain: String,
    /// Destination ports, UDP and TCP, that [`crate::Scope::Sip`] closes: inclusive ranges.
    pub sip_ports: Vec<(u16, u16)>,
    /// The most elements that one set may hold.
    pub max_elements: u32,
    /// Touch nothing, only log what would be done.
    pub dry_run: bool,
    /// Also remove the connection tracking entries of a banned source.
    pub conntrack: bool,
    /// Never enforced against: a change that overlaps one of these is refused, whoever asks.
    pub protect: Vec<IpNet>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            table: "switchward".into(),
            ipset_name: "freeswitch-security".into(),
            iptables_chain: "INPUT".into(),
            sip_ports: vec![(5060, 5061), (5066, 5066), (5080, 5081), (7443, 7443)],
            max_elements: 1_000_000,
            dry_run: false,
            conntrack: true,
            protect: Vec::new(),
        }
    }
}

impl Config {
    /// Says what is wrong with the names and numbers, before anything is touched.
    ///
    /// # Errors
    /// [`Error::Config`] that names the setting and what it should be.
    pub fn check(&self) -> Result<(), Error> {
        // include/uapi/linux/netfilter/nf_tables.h: NFT_NAME_MAXLEN 256; kept short, it is also a comment.
        name("nftables table", &self.table, 64)?;
        // include/uapi/linux/netfilter/ipset/ip_set.h: IPSET_MAXNAMELEN 32 with the NUL; two bytes for "6p".
        name("ipset_name", &self.ipset_name, 29)?;
        // include/uapi/linux/netfilter/x_tables.h: XT_EXTENSION_MAXNAMELEN 29 with the NUL.
        name("iptables_chain", &self.iptables_chain, 28)?;
        if self.max_elements == 0 {
            return Err(Error::Config(
                "max_elements is 0: at least 1 is needed, 1000000 is the default".into(),
            ));
        }
        if let Some((from, to)) = self.sip_ports.iter().find(|(from, to)| from > to) {
            return Err(Error::Config(format!(
                "sip_ports {from}-{to}: the first port must not be the greater"
            )));
        }
        Ok(())
    }

    /// The SIP ports sorted, with overlapping and adjacent ranges merged (the kernel refuses overlaps).
    pub(crate) fn merged_ports(&self) -> Vec<(u16, u16)> {
        self.ports_with(&[])
    }

    /// The same with others beside those of the configuration.
    pub(crate) fn ports_with(&self, others: &[u16]) -> Vec<(u16, u16)> {
        let mut sorted = self.sip_ports.clone();
        sorted.extend(others.iter().map(|port| (*port, *port)));
        sorted.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(sorted.len());
        for (from, to) in sorted {
            match merged.last_mut() {
                Some(last) if u32::from(from) <= u32::from(last.1) + 1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged
    }
}

fn name(what: &str, name: &str, max: usize) -> Result<(), Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if starts_well && name.len() <= max && name.bytes().all(good) {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{what} {name:?}: 1 to {max} letters, digits, '-', '_' or '.', not starting with '-', are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_merged_for_the_kernel() {
        let ports =
            |list: &[(u16, u16)]| Config { sip_ports: list.to_vec(), ..Config::default() }.merged_ports();
        assert_eq!(
            ports(&[(5080, 5081), (5060, 5061), (5061, 5062), (5063, 5063)]),
            [(5060, 5063), (5080, 5081)]
        );
        assert_eq!(ports(&[(1, 65535), (5060, 5060)]), [(1, 65535)]);
        let config = Config { sip_ports: vec![(5060, 5061)], ..Config::default() };
        assert_eq!(
            config.ports_with(&[5160, 5062, 5060, 65535]),
            [(5060, 5062), (5160, 5160), (65535, 65535)]
        );
    }

    #[test]
    fn a_bad_name_or_number_is_said_before_the_start() {
        Config::default().check().unwrap();
        let long = Config { ipset_name: "a".repeat(30), ..Config::default() };
        assert!(long.check().unwrap_err().to_string().contains("ipset_name"));
        let option = Config { iptables_chain: "--flush".into(), ..Config::default() };
        assert!(option.check().unwrap_err().to_string().contains("iptables_chain"));
        assert!(Config { max_elements: 0, ..Config::default() }.check().is_err());
        assert!(Config { sip_ports: vec![(7, 3)], ..Config::default() }.check().is_err());
    }
}
