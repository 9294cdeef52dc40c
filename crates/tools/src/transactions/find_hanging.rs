//! Transactions that are open at a partition, but that no coordinator knows of any more.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::Error;
use ottla_client::admin::{
    Admin, DescribeProducersOptions, DescribeTopicsOptions, ListTopicsOptions, ListTransactionsOptions,
    ProducerState, TimeoutOptions, TransactionDescription, all_transactions,
};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::{partition, told};
use crate::args::Args;
use crate::clock::now_ms;
use crate::failure::Failure;
use crate::io::Io;
use crate::progress::Progress;
use crate::table::Table;

/// Topics or partitions in a request.
const BATCH_MAX: usize = 500;
const MINUTE_MS: i64 = 60_000;

/// A producer whose transaction is open at a partition.
type Open = (TopicPartition, ProducerState);

pub(super) async fn find(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let broker_id: Option<i32> = args.number("broker-id")?;
    if !args.has("topic") && broker_id.is_none() {
        return Err(Failure::message(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        ));
    }
    if args.has("partition") && !args.has("topic") {
        return Err(Failure::message("The --partition argument requires --topic to be provided"));
    }
    let minutes: i64 = args.number("max-transaction-timeout")?.unwrap_or(15);
    let partitions = partitions(args, admin, broker_id).await?;
    let mut progress = Progress::new("Looking at partitions");
    let shown = |done: usize| progress.at(io, done as u64, partitions.len() as u64);
    let candidates = candidates(admin, broker_id, minutes * MINUTE_MS, &partitions, shown).await;
    progress.clear(io);
    let candidates = candidates?;
    let hanging = match candidates.is_empty() {
        true => Vec::new(),
        false => {
            let ids = transactional_ids(admin, &candidates).await?;
            let descriptions = descriptions(admin, &ids).await?;
            hanging(candidates, &ids, &descriptions)
        }
    };
    table(&hanging, now_ms()).print_tabbed(io);
    Ok(())
}

async fn partitions(
    args: &Args,
    admin: &Admin,
    broker_id: Option<i32>,
) -> Result<Vec<TopicPartition>, Failure> {
    if args.has("topic") && args.has("partition") {
        return Ok(vec![partition(args)?]);
    }
    let topics: Vec<Str> = match args.value("topic")? {
        Some(topic) => vec![Str::from(topic)],
        None => {
            let options = ListTopicsOptions { list_internal: true, ..Default::default() };
            let topics = admin.list_topics(&options).await;
            topics.map_err(|error| told("Failed to list topics", error))?.into_keys().collect()
        }
    };
    let mut partitions = Vec::new();
    for batch in topics.chunks(BATCH_MAX) {
        let what = format!("Failed to describe {} topics", batch.len());
        for topic in admin.describe_topics(batch, &DescribeTopicsOptions::default()).await.into_values() {
            let topic = topic.map_err(|error| told(&what, error))?;
            let there = topic
                .partitions
                .iter()
                .filter(|it| broker_id.is_none_or(|broker| it.replicas.iter().any(|node| node.id == broker)));
            partitions.extend(there.map(|it| TopicPartition::new(topic.name.clone(), it.partition)));
        }
    }
    Ok(partitions)
}

/// Producers whose transaction is older than `age_ms`; `shown` is told of how many partitions were asked for.
async fn candidates(
    admin: &Admin,
    broker_id: Option<i32>,
    age_ms: i64,
    partitions: &[TopicPartition],
    mut shown: impl FnMut(usize),
) -> Result<Vec<Open>, Failure> {
    let options = DescribeProducersOptions { broker_id, ..Default::default() };
    let mut found = Vec::new();
    for (number, batch) in partitions.chunks(BATCH_MAX).enumerate() {
        shown(number * BATCH_MAX);
        let broker = broker_id.map_or_else(|| "Optional.empty".to_owned(), |id| format!("Optional[{id}]"));
        let what = format!("Failed to describe producers for {} partitions on broker {broker}", batch.len());
        let keys: BTreeSet<TopicPartition> = batch.iter().cloned().collect();
        for (key, producers) in admin.describe_producers(&keys, &options).await {
            let producers = producers.map_err(|error| told(&what, error))?;
            let old = producers.into_iter().filter(|it| {
                it.current_transaction_start_offset.is_some() && now_ms() - it.last_timestamp > age_ms
            });
            found.extend(old.map(|it| (key.clone(), it)));
        }
    }
    Ok(found)
}

/// The transactional ids that coordinators have for the producers.
async fn transactional_ids(admin: &Admin, candidates: &[Open]) -> Result<BTreeMap<i64, Str>, Failure> {
    let producer_ids: BTreeSet<i64> = candidates.iter().map(|(_, it)| it.producer_id).collect();
    let what = format!("Failed to list transactions for {} producers", producer_ids.len());
    let failed = |error: Error| told(&what, error);
    let options = ListTransactionsOptions { producer_ids: producer_ids.clone(), ..Default::default() };
    let listings = admin.list_transactions(&options).await.map_err(failed)?;
    let listings = all_transactions(listings).map_err(failed)?.into_iter();
    let asked = listings.filter(|it| producer_ids.contains(&it.producer_id));
    Ok(asked.map(|it| (it.producer_id, it.transactional_id)).collect())
}

async fn descriptions(
    admin: &Admin,
    ids: &BTreeMap<i64, Str>,
) -> Result<BTreeMap<Str, TransactionDescription>, Failure> {
    let what = format!("Failed to describe {} transactions", ids.len());
    let wanted: Vec<Str> = ids.values().cloned().collect();
    let mut found = BTreeMap::new();
    for (id, result) in admin.describe_transactions(&wanted, &TimeoutOptions::default()).await {
        match result {
            Ok(description) => drop(found.insert(id, description)),
            Err(error) if error.code() == Some(ErrorCode::TransactionalIdNotFound) => {}
            Err(error) => return Err(told(&what, error)),
        }
    }
    Ok(found)
}

/// Those whose transaction does not know of the partition.
fn hanging(
    candidates: Vec<Open>,
    ids: &BTreeMap<i64, Str>,
    descriptions: &BTreeMap<Str, TransactionDescription>,
) -> Vec<Open> {
    let is_known = |(key, producer): &Open| {
        let description = ids.get(&producer.producer_id).and_then(|id| descriptions.get(id));
        description.is_some_and(|it| it.partitions.contains(key))
    };
    candidates.into_iter().filter(|open| !is_known(open)).collect()
}

fn table(hanging: &[Open], now_ms: i64) -> Table {
    let mut table = Table::new(&[
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ]);
    for (key, it) in hanging {
        table.row([
            key.topic.to_string(),
            key.partition.to_string(),
            it.producer_id.to_string(),
            it.producer_epoch.to_string(),
            it.coordinator_epoch.unwrap_or(-1).to_string(),
            it.current_transaction_start_offset.unwrap_or(-1).to_string(),
            it.last_timestamp.to_string(),
            ((now_ms - it.last_timestamp) / MINUTE_MS).to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::admin::TransactionState;

    #[test]
    fn transactions_that_coordinators_know_do_not_hang() {
        let open = |topic: &str, producer_id| {
            let producer = ProducerState {
                producer_id,
                producer_epoch: 1,
                last_sequence: 0,
                last_timestamp: 1000,
                coordinator_epoch: Some(2),
                current_transaction_start_offset: Some(9),
            };
            (TopicPartition::new(topic, 0), producer)
        };
        let ids = BTreeMap::from([(1, Str::from("a")), (2, Str::from("b"))]);
        let known = TransactionDescription {
            coordinator_id: 0,
            state: TransactionState::Ongoing,
            producer_id: 1,
            producer_epoch: 1,
            timeout_ms: 1,
            start_time_ms: None,
            partitions: BTreeSet::from([TopicPartition::new("t", 0)]),
        };
        let descriptions = BTreeMap::from([(Str::from("a"), known)]);
        let candidates = vec![open("t", 1), open("u", 1), open("t", 2), open("t", 3)];
        let hanging = hanging(candidates, &ids, &descriptions);
        let names: Vec<String> =
            hanging.iter().map(|(key, it)| format!("{key}/{}", it.producer_id)).collect();
        assert_eq!(names, ["u-0/1", "t-0/2", "t-0/3"]);
        let table = table(&hanging, 1000 + 16 * MINUTE_MS);
        assert_eq!(table.rows[0], ["u", "0", "1", "1", "2", "9", "1000", "16"]);
    }
}
