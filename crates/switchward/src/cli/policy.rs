//! `switchward policy`: what the rules of the configuration file mean. No daemon is asked.

use crate::ask::table::{shown, table};
use crate::broker::explain::{Explained, Question, explain, role_of};
use crate::broker::rules;
use crate::cli::access::printed;
use crate::config::Config;
use crate::exit;
use anyhow::bail;
use broker::catalogue::Entry;
use broker::hours::Moment;
use broker::rulebook::Rulebook;
use broker::{Account, Class, Classes};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

/// Say what the rules of the broker mean.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Say whether somebody may run a command, and which rule decides; exit code 77 when not.
    Explain(Explain),
    /// List the roles with their rules.
    Roles {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the commands and applications of the switch: what each does, its class, its danger.
    List {
        /// Only those of this class, such as "read" or "@dangerous".
        #[arg(long, value_parser = class)]
        class: Option<Class>,
        /// Only those whose name has this in it.
        name: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Whom and what it is about.
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// As rules name them: "alice", "1000@pbx.example", "token:crm"; "-" for a caller without a credential.
    user: String,
    /// The command, in one argument.
    command: String,
    /// A channel that is theirs.
    #[arg(long, value_name = "UUID")]
    own: Vec<String>,
    /// The address that they come from [default: this machine].
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The day and time [default: now], as in "Mon 10:00".
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Moment>,
    /// Their account, when no rule says it.
    #[arg(long, value_name = "USER@DOMAIN")]
    account: Option<Account>,
    /// A role that they have beside those of the configuration.
    #[arg(long)]
    role: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let book = rules::rulebook(config).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            anyhow::Error::msg(lines.join("\n"))
        })?;
        match self {
            Command::Explain(asked) => asked.run(config, &book, out),
            Command::Roles { json } => roles(config, &book, json, out),
            Command::List { class, name, json } => {
                list(class, name.unwrap_or_default().to_lowercase(), json, out)
            }
        }
    }
}

impl Explain {
    fn run(self, config: &Config, book: &Rulebook, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let user = if self.user == "-" { "" } else { self.user.as_str() };
        let is_role = |role: &&String| book.role_names().contains(&role.as_str());
        if let Some(role) = self.role.iter().find(|role| !is_role(role)) {
            bail!("there is no role {role:?}; the roles are {}", book.role_names().join(", "));
        }
        if let Err(why) = role_of(config, user) {
            writeln!(
                std::io::stderr(),
                "switchward: {why}; what the role of their credential allows is left out"
            )?;
        }
        let question = Question {
            user,
            command: &self.command,
            account: self.account,
            roles: self.role,
            own: &self.own,
            source: self.from,
            at: self.at.unwrap_or_else(broker::clock::moment),
        };
        let told = match explain(config, book, &question) {
            Ok(told) => told,
            Err(error) => {
                writeln!(std::io::stderr(), "switchward: {error}")?;
                return Ok(ExitCode::from(exit::USAGE));
            }
        };
        if self.json {
            printed(out, &serde_json::to_value(&told)?)?;
        } else {
            write(&told, out)?;
        }
        Ok(if told.allowed { ExitCode::SUCCESS } else { ExitCode::from(exit::NO_PERMISSION) })
    }
}

fn write(told: &Explained, out: &mut dyn Write) -> anyhow::Result<()> {
    let word = |allowed: bool| if allowed { "allowed" } else { "refused" };
    writeln!(out, "{}: {}", if told.allowed { "ALLOWED" } else { "REFUSED" }, shown(&told.why))?;
    let account = told.account.as_deref().map(|account| format!(", account {}", shown(account)));
    writeln!(out, "user:    {}{}", shown(&told.user), account.unwrap_or_default())?;
    let roles = if told.roles.is_empty() { "none".to_owned() } else { told.roles.join(", ") };
    writeln!(out, "roles:   {roles}")?;
    writeln!(out, "command: {}", shown(&told.command))?;
    if let Some(terms) = &told.terms {
        let most = |count: u32, unit: &str| match count {
            0 => format!("any number {unit}"),
            count => format!("{count} {unit}"),
        };
        let limits = [
            format!("{} ms", terms.timeout_ms),
            format!("{} bytes", terms.max_output),
            most(terms.rate, "a second"),
            most(terms.concurrency, "at once"),
        ];
        writeln!(out, "limits:  {}", limits.join(", "))?;
    }
    if let Some(shadow) = &told.shadow {
        writeln!(out, "shadow:  would be {}: {}", word(shadow.allowed), shown(&shadow.why))?;
    }
    if !told.steps.is_empty() {
        let mut rows = table(&["it would", "", "by which rule, or why not"]);
        for step in &told.steps {
            rows.add_row([shown(&step.deed), word(step.allowed).to_owned(), shown(&step.why)]);
        }
        writeln!(out, "{rows}")?;
    }
    Ok(())
}

fn roles(config: &Config, book: &Rulebook, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for name in book.role_names() {
        let built_in = broker::roles::role(name);
        let own = config.broker.roles.iter().find(|role| role.name == name);
        let lists = |ours: &[&str], theirs: Option<&Vec<String>>| {
            let ours = ours.iter().map(|text| (*text).to_owned());
            ours.chain(theirs.into_iter().flatten().cloned()).collect::<Vec<String>>()
        };
        let rules = own.map(|role| &role.rules);
        let events: Vec<&str> =
            built_in.iter().flat_map(|role| role.events.iter().map(|(name, _)| *name)).collect();
        all.push(json!({
            "name": name,
            "builtIn": built_in.is_some(),
            "purpose": built_in.map(|role| role.purpose),
            "extends": own.map(|role| role.extends.clone()).unwrap_or_default(),
            "allow": lists(built_in.map_or(&[], |role| role.allow), rules.map(|rules| &rules.allow)),
            "deny": lists(built_in.map_or(&[], |role| role.deny), rules.map(|rules| &rules.deny)),
            "events": lists(&events, rules.map(|rules| &rules.events)),
            "shadow": rules.is_some_and(|rules| rules.shadow),
        }));
    }
    if as_json {
        printed(out, &json!(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["role", "for", "allows", "denies", "events"]);
    for role in &all {
        let text = |key: &str| role[key].as_str().unwrap_or_default().to_owned();
        let lines = |key: &str| {
            let all = role[key].as_array().into_iter().flatten().filter_map(|one| one.as_str());
            all.collect::<Vec<_>>().join("\n")
        };
        let mut purpose = match role["builtIn"].as_bool() {
            Some(true) => text("purpose"),
            _ => "of the configuration".to_owned(),
        };
        if !lines("extends").is_empty() {
            purpose += &format!("\nextends {}", lines("extends").replace('\n', ", "));
        }
        if role["shadow"] == json!(true) {
            purpose += "\nin shadow: only written down";
        }
        rows.add_row([text("name"), purpose, lines("allow"), lines("deny"), lines("events")]);
    }
    writeln!(out, "{rows}")?;
    Ok(ExitCode::SUCCESS)
}

fn list(wanted: Option<Class>, part: String, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let catalogue = broker::freeswitch::catalogue();
    let kinds = [("command", catalogue.commands()), ("application", catalogue.applications())];
    let mut all = Vec::new();
    for (kind, entries) in kinds {
        for entry in entries.into_iter().filter(|entry| entry.name.contains(&part)) {
            let classes = all_classes(entry);
            if wanted.is_none_or(|wanted| classes.has(wanted)) {
                all.push((kind, entry, classes));
            }
        }
    }
    let words = |classes: Classes| classes.iter().map(|class| format!("@{class}")).collect::<Vec<_>>();
    if as_json {
        let rows = all.iter().map(|(kind, entry, classes)| {
            json!({
                "kind": kind, "name": entry.name, "module": entry.module, "classes": words(*classes),
                "syntax": entry.syntax, "does": entry.does, "danger": entry.danger, "runs": entry.runs,
            })
        });
        printed(out, &rows.collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["name", "class", "does", "danger"]);
    for (kind, entry, classes) in &all {
        let name = if *kind == "application" { format!("&{}", entry.name) } else { entry.name.clone() };
        rows.add_row([name, words(*classes).join(" "), entry.does.clone(), entry.danger.clone()]);
    }
    writeln!(out, "{rows}\n{} entries; applications begin with \"&\"", all.len())?;
    Ok(ExitCode::SUCCESS)
}

/// Those of the entry and of everything that its arguments can make of it.
fn all_classes(entry: &Entry) -> Classes {
    let of_parts =
        entry.subcommands().iter().flat_map(|part| entry.classes(&part.name).iter().collect::<Vec<_>>());
    entry.classes("").iter().chain(of_parts).collect()
}

fn class(text: &str) -> Result<Class, String> {
    let all = || Class::ALL.map(|class| class.to_string()).join(", ");
    text.trim_start_matches('@').parse().map_err(|()| format!("the classes are {}", all()))
}

/// "Mon 10:00".
fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || "write a day and a time, such as \"Mon 10:00\"".to_owned();
    let (day, time) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let day = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day)).ok_or_else(wrong)?;
    let (hour, minute) = time.trim().split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, below: u16| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok()).flatten().filter(|number| *number < below)
    };
    let (hour, minute) = number(hour, 24).zip(number(minute, 60)).ok_or_else(wrong)?;
    Ok(Moment { day: u8::try_from(day).unwrap_or(0), minute: hour * 60 + minute })
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::users::Users;
    use crate::access::{Role, book};
    use crate::config::{Format, parse};
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(subcommand)]
        command: Command,
    }

    const RULES: &str = "
        [[broker.role]]
        name = 'reception'
        extends = ['agent']
        allow = ['show channels']
        hours = ['Mon-Fri 08:00-18:00']
        timeouts = ['originate 60s']
        [[broker.role]]
        name = 'trial'
        allow = ['reloadxml']
        shadow = true
        [[broker.user]]
        name = 'alice'
        account = '1000@pbx.example'
        roles = ['reception', 'trial']
        networks = ['192.0.2.0/24']";

    /// What is printed, and whether it succeeds, with files beside a store in `folder`.
    fn said(folder: &std::path::Path, words: &[&str]) -> (String, bool) {
        let typed = Typed::try_parse_from([&["policy"], words].concat()).unwrap();
        let mut config = parse(RULES, "switchward.toml", Format::Toml, |_| None).unwrap().config;
        config.store.path = folder.join("switchward.db");
        let mut out = Vec::new();
        let code = typed.command.run(&config, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), code == ExitCode::SUCCESS)
    }

    fn explained(folder: &std::path::Path, words: &[&str]) -> serde_json::Value {
        let (text, is_allowed) = said(folder, &[&["explain"], words, &["--json"]].concat());
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["allowed"], json!(is_allowed), "{text}");
        told
    }

    #[test]
    fn each_thing_that_a_command_would_do_is_told_with_the_rule_that_decides() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |words: &[&str]| explained(folder.path(), words);
        let office = ["--at", "mon 9:00", "--from", "192.0.2.7"];
        let own = "1c8ec3de-3b68-4c1f-b2a9-0c5cd6d1a1c4";
        let kill = format!("uuid_kill {own}");
        let told = ask(&[&["alice", kill.as_str(), "--own", &own.to_uppercase()], &office[..]].concat());
        assert_eq!(told["why"], "\"uuid_kill {own}\" of agent");
        assert_eq!(told["account"], "1000@pbx.example");
        assert_eq!(told["roles"], json!(["reception", "agent"]));
        assert_eq!(ask(&[&["alice", kill.as_str()], &office[..]].concat())["allowed"], false);
        let told = ask(&[&["alice", "originate user/1000@pbx.example &system(id)"], &office[..]].concat());
        assert_eq!(told["steps"][1]["deed"], "&system(id)");
        assert_eq!(told["steps"][1]["allowed"], false);
        assert_eq!(told["why"], "denied by \"@dangerous\" of agent");
        assert_eq!(told["terms"]["timeoutMs"], 60_000);
        let told = ask(&[&["alice", "reloadxml"], &office[..]].concat());
        assert_eq!(told["shadow"], json!({"allowed": true, "why": "\"reloadxml\" of role trial"}));
    }

    #[test]
    fn time_and_place_count() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |words: &[&str]| explained(folder.path(), &[&["alice", "show channels"], words].concat());
        assert_eq!(ask(&["--at", "Fri 17:59"])["allowed"], true);
        assert_eq!(ask(&["--at", "Fri 18:00"])["allowed"], false);
        assert_eq!(ask(&["--at", "Sun 12:00"])["roles"], json!([]));
        let away = ask(&["--at", "Fri 12:00", "--from", "198.51.100.1"]);
        assert_eq!(
            (&away["allowed"], &away["why"]),
            (&json!(false), &json!("alice may not come from there"))
        );
    }

    #[test]
    fn a_credential_brings_the_roles_of_its_role_of_the_api() {
        let folder = tempfile::tempdir().unwrap();
        let now = crate::clock::now();
        book::edit(&folder.path().join("users.json"), |users: &mut Users| {
            users.add("bob", Role::Viewer, "a long enough password", now)?;
            users.add("carol", Role::Admin, "a long enough password", now)?;
            users.set_disabled("carol", true)
        })
        .unwrap();
        let ask = |words: &[&str]| explained(folder.path(), words);
        assert_eq!(ask(&["bob", "status"])["roles"], json!(["monitor"]));
        assert_eq!(ask(&["bob", "uuid_kill 1"])["allowed"], false);
        assert_eq!(ask(&["carol", "status"])["allowed"], false);
        assert_eq!(ask(&["dave", "status", "--role", "monitor"])["allowed"], true);
        assert_eq!(ask(&["-", "status"])["user"], "nobody");
        assert_eq!(ask(&["-", "system id"])["allowed"], false);
        assert_eq!(ask(&["uid:0", "system id"])["allowed"], true);
        assert_eq!(ask(&["uid:1000", "status"])["allowed"], false);
    }

    #[test]
    fn roles_and_the_catalogue_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (text, _) = said(folder.path(), &["roles"]);
        for word in ["monitor", "reception", "extends agent", "show channels", "in shadow"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let (text, _) = said(folder.path(), &["list", "--class", "@dangerous", "--json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let named = |name: &str| rows.iter().any(|row| row["name"] == name);
        assert!(named("system"));
        assert!(!named("status"));
        assert!(rows.iter().all(|row| row["classes"].as_array().unwrap().contains(&json!("@dangerous"))));
        let (text, _) = said(folder.path(), &["list", "uuid_kill"]);
        assert!(text.contains("uuid_kill") && text.contains("@call-control"), "{text}");
        assert!(Typed::try_parse_from(["policy", "list", "--class", "raed"]).is_err());
        for wrong in ["Mon", "Mon 24:00", "Mon 10:60", "Foo 10:00", "Mon +1:00", "10:00"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
