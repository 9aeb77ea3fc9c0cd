//! Why the daemon did not start, each with the mend: [`StartError`].

use crate::access;
use crate::broker::entrance::EntranceError;
use crate::exit;
use crate::store::OpenError;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP listener cannot be bound.
    #[error(
        "cannot listen at {address}: {error}; is another switchward running there? set server.host and server.port"
    )]
    Listen {
        /// Host and port.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The profiling listener cannot be bound.
    #[error(
        "cannot listen for profiles at {address}: {error}; set server.pprof_addr, or server.pprof_enabled = false"
    )]
    Profiling {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Nobody could use the HTTP interface, or its certificate cannot be used.
    #[error(transparent)]
    Access(#[from] access::OpenError),
    /// The event socket door cannot be opened.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// The Unix socket that the configuration names cannot be made.
    #[error("cannot listen on server.socket {path}: {error}; name another path, or \"\" for none")]
    Socket {
        /// Its path.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The audit of commands cannot be sealed as the configuration wants it.
    #[error("{0}")]
    Audit(String),
    /// The kernel's sets cannot be made.
    #[error(
        "bans cannot be enforced: {0}. To look around without enforcing, use --dry-run or security.auto_block_enabled = false"
    )]
    Firewall(#[from] netfilter::Error),
    /// The broker's rules cannot be understood.
    #[error("the broker cannot be started: {0}")]
    Broker(String),
    /// Captures cannot be written as the configuration wants it.
    #[error("{0}; or set record.enabled = false")]
    Record(#[from] crate::record::OpenError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit of tasks (TasksMax, ulimit -u)")]
    Thread(std::io::Error),
    /// A network namespace cannot be made.
    #[error("a network namespace of our own cannot be made: {0}; that needs root")]
    Namespace(std::io::Error),
}

impl StartError {
    /// The exit code that tells it.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Firewall(_) | StartError::Namespace(_) => exit::NO_PERMISSION,
            StartError::Access(_) | StartError::Audit(_) | StartError::Broker(_) => exit::USAGE,
            StartError::Listen { .. }
            | StartError::Profiling { .. }
            | StartError::Socket { .. }
            | StartError::Entrance(_)
            | StartError::Store(_)
            | StartError::Record(_)
            | StartError::Thread(_) => exit::UNAVAILABLE,
        }
    }
}
