//! Monitor mode for a managed interface through netlink, and channel hopping.
//!
//! [`Monitor::set_up`] adds a monitor interface beside a managed one and takes the managed one down: while any other
//! interface of a radio is up, associated or not, the kernel refuses to change the channel (EBUSY).
//! [`Monitor::tear_down`], or dropping the [`Monitor`], removes the monitor interface and brings the managed one up
//! again. Whatever assigned the managed interface its addresses and its connection has to renew them.
//!
//! - `plan.rs` refuses what would do harm before anything is changed. It is a pure function of the system state that
//!   was read. If a step fails, the steps before it are rolled back.
//! - The monitor interface belongs to a netlink socket that the [`Monitor`] holds open: the kernel removes the
//!   interface when this process ends in any way, including `kill -9`. Only in that case the managed interface stays
//!   down. It carries a mark (its alias), by which the next [`Monitor`] knows that it was up, and brings it up when
//!   it ends. An interface that has an alias already is not marked.
//! - An interface in monitor mode is used as it is and never removed. It is brought up if it is down, and taken down
//!   again at the end. An interface that nl80211 does not know is left alone.
//! - Channels on which sending is restricted (no-IR, radar) are listened to. Nothing here sends.
//!
//! [`adapters`] lists the adapters of the machine and what each can do.
//!
//! `netlink.rs` carries requests and replies for `nl80211.rs` and `rtnetlink.rs`; `host.rs` reads what netlink does
//! not report. Messages are read leniently and only as far as needed. The typed messages of wl-nl80211 would refuse a
//! whole message for one attribute that they cannot parse, and depend on an asynchronous stack.

mod adapter;
mod channel;
mod channel_hopper;
mod error;
mod host;
mod monitor_interface;
mod names;
mod netlink;
mod nl80211;
mod plan;
mod rollback;
mod rtnetlink;
mod settings;
mod system_state;

pub use adapter::{Adapter, AdapterMode, Holder, adapters, daemon_using};
pub use channel::{Band, Channel, InvalidChannel};
pub use channel_hopper::HopCounters;
pub use error::MonitorError;
pub use host::{NetworkDaemon, RfkillBlock};
pub use monitor_interface::Monitor;
pub use rtnetlink::IpVersion;
pub use settings::MonitorSettings;

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests;
