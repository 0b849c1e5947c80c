//! The integration tests: one crate, one binary, a file per promise.

mod support;
mod support_works;
