//! The current state: a fold of the log, `state' = fold(state, event)`.
//!
//! - The fold is pure: no clock, no configuration, no I/O.
//! - All of the state is in memory. Names, watches, alerts and signatures are few; devices are many and packed
//!   (`devices`).
//! - The recorder bounds the number of devices: it appends an [`EventKind::Evict`] when
//!   [`State::choose_eviction`] names devices to forget.
//! - The [`StateStore`] keeps what the next start begins with.
//!
//! Imports run in one direction: `table` and the tables, then `model`, then what works on the whole state
//! (fold, splits, decisions, strangers, eviction, the limit of signatures, snapshots, differences), last the store.

#[cfg(test)]
mod alert_tests;
mod alerts;
mod allowance;
mod chat_settings;
mod chats;
mod clock_set;
mod clock_step;
mod cooldowns;
mod cow_snapshot;
mod cow_tracker;
mod decide;
#[cfg(test)]
mod decide_tests;
mod device;
mod device_infos;
mod device_row;
mod devices;
mod differences;
mod dirty_map;
#[cfg(test)]
mod doorbell_tests;
mod doorbells;
mod eviction;
mod floods;
mod fold;
mod follows;
mod grouping;
mod habits;
mod hour;
mod hour_histogram;
#[cfg(test)]
mod known_device_tests;
mod model;
mod mutes;
mod names;
mod networks;
mod overflow;
mod proposals;
#[cfg(test)]
mod rename_tests;
#[cfg(test)]
mod saved_tests;
mod signature_limit;
mod signatures;
mod snapshot;
mod spill;
mod split;
#[cfg(test)]
mod split_tests;
mod store;
mod strangers;
#[cfg(test)]
mod subscription_tests;
mod subscriptions;
mod table;
mod totals;
mod watches;

pub use alerts::{Alert, Alerts, EndedVisit, MATCHES_PER_ALERT, Presence, WatchMatch};
pub use allowance::{ALERTS_PER_MINUTE, OUTBOX_LIMIT};
pub use chat_settings::{AllChatSettings, ChatSettings, Choice};
pub use chats::{Block, Chats, HANDLED_UPDATES_LIMIT, INVITATION_LIMIT, Invitation, PAIRED_LIMIT, Pairing};
pub use cooldowns::COOLDOWN_LIMIT;
pub use cow_snapshot::{CowSnapshot, CowSnapshotLost};
pub use decide::{AlertPolicy, QuietHours, QuietHoursRule};
pub use device::{Device, SSIDS_PER_ADDRESS, Signal};
pub use device_infos::DEVICE_INFO_LIMIT;
pub use device_row::{DeviceRow, DeviceSummary, SsidQuery};
pub use devices::{DEVICE_SHARDS, DEVICES_MEMORY_LIMIT};
pub use differences::{Difference, Differences};
pub use doorbells::{Doorbell, Doorbells, ShownVisit, VISITOR_LIMIT, VISITOR_SILENCE};
pub use floods::{Flood, FloodMessage, Floods};
pub use follows::{Follow, Follows};
pub use grouping::{
    ADDRESSES_PER_GROUP, GROUP_LIMIT, GROUPED_ADDRESS_LIMIT, Group, Grouping, JoinReason, LeastPhones,
    MODEL_LIMIT, OUT_OF_RANGE, Phones, SeenGroup, least_phones,
};
pub use habits::HABIT_LIMIT;
pub use hour_histogram::HourHistogram;
pub use model::State;
pub use mutes::{Ignored, Mute, Mutes};
pub use names::{AddressName, MAX_NAME_CHARS, NameError, Names, check_name, fold_case};
pub use networks::{NETWORK_LIMIT, Network, Networks};
pub use overflow::{OVERFLOW_DEVICE_LIMIT, OVERFLOW_NETWORK_LIMIT, Overflow};
pub use proposals::{PROPOSAL_LIMIT, PROPOSALS_PER_CHAT, Proposal, Proposals};
pub use snapshot::{DeviceJson, PackedImage, SnapshotError, StateImage};
pub use store::{StateStore, StateStoreError};
pub use strangers::{FULL_LEARNING, Stranger, new_since};
pub use subscriptions::{MEMBERS_LIMIT, Subscription, Subscriptions};
pub use totals::Totals;
pub use watches::{Watch, Watches};

#[cfg(doc)]
use crate::event::EventKind;
