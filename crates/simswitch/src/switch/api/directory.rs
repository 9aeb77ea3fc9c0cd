//! The directory: users 1000 to 1019 as in the captures' configuration, and whoever else the simulation was given.

use crate::{switch::Shared, world::Registration};

/// `user@domain`, or `Some` only for a user of the directory.
fn split<'a>(shared: &Shared, address: &'a str) -> Option<&'a str> {
    let (user, domain) = address.split_once('@')?;
    (domain == shared.identity().domain && exists(shared, user)).then_some(user)
}

fn exists(shared: &Shared, user: &str) -> bool {
    shared.users().contains(user)
}

pub(super) fn contact(shared: &Shared, address: &str) -> String {
    let user = split(shared, address);
    let uri = user.and_then(|user| shared.world().registration(user).map(Registration::uri));
    uri.map_or_else(|| "error/user_not_registered".into(), |uri| format!("sofia/internal/{uri}"))
}

pub(super) fn user_exists(shared: &Shared, words: &[&str]) -> String {
    match words {
        ["id", user, domain] => super::flag(*domain == shared.identity().domain && exists(shared, user)),
        _ => "false".into(),
    }
}

pub(super) fn user_data(shared: &Shared, words: &[&str]) -> String {
    let [address, kind, name] = words else {
        return String::new();
    };
    let Some(user) = split(shared, address) else {
        return String::new();
    };
    match (*kind, *name) {
        ("param", "password") => PASSWORD.into(),
        ("param", "vm-password") | ("attr", "id") => user.into(),
        ("var", "toll_allow") => "domestic,international,local".into(),
        ("var", "accountcode" | "effective_caller_id_number") => user.into(),
        ("var", "user_context") => "default".into(),
        ("var", "effective_caller_id_name") => format!("Extension {user}"),
        ("var", "callgroup") => "techsupport".into(),
        _ => String::new(),
    }
}

/// Names are found without case, and by their alias, as in FreeSWITCH.
pub(super) fn find_user_xml(shared: &Shared, words: &[&str]) -> String {
    let ["id", asked, domain] = words else { return NOT_FOUND.into() };
    let known = shared.identity().domain.clone();
    if !domain.eq_ignore_ascii_case(&known) {
        return NOT_FOUND.into();
    }
    let esl_user = shared.esl_users().iter().find(|user| {
        let is_alias = |alias: &String| alias.eq_ignore_ascii_case(asked);
        user.name.eq_ignore_ascii_case(asked) || user.number_alias.as_ref().is_some_and(is_alias)
    });
    let phone = || shared.users().iter().find(|user| user.eq_ignore_ascii_case(asked)).cloned();
    let Some(user) = esl_user.map(|user| user.name.clone()).or_else(phone) else { return NOT_FOUND.into() };
    let mut params = vec![("password", PASSWORD), ("vm-password", &user)];
    for param in esl_user.into_iter().flat_map(|user| user.directory_params()) {
        params.retain(|(name, _)| *name != param.0);
        params.push(param);
    }
    let params: String = params
        .into_iter()
        .map(|(name, value)| {
            format!("              <param name=\"{name}\" value=\"{}\"></param>\n\n\n", escaped(value))
        })
        .collect();
    let alias = esl_user.and_then(|user| user.number_alias.as_ref());
    include_str!("../../../templates/api/find_user_xml.txt")
        .replace("{user}", &user)
        .replace("{alias}", &alias.map(|alias| format!(" number-alias=\"{alias}\"")).unwrap_or_default())
        .replace("{domain}", &known)
        .replace("{params}", &params)
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn group_call(shared: &Shared, address: &str) -> String {
    let (group, domain) = address.split_once('@').unwrap_or((address, ""));
    let first = match group {
        "sales" => 1000,
        "billing" => 1005,
        "support" => 1010,
        _ => return "error/NO_ROUTE_DESTINATION".into(),
    };
    let member = |n: u32| {
        let contact = contact(shared, &format!("{n}@{domain}"));
        format!("[^^:sip_invite_domain={domain}:presence_id={n}@{domain}]{contact}")
    };
    (first..first + 5).map(member).collect::<Vec<_>>().join(",")
}

pub(super) fn list_users(shared: &Shared, words: &[&str]) -> String {
    let users: Vec<String> = match words {
        ["user", user] => shared.users().get(*user).cloned().into_iter().collect(),
        [] => shared.users().iter().cloned().collect(),
        _ => return String::new(),
    };
    let domain = shared.identity().domain.clone();
    let mut out = String::from(
        "userid|context|domain|group|contact|callgroup|effective_caller_id_name|effective_caller_id_number\n",
    );
    for user in users {
        let contact = contact(shared, &format!("{user}@{domain}"));
        for group in groups(&user) {
            out.push_str(&format!(
                "{user}|default|{domain}|{group}|{contact}|techsupport|Extension {user}|{user}\n"
            ));
        }
    }
    out + "\n+OK\n"
}

fn groups(user: &str) -> Vec<&'static str> {
    let more = match user.parse() {
        Ok(1000..=1004u32) => Some("sales"),
        Ok(1005..=1009) => Some("billing"),
        Ok(1010..=1014) => Some("support"),
        _ => None,
    };
    std::iter::once("default").chain(more).collect()
}

pub(super) fn xml_locate(shared: &Shared, words: &[&str]) -> String {
    match words {
        ["directory", "domain", "name", name] if *name == shared.identity().domain => {
            include_str!("../../../templates/api/directory.txt").replace("{domain}", name)
        }
        ["configuration", "configuration", "name", "event_socket.conf"] => {
            include_str!("../../../templates/api/event_socket_conf.txt").into()
        }
        ["configuration", "configuration", "name", "acl.conf"] => {
            include_str!("../../../templates/api/acl_conf.txt").replace("{domain}", &shared.identity().domain)
        }
        _ => "can't find anything\n".into(),
    }
}

/// The SIP password of every user of the captures but 1019.
const PASSWORD: &str = "lab-only-4711";
/// What `find_user_xml` says of everybody else.
const NOT_FOUND: &str = "-ERR can't find user\n";
