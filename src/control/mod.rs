//! Commands beside the service: `lookup`, `chat`, `status`, `export` and `check` while the data directory is in
//! use, through a Unix socket in it.
//!
//! # Protocol
//! The client writes a line of JSON, a [`Request`]; for `chat` the person's lines follow. The service answers in
//! frames: a line of JSON, which says what the frame is, and as many bytes as that line tells. `begun` comes at
//! once: who hears nothing within seconds asks a service that hangs. `output` is what the command prints, `told` a
//! line about something that is wrong, `progress` how far it is, and the last frame is `exit` with the exit status,
//! `failed` with the reason, or `busy` where there are too many others. Where the last frame is missing, the answer
//! is not whole. A request of another version is answered with `failed`.
//!
//! # What must hold
//! - Only the owner of the service may open the socket, and root: it is made in a folder that nobody else may enter
//!   and has its mode before it gets its name; who is at the other end is asked of the kernel as well.
//! - A command prints the same bytes as it does while no service runs: both run the functions of this room.
//! - Recording does not wait for it: the state is held for a few rows at a time. The copy that a whole export or
//!   a check begins with is made in parts and stands for one offset all the same, as that which the recorder
//!   makes before segments leave the log. Only one such copy is there at a time.
//! - Connections are bounded in number, requests and lines in length, and who says or takes nothing for an hour is
//!   left. Chats, which last, have at most half of the connections, so that they keep no other command out.
//! - A socket that a dead service left behind is replaced: who has the data directory's lock has the name.

pub mod check;
mod client;
mod data_source;
pub mod export;
mod frame;
pub mod lookup;
mod request;
mod server;
mod socket;
pub mod status;

pub use client::{Answer, ClientError, Screen};
pub use data_source::{DataSource, Live, Offline};
pub use request::{Command, Request};
pub use server::{AskTelegram, Services, serve};
pub use socket::{Listener, SOCKET};
