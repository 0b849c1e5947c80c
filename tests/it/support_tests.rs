//! Tests of the tests' support, which can itself be wrong.

mod bot_api;
mod bot_rules;
mod radio;
mod service;
mod wait;
