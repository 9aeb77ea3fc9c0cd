//! The command line as a whole: its help by subject, completions for shells, manual pages.

use super::Cli;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print completions for a shell.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Examples:\n  switchward completions bash > /etc/bash_completion.d/switchward\n  \
    switchward completions zsh > /usr/share/zsh/site-functions/_switchward\n  \
    switchward completions fish > /etc/fish/completions/switchward.fish"
)]
pub(super) struct Completions {
    /// Which one.
    #[arg(value_enum)]
    shell: Shell,
}

/// Write manual pages, one for each command.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  switchward man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// A folder; it is made when it is not there.
    folder: PathBuf,
}

/// The command line, with its commands by subject in the help.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n{}\nOptions:\n{{options}}\n\nMore of a command: switchward help COMMAND\n",
        by_subject(&command)
    );
    command.help_template(template)
}

fn by_subject(command: &Command) -> String {
    let known: Vec<&str> = SUBJECTS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let others: Vec<&str> = command
        .get_subcommands()
        .filter(|one| !one.is_hide_set() && !known.contains(&one.get_name()))
        .map(Command::get_name)
        .collect();
    let mut text = String::new();
    for (subject, names) in SUBJECTS.iter().copied().chain([("Others", others.as_slice())]) {
        let lines: Vec<String> = names
            .iter()
            .filter_map(|name| command.find_subcommand(name))
            .map(|one| {
                format!(
                    "  {:<14} {}\n",
                    one.get_name(),
                    one.get_about().map(ToString::to_string).unwrap_or_default()
                )
            })
            .collect();
        if !lines.is_empty() {
            text += &format!("\n{subject}:\n{}", lines.concat());
        }
    }
    text
}

impl Completions {
    pub(super) fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "switchward", &mut text);
        out.write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(super) fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| {
            clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &self.folder)
        });
        if let Err(error) = written {
            writeln!(std::io::stderr(), "switchward: cannot write to {}: {error}", self.folder.display())?;
            return Ok(ExitCode::from(crate::exit::OUTPUT));
        }
        writeln!(
            out,
            "wrote the manual pages to {}; see `man -l {}`",
            self.folder.display(),
            self.folder.join("switchward.1").display()
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What is done with which commands.
const SUBJECTS: &[(&str, &[&str])] = &[
    ("Guarding", &["run", "check", "init", "replay", "record", "demo"]),
    ("Watching", &["status", "top", "stream", "alarms", "rates", "fraud", "signatures", "notifications"]),
    ("Bans", &["ban", "unban", "extend", "list", "why", "history", "timeline", "export", "import"]),
    ("Trust", &["allow", "disallow", "untrusted"]),
    ("The switch and the daemon", &["command", "esl", "reconnect", "log-level", "cache"]),
    ("Access", &["token", "user", "policy", "doors", "audit"]),
    ("This program", &["completions", "man", "version"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, path: &str, see: &mut dyn FnMut(&Command, &str)) {
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let path = format!("{path} {}", one.get_name());
            see(one, &path);
            each(one, &path, see);
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_help_has_every_command_with_its_purpose() {
        let help = command().render_long_help().to_string();
        for one in command().get_subcommands() {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "{} says nothing of itself", one.get_name());
            assert!(
                help.contains(&format!("  {:<14} {about}", one.get_name())),
                "{}:\n{help}",
                one.get_name()
            );
        }
    }

    #[test]
    fn every_command_has_an_example_in_the_long_help_of_its_own_or_of_its_subject() {
        let mut command = command();
        let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            let subject = command.find_subcommand_mut(name).unwrap();
            let help = subject.render_long_help().to_string();
            let examples: Vec<&str> = help.split("Example").skip(1).flat_map(str::lines).collect();
            let look = |path: &str| {
                let is_one = |line: &&str| {
                    line.split(" | ").any(|part| {
                        let part = part.trim_start().trim_start_matches("sudo ");
                        part == path || part.starts_with(&format!("{path} "))
                    })
                };
                assert!(examples.iter().any(is_one), "{path}:\n{help}");
            };
            look(&format!("switchward {name}"));
            each(subject, &format!("switchward {name}"), &mut |one, path| {
                if one.get_subcommands().next().is_none() {
                    look(path);
                }
            });
        }
    }

    #[test]
    fn the_documentation_has_every_command() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
        let text = std::fs::read_to_string(path).unwrap();
        each(&command(), "switchward", &mut |one, path| {
            if one.get_subcommands().next().is_none() {
                assert!(text.contains(path), "docs/commands.md does not have `{path}`");
            }
        });
    }
}
