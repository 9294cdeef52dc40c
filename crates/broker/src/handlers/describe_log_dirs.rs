//! DescribeLogDirs (key 35), versions 1-5: what lies in which log directory. v4 sizes of the disks (KIP-827) · v5 cordoned (KIP-1066).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use ottla_protocol::{ErrorCode, Str};
use ottla_storage::{LogDir, PartitionLog};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::cordon;

/// Answers directory by directory.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    if !broker.may(ctx, AclOperation::Describe, Resource::Cluster) {
        return DescribeLogDirsResponse {
            error_code: ErrorCode::ClusterAuthorizationFailed.code(),
            ..Default::default()
        };
    }
    let wanted = |log: &PartitionLog| {
        let partition = log.partition();
        request.topics.as_ref().is_none_or(|topics| {
            topics.iter().any(|t| t.topic == partition.topic && t.partitions.contains(&partition.partition))
        })
    };
    let cordoned = match cordon::is_supported(&broker.image()) {
        true => cordon::directories(&broker.shared_config.broker(), &broker.logs),
        false => Vec::new(),
    };
    let mut results: Vec<DescribeLogDirsResult> = broker
        .logs
        .log_dirs()
        .iter()
        .map(|dir| {
            let is_cordoned = cordoned.contains(&dir.id());
            DescribeLogDirsResult { is_cordoned, ..describe(broker, dir, &wanted) }
        })
        .collect();
    results.extend(broker.logs.offline_at_start().iter().map(|dir| offline(&dir.path.to_string_lossy())));
    DescribeLogDirsResponse { results, ..Default::default() }
}

fn offline(path: &str) -> DescribeLogDirsResult {
    DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: Str::from(path),
        ..Default::default()
    }
}

fn describe(
    broker: &Broker,
    dir: &Arc<LogDir>,
    wanted: &impl Fn(&PartitionLog) -> bool,
) -> DescribeLogDirsResult {
    let path = dir.path().to_string_lossy();
    if !dir.is_online() {
        return offline(&path);
    }
    let mut topics: BTreeMap<Str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    let futures = broker.logs.future_logs();
    let here = broker.logs.logs_in(dir).into_iter().map(|log| (log, false));
    let coming = futures.into_iter().filter(|log| log.log_dir().path() == dir.path()).map(|log| (log, true));
    for (log, is_future_key) in here.chain(coming).filter(|(log, _)| wanted(log)) {
        let partition = log.partition();
        topics.entry(partition.topic.clone()).or_default().push(DescribeLogDirsPartition {
            partition_index: partition.partition,
            partition_size: log.size_bytes() as i64,
            offset_lag: lag(broker, &log, is_future_key),
            is_future_key,
        });
    }
    // A disk that can't be asked is told as unknown.
    let (total, usable) = dir.space().map_or((-1, -1), |(total, usable)| (total as i64, usable as i64));
    DescribeLogDirsResult {
        log_dir: Str::from(&*path),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions })
            .collect(),
        total_bytes: total,
        usable_bytes: usable,
        ..Default::default()
    }
}

/// How far a log is behind: a copy behind its original, an original behind the high watermark.
fn lag(broker: &Broker, log: &PartitionLog, is_future: bool) -> i64 {
    let target = match is_future {
        true => broker.logs.log(log.partition()).map_or(0, |original| original.log_end_offset()),
        false => log.high_watermark(),
    };
    (target - log.log_end_offset()).max(0)
}
