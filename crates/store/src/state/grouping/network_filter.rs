//! The networks of which it was forgotten who looks for them: a Bloom filter. It may hold a network that is not among them,
//! and misses none, so what it does not hold is certain.
//!
//! A network sets [`BITS_PER_NETWORK`] bits of one block, which is one row of the state. With a million networks, 1 in 40
//! others is taken for one of them; with several millions nearly all are.

use twox_hash::XxHash3_64;

use crate::state::dirty_map::DirtyMap;
use dot11::Ssid;

/// Blocks; all together take 1 MiB.
const BLOCKS: u64 = 16_384;

/// Bits of one block.
const BLOCK_BITS: u64 = 512;

/// Bits that a network sets, unless some of them coincide.
const BITS_PER_NETWORK: u32 = 4;

/// The bits of one block.
pub(in crate::state) type Block = [u64; 8];

/// The networks of which it was forgotten who looks for them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::state) struct NetworkFilter {
    /// The blocks in which any bit is set.
    pub(in crate::state) blocks: DirtyMap<u16, Block>,
}

/// The block of a network, and its bits.
fn bits(ssid: &Ssid) -> (u16, Block) {
    let hash = XxHash3_64::oneshot(ssid.as_bytes());
    let mut bits = Block::default();
    for index in 0..BITS_PER_NETWORK {
        let bit = (hash >> (9 * index)) % BLOCK_BITS;
        if let Some(word) = bits.get_mut((bit / 64) as usize) {
            *word |= 1 << (bit % 64);
        }
    }
    // The bits used the lower 36 bits of the hash.
    (((hash >> 48) % BLOCKS) as u16, bits)
}

impl NetworkFilter {
    pub(super) fn insert(&mut self, ssid: &Ssid) {
        let (block, bits) = bits(ssid);
        for (word, bits) in self.blocks.entry(block).iter_mut().zip(bits) {
            *word |= bits;
        }
    }

    /// Of the networks that it does not hold, how many of a hundred are taken for one that it holds.
    pub(super) fn mistaken_percent(&self) -> u8 {
        let share = |block: &Block| {
            let ones: u32 = block.iter().map(|word| word.count_ones()).sum();
            (f64::from(ones) / BLOCK_BITS as f64).powi(BITS_PER_NETWORK as i32)
        };
        let sum: f64 = self.blocks.iter().map(|(_, block)| share(block)).sum();
        (100.0 * sum / BLOCKS as f64) as u8
    }

    /// Makes it hold every network.
    pub(super) fn insert_all(&mut self) {
        for block in (0..BLOCKS).filter_map(|block| u16::try_from(block).ok()) {
            self.blocks.insert(block, [u64::MAX; 8]);
        }
    }

    /// Whether the network is among them, or is taken for one.
    pub(super) fn contains(&self, ssid: &Ssid) -> bool {
        let (block, bits) = bits(ssid);
        self.blocks
            .get(&block)
            .is_some_and(|block| block.iter().zip(bits).all(|(word, bits)| word & bits == bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_every_network_and_few_others() {
        let mut filter = NetworkFilter::default();
        let ssid = |number: u32| Ssid::from(format!("net {number}").as_str());
        (0..200_000).for_each(|number| filter.insert(&ssid(number)));
        assert!((0..200_000).all(|number| filter.contains(&ssid(number))));
        let others = (200_000..300_000).filter(|number| filter.contains(&ssid(*number))).count();
        assert!(others < 100, "{others} of 100,000");
        assert!(filter.blocks.len() <= BLOCKS as usize);
        assert_eq!(filter.mistaken_percent(), 0);
        (1_000_000..1_800_000).for_each(|number| filter.insert(&ssid(number)));
        let others = (200_000..300_000).filter(|number| filter.contains(&ssid(*number))).count();
        assert_eq!(filter.mistaken_percent(), (others / 1000) as u8);
        assert_eq!(filter.mistaken_percent(), 2);
        filter.insert_all();
        assert_eq!(filter.mistaken_percent(), 100);
        assert!((200_000..300_000).all(|number| filter.contains(&ssid(number))));
    }
}
