//! Keeps what happened and what follows from it.
//!
//! [`event`] is a change, [`event_log`] keeps every one in order, [`state`] is folded from them, and
//! [`recorder`] is the only writer of both.

#![forbid(unsafe_code)]

pub mod event;
pub mod event_log;
pub mod recorder;
pub mod state;
