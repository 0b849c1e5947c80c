//! A copy of the state at one moment, taken shard by shard while the state goes on.
//!
//! Invariants:
//! - The copy shows the moment at which it was begun, whatever is folded in before it is complete.
//! - The state is locked once for the small tables, then for one shard of devices at a time: for milliseconds,
//!   however many devices there are.
//! - A change to a device whose shard is not copied yet first hands the old row to the [`cow_tracker`](super::cow_tracker).
//!   After a snapshot is dropped, no more old rows are kept.

use std::io::{self, Write};
use std::ops::Deref;

use super::cow_tracker::BeforeImages;
use super::devices::DEVICE_SHARDS;
use super::model::State;
use super::snapshot::{StateImage, write_packed_end};
use crate::event::Offset;

/// Another state has replaced the one that was being copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state was rebuilt while it was copied")]
pub struct CowSnapshotLost;

/// A copy of the state that is being taken.
#[derive(Debug)]
pub struct CowSnapshot {
    image: StateImage,
    before: BeforeImages,
}

impl State {
    /// Begins to copy the state as it is now. `None` while another copy is being taken, or an
    /// [`EventKind::Evict`](crate::event::EventKind::Evict) is half carried out.
    pub fn begin_cow_snapshot(&mut self) -> Option<CowSnapshot> {
        if self.is_evicting() {
            return None;
        }
        let before = self.devices.cow_mut().begin(DEVICE_SHARDS)?;
        Some(CowSnapshot { image: self.image_without_devices(), before })
    }
}

impl CowSnapshot {
    /// Whether all shards are copied.
    pub fn is_complete(&self) -> bool {
        self.before.next_shard() >= DEVICE_SHARDS
    }

    /// Copies the next shard of devices from `state`, in which the snapshot was begun.
    ///
    /// # Errors
    /// [`CowSnapshotLost`] if `state` is another one.
    pub fn copy_shard(&mut self, state: &State) -> Result<(), CowSnapshotLost> {
        if !self.before.is_for_snapshot(state.devices.cow()) {
            return Err(CowSnapshotLost);
        }
        let shard = self.before.next_shard();
        let mut old_rows = self.before.take_shard();
        for (address, row) in state.devices.packed_rows(shard) {
            match old_rows.remove(&address) {
                None => self.image.push_device(address, row),
                Some(Some(old)) => self.image.push_device(address, &old),
                Some(None) => {}
            }
        }
        // Rows that have left the state since.
        for (address, row) in old_rows {
            row.iter().for_each(|row| self.image.push_device(address, row));
        }
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

    /// Copies all shards from the state that `state` locks, and writes them as a [`PackedImage`](super::PackedImage)
    /// while it is not locked. Only one shard is in memory at a time.
    ///
    /// # Errors
    /// Those of `out`, or [`CowSnapshotLost`] if the state is another one.
    pub fn write_to<S: Deref<Target = State>>(
        mut self,
        state: impl Fn() -> S,
        out: &mut dyn Write,
    ) -> io::Result<Result<(), CowSnapshotLost>> {
        self.image.write_packed_head(out)?;
        loop {
            self.image.drain_packed_rows(out)?;
            if self.is_complete() {
                return write_packed_end(out).map(Ok);
            }
            let copied = self.copy_shard(&state());
            if copied.is_err() {
                return Ok(copied);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Event, EventKind, EvictionScope, Probe, Timestamp};
    use crate::state::PackedImage;
    use dot11::{MacAddr, RequestedSsid};

    /// Devices of eight shards.
    fn probe(number: u8, second: i64) -> Event {
        let source = MacAddr::new([2, 0, 0, 0, number / 8, number % 8 * 32]);
        Event::from(Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000))
    }

    fn fold(state: &mut State, event: &Event) {
        state.fold(state.next_offset(), event);
        while state.continue_eviction() {}
    }

    proptest! {
        #[test]
        fn shows_the_state_at_its_start(
            before in prop::collection::vec((0..64_u8, 0..50_i64), 0..60),
            meanwhile in prop::collection::vec((0..DEVICE_SHARDS, 0..64_u8, 50..99_i64, any::<bool>()), 0..60),
        ) {
            let mut state = State::default();
            before.iter().for_each(|(number, second)| fold(&mut state, &probe(*number, *second)));
            let expected = state.clone();
            let mut snapshot = state.begin_cow_snapshot().unwrap();
            prop_assert!(state.begin_cow_snapshot().is_none(), "one at a time");
            for shard in 0..DEVICE_SHARDS {
                prop_assert!(!snapshot.is_complete());
                for (_, number, second, forget) in meanwhile.iter().filter(|(at, ..)| *at == shard) {
                    let last_seen_before = Timestamp::from_micros(second / 2 * 1_000_000);
                    let (time, addresses) = (last_seen_before, EvictionScope::Random);
                    match forget {
                        true => fold(&mut state, &Event::new(time, EventKind::Evict { addresses, last_seen_before })),
                        false => fold(&mut state, &probe(*number, *second)),
                    }
                }
                snapshot.copy_shard(&state).unwrap();
            }
            prop_assert!(snapshot.is_complete());
            let mut packed = Vec::new();
            snapshot.write_to(|| &state, &mut packed).unwrap().unwrap();
            let image = PackedImage::open(&*packed).unwrap();
            prop_assert_eq!(expected.differences_from(image, 9).unwrap(), Default::default());
            prop_assert!(state.begin_cow_snapshot().is_some());
        }
    }

    #[test]
    fn copies_nothing_of_another_state() {
        let mut state = State::default();
        let mut snapshot = state.begin_cow_snapshot().unwrap();
        assert_eq!(snapshot.copy_shard(&state.clone()), Err(CowSnapshotLost));
        assert_eq!(snapshot.copy_shard(&State::default()), Err(CowSnapshotLost));
        snapshot.copy_shard(&state).unwrap();
    }
}
