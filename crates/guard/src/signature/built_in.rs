//! The signatures that need no file: user agents of tools that search for, or break into, SIP servers.
//!
//! Only what no phone and no carrier sends is here. User agents that attackers borrow from real products (a certain eyeBeam, a
//! certain Zoiper, "Cisco-SIPGateway", "FPBX") are not: the customer who has that product would be the one to pay.

use super::{Origin, Pattern, Signature};

/// A signature, and what is known of it.
pub const ALL: [(&str, &str); 24] = [
    ("friendly-scanner", "the default of SIPVicious (svmap, svwar, svcrack)"),
    ("friendly-request", "SIPVicious, renamed by its users"),
    ("sipvicious", "SIPVicious"),
    ("svmap", "SIPVicious: its search for servers"),
    ("svwar", "SIPVicious: its search for accounts"),
    ("svcrack", "SIPVicious: its search for passwords"),
    ("sundayddr", "a worm's copy of SIPVicious, known since 2010"),
    ("sip-scan", "a scanner's name for itself"),
    ("sipscan", "a scanner's name for itself; also a tool of SIPPTS"),
    ("sipcli/", "sipcli, a command-line caller; mostly seen in searches for free calls"),
    ("sipsak", "sipsak, a test tool that also searches for accounts"),
    ("sippts", "SIPPTS, a set of attack tools"),
    ("sipptk", "the former default of SIPPTS"),
    ("pplsip", "the default of SIPPTS"),
    ("^iwar", "iWar, a war dialler"),
    ("vaxsipuseragent", "the default of an SDK that callers of premium numbers use"),
    ("vaxipuseragent", "the same, misspelt"),
    ("siparmyknife", "SIP Army Knife, a fuzzer"),
    ("sivus", "SiVuS, a vulnerability scanner"),
    ("sipbomber", "SIP Bomber, a tester that sends broken requests"),
    ("siprogue", "SIP Rogue, a man in the middle"),
    ("voiphopper", "VoIP Hopper, an intruder into voice networks"),
    ("^smap", "smap, a search for SIP devices"),
    ("^gulp$", "Gulp, seen in scans only"),
];

/// All of them as signatures, but for those that `off` says.
pub fn all(mut off: impl FnMut(&Pattern) -> bool) -> Vec<Signature> {
    let patterns = ALL.iter().filter_map(|(text, about)| Some((Pattern::new(text).ok()?, *about)));
    patterns
        .filter(|(pattern, _)| !off(pattern))
        .map(|(pattern, about)| Signature::new(pattern, Origin::BuiltIn, about))
        .collect()
}
