//! What the bot does for each request.

pub(super) mod history;
pub(super) mod subscriptions;
