//! Monitor mode for a managed interface, through netlink, and hopping from channel to channel.
//!
//! [`Monitor::set_up`] adds a monitor interface beside a managed one and takes the managed one down:
//! while any other interface of a radio is up, associated or not, the kernel refuses to change the
//! channel (EBUSY). [`Monitor::tear_down`], or dropping it, removes the monitor interface and brings the
//! managed one up again. Its addresses and its connection are for whoever gave it those to renew.
//!
//! - What would harm is refused before anything is changed, by `plan.rs`, a pure function over what was
//!   seen. A step that fails undoes those before it.
//! - The monitor interface belongs to a netlink socket that the [`Monitor`] holds open: the kernel
//!   removes the interface when this process ends in any way, also by `kill -9`. Then, and only then,
//!   the managed interface stays down; it bears a mark (its alias), by which the next [`Monitor`] knows
//!   that it was up, and brings it up at its own end. One that bears an alias already is not marked.
//! - An interface in monitor mode is used as it is and never removed; it is only brought up if it is
//!   down, and taken down at the end. One that is not nl80211's is none of this module's business.
//! - Channels on which sending is restricted (no-IR, radar) are listened to. Nothing here sends.
//!
//! `netlink.rs` carries requests and answers for `nl80211.rs` and `route.rs`; `machine.rs` reads what
//! netlink does not say. The messages are read leniently and only as far as needed, hence not through
//! the typed messages of wl-nl80211, which refuse a whole message for one attribute that they cannot
//! read, and would bring an asynchronous stack along.

mod channel;
mod channel_hopper;
mod error;
mod host;
mod netlink;
mod nl80211;
mod plan;
mod rollback;
mod rtnetlink;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use channel::{Band, Channel, InvalidChannel};
pub use channel_hopper::HopCounters;
pub use error::MonitorError;
pub use host::NetworkDaemon;
pub use rtnetlink::IpVersion;

use channel_hopper::Round;
use host::Host;
use netlink::RequestError;
use nl80211::{Interface, InterfaceType, Nl80211};
use plan::{Managed, NAME_PREFIX, Plan, Seen, plan, siblings};
use rollback::{Step, Undo};
use rtnetlink::{Link, Links};

/// How long the kernel may take to remove the monitor interface of a process that has just ended.
const REMOVAL: Duration = Duration::from_secs(2);

/// How an interface is listened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The channels to hop over, in this order; empty: all that the hardware has in the bands, and may use.
    pub channels: Vec<Channel>,
    /// Which bands' channels are taken where no channels are given.
    pub bands: BTreeSet<Band>,
    /// How long each channel is listened to; less than 10 ms counts as 10 ms.
    pub dwell: Duration,
    /// Take the interface even if it is the machine's only way to the internet.
    pub force: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            bands: BTreeSet::from(Band::ALL),
            dwell: Duration::from_millis(250),
            force: false,
        }
    }
}

/// An interface in monitor mode, for as long as this value lives.
pub struct Monitor {
    interface: String,
    index: u32,
    /// The name of its radio.
    wiphy: String,
    channels: Vec<Channel>,
    dwell: Duration,
    counters: Arc<HopCounters>,
    hopping: Option<Hopping>,
    undo: Undo,
}

struct Hopping {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Puts an interface into monitor mode, or returns `None` for one that is not nl80211's, as a TAP
    /// device, which is left alone.
    ///
    /// # Errors
    ///
    /// Where there is no such interface, it cannot or may not be used so, or it is the machine's only
    /// way to the internet and `force` is not set. The machine is then as it was before.
    pub fn set_up(interface: &str, settings: &Settings) -> Result<Option<Self>, MonitorError> {
        let Some(Prospect { seen, plan, nl80211, links, machine }) = Prospect::look(interface, settings)?
        else {
            return Ok(None);
        };
        let monitor = Self::carry_out(plan, &seen, settings.dwell, Undo::new(nl80211, links));
        monitor.map(Some).map_err(|error| error.or_blocked(interface, machine.block(&seen.wiphy.name)))
    }

    /// Whether [`Monitor::set_up`] would change anything about an interface, as far as can be seen without
    /// changing it; rights are not looked at.
    ///
    /// # Errors
    ///
    /// Where it would refuse.
    pub fn would_change(interface: &str, settings: &Settings) -> Result<bool, MonitorError> {
        let prospect = Prospect::look(interface, settings)?;
        Ok(prospect.is_some_and(|prospect| prospect.plan.changes_anything()))
    }

    /// Does what was planned. What was done before a failure is undone by dropping `undo`.
    fn carry_out(plan: Plan, seen: &Seen, dwell: Duration, mut undo: Undo) -> Result<Self, MonitorError> {
        let Interface { index, name: interface, .. } = seen.interface.clone();
        let (index, interface, channels) = match plan {
            Plan::UseAsIs { bring_up, channels } => {
                if bring_up {
                    undo.set_up(index, &interface, true)?;
                }
                (index, interface, channels)
            }
            Plan::AddBeside { name, managed, channels } => {
                // First of all, since it needs every right that the rest needs.
                let monitor = undo.nl80211.new_monitor(seen.interface.wiphy, &name);
                let monitor = monitor.map_err(|error| {
                    MonitorError::new("add a monitor interface beside", &interface, &error)
                })?;
                undo.push(Step::Remove { index: monitor.index, interface: monitor.name.clone() });
                match managed {
                    Managed::Up { can_be_marked: true } => undo.take_down_marked(index, &interface)?,
                    Managed::Up { can_be_marked: false } => undo.set_up(index, &interface, false)?,
                    Managed::LeftDown => undo.push(Step::BringBack { index, interface }),
                    Managed::Down => {}
                }
                undo.set_up(monitor.index, &monitor.name, true)?;
                // What keeps the channel from changing is better told now than while hopping.
                let tuned = channels.iter().map(|channel| undo.nl80211.set_channel(monitor.index, *channel));
                first_success(tuned).map_err(|error| MonitorError::new(TUNE, &monitor.name, &error))?;
                (monitor.index, monitor.name, channels)
            }
        };
        let (wiphy, counters) = (seen.wiphy.name.clone(), Arc::default());
        Ok(Self { interface, index, wiphy, channels, dwell, counters, hopping: None, undo })
    }

    /// The interface to capture on.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The channels that are hopped over.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// What hopping came to, to be read while it runs.
    pub fn hop_counters(&self) -> Arc<HopCounters> {
        Arc::clone(&self.counters)
    }

    /// Begins to hop, on a thread of its own, which ends with this value. `tell` hears it when none of
    /// the channels can be tuned to, once until one can be again; listening goes on meanwhile on the
    /// channel where the radio is. It hears [`MonitorError::Gone`] last of all.
    ///
    /// # Errors
    ///
    /// Where the system gives no socket or no thread.
    pub fn start_hopping(
        &mut self,
        mut tell: impl FnMut(&MonitorError) + Send + 'static,
    ) -> Result<(), MonitorError> {
        self.stop_hopping();
        let interface = self.interface.clone();
        let failed = |error| MonitorError::new(TUNE, &interface, &error);
        let Some(mut nl80211) = Nl80211::open().map_err(failed)? else {
            return Err(MonitorError::Gone { interface, doing: TUNE });
        };
        let round = Round { channels: self.channels.clone(), dwell: self.dwell };
        let (counters, index) = (Arc::clone(&self.counters), self.index);
        let (stop, stopped) = mpsc::channel();
        let hop = {
            let (interface, wiphy) = (interface.clone(), self.wiphy.clone());
            move || {
                let tune = |channel| nl80211.set_channel(index, channel);
                let tell = |error: &RequestError| {
                    let block = Host::default().block(&wiphy);
                    tell(&MonitorError::new(TUNE, &interface, error).or_blocked(&interface, block));
                };
                round.run(&stopped, &counters, tune, tell);
            }
        };
        let thread = thread::Builder::new().name("channel-hopper".to_owned()).spawn(hop);
        let thread = thread.map_err(|error| MonitorError::Thread { interface, error })?;
        self.hopping = Some(Hopping { stop, thread });
        Ok(())
    }

    /// Ends hopping, if it was begun, and waits for its end; the radio stays on its channel.
    pub fn stop_hopping(&mut self) {
        if let Some(Hopping { stop, thread }) = self.hopping.take() {
            drop(stop);
            // A panic has been told by its thread.
            let _ = thread.join();
        }
    }

    /// Removes what was added and brings back what was taken down.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses a step; the others have been done.
    pub fn tear_down(mut self) -> Result<(), MonitorError> {
        self.stop_hopping();
        self.undo.undo()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop_hopping();
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor")
            .field("interface", &self.interface)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

/// What is to be done with an interface, and what it was decided over.
struct Prospect {
    seen: Seen,
    plan: Plan,
    nl80211: Nl80211,
    links: Links,
    machine: Host,
}

impl Prospect {
    /// Looks at an interface and decides; `None` for one that is not nl80211's.
    fn look(interface: &str, settings: &Settings) -> Result<Option<Self>, MonitorError> {
        let failed = |error| MonitorError::new("learn about", interface, &error);
        let mut links = Links::open().map_err(failed)?;
        let link = find_link(interface, &links.list().map_err(failed)?)?;
        let Some(mut nl80211) = Nl80211::open().map_err(failed)? else { return Ok(None) };
        let machine = Host::default();
        let Some(seen) = see(&link, &mut nl80211, &mut links, &machine).map_err(failed)? else {
            return Ok(None);
        };
        let plan = plan(&seen, settings)?;
        Ok(Some(Self { seen, plan, nl80211, links, machine }))
    }
}

const TUNE: &str = "change the channel of";

fn find_link(interface: &str, links: &[Link]) -> Result<Link, MonitorError> {
    let link = links.iter().find(|link| link.name == interface).cloned();
    link.ok_or_else(|| MonitorError::NoSuchInterface { interface: interface.to_owned() })
}

/// Looks at an interface; `None` for one that is not nl80211's.
fn see(
    link: &Link,
    nl80211: &mut Nl80211,
    links: &mut Links,
    machine: &Host,
) -> Result<Option<Seen>, RequestError> {
    let deadline = Instant::now() + REMOVAL;
    let (interface, interfaces) = loop {
        let interfaces = nl80211.interfaces()?;
        let Some(interface) = interfaces.iter().find(|known| known.index == link.index).cloned() else {
            return Ok(None);
        };
        if Instant::now() >= deadline || !has_monitor_of_ours(&interface, &interfaces) {
            break (interface, interfaces);
        }
        // The process before this one ended a moment ago, and the kernel tidies up after it.
        thread::sleep(Duration::from_millis(20));
    };
    let wiphy = nl80211.wiphy(interface.wiphy)?;
    let block = machine.block(&wiphy.name);
    let daemon = machine.daemon(&interface.name, interface.index);
    let (links, routes) = (links.list()?, links.default_routes()?);
    Ok(Some(Seen { interface, interfaces, wiphy, links, routes, block, daemon }))
}

/// Whether the radio of a managed interface has a monitor interface that a probewatch made.
fn has_monitor_of_ours(interface: &Interface, interfaces: &[Interface]) -> bool {
    let is_ours =
        |other: &Interface| other.kind == InterfaceType::Monitor && other.name.starts_with(NAME_PREFIX);
    interface.kind == InterfaceType::Managed && siblings(interface, interfaces).any(is_ours)
}

/// The first success, or the last failure. Nothing to try is a success.
fn first_success<E>(attempts: impl Iterator<Item = Result<(), E>>) -> Result<(), E> {
    let mut outcome = Ok(());
    for attempt in attempts {
        outcome = attempt;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(all(test, target_endian = "little"))]
mod tests;
