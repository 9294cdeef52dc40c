//! The coordinators at work (Kafka: `CoordinatorRuntimeMetrics`).

use super::collect::Out;
use super::metric::{Metric, counter, gauge};
use crate::broker::Broker;
use crate::drivers::coordinator::CoordinatorNumbers;

const BY: &[&str] = &["coordinator"];

pub static EVENTS: Metric = counter("ottla_coordinator_events_total", "Events that were handled.").by(BY);
pub static QUEUE_SECONDS: Metric = counter(
    "ottla_coordinator_event_queue_seconds_total",
    "How long events have waited for their turn, all together, in seconds.",
)
.by(BY);
pub static PROCESSING_SECONDS: Metric = counter(
    "ottla_coordinator_event_processing_seconds_total",
    "How long events have taken once it was their turn, all together, in seconds.",
)
.by(BY);
pub static LOADS: Metric =
    counter("ottla_coordinator_loads_total", "Partitions of the internal topic that were read.").by(BY);
pub static LOADS_FAILED: Metric =
    counter("ottla_coordinator_loads_failed_total", "Those of them that could not be read.").by(BY);
pub static LOAD_SECONDS: Metric =
    counter("ottla_coordinator_load_seconds_total", "How long reading them took, all together, in seconds.")
        .by(BY);

const LOAD_MAX_HELP: &str =
    "Longest time that reading a partition of the internal topic took, in milliseconds.";
const QUEUE_MAX_HELP: &str = "Longest time that an event has waited for its turn, in milliseconds.";

pub static GROUP_LOAD_MAX: Metric =
    gauge("kafka_server_groupcoordinatormetrics_partition_load_time_max", LOAD_MAX_HELP);
pub static GROUP_QUEUE_MAX: Metric =
    gauge("kafka_server_groupcoordinatormetrics_event_queue_time_ms_max", QUEUE_MAX_HELP);
pub static TRANSACTION_LOAD_MAX: Metric =
    gauge("kafka_server_transactioncoordinatormetrics_partition_load_time_max", LOAD_MAX_HELP);
pub static TRANSACTION_QUEUE_MAX: Metric =
    gauge("kafka_server_transactioncoordinatormetrics_event_queue_time_ms_max", QUEUE_MAX_HELP);
pub static SHARE_LOAD_MAX: Metric =
    gauge("kafka_server_sharecoordinatormetrics_partition_load_time_max", LOAD_MAX_HELP);
pub static SHARE_QUEUE_MAX: Metric =
    gauge("kafka_server_sharecoordinatormetrics_event_queue_time_ms_max", QUEUE_MAX_HELP);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &EVENTS,
    &QUEUE_SECONDS,
    &PROCESSING_SECONDS,
    &LOADS,
    &LOADS_FAILED,
    &LOAD_SECONDS,
    &GROUP_LOAD_MAX,
    &GROUP_QUEUE_MAX,
    &TRANSACTION_LOAD_MAX,
    &TRANSACTION_QUEUE_MAX,
    &SHARE_LOAD_MAX,
    &SHARE_QUEUE_MAX,
];

pub(super) fn collect(broker: &Broker, out: &mut Out) {
    let [groups, transactions, shares] =
        [broker.groups.numbers(), broker.transactions.numbers(), broker.share_states.numbers()];
    let all = [("group", groups), ("transaction", transactions), ("share", shares)];
    let counts = |out: &mut Out, metric: &'static Metric, value: fn(&CoordinatorNumbers) -> u64| {
        out.begin(metric);
        all.iter().for_each(|(name, numbers)| out.sample(metric, &[name], value(numbers)));
    };
    let seconds = |out: &mut Out, metric: &'static Metric, value: fn(&CoordinatorNumbers) -> f64| {
        out.begin(metric);
        all.iter().for_each(|(name, numbers)| out.sample(metric, &[name], value(numbers)));
    };
    counts(out, &EVENTS, |numbers| numbers.events);
    seconds(out, &QUEUE_SECONDS, |numbers| numbers.queue_us as f64 / 1e6);
    seconds(out, &PROCESSING_SECONDS, |numbers| numbers.processing_us as f64 / 1e6);
    counts(out, &LOADS, |numbers| numbers.loads);
    counts(out, &LOADS_FAILED, |numbers| numbers.loads_failed);
    seconds(out, &LOAD_SECONDS, |numbers| numbers.load_ms as f64 / 1e3);
    let maxima = [
        (&GROUP_LOAD_MAX, &GROUP_QUEUE_MAX, groups),
        (&TRANSACTION_LOAD_MAX, &TRANSACTION_QUEUE_MAX, transactions),
        (&SHARE_LOAD_MAX, &SHARE_QUEUE_MAX, shares),
    ];
    for (load_max, queue_max, numbers) in maxima {
        out.one(load_max, numbers.load_ms_max);
        out.one(queue_max, numbers.queue_us_max as f64 / 1e3);
    }
}
