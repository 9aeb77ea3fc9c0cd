//! What can go wrong between us and the kernel, each with what was being done and how to mend it.

use std::io;

use ipnet::IpNet;

use crate::target::Target;

/// A failure of the firewall. `Clone`, so that it can be kept as a state and handed to several callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel answered EPERM or EACCES.
    #[error(
        "{doing}: not permitted, the capability {capability} is missing. Grant it in the systemd unit \
         (AmbientCapabilities=CAP_NET_ADMIN), to the program (setcap cap_net_admin+ep), or to the container \
         (--cap-add NET_ADMIN); the ipset mode needs NET_RAW in addition, for iptables"
    )]
    MissingPrivilege {
        /// What was being done.
        doing: String,
        /// What would have allowed it.
        capability: &'static str,
    },
    /// The kernel has no nftables.
    #[error(
        "{doing}: this kernel has no nftables ({reason}); load it (modprobe nf_tables) or use the ipset mode"
    )]
    NoNfTables {
        /// What was being done.
        doing: String,
        /// What the kernel said.
        reason: String,
    },
    /// The kernel has no ipset, or the host lacks the `iptables` program.
    #[error(
        "{doing}: no usable ipset here ({reason}); load it (modprobe ip_set_hash_net xt_set) and install the \
         Debian packages `ipset` and `iptables`, or use the nftables mode"
    )]
    NoIpset {
        /// What was being done.
        doing: String,
        /// What the kernel or the program said.
        reason: String,
    },
    /// Neither of the two can be used.
    #[error("no firewall can be used here. nftables: {nftables}. ipset: {ipset}")]
    NoFirewall {
        /// Why not nftables.
        nftables: String,
        /// Why not ipset.
        ipset: String,
    },
    /// The set holds as many elements as it may.
    #[error("set {set} is full at {max} elements; raise the maximum number of elements")]
    SetFull {
        /// Its name in the kernel.
        set: String,
        /// Its size.
        max: u32,
    },
    /// The target overlaps a protected network.
    #[error("{target} is refused: it overlaps the protected network {net}")]
    Protected {
        /// Who was to be dropped.
        target: Target,
        /// What protects it.
        net: IpNet,
    },
    /// A network that holds every address.
    #[error("{target} is refused: it is every address there is")]
    Everyone {
        /// Who was to be dropped.
        target: Target,
    },
    /// Somebody removed what we had set up.
    #[error("{what} is gone from the kernel: somebody else removed it")]
    Gone {
        /// What is missing.
        what: String,
    },
    /// The kernel refused a request.
    #[error("{doing}: {}", describe(*code))]
    Refused {
        /// What was being done.
        doing: String,
        /// The errno, or an ipset code of 4096 and above.
        code: i32,
    },
    /// No answer in time.
    #[error("{doing}: the kernel did not answer within {seconds} s")]
    Timeout {
        /// What was being done.
        doing: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A message outgrew what netlink can carry.
    #[error("{doing}: the message is too large for netlink")]
    TooLarge {
        /// What was being done.
        doing: String,
    },
    /// `iptables` or `ip6tables` failed.
    #[error("{command}: {reason}")]
    Command {
        /// The command line.
        command: String,
        /// What it wrote to standard error, or why it could not be started.
        reason: String,
    },
    /// A setting that cannot work.
    #[error("{0}")]
    Config(String),
    /// The writer's thread has ended.
    #[error("the firewall writer has stopped")]
    Stopped,
}

impl Error {
    /// Whether a missing capability is the cause (exit code 77 of sysexits).
    #[must_use]
    pub fn is_privilege(&self) -> bool {
        matches!(self, Self::MissingPrivilege { .. })
    }

    /// The error for a code of the kernel, errno or ipset's own.
    pub(crate) fn from_code(doing: &str, code: i32) -> Self {
        let doing = doing.to_string();
        match code {
            libc::EPERM | libc::EACCES => Self::MissingPrivilege { doing, capability: "CAP_NET_ADMIN" },
            libc::EMSGSIZE => Self::TooLarge { doing },
            _ => Self::Refused { doing, code },
        }
    }

    /// The error of the system call that has just failed.
    pub(crate) fn last_os(doing: &str) -> Self {
        Self::from_code(doing, io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }

    /// The code, when the kernel refused with one.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may go through a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Timeout { .. })
            || matches!(
                self.code(),
                Some(libc::EINTR | libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EBUSY)
            )
    }

    /// Whether one element may be to blame, so that the others of the batch should be tried alone.
    pub(crate) fn is_elementary(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::SetFull { .. } | Self::TooLarge { .. })
            && !self.is_passing()
    }
}

/// The words for a kernel code. ipset's are from include/uapi/linux/netfilter/ipset/ip_set.h, enum ipset_errno.
fn describe(code: i32) -> String {
    let text = match code {
        4097 => "ipset protocol mismatch between this program and the kernel",
        4098 => "the kernel does not know this ipset type (modprobe ip_set_hash_net ip_set_hash_ipport)",
        4099 => "the kernel's maximum number of ipsets is reached",
        4100 => "the ipset is in use by a rule",
        4101 => "an ipset of the new name exists already",
        4102 => "the ipset is of another type",
        4103 => "the element is already there, or is not there",
        4104 => "invalid prefix length",
        4105 => "invalid netmask",
        4106 => "the address family does not fit the ipset",
        4107 => "the ipset has no timeout support",
        4108 => "the ipset is referenced by a rule",
        4109 => "invalid IPv4 address",
        4110 => "invalid IPv6 address",
        IPSET_HASH_FULL => "the ipset is full",
        4353 => "the ipset element is invalid",
        code if code >= 4096 => return format!("ipset error {code}"),
        code => return io::Error::from_raw_os_error(code).to_string(),
    };
    text.to_string()
}

/// include/linux/netfilter/ipset/ip_set_hash.h: IPSET_ERR_HASH_FULL = IPSET_ERR_TYPE_SPECIFIC (4352).
pub(crate) const IPSET_HASH_FULL: i32 = 4352;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_says_which_and_how_to_grant_it() {
        let error = Error::from_code("creating the table", libc::EPERM);
        assert!(error.is_privilege());
        let text = error.to_string();
        for word in [
            "creating the table",
            "CAP_NET_ADMIN",
            "AmbientCapabilities=CAP_NET_ADMIN",
            "setcap cap_net_admin+ep",
        ] {
            assert!(text.contains(word), "{word} is missing in: {text}");
        }
    }

    #[test]
    fn an_ipset_code_is_told_in_words() {
        assert!(Error::from_code("adding", 4107).to_string().contains("timeout"));
        assert!(Error::from_code("adding", libc::ENOENT).to_string().contains("No such file"));
    }

    #[test]
    fn a_passing_error_is_not_an_elements_fault() {
        assert!(Error::from_code("x", libc::ENOBUFS).is_passing());
        assert!(!Error::from_code("x", libc::ENOBUFS).is_elementary());
        assert!(Error::from_code("x", libc::EINVAL).is_elementary());
        assert!(!Error::from_code("x", libc::EPERM).is_elementary());
    }
}
