//! Values and limits: what is looked up, listed, exported and preferred, without any text for a person.

pub mod alert_preference;
pub mod chart;
pub mod csv_export;
pub(super) mod document;
pub mod doorbell;
pub mod lookup;
pub mod pagination;
pub(super) mod read_limiter;
pub mod strangers;
pub mod watch_target;
