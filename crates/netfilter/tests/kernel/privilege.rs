//! What is possible with CAP_NET_ADMIN alone, and what is said without it.

use std::process::Command;

use netfilter::{Change, Config, Error, Firewall, Mode, Writer};

use crate::support::*;

/// Takes every capability but one (or none) from the calling thread.
fn keep_only(capability: Option<u32>) {
    let header = [0x2008_0522_u32, 0];
    let low = capability.map_or(0, |number| 1u32 << number);
    let sets = [low, low, 0, 0, 0, 0];
    // SAFETY: both point to live arrays of the size that version 3 of the interface reads (linux/capability.h).
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

const CAP_NET_ADMIN: u32 = 12;

#[test]
fn without_the_capability_the_error_says_which_and_how_to_grant_it() {
    alone();
    std::thread::spawn(|| {
        keep_only(None);
        for mode in [Mode::Auto, Mode::Nftables, Mode::Ipset] {
            let error = Firewall::open(&Config { mode, ..Config::default() }).unwrap_err();
            assert!(error.is_privilege(), "{mode:?}: {error}");
            assert!(error.to_string().contains("AmbientCapabilities=CAP_NET_ADMIN"));
            let spawned = Writer::spawn(Config { mode, ..Config::default() }, Box::new(Vec::new));
            assert!(spawned.unwrap_err().is_privilege());
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_capability_lost_on_the_way_is_told_on_every_transaction() {
    alone();
    std::thread::spawn(|| {
        let mut firewall = Firewall::open(&nftables()).unwrap();
        keep_only(None);
        for _ in 0..3 {
            let error = firewall.apply(&adds([all(host("198.51.100.7"), 10)])).unwrap_err();
            assert!(matches!(error, Error::MissingPrivilege { .. }), "{error}");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn the_one_capability_is_enough_for_the_thread() {
    alone();
    std::thread::spawn(|| {
        keep_only(Some(CAP_NET_ADMIN));
        let mut firewall = Firewall::open(&nftables()).unwrap();
        let elements: Vec<_> = many(20_000).map(|target| all(target, 100)).collect();
        assert_eq!(firewall.apply(&adds(elements.clone())).unwrap().refused, []);
        assert_eq!(firewall.rebuild(&elements).unwrap().added, 20_000, "in one large transaction");
        firewall.apply(&[Change::Remove(elements[0].target)]).unwrap();
        assert_eq!(firewall.elements().unwrap().len(), 19_999);
        let (writer, _) = Writer::spawn(nftables(), Box::new(Vec::new)).unwrap();
        assert!(writer.health().unwrap().is_good());
    })
    .join()
    .unwrap();
}

#[test]
fn an_ordinary_user_needs_the_one_capability_only() {
    let text = as_user("net_admin", "privilege::nftables_as_an_ordinary_user");
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(nft_set("all_v4").len(), 1);
}

/// The host's own iptables opens a raw socket to look an ipset up.
#[test]
fn the_classic_mode_says_that_it_needs_a_second_one() {
    let text = as_user("net_admin", "privilege::ipset_as_an_ordinary_user");
    assert!(text.contains("CAP_NET_RAW"), "{text}");
    let text = as_user("net_admin,+net_raw", "privilege::ipset_as_an_ordinary_user");
    assert!(text.contains("1 passed"), "{text}");
    assert!(sh("ipset save").contains("add freeswitch-security 198.51.100.7"));
}

/// Runs a test as user 65534 with one ambient capability, as a systemd unit with
/// `User=` and `AmbientCapabilities=CAP_NET_ADMIN` would, in this namespace.
fn as_user(capabilities: &str, test: &str) -> String {
    alone();
    // The user must be able to read the program.
    let copy = std::env::temp_dir().join(format!("netfilter-user-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
        .args(["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}=-all,+{capabilities}")))
        .arg(&copy)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .current_dir("/")
        .output()
        .unwrap();
    std::fs::remove_file(&copy).unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
#[ignore = "run by a test above, as another user"]
fn nftables_as_an_ordinary_user() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("CapEff:\t0000000000001000"), "{status}");
    ban(&nftables());
}

#[test]
#[ignore = "run by a test above, as another user"]
fn ipset_as_an_ordinary_user() {
    ban(&ipset());
}

fn ban(config: &Config) {
    let mut firewall = Firewall::open(config).unwrap();
    firewall.apply(&adds([all(host("198.51.100.7"), 100)])).unwrap();
    assert!(firewall.health().unwrap().is_good());
}
