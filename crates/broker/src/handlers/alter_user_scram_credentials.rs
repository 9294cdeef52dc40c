//! AlterUserScramCredentials (key 51), version 0: sets passwords and takes them away (KIP-554).

use std::sync::Arc;

use ottla_controller::ScramKeys;
use ottla_metadata::{AclOperation, ScramMechanism};
use ottla_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use ottla_protocol::{ErrorCode, Str};
use ottla_security::sasl::HashFunction;

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return failed(&request, ErrorCode::ClusterAuthorizationFailed);
    }
    let asked = request.clone();
    run(&ctx, &broker, move |controller, context| {
        controller.alter_user_scram_credentials(&request, &keys, context)
    })
    .await
    .unwrap_or_else(|error| failed(&asked, error))
}

fn keys(mechanism: ScramMechanism, salted_password: &[u8]) -> ScramKeys {
    let hash = match mechanism {
        ScramMechanism::Sha512 => HashFunction::Sha512,
        _ => HashFunction::Sha256,
    };
    ScramKeys { stored_key: hash.stored_key(salted_password), server_key: hash.server_key(salted_password) }
}

/// The same error for each user (`AlterUserScramCredentialsRequest.getErrorResponse`).
fn failed(request: &AlterUserScramCredentialsRequest, error: ErrorCode) -> AlterUserScramCredentialsResponse {
    let deleted = request.deletions.iter().map(|deletion| &deletion.name);
    let mut users: Vec<&Str> = deleted.chain(request.upsertions.iter().map(|it| &it.name)).collect();
    users.sort();
    users.dedup();
    let result = |user: &Str| AlterUserScramCredentialsResult {
        user: user.clone(),
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
    };
    AlterUserScramCredentialsResponse {
        results: users.into_iter().map(result).collect(),
        ..Default::default()
    }
}
