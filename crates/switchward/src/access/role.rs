//! The roles, and which of them a request needs: the one table of rights.
//!
//! [`needed`] is asked for every request, by its method and the route that it takes. What is in none of its rows is an operator's
//! when it changes something and a viewer's when it reads, so that a route nobody thought of here opens nothing.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What somebody may do. Ordered: a greater role may do all that a lesser one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, ban, lift, allow, and what else a night's work needs.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// The word in files, answers and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A text that is no role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a role is viewer, operator or admin")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Role, NoRole> {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.word().eq_ignore_ascii_case(text.trim()))
            .ok_or(NoRole)
    }
}

/// The least role that a request needs; `None` when it is for everybody. `route` is the pattern that the router matched, or
/// the path when it matched none.
pub fn needed(method: &str, route: &str) -> Option<Role> {
    if route == UNBAN_LINK {
        return None;
    }
    if is_read(method) {
        if OPEN.contains(&route) {
            return None;
        }
        return Some(if begins(READS_OF_OPERATORS, route) { Role::Operator } else { Role::Viewer });
    }
    Some(if begins(CHANGES_OF_ADMINS, route) { Role::Admin } else { Role::Operator })
}

/// Whether the broker's policy decides about whoever showed a credential, and not the role: these reach the switch. Without a credential
/// the role counts as everywhere.
pub fn is_brokered(route: &str) -> bool {
    begins(BROKERED, route)
}

/// Whether a method only reads.
pub fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

fn begins(rows: &[&str], route: &str) -> bool {
    rows.iter()
        .any(|row| route.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Reads that need nothing: whether the daemon is there.
const OPEN: &[&str] = &["/health"];
/// What a customer opens: the link is the credential, and is looked at behind the gate.
const UNBAN_LINK: &str = "/unban/{token}";
/// Reads of operators alone: who did what, and all at once.
const READS_OF_OPERATORS: &[&str] = &["/security/audit", "/security/broker", "/security/export"];
/// What the broker decides about.
const BROKERED: &[&str] =
    &["/security/esl/command", "/security/esl/jobs", "/security/esl/events", "/security/broker/explain"];
/// Changes of administrators alone: what reaches beyond the lists.
const CHANGES_OF_ADMINS: &[&str] = &[
    "/security/esl/command",
    "/security/esl/jobs",
    "/security/broker",
    "/security/esl/log-level",
    "/security/esl/log_level",
    "/api/tokens",
    "/api/users",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rights() {
        for (method, route, wanted) in [
            ("GET", "/health", None),
            ("POST", "/unban/{token}", None),
            ("POST", "/security/unban-links", Some(Role::Operator)),
            ("HEAD", "/health", None),
            ("POST", "/health", Some(Role::Operator)),
            ("GET", "/security/blacklist", Some(Role::Viewer)),
            ("GET", "/security/blacklist/{*ip}", Some(Role::Viewer)),
            ("OPTIONS", "/security/blacklist", Some(Role::Viewer)),
            ("GET", "/security/audit", Some(Role::Operator)),
            ("GET", "/security/auditor", Some(Role::Viewer)),
            ("GET", "/security/broker/audit", Some(Role::Operator)),
            ("GET", "/security/export/bans", Some(Role::Operator)),
            ("POST", "/security/blacklist", Some(Role::Operator)),
            ("DELETE", "/api/v1/ips/{ip}/block", Some(Role::Operator)),
            ("POST", "/security/esl/reconnect", Some(Role::Operator)),
            ("POST", "/cache/security/clear", Some(Role::Operator)),
            ("POST", "/security/esl/command", Some(Role::Admin)),
            ("POST", "/security/esl/jobs", Some(Role::Admin)),
            ("DELETE", "/security/esl/jobs/{id}", Some(Role::Admin)),
            ("GET", "/security/esl/jobs/{id}", Some(Role::Viewer)),
            ("POST", "/security/broker/explain", Some(Role::Admin)),
            ("POST", "/security/esl/log_level", Some(Role::Admin)),
            ("PATCH", "/nowhere", Some(Role::Operator)),
            ("BREW", "/security/blacklist", Some(Role::Operator)),
        ] {
            assert_eq!(needed(method, route), wanted, "{method} {route}");
        }
        assert!(is_brokered("/security/esl/jobs/{id}") && is_brokered("/security/esl/command"));
        assert!(!is_brokered("/security/esl/log-level") && !is_brokered("/security/esl/commands"));
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        assert_eq!("Admin".parse(), Ok(Role::Admin));
        assert_eq!("root".parse::<Role>(), Err(NoRole));
    }
}
