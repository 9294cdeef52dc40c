//! Bounds on how much moves may take, and taking those away.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{Admin, AlterConfigOp, ConfigResource, PartitionReassignment};
use ottla_protocol::{Str, TopicPartition};

use super::plan::Replicas;
use super::{join, plan};
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const DIRECTORY_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// From where to where a partition moves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Move {
    pub sources: BTreeSet<i32>,
    pub destinations: BTreeSet<i32>,
}

/// Moves by topic and partition.
pub(super) type Moves = BTreeMap<Str, BTreeMap<i32, Move>>;

/// What moves now and by the plan.
pub(super) fn moves(
    current: &BTreeMap<TopicPartition, PartitionReassignment>,
    proposed: &Replicas,
    replicas_now: &Replicas,
) -> Moves {
    let mut moves = Moves::new();
    for (key, found) in current {
        let destinations: BTreeSet<i32> = found.adding_replicas.iter().copied().collect();
        let sources = found.replicas.iter().copied().filter(|id| !destinations.contains(id)).collect();
        moves.entry(key.topic.clone()).or_default().insert(key.partition, Move { sources, destinations });
    }
    for (key, wanted) in proposed {
        let topic = moves.entry(key.topic.clone()).or_default();
        let sources: BTreeSet<i32> = match topic.remove(&key.partition) {
            Some(under_way) => under_way.sources,
            None => replicas_now.get(key).into_iter().flatten().copied().collect(),
        };
        let destinations = wanted.iter().copied().filter(|id| !sources.contains(id)).collect();
        topic.insert(key.partition, Move { sources, destinations });
    }
    moves
}

/// `partition:broker` for each source or destination, sorted as texts.
fn throttled(partitions: &BTreeMap<i32, Move>, side: fn(&Move) -> &BTreeSet<i32>) -> String {
    let pairs: BTreeSet<String> = partitions
        .iter()
        .flat_map(|(partition, it)| side(it).iter().map(move |broker| format!("{partition}:{broker}")))
        .collect();
    join(pairs)
}

/// Bounds moves between brokers.
pub(super) async fn throttle_brokers(
    io: &mut Io,
    admin: &Admin,
    moves: &Moves,
    rate: i64,
) -> Result<(), Failure> {
    let mut changes = BTreeMap::new();
    for (topic, partitions) in moves {
        let operations = vec![
            AlterConfigOp::set(LEADER_REPLICAS, throttled(partitions, |it| &it.sources)),
            AlterConfigOp::set(FOLLOWER_REPLICAS, throttled(partitions, |it| &it.destinations)),
        ];
        changes.insert(ConfigResource::topic(topic.clone()), operations);
    }
    alter(admin, changes).await?;
    let brokers: BTreeSet<i32> = moves
        .values()
        .flat_map(BTreeMap::values)
        .flat_map(|it| it.sources.iter().chain(&it.destinations).copied())
        .collect();
    let set = |key: &str| AlterConfigOp::set(key, rate.to_string());
    let changes = brokers
        .into_iter()
        .map(|id| (ConfigResource::broker(id), vec![set(LEADER_RATE), set(FOLLOWER_RATE)]))
        .collect();
    alter(admin, changes).await?;
    outln!(io, "The inter-broker throttle limit was set to {rate} B/s");
    Ok(())
}

/// Bounds moves between directories.
pub(super) async fn throttle_directories(
    io: &mut Io,
    admin: &Admin,
    directories: &plan::Directories,
    rate: i64,
) -> Result<(), Failure> {
    let brokers: BTreeSet<i32> = directories.keys().map(|replica| replica.broker_id).collect();
    let set = || vec![AlterConfigOp::set(DIRECTORY_RATE, rate.to_string())];
    alter(admin, brokers.into_iter().map(|id| (ConfigResource::broker(id), set())).collect()).await?;
    outln!(io, "The replica-alter-dir throttle limit was set to {rate} B/s");
    Ok(())
}

/// Takes all throttles away, from all brokers and the topics of the plan.
pub(super) async fn clear(io: &mut Io, admin: &Admin, plan: &plan::Plan) -> Result<(), Failure> {
    let cluster = admin.describe_cluster(&Default::default()).await.map_err(Failure::in_future)?;
    let mut brokers: BTreeSet<i32> = cluster.nodes.iter().map(|it| it.node.id).collect();
    brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas.iter().copied()));
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    outln!(io, "Clearing broker-level throttles on broker{} {}", plural(brokers.len()), join(&brokers));
    let delete =
        |keys: &[&'static str]| keys.iter().map(|key| AlterConfigOp::delete(*key)).collect::<Vec<_>>();
    let operations = || delete(&[LEADER_RATE, FOLLOWER_RATE, DIRECTORY_RATE]);
    alter(admin, brokers.into_iter().map(|id| (ConfigResource::broker(id), operations())).collect()).await?;
    let topics: BTreeSet<Str> = plan.partitions.iter().map(|(key, _)| key.topic.clone()).collect();
    outln!(io, "Clearing topic-level throttles on topic{} {}", plural(topics.len()), join(&topics));
    let operations = || delete(&[LEADER_REPLICAS, FOLLOWER_REPLICAS]);
    alter(admin, topics.into_iter().map(|topic| (ConfigResource::topic(topic), operations())).collect()).await
}

async fn alter(admin: &Admin, changes: BTreeMap<ConfigResource, Vec<AlterConfigOp>>) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let done = admin.incremental_alter_configs(&changes, &Default::default()).await;
    done.into_values().collect::<Result<(), _>>().map_err(Failure::in_future)
}
