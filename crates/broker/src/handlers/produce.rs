//! Produce (key 0), versions 3-13: appends record batches.
//!
//! v7 zstd · v8 errors per record · v10 the current leader in the answer (KIP-951) · v12 transactions v2 · v13 topics by id.
//! A batch's records are not decoded: see `ottla_protocol::records`.
//! Records of a transaction wait until the coordinator has confirmed it: see `verification`.

use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::transaction::TransactionalProducer;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_protocol::records::{RecordBatch, validate_produce_records};
use ottla_protocol::{ErrorCode, Records, Str, TopicPartition};
use ottla_storage::{AppendInfo, VerificationGuard};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::flusher::Flushed;
use crate::internal_topics;
use crate::partitions::{AppendRefused, ClientAppend, HostedTopic, Partition};
use crate::slow_logs::Appended;
use crate::verification::{SupportedOperation, Verification, Verified};

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

impl Outcome {
    /// Waits for what it waits for. The response, but with acks=0.
    ///
    /// # Errors
    /// Why the connection must close.
    pub async fn finish(self, broker: &Broker) -> Result<Option<ProduceResponse>, String> {
        match self {
            Outcome::Respond(response) => Ok(Some(response)),
            Outcome::Wait(pending, response) => pending.finish(broker, response).await,
            Outcome::Silent => Ok(None),
            Outcome::Close(why) => Err(why),
        }
    }
}

/// A Produce is done, or waits for the transaction coordinator.
pub enum Stage {
    /// It ends so.
    Done(Outcome),
    /// Its transaction is not known to all of its partitions yet.
    Verify(Box<Verify>),
}

/// A Produce whose transaction is to be verified before anything is appended.
pub struct Verify {
    request: ProduceRequest,
    verification: Verification,
}

impl Verify {
    /// Asks the coordinator, then appends.
    pub async fn finish(self, ctx: &RequestContext, broker: &Broker) -> Outcome {
        let verified = self.verification.finish_with_patience(broker).await;
        append_all(ctx, broker, self.request, &verified)
    }
}

/// Appends in the order of the request, and answers.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: ProduceRequest) -> Stage {
    let refuse = |error: ErrorCode| {
        let message = Some(Str::from_static(error.message()));
        Stage::Done(respond_all(&request, |index| PartitionProduceResponse {
            index,
            error_code: error.code(),
            base_offset: -1,
            error_message: message.clone(),
            ..Default::default()
        }))
    };
    let transaction = match Transaction::of(ctx, broker, &request) {
        Ok(transaction) => transaction,
        Err(error) => return refuse(error),
    };
    let Some(transaction) = transaction else {
        return Stage::Done(append_all(ctx, broker, request, &Verified::default()));
    };
    let Some(transactional_id) = &request.transactional_id else {
        return refuse(ErrorCode::TransactionalIdAuthorizationFailed);
    };
    let verification = Verification::begin(
        broker,
        transactional_id,
        transaction.producer,
        &transaction.partitions,
        SupportedOperation::of_produce(ctx.api_version),
        ctx.now_ms,
    );
    match verification.settled() {
        Ok(verified) => Stage::Done(append_all(ctx, broker, request, &verified)),
        Err(verification) => Stage::Verify(Box::new(Verify { request, verification })),
    }
}

/// The transactional batches of a request.
struct Transaction {
    producer: TransactionalProducer,
    /// Where they go, and the first sequence of each.
    partitions: Vec<(Arc<Partition>, i32)>,
}

impl Transaction {
    /// None when the request has no such batch. What does not parse is for the log to judge, which knows the errors.
    fn of(
        ctx: &RequestContext,
        broker: &Broker,
        request: &ProduceRequest,
    ) -> Result<Option<Self>, ErrorCode> {
        let mut transaction: Option<Transaction> = None;
        let mut is_authorized = false;
        for topic in &request.topic_data {
            for data in &topic.partition_data {
                let bytes = data.records.as_ref().and_then(Records::bytes);
                let Some(Ok((batch, _))) = bytes.map(|bytes| RecordBatch::parse(bytes)) else { continue };
                if !batch.is_transactional() {
                    continue;
                }
                if !is_authorized {
                    authorize_transaction(ctx, broker, request)?;
                    is_authorized = true;
                }
                if batch.producer_id() < 0 {
                    continue;
                }
                let producer = TransactionalProducer {
                    producer_id: batch.producer_id(),
                    producer_epoch: batch.producer_epoch(),
                };
                let known = transaction.get_or_insert(Transaction { producer, partitions: Vec::new() });
                if known.producer != producer {
                    return Err(ErrorCode::InvalidProducerIdMapping);
                }
                let hosted = hosted(ctx, broker, topic);
                // What must not be written to does not become part of a transaction either.
                if !may_write(ctx, broker, topic, hosted.as_deref(), Broker::may_see) {
                    continue;
                }
                if let Some(partition) = hosted.as_ref().and_then(|hosted| hosted.partition(data.index)) {
                    known.partitions.push((partition.clone(), batch.base_sequence()));
                }
            }
        }
        Ok(transaction)
    }
}

fn authorize_transaction(
    ctx: &RequestContext,
    broker: &Broker,
    request: &ProduceRequest,
) -> Result<(), ErrorCode> {
    let id = request.transactional_id.as_ref().ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
    broker.authorize(ctx, AclOperation::Write, Resource::TransactionalId(id))
}

/// Whether records may go to a topic. One that there is not by its id has no name to ask for.
fn may_write(
    ctx: &RequestContext,
    broker: &Broker,
    topic: &TopicProduceData,
    hosted: Option<&HostedTopic>,
    may: fn(&Broker, &RequestContext, AclOperation, Resource<'_>) -> bool,
) -> bool {
    let may = |topic: Resource<'_>| may(broker, ctx, AclOperation::Write, topic);
    let may_by_name = |name: &str| may(Resource::Topic(name));
    match hosted {
        Some(hosted) => may(Resource::Hosted(hosted)),
        None if ctx.api_version < TOPIC_ID_VERSION => may_by_name(&topic.name),
        None => broker.image().topics.topic_name(topic.topic_id).is_none_or(|name| may_by_name(name)),
    }
}

fn hosted(ctx: &RequestContext, broker: &Broker, topic: &TopicProduceData) -> Option<Arc<HostedTopic>> {
    if ctx.api_version >= TOPIC_ID_VERSION {
        broker.partitions.topic_by_id(topic.topic_id)
    } else {
        broker.partitions.topic(&topic.name)
    }
}

/// One answer for every partition.
fn respond_all(request: &ProduceRequest, response: impl Fn(i32) -> PartitionProduceResponse) -> Outcome {
    let responses = request.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.iter().map(|data| response(data.index)).collect(),
    });
    match request.acks {
        0 => Outcome::Close(
            "a Produce with acks=0 was refused, which only a closed connection can tell".into(),
        ),
        _ => Outcome::Respond(ProduceResponse { responses: responses.collect(), ..Default::default() }),
    }
}

fn append_all(
    ctx: &RequestContext,
    broker: &Broker,
    request: ProduceRequest,
    verified: &Verified,
) -> Outcome {
    let acks = request.acks;
    let mut first_error = None;
    let mut pending = Pending { acks, partitions: Vec::new() };
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let hosted = hosted(ctx, broker, &topic);
        let hosted = hosted.as_deref();
        let is_allowed = may_write(ctx, broker, &topic, hosted, Broker::may);
        let append_to = AppendTo { ctx, broker, acks, topic: &topic, hosted, is_allowed, verified };
        let partition_responses: Vec<PartitionProduceResponse> = topic
            .partition_data
            .iter()
            .enumerate()
            .map(|(at, data)| match append_to.append(data) {
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
    async fn finish(
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

/// Where the batches of one topic go.
struct AppendTo<'a> {
    ctx: &'a RequestContext,
    broker: &'a Broker,
    acks: i16,
    topic: &'a TopicProduceData,
    hosted: Option<&'a HostedTopic>,
    /// Whether who asks may write to the topic.
    is_allowed: bool,
    verified: &'a Verified,
}

impl AppendTo<'_> {
    fn append(
        &self,
        data: &PartitionProduceData,
    ) -> Result<(PartitionProduceResponse, Option<Waits>), AppendRefused> {
        if !self.is_allowed {
            return Err(AppendRefused::plain(ErrorCode::TopicAuthorizationFailed));
        }
        let (hosted, partition) = self.partition(data.index)?;
        if !(-1..=1).contains(&self.acks) {
            return Err(AppendRefused::plain(ErrorCode::InvalidRequiredAcks));
        }
        if internal_topics::is_internal(&hosted.name) && self.ctx.client_id() != ADMIN_CLIENT_ID {
            let why = format!("Cannot append to internal topic {}", hosted.name);
            return Err(AppendRefused::new(ErrorCode::InvalidTopicException, why));
        }
        let empty = Bytes::new();
        let records = data.records.as_ref().and_then(Records::bytes).unwrap_or(&empty);
        validate_produce_records(self.ctx.api_version, records)
            .map_err(|invalid| AppendRefused::new(invalid.error, invalid.message))?;
        let verification_guard = self.guard(partition)?;
        let RequestContext { frame_bytes, now_ms, .. } = *self.ctx;
        let (broker, append) = (self.broker, ClientAppend { frame_bytes, verification_guard, now_ms });
        if let Some(appended) = broker.slow_logs.append(partition, records, append) {
            let response = PartitionProduceResponse { index: data.index, ..Default::default() };
            return Ok((response, Some(Waits::Append(partition.clone(), appended))));
        }
        let info = partition.append_as_leader(records, append)?;
        let flushed = info
            .flush_due
            .then(|| Waits::Flush(broker.flusher.flush(partition, info.last_offset + 1, info.size)));
        Ok((respond(data.index, &info), flushed))
    }

    fn partition(&self, index: i32) -> Result<(&HostedTopic, &Arc<Partition>), AppendRefused> {
        let Some(hosted) = self.hosted else {
            let by_id = self.ctx.api_version >= TOPIC_ID_VERSION
                && self.broker.image().topics.topic_name(self.topic.topic_id).is_none();
            let error = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
            return Err(AppendRefused::plain(error));
        };
        let partition = hosted
            .partition(index)
            .ok_or_else(|| AppendRefused::plain(ErrorCode::UnknownTopicOrPartition))?;
        Ok((hosted, partition))
    }

    fn guard(&self, partition: &Partition) -> Result<VerificationGuard, AppendRefused> {
        // Most requests have no transaction, and need no name to look it up.
        if self.verified.guards.is_empty() && self.verified.errors.is_empty() {
            return Ok(VerificationGuard::SENTINEL);
        }
        let name = TopicPartition::new(partition.topic.clone(), partition.index);
        let adds = SupportedOperation::of_produce(self.ctx.api_version).supports_epoch_bump();
        self.verified.guard(&name).map_err(|error| not_verified(error, adds))
    }
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

/// Errors of the transaction coordinator as producers are told them: what older clients would not retry becomes
/// NOT_ENOUGH_REPLICAS, which they do retry, and without new metadata.
fn not_verified(error: ErrorCode, adds_partitions: bool) -> AppendRefused {
    match error {
        ErrorCode::InvalidTxnState => AppendRefused::new(error, "Partition was not added to the transaction"),
        ErrorCode::ConcurrentTransactions if adds_partitions => AppendRefused::plain(error),
        ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator
        | ErrorCode::ConcurrentTransactions => AppendRefused::new(
            ErrorCode::NotEnoughReplicas,
            format!(
                "Unable to verify the partition has been added to the transaction. Underlying error: {error}"
            ),
        ),
        error => AppendRefused::plain(error),
    }
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
