//! Puts an interface into monitor mode and hops over its channels. Dropping [`Monitor`] undoes every change.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::channel::Channel;
use super::channel_hopper::{CHECK_INTERVAL, ChannelHopper, HopCounters, RETRY_INTERVAL};
use super::error::MonitorError;
use super::host::Host;
use super::netlink::NetlinkError;
use super::nl80211::Nl80211;
use super::plan::{ManagedState, Plan, plan};
use super::rollback::{Rollback, Step};
use super::rtnetlink::{Link, Rtnetlink};
use super::settings::MonitorSettings;
use super::system_state::SystemState;

/// What changing the channel is called in errors, after "cannot".
pub(super) const TUNE: &str = "change the channel of";

/// An interface in monitor mode, for as long as this value lives.
pub struct Monitor {
    interface: String,
    index: u32,
    /// The name of its radio.
    wiphy: String,
    channels: Vec<Channel>,
    dwell: Duration,
    counters: Arc<HopCounters>,
    hopper: Option<HopperThread>,
    rollback: Rollback,
}

struct HopperThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Puts an interface into monitor mode. Returns `None` for an interface that nl80211 does not know, such as a TAP
    /// device, and leaves it alone.
    ///
    /// # Errors
    ///
    /// If there is no such interface, it cannot or may not be used so, or it is the machine's only way to the
    /// internet and `force` is not set. The machine is then as it was before.
    pub fn set_up(interface: &str, settings: &MonitorSettings) -> Result<Option<Self>, MonitorError> {
        let Some(Preparation { state, plan, nl80211, rtnetlink, host }) =
            Preparation::new(interface, settings)?
        else {
            return Ok(None);
        };
        let monitor = Self::carry_out(plan, &state, settings.dwell, Rollback::new(nl80211, rtnetlink));
        monitor
            .map(Some)
            .map_err(|error| error.with_rfkill_block(interface, host.rfkill_block(&state.wiphy.name)))
    }

    /// Whether [`Monitor::set_up`] would change anything about an interface, as far as can be determined without
    /// changing it. The rights of the process are not checked.
    ///
    /// # Errors
    ///
    /// If [`Monitor::set_up`] would refuse.
    pub fn would_change(interface: &str, settings: &MonitorSettings) -> Result<bool, MonitorError> {
        let preparation = Preparation::new(interface, settings)?;
        Ok(preparation.is_some_and(|preparation| preparation.plan.changes_anything()))
    }

    /// Carries out the plan. After a failure, dropping `rollback` undoes what was done before it.
    fn carry_out(
        plan: Plan,
        state: &SystemState,
        dwell: Duration,
        mut rollback: Rollback,
    ) -> Result<Self, MonitorError> {
        let (managed_index, managed_name) = (state.interface.index, state.interface.name.clone());
        let (index, interface, channels) = match plan {
            Plan::UseAsIs { bring_up, channels } => {
                if bring_up {
                    rollback.set_up(managed_index, &managed_name, true)?;
                }
                (managed_index, managed_name, channels)
            }
            Plan::AddMonitor { name, managed, channels } => {
                // Adding comes first, because it needs every right that the other steps need.
                let monitor = rollback.nl80211.new_monitor(state.interface.wiphy, &name);
                let monitor = monitor.map_err(|error| {
                    MonitorError::new("add a monitor interface beside", &managed_name, &error)
                })?;
                rollback.push(Step::Remove { index: monitor.index, interface: monitor.name.clone() });
                match managed {
                    ManagedState::Up { can_be_marked: true } => {
                        rollback.mark_and_take_down(managed_index, &managed_name)?;
                    }
                    ManagedState::Up { can_be_marked: false } => {
                        rollback.set_up(managed_index, &managed_name, false)?;
                    }
                    ManagedState::LeftDown => {
                        rollback.push(Step::BringUpMarked { index: managed_index, interface: managed_name });
                    }
                    ManagedState::Down => {}
                }
                rollback.set_up(monitor.index, &monitor.name, true)?;
                // An obstacle to changing the channel is better reported now than while hopping.
                let attempts =
                    channels.iter().map(|channel| rollback.nl80211.set_channel(monitor.index, *channel));
                first_success(attempts).map_err(|error| MonitorError::new(TUNE, &monitor.name, &error))?;
                (monitor.index, monitor.name, channels)
            }
        };
        let (wiphy, counters) = (state.wiphy.name.clone(), Arc::default());
        Ok(Self { interface, index, wiphy, channels, dwell, counters, hopper: None, rollback })
    }

    /// The interface to capture on.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The channels to hop over.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The counters of channel changes, to be read while hopping goes on.
    pub fn hop_counters(&self) -> Arc<HopCounters> {
        Arc::clone(&self.counters)
    }

    /// Starts hopping on a thread of its own, which ends with this value. `on_change` is called with an error when no
    /// channel can be tuned to, and not again before one can be, which it is told, too; meanwhile the radio stays on
    /// its channel. It receives [`MonitorError::Gone`] last of all.
    ///
    /// # Errors
    ///
    /// If the system grants no socket or no thread.
    pub fn start_hopping(
        &mut self,
        mut on_change: impl FnMut(Result<(), &MonitorError>) + Send + 'static,
    ) -> Result<(), MonitorError> {
        self.stop_hopping();
        let interface = self.interface.clone();
        let failed = |error| MonitorError::new(TUNE, &interface, &error);
        let Some(mut nl80211) = Nl80211::open().map_err(failed)? else {
            return Err(MonitorError::Gone { interface, doing: TUNE });
        };
        let (channels, dwell) = (self.channels.clone(), self.dwell);
        let (retry_interval, check_interval) = (RETRY_INTERVAL, CHECK_INTERVAL);
        let hopper = ChannelHopper { channels, dwell, retry_interval, check_interval };
        let (counters, index) = (Arc::clone(&self.counters), self.index);
        let (stop, stopped) = mpsc::channel();
        let hop = {
            let (interface, wiphy) = (interface.clone(), self.wiphy.clone());
            move || {
                let tune = |channel| nl80211.set_channel(index, channel);
                let on_change = |change: Result<(), &NetlinkError>| {
                    let Err(error) = change else { return on_change(Ok(())) };
                    let block = Host::default().rfkill_block(&wiphy);
                    let error =
                        MonitorError::new(TUNE, &interface, error).with_rfkill_block(&interface, block);
                    on_change(Err(&error));
                };
                hopper.run(&stopped, &counters, tune, on_change);
            }
        };
        let thread = thread::Builder::new().name("channel-hopper".to_owned()).spawn(hop);
        let thread = thread.map_err(|error| MonitorError::Thread { interface, error })?;
        self.hopper = Some(HopperThread { stop, thread });
        Ok(())
    }

    /// Stops hopping, if it was started, and waits for its end; the radio stays on its channel.
    pub fn stop_hopping(&mut self) {
        if let Some(HopperThread { stop, thread }) = self.hopper.take() {
            drop(stop);
            // The thread has reported a panic itself.
            let _ = thread.join();
        }
    }

    /// Removes what was added and brings up what was taken down.
    ///
    /// # Errors
    ///
    /// If the kernel refuses a step; the other steps are done nevertheless.
    pub fn tear_down(mut self) -> Result<(), MonitorError> {
        self.stop_hopping();
        self.rollback.run()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop_hopping();
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("interface", &self.interface)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

/// The plan for an interface, the state it is based on, and what carries it out.
struct Preparation {
    state: SystemState,
    plan: Plan,
    nl80211: Nl80211,
    rtnetlink: Rtnetlink,
    host: Host,
}

impl Preparation {
    /// Reads the system state and decides; `None` for an interface that nl80211 does not know.
    fn new(interface: &str, settings: &MonitorSettings) -> Result<Option<Self>, MonitorError> {
        let failed = |error| MonitorError::new("learn about", interface, &error);
        let mut rtnetlink = Rtnetlink::open().map_err(failed)?;
        let link = find_link(interface, &rtnetlink.links().map_err(failed)?)?;
        let Some(mut nl80211) = Nl80211::open().map_err(failed)? else { return Ok(None) };
        let host = Host::default();
        let state = SystemState::read(&link, &mut nl80211, &mut rtnetlink, &host).map_err(failed)?;
        let Some(state) = state else { return Ok(None) };
        let plan = plan(&state, settings)?;
        Ok(Some(Self { state, plan, nl80211, rtnetlink, host }))
    }
}

fn find_link(interface: &str, links: &[Link]) -> Result<Link, MonitorError> {
    let link = links.iter().find(|link| link.name == interface).cloned();
    link.ok_or_else(|| MonitorError::NoSuchInterface { interface: interface.to_owned() })
}

/// The first success, or the last failure. No attempt is a success.
pub(super) fn first_success<E>(attempts: impl Iterator<Item = Result<(), E>>) -> Result<(), E> {
    let mut outcome = Ok(());
    for attempt in attempts {
        outcome = attempt;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}
