//! DescribeTransactions (key 65), version 0: what the coordinator knows of transactional ids (KIP-664).

use std::sync::Arc;

use ottla_coordinator::transaction::describe_transaction_error;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers id by id.
pub async fn handle(
    _ctx: RequestContext,
    broker: Arc<Broker>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        let asked = transactional_id.clone();
        let described = match transactional_id.is_empty() {
            true => Err(ErrorCode::InvalidRequest),
            false => {
                let id = transactional_id.clone();
                broker.look_at_transaction(&id, move |shard| shard.describe_transaction(&asked)).await
            }
        };
        transaction_states
            .push(described.unwrap_or_else(|error| describe_transaction_error(transactional_id, error)));
    }
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}
