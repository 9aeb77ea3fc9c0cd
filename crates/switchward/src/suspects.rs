//! What gives sources away, in force: the built-in signatures, the operator's file and the honeypots of the configuration.
//!
//! [`Suspects::look`] makes it anew when the file or the configuration changed; [`watch`] looks every few seconds. A file that cannot be read,
//! or has a mistake, leaves the one before in use and is told with its lines. Judging is the guard's part (`guard::suspicion`).

use crate::app::App;
use crate::config::GuardLimits;
use guard::signature::{Origin, Signature, Signatures, built_in, file};
use guard::suspicion::{Honeypots, Suspicion};
use parking_lot::Mutex;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch as signal};

/// See the module.
#[derive(Default)]
pub struct Suspects {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
struct State {
    suspicion: Option<Arc<Suspicion>>,
    honeypots: Vec<String>,
    file: Option<Sheet>,
    /// The signatures in force.
    list: Vec<Signature>,
}

/// The operator's file as it was when it was looked at last.
#[derive(Clone, PartialEq)]
struct Sheet {
    path: PathBuf,
    /// Device and inode, change of content or rights in ns, length; none when there was no file.
    stamp: Option<(u64, u64, i128, u64)>,
    troubles: Vec<String>,
}

impl Suspects {
    /// What is in force; nothing before the first look.
    pub fn suspicion(&self) -> Option<Arc<Suspicion>> {
        self.state.lock().suspicion.clone()
    }

    /// What is wrong with the file, with its lines.
    pub fn troubles(&self) -> Vec<String> {
        self.state.lock().file.as_ref().map_or_else(Vec::new, |sheet| sheet.troubles.clone())
    }

    /// Has the file looked at soon.
    pub fn look_soon(&self) {
        self.bell.notify_one();
    }

    /// Looks at the file that the configuration names; gives what is to be in force from now on, when that is something else. Blocks.
    pub fn look(&self, wanted: &GuardLimits) -> Option<Arc<Suspicion>> {
        let mut state = self.state.lock();
        let path = wanted.signatures_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        let now = path.map(|path| (path.to_owned(), stamp(path)));
        let before = state.file.as_ref().map(|sheet| (sheet.path.clone(), sheet.stamp));
        let is_same_file = now == before && (now.is_none() || now.is_some_and(|(_, stamp)| stamp.is_some()));
        if state.suspicion.is_some() && is_same_file && state.honeypots == wanted.honeypots {
            return None;
        }
        if state.suspicion.is_none() || !is_same_file {
            state.read(path);
        }
        let made = make(state.list.clone(), &wanted.honeypots, state.suspicion.as_deref());
        let suspicion = match made {
            Ok(suspicion) => Arc::new(suspicion),
            Err(reason) => {
                tracing::error!("guard.honeypots, guard.signatures_file: {reason}; those before stay in use");
                return None;
            }
        };
        state.honeypots.clone_from(&wanted.honeypots);
        state.suspicion = Some(suspicion.clone());
        Some(suspicion)
    }
}

impl State {
    /// Takes the signatures of the file over, or tells why not.
    fn read(&mut self, path: Option<&Path>) {
        let Some(path) = path else {
            (self.list, self.file) = (built_in::all(|_| false), None);
            return;
        };
        let stamp = stamp(path);
        let mut troubles = Vec::new();
        match read(path) {
            Ok(list) => {
                let own = list.iter().filter(|signature| signature.origin != Origin::BuiltIn).count();
                tracing::info!(path = %path.display(), signatures = list.len(), own, "guard.signatures_file is read");
                self.list = list;
            }
            Err(found) => {
                if self.list.is_empty() {
                    self.list = built_in::all(|_| false);
                }
                troubles = found;
                let is_news = self.file.as_ref().is_none_or(|sheet| sheet.troubles != troubles);
                for trouble in troubles.iter().filter(|_| is_news) {
                    tracing::warn!("guard.signatures_file {trouble}; the signatures before stay in use");
                }
            }
        }
        self.file = Some(Sheet { path: path.into(), stamp, troubles });
    }
}

/// What a configuration means, for who judges without a daemon.
///
/// # Errors
/// What is wrong with the file or the honeypots.
pub fn of(wanted: &GuardLimits) -> Result<Suspicion, Vec<String>> {
    let path = wanted.signatures_file.as_deref().filter(|path| !path.as_os_str().is_empty());
    let list = path.map_or_else(|| Ok(built_in::all(|_| false)), read)?;
    make(list, &wanted.honeypots, None).map_err(|reason| vec![reason])
}

fn make(list: Vec<Signature>, honeypots: &[String], before: Option<&Suspicion>) -> Result<Suspicion, String> {
    let honeypots = Honeypots::new(honeypots).map_err(|error| error.to_string())?;
    if let Some(before) = before {
        honeypots.go_on_from(before.honeypots());
    }
    let signatures =
        Signatures::new(list, before.map(Suspicion::signatures)).map_err(|error| error.to_string())?;
    Ok(Suspicion::new(signatures, honeypots))
}

/// The signatures in force with the file at `path`.
fn read(path: &Path) -> Result<Vec<Signature>, Vec<String>> {
    let wrong = |reason: &dyn std::fmt::Display| vec![format!("{}: {reason}", path.display())];
    let mut text = String::new();
    // A device or a pipe may never end, or never begin.
    if !std::fs::metadata(path).map_err(|error| wrong(&error))?.is_file() {
        return Err(wrong(&"no ordinary file"));
    }
    let opened = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    opened.take(file::LARGEST + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > file::LARGEST {
        return Err(wrong(&format_args!("larger than {} kB; is it the right file?", file::LARGEST / 1024)));
    }
    file::read(&text).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|mistake| format!("{}:{}: {}", path.display(), mistake.line, mistake.text))
            .collect()
    })
}

fn stamp(path: &Path) -> Option<(u64, u64, i128, u64)> {
    let file = std::fs::metadata(path).ok()?;
    let changed = i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec());
    Some((file.dev(), file.ino(), changed, file.len()))
}

/// Looks every [`LOOK_EVERY`] and when it is told to, until the end.
pub(crate) async fn watch(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.suspects.bell.notified() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let looking = app.clone();
        let looked = tokio::task::spawn_blocking(move || take_over(&looking)).await;
        if let Err(error) = looked {
            tracing::error!(%error, "looking at the file of signatures failed");
        }
    }
}

/// Puts in force what the file and the configuration say now.
pub(crate) fn take_over(app: &App) {
    if let Some(suspicion) = app.suspects.look(&app.config.load().guard) {
        app.guard.set_suspicion(suspicion);
    }
}

/// How often a changed file is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
