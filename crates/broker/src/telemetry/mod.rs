//! Client metrics (KIP-714): which metrics a client shall push, and how often. `ClientMetricsManager` in Kafka.
//!
//! What clients push is told by `/metrics` ([`Exported`]), if that is served; else it is accepted and dropped.
//!
//! | file | what |
//! | --- | --- |
//! | `subscription` | what the CLIENT_METRICS configurations ask of a client |
//! | `instance` | one client, and when it may be heard |
//! | `exported` | what clients have pushed |

mod exported;
mod instance;
mod subscription;

use std::collections::HashMap;

use ottla_metadata::MetadataImage;
use ottla_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
};
use ottla_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;

pub use exported::{ClientFigures, Exported, ExportedCounts, Figure};
use instance::Instance;
pub use subscription::ClientFacts;
use subscription::Subscription;

/// Most client instances that are remembered (`ClientMetricsManager.CACHE_MAX_SIZE`).
const INSTANCES_MAX: usize = 16384;
/// zstd, lz4, gzip, snappy: the codecs that a client may use, best first.
const ACCEPTED_COMPRESSION: [i8; 4] = [4, 3, 1, 2];

/// The client instances that this broker knows.
#[derive(Debug, Default)]
pub struct Telemetry {
    instances: Mutex<HashMap<Uuid, Instance>>,
    /// What they have pushed.
    pub exported: Exported,
    /// Somebody may ask for it.
    is_exported: bool,
}

impl Telemetry {
    /// Nobody is known yet. What is pushed is kept for `/metrics` if `is_exported`.
    pub fn new(is_exported: bool) -> Self {
        Self { is_exported, ..Default::default() }
    }

    /// Tells a client what to push. `new_id` becomes the id of a client that has none.
    pub fn subscriptions(
        &self,
        image: &MetadataImage,
        client: &ClientFacts<'_>,
        request: &GetTelemetrySubscriptionsRequest,
        new_id: Uuid,
        telemetry_max_bytes: i32,
        now_ms: i64,
    ) -> GetTelemetrySubscriptionsResponse {
        let id = if request.client_instance_id.is_zero() { new_id } else { request.client_instance_id };
        let subscription = Subscription::of(image, client, id);
        let mut instances = self.instances.lock();
        let instance = entry(&mut instances, id, &subscription, now_ms);
        if !instance.may_get(now_ms) {
            return GetTelemetrySubscriptionsResponse {
                error_code: ErrorCode::ThrottlingQuotaExceeded.code(),
                ..Default::default()
            };
        }
        instance.last_error = ErrorCode::None;
        GetTelemetrySubscriptionsResponse {
            client_instance_id: id,
            subscription_id: subscription.id,
            accepted_compression_types: ACCEPTED_COMPRESSION.to_vec(),
            push_interval_ms: subscription.push_interval_ms,
            telemetry_max_bytes,
            delta_temporality: true,
            requested_metrics: subscription.metrics.iter().map(|m| Str::from(m.as_str())).collect(),
            ..Default::default()
        }
    }

    /// Takes what a client pushes.
    ///
    /// # Errors
    /// Kafka's errors for a push that comes too early, too large, or for another subscription.
    pub fn push(
        &self,
        image: &MetadataImage,
        client: &ClientFacts<'_>,
        request: &PushTelemetryRequest,
        telemetry_max_bytes: i32,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let id = request.client_instance_id;
        if id.is_zero() || id == Uuid::ONE {
            return Err(ErrorCode::InvalidRequest);
        }
        let subscription = Subscription::of(image, client, id);
        let mut instances = self.instances.lock();
        let instance = entry(&mut instances, id, &subscription, now_ms);
        let result = check_push(instance, &subscription, request, telemetry_max_bytes, now_ms);
        instance.terminating = request.terminating;
        instance.last_error = result.err().unwrap_or_default();
        result?;
        // Others need not wait while it is read.
        drop(instances);
        if !self.is_exported || request.metrics.is_empty() {
            return Ok(());
        }
        let push = (request.compression_type, &*request.metrics);
        self.exported.take(id, client, &subscription, push, now_ms).map_err(|_| {
            if let Some(instance) = self.instances.lock().get_mut(&id) {
                instance.last_error = ErrorCode::InvalidRecord;
            }
            ErrorCode::InvalidRecord
        })
    }
}

fn check_push(
    instance: &mut Instance,
    subscription: &Subscription,
    request: &PushTelemetryRequest,
    telemetry_max_bytes: i32,
    now_ms: i64,
) -> Result<(), ErrorCode> {
    if instance.terminating {
        return Err(ErrorCode::InvalidRequest);
    }
    if !instance.may_push(now_ms) && !request.terminating {
        return Err(ErrorCode::ThrottlingQuotaExceeded);
    }
    if request.subscription_id != subscription.id {
        return Err(ErrorCode::UnknownSubscriptionId);
    }
    if !(0..=4).contains(&request.compression_type) {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    if request.metrics.len() > usize::try_from(telemetry_max_bytes).unwrap_or(0) {
        return Err(ErrorCode::TelemetryTooLarge);
    }
    Ok(())
}

/// The instance of an id. A changed subscription makes it anew, so that the client may ask at once.
fn entry<'a>(
    instances: &'a mut HashMap<Uuid, Instance>,
    id: Uuid,
    subscription: &Subscription,
    now_ms: i64,
) -> &'a mut Instance {
    if instances.len() >= INSTANCES_MAX && !instances.contains_key(&id) {
        instances.retain(|_, instance| !instance.is_expired(now_ms));
        if instances.len() >= INSTANCES_MAX {
            let oldest = instances.iter().min_by_key(|(_, i)| i.last_used_ms).map(|(id, _)| *id);
            oldest.map(|id| instances.remove(&id));
        }
    }
    let instance = instances.entry(id).or_insert_with(|| Instance::new(subscription));
    if instance.subscription_id != subscription.id {
        *instance = Instance::new(subscription);
    }
    instance.last_used_ms = now_ms;
    instance
}

#[cfg(test)]
mod tests;
