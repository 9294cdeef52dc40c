//! UpdateFeatures (key 57), versions 0-2: finalizes levels of features (KIP-584, KIP-778).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let failed = |error: ErrorCode| UpdateFeaturesResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    };
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return failed(ErrorCode::ClusterAuthorizationFailed);
    }
    run(&ctx, &broker, move |controller, context| controller.update_features(&request, context))
        .await
        .unwrap_or_else(failed)
}
