//! The decision about one command.

use crate::catalogue::{Catalogue, Class, Classes};
use crate::deed::{Deed, Deeds};
use crate::line::Line;
use crate::pattern::Who;
use crate::policy::{Policy, Says, classes};

/// Who asks.
pub type Caller<'a> = Who<'a>;

/// Whether a command may be run, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// The rule that allows the command itself, or why the deed below is refused.
    pub why: String,
    /// The deed that is refused, when the command is.
    pub refused: Option<Deed>,
    /// What was said about each deed, in order, up to the refused one.
    pub steps: Vec<(Deed, Says)>,
}

/// Decides about a command. `unfold` tells what it would do.
pub fn judge(
    policy: &Policy,
    catalogue: &Catalogue,
    caller: &Caller<'_>,
    line: Line<'_>,
    unfold: impl FnOnce(Line<'_>, &Catalogue) -> Deeds,
) -> Decision {
    decide(policy, catalogue, caller, &unfold(line, catalogue))
}

/// Decides about whatever would do these deeds.
pub fn decide(policy: &Policy, catalogue: &Catalogue, caller: &Caller<'_>, deeds: &Deeds) -> Decision {
    let mut steps = Vec::new();
    for deed in deeds {
        let says = policy.says(deed, catalogue, caller);
        steps.push((deed.clone(), says.clone()));
        if let Says::Refused(why) = says {
            return Decision { allowed: false, why, refused: Some(deed.clone()), steps };
        }
    }
    // Every command and application is allowed or refused by itself, so that one that is allowed is there unless nothing is.
    let rule = steps.iter().find_map(|(_, says)| match says {
        Says::Allowed(rule) => Some(rule.clone()),
        _ => None,
    });
    let why = rule.clone().unwrap_or_else(|| "it does nothing that can be judged".into());
    Decision { allowed: rule.is_some(), why, refused: None, steps }
}

impl Decision {
    /// The classes of everything that it would do, as far as the catalogue knows.
    pub fn classes(&self, catalogue: &Catalogue) -> Classes {
        self.steps.iter().filter_map(|(deed, _)| classes(deed, catalogue)).flat_map(Classes::iter).collect()
    }

    /// Whether it only tells something, so that doing it twice does no harm.
    pub fn only_reads(&self, catalogue: &Catalogue) -> bool {
        let reads = Classes::from_iter([Class::Read, Class::ReadSecret, Class::RunsCommands]);
        let is_read = |deed: &Deed| match deed {
            Deed::Command { .. } => {
                classes(deed, catalogue).is_some_and(|classes| !classes.is_empty() && classes.within(reads))
            }
            Deed::Read { .. } => true,
            _ => false,
        };
        !self.steps.is_empty() && self.steps.iter().all(|(deed, _)| is_read(deed))
    }
}
