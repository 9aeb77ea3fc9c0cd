//! The kinds of alarms, each with its meaning and its mend; `docs/monitoring.md` has the same table, and a test compares.

use super::Kind;
use crate::news::Severity::{Critical, Info, Warning};
use std::time::Duration;

/// A warning that is raised at once and over after a while.
const USUAL: Kind = Kind {
    name: "",
    severity: Warning,
    raise_after: Duration::ZERO,
    over_at_once: false,
    over: "it is over",
    when: "",
    mend: "",
};

/// All kinds that there are.
pub const ALL: [&Kind; 18] = [
    &SILENCE,
    &DISCONNECTED,
    &RECONNECTS,
    &EVENTS_LOST,
    &MALFORMED,
    &FORGED,
    &BAN_STORM,
    &RULE_NEVER_FIRED,
    &DEGRADED,
    &KERNEL_LATE,
    &KERNEL_DIFFERS,
    &KERNEL_CHANGED,
    &SIP_PORTS_OPEN,
    &STORE_FAILING,
    &LEDGER_NEARLY_FULL,
    &AUDIT_FAILING,
    &AUDIT_DAMAGED,
    &RECORD_FAILING,
];

/// No event from a switch.
pub static SILENCE: Kind = Kind {
    name: "silence",
    severity: Critical,
    over_at_once: true,
    over: "the switch sends events again",
    when: "A switch sent no event for `guard.silence_alarm`, connected or not. FreeSWITCH sends a HEARTBEAT every 20 s.",
    mend: "Is the switch running? Does `fs_cli` answer? Is HEARTBEAT off in the switch? The text says what the connection says.",
    ..USUAL
};
/// No connection to a switch.
pub static DISCONNECTED: Kind = Kind {
    name: "disconnected",
    severity: Critical,
    over_at_once: true,
    over: "the switch is connected again",
    when: "There was no connection to a switch for `alarms.disconnected_after`.",
    mend: "The text says why and what to set: the password, the ACL of the event socket, or nobody listens there.",
    ..USUAL
};
/// Connections that do not last.
pub static RECONNECTS: Kind = Kind {
    name: "reconnects",
    over: "the connection lasts again",
    when: "More than `alarms.reconnects` connections to a switch were made within `alarms.window`.",
    mend: "Look for a switch that restarts, a network that drops connections, or `killed listener` in its log.",
    ..USUAL
};
/// The switch threw events away.
pub static EVENTS_LOST: Kind = Kind {
    name: "events-lost",
    severity: Critical,
    over: "no more events were lost",
    when: "The switch dropped our connection within `alarms.window` because we read too slowly: it threw events away.",
    mend: "Is this machine overloaded? Give the daemon a core (`CPUWeight`), or run it beside the switch.",
    ..USUAL
};
/// What cannot be read.
pub static MALFORMED: Kind = Kind {
    name: "malformed",
    over: "what the switch sends can be read again",
    when: "`alarms.malformed` events or more within `alarms.window` were malformed or named a source that is no address.",
    mend: "Was the switch updated, or a module added that rewrites events? Report it with a capture of the events.",
    ..USUAL
};
/// Somebody forges events.
pub static FORGED: Kind = Kind {
    name: "forged-events",
    severity: Critical,
    over: "no more forged events came",
    when: "A client of the switch's event socket made events of the kinds that the guard judges (`sendevent`) within `alarms.window`. They are ignored.",
    mend: "Somebody has the event socket's password. Find out who (`fs_cli -x 'show management'`, the switch's log) and change it.",
    ..USUAL
};
/// Very many bans.
pub static BAN_STORM: Kind = Kind {
    name: "ban-storm",
    over: "bans are made at a usual pace again",
    when: "Rules made more than `alarms.bans_per_minute` bans within a minute.",
    mend: "An attack, or a rule that bans customers: look at `switchward list` and at the reasons. A rule can be put in shadow or switched off ([rule-configuration.md](rule-configuration.md)), `security.dry_run` bans nobody.",
    ..USUAL
};
/// A rule that has counted much and never fired.
pub static RULE_NEVER_FIRED: Kind = Kind {
    name: "rule-never-fired",
    severity: Info,
    over_at_once: true,
    over: "the rule has fired, or is switched off",
    when: "A rule on refused credentials or abandoned calls has not fired for `alarms.rule_never_fired` since the start, although twenty times its threshold was seen. Off with \"0\".",
    mend: "Raise nothing when the sources are phones with a wrong password that are spared. Else compare the threshold and window with what the text says.",
    ..USUAL
};
/// The kernel does not take everything.
pub static DEGRADED: Kind = Kind {
    name: "enforcement-degraded",
    severity: Critical,
    raise_after: Duration::from_secs(2),
    over: "the kernel holds all bans again",
    when: "Something that was to be dropped is not in the kernel, and the writer tries again.",
    mend: "The text says what the kernel said: a full set (raise `firewall.max_elements`), a missing privilege, or memory.",
    ..USUAL
};
/// The kernel's answer is long in coming.
pub static KERNEL_LATE: Kind = Kind {
    name: "kernel-late",
    severity: Critical,
    over: "the kernel takes changes in time again",
    when: "A ban or its end has waited more than 5 s for the kernel; what came after it waits as well.",
    mend: "Is the machine overloaded, or does another program hold the firewall (`iptables-restore`, a large `nft -f`)? When it stays, restart: the kernel keeps the bans meanwhile.",
    ..USUAL
};
/// Kernel and ledger are not the same.
pub static KERNEL_DIFFERS: Kind = Kind {
    name: "kernel-differs",
    severity: Critical,
    raise_after: Duration::from_secs(10),
    over: "kernel and ledger hold the same again",
    when: "The kernel holds another number of bans than the ledger for ten seconds, although nothing is on its way to it.",
    mend: "`switchward status` says what is missing. Is somebody else writing to our table? A restart puts everything in anew without a gap.",
    ..USUAL
};
/// Somebody else changed the kernel's part.
pub static KERNEL_CHANGED: Kind = Kind {
    name: "kernel-changed",
    over: "nobody has changed our firewall any more",
    when: "Somebody else destroyed or changed our table, sets or rule within `alarms.window`; it was repaired.",
    mend: "Find who runs `nft flush ruleset`, `iptables-restore` or a firewall service's reload, and let it leave our table alone.",
    ..USUAL
};
/// A ban leaves a way in.
pub static SIP_PORTS_OPEN: Kind = Kind {
    name: "sip-ports-open",
    raise_after: Duration::from_secs(2),
    over_at_once: true,
    over: "a ban of the SIP ports closes all ports of the switches' profiles",
    when: "A profile of a switch listens on a port that a ban of the SIP ports does not close: `firewall.learn_sip_ports` is off, or the port could not be added.",
    mend: "The text names the port and what to set: `firewall.sip_ports`, or `firewall.learn_sip_ports = true`.",
    ..USUAL
};
/// The disk does not take everything.
pub static STORE_FAILING: Kind = Kind {
    name: "store-failing",
    severity: Critical,
    over: "the store can be written again",
    when: "The store cannot be written: bans hold, but would not survive a restart.",
    mend: "Free some space, or mend the disk; the whole ledger is written as soon as it can be.",
    ..USUAL
};
/// There is little room left.
pub static LEDGER_NEARLY_FULL: Kind = Kind {
    name: "ledger-nearly-full",
    over: "there is room in the ledger again",
    when: "The ledger holds `alarms.ledger_percent` of `firewall.max_elements` or more; a full one takes no more bans of rules.",
    mend: "Raise `firewall.max_elements`, shorten ban times, or ban networks in place of addresses.",
    ..USUAL
};
/// Commands are not written down.
pub static AUDIT_FAILING: Kind = Kind {
    name: "audit-failing",
    severity: Critical,
    over: "the audit of commands can be written again",
    when: "The audit of commands cannot be written. Commands are refused, unless `broker.allow_unaudited` lets them pass.",
    mend: "Free some space, or make the directory writable; the text says what the system said. Nothing must be restarted.",
    ..USUAL
};
/// Somebody changed what was written down.
pub static AUDIT_DAMAGED: Kind = Kind {
    name: "audit-damaged",
    severity: Critical,
    over: "the audit of commands was whole when it was opened last",
    when: "When the daemon started, the newest lines of the audit of commands were missing or not as they had been written.",
    mend: "`switchward audit verify` says where. After a power cut the last second may be missing (`broker.audit_sync`); otherwise somebody changed the files.",
    ..USUAL
};
/// Captures have gaps.
pub static RECORD_FAILING: Kind = Kind {
    name: "record-failing",
    over: "everything is recorded again",
    when: "Captures cannot be written (`[record]`), or events were left out of them within `alarms.window` because the disk or this machine is too slow. Nothing else suffers.",
    mend: "Free some space, lower `record.total_size`, or choose a faster disk; `record.enabled = false` ends it.",
    ..USUAL
};
