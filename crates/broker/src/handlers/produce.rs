//! Produce (key 0), versions 3-13: appends record batches.
//!
//! v7 zstd · v8 errors per record · v10 the current leader in the answer (KIP-951) · v12 transactions v2 · v13 topics by id.
//! A batch's records are not decoded: see `ottla_protocol::records`.
//!
//! Deviation: transactional batches are refused until transactions are served.

use bytes::Bytes;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_protocol::records::{RecordBatch, validate_produce_records};
use ottla_protocol::{ErrorCode, Records, Str};

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::flusher::Flushed;
use crate::internal_topics;
use crate::partitions::{AppendRefused, HostedTopic};

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// Kafka's own admin client may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// How a Produce ends.
pub enum Outcome {
    /// With an answer.
    Respond(ProduceResponse),
    /// With an answer, once what it says is durable.
    Wait(Durability, ProduceResponse),
    /// Without one: acks=0.
    Silent,
    /// With the end of the connection: acks=0 and an error, which the producer can learn in no other way.
    Close(String),
}

/// Appends in the order of the request, and answers.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: ProduceRequest) -> Outcome {
    let acks = request.acks;
    let mut first_error = None;
    let mut durability = Durability::default();
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
            .map(|data| match append(ctx, broker, acks, &topic, hosted.as_deref(), data) {
                Ok((response, flushed)) => {
                    durability.add(responses.len(), data.index, flushed);
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
        (0, None) => Outcome::Silent,
        (0, Some(error)) => Outcome::Close(format!(
            "a Produce with acks=0 failed with {error}, which only a closed connection can tell"
        )),
        _ if durability.0.is_empty() => Outcome::Respond(ProduceResponse { responses, ..Default::default() }),
        _ => Outcome::Wait(durability, ProduceResponse { responses, ..Default::default() }),
    }
}

/// The partitions of a request that `flush.messages` makes wait for an fsync: place of the topic, partition.
#[derive(Default)]
pub struct Durability(Vec<(usize, i32, Flushed)>);

impl Durability {
    fn add(&mut self, topic: usize, partition: i32, flushed: Option<Flushed>) {
        self.0.extend(flushed.map(|flushed| (topic, partition, flushed)));
    }

    /// Waits for all; what could not be made durable becomes an error in the response.
    pub async fn finish(self, mut response: ProduceResponse) -> ProduceResponse {
        for (topic, partition, flushed) in self.0 {
            // Without an answer the broker is stopping.
            let outcome = flushed.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower));
            let Err(error) = outcome else { continue };
            let partitions = response.responses.get_mut(topic).map(|t| &mut t.partition_responses);
            if let Some(p) = partitions.into_iter().flatten().find(|p| p.index == partition) {
                *p = respond_refused(partition, AppendRefused::plain(error));
            }
        }
        response
    }
}

fn append(
    ctx: &RequestContext,
    broker: &Broker,
    acks: i16,
    topic: &TopicProduceData,
    hosted: Option<&HostedTopic>,
    data: &PartitionProduceData,
) -> Result<(PartitionProduceResponse, Option<Flushed>), AppendRefused> {
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
    let info = partition.append_as_leader(records, ctx.now_ms)?;
    let flushed = info.flush_due.then(|| broker.flusher.flush(partition, info.last_offset + 1, info.size));
    let response = PartitionProduceResponse {
        index: data.index,
        error_code: ErrorCode::None.code(),
        base_offset: info.base_offset,
        log_append_time_ms: info.log_append_time_ms,
        log_start_offset: info.log_start_offset,
        ..Default::default()
    };
    Ok((response, flushed))
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
