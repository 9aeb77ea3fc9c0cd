//! Signatures of scanners: the built-in ones, and files that add or switch off.

use super::*;

fn built_in_only() -> Signatures {
    Signatures::new(built_in::all(|_| false), None).unwrap()
}

fn with(file: &str) -> Signatures {
    Signatures::new(file::read(file).unwrap(), None).unwrap()
}

fn mistakes(file: &str) -> Vec<String> {
    file::read(file).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_built_in_signature_is_one_and_finds_itself() {
    let signatures = built_in_only();
    assert_eq!(signatures.len(), built_in::ALL.len());
    for (text, about) in built_in::ALL {
        let agent = text.trim_start_matches('^').trim_end_matches('$').to_ascii_uppercase();
        assert!(signatures.hit(agent.as_bytes()).is_some(), "{text}");
        assert!(!about.is_empty());
    }
}

#[test]
fn scanners_are_found_in_whatever_case_and_phones_are_not() {
    let signatures = built_in_only();
    for agent in [
        "friendly-scanner",
        "Friendly-Scanner",
        "sipcli/v1.8",
        "VaxSIPUserAgent/3.1",
        "pplsip",
        "sundayddr",
        "iWar",
        "sipsak 0.9.8.1",
        "Mozilla sipvicious",
    ] {
        assert!(signatures.hit(agent.as_bytes()).is_some(), "{agent}");
    }
    for agent in [
        "",
        "Yealink SIP-T46S 66.84.0.15",
        "Grandstream GXP2160 1.0.9.135",
        "Cisco/SPA504G-7.6.2c",
        "snomD785/10.1.54",
        "Zoiper rv2.10",
        "Z 3.14.38765 rv2.8.3",
        "eyeBeam release 3015c stamp 27107",
        "PolycomVVX-VVX_411-UA/5.9.5",
        "Panasonic_KX-UT",
        "MicroSIP/3.20",
        "Linphone/4.4",
        "Asterisk PBX",
        "AVM FRITZ!Box",
        "FPBX-15.0.16(16.6.2)",
        "kiwari phone",
        "Gulpener 2",
    ] {
        assert!(signatures.hit(agent.as_bytes()).is_none(), "{agent}");
    }
}

#[test]
fn each_signature_counts_its_own_hits_and_keeps_them_over_a_change() {
    let before = built_in_only();
    for _ in 0..3 {
        before.hit(b"friendly-scanner");
    }
    before.hit(b"pplsip");
    let hits = |signatures: &Signatures, text: &str| {
        signatures.iter().find(|signature| signature.pattern.to_string() == text).map(Signature::hits)
    };
    assert_eq!(hits(&before, "friendly-scanner"), Some(3));
    let after = Signatures::new(file::read("!pplsip\nevil\n").unwrap(), Some(&before)).unwrap();
    // A reader that still has the list of before counts into the same.
    before.hit(b"friendly-scanner");
    after.hit(b"friendly-scanner");
    assert_eq!(hits(&after, "friendly-scanner"), Some(5));
    assert_eq!((hits(&after, "pplsip"), hits(&after, "evil")), (None, Some(0)));
}

#[test]
fn a_file_adds_and_switches_off() {
    let signatures = with(
        "\u{feff}# ours\n\n  EvilPhone  \r\n^Start of\nthe end$\n^whole$\n!SIPSAK\n! iwar\nfriendly-scanner\nevilphone\n",
    );
    for agent in ["an evilphone/1", "start of it", "it is the end", "WHOLE", "friendly-scanner"] {
        assert!(signatures.hit(agent.as_bytes()).is_some(), "{agent}");
    }
    for agent in ["a start of it", "the end of it", "the whole", "sipsak", "iwar"] {
        assert!(signatures.hit(agent.as_bytes()).is_none(), "{agent}");
    }
    let own: Vec<_> = signatures.iter().filter(|signature| signature.origin != Origin::BuiltIn).collect();
    let shown: Vec<_> =
        own.iter().map(|signature| (signature.pattern.to_string(), signature.origin)).collect();
    let expected = [("evilphone", 3), ("^start of", 4), ("the end$", 5), ("^whole$", 6)];
    assert_eq!(
        shown,
        expected.map(|(text, line)| (text.to_owned(), Origin::File(line))),
        "no signature twice"
    );
    assert_eq!(signatures.len(), built_in::ALL.len() - 2 + 4);
}

#[test]
fn the_longer_signature_is_found_though_a_part_of_it_fails_its_anchor() {
    let signatures = with("^bad\nvery bad phone\n");
    assert_eq!(signatures.hit(b"a very bad phone").unwrap().pattern.to_string(), "very bad phone");
    assert_eq!(signatures.hit(b"BAD and very bad phone").unwrap().pattern.to_string(), "^bad");
}

#[test]
fn mistakes_of_a_file_are_told_with_their_lines() {
    let long = "x".repeat(65);
    let text = format!("# one\nab\n{long}\nfine\n!nosuch\nx\u{7}yz\n^$\n");
    let told = mistakes(&text);
    assert_eq!(told.len(), 5, "{told:?}");
    for (mistake, start) in told.iter().zip([
        "line 2: a signature has at least 3",
        "line 3: a signature has at most 64",
        "line 5: no built-in signature is \"nosuch\"",
        "line 6: a signature holds a control",
        "line 7: a signature has at least 3",
    ]) {
        assert!(mistake.starts_with(start), "{mistake}");
    }
    let many: String = (0..2000).map(|n| format!("agent{n:04}\n")).collect();
    let told = mistakes(&many);
    assert_eq!((told.len(), told[0].contains("more than 1024")), (1, true), "{told:?}");
    assert_eq!(mistakes(&"x\n".repeat(1000)).len(), 20, "no flood of mistakes");
}

#[test]
fn as_many_as_may_be_can_be_searched() {
    let most: String = (0..MOST - built_in::ALL.len()).map(|n| format!("{n:064}\n")).collect();
    let signatures = with(&most);
    assert_eq!(signatures.len(), MOST);
    assert!(signatures.hit(format!("{:064}", 999).as_bytes()).is_some());
}

#[test]
fn a_hostile_user_agent_is_looked_at_in_its_beginning_only() {
    let signatures = with("the end$\n");
    let far = [vec![b'x'; LOOKED_AT], b"friendly-scanner".to_vec()].concat();
    assert!(signatures.hit(&far).is_none());
    let cut = [vec![b'x'; LOOKED_AT - 7], b"the end and more".to_vec()].concat();
    assert!(signatures.hit(&cut).is_none(), "what is cut off is no end");
    assert!(signatures.hit(&[0xff; 65536]).is_none());
    assert!(signatures.hit(b"\0\xfffriendly-scanner\n").is_some());
}
