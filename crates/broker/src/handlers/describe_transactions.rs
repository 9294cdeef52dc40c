//! DescribeTransactions (key 65), version 0: what the coordinator knows of transactional ids (KIP-664).

use std::sync::Arc;

use ottla_coordinator::transaction::describe_transaction_error;
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers id by id.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        let asked = transactional_id.clone();
        let resource = Resource::TransactionalId(&transactional_id);
        let described = match broker.authorize(&ctx, AclOperation::Describe, resource) {
            Err(error) => Err(error),
            Ok(()) if transactional_id.is_empty() => Err(ErrorCode::InvalidRequest),
            Ok(()) => {
                let id = transactional_id.clone();
                broker.look_at_transaction(&id, move |shard| shard.describe_transaction(&asked)).await
            }
        };
        let mut state = described.unwrap_or_else(|error| describe_transaction_error(transactional_id, error));
        let mut allowed = broker.topics(&ctx, AclOperation::Describe);
        state.topics.retain(|topic| allowed.allow(&topic.topic));
        transaction_states.push(state);
    }
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}
