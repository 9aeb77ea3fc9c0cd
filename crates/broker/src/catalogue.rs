//! The catalogue: what each command and each application of a switch is, in classes that a policy can name.
//!
//! It is data (`catalogue/*.toml`), read once. What is not in it has no class, so that only a rule that names it can allow it.

use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// What kind of thing a command does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Tells state, changes nothing.
    Read,
    /// Tells secrets.
    ReadSecret,
    /// Acts on calls, conferences, queues.
    CallControl,
    /// Makes new calls.
    Originate,
    /// Plays or records.
    Media,
    /// Registrations and presence.
    Registration,
    /// Changes configuration, variables, modules, logs.
    Config,
    /// Reads or writes shared data.
    Data,
    /// Makes requests to other hosts.
    Network,
    /// Reads or writes files.
    File,
    /// Runs other commands or applications.
    RunsCommands,
    /// Runs a script or a program.
    Script,
    /// Stops the switch, or runs a shell.
    System,
    /// Hands over the machine, the switch or the bill.
    Dangerous,
}

impl Class {
    /// All, in order.
    pub const ALL: [Class; 14] = [
        Class::Read,
        Class::ReadSecret,
        Class::CallControl,
        Class::Originate,
        Class::Media,
        Class::Registration,
        Class::Config,
        Class::Data,
        Class::Network,
        Class::File,
        Class::RunsCommands,
        Class::Script,
        Class::System,
        Class::Dangerous,
    ];

    /// The word in a policy and in the catalogue.
    pub fn word(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::ReadSecret => "read-secret",
            Class::CallControl => "call-control",
            Class::Originate => "originate",
            Class::Media => "media",
            Class::Registration => "registration",
            Class::Config => "config",
            Class::Data => "data",
            Class::Network => "network",
            Class::File => "file",
            Class::RunsCommands => "runs-commands",
            Class::Script => "script",
            Class::System => "system",
            Class::Dangerous => "dangerous",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Class {
    type Err = ();

    fn from_str(word: &str) -> Result<Class, ()> {
        Class::ALL.into_iter().find(|class| class.word() == word).ok_or(())
    }
}

/// A set of classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes(u16);

impl Classes {
    /// Whether a class is among them.
    pub fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether each of these is also one of `others`.
    pub fn within(self, others: Classes) -> bool {
        self.0 & !others.0 == 0
    }

    /// The classes, in order.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }
}

impl FromIterator<Class> for Classes {
    fn from_iter<T: IntoIterator<Item = Class>>(classes: T) -> Classes {
        Classes(classes.into_iter().fold(0, |bits, class| bits | class.bit()))
    }
}

/// One command or application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// In lower case.
    pub name: String,
    /// The module that brings it.
    pub module: String,
    classes: Vec<Class>,
    /// How it is written.
    #[serde(default)]
    pub syntax: String,
    /// Kinds of its arguments, in order; "uuid", "dialstring", "command"; with "?" when it may be left out.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What it does, in a sentence.
    pub does: String,
    /// How it can do harm; empty when it cannot.
    #[serde(default)]
    pub danger: String,
    /// Where in its arguments other commands or applications stand; empty when nowhere.
    #[serde(default)]
    pub runs: String,
    #[serde(default)]
    subcommands: Vec<Subcommand>,
}

/// One of the things that a command does, chosen by an argument.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subcommand {
    /// The first argument or arguments.
    pub name: String,
    classes: Vec<Class>,
    /// What it does, in a sentence.
    #[serde(default)]
    pub does: String,
    /// How it can do harm.
    #[serde(default)]
    pub danger: String,
}

/// A variable whose value is run, opens a file, or changes who pays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// In lower case; the whole name or a part of it.
    pub name: String,
    #[serde(rename = "match")]
    how: Match,
    /// Where it is heeded.
    #[serde(rename = "where")]
    pub place: Vec<String>,
    classes: Vec<Class>,
    /// What setting it does.
    pub does: String,
    /// How well that is known.
    pub sure: String,
}

/// A header, a variable or a parameter that holds a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// In lower case; the whole name or a part of it.
    pub name: String,
    #[serde(rename = "match")]
    pub(crate) how: Match,
    /// In what it stands.
    #[serde(rename = "where")]
    pub place: Vec<String>,
    /// What it holds.
    pub holds: String,
}

/// An event that clients may send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventEntry {
    /// In upper case.
    pub name: String,
    /// Of CUSTOM: which; a `*` at the end stands for anything.
    #[serde(default)]
    pub subclass: String,
    classes: Vec<Class>,
    /// Headers that say where it goes or what is done; in lower case.
    #[serde(default)]
    decides: Vec<String>,
    /// What sending it does.
    pub does: String,
}

impl EventEntry {
    /// What sending it amounts to.
    pub fn classes(&self) -> Classes {
        self.classes.iter().copied().collect()
    }

    /// Whether a header (in lower case) says where it goes or what is done.
    pub fn decides(&self, header: &str) -> bool {
        self.decides.iter().any(|name| name == header)
    }
}

/// How a name of the catalogue is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Match {
    Exact,
    Prefix,
    Suffix,
    Contains,
}

impl Match {
    fn fits(self, name: &str, given: &str) -> bool {
        match self {
            Match::Exact => given == name,
            Match::Prefix => given.starts_with(name),
            Match::Suffix => given.ends_with(name),
            Match::Contains => given.contains(name),
        }
    }
}

/// What is known of the commands, applications and variables of a kind of switch.
#[derive(Debug, Default)]
pub struct Catalogue {
    commands: HashMap<String, Entry>,
    applications: HashMap<String, Entry>,
    variables: Vec<Variable>,
    secrets: Vec<Secret>,
    events: Vec<EventEntry>,
}

impl Entry {
    /// The classes with these arguments: those of the subcommands that may be meant, else the entry's own, which are those of all its
    /// subcommands together.
    pub fn classes(&self, arguments: &str) -> Classes {
        let own = || self.classes.iter().copied().collect();
        if self.subcommands.is_empty() {
            return own();
        }
        let separator = match self.name.as_str() {
            "db" | "hash" => '/',
            "group" => ':',
            _ => ' ',
        };
        // Behind a quote or an escape words are not where they seem to be.
        let plain = |word: &&str| !word.contains(['\'', '"', '\\']);
        let words: Vec<&str> =
            arguments.split([' ', separator]).filter(|word| !word.is_empty()).take_while(plain).collect();
        let meant: Vec<&Subcommand> = places(&self.name)
            .iter()
            .flat_map(|place| {
                self.subcommands.iter().filter(|subcommand| named_at(&words, *place, &subcommand.name))
            })
            .collect();
        // "queue list agents" is more than "queue list"; of others, each may be the one.
        let is_less = |one: &&Subcommand| {
            let begins = |more: &&Subcommand| {
                more.name.strip_prefix(one.name.as_str()).is_some_and(|rest| rest.starts_with(' '))
            };
            meant.iter().any(begins)
        };
        match meant.is_empty() {
            true => own(),
            false => {
                let most = meant.iter().filter(|subcommand| !is_less(subcommand));
                most.flat_map(|subcommand| subcommand.classes.iter().copied()).collect()
            }
        }
    }

    /// What it does by its first arguments.
    pub fn subcommands(&self) -> &[Subcommand] {
        &self.subcommands
    }
}

impl Catalogue {
    /// Reads the files of a catalogue.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(
        commands: &[(&str, &str)],
        applications: &[(&str, &str)],
        variables: &str,
        secrets: &str,
        events: &str,
    ) -> Result<Catalogue, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            command: Vec<Entry>,
            #[serde(default)]
            application: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Variables {
            variable: Vec<Variable>,
        }
        #[derive(Deserialize)]
        struct Secrets {
            secret: Vec<Secret>,
        }
        #[derive(Deserialize)]
        struct Events {
            event: Vec<EventEntry>,
        }
        let mut catalogue = Catalogue::default();
        for (name, text) in commands.iter().chain(applications) {
            let file: File = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            for (entries, into) in
                [(file.command, &mut catalogue.commands), (file.application, &mut catalogue.applications)]
            {
                for entry in entries {
                    if let Some(twice) = into.insert(entry.name.clone(), entry) {
                        return Err(format!("{name}: {} is there twice", twice.name));
                    }
                }
            }
        }
        let variables: Variables =
            toml::from_str(variables).map_err(|error| format!("variables: {error}"))?;
        let secrets: Secrets = toml::from_str(secrets).map_err(|error| format!("secrets: {error}"))?;
        let events: Events = toml::from_str(events).map_err(|error| format!("events: {error}"))?;
        catalogue.events = events.event;
        catalogue.variables = variables.variable;
        catalogue.secrets = secrets.secret;
        Ok(catalogue)
    }

    /// A command by its name, in whatever case.
    pub fn command(&self, name: &str) -> Option<&Entry> {
        self.commands.get(&name.to_ascii_lowercase())
    }

    /// An application by its name, in whatever case.
    pub fn application(&self, name: &str) -> Option<&Entry> {
        self.applications.get(&name.to_ascii_lowercase())
    }

    /// A variable that does more than hold a value.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        let name = name.to_ascii_lowercase();
        self.variables.iter().find(|variable| variable.how.fits(&variable.name, &name))
    }

    /// An event by its name, in whatever case, and by its subclass, the longest text first.
    pub fn event(&self, name: &str, subclass: Option<&str>) -> Option<&EventEntry> {
        let fits = |entry: &&EventEntry| match (subclass, entry.subclass.strip_suffix('*')) {
            (None, _) => entry.subclass.is_empty(),
            // One that differs in its case only is nobody's own.
            (Some(given), Some(start)) => {
                given.get(..start.len()).is_some_and(|given| given.eq_ignore_ascii_case(start))
            }
            (Some(given), None) => given.eq_ignore_ascii_case(&entry.subclass),
        };
        let named = self.events.iter().filter(|entry| entry.name.eq_ignore_ascii_case(name));
        named.filter(fits).max_by_key(|entry| entry.subclass.len())
    }

    /// All events.
    pub fn events(&self) -> &[EventEntry] {
        &self.events
    }

    /// Whether a header or a variable holds a secret.
    pub fn is_secret(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let bare = name.strip_prefix("variable_").unwrap_or(&name);
        self.secrets
            .iter()
            // Names of events whose body is secret are no variables.
            .filter(|secret| secret.place.iter().any(|place| place != "body"))
            .any(|secret| secret.how.fits(&secret.name, &name) || secret.how.fits(&secret.name, bare))
    }

    /// What names hold secrets.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// All commands, by name.
    pub fn commands(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.commands.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// All applications, by name.
    pub fn applications(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.applications.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

impl Variable {
    /// What setting it amounts to.
    pub fn classes(&self) -> Classes {
        self.classes.iter().copied().collect()
    }
}

/// Where the name of a subcommand may stand among the words of a command, from 0.
fn places(command: &str) -> &'static [usize] {
    match command {
        // "conference list" and "conference NAME list".
        "conference" | "avmd" => &[0, 1],
        "nibblebill" | "uuid_record" | "uuid_displace" => &[1],
        _ => &[0],
    }
}

/// Whether the words hold the name at this place; a name of several words has its further ones anywhere behind it.
fn named_at(words: &[&str], place: usize, name: &str) -> bool {
    let mut wanted = name.split(' ');
    let is =
        |word: &str, wanted: Option<&str>| wanted.is_some_and(|wanted| word.eq_ignore_ascii_case(wanted));
    if !words.get(place).is_some_and(|word| is(word, wanted.next())) {
        return false;
    }
    let mut rest = words[place + 1..].iter();
    wanted.all(|wanted| rest.any(|word| is(word, Some(wanted))))
}
