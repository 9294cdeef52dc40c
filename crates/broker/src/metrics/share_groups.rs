//! Where share groups stand (KIP-932, KIP-1226).

use ottla_coordinator::GroupType;
use ottla_coordinator::share::coordinator::SharePartitionKey;
use ottla_protocol::Str;

use super::collect::{Gone, Out};
use super::groups::each_group;
use super::metric::{Metric, Series, gauge};
use crate::broker::Broker;
use crate::handlers::group_request::offsets_partitions;
use crate::handlers::share_state_request::state_partitions;

const BY: &[&str] = &["sharegroup", "topic", "partition"];
/// Share partitions that are looked at in one piece.
const PIECE: usize = 1_000;

pub static SESSIONS: Metric = gauge("ottla_share_sessions", "Share sessions that members have open.");
pub static PARTITIONS: Metric =
    gauge("ottla_share_partitions", "Share partitions whose records in flight are kept in memory.");
pub static MEMBERS: Metric =
    gauge("ottla_sharegroup_members", "Members of the share group.").by(&["sharegroup"]).per(Series::Group);
pub static START: Metric = gauge(
    "ottla_sharegroup_start_offset",
    "Offset before which the share group is done with all records of the partition.",
)
.by(BY)
.per(Series::Group);
pub static LAG: Metric =
    gauge("ottla_sharegroup_lag", "Records of the partition that the share group is not done with.")
        .by(BY)
        .per(Series::Group);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[&SESSIONS, &PARTITIONS, &MEMBERS, &START, &LAG];

/// A share partition with a start offset.
struct Standing {
    group_id: Str,
    topic: Str,
    partition: String,
    start: i64,
    /// `None` when it is not known.
    lag: Option<i64>,
}

pub(super) async fn collect(broker: &Broker, out: &mut Out) -> Result<(), Gone> {
    out.one(&SESSIONS, broker.shares.sessions.len());
    out.one(&PARTITIONS, broker.shares.len());
    if !out.allows(Series::Group) {
        return Ok(());
    }
    let max = out.left();
    let mut groups = Vec::new();
    for shard in 0..offsets_partitions(broker) {
        each_group(broker, shard, |group| {
            if group.group_type == GroupType::Share && groups.len() <= max {
                groups.push(group);
            }
        })
        .await;
    }
    out.begin(&MEMBERS);
    for group in &groups {
        out.sample(&MEMBERS, &[&group.group_id], group.members);
        out.breathe().await?;
    }
    let standing = all_standing(broker, out.left()).await;
    for (metric, value) in [
        (&START, (|standing| Some(standing.start)) as fn(&Standing) -> Option<i64>),
        (&LAG, |standing| standing.lag),
    ] {
        out.begin(metric);
        for standing in &standing {
            if let Some(value) = value(standing) {
                out.sample(metric, &[&standing.group_id, &standing.topic, &standing.partition], value);
                out.breathe().await?;
            }
        }
    }
    Ok(())
}

/// The share partitions of all shards that are here, but not many more than `max`.
async fn all_standing(broker: &Broker, max: usize) -> Vec<Standing> {
    let mut found = Vec::new();
    for shard in 0..state_partitions(broker) {
        let mut after: Option<SharePartitionKey> = None;
        while found.len() <= max {
            let from = after.take();
            let look = broker
                .share_states
                .look(shard, move |shard| shard.partitions_after(from.as_ref(), PIECE))
                .await;
            let piece = look.unwrap_or_default();
            let is_last = piece.len() < PIECE;
            after = piece.last().map(|(key, ..)| key.clone());
            found.extend(
                piece.into_iter().filter_map(|(key, start, done)| standing(broker, key, start, done)),
            );
            if is_last {
                break;
            }
        }
    }
    found
}

/// `None` for what has no start offset yet, and for topics that are gone.
fn standing(broker: &Broker, key: SharePartitionKey, start: i64, done: i32) -> Option<Standing> {
    let hosted = broker.partitions.topic_by_id(key.topic_id)?;
    let end = hosted.partition(key.partition)?.high_watermark();
    (start >= 0).then(|| Standing {
        group_id: key.group_id,
        topic: hosted.name.clone(),
        partition: key.partition.to_string(),
        start,
        lag: lag(start, done, end),
    })
}

/// What is neither before the start nor done with.
fn lag(start: i64, done: i32, end: i64) -> Option<i64> {
    (done >= 0 && end >= 0).then(|| end.saturating_sub(start).saturating_sub(i64::from(done)).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_is_neither_before_the_start_nor_done_with() {
        assert_eq!(lag(10, 3, 20), Some(7));
        assert_eq!(lag(10, 0, 9), Some(0));
        assert_eq!(lag(10, -1, 20), None);
        assert_eq!(lag(10, 0, -1), None);
    }
}
