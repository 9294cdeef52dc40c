//! AlterClientQuotas (key 49), versions 0-1: sets limits of users, client ids and addresses, and takes them away (KIP-546).
//!
//! What holds of them for a connection: `quotas`.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use ottla_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    if !broker.may(&ctx, AclOperation::AlterConfigs, Resource::Cluster) {
        return failed(&request, ErrorCode::ClusterAuthorizationFailed);
    }
    let asked = request.clone();
    run(&ctx, &broker, move |controller, context| controller.alter_client_quotas(&request, context))
        .await
        .unwrap_or_else(|error| failed(&asked, error))
}

/// The same error for each entity (`AlterClientQuotasRequest.getErrorResponse`).
fn failed(request: &AlterClientQuotasRequest, error: ErrorCode) -> AlterClientQuotasResponse {
    let entries = request.entries.iter().map(|entry| EntryData {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        entity: entry
            .entity
            .iter()
            .map(|part| EntityData {
                entity_type: part.entity_type.clone(),
                entity_name: part.entity_name.clone(),
            })
            .collect(),
    });
    AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
}
