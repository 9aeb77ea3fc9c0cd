//! The table, its chains, sets and rules as messages: [`table`], [`set`], [`rule`].
//!
//! ```text
//! table inet switchward {
//!     chain prerouting { type filter hook prerouting priority raw; policy accept;
//!         ip saddr @all_v4 counter drop                          # one such rule for each set of scope "all"
//!         meta l4proto @transports th dport @sip_ports jump sip  # and for scope "sip" in the chain of that name
//!     }
//!     chain sip { ip saddr @sip_v4 counter drop ... }
//! }
//! ```
//!
//! Every rule carries the name of its set as a comment, by which it is known again.

use super::abi::*;
use super::slot::{Family, Shape, Slot};
use crate::netlink::{APPEND, CREATE, Messages, SUBSYS_NFTABLES};
use crate::target::Scope;

/// The chain that the kernel calls.
pub(crate) const ENTRY: &str = "prerouting";
/// The chain for packets to the SIP ports.
pub(crate) const SIP: &str = "sip";
/// The set of destination ports that lead to it, and the set of protocols that have ports.
pub(crate) const SIP_PORTS: &str = "sip_ports";
pub(crate) const TRANSPORTS: &str = "transports";
/// The comment of the rule that leads from the first chain to the second.
pub(crate) const SIP_JUMP: &str = "to the SIP ports";

/// A message to nftables about something in family `inet`.
pub(crate) fn command<'a>(out: &'a mut Messages, kind: u8, flags: u16, table: &str) -> &'a mut Messages {
    out.message(SUBSYS_NFTABLES, kind, flags, NFPROTO_INET).text(NFTA_TABLE, table)
}

/// The table with its two chains, empty, made where missing.
pub(crate) fn table(out: &mut Messages, table: &str) {
    command(out, NFT_MSG_NEWTABLE, CREATE, table);
    command(out, NFT_MSG_NEWCHAIN, CREATE, table)
        .text(NFTA_CHAIN_NAME, ENTRY)
        .nest(NFTA_CHAIN_HOOK, |hook| {
            hook.be32(NFTA_HOOK_HOOKNUM, PRE_ROUTING).be32(NFTA_HOOK_PRIORITY, RAW_PRIORITY as u32);
        })
        .be32(NFTA_CHAIN_POLICY, NF_ACCEPT)
        .text(NFTA_CHAIN_TYPE, "filter");
    command(out, NFT_MSG_NEWCHAIN, CREATE, table).text(NFTA_CHAIN_NAME, SIP);
}

/// Takes every rule out of both chains.
pub(crate) fn no_rules(out: &mut Messages, table: &str) {
    for chain in [ENTRY, SIP] {
        command(out, NFT_MSG_DELRULE, 0, table).text(NFTA_RULE_CHAIN, chain);
    }
}

/// The two small sets of ports and protocols with their content, whatever was in them before.
pub(crate) fn ports(out: &mut Messages, table: &str, ports: &[(u16, u16)]) {
    // inet_service 13 and inet_proto 12 of nftables' own numbering.
    small_set(out, table, SIP_PORTS, NFT_SET_INTERVAL, 13, 2, ID_SIP_PORTS);
    small_set(out, table, TRANSPORTS, 0, 12, 1, ID_TRANSPORTS);
    for set in [SIP_PORTS, TRANSPORTS] {
        command(out, NFT_MSG_DELSETELEM, 0, table).text(NFTA_SET_ELEM_LIST_SET, set);
    }
    for (set, elements) in [(SIP_PORTS, port_elements(ports)), (TRANSPORTS, transport_elements())] {
        if elements.is_empty() {
            continue;
        }
        command(out, NFT_MSG_NEWSETELEM, CREATE, table).text(NFTA_SET_ELEM_LIST_SET, set).nest(
            NFTA_SET_ELEM_LIST_ELEMENTS,
            |list| {
                for (bytes, flags) in &elements {
                    list.nest(NFTA_LIST_ELEM, |element| {
                        if *flags != 0 {
                            element.be32(NFTA_SET_ELEM_FLAGS, *flags);
                        }
                        key(element, bytes);
                    });
                }
            },
        );
    }
}

/// Key and flags of the elements for port ranges. An interval ends before its end element; the one up to 65535 has
/// none.
pub(crate) fn port_elements(ports: &[(u16, u16)]) -> Vec<(Vec<u8>, u32)> {
    let ends = |to: u16| to.checked_add(1).map(|end| (end.to_be_bytes().to_vec(), NFT_SET_ELEM_INTERVAL_END));
    ports
        .iter()
        .flat_map(|(from, to)| [Some((from.to_be_bytes().to_vec(), 0)), ends(*to)])
        .flatten()
        .collect()
}

/// The same for the protocols that have ports.
pub(crate) fn transport_elements() -> Vec<(Vec<u8>, u32)> {
    vec![(vec![libc::IPPROTO_TCP as u8], 0), (vec![libc::IPPROTO_UDP as u8], 0)]
}

/// A set for targets, with timeouts and a maximum size. `id` tells the sets of one transaction apart.
pub(crate) fn set(out: &mut Messages, table: &str, slot: Slot, max: u32, id: u32) {
    command(out, NFT_MSG_NEWSET, CREATE, table)
        .text(NFTA_SET_NAME, &slot.name())
        .be32(NFTA_SET_FLAGS, NFT_SET_TIMEOUT)
        .be32(NFTA_SET_KEY_TYPE, slot.key_type())
        .be32(NFTA_SET_KEY_LEN, slot.key_length() as u32)
        .nest(NFTA_SET_DESC, |about| {
            about.be32(NFTA_SET_DESC_SIZE, max);
        })
        .be32(NFTA_SET_ID, ID_FIRST_SLOT + id)
        .bytes(NFTA_SET_USERDATA, &BIG_ENDIAN_KEY);
}

/// The rules that look a set up and drop what is in it.
pub(crate) fn rule(out: &mut Messages, table: &str, slot: Slot) {
    let chain = if slot.scope == Scope::All { ENTRY } else { SIP };
    let name = slot.name();
    let mut add = |comment: &str, masked: Option<u8>| {
        write_rule(out, table, chain, comment, |list| {
            same_family(list, slot.family);
            if slot.shape == Shape::Port && slot.scope == Scope::All {
                has_ports(list);
            }
            source_address(list, slot.family);
            if let Some(prefix) = masked {
                cut(list, slot.family, prefix);
            }
            if slot.shape == Shape::Port {
                // The second field of a concatenation goes right after the first.
                let register = if slot.family == Family::V4 { NFT_REG32_01 } else { NFT_REG_2 };
                payload(list, register, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
            }
            lookup(list, &name, NFT_REG_1);
            expression(list, "counter", |_| {});
            verdict(list, NF_DROP, None);
        });
    };
    match slot.shape {
        Shape::Prefix(prefix) => {
            add(&name, (usize::from(prefix) != slot.family.length() * 8).then_some(prefix))
        }
        Shape::Port => add(&name, None),
    }
    if let (Shape::Port, Family::V6) = (slot.shape, slot.family) {
        // An element whose host part is zero means the whole /64.
        add(&whole_subnet(&name), Some(slot.family.host()));
    }
}

/// The rule that sends packets to the SIP ports through the second chain.
pub(crate) fn sip_jump(out: &mut Messages, table: &str) {
    write_rule(out, table, ENTRY, SIP_JUMP, |list| {
        has_ports(list);
        payload(list, NFT_REG_1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
        lookup(list, SIP_PORTS, NFT_REG_1);
        verdict(list, NFT_JUMP, Some(SIP));
    });
}

/// The comments that the rules of a set carry.
pub(crate) fn comments(slot: Slot) -> Vec<String> {
    let name = slot.name();
    match (slot.shape, slot.family) {
        (Shape::Port, Family::V6) => vec![whole_subnet(&name), name],
        _ => vec![name],
    }
}

/// An element's key.
pub(crate) fn key(element: &mut Messages, bytes: &[u8]) {
    element.nest(NFTA_SET_ELEM_KEY, |data| {
        data.bytes(NFTA_DATA_VALUE, bytes);
    });
}

fn whole_subnet(name: &str) -> String {
    format!("{name}, whole /64")
}

fn small_set(out: &mut Messages, table: &str, name: &str, flags: u32, kind: u32, length: u32, id: u32) {
    command(out, NFT_MSG_NEWSET, CREATE, table)
        .text(NFTA_SET_NAME, name)
        .be32(NFTA_SET_FLAGS, flags)
        .be32(NFTA_SET_KEY_TYPE, kind)
        .be32(NFTA_SET_KEY_LEN, length)
        .be32(NFTA_SET_ID, id)
        .bytes(NFTA_SET_USERDATA, &BIG_ENDIAN_KEY);
}

fn write_rule(
    out: &mut Messages,
    table: &str,
    chain: &str,
    comment: &str,
    inner: impl FnOnce(&mut Messages),
) {
    // NFTNL_UDATA_RULE_COMMENT (0), length, text with its NUL: `nft list` shows it.
    let mut userdata = vec![0, comment.len() as u8 + 1];
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    command(out, NFT_MSG_NEWRULE, CREATE | APPEND, table)
        .text(NFTA_RULE_CHAIN, chain)
        .nest(NFTA_RULE_EXPRESSIONS, inner)
        .bytes(NFTA_RULE_USERDATA, &userdata);
}

fn same_family(list: &mut Messages, family: Family) {
    let number = match family {
        Family::V4 => NFPROTO_IPV4,
        Family::V6 => NFPROTO_IPV6,
    };
    meta(list, NFT_META_NFPROTO);
    expression(list, "cmp", |data| {
        data.be32(1, NFT_REG_1).be32(2, NFT_CMP_EQ).nest(3, |value| {
            value.bytes(NFTA_DATA_VALUE, &[number]);
        });
    });
}

fn has_ports(list: &mut Messages) {
    meta(list, NFT_META_L4PROTO);
    lookup(list, TRANSPORTS, NFT_REG_1);
}

fn source_address(list: &mut Messages, family: Family) {
    // RFC 791 section 3.1, RFC 8200 section 3.
    let offset = match family {
        Family::V4 => 12,
        Family::V6 => 8,
    };
    payload(list, NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER, offset, family.length() as u32);
}

/// Clears the bits after the prefix in register 1.
fn cut(list: &mut Messages, family: Family, prefix: u8) {
    let length = family.length();
    let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0).to_be_bytes();
    expression(list, "bitwise", |data| {
        data.be32(1, NFT_REG_1)
            .be32(2, NFT_REG_1)
            .be32(3, length as u32)
            .nest(4, |mask| {
                mask.bytes(NFTA_DATA_VALUE, &bits[..length]);
            })
            .nest(5, |xor| {
                xor.bytes(NFTA_DATA_VALUE, &[0; 16][..length]);
            });
    });
}

fn payload(list: &mut Messages, register: u32, base: u32, offset: u32, length: u32) {
    expression(list, "payload", |data| {
        data.be32(1, register).be32(2, base).be32(3, offset).be32(4, length);
    });
}

fn meta(list: &mut Messages, key: u32) {
    expression(list, "meta", |data| {
        data.be32(1, NFT_REG_1).be32(2, key);
    });
}

fn lookup(list: &mut Messages, set: &str, register: u32) {
    expression(list, "lookup", |data| {
        data.text(1, set).be32(2, register);
    });
}

fn verdict(list: &mut Messages, code: u32, chain: Option<&str>) {
    expression(list, "immediate", |data| {
        data.be32(1, NFT_REG_VERDICT).nest(2, |value| {
            value.nest(NFTA_DATA_VERDICT, |verdict| {
                verdict.be32(NFTA_VERDICT_CODE, code);
                if let Some(chain) = chain {
                    verdict.text(NFTA_VERDICT_CHAIN, chain);
                }
            });
        });
    });
}

/// One step of a rule. The attribute numbers inside are those of the expression's own enum.
fn expression(list: &mut Messages, name: &str, inner: impl FnOnce(&mut Messages)) {
    list.nest(NFTA_LIST_ELEM, |element| {
        element.text(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, inner);
    });
}

/// NFTNL_UDATA_SET_KEYBYTEORDER (0), four bytes, BYTEORDER_BIG_ENDIAN (2): so that `nft` prints keys rightly.
const BIG_ENDIAN_KEY: [u8; 6] = {
    let two = 2u32.to_ne_bytes();
    [0, 4, two[0], two[1], two[2], two[3]]
};
const ID_SIP_PORTS: u32 = 1;
const ID_TRANSPORTS: u32 = 2;
const ID_FIRST_SLOT: u32 = 3;
