//! Runs random histories by their seeds, for the property tests of every kind of coordinator.
//!
//! `OTTLA_HISTORIES` is how many of each kind are run, `OTTLA_HISTORY_SEED` the first one's seed: a failure names its
//! seed, and with `OTTLA_HISTORIES=1` it is shown again.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What a history has seen, and how often.
pub type Seen<K> = BTreeMap<K, usize>;

/// After how many steps, on average, a history looks whether a fresh shard that reads the log has the same state.
pub const REPLAYED_ONE_IN: usize = 8;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
}

/// Runs histories on all processors, `default` of them unless told otherwise. All together must have seen each of
/// `must_see`: histories that never get anywhere would prove nothing.
pub fn run<K: Ord + Debug + Send>(default: u64, must_see: &[K], history: impl Fn(u64) -> Seen<K> + Sync) {
    let first = from_env("OTTLA_HISTORY_SEED").unwrap_or(0);
    let count = from_env("OTTLA_HISTORIES").unwrap_or(default);
    let next = AtomicU64::new(first);
    let seen: Mutex<Seen<K>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| history(seed))) {
                Ok(states) => {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    states.into_iter().for_each(|(state, n)| *seen.entry(state).or_default() += n);
                }
                Err(panic) => {
                    eprintln!("OTTLA_HISTORY_SEED={seed} OTTLA_HISTORIES=1 shows this failure again");
                    next.store(u64::MAX / 2, Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
        work();
    });
    if count >= default {
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        for state in must_see {
            assert!(seen.get(state).is_some_and(|n| *n > 20), "{state:?}: {seen:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_and_what_proves_nothing_is_told() {
        let seen = |what: &'static str| move |_| Seen::from([(what, 1)]);
        assert!(catch_unwind(|| run(30, &["here"], seen("here"))).is_ok());
        assert!(catch_unwind(|| run(30, &["there"], seen("here"))).is_err());
        assert!(
            catch_unwind(|| run(30, &[], |seed| if seed == 7 { panic!("seven") } else { Seen::<()>::new() }))
                .is_err()
        );
    }
}
