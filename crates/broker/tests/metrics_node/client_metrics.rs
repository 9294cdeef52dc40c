//! A client that pushes metrics of its own (KIP-714).

use std::time::Instant;

use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::{
    GetTelemetrySubscriptionsRequest, IncrementalAlterConfigsRequest, PushTelemetryRequest,
};
use ottla_protocol::{ErrorCode, Uuid};

use super::PATIENCE;
use crate::wire_client::WireClient;

/// The resource type of client metrics.
const CLIENT_METRICS: i8 = 16;

/// Has clients asked for metrics of a prefix.
pub fn subscribe(client: &mut WireClient, prefix: &str) {
    let set = AlterableConfig { name: "metrics".into(), config_operation: 0, value: Some(prefix.into()) };
    let resource = AlterConfigsResource {
        resource_type: CLIENT_METRICS,
        resource_name: "mine".into(),
        configs: vec![set],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    assert_eq!(client.call(&request, 1).responses[0].error_code, 0);
}

/// Pushes as a client that was not heard of before.
pub fn push(client: &mut WireClient, metrics: &[u8]) -> ErrorCode {
    let began = Instant::now();
    let subscription = loop {
        let ask = GetTelemetrySubscriptionsRequest { client_instance_id: Uuid::ZERO };
        let found = client.call(&ask, 0);
        if !found.requested_metrics.is_empty() {
            break found;
        }
        assert!(began.elapsed() < PATIENCE, "nobody wants metrics");
    };
    let request = PushTelemetryRequest {
        client_instance_id: subscription.client_instance_id,
        subscription_id: subscription.subscription_id,
        metrics: metrics.to_vec().into(),
        ..Default::default()
    };
    ErrorCode::from_code(client.call(&request, 0).error_code)
}
