//! Randomness for ids and seeds: no secrets are made of it.

use std::hash::{BuildHasher, Hasher, RandomState};

use parking_lot::Mutex;

/// A generator seeded by the operating system.
#[derive(Debug)]
pub struct Random(Mutex<u64>);

impl Default for Random {
    fn default() -> Self {
        // The standard library draws the keys of its hash maps from the operating system.
        Self(Mutex::new(RandomState::new().build_hasher().finish()))
    }
}

impl Random {
    /// 64 random bits (splitmix64).
    pub fn next_u64(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 128 random bits. Two processes started together differ in all of them.
    pub fn next_u128(&self) -> u128 {
        let fresh = RandomState::new().build_hasher().finish();
        u128::from(self.next_u64() ^ fresh) << 64 | u128::from(self.next_u64())
    }
}
