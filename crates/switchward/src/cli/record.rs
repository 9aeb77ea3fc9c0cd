//! `switchward record`: what the switches say, into captures, by connections of its own.

use crate::clock;
use crate::config::{Config, duration};
use crate::exit;
use crate::record::known;
use crate::record::{Recorder, Settings, Tap};
use crate::switch::Switch;
use crate::watch;
use clap::Args;
use esl::Pool;
use esl::client::{Client, Incoming, State};
use extract::freeswitch::log::LogReader;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;

/// Write what the switches say into captures that can be replayed, until Ctrl-C. No daemon is needed.
///
/// All switches of the configuration are listened to, each over a connection of its own, for the events that the guard judges by. Passwords and
/// other secrets are taken out; what is left says who calls whom, so the files are for their owner alone.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Examples:\n  switchward record ./captures\n  switchward record ./captures --for 24h --total 5GiB\n  \
    switchward replay ./captures"
)]
pub(super) struct Record {
    /// Where; made when it is missing, and nobody else may enter it.
    directory: PathBuf,
    /// Stop after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    limit: Option<Duration>,
    /// End a file of this size and begin the next [default: record.file_size].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<u64>,
    /// Delete the oldest files where all would be larger [default: record.total_size].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    total: Option<u64>,
}

/// How long the last block may take.
const LAST_BLOCK: Duration = Duration::from_secs(10);

impl Record {
    pub(super) fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let usual = &config.record;
        let settings = Settings {
            directory: self.directory.clone(),
            file_size: self.size.unwrap_or(usual.file_size),
            file_age: usual.file_age,
            total_size: self.total.unwrap_or(usual.total_size),
        };
        let recorder = match Recorder::start(settings, config) {
            Ok(recorder) => recorder,
            Err(error) => {
                writeln!(std::io::stderr(), "switchward: {error}")?;
                return Ok(ExitCode::from(exit::OUTPUT));
            }
        };
        // The recorder's thread asks the switches by way of it, whatever this thread waits for.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let heard = runtime.block_on(listen(&recorder, config, self.limit))?;
        let is_whole = recorder.stop(LAST_BLOCK);
        let stats = recorder.stats();
        writeln!(
            out,
            "{} events and log lines recorded in {}, {} bytes; {} left out",
            stats.frames,
            self.directory.display(),
            stats.bytes,
            stats.dropped
        )?;
        if let Some(trouble) = recorder.trouble().filter(|_| stats.dropped > 0) {
            writeln!(std::io::stderr(), "switchward: {trouble}")?;
        }
        Ok(match (is_whole && stats.dropped == 0, heard) {
            (false, _) => ExitCode::from(exit::OUTPUT),
            (true, false) => ExitCode::from(exit::UNAVAILABLE),
            (true, true) => ExitCode::SUCCESS,
        })
    }
}

/// Listens until the time is over or somebody ends it; tells whether every switch was connected once.
async fn listen(recorder: &Arc<Recorder>, config: &Config, limit: Option<Duration>) -> anyhow::Result<bool> {
    let mut ears = tokio::task::JoinSet::new();
    let (mut handles, mut asked) = (Vec::new(), Vec::new());
    let (whole, backoff) = (Arc::new(config.clone()), config.security.reconnect_backoff);
    for switch in &config.switches {
        let client = Client::new(watch::connection(switch, backoff));
        handles.push(client.handle());
        let (up, is_up) = tokio::sync::watch::channel(false);
        ears.spawn(hear(client, recorder.tap(&switch.name), switch.name.clone(), Some(up)));
        if config.guard.log {
            let client = Client::new(watch::log_connection(switch, backoff));
            handles.push(client.handle());
            ears.spawn(hear(client, recorder.tap(&switch.name), format!("the log of {}", switch.name), None));
        }
        let commands = Pool::new(watch::connection(switch, backoff), 1);
        let switch = Arc::new(Switch::new(asked.len() as u16, switch, commands, clock::now()));
        tokio::spawn(known::ask(switch.clone(), recorder.clone(), whole.clone(), is_up));
        asked.push(switch);
    }
    recorder.begin_with(known::of_switches(asked));
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        () = over(limit) => {}
    }
    handles.iter().for_each(esl::client::Handle::stop);
    let mut all = true;
    while let Ok(Some(heard)) = tokio::time::timeout(Duration::from_secs(2), ears.join_next()).await {
        all &= heard.unwrap_or(false);
    }
    Ok(all)
}

async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// The events of one switch, or its log, into the recording; tells whether it was connected, or need not be. Of the log only what the guard
/// judges by is taken. `up` is told whether events are heard; the log has none, and is not needed.
async fn hear(mut client: Client, mut tap: Tap, what: String, up: Option<Sender<bool>>) -> bool {
    let (mut connected, mut log) = (up.is_none(), LogReader::new(0));
    let is_up = |heard| _ = up.as_ref().map(|up| up.send_replace(heard));
    client
        .run(&mut |incoming: Incoming<'_>| match incoming {
            Incoming::Event(event) => tap.event(&event),
            Incoming::Frame(frame) if frame.kind() == esl::FrameKind::LogData => {
                if log.read(&frame).is_some() {
                    tap.log(&frame);
                }
            }
            Incoming::Drained => tap.pass_on(),
            Incoming::State(State::Connected { .. }) => {
                connected = true;
                is_up(true);
                _ = writeln!(std::io::stderr(), "switchward: recording {what}");
            }
            Incoming::State(State::Disconnected { why, .. }) => {
                is_up(false);
                let why = guard::printable(watch::trouble(why).as_bytes());
                _ = writeln!(std::io::stderr(), "switchward: nothing from {what}: {why}");
            }
            Incoming::Frame(_) | Incoming::Read { .. } | Incoming::State(_) => {}
        })
        .await;
    connected
}

fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    let size = crate::config::parse_size(text);
    size.filter(|size| *size >= 1 << 20).ok_or_else(|| {
        format!("{text:?} is no size of 1 MiB or more; write one such as \"64MiB\" or \"1GiB\"")
    })
}
