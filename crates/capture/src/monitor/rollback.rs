//! Remembers what was changed about interfaces and undoes it.

use rustix::io::Errno;
use tracing::warn;

use super::error::MonitorError;
use super::names::DOWN_ALIAS;
use super::netlink::NetlinkError;
use super::nl80211::Nl80211;
use super::rtnetlink::Rtnetlink;

/// A step that undoes a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Remove an interface that was added.
    Remove { index: u32, interface: String },
    /// Bring an interface up or take it down.
    SetUp { index: u32, interface: String, up: bool },
    /// Bring up a marked interface and remove its mark. If it cannot be brought up, for example while its radio is
    /// switched off, the mark stays for the next time.
    BringUpMarked { index: u32, interface: String },
}

/// The sockets through which changes are made, and the steps that undo them; dropping it runs the steps.
pub(super) struct Rollback {
    pub nl80211: Nl80211,
    rtnetlink: Rtnetlink,
    steps: Vec<Step>,
}

impl Rollback {
    pub fn new(nl80211: Nl80211, rtnetlink: Rtnetlink) -> Self {
        Self { nl80211, rtnetlink, steps: Vec::new() }
    }

    /// Remembers how to undo a change that was made.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Brings up an interface that is down, or takes down one that is up.
    pub fn set_up(&mut self, index: u32, interface: &str, up: bool) -> Result<(), MonitorError> {
        let doing = set_up_phrase(up);
        self.rtnetlink.set_up(index, up).map_err(|error| MonitorError::new(doing, interface, &error))?;
        self.push(Step::SetUp { index, interface: interface.to_owned(), up: !up });
        Ok(())
    }

    /// Marks an interface that is up, then takes it down. If the process is killed in between, the mark is on an
    /// interface that is up, where it means nothing.
    pub fn mark_and_take_down(&mut self, index: u32, interface: &str) -> Result<(), MonitorError> {
        let failed = |error| MonitorError::new(set_up_phrase(false), interface, &error);
        self.rtnetlink.set_alias(index, DOWN_ALIAS).map_err(failed)?;
        self.push(Step::BringUpMarked { index, interface: interface.to_owned() });
        self.rtnetlink.set_up(index, false).map_err(failed)
    }

    /// Runs all steps, that of the last change first; returns the first failure.
    pub fn run(&mut self) -> Result<(), MonitorError> {
        let mut outcome = Ok(());
        while let Some(step) = self.steps.pop() {
            outcome = outcome.and(self.run_step(step));
        }
        outcome
    }

    fn run_step(&mut self, step: Step) -> Result<(), MonitorError> {
        let (done, doing, interface) = match step {
            Step::Remove { index, interface } => (self.nl80211.del_interface(index), "remove", interface),
            Step::SetUp { index, interface, up } => {
                (self.rtnetlink.set_up(index, up), set_up_phrase(up), interface)
            }
            Step::BringUpMarked { index, interface } => {
                let brought_up =
                    self.rtnetlink.set_up(index, true).and_then(|()| self.rtnetlink.set_alias(index, ""));
                (brought_up, set_up_phrase(true), interface)
            }
        };
        match done {
            Err(error) if !is_gone(&error) => Err(MonitorError::new(doing, &interface, &error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if let Err(error) = self.run() {
            warn!(%error, remedy = error.remedy().as_deref(), "could not undo monitor mode");
        }
    }
}

fn set_up_phrase(up: bool) -> &'static str {
    if up { "bring up" } else { "take down" }
}

/// Whether the interface no longer exists, so that nothing is left to undo.
fn is_gone(error: &NetlinkError) -> bool {
    error.errno() == Some(Errno::NODEV)
}
