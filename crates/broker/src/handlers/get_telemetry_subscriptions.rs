//! GetTelemetrySubscriptions (key 71), version 0: which metrics a client shall push (KIP-714).

use ottla_protocol::Uuid;
use ottla_protocol::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from the CLIENT_METRICS configurations.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let new_id = Uuid::from_random(broker.random.next_u128());
    let max_bytes = broker.config.telemetry_max_bytes;
    ctx.with_client_facts(|client| {
        broker.telemetry.subscriptions(&broker.image(), client, &request, new_id, max_bytes, ctx.now_ms)
    })
}
