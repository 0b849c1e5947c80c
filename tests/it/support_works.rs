//! The support's own tests: what the other tests stand on can itself fail.

mod bot_api;
mod bot_rules;
mod radio;
mod service;
