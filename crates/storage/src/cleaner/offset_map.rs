//! From keys to their newest offsets, in bounded memory (Kafka: `SkimpyOffsetMap`).
//!
//! Keys are not kept, only hashes of 16 bytes: two keys that share one would lose a record, and that does not happen.
//! The hashes are seeded per map, so that nobody can make such keys. An open-addressed table, which is allocated
//! with the first entry and given back by [`OffsetMap::clear`]: an idle cleaner holds no memory.

use std::hash::{BuildHasher, RandomState};

/// Bytes of an entry: the hash and the offset.
const BYTES_PER_ENTRY: usize = 24;
/// Probes that jump about before the search goes on slot by slot.
const JUMPS: u64 = 8;

type Slot = [u64; 3];
const EMPTY: Slot = [0; 3];

/// The newest offset of each key of a stretch of log.
#[derive(Debug)]
pub struct OffsetMap {
    slots: usize,
    table: Vec<Slot>,
    entries: usize,
    latest_offset: i64,
    first_half: RandomState,
    second_half: RandomState,
}

/// There is no slot left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the offset map is full")]
pub struct MapFull;

impl OffsetMap {
    /// A map that takes at most `memory_bytes`.
    pub fn new(memory_bytes: usize) -> Self {
        Self {
            slots: memory_bytes / BYTES_PER_ENTRY,
            table: Vec::new(),
            entries: 0,
            latest_offset: -1,
            first_half: RandomState::new(),
            second_half: RandomState::new(),
        }
    }

    /// Keys that fit.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Share of the slots that are taken, from 0 to 1.
    pub fn utilization(&self) -> f64 {
        if self.slots == 0 { 0.0 } else { self.entries as f64 / self.slots as f64 }
    }

    /// The offset up to which the log is in the map; -1: nothing is.
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// The log is in the map up to `offset`, whatever had no key.
    pub fn update_latest_offset(&mut self, offset: i64) {
        self.latest_offset = offset;
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.table = Vec::new();
        self.entries = 0;
        self.latest_offset = -1;
    }

    /// Notes that `key` stands at `offset`, in place of an older offset.
    pub fn put(&mut self, key: &[u8], offset: i64) -> Result<(), MapFull> {
        if self.table.is_empty() {
            self.table = vec![EMPTY; self.slots];
        }
        let hash = self.hash(key);
        let at = self.find(hash).ok_or(MapFull)?;
        let slot = self.table.get_mut(at).ok_or(MapFull)?;
        if *slot == EMPTY {
            self.entries += 1;
        }
        *slot = [hash.0, hash.1, offset as u64];
        self.latest_offset = offset;
        Ok(())
    }

    /// The newest offset of `key`; -1: it is not in the map.
    pub fn get(&self, key: &[u8]) -> i64 {
        let found = self.find(self.hash(key)).and_then(|at| self.table.get(at));
        match found {
            Some(slot) if *slot != EMPTY => slot[2] as i64,
            _ => -1,
        }
    }

    /// The slot of this hash, or the empty one where it belongs.
    fn find(&self, hash: (u64, u64)) -> Option<usize> {
        let slots = self.table.len() as u64;
        if slots == 0 {
            return None;
        }
        for attempt in 0..slots.saturating_add(JUMPS) {
            let jumps = attempt.min(JUMPS);
            let probe = hash.0.wrapping_add(hash.1.wrapping_mul(jumps));
            let at = (probe % slots + (attempt - jumps)) % slots;
            let slot = self.table.get(at as usize)?;
            if *slot == EMPTY || (slot[0], slot[1]) == hash {
                return Some(at as usize);
            }
        }
        None
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.first_half.hash_one(key), self.second_half.hash_one(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_newest_offset_up_to_the_last_slot() {
        let mut map = OffsetMap::new(1000 * BYTES_PER_ENTRY + 7);
        assert_eq!((map.slots(), map.get(b"x"), map.latest_offset()), (1000, -1, -1));
        for round in 0..3 {
            for i in 0..1000i64 {
                map.put(&i.to_be_bytes(), round * 1000 + i).expect("room");
            }
        }
        assert_eq!((map.len(), map.latest_offset()), (1000, 2999));
        assert!((0..1000i64).all(|i| map.get(&i.to_be_bytes()) == 2000 + i));
        assert_eq!(map.put(b"one more", 3000), Err(MapFull));
        assert_eq!(map.get(b"one more"), -1, "a full map ends its search");
        map.put(&5i64.to_be_bytes(), 4000).expect("a key that is there");
        assert_eq!(map.utilization(), 1.0);
        map.update_latest_offset(5000);
        assert_eq!(map.latest_offset(), 5000);
        map.clear();
        assert_eq!((map.len(), map.get(&5i64.to_be_bytes()), map.latest_offset()), (0, -1, -1));
        assert_eq!(map.table.capacity(), 0);
    }

    #[test]
    fn a_map_without_room_refuses() {
        let mut map = OffsetMap::new(BYTES_PER_ENTRY - 1);
        assert_eq!((map.put(b"", 0), map.utilization()), (Err(MapFull), 0.0));
        let mut map = OffsetMap::new(BYTES_PER_ENTRY);
        map.put(b"", 0).expect("the empty key at offset 0 is an entry, too");
        assert_eq!((map.get(b""), map.len()), (0, 1));
    }
}
