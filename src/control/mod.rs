//! The control socket: the HTTP API ([`crate::api`]) on a Unix socket in the data directory, and its client, through
//! which `lookup`, `chat`, `status`, `export` and `check` work while a service has the data directory.
//!
//! # Invariants
//! - Only the service's own user and root may open the socket: it is made in a folder that nobody else may enter
//!   and has its mode before it gets its name. The kernel is also asked who is at the other end: other users get an
//!   error.
//! - Connections are bounded in number, requests in length. A connection beyond the limit gets an error. A client
//!   that sends no request, or does not read its answer, is disconnected. A chat has a connection only while a message
//!   is answered.
//! - A client that does not speak HTTP, or is of another version, gets an error that says so.
//! - A socket that a killed service left is replaced: who has the data directory's lock owns the name.

mod client;
mod server;
mod socket;

pub use client::{Client, ClientError, Download, Screen};
pub use server::serve;
pub use socket::{Listener, SOCKET, is_listening};

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 << 10;
