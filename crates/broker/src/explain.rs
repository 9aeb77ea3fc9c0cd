//! A decision for people: each thing that a command would do, and which rule says what about it.
//!
//! Start with [`Decision::explained`]; a [`Decision`] is also shown as text, a line for each step.

use crate::judge::Decision;
use crate::policy::Says;
use std::fmt;

/// One thing that a command would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What, as a rule is written: `uuid_kill 1234`, `&playback(x.wav)`, `$name=`, `!NOTIFY`.
    pub does: String,
    /// What was said to it.
    pub verdict: StepVerdict,
    /// Which rule or classes allow it, or why it is refused.
    pub why: String,
}

/// What was said to one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepVerdict {
    /// A rule allows it.
    Allowed,
    /// Refused; what comes after it was not looked at.
    Refused,
    /// Nothing to be allowed by itself.
    Goes,
}

impl StepVerdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            StepVerdict::Allowed => "allowed",
            StepVerdict::Refused => "refused",
            StepVerdict::Goes => "goes with it",
        }
    }
}

impl Decision {
    /// What was said about each thing, in order, up to the one that is refused.
    pub fn explained(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self
            .steps
            .iter()
            .map(|(deed, says)| {
                let (verdict, why) = match says {
                    Says::Allowed(rule) => (StepVerdict::Allowed, rule.clone()),
                    Says::Refused(why) => (StepVerdict::Refused, why.clone()),
                    Says::Goes(why) => (StepVerdict::Goes, (*why).to_owned()),
                };
                Step { does: deed.to_string(), verdict, why }
            })
            .collect();
        // Rules allowed it, but the directory did not.
        if let Some(refused) = self.refused.as_ref().map(ToString::to_string)
            && let Some(step) = steps.iter_mut().find(|step| step.does == refused)
            && step.verdict != StepVerdict::Refused
        {
            (step.verdict, step.why) = (StepVerdict::Refused, self.why.clone());
        }
        steps
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allowed { "allowed" } else { "refused" };
        write!(f, "{word}: {}", self.why)?;
        let steps = self.explained();
        let width = steps.iter().map(|step| step.does.chars().count()).max().unwrap_or(0).min(WIDEST);
        for Step { does, verdict, why } in steps {
            write!(f, "\n  {does:width$}  {:12}  {why}", verdict.word())?;
        }
        Ok(())
    }
}

/// Characters of what is done that are lined up.
const WIDEST: usize = 60;

#[cfg(test)]
mod tests {
    use crate::{Caller, Line, freeswitch, judge, roles};

    fn explained(role: &str, command: &str) -> String {
        let policy = roles::role(role).unwrap().policy().unwrap();
        let who = Caller { user: "1000", domain: "pbx.example", owns: &|_| false };
        judge(&policy, freeswitch::catalogue(), &who, Line::new(command).unwrap(), freeswitch::unfold)
            .to_string()
    }

    #[test]
    fn each_step_names_its_rule() {
        assert_eq!(
            explained("operator", "bgapi originate {a=b}sofia/gateway/x/1 &park()"),
            "allowed: \"bgapi\" of operator\n\
             \x20 bgapi originate {a=b}sofia/gateway/x/1 &park()  allowed       \"bgapi\" of operator\n\
             \x20 $a=                                             goes with it  a variable that only holds a value\n\
             \x20 originate sofia/gateway/x/1                     allowed       \"originate *\" of operator\n\
             \x20 &park()                                         allowed       @call-control"
        );
        assert_eq!(
            explained("monitor", "bgapi uuid_kill x"),
            "refused: no rule allows it; it is @call-control\n\
             \x20 bgapi uuid_kill x  allowed       \"bgapi\" of monitor\n\
             \x20 uuid_kill x        refused       no rule allows it; it is @call-control"
        );
    }
}
