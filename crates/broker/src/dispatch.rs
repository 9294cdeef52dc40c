//! From a frame to its handler and back: header, version, decoding, encoding.
//!
//! One [`Dispatcher`] per data thread. Handlers see typed requests and give typed responses; what they share is here.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use ottla_net::{Answer, ConnectionContext, Reply, SecurityProtocol, Service};
use ottla_protocol::{ApiKey, Message, Reader, Request, Str};
use ottla_security::Principal;
use ottla_storage::Piece;

use crate::apis::{self, ListenerKind};
use crate::authentication;
use crate::broker::Broker;
use crate::clock::now_us;
use crate::context::{RequestContext, principal_of, with_quota_cache};
use crate::handlers::{self, fetch, produce};
use crate::metrics::ThreadRequests;
use crate::quotas::RequestQuota;
use crate::wire::{self, FrameStart, RecordPieces};

/// Answers the frames of one data thread.
pub struct Dispatcher {
    broker: Arc<Broker>,
    requests: ThreadRequests,
}

impl Service for Dispatcher {
    fn call(&self, connection: &Rc<ConnectionContext>, frame: Bytes) -> Reply {
        self.dispatch(connection, frame).unwrap_or_else(Reply::Close)
    }
}

type Body<R> = (RequestContext, R);

impl Dispatcher {
    /// A dispatcher for the data thread that this is called on.
    pub fn new(broker: Arc<Broker>) -> Self {
        let requests = broker.requests.thread();
        Self { broker, requests }
    }

    /// The reply, or why the connection must close: Kafka closes it too where a request can't be understood.
    fn dispatch(&self, connection: &Rc<ConnectionContext>, frame: Bytes) -> Result<Reply, String> {
        if connection.security_protocol().has_sasl()
            && let Some(reply) = authentication::gate(&self.broker, connection, &frame)?
        {
            return Ok(reply);
        }
        if connection.security_protocol() == SecurityProtocol::Ssl {
            authentication::certificate(&self.broker, connection)?;
        }
        let start = FrameStart::read(&frame).map_err(|why| format!("a request without a header: {why}"))?;
        let api = ApiKey::from_code(start.api_key)
            .ok_or_else(|| format!("a request with the unknown API key {}", start.api_key))?;
        let kind = self.broker.listener_kind(connection.listener_name());
        if !apis::is_served(kind, api, start.api_version) {
            if api == ApiKey::ApiVersions {
                let body = handlers::api_versions::unsupported_version(kind);
                return encode(api, 0, start.correlation_id, &body, Vec::new());
            }
            return Err(format!(
                "{} in version {}, which this listener does not serve",
                api.name(),
                start.api_version
            ));
        }
        let frame_len = frame.len();
        self.requests.began(api, frame_len);
        let (header, reader) = wire::read_header(frame, api, start.api_version)
            .map_err(|why| format!("a {} request with a broken header: {why}", api.name()))?;
        let began_us = now_us();
        let principal = principal_of(connection);
        let client_id = header.client_id;
        let quota = self.quota(connection, (&principal, client_id.as_ref()), began_us, frame_len);
        let context = RequestContext {
            api_key: api,
            api_version: start.api_version,
            correlation_id: header.correlation_id,
            client_id,
            frame_bytes: frame_len,
            now_ms: began_us / 1_000,
            began_us,
            requests: self.requests.clone(),
            principal,
            connection: connection.clone(),
            quota: quota.clone(),
        };
        let reply = self.route(kind, context, reader);
        if let Some(quota) = quota {
            match &reply {
                Ok(Reply::Later(_)) => quota.waits(now_us()),
                _ => quota.done(now_us()),
            }
        }
        reply
    }

    /// What a request takes from quotas, while there are any.
    fn quota(
        &self,
        connection: &ConnectionContext,
        (principal, client_id): (&Arc<Principal>, Option<&Str>),
        began_us: i64,
        request_bytes: usize,
    ) -> Option<RequestQuota> {
        let quotas = &self.broker.quotas;
        // Before a login there is ApiVersions only. Kafka's authenticator answers it, and no quota counts it: strangers would hold up
        // each other, and whoever wants to log in.
        let is_stranger = || connection.security_protocol().has_sasl() && !connection.is_authenticated();
        if !quotas.is_active() || is_stranger() {
            return None;
        }
        let nameless = Str::new();
        let who = (principal, client_id.unwrap_or(&nameless));
        Some(with_quota_cache(connection, |cache| {
            RequestQuota::of(quotas, cache, who, began_us, request_bytes)
        }))
    }

    fn route(&self, kind: ListenerKind, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::Produce => self.produce(body(context, reader)?),
            ApiKey::Fetch => self.fetch(body(context, reader)?),
            ApiKey::ApiVersions => {
                self.now(body(context, reader)?, |c, b, r| api_versions::handle(c, b, kind, r))
            }
            ApiKey::ListOffsets => self.later(body(context, reader)?, list_offsets::handle),
            ApiKey::Metadata => self.later(body(context, reader)?, metadata::handle),
            ApiKey::DescribeTopicPartitions => {
                self.now(body(context, reader)?, describe_topic_partitions::handle)
            }
            ApiKey::DescribeCluster => {
                self.now(body(context, reader)?, |c, b, r| describe_cluster::handle(c, b, kind, r))
            }
            ApiKey::CreateTopics => self.later(body(context, reader)?, create_topics::handle),
            ApiKey::DeleteTopics => self.later(body(context, reader)?, delete_topics::handle),
            ApiKey::CreatePartitions => self.later(body(context, reader)?, create_partitions::handle),
            ApiKey::DescribeConfigs => self.now(body(context, reader)?, describe_configs::handle),
            ApiKey::IncrementalAlterConfigs => {
                self.later(body(context, reader)?, incremental_alter_configs::handle)
            }
            ApiKey::AlterConfigs => self.later(body(context, reader)?, alter_configs::handle),
            ApiKey::ListConfigResources => self.now(body(context, reader)?, list_config_resources::handle),
            ApiKey::DeleteRecords => self.now(body(context, reader)?, delete_records::handle),
            ApiKey::OffsetForLeaderEpoch => self.now(body(context, reader)?, offset_for_leader_epoch::handle),
            ApiKey::InitProducerId => self.later(body(context, reader)?, init_producer_id::handle),
            ApiKey::DescribeLogDirs => self.now(body(context, reader)?, describe_log_dirs::handle),
            ApiKey::AlterReplicaLogDirs => self.now(body(context, reader)?, alter_replica_log_dirs::handle),
            ApiKey::DescribeProducers => self.now(body(context, reader)?, describe_producers::handle),
            ApiKey::DescribeQuorum => self.now(body(context, reader)?, describe_quorum::handle),
            ApiKey::UpdateFeatures => self.later(body(context, reader)?, update_features::handle),
            ApiKey::ElectLeaders => self.later(body(context, reader)?, elect_leaders::handle),
            ApiKey::AlterPartitionReassignments => {
                self.later(body(context, reader)?, alter_partition_reassignments::handle)
            }
            ApiKey::ListPartitionReassignments => {
                self.later(body(context, reader)?, list_partition_reassignments::handle)
            }
            ApiKey::UnregisterBroker => self.later(body(context, reader)?, unregister_broker::handle),
            ApiKey::GetTelemetrySubscriptions => {
                self.now(body(context, reader)?, get_telemetry_subscriptions::handle)
            }
            ApiKey::PushTelemetry => self.now(body(context, reader)?, push_telemetry::handle),
            ApiKey::DescribeClientQuotas => self.now(body(context, reader)?, describe_client_quotas::handle),
            ApiKey::AlterClientQuotas => self.later(body(context, reader)?, alter_client_quotas::handle),
            ApiKey::AlterUserScramCredentials => {
                self.later(body(context, reader)?, alter_user_scram_credentials::handle)
            }
            ApiKey::DescribeUserScramCredentials => {
                self.now(body(context, reader)?, describe_user_scram_credentials::handle)
            }
            ApiKey::SaslHandshake => self.now(body(context, reader)?, sasl_handshake::handle),
            ApiKey::SaslAuthenticate => self.now(body(context, reader)?, sasl_authenticate::handle),
            ApiKey::DescribeAcls => self.now(body(context, reader)?, describe_acls::handle),
            ApiKey::CreateAcls => self.later(body(context, reader)?, create_acls::handle),
            ApiKey::DeleteAcls => self.later(body(context, reader)?, delete_acls::handle),
            _ => self.route_tokens(context, reader),
        }
    }

    fn route_tokens(&self, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::CreateDelegationToken => {
                self.later(body(context, reader)?, create_delegation_token::handle)
            }
            ApiKey::RenewDelegationToken => {
                self.later(body(context, reader)?, renew_delegation_token::handle)
            }
            ApiKey::ExpireDelegationToken => {
                self.later(body(context, reader)?, expire_delegation_token::handle)
            }
            ApiKey::DescribeDelegationToken => {
                self.now(body(context, reader)?, describe_delegation_token::handle)
            }
            _ => self.route_groups(context, reader),
        }
    }

    fn route_groups(&self, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::FindCoordinator => self.later(body(context, reader)?, find_coordinator::handle),
            ApiKey::JoinGroup => self.later(body(context, reader)?, join_group::handle),
            ApiKey::SyncGroup => self.later(body(context, reader)?, sync_group::handle),
            ApiKey::Heartbeat => self.later(body(context, reader)?, heartbeat::handle),
            ApiKey::LeaveGroup => self.later(body(context, reader)?, leave_group::handle),
            ApiKey::OffsetCommit => self.later(body(context, reader)?, offset_commit::handle),
            ApiKey::OffsetFetch => self.later(body(context, reader)?, offset_fetch::handle),
            ApiKey::OffsetDelete => self.later(body(context, reader)?, offset_delete::handle),
            ApiKey::DescribeGroups => self.later(body(context, reader)?, describe_groups::handle),
            ApiKey::ListGroups => self.later(body(context, reader)?, list_groups::handle),
            ApiKey::DeleteGroups => self.later(body(context, reader)?, delete_groups::handle),
            ApiKey::ConsumerGroupHeartbeat => {
                self.later(body(context, reader)?, consumer_group_heartbeat::handle)
            }
            ApiKey::ConsumerGroupDescribe => {
                self.later(body(context, reader)?, consumer_group_describe::handle)
            }
            ApiKey::StreamsGroupHeartbeat => {
                self.later(body(context, reader)?, streams_group_heartbeat::handle)
            }
            ApiKey::StreamsGroupDescribe => {
                self.later(body(context, reader)?, streams_group_describe::handle)
            }
            _ => self.route_transactions(context, reader),
        }
    }

    fn route_transactions(&self, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::AddPartitionsToTxn => self.later(body(context, reader)?, add_partitions_to_txn::handle),
            ApiKey::AddOffsetsToTxn => self.later(body(context, reader)?, add_offsets_to_txn::handle),
            ApiKey::EndTxn => self.later(body(context, reader)?, end_txn::handle),
            ApiKey::WriteTxnMarkers => self.later(body(context, reader)?, write_txn_markers::handle),
            ApiKey::TxnOffsetCommit => self.later(body(context, reader)?, txn_offset_commit::handle),
            ApiKey::DescribeTransactions => self.later(body(context, reader)?, describe_transactions::handle),
            ApiKey::ListTransactions => self.later(body(context, reader)?, list_transactions::handle),
            _ => self.route_share_states(context, reader),
        }
    }

    fn route_share_states(&self, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::ShareFetch => self.share_fetch(body(context, reader)?),
            ApiKey::ShareAcknowledge => self.later(body(context, reader)?, share_acknowledge::handle),
            ApiKey::InitializeShareGroupState => {
                self.later(body(context, reader)?, initialize_share_group_state::handle)
            }
            ApiKey::ReadShareGroupState => self.later(body(context, reader)?, read_share_group_state::handle),
            ApiKey::WriteShareGroupState => {
                self.later(body(context, reader)?, write_share_group_state::handle)
            }
            ApiKey::DeleteShareGroupState => {
                self.later(body(context, reader)?, delete_share_group_state::handle)
            }
            ApiKey::ReadShareGroupStateSummary => {
                self.later(body(context, reader)?, read_share_group_state_summary::handle)
            }
            _ => self.route_share_groups(context, reader),
        }
    }

    fn route_share_groups(&self, context: RequestContext, reader: Reader) -> Result<Reply, String> {
        use crate::handlers::*;
        match context.api_key {
            ApiKey::ShareGroupHeartbeat => self.later(body(context, reader)?, share_group_heartbeat::handle),
            ApiKey::ShareGroupDescribe => self.later(body(context, reader)?, share_group_describe::handle),
            ApiKey::DescribeShareGroupOffsets => {
                self.later(body(context, reader)?, describe_share_group_offsets::handle)
            }
            ApiKey::AlterShareGroupOffsets => {
                self.later(body(context, reader)?, alter_share_group_offsets::handle)
            }
            ApiKey::DeleteShareGroupOffsets => {
                self.later(body(context, reader)?, delete_share_group_offsets::handle)
            }
            other => Err(format!("{} has no handler", other.name())),
        }
    }

    /// A handler that answers at once.
    fn now<R: Request>(
        &self,
        (context, request): Body<R>,
        handle: impl FnOnce(&RequestContext, &Broker, R) -> R::Response,
    ) -> Result<Reply, String> {
        let response = handle(&context, &self.broker, request);
        encode_for(&context, response, Vec::new())
    }

    /// A handler that may wait. It runs up to its first wait before this returns: what it does until then happens
    /// in the order of the connection's requests.
    fn later<R: Request + 'static, F>(
        &self,
        (context, request): Body<R>,
        handle: impl FnOnce(RequestContext, Arc<Broker>, R) -> F,
    ) -> Result<Reply, String>
    where
        F: Future<Output = R::Response> + 'static,
    {
        let response = handle(context.clone(), self.broker.clone(), request);
        started(async move {
            let _waiting = context.wait();
            answer(encode_for(&context, response.await, Vec::new()))
        })
    }

    fn produce(
        &self,
        (context, request): Body<ottla_protocol::messages::ProduceRequest>,
    ) -> Result<Reply, String> {
        if request.transactional_id.is_none() {
            let stage = produce::handle(&context, &self.broker, request);
            return self.produce_stage(context, stage, None);
        }
        let turn = context.produce_turn();
        match turn.clone().try_lock_owned() {
            Ok(turn) => {
                let stage = produce::handle(&context, &self.broker, request);
                self.produce_stage(context, stage, Some(turn))
            }
            Err(_) => {
                let broker = self.broker.clone();
                started(async move {
                    let _waiting = context.wait();
                    let turn = turn.lock_owned().await;
                    let outcome = match produce::handle(&context, &broker, request) {
                        produce::Stage::Done(outcome) => outcome,
                        produce::Stage::Verify(verify) => verify.finish(&context, &broker).await,
                    };
                    drop(turn);
                    produce_answer(&context, outcome.finish(&broker).await)
                })
            }
        }
    }

    /// What is left of a Produce; the next one of the connection's transactions may go on once this one has appended.
    fn produce_stage(
        &self,
        context: RequestContext,
        stage: produce::Stage,
        turn: Option<tokio::sync::OwnedMutexGuard<()>>,
    ) -> Result<Reply, String> {
        match stage {
            produce::Stage::Done(outcome) => self.produced(&context, outcome),
            produce::Stage::Verify(verify) => {
                let broker = self.broker.clone();
                started(async move {
                    let _waiting = context.wait();
                    let outcome = verify.finish(&context, &broker).await;
                    drop(turn);
                    produce_answer(&context, outcome.finish(&broker).await)
                })
            }
        }
    }

    fn produced(&self, context: &RequestContext, outcome: produce::Outcome) -> Result<Reply, String> {
        match outcome {
            produce::Outcome::Respond(response) => encode_for(context, response, Vec::new()),
            waits @ produce::Outcome::Wait(..) => {
                let (context, broker) = (context.clone(), self.broker.clone());
                started(async move {
                    let _waiting = context.wait();
                    produce_answer(&context, waits.finish(&broker).await)
                })
            }
            produce::Outcome::Silent => Ok(silent(context).map_or(Reply::None, Reply::Pause)),
            produce::Outcome::Close(why) => Err(why),
        }
    }

    fn share_fetch(
        &self,
        (context, request): Body<ottla_protocol::messages::ShareFetchRequest>,
    ) -> Result<Reply, String> {
        let broker = self.broker.clone();
        started(async move {
            let _waiting = context.wait();
            let (response, pieces) = handlers::share_fetch::handle(context.clone(), broker, request).await;
            if let Some(quota) = &context.quota {
                quota.take_fetched(size_of(&pieces), now_us());
            }
            answer(encode_for(&context, response, pieces))
        })
    }

    fn fetch(
        &self,
        (context, request): Body<ottla_protocol::messages::FetchRequest>,
    ) -> Result<Reply, String> {
        match fetch::begin(&context, &self.broker, request) {
            fetch::Stage::Done(response, pieces) => encode_for(&context, response, pieces),
            fetch::Stage::Wait(wait) => {
                let broker = self.broker.clone();
                started(async move {
                    let _waiting = context.wait();
                    let (response, pieces) = wait.finish(&broker).await;
                    answer(encode_for(&context, response, pieces))
                })
            }
        }
    }
}

/// Bytes of records.
fn size_of(pieces: &RecordPieces) -> usize {
    pieces.iter().flatten().map(Piece::len).sum()
}

/// Decodes the rest of a frame. Bytes behind the last field are left unread, as Kafka leaves them: librdkafka 2.14 sends three
/// with Metadata v13 (`docs/decisions/0010-trailing-bytes.md`).
fn body<R: Request>(context: RequestContext, mut reader: Reader) -> Result<Body<R>, String> {
    let request = R::decode(&mut reader, context.api_version).map_err(|why| {
        format!("a broken {} request in version {}: {why}", context.api_key.name(), context.api_version)
    })?;
    if reader.remaining() > 0 {
        tracing::debug!(
            api = context.api_key.name(),
            version = context.api_version,
            bytes = reader.remaining(),
            client = context.client_id(),
            "bytes behind the last field of a request"
        );
    }
    Ok((context, request))
}

fn encode<M: Message>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
    pieces: RecordPieces,
) -> Result<Reply, String> {
    wire::response_frame(api, version, correlation_id, body, pieces).map(Reply::Now).map_err(|why| {
        tracing::error!(api = api.name(), version, %why, "a response could not be encoded; please report this");
        format!("a {} response has no encoding in version {version}: {why}", api.name())
    })
}

fn encode_for<M: Message>(
    context: &RequestContext,
    mut body: M,
    pieces: RecordPieces,
) -> Result<Reply, String> {
    let throttle_ms = context.quota.as_ref().map_or(0, |quota| quota.settle(context.api_key, now_us()));
    if throttle_ms > 0 {
        body.set_throttle_time_ms(throttle_ms);
    }
    let mut reply = encode(context.api_key, context.api_version, context.correlation_id, &body, pieces)?;
    if let Reply::Now(frame) = &mut reply {
        // The answer leaves at once; then the client is not heard for a while (KIP-219).
        frame.mute_for = pause(throttle_ms);
        context.requests.answered(context.api_key, context.began_us, &body, frame.len());
    }
    Ok(reply)
}

/// The pause of reading behind an answer that is throttled.
fn pause(throttle_ms: i32) -> Option<Duration> {
    u64::try_from(throttle_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

/// A Produce that gets no answer is done with. Its client may be muted all the same; says for how long.
fn silent(context: &RequestContext) -> Option<Duration> {
    context.requests.ended(context.api_key, context.began_us);
    pause(context.quota.as_ref().map_or(0, |quota| quota.settle_silent(now_us())))
}

fn answer(reply: Result<Reply, String>) -> Answer {
    match reply {
        Ok(Reply::Now(frame)) => Answer::Frame(frame),
        Ok(_) => Answer::None,
        Err(why) => Answer::Close(why),
    }
}

/// The answer to a Produce that had to wait.
fn produce_answer(
    context: &RequestContext,
    outcome: Result<Option<ottla_protocol::messages::ProduceResponse>, String>,
) -> Answer {
    match outcome {
        Ok(Some(response)) => answer(encode_for(context, response, Vec::new())),
        Ok(None) => silent(context).map_or(Answer::None, Answer::Pause),
        Err(why) => Answer::Close(why),
    }
}

/// Runs a future up to its first wait. The connection polls what is left, with its own waker, before it waits itself.
fn started(future: impl Future<Output = Answer> + 'static) -> Result<Reply, String> {
    let mut future: Pin<Box<dyn Future<Output = Answer>>> = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Answer::Frame(frame)) => Ok(Reply::Now(frame)),
        Poll::Ready(Answer::None) => Ok(Reply::None),
        Poll::Ready(Answer::Pause(duration)) => Ok(Reply::Pause(duration)),
        Poll::Ready(Answer::Close(why) | Answer::Last(_, why)) => Err(why),
        Poll::Pending => Ok(Reply::Later(future)),
    }
}
