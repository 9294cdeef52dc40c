//! Fetch (key 1), versions 4-18: reads record batches, and waits for them.
//!
//! v7 sessions (KIP-227) · v9 leader epochs · v11 rack · v12 diverging epochs (KIP-595) · v13 topics by id · v15 replica state ·
//! v16 leaders' endpoints (KIP-951) · v17 directory id · v18 high watermark of the follower.
//!
//! Whole batches leave as they lie in the log: as slices of the hot tail or as file ranges. The first batch of an
//! answer is whole even when it exceeds the limits (KIP-74). An answer that a quota throttles has no records, and leaves the
//! session as it was.

use std::time::Duration;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData,
};
use ottla_protocol::messages::{FetchRequest, FetchResponse};
use ottla_protocol::{ErrorCode, ExternalRecords, Records};
use ottla_storage::{Cold, OnCold, ReadOptions};
use tokio::time::Instant;

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::clock::now_us;
use crate::cold_looks::look_at_all;
use crate::context::RequestContext;
use crate::fetch_session::{FetchContext, FetchTarget, SessionRequest, TopicKey};
use crate::partitions::{Partition, ReadBound, ReadRefused, Unread};
use crate::quotas::RequestQuota;
use crate::waiting::FetchWaiter;
use crate::wire::RecordPieces;
use std::sync::Arc;

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// Last version whose clients do not know KAFKA_STORAGE_ERROR.
const NO_STORAGE_ERROR_VERSION: i16 = 5;

/// A fetch is answered at once, or waits.
pub enum Stage {
    /// The answer and its records.
    Done(FetchResponse, RecordPieces),
    /// There is not enough to read yet.
    Wait(Wait),
}

impl From<(FetchResponse, RecordPieces)> for Stage {
    fn from((response, pieces): (FetchResponse, RecordPieces)) -> Self {
        Stage::Done(response, pieces)
    }
}

/// What a fetch asks for beside its partitions.
struct Params {
    api_version: i16,
    from_follower: bool,
    bound: ReadBound,
    min_bytes: i64,
    max_bytes: usize,
    max_wait: Duration,
    /// Which of the targets, by their places, must not be read; empty when all may be.
    denied: Vec<bool>,
    /// What the request takes from quotas.
    quota: Option<RequestQuota>,
}

impl Params {
    fn is_denied(&self, place: usize) -> bool {
        self.denied.get(place).copied().unwrap_or(false)
    }
}

/// A fetch that is not answered yet.
struct Fetching {
    params: Params,
    context: FetchContext,
}

/// A fetch that waits for records.
pub struct Wait {
    fetching: Fetching,
    /// None: it waits for nothing yet but what is cold.
    waiter: Option<Arc<FetchWaiter>>,
    /// To be read at once, when this is warm.
    cold: Option<Vec<Cold>>,
    deadline: Instant,
}

/// Reads what is there, and decides whether it suffices.
pub fn begin(ctx: &RequestContext, broker: &Broker, request: FetchRequest) -> Stage {
    let mut params = params(ctx, broker, &request);
    let context = open_context(ctx, broker, &params, request);
    params.denied = denied(ctx, broker, &params, &context.targets);
    let fetching = Fetching { params, context };
    match fetching.read(broker, OnCold::Tell) {
        Err(cold) => return fetching.wait(None, Some(cold)),
        Ok(read) if fetching.is_enough(&read) || fetching.params.max_wait.is_zero() => {
            return fetching.respond(broker, read).into();
        }
        Ok(_) => {}
    }
    let waiter = fetching.register(broker);
    // What was appended between the read and the registration woke nobody: look once more.
    match fetching.read(broker, OnCold::Tell) {
        Err(cold) => fetching.wait(Some(waiter), Some(cold)),
        Ok(read) if fetching.is_enough(&read) => fetching.respond(broker, read).into(),
        Ok(read) => {
            // Some of it may have been told already: to wake too soon does no harm.
            waiter.add(read.bytes);
            fetching.wait(Some(waiter), None)
        }
    }
}

impl Fetching {
    fn read(&self, broker: &Broker, on_cold: OnCold) -> Result<ReadAll, Vec<Cold>> {
        read_all(broker, &self.params, &self.context.targets, on_cold)
    }

    fn is_enough(&self, read: &ReadAll) -> bool {
        read.must_answer || read.bytes >= self.params.min_bytes
    }

    /// A waiter for `min_bytes` from now on. What a read finds already must be added.
    fn register(&self, broker: &Broker) -> Arc<FetchWaiter> {
        let waiter = FetchWaiter::new(self.params.min_bytes);
        let targets = self.context.targets.iter().enumerate();
        for (_, target) in targets.filter(|(place, _)| !self.params.is_denied(*place)) {
            if let Some(partition) = partition_of(broker, target) {
                partition.fetch_waiters.register(&waiter);
            }
        }
        waiter
    }

    fn wait(self, waiter: Option<Arc<FetchWaiter>>, cold: Option<Vec<Cold>>) -> Stage {
        let deadline = Instant::now() + self.params.max_wait;
        Stage::Wait(Wait { fetching: self, waiter, cold, deadline })
    }

    fn respond(self, broker: &Broker, read: ReadAll) -> (FetchResponse, RecordPieces) {
        respond(broker, &self.params, self.context, read)
    }
}

impl Wait {
    /// Waits until enough can be read, or the client's patience ends.
    pub async fn finish(self, broker: &Broker) -> (FetchResponse, RecordPieces) {
        let Wait { fetching, mut waiter, mut cold, deadline } = self;
        loop {
            if cold.is_none()
                && let Some(waiter) = &waiter
            {
                let _ = tokio::time::timeout_at(deadline, waiter.woken()).await;
                // Before the read: what is appended meanwhile may be counted twice, but not never.
                waiter.reset(fetching.params.min_bytes);
            }
            let missed = cold.take().unwrap_or_default();
            let read = look_at_all(missed, |on_cold| fetching.read(broker, on_cold)).await;
            if fetching.is_enough(&read) || Instant::now() >= deadline {
                return fetching.respond(broker, read);
            }
            match &waiter {
                Some(waiter) => waiter.add(read.bytes),
                // What was appended before woke nobody: look once more.
                None => (waiter, cold) = (Some(fetching.register(broker)), Some(Vec::new())),
            }
        }
    }
}

fn params(ctx: &RequestContext, broker: &Broker, request: &FetchRequest) -> Params {
    let replica_id =
        if ctx.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let from_follower = replica_id >= 0;
    let bound = match (from_follower, request.isolation_level) {
        (true, _) => ReadBound::LogEnd,
        (false, 1) => ReadBound::LastStable,
        (false, _) => ReadBound::HighWatermark,
    };
    let max_bytes = request.max_bytes.min(broker.config.topics.fetch_max_bytes).max(0);
    // More than a quota could ever let pass would only be read in vain.
    let of_quota =
        ctx.quota.as_ref().filter(|_| !from_follower).map_or(usize::MAX, RequestQuota::max_fetch_bytes);
    let max_bytes = max_bytes.min(i32::try_from(of_quota).unwrap_or(i32::MAX));
    Params {
        api_version: ctx.api_version,
        from_follower,
        bound,
        min_bytes: i64::from(request.min_bytes.min(max_bytes)),
        max_bytes: max_bytes as usize,
        max_wait: Duration::from_millis(request.max_wait_ms.max(0) as u64),
        denied: Vec::new(),
        quota: ctx.quota.clone(),
    }
}

/// Which targets who asks must not read. This is asked with each request: what a session was opened for may have
/// become forbidden since. Followers ask for the cluster's sake.
fn denied(ctx: &RequestContext, broker: &Broker, params: &Params, targets: &[FetchTarget]) -> Vec<bool> {
    if !broker.authorization.is_enabled() {
        return Vec::new();
    }
    if params.from_follower {
        let is_allowed = broker.may(ctx, AclOperation::ClusterAction, Resource::Cluster);
        return if is_allowed { Vec::new() } else { vec![true; targets.len()] };
    }
    let mut allowed = broker.topics(ctx, AclOperation::Read);
    let mut denied = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        // One that there is not by its id has no name to ask for.
        if target.topic().is_some_and(|topic| !allowed.allow(topic)) {
            denied.resize(place, false);
            denied.push(true);
        }
    }
    denied
}

fn open_context(
    ctx: &RequestContext,
    broker: &Broker,
    params: &Params,
    request: FetchRequest,
) -> FetchContext {
    let by_id = ctx.api_version >= TOPIC_ID_VERSION;
    let image = broker.image();
    let mut targets = Vec::new();
    for topic in &request.topics {
        let (key, name) = if by_id {
            (TopicKey::Id(topic.topic_id), image.topics.topic_name(topic.topic_id).cloned())
        } else {
            (TopicKey::Name(topic.topic.clone()), Some(topic.topic.clone()))
        };
        targets.extend(topic.partitions.iter().map(|p| FetchTarget {
            key: key.clone(),
            name: name.clone(),
            topic_id: topic.topic_id,
            partition: p.partition,
            fetch_offset: p.fetch_offset,
            max_bytes: p.partition_max_bytes,
            current_leader_epoch: p.current_leader_epoch,
            last_fetched_epoch: p.last_fetched_epoch,
            log_start_offset: p.log_start_offset,
        }));
    }
    let forgotten = request
        .forgotten_topics_data
        .iter()
        .flat_map(|topic| {
            let key = if by_id { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.topic.clone()) };
            topic.partitions.iter().map(move |p| (key.clone(), *p))
        })
        .collect();
    let session = SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids: by_id,
        from_follower: params.from_follower,
        targets,
        forgotten,
    };
    broker.fetch_sessions.context(session, ctx.now_ms, |id| image.topics.topic_name(id).cloned())
}

/// What one pass over the partitions brought.
struct ReadAll {
    results: Vec<PartitionData>,
    pieces: RecordPieces,
    /// Whose records these are, and how many bytes.
    sent: Vec<(Arc<Partition>, usize)>,
    bytes: i64,
    /// An error or a diverging epoch: waiting would not help.
    must_answer: bool,
}

/// Bytes of an answer beside its records, and those of a partition that it tells of, about.
const RESPONSE_OVERHEAD_BYTES: usize = 24;
const PARTITION_OVERHEAD_BYTES: usize = 64;

impl ReadAll {
    /// About how large the answer is, in bytes. Partitions with nothing new are not in it.
    fn size(&self) -> usize {
        let records = |data: &PartitionData| data.records.as_ref().map_or(0, Records::len);
        let told = self.results.iter().filter(|data| data.error_code != 0 || records(data) > 0);
        told.map(|data| records(data) + PARTITION_OVERHEAD_BYTES).sum::<usize>() + RESPONSE_OVERHEAD_BYTES
    }
}

/// Places that one pass looks for on the disk at a time.
const COLD_MAX: usize = 64;

/// Reads one partition after another.
///
/// # Errors
/// What is cold, if that is to be told.
fn read_all(
    broker: &Broker,
    params: &Params,
    targets: &[FetchTarget],
    on_cold: OnCold,
) -> Result<ReadAll, Vec<Cold>> {
    let mut all = ReadAll {
        results: Vec::with_capacity(targets.len()),
        pieces: Vec::new(),
        sent: Vec::new(),
        bytes: 0,
        // What is denied alone is told at once; beside others, it waits with them, as in Kafka.
        must_answer: (0..targets.len()).all(|place| params.is_denied(place)),
    };
    let mut cold = Vec::new();
    let mut left = params.max_bytes;
    for (place, target) in targets.iter().enumerate() {
        if params.is_denied(place) {
            let refused = ReadRefused::plain(ErrorCode::TopicAuthorizationFailed);
            all.results.push(respond_refused(params, target, refused));
            continue;
        }
        let max_bytes = usize::try_from(target.max_bytes).unwrap_or(0).min(left);
        let data = match read_one(broker, params, target, (max_bytes, on_cold), &mut all) {
            Ok(data) => data,
            Err(Unread::Cold(place)) => {
                cold.push(place);
                if cold.len() == COLD_MAX {
                    break;
                }
                continue;
            }
            Err(Unread::Refused(refused)) => {
                all.must_answer = true;
                respond_refused(params, target, refused)
            }
        };
        all.must_answer |= data.diverging_epoch.epoch >= 0;
        let size = data.records.as_ref().map_or(0, Records::len);
        all.bytes += size as i64;
        left = left.saturating_sub(size);
        all.results.push(data);
    }
    if cold.is_empty() { Ok(all) } else { Err(cold) }
}

fn partition_of(broker: &Broker, target: &FetchTarget) -> Option<Arc<Partition>> {
    match &target.key {
        TopicKey::Id(id) => broker.partitions.topic_by_id(*id)?.partition(target.partition).cloned(),
        TopicKey::Name(name) => broker.partitions.get(name, target.partition),
    }
}

fn read_one(
    broker: &Broker,
    params: &Params,
    target: &FetchTarget,
    (max_bytes, on_cold): (usize, OnCold),
    all: &mut ReadAll,
) -> Result<PartitionData, Unread> {
    let Some(partition) = partition_of(broker, target) else {
        let unknown_id = target.topic().is_none();
        let error = if unknown_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        return Err(ReadRefused::plain(error).into());
    };
    partition.check_leader_epoch(target.current_leader_epoch).map_err(ReadRefused::plain)?;
    if target.last_fetched_epoch >= 0
        && let Some((epoch, end_offset)) =
            partition.diverging_epoch(target.last_fetched_epoch, target.fetch_offset)?
    {
        return Ok(PartitionData {
            partition_index: target.partition,
            diverging_epoch: EpochEndOffset { epoch, end_offset },
            high_watermark: partition.high_watermark(),
            last_stable_offset: partition.last_stable_offset(),
            log_start_offset: partition.log_start_offset(),
            records: Some(Records::default()),
            ..Default::default()
        });
    }
    let min_one_message = all.bytes == 0;
    let options = ReadOptions { offset: target.fetch_offset, max_bytes, min_one_message, on_cold };
    let read = partition.read(options, params.bound)?;
    let records = if read.size == 0 {
        Records::default()
    } else {
        if !params.from_follower {
            all.sent.push((partition, read.size));
        }
        all.pieces.push(read.pieces);
        Records::External(ExternalRecords { id: all.pieces.len() as u32 - 1, len: read.size as u32 })
    };
    let aborted = |list: Vec<(i64, i64)>| {
        list.into_iter()
            .map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset })
            .collect()
    };
    Ok(PartitionData {
        partition_index: target.partition,
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        aborted_transactions: read.aborted_transactions.map(aborted),
        records: Some(records),
        ..Default::default()
    })
}

fn respond_refused(params: &Params, target: &FetchTarget, refused: ReadRefused) -> PartitionData {
    let error = match refused.error {
        ErrorCode::KafkaStorageError if params.api_version <= NO_STORAGE_ERROR_VERSION => {
            ErrorCode::NotLeaderOrFollower
        }
        other => other,
    };
    let current_leader =
        refused.leader.map_or_else(LeaderIdAndEpoch::default, |(leader_id, leader_epoch)| LeaderIdAndEpoch {
            leader_id,
            leader_epoch,
        });
    PartitionData {
        partition_index: target.partition,
        error_code: error.code(),
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        current_leader: if params.api_version >= 16 { current_leader } else { LeaderIdAndEpoch::default() },
        records: Some(Records::default()),
        ..Default::default()
    }
}

fn respond(
    broker: &Broker,
    params: &Params,
    context: FetchContext,
    read: ReadAll,
) -> (FetchResponse, RecordPieces) {
    if let Some(quota) = &params.quota {
        if params.from_follower {
            quota.exempt(now_us());
        } else if !quota.settle_fetch(read.size(), now_us()) {
            return (context.respond_throttled(), RecordPieces::new());
        }
    }
    read.sent.iter().for_each(|(partition, bytes)| partition.note_sent(*bytes as u64));
    // Pieces of partitions that an incremental answer leaves out are empty, so they are in nobody's way.
    (context.respond(&broker.fetch_sessions, read.results), read.pieces)
}
