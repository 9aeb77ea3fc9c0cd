//! Why a question has no answer, and with which exit code the program ends then.

use crate::exit;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing listens there.
    #[error(
        "no daemon answers at {url}: {reason}\n  start it with `switchward run`, or say where it listens with --config FILE or --url URL"
    )]
    NotRunning {
        /// Where it was asked.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// Something else listens there.
    #[error("what answers at {url} is no switchward daemon: {reason}")]
    Stranger {
        /// Where it was asked.
        url: String,
        /// What is odd about the answer.
        reason: String,
    },
    /// The configuration, and nobody else, says that a token should go over the network in plain text.
    #[error(
        "the token is not sent in plain text to {0}, which only the configuration names\n  give the daemon a certificate (server.tls_cert), or say --url yourself"
    )]
    TokenInPlain(String),
    /// The daemon does not take orders from here.
    #[error(
        "refused: {0}\n  the daemon takes orders on its Unix socket, from the addresses in api.allowed_ips, and with a token (--token-file)"
    )]
    NotPermitted(String),
    /// A file that is needed to ask cannot be used.
    #[error("{0}")]
    Files(String),
    /// The daemon does not carry this out, whoever asks.
    #[error("refused: {0}")]
    Refused(String),
    /// The daemon cannot.
    #[error("the daemon cannot do that now: {0}")]
    Unable(String),
    /// The switch did not carry a command out.
    #[error("the switch says: {0}")]
    BySwitch(String),
    /// Lines of an import were not carried out.
    #[error("{failed} of {all} lines {}", if *.dry_run { "would not be imported" } else { "were not imported" })]
    Lines {
        /// How many were refused or cannot be understood.
        failed: u64,
        /// How many there were.
        all: u64,
        /// Whether it was only tried.
        dry_run: bool,
    },
    /// Test messages did not arrive.
    #[error("{failed} of {all} test messages could not be delivered")]
    Undelivered {
        /// How many were not taken.
        failed: usize,
        /// How many there were.
        all: usize,
    },
    /// The address of the daemon makes no sense.
    #[error(
        "{url:?} is no address of a daemon ({reason}); write http://HOST:PORT, https://HOST:PORT or unix:/PATH"
    )]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The answer could not be printed.
    #[error("cannot print the answer: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// The exit code (sysexits).
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::BadUrl { .. } | Failure::TokenInPlain(_) | Failure::Refused(_) | Failure::Files(_) => {
                exit::USAGE
            }
            Failure::Lines { .. } => exit::DATA,
            Failure::BySwitch(_) => exit::FAILED,
            Failure::NotRunning { .. }
            | Failure::Stranger { .. }
            | Failure::Unable(_)
            | Failure::Undelivered { .. } => exit::UNAVAILABLE,
            Failure::Output(_) => exit::OUTPUT,
            Failure::NotPermitted(_) => exit::NO_PERMISSION,
        }
    }
}
