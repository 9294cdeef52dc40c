//! UnregisterBroker (key 64), version 0: forgets a broker that is gone for good.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let failed = |error: ErrorCode| UnregisterBrokerResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    };
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return failed(ErrorCode::ClusterAuthorizationFailed);
    }
    run(&ctx, &broker, move |controller, context| controller.unregister_broker(&request, context))
        .await
        .unwrap_or_else(failed)
}
