//! PushTelemetry (key 72), version 0: a client's metrics (KIP-714).

use ottla_protocol::messages::{PushTelemetryRequest, PushTelemetryResponse};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Accepts what belongs to the client's subscription.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: PushTelemetryRequest) -> PushTelemetryResponse {
    let max_bytes = broker.config.telemetry_max_bytes;
    let result = ctx.with_client_facts(|client| {
        broker.telemetry.push(&broker.image(), client, &request, max_bytes, ctx.now_ms)
    });
    PushTelemetryResponse { error_code: result.err().unwrap_or_default().code(), ..Default::default() }
}
