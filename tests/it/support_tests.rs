//! Tests of the support code.

mod bot_api;
mod bot_rules;
mod radio;
mod service;
mod wait;
