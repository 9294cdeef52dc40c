//! Ends delegation tokens that nobody has renewed (`QuorumController.registerExpireDelegationTokens`).

use std::time::Duration;

use ottla_controller::RequestOrigin;
use ottla_protocol::ErrorCode;
use tokio::time::MissedTickBehavior;

use super::controller::ControllerHandle;

/// No clock counts longer than this.
const INTERVAL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Sweeps at the start and every `delegation.token.expiry.check.interval.ms`; none: there are no tokens. Never ends.
pub async fn expire(controller: ControllerHandle, check_interval_ms: Option<i64>) {
    let Some(interval_ms) = check_interval_ms else { return std::future::pending().await };
    let interval = Duration::from_millis(interval_ms.max(1).unsigned_abs()).min(INTERVAL_MAX);
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        while let Ok(true) = sweep(&controller).await {}
    }
}

/// Whether there is more to sweep at once.
async fn sweep(controller: &ControllerHandle) -> Result<bool, ErrorCode> {
    let swept = controller.run(0, RequestOrigin::Controller, |controller, context| {
        let result = controller.sweep_expired_delegation_tokens(context.now_ms);
        let count = result.records.len();
        result.map(|is_more| (count, is_more))
    });
    let (count, is_more) = swept.await?;
    if count > 0 {
        tracing::info!(count, "delegation tokens are over and removed");
    }
    Ok(is_more)
}
