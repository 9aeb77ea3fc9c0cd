//! The server against raw sockets.
