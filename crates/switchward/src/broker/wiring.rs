//! Puts the broker together: connections to each switch that are its own, the desk before them.

use super::rules;
use crate::config::{self, Config};
use broker::desk::{Desk, Rules, Switch};
use broker::journal::Journal;
use broker::upstream::Settings;
use broker::{Redactor, Upstream, freeswitch};
use std::sync::Arc;

/// The desk of a configuration, and its connections, which come up by themselves. Must be called inside a tokio runtime. Without a journal
/// nothing is written down.
///
/// # Errors
/// What of the rules cannot be understood.
pub fn open(config: &Config, journal: Option<Arc<Journal>>) -> Result<Arc<Desk>, String> {
    let rules = rules(config)?;
    let connections = usize::try_from(config.broker.connections).unwrap_or(usize::MAX);
    let jobs = usize::try_from(config.broker.max_jobs).unwrap_or(usize::MAX);
    let settings = Settings { connections, jobs, ..Settings::default() };
    let switches = config.switches.iter().map(|switch| upstream(switch, settings.clone()));
    Ok(Desk::new(rules, switches.collect(), journal))
}

fn upstream(switch: &config::Switch, settings: Settings) -> Switch {
    let way = esl::client::Config::new(switch.host.clone(), switch.port, switch.password.expose());
    Switch { name: switch.name.as_str().into(), upstream: Upstream::start(way, settings) }
}

/// What the configuration says about callers.
///
/// # Errors
/// What of it cannot be understood; a configuration that was read has none of that.
pub fn rules(config: &Config) -> Result<Rules, String> {
    let book = rules::rulebook(config)
        .map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    Ok(Rules {
        book,
        nobody: Arc::new(rules::nobody(config)),
        redactor: redactor(config),
        allow_unaudited: config.broker.allow_unaudited,
    })
}

/// What takes secrets out of what people see, as the configuration has it.
pub fn redactor(config: &Config) -> Redactor {
    Redactor::new(freeswitch::catalogue(), &config.broker.redact)
}
