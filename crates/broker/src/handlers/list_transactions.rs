//! ListTransactions (key 66), versions 0-2: the transactional ids that this broker coordinates (KIP-664).
//!
//! v1 by age (KIP-994) · v2 by a pattern of the id (KIP-1152).
//!
//! Deviation: Kafka's pattern is one of Java. Look-around, back references and possessive quantifiers are refused here.

use std::sync::Arc;

use ottla_coordinator::transaction::ListFilter;
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::list_transactions_response::TransactionState;
use ottla_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse};
use regex_lite::Regex;

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from every shard that is here.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let refuse =
        |error: ErrorCode| ListTransactionsResponse { error_code: error.code(), ..Default::default() };
    let Ok(pattern) = pattern(request.transactional_id_pattern.as_deref()) else {
        return refuse(ErrorCode::InvalidRegularExpression);
    };
    let filter = ListFilter {
        producer_ids: request.producer_id_filters,
        states: request.state_filters,
        duration_ms: request.duration_filter,
    };
    let unknown_state_filters = filter.unknown_states();
    let (filter, pattern) = (Arc::new(filter), Arc::new(pattern));
    let mut transaction_states = Vec::new();
    for partition in 0..broker.transaction_partitions() {
        let (filter, pattern, now_ms) = (filter.clone(), pattern.clone(), ctx.now_ms);
        let listed = broker.transactions.look(partition, move |shard| {
            let matches = |id: &str| pattern.as_ref().as_ref().is_none_or(|pattern| pattern.is_match(id));
            shard.list_transactions(&filter, &matches, now_ms)
        });
        match listed.await {
            Ok(listed) => transaction_states.extend(listed),
            // Led by another broker, which lists them.
            Err(ErrorCode::NotCoordinator) => {}
            Err(error) => return refuse(error),
        }
    }
    transaction_states.retain(|state: &TransactionState| {
        broker.may(&ctx, AclOperation::Describe, Resource::TransactionalId(&state.transactional_id))
    });
    ListTransactionsResponse { unknown_state_filters, transaction_states, ..Default::default() }
}

/// The pattern that a whole id has to match; none when all do.
fn pattern(text: Option<&str>) -> Result<Option<Regex>, regex_lite::Error> {
    match text {
        None | Some("") => Ok(None),
        // By itself first: a parenthesis must not reach out of it.
        Some(text) => Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$"))).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_ids() {
        let check = |text: &str, id: &str| pattern(Some(text)).unwrap().is_none_or(|p| p.is_match(id));
        assert!(check("", "anything") && check("a.*", "abc") && check("a|b", "b"));
        assert!(!check("a|b", "ab") && !check("b", "abc"));
        assert!(pattern(Some("(")).is_err() && pattern(Some("a)|(b")).is_err());
        assert!(pattern(None).unwrap().is_none());
    }
}
