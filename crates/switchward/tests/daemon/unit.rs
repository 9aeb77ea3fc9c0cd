//! The systemd unit that is shipped.

use crate::support::{Ended, Stage};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/switchward.service");

#[test]
fn the_unit_is_understood_by_systemd_and_starts_before_the_switch() {
    let stage = Stage::new();
    let text = std::fs::read_to_string(UNIT).unwrap();
    let installed = "/usr/local/bin/switchward";
    assert!(text.contains(installed));
    // systemd looks whether the program is there.
    let path = stage.file("switchward.service", &text.replace(installed, env!("CARGO_BIN_EXE_switchward")));
    let arguments = ["verify", "--man=no", path.to_str().unwrap()];
    let said = Ended::of(&mut stage.command_by("", "systemd-analyze", &arguments)).with(0);
    assert_eq!(said.trim(), "");
    let ordered = |key: &str, unit: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        lines.flat_map(str::split_whitespace).any(|word| word == unit)
    };
    assert!(ordered("Before", "freeswitch.service") && !ordered("After", "freeswitch.service"));
    assert!(ordered("After", "nftables.service"), "which flushes everything when it starts");
}
