//! What an operator types.
//!
//! [`main`] parses the command line and hands over to the subject: the daemon, a check, a replay, a question to the running
//! daemon. Without a command the daemon runs, as the predecessor did. Exit codes are those of sysexits: 64 for bad usage or
//! configuration, 69 for a service that is not there, 77 for a missing privilege.

use crate::ask::Ask;
use crate::ask::audit::{Audit, What};
use crate::config::{self, Config, Format, LoadError, Loaded, LogFormat, LogLevel};
use crate::exit;
use crate::top::Top;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod access;
mod help;
mod policy;
mod record;
mod replay;
mod serve;
mod token;
mod user;

/// The guard and the only door of a voice switch.
#[derive(Parser, Debug)]
#[command(name = "switchward", version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration file, TOML or JSON [default: ./config.json or /etc/switchward/switchward.toml].
    #[arg(short, long, global = true, env = "SWITCHWARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whether that was typed, and not taken from the environment.
    #[arg(skip)]
    is_named: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Guard the switches of the configuration (the default).
    #[command(
        after_long_help = "Examples:\n  switchward run --config /etc/switchward/switchward.toml\n  switchward run --dry-run"
    )]
    Run(Run),
    /// Check the configuration and say what is wrong with it.
    #[command(
        after_long_help = "Examples:\n  switchward check\n  switchward check /etc/switchward/switchward.toml"
    )]
    Check {
        /// The file to check, in place of --config.
        file: Option<PathBuf>,
    },
    /// Write a commented configuration.
    #[command(after_long_help = "Example:\n  switchward init /etc/switchward/switchward.toml")]
    Init {
        /// Where to write it.
        #[arg(default_value = "switchward.toml")]
        file: PathBuf,
    },
    /// Play captures of an event socket and print who would be banned, when and why.
    Replay(replay::Replay),
    /// Write what the switches say into captures that can be replayed, until Ctrl-C. No daemon is needed.
    Record(record::Record),
    /// Guard a simulated switch with phones and attackers, for a look around.
    Demo(serve::Demo),
    /// Watch the guard live, full screen.
    Top(Top),
    /// Print completions for a shell.
    Completions(help::Completions),
    /// Write manual pages, one for each command.
    Man(help::Man),
    /// Make, list and revoke the tokens of programs.
    #[command(
        subcommand,
        after_long_help = "Examples:\n  switchward token add billing --role viewer --expires 365d --from 192.0.2.10\n  \
            switchward token list --all\n  switchward token revoke billing"
    )]
    Token(token::Command),
    /// Add, list and remove the people who log in with a password.
    #[command(
        subcommand,
        after_long_help = "Examples:\n  switchward user add alice --role operator\n  \
            echo 'a long password' | switchward user passwd alice --password-stdin\n  switchward user list\n  \
            switchward user disable alice\n  switchward user enable alice\n  switchward user remove alice"
    )]
    User(user::Command),
    /// Say what the rules of the broker mean.
    #[command(
        subcommand,
        after_long_help = "Examples:\n  switchward policy explain alice 'uuid_kill 1c8ec3de-3b68-4c1f-b2a9-0c5cd6d1a1c4'\n  \
            switchward policy explain token:crm 'originate user/1000@pbx.example &park' --from 192.0.2.7 --at 'Sat 22:00'\n  \
            switchward policy explain - 'system id'\n  switchward policy roles\n  switchward policy list --class dangerous"
    )]
    Policy(policy::Command),
    /// Print the version.
    #[command(after_long_help = "Example:\n  switchward version")]
    Version,
    #[command(flatten)]
    Ask(Ask),
}

/// How to reach the running daemon.
#[derive(Args, Debug, Default)]
struct Run {
    /// Decide and log, but leave the kernel alone.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let typed = help::command().try_get_matches_from(arguments(std::env::args_os()));
    let named = |matches: &ArgMatches| matches.value_source("config") == Some(ValueSource::CommandLine);
    let parsed = typed.and_then(|matches| {
        Cli::from_arg_matches(&matches).map(|cli| Cli { is_named: named(&matches), ..cli })
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            _ = error.print();
            return if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let mut out = std::io::stdout().lock();
    match dispatch(cli, &mut out) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "switchward: {error:#}");
            ExitCode::from(exit::SOFTWARE)
        }
    }
}

/// The predecessor's users may write `-config FILE`, as Go programs have it.
fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let doubled = |argument: OsString| match argument.to_str().and_then(|text| text.strip_prefix("-config")) {
        Some(rest) if rest.is_empty() || rest.starts_with('=') => format!("--config{rest}").into(),
        _ => argument,
    };
    given.map(doubled).collect()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cli: Cli, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let path = cli.config.as_deref();
    match cli.command.unwrap_or_else(|| Command::Run(Run::default())) {
        Command::Run(run) => serve::run(path, run.dry_run),
        Command::Check { file } => check(file.as_deref().or(path), out),
        Command::Init { file } => init(&file, out),
        Command::Replay(replay) => replay.run(path, out),
        Command::Record(record) => with_config(path, out, |config, out| record.run(config, out)),
        Command::Demo(demo) => demo.run(out),
        Command::Completions(completions) => completions.run(out),
        Command::Man(man) => man.run(out),
        Command::Top(top) => {
            let url = address(path);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let code = runtime.block_on(crate::top::run(top, &url));
            // A read of the keyboard may be under way.
            runtime.shutdown_background();
            Ok(ExitCode::from(code?))
        }
        Command::Token(token) => with_config(path, out, |config, out| token.run(config, out)),
        Command::User(user) => with_config(path, out, |config, out| user.run(config, out)),
        Command::Policy(policy) => with_config(path, out, |config, out| policy.run(config, out)),
        Command::Version => {
            writeln!(out, "switchward {}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Ask(Ask::Audit(Audit { what: Some(What::Verify(verify)), daemon, .. })) => {
            with_config(path, out, |config, out| verify.run(config, daemon.json, out))
        }
        Command::Ask(Ask::Rules(asked)) if cli.is_named => {
            with_config(path, out, |config, out| asked.of_file(config, out).map(|()| ExitCode::SUCCESS))
        }
        Command::Ask(ask) => {
            let url = address(path);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let code = runtime.block_on(crate::ask::run(ask, &url, out))?;
            Ok(ExitCode::from(code))
        }
    }
}

/// Does something to the files of the configuration; its mistakes are told, since another place would be the wrong one.
fn with_config(
    path: Option<&Path>,
    out: &mut dyn Write,
    run: impl FnOnce(&Config, &mut dyn Write) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let loaded = match find_safely(path) {
        Some(path) => load(&path),
        None => from_environment(),
    };
    match loaded {
        Ok(loaded) => run(&loaded.config, out),
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            Ok(ExitCode::from(exit::USAGE))
        }
    }
}

/// Where the daemon of this configuration listens; the default when there is none.
fn address(path: Option<&Path>) -> String {
    let loaded = match find_safely(path) {
        Some(path) => load(&path).ok(),
        None => from_environment().ok(),
    };
    let config = loaded.map_or_else(Config::default, |loaded| loaded.config);
    // One that cannot be opened, by another user than root, say, is no way in.
    let socket = &config.server.socket;
    if !socket.is_empty() && std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return format!("unix:{socket}");
    }
    let scheme = if config.server.tls_cert.is_some() { "https" } else { "http" };
    let host = match config.server.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host if host.contains(':') && !host.starts_with('[') => {
            return format!("{scheme}://[{host}]:{}", config.server.port);
        }
        host => host,
    };
    format!("{scheme}://{host}:{}", config.server.port)
}

/// The configuration file: the one named, else the predecessor's in this directory, else ours in /etc.
fn find(path: Option<&Path>) -> Option<PathBuf> {
    let known = ["config.json", INSTALLED];
    path.map(Path::to_path_buf).or_else(|| known.iter().map(PathBuf::from).find(|path| path.exists()))
}

/// Our configuration's place on an installed system.
const INSTALLED: &str = "/etc/switchward/switchward.toml";

/// As [`find`], for commands that say who is asked and whose tokens are changed. A `config.json` in the directory where somebody happens to be may
/// be another program's, or bait: it counts only when it is the caller's or root's, nobody else can write it, and it has a key of ours.
fn find_safely(path: Option<&Path>) -> Option<PathBuf> {
    let found = find(path)?;
    if path.is_some() || found.is_absolute() || is_ours(&found) {
        return Some(found);
    }
    let installed = PathBuf::from(INSTALLED);
    let instead = if installed.exists() { INSTALLED } else { "the defaults" };
    _ = writeln!(
        std::io::stderr(),
        "switchward: ./{} is not taken for the daemon's configuration ({instead} instead): it is not yours or root's, others may \
         write it, or it has no \"security\"; name it with --config if it is",
        found.display()
    );
    installed.exists().then_some(installed)
}

fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    let me = rustix::process::geteuid().as_raw();
    let is_safe = (metadata.uid() == me || metadata.uid() == 0) && metadata.mode() & 0o022 == 0;
    is_safe && std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"security\""))
}

fn load(path: &Path) -> Result<Loaded, LoadError> {
    config::load(path, |name| std::env::var(name).ok())
}

/// What holds without a file.
fn from_environment() -> Result<Loaded, LoadError> {
    Ok(config::parse("", "the environment", Format::Toml, |name| std::env::var(name).ok())?)
}

fn check(path: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Some(path) = find(path) else {
        writeln!(out, "no configuration found: name one with --config, or write one with `switchward init`")?;
        return Ok(ExitCode::from(exit::USAGE));
    };
    match load(&path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(out, "{warning}")?;
            }
            let switches = loaded.config.switches.len();
            let plural = if switches == 1 { "" } else { "es" };
            writeln!(
                out,
                "{} is good: {switches} switch{plural}, {} warning(s)",
                path.display(),
                loaded.warnings.len()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(out, "{error}")?;
            Ok(ExitCode::from(exit::USAGE))
        }
    }
}

fn init(path: &Path, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match config::write_default(path) {
        Ok(()) => {
            writeln!(
                out,
                "wrote {}; set security.esl_password, then: switchward run --config {}",
                path.display(),
                path.display()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(out, "cannot write {}: {error}", path.display())?;
            Ok(ExitCode::from(exit::USAGE))
        }
    }
}

/// What the configuration wants logged where, before the daemon takes over.
fn log_settings(config: &Config) -> (LogLevel, LogFormat, bool) {
    (config.log.level, config.log.format, logs_to_journal())
}

/// Whether standard error is the journal's stream: `JOURNAL_STREAM` names its device and inode (systemd.exec(5)); the variable
/// alone is inherited by anything started from a unit.
fn logs_to_journal() -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(metadata) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", metadata.dev(), metadata.ino())
}
