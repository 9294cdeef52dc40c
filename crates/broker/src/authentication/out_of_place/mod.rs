//! Answers to requests that come in the middle of a SASL exchange (`SaslServerAuthenticator.handleSaslToken`).
//!
//! Kafka answers whatever request comes between SaslHandshake (from version 1 on) and the end of the exchange with ILLEGAL_SASL_STATE
//! in the form of its API (`AbstractRequest.getErrorResponse`), and closes the connection then. Before SaslHandshake it closes at once, and
//! without a request around the tokens (version 0) everything is a token.
//!
//! An API's answer is its [`Refuse`]; `golden.txt` holds what Apache Kafka answers to each version of each.

mod entries;
mod groups;
mod topics;
mod whole;

#[cfg(test)]
mod golden_test;

use bytes::Bytes;
use ottla_net::ResponseFrame;
use ottla_protocol::messages::*;
use ottla_protocol::{ApiKey, ErrorCode, Message, Request, Str, constant_name};

use crate::apis;
use crate::wire::{self, FrameStart};

const CODE: i16 = ErrorCode::IllegalSaslState.code();

/// The answer to a request in the middle of an exchange. `None`: it has none.
///
/// # Errors
/// Why the connection must close at once: it is no request of its API.
pub(super) fn answer(
    frame: &Bytes,
    api: ApiKey,
    start: &FrameStart,
) -> Result<Option<ResponseFrame>, String> {
    let (low, high) = apis::versions(api);
    if (low..=high).contains(&start.api_version) {
        let answer = ANSWERS.iter().find(|(key, _)| *key == api).map(|(_, answer)| answer);
        return answer.map_or(Ok(None), |answer| answer(frame, start));
    }
    match api {
        // What is asked in a version that is not known is answered in version 0, and not read.
        ApiKey::ApiVersions => {
            let body = ApiVersionsResponse { error_code: CODE, ..Default::default() };
            encode(api, 0, start.correlation_id, &body).map(Some)
        }
        _ => Err(format!("{} in version {}, which is not served", api.name(), start.api_version)),
    }
}

/// What the answers say.
struct Failure {
    /// Kafka's words for this request.
    message: Str,
    version: i16,
}

impl Failure {
    fn new(api: ApiKey, version: i16) -> Self {
        let message = format!(
            "Unexpected Kafka request of type {} during SASL authentication.",
            constant_name(api.name())
        );
        Self { message: message.into(), version }
    }

    /// Kafka's words for this request, where its API tells those of the exception (`ApiError.fromThrowable`).
    fn particular(&self) -> Option<Str> {
        Some(self.message.clone())
    }

    /// What the error means anywhere, where its API tells that (`Errors.message`).
    fn general(&self) -> Option<Str> {
        Some(Str::from_static(ErrorCode::IllegalSaslState.message()))
    }
}

/// A request that can be answered with an error alone.
trait Refuse: Request {
    /// Its answer; `None` where its sender waits for none.
    fn refuse(self, failure: &Failure) -> Option<Self::Response>;
}

/// One answer for each element.
fn each<A, B>(elements: impl IntoIterator<Item = A>, answer: impl FnMut(A) -> B) -> Vec<B> {
    elements.into_iter().map(answer).collect()
}

type Answer = fn(&Bytes, &FrameStart) -> Result<Option<ResponseFrame>, String>;

fn reply<R: Refuse>(frame: &Bytes, start: &FrameStart) -> Result<Option<ResponseFrame>, String> {
    let broken = |why| format!("a broken {} request: {why}", R::KEY.name());
    let (_, mut reader) = wire::read_header(frame.clone(), R::KEY, start.api_version).map_err(broken)?;
    let request = R::decode(&mut reader, start.api_version).map_err(broken)?;
    let answer = request.refuse(&Failure::new(R::KEY, start.api_version));
    answer.map(|body| encode(R::KEY, start.api_version, start.correlation_id, &body)).transpose()
}

fn encode<M: Message>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<ResponseFrame, String> {
    wire::response_frame(api, version, correlation_id, body, Vec::new())
        .map_err(|why| format!("a {} response has no encoding: {why}", api.name()))
}

macro_rules! answers {
    ($($request:ident)*) => {
        /// Every API that a listener serves.
        const ANSWERS: &[(ApiKey, Answer)] = &[$((<$request as Request>::KEY, reply::<$request>)),*];
    };
}

answers! {
    ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
    JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest SaslHandshakeRequest
    ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
    AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest DescribeAclsRequest
    CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest
    SaslAuthenticateRequest CreatePartitionsRequest CreateDelegationTokenRequest RenewDelegationTokenRequest
    ExpireDelegationTokenRequest DescribeDelegationTokenRequest DeleteGroupsRequest ElectLeadersRequest IncrementalAlterConfigsRequest
    AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest
    AlterClientQuotasRequest DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeQuorumRequest
    UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest UnregisterBrokerRequest DescribeTransactionsRequest
    ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest GetTelemetrySubscriptionsRequest
    PushTelemetryRequest ListConfigResourcesRequest DescribeTopicPartitionsRequest ShareGroupHeartbeatRequest
    ShareGroupDescribeRequest ShareFetchRequest ShareAcknowledgeRequest InitializeShareGroupStateRequest ReadShareGroupStateRequest
    WriteShareGroupStateRequest DeleteShareGroupStateRequest ReadShareGroupStateSummaryRequest StreamsGroupHeartbeatRequest
    StreamsGroupDescribeRequest DescribeShareGroupOffsetsRequest AlterShareGroupOffsetsRequest DeleteShareGroupOffsetsRequest
}
