//! Compaction: of all records with the same key, the newest stays (Kafka: `LogCleaner`, `Cleaner`).
//!
//! | file | what |
//! | --- | --- |
//! | `choose` | what of a log is dirty, and which log is cleaned next |
//! | `offset_map` | key to newest offset |
//! | `group` | which segments become one |
//! | `filter`, `transactions` | what of a batch stays |
//! | `throttle` | the bound on reads and writes |

mod choose;
mod filter;
mod group;
mod offset_map;
mod throttle;
mod transactions;

#[cfg(test)]
mod filter_test;
