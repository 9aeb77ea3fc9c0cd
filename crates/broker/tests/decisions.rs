//! A table of commands and callers with the expected decision: `decisions.txt`.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::{Catalogue, Line, Pattern, Policy, judge};
use broker::{freeswitch, roles};

const OWN: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-8888-7777-6666-555555555555";

fn policy(caller: &str) -> Policy {
    let mut policy = Policy::default();
    match caller {
        "nobody" => {}
        "exact" => policy.add("exact", ["status", "uptime", "version"], []).unwrap(),
        "custom" => policy
            .add(
                "custom",
                [
                    "show *",
                    "sofia status profile *",
                    "uuid_* {own}",
                    "originate user/*@{domain}",
                    "&echo $",
                    "my_module_cmd *",
                ],
                ["uuid_record", "@dangerous"],
            )
            .unwrap(),
        "operator-without-recordings" => policy = roles::role("operator").unwrap().policy().unwrap(),
        "later" => policy
            .add(
                "later",
                [
                    "uuid_setvar {own}",
                    "originate user/*@{domain}",
                    "&park",
                    "&echo $",
                    "status",
                    "$execute_on_answer",
                    "$api_on_answer",
                    "$api_after_bridge",
                    "$transfer_after_bridge",
                    "$record_post_process_exec_*",
                    "$exec_after_bridge_*",
                    "$force_transfer_dialplan",
                    "$ringback",
                    "run_later ringback",
                ],
                [],
            )
            .unwrap(),
        "files" => policy
            .add(
                "files",
                [
                    "uuid_record",
                    "uuid_displace",
                    "&playback",
                    "uuid_broadcast",
                    "play_file /srv/prompts/*",
                    "record_file /srv/calls/*",
                ],
                ["play_file secret/*"],
            )
            .unwrap(),
        role => {
            policy = roles::role(role).unwrap().policy().unwrap();
            policy.record_below(Some("/var/lib/freeswitch/recordings".into()));
        }
    }
    policy
}

fn decide(caller: &str, command: &str, catalogue: &Catalogue) -> Result<String, String> {
    let owns = |channel: &str| channel == OWN;
    let who = broker::Caller { user: "1000", domain: "pbx.example", owns: &owns };
    let line = Line::new(command).map_err(|error| error.to_string())?;
    let decision = judge(&policy(caller), catalogue, &who, line, freeswitch::unfold);
    match decision.allowed {
        true => Ok(decision.why),
        false => Err(format!("{:?}: {}", decision.refused.map(|deed| deed.to_string()), decision.why)),
    }
}

#[test]
fn each_caller_may_what_the_table_says() {
    let mut wrong = Vec::new();
    let mut lines = 0;
    for line in include_str!("decisions.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines += 1;
        let mut parts = line.splitn(3, " | ");
        let (caller, expected, command) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let command = command.replace("OWN", OWN).replace("OTHER", OTHER);
        let decision = decide(caller, &command, freeswitch::catalogue());
        if decision.is_ok() != (expected == "yes") {
            wrong.push(format!("{line}\n    {decision:?}"));
        }
    }
    assert!(lines >= 150, "{lines}");
    assert!(wrong.is_empty(), "{} of {lines}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn patterns_that_make_no_sense_are_named() {
    for text in ["", "@nothing", "show {who}", "uuid_kill x{own}", "sh;ow", "&", "$"] {
        let error = Pattern::new(text).unwrap_err().to_string();
        assert!(!error.is_empty(), "{text}");
    }
}
