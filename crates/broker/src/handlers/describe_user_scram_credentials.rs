//! DescribeUserScramCredentials (key 50), version 0: how passwords are kept, not what they are (KIP-554).

use ottla_metadata::AclOperation;
use ottla_protocol::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from the image.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    if !broker.may(ctx, AclOperation::Describe, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        return DescribeUserScramCredentialsResponse {
            error_code: error.code(),
            error_message: Some(Str::from_static(error.message())),
            ..Default::default()
        };
    }
    let results = broker.image().scram.describe(&request);
    DescribeUserScramCredentialsResponse { results, error_message: None, ..Default::default() }
}
