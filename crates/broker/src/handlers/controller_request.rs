//! What the handlers of requests to the controller share.

use std::collections::HashMap;
use std::hash::Hash;

use ottla_controller::{
    ApiError, Controller, ControllerResult, Preprocessed, RequestContext as ControllerContext, RequestOrigin,
};
use ottla_metadata::{AclOperation, ConfigResourceType};
use ottla_protocol::{ErrorCode, Str};

use crate::apis::ListenerKind;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::context::RequestContext;

/// Runs an operation of the controller for a client's request.
pub async fn run<R: Send + 'static>(
    ctx: &RequestContext,
    broker: &Broker,
    operation: impl FnOnce(&mut Controller, &mut ControllerContext<'_>) -> ControllerResult<R> + Send + 'static,
) -> Result<R, ErrorCode> {
    let origin = match broker.listener_kind(ctx.listener()) {
        ListenerKind::Broker => RequestOrigin::Broker,
        ListenerKind::Controller => RequestOrigin::Controller,
    };
    broker.controller.run(ctx.api_version, origin, operation).await
}

/// Runs an operation of the controller that creates or deletes partitions: a quota may refuse to, or throttle the answer
/// (KIP-599). From version `strict_since` on, clients know THROTTLING_QUOTA_EXCEEDED.
pub async fn run_changing_partitions<R: Send + 'static>(
    ctx: &RequestContext,
    broker: &Broker,
    strict_since: i16,
    operation: impl FnOnce(&mut Controller, &mut ControllerContext<'_>) -> ControllerResult<R> + Send + 'static,
) -> Result<R, ErrorCode> {
    let is_strict = ctx.api_version >= strict_since;
    let Some(quota) = &ctx.quota else { return run(ctx, broker, operation).await };
    let Some(changes) = quota.partition_changes(is_strict) else { return run(ctx, broker, operation).await };
    let asked = changes.clone();
    let result = run(ctx, broker, move |controller, context| {
        context.partition_changes = Some(Box::new(move |partitions| asked.record(partitions, now_ms())));
        operation(controller, context)
    })
    .await;
    quota.take_changes(&changes, now_ms());
    result
}

/// How often a request names each of its topics or resources: what it names twice, it asks nothing for.
pub struct Named<T>(HashMap<T, usize>);

impl<T: Eq + Hash> Named<T> {
    /// Counts.
    pub fn of(names: impl Iterator<Item = T>) -> Self {
        let mut counts = HashMap::new();
        names.for_each(|name| *counts.entry(name).or_insert(0) += 1);
        Self(counts)
    }

    /// Whether it is named more than once.
    pub fn is_repeated(&self, name: &T) -> bool {
        self.0.get(name).is_some_and(|count| *count > 1)
    }
}

/// Answers for the configurations of a request that its sender may not alter, by their place in it
/// (`ControllerApis.authorizeAlterResource`).
pub fn deny_altering<'a>(
    ctx: &RequestContext,
    broker: &Broker,
    resources: impl Iterator<Item = (i8, &'a Str)>,
) -> Preprocessed {
    let mut denied = Preprocessed::new();
    for (at, (code, name)) in resources.enumerate() {
        let resource = match ConfigResourceType::from_code(code) {
            ConfigResourceType::Broker | ConfigResourceType::ClientMetrics => Resource::Cluster,
            ConfigResourceType::Topic => Resource::Topic(name),
            ConfigResourceType::Group => Resource::Group(name),
            // Asked for where they are set, or an error for everybody.
            ConfigResourceType::BrokerLogger | ConfigResourceType::Unknown => continue,
        };
        if let Err(error) = broker.authorize(ctx, AclOperation::AlterConfigs, resource) {
            denied.insert(at, ApiError::with_default_message(error));
        }
    }
    denied
}
