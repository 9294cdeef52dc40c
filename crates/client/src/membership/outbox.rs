//! What all memberships need: a queue of actions, their ids, and back-offs.

use std::collections::VecDeque;

use super::{Action, Callback, GroupConfig, GroupRequest};
use ottla_protocol::TopicPartition;

/// Actions that wait to be handed out.
#[derive(Debug, Default)]
pub struct Outbox {
    actions: VecDeque<Action>,
    last_id: u64,
}

impl Outbox {
    /// Adds an action.
    pub fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// The next to be done.
    pub fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A number not given out before.
    pub fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends, and tells the id of the answer.
    pub fn send(&mut self, request: GroupRequest, timeout_ms: i64) -> u64 {
        let id = self.id();
        self.push(Action::Send { id, request, timeout_ms });
        id
    }

    /// Calls back, and tells the id of the answer.
    pub fn call(&mut self, callback: Callback, partitions: Vec<TopicPartition>) -> u64 {
        let id = self.id();
        self.push(Action::Call { id, callback, partitions });
        id
    }
}

/// Waiting times between attempts (KIP-580): doubled each time up to a bound, then shifted by up to a fifth.
#[derive(Debug)]
pub struct Backoff {
    first_ms: i64,
    max_ms: i64,
    attempts: u32,
    seed: u64,
}

impl Backoff {
    /// Nothing failed yet.
    pub fn new(config: &GroupConfig) -> Self {
        Self {
            first_ms: config.retry_backoff_ms.max(0),
            max_ms: config.retry_backoff_max_ms.max(config.retry_backoff_ms).max(0),
            attempts: 0,
            seed: config.seed,
        }
    }

    /// Something succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Time to wait after another failure.
    pub fn next_ms(&mut self) -> i64 {
        let factor = 1i64.checked_shl(self.attempts).filter(|f| *f > 0).unwrap_or(i64::MAX);
        let ms = self.first_ms.saturating_mul(factor).min(self.max_ms);
        self.attempts = (self.attempts + 1).min(40);
        // SplitMix64; from -20 % to +20 %.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let shift = (z >> 40) as i64 % 401 - 200;
        ms.saturating_add(ms / 1000 * shift + ms % 1000 * shift / 1000).min(self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_up_to_the_bound() {
        let mut backoff = Backoff { first_ms: 100, max_ms: 1000, attempts: 0, seed: 1 };
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let ms = backoff.next_ms();
            assert!((expected * 8 / 10..=expected * 12 / 10).contains(&ms), "{ms} for {expected}");
        }
        backoff.reset();
        assert!(backoff.next_ms() <= 120);
    }
}
