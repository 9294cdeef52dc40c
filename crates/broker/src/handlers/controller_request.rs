//! What the handlers of requests to the controller share.

use ottla_controller::{Controller, ControllerResult, RequestContext as ControllerContext, RequestOrigin};
use ottla_protocol::ErrorCode;

use crate::apis::ListenerKind;
use crate::broker::Broker;
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
