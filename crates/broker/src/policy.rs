//! What a caller may do: patterns that allow, patterns that deny.
//!
//! A deed is allowed when some rule allows it and none denies it. Classes work together: `@read @media` allows a command that is of
//! both, and a command of a further class wants that class allowed too. Whoever wants a command that the catalogue does not know names
//! it without a glob.
//!
//! A sound below the sounds directory, and a recording below [`Policy::record_below`]'s, go with the command that plays or records them;
//! any other file wants a rule for `play_file` or `record_file`, or `@file`.

use crate::catalogue::{Catalogue, Class, Classes, EventEntry, Variable};
use crate::deed::Deed;
use crate::paths::{is_below, is_sound};
use crate::pattern::{BadPattern, Pattern, Who};

/// A rule, with where it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Which deeds.
    pub pattern: Pattern,
    /// The role or the user that it was written for.
    pub of: String,
}

/// What a caller may do. Empty: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    record_dir: Option<String>,
}

/// What a policy says about one deed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// Allowed, by this rule.
    Allowed(String),
    /// Refused, for this reason.
    Refused(String),
    /// Nothing to be allowed by itself: it goes with the command that it is part of.
    Goes(&'static str),
}

impl Policy {
    /// Adds rules as they are written, for the role or user `of`.
    ///
    /// # Errors
    /// The pattern that is none, and why.
    pub fn add<'a>(
        &mut self,
        of: &str,
        allow: impl IntoIterator<Item = &'a str>,
        deny: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), (String, BadPattern)> {
        let rule = |text: &str| match Pattern::new(text) {
            Ok(pattern) => Ok(Rule { pattern, of: of.to_owned() }),
            Err(error) => Err((text.to_owned(), error)),
        };
        for text in allow {
            self.allow.push(rule(text)?);
        }
        for text in deny {
            self.deny.push(rule(text)?);
        }
        Ok(())
    }

    /// Adds another policy's rules.
    pub fn extend(&mut self, other: &Policy) {
        self.allow.extend(other.allow.iter().cloned());
        self.deny.extend(other.deny.iter().cloned());
    }

    /// Whoever may record may do so below this directory, without a rule for the file; `None`: nowhere. It begins with "/".
    pub fn record_below(&mut self, directory: Option<String>) {
        self.record_dir = directory;
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether some rule asks whose a channel is.
    pub fn asks_for_owners(&self) -> bool {
        self.allow.iter().chain(&self.deny).any(|rule| rule.pattern.asks_for_owners())
    }

    /// Whether a class is allowed by its name, and not denied.
    pub fn names_class(&self, class: Class) -> bool {
        let names = |rules: &[Rule]| rules.iter().any(|rule| rule.pattern.class() == Some(class));
        names(&self.allow) && !names(&self.deny)
    }

    /// The rules that allow, and those that deny.
    pub fn rules(&self) -> (&[Rule], &[Rule]) {
        (&self.allow, &self.deny)
    }

    /// What it says about one deed.
    pub fn says(&self, deed: &Deed, catalogue: &Catalogue, who: &Who<'_>) -> Says {
        if let Deed::Undecidable { what, why } = deed {
            return Says::Refused(format!("{what:?}: {why}"));
        }
        let known = classes(deed, catalogue);
        let classes = known.unwrap_or_default();
        let denies = |rule: &&Rule| match rule.pattern.class() {
            Some(class) => classes.has(class),
            None => rule.pattern.denies(deed, who),
        };
        if let Some(rule) = self.deny.iter().find(denies) {
            return Says::Refused(format!("denied by \"{}\" of {}", rule.pattern, rule.of));
        }
        let allows = |rule: &&Rule| {
            rule.pattern.class().is_none()
                && rule.pattern.allows(deed, who)
                && (known.is_some() || rule.pattern.is_literal())
        };
        if let Some(rule) = self.allow.iter().find(allows) {
            return Says::Allowed(format!("\"{}\" of {}", rule.pattern, rule.of));
        }
        match deed {
            Deed::Set { name, .. } if catalogue.variable(name).is_none() => {
                return Says::Goes("a variable that only holds a value");
            }
            Deed::Read { name } if !catalogue.is_secret(name) => {
                return Says::Goes("a variable that is no secret");
            }
            Deed::Command { name, arguments } if name == "play_file" && is_sound(arguments) => {
                return Says::Goes("a sound below the sounds directory");
            }
            Deed::Command { name, arguments } if name == "record_file" && self.may_record(arguments) => {
                return Says::Goes("a recording below the directory of recordings");
            }
            _ => {}
        }
        // What a command runs has been judged, or it would be undecidable: the class says more only where it is the only one. What a variable
        // runs later has not.
        let is_set = matches!(deed, Deed::Set { .. });
        let others: Classes = classes.iter().filter(|class| *class != Class::RunsCommands).collect();
        let classes = if others.is_empty() || is_set { classes } else { others };
        let allowed: Classes = self.allow.iter().filter_map(|rule| rule.pattern.class()).collect();
        if !classes.is_empty() && classes.within(allowed) {
            return Says::Allowed(words(classes));
        }
        Says::Refused(match known {
            None => "not in the catalogue, and no rule names it".into(),
            Some(classes) if classes.is_empty() => "no rule allows it".into(),
            Some(classes) => format!("no rule allows it; it is {}", words(classes)),
        })
    }

    fn may_record(&self, path: &str) -> bool {
        self.record_dir.as_ref().is_some_and(|directory| is_below(path, directory))
    }
}

/// The classes of a deed; `None` when the catalogue does not know it.
pub(crate) fn classes(deed: &Deed, catalogue: &Catalogue) -> Option<Classes> {
    match deed {
        Deed::Command { name, arguments } => catalogue.command(name).map(|entry| entry.classes(arguments)),
        Deed::Application { name, arguments } => {
            catalogue.application(name).map(|entry| entry.classes(arguments))
        }
        Deed::Set { name, .. } => Some(catalogue.variable(name).map(Variable::classes).unwrap_or_default()),
        Deed::Read { name } if catalogue.is_secret(name) => Some(one(Class::ReadSecret)),
        Deed::Read { .. } => Some(one(Class::Read)),
        Deed::Event { name, subclass, .. } => {
            catalogue.event(name, subclass.as_deref()).map(EventEntry::classes)
        }
        Deed::Undecidable { .. } => None,
    }
}

fn one(class: Class) -> Classes {
    Classes::from_iter([class])
}

fn words(classes: Classes) -> String {
    classes.iter().map(|class| format!("@{class}")).collect::<Vec<_>>().join(" ")
}
