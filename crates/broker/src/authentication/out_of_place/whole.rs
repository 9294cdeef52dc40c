//! Answers with one place for the error.

use ottla_protocol::messages::*;
use ottla_protocol::{Request, Str};

use super::{CODE, Failure, Refuse};

/// First version of JoinGroup whose answer may name no protocol.
const NO_PROTOCOL_VERSION: i16 = 7;
/// First version of CreateDelegationToken that says who asked.
const REQUESTER_VERSION: i16 = 3;
const ANONYMOUS: [&str; 2] = ["User", "ANONYMOUS"];

/// Answers that hold the error's code and nothing else.
macro_rules! code_alone {
    ($($request:ident)*) => {$(
        impl Refuse for $request {
            fn refuse(self, _: &Failure) -> Option<Self::Response> {
                let mut answer = <$request as Request>::Response::default();
                answer.error_code = CODE;
                Some(answer)
            }
        }
    )*};
}

code_alone! {
    ApiVersionsRequest SaslHandshakeRequest SyncGroupRequest HeartbeatRequest LeaveGroupRequest ListGroupsRequest OffsetDeleteRequest
    ConsumerGroupHeartbeatRequest ShareGroupHeartbeatRequest StreamsGroupHeartbeatRequest AddOffsetsToTxnRequest EndTxnRequest
    ListTransactionsRequest DescribeLogDirsRequest ListConfigResourcesRequest RenewDelegationTokenRequest ExpireDelegationTokenRequest
    DescribeDelegationTokenRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest ShareFetchRequest ShareAcknowledgeRequest
}

/// Answers that hold the error's code and words, and nothing else.
macro_rules! code_and_message {
    ($($request:ident: $message:expr;)*) => {$(
        impl Refuse for $request {
            fn refuse(self, failure: &Failure) -> Option<Self::Response> {
                let mut answer = <$request as Request>::Response::default();
                answer.error_code = CODE;
                answer.error_message = $message(failure);
                Some(answer)
            }
        }
    )*};
}

code_and_message! {
    SaslAuthenticateRequest: Failure::particular;
    DescribeAclsRequest: Failure::particular;
    DescribeClusterRequest: Failure::particular;
    UnregisterBrokerRequest: Failure::particular;
    UpdateFeaturesRequest: Failure::particular;
    DescribeQuorumRequest: Failure::general;
    AlterShareGroupOffsetsRequest: Failure::general;
    DeleteShareGroupOffsetsRequest: Failure::general;
}

impl Refuse for InitProducerIdRequest {
    fn refuse(self, _: &Failure) -> Option<InitProducerIdResponse> {
        Some(InitProducerIdResponse { error_code: CODE, producer_epoch: -1, ..Default::default() })
    }
}

impl Refuse for JoinGroupRequest {
    fn refuse(self, failure: &Failure) -> Option<JoinGroupResponse> {
        Some(JoinGroupResponse {
            error_code: CODE,
            protocol_name: (failure.version < NO_PROTOCOL_VERSION).then(Str::new),
            ..Default::default()
        })
    }
}

impl Refuse for CreateDelegationTokenRequest {
    fn refuse(self, failure: &Failure) -> Option<CreateDelegationTokenResponse> {
        let [principal_type, principal_name] = ANONYMOUS.map(Str::from_static);
        let (requester_type, requester_name) = if failure.version < REQUESTER_VERSION {
            Default::default()
        } else {
            (principal_type.clone(), principal_name.clone())
        };
        Some(CreateDelegationTokenResponse {
            error_code: CODE,
            principal_type,
            principal_name,
            token_requester_principal_type: requester_type,
            token_requester_principal_name: requester_name,
            issue_timestamp_ms: -1,
            expiry_timestamp_ms: -1,
            max_timestamp_ms: -1,
            ..Default::default()
        })
    }
}

impl Refuse for DescribeClientQuotasRequest {
    fn refuse(self, failure: &Failure) -> Option<DescribeClientQuotasResponse> {
        Some(DescribeClientQuotasResponse {
            error_code: CODE,
            error_message: failure.particular(),
            entries: None,
            ..Default::default()
        })
    }
}
