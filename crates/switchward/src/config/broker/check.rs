//! What is wrong with `[broker]` as a whole: rules that cannot be compiled, doors without a lock, directories that lack something.
//!
//! Start with [`check`].

use super::super::findings::Findings;
use super::super::nearest::nearest;
use super::super::network::is_loopback;
use super::super::tree::quote;
use super::{Broker, Config, Rules};
use crate::broker::rules;
use broker::rulebook::{BadRules, Rulebook};
use std::path::{Component, Path};

/// Says everything that is wrong.
pub(in crate::config) fn check(config: &Config, findings: &mut Findings) {
    let broker = &config.broker;
    names(broker, findings);
    match rules::rulebook(config) {
        Ok(book) => {
            api_roles(broker, &book, findings);
            idle(broker, findings);
        }
        Err(wrong) => wrong.iter().for_each(|bad| tell(broker, bad, findings)),
    }
    entries(config, findings);
    directories(config, findings);
    ldap(broker, findings);
    door(config, findings);
    let is_usable = |path: &Path| {
        let mut parts = path.components();
        parts.next() == Some(Component::RootDir)
            && path.to_str().is_some()
            && path.parent().is_some()
            && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    if let Some(path) = broker.record_dir.as_deref().filter(|path| !is_usable(path)) {
        let mend = "write the directory of recordings as the switch knows it, from its root on";
        let what = quote(&path.to_string_lossy());
        findings.error(
            findings.at("broker.record_dir"),
            &what,
            "an absolute path below the root, without \"..\"",
            mend,
        );
    }
    if broker.audit_file_size > broker.audit_max_size {
        let place = findings.at("broker.audit_file_size");
        let mend = "make one file smaller, or broker.audit_max_size larger";
        findings.error(place, "more than broker.audit_max_size", "at most that", mend);
    }
}

/// Every role and every user has a name.
fn names(broker: &Broker, findings: &mut Findings) {
    let roles = broker.roles.iter().map(|role| role.name.as_str());
    let users = broker.users.iter().map(|user| user.name.as_str());
    let of = |array: &'static str| move |(index, name)| (array, index, name);
    let all = roles.enumerate().map(of("broker.role")).chain(users.enumerate().map(of("broker.user")));
    for (array, index, _) in all.filter(|(.., name): &(_, _, &str)| name.is_empty()) {
        // A name that is there but wrong has been told.
        if findings.place(&format!("{array}[{index}].name")).is_none() {
            let place = findings.at(&format!("{array}[{index}]"));
            findings.error(place, "no name", "one", "write name = \"...\"");
        }
    }
}

/// One thing that the rulebook did not take, where it is written.
fn tell(broker: &Broker, bad: &BadRules, findings: &mut Findings) {
    let Some(path) = path(broker, bad) else { return };
    let expected = match bad.key {
        "allow" | "deny" => "a pattern",
        "hours" => "days and times",
        "events" => "events",
        "name" => "a name of its own",
        "timeouts" => "a command and a duration",
        _ => "a role",
    };
    findings.error(findings.at(&path), &quote(&bad.value), expected, &bad.why);
}

/// The path of the value: the last that is such, because of two equal names the second one is wrong.
fn path(broker: &Broker, bad: &BadRules) -> Option<String> {
    let (kind, name) = bad.of.split_once(' ')?;
    let found = match kind {
        "role" => broker.roles.iter().enumerate().rev().find_map(|(index, role)| {
            let within = (role.name == name).then(|| within(&role.rules, &role.extends, bad))??;
            Some(format!("broker.role[{index}].{within}"))
        }),
        _ => broker.users.iter().enumerate().rev().find_map(|(index, user)| {
            let within = (user.name == name).then(|| within(&user.rules, &user.roles, bad))??;
            Some(format!("broker.user[{index}].{within}"))
        }),
    };
    Some(found.unwrap_or_else(|| format!("broker.{kind}")))
}

/// The key with the index of the value in it.
fn within(rules: &Rules, roles: &[String], bad: &BadRules) -> Option<String> {
    let all = match bad.key {
        "allow" => &rules.allow,
        "deny" => &rules.deny,
        "events" => &rules.events,
        "hours" => &rules.hours,
        "timeouts" => &rules.timeouts,
        "roles" | "extends" => roles,
        key => return Some(key.to_owned()),
    };
    let is_it = |text: &String| match bad.key {
        "timeouts" => rules::is_timeout_of(text, &bad.value),
        _ => *text == bad.value,
    };
    all.iter().position(is_it).map(|index| format!("{}[{index}]", bad.key))
}

/// The roles that those of the API stand for.
fn api_roles(broker: &Broker, book: &Rulebook, findings: &mut Findings) {
    let known = book.role_names();
    for (key, names) in [
        ("broker.viewer_roles", &broker.viewer_roles),
        ("broker.operator_roles", &broker.operator_roles),
        ("broker.admin_roles", &broker.admin_roles),
    ] {
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
            let mend = match nearest(name, known.iter().copied()) {
                Some(near) => format!("write \"{near}\""),
                None => "write a [[broker.role]] of that name, or remove it".into(),
            };
            let expected = format!("a role: {}", known.join(", "));
            findings.error(findings.at(&format!("{key}[{index}]")), &quote(name), &expected, &mend);
        }
    }
}

/// Rules that do nothing, or for more people than was meant.
fn idle(broker: &Broker, findings: &mut Findings) {
    for (index, user) in broker.users.iter().enumerate() {
        let place = findings.at(&format!("broker.user[{index}].name"));
        if user.roles.is_empty() && user.rules.allow.is_empty() && user.rules.events.is_empty() {
            let found = format!("{} without roles and without anything allowed", quote(&user.name));
            findings.warning(place, &found, "one of them", "give a role, or allow something");
        } else if user.name.trim_matches('*').is_empty() && user.roles.iter().any(|role| role == "admin") {
            let found =
                format!("the role \"admin\" for {}, which is everybody with a password", quote(&user.name));
            let expected = "it for those that you know";
            findings.warning(
                place,
                &found,
                expected,
                "name them; an admin runs any program on the switch's machine",
            );
        }
    }
}

/// Commands of callers without a credential that will never be let through.
fn entries(config: &Config, findings: &mut Findings) {
    if config.security.esl_allowed_commands.is_empty() {
        return;
    }
    let (nobody, catalogue) = (rules::nobody(config), broker::freeswitch::catalogue());
    for (index, entry) in config.security.esl_allowed_commands.iter().enumerate() {
        let Some(why) = rules::trouble_of_entry(entry, &nobody, catalogue) else { continue };
        let path = "security.esl_allowed_commands";
        let element = format!("{path}[{index}]");
        let place = findings.place(&element).cloned().unwrap_or_else(|| findings.at(path));
        findings.warning(
            place,
            &format!("{}, which lets nothing through: {why}", quote(entry)),
            "a command as it stands, perhaps with its first arguments, and all that it runs",
            "allow it in a [[broker.role]] for a user, or remove it",
        );
    }
}

/// Each directory that is asked has what it needs.
fn directories(config: &Config, findings: &mut Findings) {
    let broker = &config.broker;
    for (index, name) in broker.directories.iter().enumerate() {
        let place = findings.at(&format!("broker.directories[{index}]"));
        if broker.directories[..index].contains(name) {
            findings.warning(place, &format!("{} a second time", quote(name)), "it once", "remove one");
            continue;
        }
        let (found, mend) = match name.as_str() {
            "xml" if broker.xml.path.is_none() => ("broker.xml.path", "name the file or directory"),
            "ldap" if broker.ldap.url.is_empty() => ("broker.ldap.url", "write the server's address"),
            _ => continue,
        };
        findings.error(
            place,
            &format!("{} without {found}", quote(name)),
            "both",
            &format!("set {found}: {mend}"),
        );
    }
    let wanted = &broker.freeswitch.switch;
    if !wanted.is_empty() && config.switches.iter().all(|switch| switch.name != *wanted) {
        let names: Vec<String> = config.switches.iter().map(|switch| quote(&switch.name)).collect();
        let place = findings.at("broker.freeswitch.switch");
        findings.error(
            place,
            &quote(wanted),
            &format!("a switch: {}", names.join(", ")),
            "write one of them",
        );
    }
    for (key, accept) in
        [("broker.freeswitch.accept", &broker.freeswitch.accept), ("broker.xml.accept", &broker.xml.accept)]
    {
        if accept.is_empty() {
            findings.error(findings.at(key), "an empty array", "what lets in", "write [\"esl-password\"]");
        }
    }
}

/// No password goes over the network in the clear, and everybody is found by their own name.
fn ldap(broker: &Broker, findings: &mut Findings) {
    let ldap = &broker.ldap;
    if ldap.url.is_empty() {
        return;
    }
    let plain = ldap.url.starts_with("ldap://");
    if plain && !ldap.start_tls && !ldap.allow_plain && !is_loopback(host_of(&ldap.url)) {
        let mend =
            "write ldaps://, or set broker.ldap.start_tls; broker.ldap.allow_plain = true takes the risk";
        findings.error(findings.at("broker.ldap.url"), "passwords without TLS", "TLS", mend);
    }
    if !plain && ldap.start_tls {
        let place = findings.at("broker.ldap.start_tls");
        findings.error(place, "true with ldaps://", "one of the two", "remove start_tls, or write ldap://");
    }
    if ldap.bind_dn.is_empty() && ldap.search_base.is_empty() {
        let place = findings.at("broker.ldap.url");
        let mend = "set broker.ldap.bind_dn with {user} in it, or broker.ldap.search_base";
        findings.error(place, "a server, but no way to find a user", "one", mend);
    }
    for (key, text, is_used) in [
        ("broker.ldap.bind_dn", &ldap.bind_dn, !ldap.bind_dn.is_empty()),
        ("broker.ldap.filter", &ldap.filter, !ldap.search_base.is_empty()),
    ] {
        if is_used && !text.contains("{user}") {
            let mend = "write {user} where the name belongs; without it everybody would be the same one";
            findings.error(findings.at(key), &quote(text), "{user} in it", mend);
        }
    }
    if !ldap.bind_dn.is_empty() && !ldap.search_base.is_empty() {
        let place = findings.at("broker.ldap.search_base");
        let mend = "remove one; broker.ldap.bind_dn wins";
        findings.warning(place, "a search beside broker.ldap.bind_dn", "one of the two", mend);
    }
    if !ldap.search_bind_dn.is_empty()
        && ldap.search_password.is_empty()
        && ldap.search_password_file.is_none()
    {
        let place = findings.at("broker.ldap.search_bind_dn");
        findings.error(place, "a name without a password", "both", "set broker.ldap.search_password_file");
    }
}

/// The door has a lock, or stands where nobody comes by.
fn door(config: &Config, findings: &mut Findings) {
    let door = &config.broker.door;
    for (is_alone, path, other) in [
        (door.tls_cert.is_some() && door.tls_key.is_none(), "broker.door.tls_cert", "broker.door.tls_key"),
        (door.tls_key.is_some() && door.tls_cert.is_none(), "broker.door.tls_key", "broker.door.tls_cert"),
    ] {
        if is_alone {
            let found = format!("a file without {other}");
            findings.error(findings.at(path), &found, "both", &format!("set {other}, too"));
        }
    }
    let Some(port) = door.port else { return };
    let place = findings.at("broker.door.host");
    if port == config.server.port && door.host == config.server.host {
        let place = findings.at("broker.door.port");
        findings.error(
            place,
            &format!("{port}, which is server.port"),
            "a port of its own",
            "write port = 8022",
        );
    }
    if is_loopback(&door.host) {
        return;
    }
    let host = if door.host.is_empty() { "every address".to_owned() } else { quote(&door.host) };
    if door.plain {
        let found = format!("{host} without TLS: passwords can be read on their way");
        let mend = "set broker.door.tls_cert and tls_key, and remove broker.door.plain";
        findings.warning(place, &found, "TLS", mend);
    } else if config.door_tls().is_none() {
        let mend = "set broker.door.tls_cert and tls_key (or server.tls_cert and tls_key), or host = \"127.0.0.1\"; \
                    broker.door.plain = true takes the risk";
        findings.error(place, &format!("{host} without a certificate"), "TLS beyond loopback", mend);
    }
}

/// The host of an address: `ldap://[::1]:389/` is `::1`.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => rest.split_once(':').map_or(rest, |(host, _)| host),
    }
}
