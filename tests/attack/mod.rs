//! Attacks on the running service, on loopback only: each does what an attacker would, for a bounded time, and asserts
//! what must hold nevertheless.
//!
//! The quick ones run with all tests. The long ones are ignored there; `tests/attack/run` runs all, and `SECURITY.md` has
//! the results.

mod log_flood;
mod slow_flood;
mod stolen_name;
mod webhook_connections;
