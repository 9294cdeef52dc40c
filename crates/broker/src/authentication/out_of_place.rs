//! Answers to requests that come in the middle of a SASL exchange (`SaslServerAuthenticator.handleSaslToken`).
//!
//! Kafka answers whatever request comes between SaslHandshake (from version 1 on) and the end of the exchange with ILLEGAL_SASL_STATE
//! in the form of its API, and closes the connection then. Before SaslHandshake it closes at once, and without a request around the tokens
//! (version 0) everything is a token. Here the APIs are answered whose answer has one place for an error, and those that clients
//! begin with; for the others the connection is closed as if they were answered.

use bytes::Bytes;
use ottla_net::ResponseFrame;
use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::metadata_response::MetadataResponseTopic;
use ottla_protocol::messages::*;
use ottla_protocol::{ApiKey, ErrorCode, Request, Str};

use crate::apis;
use crate::wire::{self, FrameStart};

const CODE: i16 = ErrorCode::IllegalSaslState.code();

/// First version of FindCoordinator that asks for many.
const FIND_MANY_VERSION: i16 = 4;
/// First version of JoinGroup whose answer may name no protocol.
const NO_PROTOCOL_VERSION: i16 = 7;
/// A node that is none.
const NO_NODE: i32 = -1;
const NO_PORT: i32 = -1;

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
        return OutOfPlace { frame, start, version: start.api_version }.answer(api);
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

fn encode<M: ottla_protocol::Message>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<ResponseFrame, String> {
    wire::response_frame(api, version, correlation_id, body, Vec::new())
        .map_err(|why| format!("a {} response has no encoding: {why}", api.name()))
}

struct OutOfPlace<'a> {
    frame: &'a Bytes,
    start: &'a FrameStart,
    version: i16,
}

/// An answer that holds the error and nothing else.
macro_rules! code_alone {
    ($this:ident, $request:ident) => {
        $this.reply(|_: $request| {
            let mut body = <$request as Request>::Response::default();
            body.error_code = CODE;
            body
        })
    };
}

impl OutOfPlace<'_> {
    fn reply<R: Request>(
        &self,
        respond: impl FnOnce(R) -> R::Response,
    ) -> Result<Option<ResponseFrame>, String> {
        let broken = |why| format!("a broken {} request: {why}", R::KEY.name());
        let (_, mut reader) = wire::read_header(self.frame.clone(), R::KEY, self.version).map_err(broken)?;
        let request = R::decode(&mut reader, self.version).map_err(broken)?;
        encode(R::KEY, self.version, self.start.correlation_id, &respond(request)).map(Some)
    }

    fn answer(&self, api: ApiKey) -> Result<Option<ResponseFrame>, String> {
        match api {
            ApiKey::ApiVersions => code_alone!(self, ApiVersionsRequest),
            ApiKey::SaslHandshake => code_alone!(self, SaslHandshakeRequest),
            ApiKey::Metadata => self.reply(metadata),
            ApiKey::FindCoordinator => {
                self.reply(|request: FindCoordinatorRequest| find_coordinator(request, self.version))
            }
            ApiKey::InitProducerId => self.reply(|_: InitProducerIdRequest| InitProducerIdResponse {
                error_code: CODE,
                producer_epoch: -1,
                ..Default::default()
            }),
            ApiKey::JoinGroup => self.reply(|_: JoinGroupRequest| JoinGroupResponse {
                error_code: CODE,
                protocol_name: (self.version < NO_PROTOCOL_VERSION).then(Str::new),
                ..Default::default()
            }),
            ApiKey::SyncGroup => code_alone!(self, SyncGroupRequest),
            ApiKey::Heartbeat => code_alone!(self, HeartbeatRequest),
            ApiKey::LeaveGroup => code_alone!(self, LeaveGroupRequest),
            ApiKey::ListGroups => code_alone!(self, ListGroupsRequest),
            ApiKey::OffsetDelete => code_alone!(self, OffsetDeleteRequest),
            ApiKey::ConsumerGroupHeartbeat => {
                code_alone!(self, ConsumerGroupHeartbeatRequest)
            }
            ApiKey::ShareGroupHeartbeat => {
                code_alone!(self, ShareGroupHeartbeatRequest)
            }
            ApiKey::StreamsGroupHeartbeat => {
                code_alone!(self, StreamsGroupHeartbeatRequest)
            }
            _ => self.answer_rest(api),
        }
    }

    fn answer_rest(&self, api: ApiKey) -> Result<Option<ResponseFrame>, String> {
        match api {
            ApiKey::AddOffsetsToTxn => code_alone!(self, AddOffsetsToTxnRequest),
            ApiKey::EndTxn => code_alone!(self, EndTxnRequest),
            ApiKey::ListTransactions => code_alone!(self, ListTransactionsRequest),
            ApiKey::DescribeLogDirs => code_alone!(self, DescribeLogDirsRequest),
            ApiKey::ListConfigResources => {
                code_alone!(self, ListConfigResourcesRequest)
            }
            ApiKey::RenewDelegationToken => {
                code_alone!(self, RenewDelegationTokenRequest)
            }
            ApiKey::ExpireDelegationToken => {
                code_alone!(self, ExpireDelegationTokenRequest)
            }
            ApiKey::GetTelemetrySubscriptions => {
                code_alone!(self, GetTelemetrySubscriptionsRequest)
            }
            ApiKey::PushTelemetry => code_alone!(self, PushTelemetryRequest),
            _ => Ok(None),
        }
    }
}

fn metadata(request: MetadataRequest) -> MetadataResponse {
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| MetadataResponseTopic {
        error_code: CODE,
        name: Some(topic.name.unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    });
    MetadataResponse { topics: topics.collect(), error_code: CODE, ..Default::default() }
}

fn find_coordinator(request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let error_message = Some(Str::from_static(ErrorCode::IllegalSaslState.message()));
    if version < FIND_MANY_VERSION {
        return FindCoordinatorResponse {
            error_code: CODE,
            error_message,
            node_id: NO_NODE,
            port: NO_PORT,
            ..Default::default()
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| Coordinator {
        key,
        node_id: NO_NODE,
        port: NO_PORT,
        error_code: CODE,
        error_message: error_message.clone(),
        ..Default::default()
    });
    FindCoordinatorResponse { coordinators: coordinators.collect(), ..Default::default() }
}
