//! The task that pushes the client's figures to the brokers when they ask for them: performs what
//! [`Telemetry`](crate::metrics::telemetry::Telemetry) says.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla_protocol::records::{Compression, CompressionLevel, compress};
use ottla_protocol::{Request, Uuid};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info};

use super::shared::{Handing, Shared, State, stopped};
use super::{Cluster, Target};
use crate::metrics::telemetry::Due;
use crate::{Error, Result, random};

impl Cluster {
    /// The id under which the brokers know this client's figures (KIP-714), asked for when it is not known.
    ///
    /// # Errors
    /// [`Error::Illegal`] when `enable.metrics.push` is off; [`Error::UnsupportedVersion`] when the brokers take no
    /// figures; or when the time is up.
    pub async fn client_instance_id(&self, deadline: Instant) -> Result<Uuid> {
        let shared = self.shared();
        if !shared.config.enable_metrics_push {
            return Err(Error::Illegal(
                "Telemetry is not enabled. Set config `enable.metrics.push` to `true`.".into(),
            ));
        }
        loop {
            let changed = shared.changed.notified();
            {
                let mut state = shared.state.lock();
                shared.ensure_open(&state)?;
                shared.start_pushing(&mut state);
                if let Some(id) = state.telemetry.instance_id() {
                    return Ok(id);
                }
                if state.telemetry.due(shared.now_ms()) == Due::Never {
                    return Err(Error::UnsupportedVersion("the brokers take no figures of clients".into()));
                }
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(Error::Timeout("Timed out waiting for the client's instance id".into()));
            }
        }
    }
}

impl Shared {
    /// Starts the pushing, unless it is off or was started before.
    pub(super) fn start_pushing(self: &Arc<Self>, state: &mut State) {
        let on = self.config.enable_metrics_push && self.config.bootstrap_controllers.is_empty();
        if on && !state.pushing {
            state.pushing = true;
            self.spawn(run(self.clone()));
        }
    }

    /// The figures that the subscription names, as they are sent.
    fn figures(&self) -> Option<Vec<u8>> {
        let wanted = self.state.lock().telemetry.subscription()?.wanted.clone();
        let metrics = self.metrics.read(self.config.kind, &self.config.client_id, self.now_ms());
        self.encoder.lock().encode(&metrics, &wanted, &self.config.telemetry_labels, unix_ns())
    }

    /// Hands over the last figures of a client that closes.
    pub(super) fn push_last(&self) {
        let link = {
            let mut state = self.state.lock();
            if !state.telemetry.terminate() {
                return;
            }
            state.pushed_to.and_then(|node| state.peers.link(node).cloned())
        };
        let Some(link) = link else { return };
        let figures = self.figures();
        let request = self.state.lock().telemetry.push(figures, true, pack);
        let Some(request) = request else { return };
        let how = Handing { deadline: Instant::now(), expects_answer: true, may_be_skipped: false };
        // Nobody waits for the answer.
        let sent = self.hand_over(&link, &request, 0, how);
        debug!("the last figures were pushed: {}", sent.is_ok());
    }
}

/// Unix time in ns.
pub(super) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn pack(codec: Compression, figures: &[u8]) -> Option<Vec<u8>> {
    compress(codec, CompressionLevel::DEFAULT, figures).ok()
}

async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = push_when_due(&shared) => {}
    }
}

async fn push_when_due(shared: &Arc<Shared>) {
    loop {
        let due = shared.state.lock().telemetry.due(shared.now_ms());
        let outcome = match due {
            Due::Never => return,
            Due::Wait(ms) => {
                sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0))).await;
                continue;
            }
            Due::Subscribe(request) => subscribe(shared, request).await,
            Due::Push => push(shared).await,
        };
        if let Err(error) = outcome {
            debug!("figures were not taken: {error}");
            let mut state = shared.state.lock();
            state.pushed_to = None;
            state.telemetry.failed(&error, shared.now_ms());
        }
        shared.changed.notify_waiters();
    }
}

async fn subscribe(
    shared: &Arc<Shared>,
    request: ottla_protocol::messages::GetTelemetrySubscriptionsRequest,
) -> Result<()> {
    let response = ask(shared, request).await?;
    let mut state = shared.state.lock();
    let known = state.telemetry.instance_id().is_some();
    let reset = state.telemetry.subscribed(&response, shared.now_ms(), random::next_f64());
    if let (false, Some(id)) = (known, state.telemetry.instance_id()) {
        info!("Client telemetry registered with client instance id: {id}");
    }
    drop(state);
    if reset {
        shared.encoder.lock().reset();
    }
    Ok(())
}

async fn push(shared: &Arc<Shared>) -> Result<()> {
    let figures = shared.figures();
    let request = shared.state.lock().telemetry.push(figures, false, pack);
    let Some(request) = request else { return Ok(()) };
    let response = ask(shared, request).await?;
    shared.state.lock().telemetry.pushed(response.error_code, shared.now_ms());
    Ok(())
}

/// Asks the node that was asked before, or any.
async fn ask<R: Request>(shared: &Arc<Shared>, request: R) -> Result<R::Response> {
    let deadline = Instant::now() + shared.config.request_timeout;
    let target = shared.state.lock().pushed_to.map_or(Target::Any, Target::Node);
    let (node, link) = shared.link(target, deadline).await?;
    shared.state.lock().pushed_to = Some(node);
    let version = link.versions.highest(R::KEY, R::MIN_VERSION, R::MAX_VERSION)?;
    let how = Handing { deadline, expects_answer: true, may_be_skipped: true };
    let receiver = shared.hand_over(&link, &request, version, how)?;
    drop(link);
    shared.receive::<R>(node, version, receiver, how).await
}
