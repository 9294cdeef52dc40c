//! Transactional ids by state.

use std::collections::BTreeMap;

use ottla_coordinator::transaction::TransactionState;
use ottla_protocol::Str;

use super::collect::Out;
use super::metric::{Metric, gauge};
use crate::broker::Broker;
use crate::clock::now_ms;

pub static COUNT: Metric = gauge("ottla_transactional_ids", "Transactional ids by state.").by(&["state"]);
pub static ONGOING: Metric = gauge(
    "ottla_transactions_ongoing",
    "Transactions that are not decided yet: they hold up read_committed consumers.",
);
pub static OLDEST: Metric = gauge(
    "ottla_transactions_ongoing_oldest_seconds",
    "Since when the oldest of them has been open, in seconds; 0 without one.",
);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[&COUNT, &ONGOING, &OLDEST];

/// Ids that are looked at in one piece.
const PIECE: usize = 1_000;

pub(super) async fn collect(broker: &Broker, out: &mut Out) {
    let mut states: BTreeMap<TransactionState, u64> = BTreeMap::new();
    let mut oldest_ms: Option<i64> = None;
    for shard in 0..broker.transaction_partitions() {
        let mut after: Option<Str> = None;
        loop {
            let from = after.take();
            let look =
                broker.transactions.look(shard, move |shard| shard.transactions_after(from.as_ref(), PIECE));
            let piece = look.await.unwrap_or_default();
            let is_last = piece.len() < PIECE;
            after = piece.last().map(|transaction| transaction.transactional_id.clone());
            for transaction in piece {
                *states.entry(transaction.state).or_default() += 1;
                if transaction.state == TransactionState::Ongoing {
                    oldest_ms =
                        Some(oldest_ms.map_or(transaction.start_ms, |ms| ms.min(transaction.start_ms)));
                }
            }
            if is_last {
                break;
            }
        }
    }
    out.begin(&COUNT);
    states.iter().for_each(|(state, count)| out.sample(&COUNT, &[state.name()], *count));
    out.one(&ONGOING, states.get(&TransactionState::Ongoing).copied().unwrap_or(0));
    let age_ms = oldest_ms.map_or(0, |oldest_ms| now_ms().saturating_sub(oldest_ms).max(0));
    out.one(&OLDEST, age_ms as f64 / 1e3);
}
