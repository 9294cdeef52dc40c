//! Random histories of a log on a disk that fails, against a model.
//!
//! A history is a list of steps that a seed determines: appends of all kinds, rolling, flushing, retention, swaps of a
//! cleaning, DeleteRecords, truncation, checkpoints, orderly stops, the end of the process, power failures, operations
//! of the disk that fail, and times without a descriptor or memory left, which a log survives. After each, the log must agree with the model: every batch byte for byte at its
//! offset, producers, transactions, leader epochs and timestamps. Where a crash may have taken something, what is
//! left must be a beginning of what was there, at least up to what was flushed.
//!
//! | file | what |
//! | --- | --- |
//! | `model` | a list of batches and what follows from it |
//! | `history` | a log, its disk, the model and what was written down about it |
//! | `steps` | what may happen |
//! | `crash` | stops, crashes and what must be found after them |
//! | `rewrite` | closed segments replaced by one with the same records |
//! | `check` | where log and model must agree |
//!
//! `OTTLA_HISTORIES` is how many histories are run (a few hundred by default), `OTTLA_HISTORY_SEED` the first
//! one's seed: a failure names its seed, and with `OTTLA_HISTORIES=1` it is shown again.

mod check;
mod crash;
mod history;
mod model;
mod rewrite;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use history::History;

const HISTORIES: u64 = 300;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
}

/// One history; what happened in it stands in `told` also when it panics.
fn run(seed: u64, told: &mut Vec<String>) {
    let mut history = History::new(seed);
    let steps = 20 + history.rng.below(60);
    for _ in 0..steps {
        history.step(told);
    }
    history.finish(told);
}

#[test]
fn histories_agree_with_the_model() {
    let (first, count) = (from_env("OTTLA_HISTORY_SEED", 1), from_env("OTTLA_HISTORIES", HISTORIES));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4)) as u64;
    let next = AtomicU64::new(first);
    let failed = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || !failed.lock().is_empty() {
                        return;
                    }
                    let mut told = Vec::new();
                    if catch_unwind(AssertUnwindSafe(|| run(seed, &mut told))).is_err() {
                        failed.lock().push((seed, told));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    if let Some((seed, told)) = failed.iter().min_by_key(|(_, told)| told.len()) {
        eprintln!("history {seed}:\n  {}", told.join("\n  "));
        panic!("OTTLA_HISTORY_SEED={seed} OTTLA_HISTORIES=1 shows this failure again");
    }
}

#[test]
fn a_seed_repeats_exactly() {
    let tell = |seed| {
        let mut told = Vec::new();
        run(seed, &mut told);
        told
    };
    for seed in 1..20 {
        assert_eq!(tell(seed), tell(seed));
    }
}
