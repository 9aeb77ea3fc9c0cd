//! Kernel sets over raw netlink: nftables and ipset.
