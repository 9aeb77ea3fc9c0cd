//! Connections for one client alone: [`Dedicated`].
//!
//! FreeSWITCH ties `myevents UUID`, `linger` and `divert_events` to the connection that they come from. Their number is bounded.

use super::{CallError, commands::Commands};
use esl::client::{Config, Connection};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A connection that is logged in and nobody else uses; dropping it closes it. Everything is done with the [`Connection`] itself:
/// [`Connection::queue`], [`Connection::turn`], [`Connection::next`].
#[derive(Debug)]
pub struct Dedicated {
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl Deref for Dedicated {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Dedicated {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Opens them.
#[derive(Debug)]
pub(super) struct Dedicating {
    limit: Duration,
    most: usize,
    permits: Arc<Semaphore>,
}

impl Dedicating {
    pub(super) fn new(config: Config, most: usize) -> Dedicating {
        let most = most.min(Semaphore::MAX_PERMITS);
        let limit = config.connect_timeout + config.auth_timeout;
        Dedicating { limit, most, permits: Arc::new(Semaphore::new(most)) }
    }

    pub(super) async fn open(&self, commands: &Commands) -> Result<Dedicated, CallError> {
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| CallError::TooManyDedicated(self.most))?;
        let connection = timeout(self.limit, commands.open()).await.map_err(|_| CallError::Busy)??;
        Ok(Dedicated { connection, _permit: permit })
    }

    pub(super) fn open_now(&self) -> usize {
        self.most - self.permits.available_permits()
    }
}
