//! Whether somebody may see some rows of `show` and not all.

use super::{Compiled, Rulebook};
use crate::deed::Deed;
use crate::events::Rows;
use crate::freeswitch::{self, show::WHOSE};
use crate::pattern::Who;
use crate::policy::{Policy, Says};

impl Rulebook {
    /// Whether somebody is written down who may see only some rows of `show`: then it must be known whose the channels are.
    pub fn limits_rows(&self) -> bool {
        self.users.iter().filter(|(_, own)| !own.shadow).any(|(user, own)| {
            let roles = self.with_extended(&user.roles);
            let parts = || roles.iter().copied().chain([own]);
            // A part that counts sometimes only does not see to it that all rows are seen.
            let always = parts().filter(|part| part.networks.is_empty() && part.hours.is_empty());
            let rows = always.map(|part| part.rows).max().unwrap_or_default();
            rows != Rows::All && parts().any(|part| shows_rows(&part.policy))
        })
    }

    /// These roles, and all that they extend.
    fn with_extended(&self, names: &[String]) -> Vec<&Compiled> {
        let mut names: Vec<&String> = names.iter().collect();
        let mut at = 0;
        while let Some(role) = names.get(at).map(|name| self.roles.get(*name)) {
            let more = role.map(|role| role.extends.iter()).into_iter().flatten();
            let new: Vec<&String> = more.filter(|name| !names.contains(name)).collect();
            names.extend(new);
            at += 1;
        }
        names.into_iter().filter_map(|name| self.roles.get(name)).collect()
    }
}

/// Whether a policy allows anything whose rows are somebody's.
fn shows_rows(policy: &Policy) -> bool {
    let who = Who { user: "", domain: "", owns: &|_| false };
    WHOSE.iter().any(|what| {
        let deed = Deed::Command { name: "show".into(), arguments: (*what).into() };
        matches!(policy.says(&deed, freeswitch::catalogue(), &who), Says::Allowed(_))
    })
}
