//! How the daemon is doing at a glance, and the account of one address.

use super::client::{Client, in_path};
use super::table::{ago, grouped, shown};
use super::{Daemon, Failure, one_address};
use crate::clock;
use crate::http::alarms::AlarmState;
use crate::http::overview::{FirewallState, OperatorPlace, Overview, StoreState, SwitchState};
use crate::http::why::Why;
use clap::Args;
use guard::Time;
use std::io::Write;

/// About whom is asked.
#[derive(Args, Clone, Debug)]
pub struct WhyAsked {
    /// One address, or an address and port.
    #[arg(value_parser = one_address)]
    pub(super) address: String,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// That the state is asked for.
#[derive(Args, Clone, Debug)]
pub struct StatusAsked {
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints why an address is banned or is not.
pub(super) async fn why(client: &Client, address: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read(&format!("/security/why/{}", in_path(address))).await?;
    if let Some(Why { text, .. }) = client.understand(&answer, out)? {
        for line in text.lines() {
            writeln!(out, "{}", shown(line))?;
        }
    }
    Ok(())
}

/// Prints how the daemon, its switches and the kernel are doing.
pub(super) async fn status(client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/overview").await?;
    if let Some(overview) = client.understand(&answer, out)? {
        out.write_all(page(&overview, clock::now()).as_bytes())?;
    }
    Ok(())
}

/// The page: what is wrong stands in capitals.
pub(super) fn page(overview: &Overview, now: Time) -> String {
    let mut page = Page::default();
    page.line("switchward", format!("{}, up {}", overview.version, overview.uptime));
    page.line("guard", guard_line(overview));
    for alarm in &overview.alarms {
        let subject = if alarm.subject.is_empty() { String::new() } else { format!(" of {}", alarm.subject) };
        let AlarmState { name, severity, since, text, .. } = alarm;
        page.line("ALARM", format!("{severity}: {name}{subject}, {}\n{text}", ago(since, now)));
    }
    for switch in &overview.switches {
        page.line("switch", switch_line(switch, now));
    }
    page.line("bans", bans_line(overview));
    for problem in kernel_problems(&overview.firewall) {
        page.line("kernel", problem);
    }
    if let Some(ports) = ports_line(&overview.firewall) {
        page.line("kernel", ports);
    }
    if let Some(figures) = figures(&overview.firewall) {
        page.line("kernel", figures);
    }
    page.line("allowed", grouped(overview.ledger.allows as u64));
    page.line("store", store_line(&overview.store));
    let counts = &overview.counts;
    page.line(
        "seen",
        format!(
            "{} registered, {} failed, {} calls, {} abandoned; {} banned by rules, {} spared, {} alerts",
            grouped(counts.registrations),
            grouped(counts.failed),
            grouped(counts.calls),
            grouped(counts.wrong_call_states),
            grouped(counts.bans_forgeable + counts.bans_likely + counts.bans_proven),
            grouped(counts.spared),
            grouped(counts.alerts),
        ),
    );
    for shortage in shortages(overview) {
        page.line("engine", shortage);
    }
    page.line("log", overview.log_level.clone());
    for place in overview.operators.iter().take(MOST_LEARNT) {
        let OperatorPlace { ip, name, last, .. } = place;
        page.line("operators", format!("never banned by a rule: {ip} ({name}, {})", ago(last, now)));
    }
    if overview.operators.len() > MOST_LEARNT {
        page.line("operators", format!("and {} more", overview.operators.len() - MOST_LEARNT));
    }
    for warning in &overview.warnings {
        page.line("access", format!("WARNING: {warning}"));
    }
    page.0
}

/// What was forgotten or not done because a table was full.
fn shortages(overview: &Overview) -> Vec<String> {
    let mut shortages = Vec::new();
    for (count, what, key) in [
        (overview.engine.windows_evicted, "live windows had to go", "guard.max_sources"),
        (overview.engine.registrations_refused, "registrations were not kept", "guard.max_registrations"),
        (overview.counts.ledger_full, "bans were not made", "firewall.max_elements"),
    ] {
        if count > 0 {
            shortages.push(format!("FULL: {} {what}; raise {key}", grouped(count)));
        }
    }
    shortages
}

/// Lines with a heading each; a heading that repeats is left out.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, heading: &str, text: String) {
        let mut heading = heading;
        for part in text.lines() {
            self.0 += &format!("{heading:<11} {}\n", shown(part));
            heading = "";
        }
    }
}

fn guard_line(overview: &Overview) -> String {
    match (overview.enabled, overview.auto_block) {
        (false, _) => "OFF (security.enabled): nobody is judged".into(),
        (true, false) => "on, but rules BAN NOBODY (security.auto_block_enabled)".into(),
        (true, true) if overview.dry_run => "on; DRY RUN (security.dry_run): bans are only logged".into(),
        (true, true) => "on".into(),
    }
}

fn switch_line(switch: &SwitchState, now: Time) -> String {
    let SwitchState { name, host, port, since, .. } = switch;
    if !switch.connected {
        let trouble = switch.trouble.as_deref().unwrap_or("it has not been reached yet");
        return format!("{name} ({host}:{port}) NOT CONNECTED, {}\n{trouble}", ago(since, now));
    }
    let heard = switch.last_event.as_deref().map_or_else(|| "nothing yet".into(), |last| ago(last, now));
    let version = switch.version.as_deref().map(|version| format!("\n{version}")).unwrap_or_default();
    let mut line = format!(
        "{name} ({host}:{port}) connected, {}; last heard {heard}, {} events",
        ago(since, now),
        grouped(switch.events)
    );
    for (count, what) in [
        (switch.forged, "FORGED by a client of the event socket"),
        (switch.bad_address, "without a usable address"),
        (switch.malformed, "MALFORMED"),
    ] {
        if count > 0 {
            line += &format!("\n{} {what}", grouped(count));
        }
    }
    for learnt in switch.out_of_reach.iter().take(MOST_LEARNT) {
        line += &format!("\nnever banned: {} ({})", learnt.ip, learnt.label);
    }
    if switch.out_of_reach.len() > MOST_LEARNT {
        line += &format!("\nand {} more", switch.out_of_reach.len() - MOST_LEARNT);
    }
    line + &version
}

/// Addresses out of reach that are shown of a switch.
const MOST_LEARNT: usize = 8;

fn bans_line(overview: &Overview) -> String {
    let firewall = &overview.firewall;
    let ledger = overview.ledger.bans as u64;
    let held = match firewall.bans_in_kernel {
        _ if !firewall.enforcing => "NOT ENFORCED in the kernel".into(),
        None => "UNKNOWN in the kernel".into(),
        Some(held) => {
            let backend = firewall.backend.as_deref().unwrap_or("no answer");
            let who = if firewall.told_by_kernel { "" } else { " by our count" };
            let gap = match ledger.checked_sub(held) {
                Some(0) | None => String::new(),
                Some(missing) => format!("; {} MISSING in the kernel", grouped(missing)),
            };
            format!("{} in the kernel ({backend}){who}{gap}", grouped(held))
        }
    };
    format!("{} in the ledger, {held}", grouped(ledger))
}

/// What is wrong with the kernel's part, a line each.
fn kernel_problems(firewall: &FirewallState) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(firewall.unenforced.as_ref().map(|reason| format!("NOT ENFORCED: {reason}")));
    problems.extend(firewall.degraded.as_ref().map(|reason| format!("DEGRADED: {reason}")));
    problems.extend(firewall.problems.iter().map(|problem| format!("PROBLEM: {problem}")));
    for open in &firewall.open_sip_ports {
        problems
            .push(format!("OPEN: port {} ({}) to who is banned from SIP: {}", open.port, open.of, open.mend));
    }
    for set in &firewall.sets {
        if set.elements.is_some_and(|elements| elements >= u64::from(set.capacity)) {
            problems
                .push(format!("FULL: set {} holds {}; raise firewall.max_elements", set.name, set.capacity));
        }
    }
    problems
}

/// What a ban of the SIP ports closes.
fn ports_line(firewall: &FirewallState) -> Option<String> {
    if !firewall.enforcing || firewall.sip_ports.is_empty() {
        return None;
    }
    let mut line = format!("a ban from SIP closes {}", firewall.sip_ports.join(", "));
    for learnt in &firewall.learnt_sip_ports {
        line += &format!("\n{} is learnt: {}", learnt.port, learnt.of);
    }
    Some(line)
}

fn figures(firewall: &FirewallState) -> Option<String> {
    let writer = firewall.writer.as_ref().filter(|_| firewall.enforcing)?;
    let speed = match writer.latency.count {
        0 => "no ban yet".into(),
        count => format!(
            "a ban took {:.2} ms on average, the last of {} {:.2} ms",
            writer.latency.mean_us / 1e3,
            grouped(count),
            writer.latency.last_us as f64 / 1e3
        ),
    };
    let mut line =
        format!("{speed}; {} waiting, at most {}", writer.queue_length, writer.queue_high_water_mark);
    if writer.rebuilds > 0 || writer.foreign_flushes > 0 {
        line += &format!(
            "; put in anew {} times, {} after a foreign flush",
            writer.rebuilds, writer.foreign_flushes
        );
    }
    Some(line)
}

fn store_line(store: &StoreState) -> String {
    let lost = match store.unaudited {
        0 => String::new(),
        lost => format!("\n{} entries of the audit are LOST; they are in the log alone", grouped(lost)),
    };
    let line = match (&store.failing, store.open) {
        (_, false) => "NONE: nothing survives a restart".into(),
        (Some(reason), true) => format!("FAILING: {reason}\nbans hold, but would not survive a restart"),
        (None, true) => {
            format!("on the disk, {} changes written, {} waiting", grouped(store.committed), store.waiting)
        }
    };
    line + &lost
}
