//! Which authenticators were seen already. Who listens on a connection without TLS could otherwise send a client's tokens again, and be
//! taken for the client.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Authenticators that are remembered where nobody says otherwise: ten minutes of 400 logins a second, 25 MB.
const ENTRIES_MAX: usize = 1 << 18;

/// Enough to tell authenticators apart.
type Print = [u8; 16];

/// The authenticators of the last minutes, as far as there is room; then the oldest make place.
pub struct ReplayCache {
    entries_max: usize,
    // Connections of all threads share it; it is held for a look and an insertion.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    prints: HashSet<Print>,
    /// By the time until which an authenticator could be sent again, in Unix milliseconds.
    by_end: BTreeSet<(i64, Print)>,
}

impl Seen {
    /// Takes the oldest away as long as a condition holds, which is given its end.
    fn forget_while(&mut self, condition: impl Fn(&Self, i64) -> bool) {
        while let Some((end_ms, oldest)) = self.by_end.first().copied()
            && condition(self, end_ms)
        {
            self.by_end.pop_first();
            self.prints.remove(&oldest);
        }
    }
}

impl ReplayCache {
    /// With room for so many authenticators, about 100 bytes each.
    pub fn new(entries_max: usize) -> Self {
        Self { entries_max: entries_max.max(1), seen: Mutex::default() }
    }

    /// Remembers an encrypted authenticator that is good until `end_ms`. `false`: it was seen before.
    pub fn insert(&self, authenticator: &[u8], end_ms: i64, now_ms: i64) -> bool {
        let digest = Sha256::digest(authenticator);
        let Some(print) = digest.first_chunk::<16>().copied() else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget_while(|_, end_ms| end_ms < now_ms);
        if seen.prints.contains(&print) {
            return false;
        }
        seen.forget_while(|seen, _| seen.prints.len() >= self.entries_max);
        seen.prints.insert(print);
        seen.by_end.insert((end_ms, print));
        true
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).prints.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for ReplayCache {
    fn default() -> Self {
        Self::new(ENTRIES_MAX)
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayCache({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_each_for_a_time_and_a_number() {
        let cache = ReplayCache::new(2);
        assert!(cache.insert(b"a", 100, 0));
        assert!(!cache.insert(b"a", 100, 100), "until its end");
        assert!(cache.insert(b"a", 201, 101), "later its time tells");
        assert!(cache.insert(b"b", 300, 101));
        assert_eq!(cache.len(), 2);
        assert!(!cache.insert(b"b", 300, 101) && cache.len() == 2, "whoever sends again pushes nobody out");
        assert!(cache.insert(b"c", 250, 101), "the oldest makes place");
        assert!(!cache.insert(b"b", 300, 101) && !cache.insert(b"c", 250, 101));
        assert_eq!(format!("{cache:?}"), "ReplayCache(2)");
    }
}
