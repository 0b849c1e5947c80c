//! Tests of the support code.

mod bot_api;
mod bot_rules;
mod older_servers;
mod radio;
mod rich_messages;
mod service;
mod wait;
