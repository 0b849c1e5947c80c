//! Values and limits: what is looked up, listed, exported and preferred, without any text for a person.

pub mod alert_preference;
pub mod chart;
pub mod csv_export;
pub(super) mod document;
pub mod doorbell;
pub mod lookup;
pub mod pagination;
pub mod phone;
pub mod presence;
pub(super) mod read_limiter;
pub mod settings;
pub mod stranger_reasons;
pub mod strangers;
pub mod time_range;
pub mod time_zones;
pub mod visitor;
pub mod watch_target;
