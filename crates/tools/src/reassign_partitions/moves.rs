//! Moves between the directories of a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::{Admin, TopicDescription, TopicPartitionReplica};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use tokio::time::Instant;

use super::join;
use super::plan::Directories;
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

/// How far a move to a directory is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MoveState {
    /// The broker has no such replica.
    MissingReplica,
    /// The replica is in no directory that works.
    MissingDirectory,
    /// It is on its way: from, towards.
    Active(Str, Str),
    /// It is not on its way; where it is.
    Cancelled(Str),
    /// It is there.
    Completed,
}

impl MoveState {
    pub fn is_done(&self) -> bool {
        !matches!(self, MoveState::Active(..))
    }

    /// What `--verify` says of it.
    pub fn describe(&self, replica: &TopicPartitionReplica, target: &str) -> String {
        let TopicPartitionReplica { topic, partition, broker_id } = replica;
        match self {
            MoveState::MissingDirectory => format!(
                "Partition {topic}-{partition} is not found in any live log dir on broker {broker_id}. There is likely an \
                 offline log directory on the broker."
            ),
            MoveState::MissingReplica => format!(
                "Partition {topic}-{partition} cannot be found in any live log directory on broker {broker_id}."
            ),
            MoveState::Active(_, future) if future.as_ref() as &str == target => {
                format!("Reassignment of replica {} is still in progress.", name(replica))
            }
            MoveState::Active(_, future) => format!(
                "Partition {topic}-{partition} on broker {broker_id} is being moved to log dir {future} instead of {target}."
            ),
            MoveState::Cancelled(current) => format!(
                "Partition {topic}-{partition} on broker {broker_id} is not being moved from log dir {current} to {target}."
            ),
            MoveState::Completed => {
                format!("Reassignment of replica {} completed successfully.", name(replica))
            }
        }
    }
}

/// As Kafka prints a replica: `topic-partition-broker`.
fn name(replica: &TopicPartitionReplica) -> String {
    format!("{}-{}-{}", replica.topic, replica.partition, replica.broker_id)
}

/// In the order of brokers, then partitions.
pub(super) fn sorted<T>(
    replicas: impl Iterator<Item = T>,
    key: impl Fn(&T) -> TopicPartitionReplica,
) -> Vec<T> {
    let mut all: Vec<T> = replicas.collect();
    all.sort_by_key(|item| {
        let replica = key(item);
        (replica.broker_id, replica.topic, replica.partition)
    });
    all
}

/// How far the moves to these directories are.
pub(super) async fn states(
    admin: &Admin,
    targets: &Directories,
) -> Result<BTreeMap<TopicPartitionReplica, MoveState>, Failure> {
    if targets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let replicas: BTreeSet<TopicPartitionReplica> = targets.keys().cloned().collect();
    let found = admin.describe_replica_log_dirs(&replicas, &Default::default()).await;
    let mut states = BTreeMap::new();
    for (replica, target) in targets {
        let state = match found.get(replica) {
            None => MoveState::MissingReplica,
            Some(Err(error)) => return Err(Failure::in_future(error.clone())),
            Some(Ok(info)) => match (&info.current, &info.future) {
                (None, _) => MoveState::MissingDirectory,
                (Some(current), Some(future)) => MoveState::Active(current.clone(), future.clone()),
                (Some(current), None) if current == target => MoveState::Completed,
                (Some(current), None) => MoveState::Cancelled(current.clone()),
            },
        };
        states.insert(replica.clone(), state);
    }
    Ok(states)
}

/// Where the replicas of partitions are now.
pub(super) async fn directories_of(
    admin: &Admin,
    described: &BTreeMap<Str, TopicDescription>,
    wanted: impl Fn(&TopicPartition) -> bool,
) -> Result<Directories, Failure> {
    let mut replicas = BTreeSet::new();
    for (topic, description) in described {
        for info in &description.partitions {
            if !wanted(&TopicPartition::new(topic.clone(), info.partition)) {
                continue;
            }
            // A node without an address is not there to be asked.
            for node in info.replicas.iter().filter(|node| !node.host.is_empty()) {
                let (topic, partition) = (topic.clone(), info.partition);
                replicas.insert(TopicPartitionReplica { topic, partition, broker_id: node.id });
            }
        }
    }
    if replicas.is_empty() {
        return Ok(Directories::new());
    }
    let mut directories = Directories::new();
    for (replica, info) in admin.describe_replica_log_dirs(&replicas, &Default::default()).await {
        if let Some(current) = info.map_err(Failure::in_future)?.current {
            directories.insert(replica, current);
        }
    }
    Ok(directories)
}

/// Starts moves, again and again until all have begun: a replica may first have to come to the broker.
pub(super) async fn start(
    io: &mut Io,
    admin: &Admin,
    targets: &Directories,
    timeout_ms: i64,
) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let mut pending = targets.clone();
    loop {
        let mut begun = Vec::new();
        for (replica, result) in admin.alter_replica_log_dirs(&pending, &Default::default()).await {
            match result {
                Ok(_) => begun.push(replica),
                Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                Err(_) => return Err(super::failed(format!("Failed to alter dir for {}", name(&replica)))),
            }
        }
        for replica in sorted(begun.into_iter(), Clone::clone) {
            if let Some(directory) = pending.remove(&replica) {
                let TopicPartitionReplica { topic, partition, broker_id } = replica;
                outln!(
                    io,
                    "Successfully started moving log directory to {directory} for replica {topic}-{partition} with broker {broker_id} "
                );
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let plural = if pending.len() == 1 { "" } else { "s" };
            let left = join(sorted(pending.keys(), |it| (*it).clone()).into_iter().map(name));
            return Err(Failure::message(format!(
                "Timed out before log directory move{plural} could be started for: {left}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
