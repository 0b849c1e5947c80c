//! A copy of the state at one moment, made part by part while the state goes on.
//!
//! What must hold:
//! - The copy is of the moment at which it was begun, whatever is folded in before it is whole.
//! - The state is held for the small tables at once and then for one part of the devices at a time: for
//!   milliseconds, however many there are.
//! - Whoever changes the row of a device whose part is not copied yet has the cut keep the row as it was. A
//!   cut that is dropped keeps nothing more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::devices::SHARDS;
use super::{State, StateImage};
use crate::event::Offset;
use dot11::MacAddr;

/// Another state has taken the place of the one that was being copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state was made anew while it was copied")]
pub struct CowSnapshotLost;

/// A copy that is being made.
#[derive(Debug)]
pub struct CowSnapshot {
    image: StateImage,
    before: Arc<Mutex<Before>>,
}

/// What the rows were of parts that are not copied yet.
#[derive(Debug)]
struct Before {
    next_part: usize,
    /// For each part, the rows that changed since; `None` for one that was not there.
    rows: Vec<HashMap<MacAddr, Option<Box<[u8]>>>>,
}

/// The cut that is being made of some devices, if one is. A copy of them is in no cut.
#[derive(Debug, Default)]
pub(super) struct CowTracker(Weak<Mutex<Before>>);

impl Clone for CowTracker {
    fn clone(&self) -> Self {
        Self::default()
    }
}

fn lock(before: &Mutex<Before>) -> MutexGuard<'_, Before> {
    before.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CowTracker {
    /// Has the cut keep this row of the part, which is about to change.
    pub(super) fn keep(&self, part: usize, address: MacAddr, row: Option<&[u8]>) {
        let Some(before) = self.0.upgrade() else { return };
        let mut before = lock(&before);
        if part >= before.next_part
            && let Some(rows) = before.rows.get_mut(part)
        {
            rows.entry(address).or_insert_with(|| row.map(Box::from));
        }
    }
}

impl State {
    /// Begins to copy the state as it is now. `None` while another copy is being made, or an
    /// [`EventKind::Evict`](crate::event::EventKind::Evict) is half carried out.
    pub fn begin_cow_snapshot(&mut self) -> Option<CowSnapshot> {
        if !self.is_swept() || self.devices.cut().0.strong_count() > 0 {
            return None;
        }
        let before = Before { next_part: 0, rows: (0..SHARDS).map(|_| HashMap::new()).collect() };
        let before = Arc::new(Mutex::new(before));
        *self.devices.cut_mut() = CowTracker(Arc::downgrade(&before));
        Some(CowSnapshot { image: self.image_without_devices(), before })
    }
}

impl CowSnapshot {
    /// Whether all is copied.
    pub fn is_complete(&self) -> bool {
        lock(&self.before).next_part >= SHARDS
    }

    /// Copies the next part of the devices from `state`, in which the cut was begun.
    ///
    /// # Errors
    /// [`CowSnapshotLost`].
    pub fn copy_shard(&mut self, state: &State) -> Result<(), CowSnapshotLost> {
        if !Weak::ptr_eq(&Arc::downgrade(&self.before), &state.devices.cut().0) {
            return Err(CowSnapshotLost);
        }
        let mut before = lock(&self.before);
        let part = before.next_part;
        let mut kept = before.rows.get_mut(part).map(std::mem::take).unwrap_or_default();
        for (address, row) in state.devices.packed_rows(part) {
            match kept.remove(&address) {
                None => self.image.push_device(address, row),
                Some(Some(row)) => self.image.push_device(address, &row),
                Some(None) => {}
            }
        }
        // Those that left the state.
        for (address, row) in kept {
            row.iter().for_each(|row| self.image.push_device(address, row));
        }
        before.next_part += 1;
        Ok(())
    }

    /// The offset of the first event that is not in it.
    pub fn next_offset(&self) -> Offset {
        self.image.next_offset()
    }

    /// The copy, once [`CowSnapshot::is_complete`].
    pub fn into_image(self) -> StateImage {
        self.image
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Event, EventKind, EvictionScope, Probe, Timestamp};
    use dot11::RequestedSsid;

    /// Devices of eight parts.
    fn heard(number: u8, second: i64) -> Event {
        let source = MacAddr::new([2, 0, 0, 0, number / 8, number % 8 * 32]);
        Event::from(Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000))
    }

    fn fold(state: &mut State, event: &Event) {
        state.fold(state.next_offset(), event);
        while state.sweep() {}
    }

    proptest! {
        #[test]
        fn it_is_of_the_moment_at_which_it_was_begun(
            before in prop::collection::vec((0..64_u8, 0..50_i64), 0..60),
            meanwhile in prop::collection::vec((0..SHARDS, 0..64_u8, 50..99_i64, any::<bool>()), 0..60),
        ) {
            let mut state = State::default();
            before.iter().for_each(|(number, second)| fold(&mut state, &heard(*number, *second)));
            let expected = state.clone();
            let mut cut = state.begin_cow_snapshot().unwrap();
            prop_assert!(state.begin_cow_snapshot().is_none(), "one at a time");
            for part in 0..SHARDS {
                prop_assert!(!cut.is_complete());
                for (_, number, second, forget) in meanwhile.iter().filter(|(at, ..)| *at == part) {
                    let last_seen_before = Timestamp::from_micros(second / 2 * 1_000_000);
                    let (time, addresses) = (last_seen_before, EvictionScope::Random);
                    match forget {
                        true => fold(&mut state, &Event::new(time, EventKind::Evict { addresses, last_seen_before })),
                        false => fold(&mut state, &heard(*number, *second)),
                    }
                }
                cut.copy_shard(&state).unwrap();
            }
            prop_assert!(cut.is_complete());
            prop_assert_eq!(expected.differences_from(&cut.into_image(), 9), Default::default());
            prop_assert!(state.begin_cow_snapshot().is_some());
        }
    }

    #[test]
    fn of_another_state_nothing_is_copied() {
        let mut state = State::default();
        let mut cut = state.begin_cow_snapshot().unwrap();
        assert_eq!(cut.copy_shard(&state.clone()), Err(CowSnapshotLost));
        assert_eq!(cut.copy_shard(&State::default()), Err(CowSnapshotLost));
        cut.copy_shard(&state).unwrap();
    }
}
