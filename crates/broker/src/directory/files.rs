//! FreeSWITCH's directory as files: [`XmlFiles`].
//!
//! Reads what `conf/directory` holds: domains, groups, users, `X-PRE-PROCESS` includes and `set` variables. Looks at most once a second
//! whether a file has changed, when somebody asks; then all are read anew. What cannot be read keeps the last good state and is told
//! ([`Directory::complaint`]). Nothing outside of the directory is read but the one file of variables that the settings name.

use super::record::{Accept, Record, plain_account};
use super::{Checking, Claim, Directory, Found, Trouble};
use parking_lot::Mutex;
use read::{Reading, Stamps};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

mod read;

/// Which files, and how they are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSettings {
    /// The directory, as `/etc/freeswitch/directory`: its `*.xml` are read. Or one file of it, whose includes must lie beside it or below.
    pub path: PathBuf,
    /// A file whose `set` variables count, as `/etc/freeswitch/vars.xml`.
    pub variables_from: Option<PathBuf>,
    /// Variables for `$${name}` that no file can change, as `domain` and `local_ip_v4`.
    pub variables: Vec<(String, String)>,
    /// Which passwords let in. Default `esl-password` alone, as FreeSWITCH's `userauth`.
    pub accept: Vec<Accept>,
    /// The domain of a claim without one; without it such a claim is unknown.
    pub default_domain: Option<String>,
    /// A parameter or variable that keeps a user out when it is true; FreeSWITCH itself has none.
    pub disabled_by: Option<String>,
    /// How long after a look at the files they are looked at again. Default 1 s.
    pub look_every: Duration,
}

impl FileSettings {
    /// With the defaults.
    pub fn new(path: impl Into<PathBuf>) -> FileSettings {
        FileSettings {
            path: path.into(),
            variables_from: None,
            variables: Vec::new(),
            accept: vec![Accept::EslPassword],
            default_domain: None,
            disabled_by: None,
            look_every: Duration::from_secs(1),
        }
    }
}

/// What there was to read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilesRead {
    /// Domains, by name.
    pub domains: Vec<String>,
    /// Users.
    pub users: usize,
    /// Files.
    pub files: usize,
    /// What was passed over, one line each.
    pub complaints: Vec<String>,
}

/// See the module.
pub struct XmlFiles {
    name: Arc<str>,
    settings: Arc<FileSettings>,
    state: Mutex<State>,
    /// Held while the files are looked at.
    looking: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    users: Option<Arc<Users>>,
    /// Of the last reading, good or not.
    stamps: Arc<Stamps>,
    /// Why the last reading was no good.
    trouble: Option<Trouble>,
}

/// A good state.
struct Users {
    /// By user and domain, in small letters.
    known: HashMap<(String, String), Record>,
    /// The user of a `number-alias`, equally.
    aliases: HashMap<(String, String), String>,
    summary: FilesRead,
}

impl XmlFiles {
    /// Reads nothing yet.
    pub fn new(name: &str, settings: FileSettings) -> XmlFiles {
        XmlFiles {
            name: name.into(),
            settings: Arc::new(settings),
            state: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// Reads the files now, as for a check of the configuration. Blocks.
    ///
    /// # Errors
    /// When they cannot be read; says which, and where.
    pub fn read_now(settings: &FileSettings) -> Result<FilesRead, Trouble> {
        Reading::of(settings).1.map(|users| users.summary)
    }

    async fn find(&self, claim: &Claim) -> Result<Found, Trouble> {
        let users = self.users().await?;
        let settings = &self.settings;
        let Some((user, domain)) = plain_account(claim, settings.default_domain.as_deref()) else {
            return Ok(Record::check_nobody(claim, &settings.accept, &self.name));
        };
        Ok(match users.find(user, domain) {
            Some(record) => record.check(claim, &settings.accept, &self.name),
            None => Record::check_nobody(claim, &settings.accept, &self.name),
        })
    }

    /// The users as the files have them now, or had them when they last could be read.
    async fn users(&self) -> Result<Arc<Users>, Trouble> {
        let mut looked = self.looking.lock().await;
        if looked.is_none_or(|at| at.elapsed() >= self.settings.look_every) {
            self.look().await?;
            *looked = Some(Instant::now());
        }
        drop(looked);
        let state = self.state.lock();
        match (&state.users, &state.trouble) {
            (Some(users), _) => Ok(Arc::clone(users)),
            (None, Some(trouble)) => Err(trouble.clone()),
            (None, None) => Err(Trouble::new("not read yet")),
        }
    }

    async fn look(&self) -> Result<(), Trouble> {
        let (settings, stamps) = (Arc::clone(&self.settings), Arc::clone(&self.state.lock().stamps));
        let reading = tokio::task::spawn_blocking(move || {
            (stamps.is_empty() || stamps.have_changed()).then(|| Reading::of(&settings))
        });
        let Some((stamps, read)) = reading.await.map_err(Trouble::new)? else { return Ok(()) };
        let mut state = self.state.lock();
        state.stamps = Arc::new(stamps);
        match read {
            Ok(users) => {
                tracing::info!(
                    directory = &*self.name,
                    users = users.summary.users,
                    files = users.summary.files,
                    "read the directory's files"
                );
                state.users = Some(Arc::new(users));
                state.trouble = None;
            }
            Err(trouble) => {
                tracing::warn!(directory = &*self.name, %trouble, kept = state.users.is_some(), "the directory's files cannot be read");
                state.trouble = Some(trouble);
            }
        }
        Ok(())
    }
}

impl Directory for XmlFiles {
    fn name(&self) -> &str {
        &self.name
    }

    fn check<'a>(&'a self, claim: &'a Claim) -> Checking<'a> {
        Box::pin(self.find(claim))
    }

    /// Reads the files anew with the next claim.
    fn forget(&self) {
        self.state.lock().stamps = Arc::default();
        if let Ok(mut looked) = self.looking.try_lock() {
            *looked = None;
        }
    }

    fn complaint(&self) -> Option<String> {
        let state = self.state.lock();
        match (&state.trouble, &state.users) {
            (Some(trouble), Some(users)) => {
                Some(format!("{trouble}; the {} users read before still count", users.summary.users))
            }
            (Some(trouble), None) => Some(trouble.to_string()),
            (None, Some(users)) => users.summary.complaints.first().cloned(),
            (None, None) => None,
        }
    }
}

impl Users {
    fn find(&self, user: &str, domain: &str) -> Option<&Record> {
        let mut key = (user.to_ascii_lowercase(), domain.to_ascii_lowercase());
        if let Some(record) = self.known.get(&key) {
            return Some(record);
        }
        key.0 = self.aliases.get(&key)?.clone();
        self.known.get(&key)
    }
}
