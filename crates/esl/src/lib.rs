//! The FreeSWITCH event socket protocol, both ends.
//!
//! The codec does no I/O and reads no clock: bytes are pushed in, views over the read buffer come out. It knows
//! nothing of bans or users. Start with [`Decoder`] (what a server sends), [`EventView`] (one event) and
//! [`Command`] (what a client sends); a server reads commands with [`CommandDecoder`] and answers with [`reply`] and
//! [`EventWriter`]. Feature `tokio` adds `client` (which reconnects), `pool` (for commands) and `server`.
//!
//! The facts about the protocol come from captures of FreeSWITCH 1.11 in `testdata/captures/freeswitch`.

mod block;
mod buffer;
#[cfg(feature = "tokio")]
pub mod client;
pub mod command;
pub mod encode;
pub mod event;
pub mod frame;
pub mod percent;
#[cfg(feature = "tokio")]
pub mod pool;
pub mod reply;
#[cfg(feature = "tokio")]
pub mod server;
pub mod value;

#[cfg(feature = "tokio")]
pub use client::{Client, Disconnect};
pub use command::{Command, CommandDecoder, CommandError, CommandFrame, Subscription};
pub use encode::EventWriter;
pub use event::{EventError, EventView, Format};
pub use frame::{DecodeError, Decoder, End, Frame, FrameKind, Limits};
#[cfg(feature = "tokio")]
pub use pool::{CallError, Pool};
pub use value::Value;
