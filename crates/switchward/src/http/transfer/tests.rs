//! Every format gives back what it was given, and takes anything without a panic.

use super::export::{of_allow, of_ban};
use super::import::{Import, Imported};
use super::write::Text;
use super::{Format, What, read};
use guard::{Allowed, Ban, Guard, Limits, Origin, Policy, Reason, Scope, Target, Time};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn now() -> Time {
    Time::from_secs(1_795_234_698)
}

fn empty() -> Guard {
    let policy = Policy { trusted: Vec::new(), protected: Vec::new(), ..Policy::default() };
    Guard::new(policy, Limits::default(), [1, 2, 3, 4], Box::new(|_| ()))
}

fn whole<T>(mut text: Text<T>) -> Vec<u8>
where
    T: Unpin,
{
    let mut all = Vec::new();
    while !hyper::body::Body::is_end_stream(&text) {
        all.append(&mut text.part());
    }
    all
}

fn put(guard: &Guard, list: (What, Format), text: &[u8]) -> Imported {
    let mut import =
        Import { guard, most: 1000, who: "me", now: now(), networks: 0, done: Imported::default() };
    read::lines(list, text, now(), &mut |number, line| import.line(list.0, number, line));
    import.done
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Target::host(std::net::Ipv4Addr::from(bits).into())),
        (any::<u32>(), 1u8..32).prop_map(|(bits, length)| {
            Target::net(IpNet::V4(Ipv4Net::new(bits.into(), length).unwrap()))
        }),
        (any::<u64>(), 17u8..=64).prop_map(|(bits, length)| {
            let ip = (0x2001_0db8u128 << 96 | u128::from(bits) << 32).into();
            Target::net(IpNet::V6(Ipv6Net::new(ip, length).unwrap()))
        }),
        (any::<u32>(), 1u16..)
            .prop_map(|(bits, port)| Target::port(std::net::Ipv4Addr::from(bits).into(), port)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "[-=+@',;\"a]{0,8}", "[\u{e0}-\u{ff}\u{4e00}-\u{4e10}]{0,30}"]
        .prop_map(|text| text.trim().into())
}

fn ban() -> impl Strategy<Value = Ban> {
    (target(), any::<bool>(), proptest::option::of(1u64..2_000_000), text(), text()).prop_map(
        |(target, sip, ttl, reason, note)| Ban {
            target,
            scope: if sip { Scope::Sip } else { Scope::All },
            since: now(),
            until: ttl.map(|ttl| now() + Duration::from_secs(ttl)),
            origin: Origin::Operator("me".into()),
            reason: Reason::operator(if reason.is_empty() { "banned by hand" } else { &reason }, now()),
            note,
        },
    )
}

fn sorted(mut bans: Vec<Arc<Ban>>) -> Vec<Ban> {
    bans.sort_by_key(|ban| ban.target);
    bans.iter().map(|ban| (**ban).clone()).collect()
}

proptest! {
    #[test]
    fn an_export_put_into_an_empty_ledger_gives_the_same_bans(bans in proptest::collection::vec(ban(), 0..30)) {
        let from = empty();
        from.ledger().restore(bans, Vec::new(), Vec::new(), now());
        for format in [Format::Json, Format::Csv, Format::Ipset] {
            let list = (What::Bans, format);
            let text = whole(Text::new(from.ledger().bans(now()), of_ban, list, now()));
            let to = empty();
            let done = put(&to, list, &text);
            prop_assert_eq!((done.bad, done.refused), (0, 0), "{:?}\n{}", done, String::from_utf8_lossy(&text));
            let mut expected = sorted(from.ledger().bans(now()));
            let mut got = sorted(to.ledger().bans(now()));
            if format == Format::Ipset {
                // No ports, no notes, and of the reason what a comment may hold.
                expected.retain(|ban| !matches!(ban.target, Target::Port(..)));
                for ban in expected.iter_mut().chain(&mut got) {
                    ban.note.clear();
                    ban.reason.text.clear();
                }
            }
            prop_assert_eq!(got, expected, "{}", String::from_utf8_lossy(&text));
            let again = put(&to, list, &text);
            prop_assert_eq!((again.added, again.extended), (0, 0));
        }
    }

    #[test]
    fn anything_may_be_imported_without_a_panic(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "(add|create|ip|,|\"|\\[|\\{|\\}|timeout|comment|192.0.2.1|::1/64| |\n|:|until|'|=)*".prop_map(String::into_bytes),
        ],
        allows: bool,
    ) {
        let what = if allows { What::Allows } else { What::Bans };
        for format in [Format::Json, Format::Csv, Format::Ipset] {
            let guard = empty();
            let done = put(&guard, (what, format), &text);
            prop_assert_eq!(done.lines, done.added + done.extended + done.unchanged + done.refused + done.bad);
        }
    }
}

#[test]
fn allow_entries_travel_too() {
    let from = empty();
    let entry = |target: &str, user: &str| Allowed {
        target: target.parse().unwrap(),
        added: now(),
        until: Some(now() + Duration::from_secs(3600)),
        last_seen: now(),
        user: user.into(),
        domain: "pbx.example".into(),
        origin: Origin::Operator("me".into()),
    };
    let allows =
        vec![entry("192.0.2.1", "=1+1"), entry("198.51.100.0/24", "'-"), entry("2001:db8::/48", "bob")];
    from.ledger().restore(Vec::new(), allows, Vec::new(), now());
    let sorted = |guard: &Guard| {
        let mut allows = guard.ledger().allows(now());
        allows.sort_by_key(|entry| entry.target);
        allows
    };
    for format in [Format::Json, Format::Csv] {
        let list = (What::Allows, format);
        let text = whole(Text::new(sorted(&from), of_allow, list, now()));
        let to = empty();
        assert_eq!(put(&to, list, &text).added, 3);
        assert_eq!(sorted(&to), sorted(&from));
    }
}

#[test]
fn no_cell_is_a_formula() {
    let from = empty();
    let bans = ["=cmd()", "+1", "-1", "@sum", "'quoted"].iter().enumerate().map(|(n, text)| Ban {
        target: Target::host(std::net::Ipv4Addr::from(0xc000_0200 + n as u32).into()),
        scope: Scope::All,
        since: now(),
        until: None,
        origin: Origin::Guard,
        reason: Reason::operator(text, now()),
        note: String::new(),
    });
    from.ledger().restore(bans.collect(), Vec::new(), Vec::new(), now());
    let text = whole(Text::new(from.ledger().bans(now()), of_ban, (What::Bans, Format::Csv), now()));
    let text = String::from_utf8(text).unwrap();
    for cell in text.lines().skip(1).map(|line| line.split(',').nth(3).unwrap()) {
        assert!(cell.starts_with('\''), "{cell}");
    }
}

/// Bans by a list in this form; which are for good, and how many lines were bad.
fn bans(what: What, format: Format, text: &str) -> (Vec<(String, Option<Duration>)>, u64) {
    let guard = empty();
    let done = put(&guard, (what, format), text.as_bytes());
    let bans = sorted(guard.ledger().bans(now()));
    let ends = bans.iter().map(|ban| (ban.target.to_string(), ban.until.map(|until| until.since(now()))));
    (ends.collect(), done.bad)
}

#[test]
fn an_end_in_any_words_is_kept_and_what_is_not_known_is_bad() {
    let hour = Some(Duration::from_secs(3600));
    let end = crate::clock::exact(now() + Duration::from_secs(3600));
    let one = |end| (vec![("203.0.113.20".to_owned(), end)], 0);
    let read =
        |members: &str| bans(What::Bans, Format::Json, &format!(r#"[{{"ip":"203.0.113.20",{members}}}]"#));
    assert_eq!(read(r#""ttl":"1h""#), one(hour));
    assert_eq!(read(r#""ttl":"1h","permanent":false"#), one(hour));
    assert_eq!(
        read(&format!(r#""expiresAt":"{end}","permanent":false,"failCount":3,"addedAt":"x""#)),
        one(hour)
    );
    assert_eq!(read(r#""expiresAt":"0001-01-01T00:00:00Z","permanent":true"#), one(None));
    assert_eq!(read(r#""until":null,"permanent":true"#), one(None));
    for members in [
        r#""expires":"1h""#,
        r#""TTL":"1h""#,
        r#""ttl":3600"#,
        r#""ttl":"0s""#,
        r#""ttl":"1h","permanent":true"#,
        r#""ttl":"1h","until":"2100-01-01T00:00:00Z""#,
        r#""permanent":false"#,
        r#""permanent":"maybe""#,
        r#""expiresAt":"0001-01-01T00:00:00Z","permanent":false"#,
        r#""expiresAt":"2001-01-01T00:00:00Z""#,
        r#""reason":{"deep":[1,2,{}]}"#,
    ] {
        assert_eq!(read(members), (vec![], 1), "{members}");
    }
    let (list, bad) = bans(What::Bans, Format::Json, r#"[1,"x",null,[[]],{"ip":"203.0.113.20"},{"no":{}}]"#);
    assert_eq!((list, bad), (one(None).0, 5));
    assert_eq!(bans(What::Bans, Format::Csv, "ip,ttl\n203.0.113.20,1h\n"), one(hour));
    assert_eq!(bans(What::Bans, Format::Csv, "ip,permanent\n203.0.113.20,true\n"), one(None));
    assert_eq!(bans(What::Bans, Format::Csv, "ip,expires\n203.0.113.20,1h\n"), (vec![], 1));
    assert_eq!(bans(What::Bans, Format::Csv, "ip,until\n203.0.113.20\n"), (vec![], 1));
}

#[test]
fn an_ipset_is_not_read_the_wrong_way_round() {
    for (what, line) in [
        (What::Bans, "add x 198.51.100.7 nomatch"),
        (What::Bans, "add x 198.51.100.7 timeout 0 comment \"a\" nomatch"),
        (What::Bans, "add switchward-allow-ip4 192.0.2.77 timeout 0"),
        (What::Allows, "add switchward-all-ip4 192.0.2.77 timeout 0"),
        (What::Allows, "add switchward-sip-net4 192.0.2.0/25 timeout 0"),
        (What::Bans, "add x 192.0.2.77 tiemout 5"),
    ] {
        let guard = empty();
        let done = put(&guard, (what, Format::Ipset), line.as_bytes());
        assert_eq!((done.bad, done.added), (1, 0), "{line}");
        assert_eq!(guard.ledger().sizes(), (0, 0), "{line}");
    }
    let counted = "add x 192.0.2.77 timeout 60 packets 1 bytes 2 comment \"nomatch\" skbprio 1:1";
    let expected = (vec![("192.0.2.77".to_owned(), Some(Duration::from_secs(60)))], 0);
    assert_eq!(bans(What::Bans, Format::Ipset, counted), expected);
}

#[test]
fn an_import_allows_a_bounded_number_of_networks() {
    let mut text = "ip\n".to_owned();
    for n in 0..10_002u32 {
        text += &format!("{}/31\n", std::net::Ipv4Addr::from(0xc612_0000 + 2 * n));
    }
    let guard = empty();
    let mut import =
        Import { guard: &guard, most: 20_000, who: "me", now: now(), networks: 0, done: Imported::default() };
    read::lines((What::Allows, Format::Csv), text.as_bytes(), now(), &mut |number, line| {
        import.line(What::Allows, number, line);
    });
    assert_eq!((import.done.added, import.done.bad), (10_000, 2));
}
