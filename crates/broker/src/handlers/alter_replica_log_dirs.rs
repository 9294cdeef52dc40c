//! AlterReplicaLogDirs (key 34), versions 1-2: moves partitions to other log directories of this broker (KIP-113).
//!
//! The copy is made by the background thread while the partition is served; the directories are exchanged when the copy has
//! caught up.

use std::collections::BTreeMap;
use std::path::Path;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use ottla_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::cordon;

/// Length of `.<32 digits>-future`.
const FUTURE_SUFFIX_LEN: usize = 1 + 32 + 7;
/// Longest name of a file.
const FILE_NAME_MAX: usize = 255;

/// Answers when the moves have begun.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let is_allowed = broker.may(ctx, AclOperation::Alter, Resource::Cluster);
    let mut topics: BTreeMap<Str, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            let results = topics.entry(topic.name.clone()).or_default();
            results.extend(topic.partitions.iter().map(|index| {
                AlterReplicaLogDirPartitionResult {
                    partition_index: *index,
                    error_code: match is_allowed {
                        true => start(ctx, broker, &dir.path, &topic.name, *index).err().unwrap_or_default(),
                        false => ErrorCode::ClusterAuthorizationFailed,
                    }
                    .code(),
                }
            }));
        }
    }
    let results = topics
        .into_iter()
        .map(|(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions })
        .collect();
    AlterReplicaLogDirsResponse { results, ..Default::default() }
}

fn start(ctx: &RequestContext, broker: &Broker, dir: &str, topic: &str, index: i32) -> Result<(), ErrorCode> {
    // The copy's directory is `<topic>-<partition>.<32 digits>-future`, and file names have 255 bytes.
    if format!("{topic}-{index}").len() + FUTURE_SUFFIX_LEN > FILE_NAME_MAX {
        return Err(ErrorCode::InvalidTopicException);
    }
    let path = Path::new(dir);
    let known = broker.logs.log_dir(path);
    let offline_at_start = broker.logs.offline_at_start().iter().any(|offline| offline.path == path);
    match known {
        None if !offline_at_start => return Err(ErrorCode::LogDirNotFound),
        Some(dir) if dir.is_online() => {}
        _ => return Err(ErrorCode::KafkaStorageError),
    }
    if broker.partitions.get(topic, index).is_none() {
        return Err(ErrorCode::ReplicaNotAvailable);
    }
    let cordoned = cordon::directories(&broker.shared_config.broker(), &broker.logs);
    if cordon::is_supported(&broker.image()) && known.is_some_and(|dir| cordoned.contains(&dir.id())) {
        return Err(ErrorCode::InvalidReplicaAssignment);
    }
    let partition = TopicPartition::new(Str::from(topic), index);
    broker.logs.start_move(&partition, path, ctx.now_ms).map_err(|why| {
        tracing::warn!(%partition, dir, %why, "a partition can't be moved");
        why.code()
    })
}
