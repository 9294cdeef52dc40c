//! Groups of all types that commit offsets: how many, in which state, and how far they are behind
//! (kafka_exporter's `kafka_consumergroup_*`).

use std::collections::{BTreeMap, HashMap};

use ottla_coordinator::{GroupSummary, GroupType, OffsetKey};

use super::collect::{Gone, Out};
use super::metric::{Metric, Series, gauge};
use super::partitions::Numbers;
use crate::broker::Broker;
use crate::handlers::group_request::offsets_partitions;

const BY_PARTITION: &[&str] = &["consumergroup", "topic", "partition"];
const BY_TOPIC: &[&str] = &["consumergroup", "topic"];
/// Groups or offsets that are looked at in one piece: some 100 us of the coordinator's time.
const PIECE: usize = 1_000;

pub static COUNT: Metric =
    gauge("kafka_server_groupcoordinatormetrics_group_count", "Groups by type and state.")
        .by(&["protocol", "state"]);
pub static NUM_GROUPS: Metric =
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroups", "Classic groups.");
pub static NUM_OFFSETS: Metric =
    gauge("kafka_coordinator_group_groupmetadatamanager_numoffsets", "Committed offsets.");
pub static PREPARING: Metric = gauge(
    "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance",
    "Classic groups that wait for their members to join.",
);
pub static COMPLETING: Metric = gauge(
    "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance",
    "Classic groups that wait for their leader's assignment.",
);
pub static STABLE: Metric = gauge(
    "kafka_coordinator_group_groupmetadatamanager_numgroupsstable",
    "Classic groups with members and an assignment.",
);
pub static EMPTY: Metric =
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupsempty", "Classic groups without members.");
pub static DEAD: Metric = gauge(
    "kafka_coordinator_group_groupmetadatamanager_numgroupsdead",
    "Classic groups that are being removed.",
);
pub static MEMBERS: Metric =
    gauge("kafka_consumergroup_members", "Members of the group.").by(&["consumergroup"]).per(Series::Group);
pub static OFFSET: Metric =
    gauge("kafka_consumergroup_current_offset", "Offset that the group has committed.")
        .by(BY_PARTITION)
        .per(Series::Group);
pub static LAG: Metric = gauge(
    "kafka_consumergroup_lag",
    "Records of the partition behind the offset that the group has committed.",
)
.by(BY_PARTITION)
.per(Series::Group);
pub static OFFSET_SUM: Metric = gauge(
    "kafka_consumergroup_current_offset_sum",
    "Sum of the offsets that the group has committed in the topic.",
)
.by(BY_TOPIC)
.per(Series::Group);
pub static LAG_SUM: Metric = gauge(
    "kafka_consumergroup_lag_sum",
    "Records of the topic behind the offsets that the group has committed.",
)
.by(BY_TOPIC)
.per(Series::Group);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &COUNT,
    &NUM_GROUPS,
    &NUM_OFFSETS,
    &PREPARING,
    &COMPLETING,
    &STABLE,
    &EMPTY,
    &DEAD,
    &MEMBERS,
    &OFFSET,
    &LAG,
    &OFFSET_SUM,
    &LAG_SUM,
];

/// A committed offset, and how many records are behind it; `None` when the partition is not here.
struct Committed {
    key: OffsetKey,
    offset: i64,
    lag: Option<i64>,
}

pub(super) async fn collect(broker: &Broker, out: &mut Out) -> Result<(), Gone> {
    // Each group comes with the series of its members, each offset with two: what would not be shown is not collected.
    let groups_max = out.left();
    let mut groups: Vec<GroupSummary> = Vec::new();
    let mut states: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    let (mut offsets_count, mut offsets) = (0_u64, Vec::new());
    for shard in 0..offsets_partitions(broker) {
        each_group(broker, shard, |group| {
            *states.entry((group.group_type.name(), group.state)).or_default() += 1;
            if groups.len() <= groups_max && group.group_type != GroupType::Share {
                groups.push(group);
            }
        })
        .await;
        let offsets_max = if out.allows(Series::Group) { out.left() / 2 } else { 0 };
        each_offset(broker, shard, |key, offset| {
            offsets_count += 1;
            if offsets.len() <= offsets_max {
                offsets.push((key, offset));
            }
        })
        .await;
    }
    counts(&states, offsets_count, out);
    if !out.allows(Series::Group) {
        return Ok(());
    }
    out.begin(&MEMBERS);
    for group in &groups {
        out.sample(&MEMBERS, &[&group.group_id], group.members);
        out.breathe().await?;
    }
    out.leave_out(2 * usize::try_from(offsets_count).unwrap_or(0).saturating_sub(offsets.len()));
    let offsets: Vec<Committed> = offsets
        .into_iter()
        .map(|(key, offset)| {
            let end =
                broker.partitions.get(&key.topic, key.partition).map(|partition| partition.high_watermark());
            let lag = end.filter(|end| *end >= 0).map(|end| end.saturating_sub(offset).max(0));
            Committed { key, offset, lag }
        })
        .collect();
    offset_series(&offsets, out).await
}

async fn offset_series(offsets: &[Committed], out: &mut Out) -> Result<(), Gone> {
    let numbers = Numbers::of(offsets.iter().map(|committed| committed.key.partition));
    for (metric, value) in [
        (&OFFSET, (|committed| Some(committed.offset)) as fn(&Committed) -> Option<i64>),
        (&LAG, |committed| committed.lag),
    ] {
        out.begin(metric);
        for committed in offsets {
            if let Some(value) = value(committed) {
                let OffsetKey { group_id, topic, partition } = &committed.key;
                out.sample(metric, &[group_id, topic, numbers.text(*partition)], value);
                out.breathe().await?;
            }
        }
    }
    let mut sums: Vec<(&OffsetKey, i64, i64)> = Vec::new();
    let mut at: HashMap<(&str, &str), usize> = HashMap::new();
    for Committed { key, offset, lag } in offsets {
        let place = *at.entry((&key.group_id, &key.topic)).or_insert_with(|| {
            sums.push((key, 0, 0));
            sums.len() - 1
        });
        if let Some((_, offset_sum, lag_sum)) = sums.get_mut(place) {
            *offset_sum = offset_sum.saturating_add(*offset);
            *lag_sum = lag_sum.saturating_add(lag.unwrap_or(0));
        }
    }
    for (metric, value) in [
        (&OFFSET_SUM, (|(_, offset, _)| *offset) as fn(&(&OffsetKey, i64, i64)) -> i64),
        (&LAG_SUM, |(_, _, lag)| *lag),
    ] {
        out.begin(metric);
        for sum in &sums {
            out.sample(metric, &[&sum.0.group_id, &sum.0.topic], value(sum));
            out.breathe().await?;
        }
    }
    Ok(())
}

fn counts(states: &BTreeMap<(&'static str, &'static str), u64>, offsets: u64, out: &mut Out) {
    out.begin(&COUNT);
    for ((group_type, state), count) in states {
        out.sample(&COUNT, &[group_type, state], *count);
    }
    let classic = || states.iter().filter(|((group_type, _), _)| *group_type == GroupType::Classic.name());
    out.one(&NUM_GROUPS, classic().map(|(_, count)| count).sum::<u64>());
    out.one(&NUM_OFFSETS, offsets);
    for (metric, state) in [
        (&PREPARING, "PreparingRebalance"),
        (&COMPLETING, "CompletingRebalance"),
        (&STABLE, "Stable"),
        (&EMPTY, "Empty"),
        (&DEAD, "Dead"),
    ] {
        let in_state = classic().filter(|((_, found), _)| *found == state);
        out.one(metric, in_state.map(|(_, count)| count).sum::<u64>());
    }
}

/// Looks at all groups of a shard, if it is here, piece by piece.
pub(super) async fn each_group(broker: &Broker, shard: i32, mut visit: impl FnMut(GroupSummary)) {
    let mut after = None;
    loop {
        let from = after.take();
        let look = broker.groups.look(shard, move |shard| shard.groups_after(from.as_ref(), PIECE)).await;
        let groups = look.unwrap_or_default();
        let is_last = groups.len() < PIECE;
        after = groups.last().map(|group| group.group_id.clone());
        groups.into_iter().for_each(&mut visit);
        if is_last {
            return;
        }
    }
}

async fn each_offset(broker: &Broker, shard: i32, mut visit: impl FnMut(OffsetKey, i64)) {
    let mut after = None;
    loop {
        let from: Option<OffsetKey> = after.take();
        let look = broker.groups.look(shard, move |shard| shard.offsets_after(from.as_ref(), PIECE)).await;
        let offsets = look.unwrap_or_default();
        let is_last = offsets.len() < PIECE;
        after = offsets.last().map(|(key, _)| key.clone());
        offsets.into_iter().for_each(|(key, offset)| visit(key, offset));
        if is_last {
            return;
        }
    }
}
