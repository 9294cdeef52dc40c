//! Produce (key 0), versions 3-13: appends record batches.
//!
//! v7 zstd · v8 errors per record · v10 the current leader in the answer (KIP-951) · v12 transactions v2 · v13 topics by id.
//! A batch's records are not decoded: see `ottla_protocol::records`.
//!
//! Deviation: transactional batches are refused until transactions are served.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_protocol::records::{RecordBatch, validate_produce_records};
use ottla_protocol::{ErrorCode, Records, Str};
use ottla_storage::AppendInfo;

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::flusher::Flushed;
use crate::internal_topics;
use crate::partitions::{AppendRefused, HostedTopic, Partition};
use crate::slow_logs::Appended;

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// Kafka's own admin client may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// How a Produce ends.
pub enum Outcome {
    /// With an answer.
    Respond(ProduceResponse),
    /// Once all is appended and durable, as [`Pending::finish`] says.
    Wait(Pending, ProduceResponse),
    /// Without one: acks=0.
    Silent,
    /// With the end of the connection: acks=0 and an error, which the producer can learn in no other way.
    Close(String),
}

/// Appends in the order of the request, and answers.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: ProduceRequest) -> Outcome {
    let acks = request.acks;
    let mut first_error = None;
    let mut pending = Pending { acks, partitions: Vec::new() };
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let hosted = if ctx.api_version >= TOPIC_ID_VERSION {
            broker.partitions.topic_by_id(topic.topic_id)
        } else {
            broker.partitions.topic(&topic.name)
        };
        let partition_responses: Vec<PartitionProduceResponse> = topic
            .partition_data
            .iter()
            .enumerate()
            .map(|(at, data)| match append(ctx, broker, acks, &topic, hosted.as_deref(), data) {
                Ok((response, waits)) => {
                    pending.partitions.extend(waits.map(|waits| (responses.len(), at, waits)));
                    response
                }
                Err(refused) => {
                    first_error.get_or_insert(refused.error);
                    respond_refused(data.index, refused)
                }
            })
            .collect();
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses,
        });
    }
    match (acks, first_error) {
        (0, None) if !pending.has_appends() => Outcome::Silent,
        (0, Some(error)) => Outcome::Close(acks_0_failed(error)),
        _ if pending.partitions.is_empty() => {
            Outcome::Respond(ProduceResponse { responses, ..Default::default() })
        }
        _ => Outcome::Wait(pending, ProduceResponse { responses, ..Default::default() }),
    }
}

fn acks_0_failed(error: ErrorCode) -> String {
    format!("a Produce with acks=0 failed with {error}, which only a closed connection can tell")
}

/// The partitions of a request that make it wait: place of the topic, place of the partition in it.
pub struct Pending {
    acks: i16,
    partitions: Vec<(usize, usize, Waits)>,
}

/// What a partition waits for.
enum Waits {
    /// `flush.messages` demands an fsync.
    Flush(Flushed),
    /// The log is slow.
    Append(Arc<Partition>, Appended),
}

impl Pending {
    fn has_appends(&self) -> bool {
        self.partitions.iter().any(|(.., waits)| matches!(waits, Waits::Append(..)))
    }

    /// Waits for all; what could not be appended or made durable becomes an error in the response. With acks=0 there
    /// is no response.
    ///
    /// # Errors
    /// Why the connection must close.
    pub async fn finish(
        self,
        broker: &Broker,
        mut response: ProduceResponse,
    ) -> Result<Option<ProduceResponse>, String> {
        let mut failed = None;
        for (topic, at, waits) in self.partitions {
            let outcome = waits.finish(broker).await;
            let partitions = response.responses.get_mut(topic).map(|t| &mut t.partition_responses);
            let Some(partition) = partitions.and_then(|partitions| partitions.get_mut(at)) else { continue };
            match outcome {
                Ok(Some(info)) => *partition = respond(partition.index, &info),
                Ok(None) => {}
                Err(refused) => {
                    failed.get_or_insert(refused.error);
                    *partition = respond_refused(partition.index, refused);
                }
            }
        }
        match (self.acks, failed) {
            (0, None) => Ok(None),
            (0, Some(error)) => Err(acks_0_failed(error)),
            _ => Ok(Some(response)),
        }
    }
}

impl Waits {
    /// What was appended, if that was not known before.
    async fn finish(self, broker: &Broker) -> Result<Option<AppendInfo>, AppendRefused> {
        // Without an answer the broker is stopping.
        let stopping = ErrorCode::NotLeaderOrFollower;
        let durable = |outcome: Result<_, _>| outcome.unwrap_or(Err(stopping)).map_err(AppendRefused::plain);
        match self {
            Waits::Flush(flushed) => durable(flushed.await).map(|()| None),
            Waits::Append(partition, appended) => {
                let info = appended.await.unwrap_or_else(|_| Err(AppendRefused::plain(stopping)))?;
                if info.flush_due {
                    durable(broker.flusher.flush(&partition, info.last_offset + 1, info.size).await)?;
                }
                Ok(Some(info))
            }
        }
    }
}

fn append(
    ctx: &RequestContext,
    broker: &Broker,
    acks: i16,
    topic: &TopicProduceData,
    hosted: Option<&HostedTopic>,
    data: &PartitionProduceData,
) -> Result<(PartitionProduceResponse, Option<Waits>), AppendRefused> {
    let Some(hosted) = hosted else {
        let by_id =
            ctx.api_version >= TOPIC_ID_VERSION && broker.image().topics.topic_name(topic.topic_id).is_none();
        let error = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        return Err(AppendRefused::plain(error));
    };
    let partition = hosted
        .partition(data.index)
        .ok_or_else(|| AppendRefused::plain(ErrorCode::UnknownTopicOrPartition))?;
    if !(-1..=1).contains(&acks) {
        return Err(AppendRefused::plain(ErrorCode::InvalidRequiredAcks));
    }
    if internal_topics::is_internal(&hosted.name) && ctx.client_id() != ADMIN_CLIENT_ID {
        let why = format!("Cannot append to internal topic {}", hosted.name);
        return Err(AppendRefused::new(ErrorCode::InvalidTopicException, why));
    }
    let empty = Bytes::new();
    let records = data.records.as_ref().and_then(Records::bytes).unwrap_or(&empty);
    validate(ctx.api_version, records)?;
    if let Some(appended) = broker.slow_logs.append(partition, records, ctx.now_ms) {
        let response = PartitionProduceResponse { index: data.index, ..Default::default() };
        return Ok((response, Some(Waits::Append(partition.clone(), appended))));
    }
    let info = partition.append_as_leader(records, ctx.now_ms)?;
    let flushed = info
        .flush_due
        .then(|| Waits::Flush(broker.flusher.flush(partition, info.last_offset + 1, info.size)));
    Ok((respond(data.index, &info), flushed))
}

fn respond(index: i32, info: &AppendInfo) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: ErrorCode::None.code(),
        base_offset: info.base_offset,
        log_append_time_ms: info.log_append_time_ms,
        log_start_offset: info.log_start_offset,
        ..Default::default()
    }
}

/// What the version of the request demands of the batch, and what is not served yet.
fn validate(version: i16, records: &[u8]) -> Result<(), AppendRefused> {
    validate_produce_records(version, records)
        .map_err(|invalid| AppendRefused::new(invalid.error, invalid.message))?;
    // A batch that does not parse is for the log to judge, which knows the errors.
    let is_transactional = RecordBatch::parse(records).is_ok_and(|(batch, _)| batch.is_transactional());
    if is_transactional {
        return Err(AppendRefused::new(ErrorCode::InvalidTxnState, "transactions are not served yet"));
    }
    Ok(())
}

fn respond_refused(index: i32, refused: AppendRefused) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: refused.error.code(),
        base_offset: -1,
        log_start_offset: refused.log_start_offset,
        record_errors: refused
            .record_errors
            .into_iter()
            .map(|(batch_index, message)| BatchIndexAndErrorMessage {
                batch_index,
                batch_index_error_message: message.map(Str::from),
            })
            .collect(),
        error_message: refused.message.map(Str::from),
        ..Default::default()
    }
}
