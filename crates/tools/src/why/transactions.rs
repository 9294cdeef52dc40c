//! Transactions that keep `read_committed` consumers from going on.

use std::collections::BTreeMap;

use ottla_protocol::TopicPartition;

use super::facts::{Look, OpenTransaction, Position};
use super::finding::{Finding, Level};
use crate::words::{duration, many};

/// One for each open transaction that the last stable offset of a partition waits for.
pub fn findings(first: &Look, last: &Look) -> Vec<Finding> {
    let mut by_producer: BTreeMap<i64, Vec<Held<'_>>> = BTreeMap::new();
    for (key, position) in &last.partitions {
        // The last stable offset waits for the transaction that began first; others may wait behind it.
        let Some(open) = position.open.iter().min_by_key(|open| open.start_offset) else { continue };
        let before = first.partitions.get(key).and_then(|it| it.stable);
        let held = Held { key, position, open, stood: before.is_none() || before == position.stable };
        by_producer.entry(open.producer_id).or_default().push(held);
    }
    by_producer.values().filter_map(|held| finding(held, last.at_ms)).collect()
}

/// A partition that a transaction holds up.
struct Held<'a> {
    key: &'a TopicPartition,
    position: &'a Position,
    open: &'a OpenTransaction,
    /// Its last stable offset is where it was at the first look.
    stood: bool,
}

impl Held<'_> {
    /// Records that `read_committed` consumers do not see.
    fn hidden(&self) -> i64 {
        let hidden =
            self.position.end.zip(self.position.stable).map(|(end, stable)| end.saturating_sub(stable));
        hidden.unwrap_or(0).max(0)
    }

    /// Whether the group has come up to it.
    fn waits(&self) -> bool {
        self.stood && self.position.committed.is_some() && self.position.committed >= self.position.stable
    }
}

fn finding(held: &[Held<'_>], now_ms: i64) -> Option<Finding> {
    let worst = held.iter().max_by_key(|held| (held.waits(), held.hidden()))?;
    let hidden: i64 = held.iter().map(Held::hidden).fold(0, i64::saturating_add);
    let open = worst.open;
    let producer = open.producer_id;
    let waits = held.iter().any(Held::waits);
    let (who, since_ms, cure) = match &open.known {
        Some(known) => (
            format!("the transaction of `{}` (producer {producer})", known.transactional_id),
            known.start_ms.unwrap_or(open.last_ms),
            format!(
                "its producer has to commit or abort it, or it is aborted {} after its start (transaction.timeout.ms)",
                duration(i64::from(known.timeout_ms))
            ),
        ),
        None => (
            format!("a transaction of producer {producer}, of which no coordinator knows any more,"),
            open.last_ms,
            format!(
                "it hangs: transactions abort --topic {} --partition {} --start-offset {}",
                worst.key.topic, worst.key.partition, open.start_offset
            ),
        ),
    };
    let age_ms = now_ms.saturating_sub(since_ms).max(0);
    let stands = if waits { "the group stands right before it" } else { "the group is not there yet" };
    let text = format!(
        "{who} has been open for {}, in {} since offset {} ({} in all): {} behind its start can't be read by \
         read_committed consumers; {stands}.",
        duration(age_ms),
        worst.key,
        open.start_offset,
        many(held.len() as i64, "partition"),
        many(hidden, "record"),
    );
    let level = if waits { Level::Cause } else { Level::Note };
    let finding = Finding::new(level, "stuck transaction", text).cure(cure).weight(hidden);
    let finding = finding.number("producer_id", producer).number("open_ms", age_ms).number("hidden", hidden);
    Some(
        finding
            .number("last_stable_offset", worst.position.stable)
            .number("high_watermark", worst.position.end),
    )
}
