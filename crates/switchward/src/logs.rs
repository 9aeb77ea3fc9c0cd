//! The daemon's own log: tracing, human or JSON or the journal, its level changed at run time.
//!
//! Start with [`init`]; [`Level`] changes the level afterwards. Under systemd (`JOURNAL_STREAM` is set) `auto` means the
//! journal's own protocol.

use crate::config::{LogFormat, LogLevel};
use parking_lot::RwLock;
use std::io::IsTerminal;
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Changes the level of the log while the daemon runs.
#[derive(Clone)]
pub struct Level {
    reload: Option<reload::Handle<LevelFilter, Registry>>,
    now: Arc<RwLock<LogLevel>>,
}

impl Level {
    /// The level in force.
    pub fn level(&self) -> LogLevel {
        *self.now.read()
    }

    /// Sets the level.
    pub fn set(&self, level: LogLevel) {
        *self.now.write() = level;
        if let Some(reload) = &self.reload {
            _ = reload.modify(|filter| *filter = filter_of(level));
        }
    }

    /// For tests and for commands that log nothing: remembers a level and changes no log.
    pub fn detached(level: LogLevel) -> Level {
        Level { reload: None, now: Arc::new(RwLock::new(level)) }
    }
}

/// Starts the log. Called once; a second call gives a handle that changes nothing.
pub fn init(level: LogLevel, format: LogFormat, under_systemd: bool) -> Level {
    let (filter, handle) = reload::Layer::new(filter_of(level));
    let registry = tracing_subscriber::registry().with(filter);
    let wants_journal = format == LogFormat::Journald || (format == LogFormat::Auto && under_systemd);
    let journal = wants_journal.then(tracing_journald::layer).and_then(Result::ok);
    let started = match (journal, format) {
        (Some(journal), _) => registry.with(journal.boxed()).try_init(),
        (None, LogFormat::Json) => {
            // Without the module's name: under "target" it would hide whom a line is about.
            let json = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_writer(std::io::stderr);
            registry.with(json.boxed()).try_init()
        }
        (None, _) => {
            let colours = std::io::stderr().is_terminal();
            let human = tracing_subscriber::fmt::layer()
                .with_target(false)
                .with_ansi(colours)
                .with_writer(std::io::stderr);
            registry.with(human.boxed()).try_init()
        }
    };
    Level { reload: started.is_ok().then_some(handle), now: Arc::new(RwLock::new(level)) }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
