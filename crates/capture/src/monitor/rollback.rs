//! What was changed about interfaces, and how it is undone.

use rustix::io::Errno;
use tracing::warn;

use super::error::MonitorError;
use super::netlink::RequestError;
use super::nl80211::Nl80211;
use super::plan::MARK;
use super::rtnetlink::Links;

/// What brings back the state before a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Remove an interface that was added.
    Remove { index: u32, interface: String },
    /// Bring an interface up or take it down.
    SetUp { index: u32, interface: String, up: bool },
    /// Bring up an interface that is marked, and take its mark away. Where it cannot be brought up, as
    /// while its radio is switched off, the mark stays for the next time.
    BringBack { index: u32, interface: String },
}

/// The sockets that changes go through, and the steps that undo them; dropping it takes those steps.
pub(super) struct Undo {
    pub nl80211: Nl80211,
    links: Links,
    steps: Vec<Step>,
}

impl Undo {
    pub fn new(nl80211: Nl80211, links: Links) -> Self {
        Self { nl80211, links, steps: Vec::new() }
    }

    /// Remembers how to undo a change that was made.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Brings an interface that is down up, or the other way round.
    pub fn set_up(&mut self, index: u32, interface: &str, up: bool) -> Result<(), MonitorError> {
        let doing = set_up_words(up);
        self.links.set_up(index, up).map_err(|error| MonitorError::new(doing, interface, &error))?;
        self.push(Step::SetUp { index, interface: interface.to_owned(), up: !up });
        Ok(())
    }

    /// Takes an interface down that is up, and marks it first: killed in between, an interface that is up
    /// bears a mark, which means nothing.
    pub fn take_down_marked(&mut self, index: u32, interface: &str) -> Result<(), MonitorError> {
        let failed = |error| MonitorError::new(set_up_words(false), interface, &error);
        self.links.set_alias(index, MARK).map_err(failed)?;
        self.push(Step::BringBack { index, interface: interface.to_owned() });
        self.links.set_up(index, false).map_err(failed)
    }

    /// Takes the steps, the last change first, and all of them; returns the first failure.
    pub fn undo(&mut self) -> Result<(), MonitorError> {
        let mut outcome = Ok(());
        while let Some(step) = self.steps.pop() {
            outcome = outcome.and(self.take(step));
        }
        outcome
    }

    fn take(&mut self, step: Step) -> Result<(), MonitorError> {
        let (done, doing, interface) = match step {
            Step::Remove { index, interface } => (self.nl80211.del_interface(index), "remove", interface),
            Step::SetUp { index, interface, up } => {
                (self.links.set_up(index, up), set_up_words(up), interface)
            }
            Step::BringBack { index, interface } => {
                let back = self.links.set_up(index, true).and_then(|()| self.links.set_alias(index, ""));
                (back, set_up_words(true), interface)
            }
        };
        match done {
            Err(error) if !is_gone(&error) => Err(MonitorError::new(doing, &interface, &error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            warn!(%error, remedy = error.remedy().as_deref(), "could not undo monitor mode");
        }
    }
}

fn set_up_words(up: bool) -> &'static str {
    if up { "bring up" } else { "take down" }
}

/// What is gone, with its adapter or by another hand, needs nothing undone.
fn is_gone(error: &RequestError) -> bool {
    error.errno() == Some(Errno::NODEV)
}
