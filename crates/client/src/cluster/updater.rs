//! The task that keeps the metadata fresh: performs what [`Refresh`](super::refresh::Refresh) asks for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{DescribeClusterRequest, MetadataRequest, MetadataResponse};
use ottla_protocol::{ErrorCode, Message, Request};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::connection::Link;
use super::merge::{self, Merged};
use super::peers::Choice;
use super::refresh::Plan;
use super::shared::{Handing, Shared, State, stopped};
use crate::{Error, Result, random};

/// Kafka 2.1 speaks up to 7; below 4 a request could not forbid the creation of topics.
const METADATA_LOWEST: i16 = 4;
/// Endpoint type "controllers" of DescribeCluster.
const CONTROLLERS: i8 = 2;
/// Looked at again at least this often, though nothing should be missed.
const LOOK_AGAIN_MS: i64 = 60_000;

/// Runs until the client is closed.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        () = stopped(&mut stop) => {}
        never = keep_fresh(&shared) => match never {},
    }
}

enum Step {
    /// Nothing is due for so many ms.
    Sleep(i64),
    /// A node is needed: look again after a change, or after so many ms.
    WaitForNode(i64),
    /// Ask this node.
    Ask(i32, Link),
}

async fn keep_fresh(shared: &Arc<Shared>) -> Infallible {
    loop {
        let changed = shared.changed.notified();
        let pause = |ms: i64| sleep(Duration::from_millis(ms.clamp(1, LOOK_AGAIN_MS) as u64));
        match next_step(shared) {
            Step::Sleep(ms) => tokio::select! {
                () = shared.updater_wake.notified() => {}
                () = pause(ms) => {}
            },
            Step::WaitForNode(ms) => tokio::select! {
                () = changed => {}
                () = pause(ms) => {}
            },
            Step::Ask(node, link) => update(shared, node, link).await,
        }
    }
}

fn next_step(shared: &Arc<Shared>) -> Step {
    let mut state = shared.state.lock();
    let now_ms = shared.now_ms();
    let may_rebootstrap = shared.config.rebootstrap;
    if may_rebootstrap && state.refresh.needs_rebootstrap(now_ms) {
        shared.rebootstrap(&mut state);
    }
    let due_in_ms = state.refresh.due_in_ms(now_ms);
    if due_in_ms > 0 {
        return Step::Sleep(due_in_ms);
    }
    state.refresh.trying(now_ms);
    let patience_ms = state.refresh.rebootstrap_in_ms(now_ms);
    // At most twice: the second time with the bootstrap servers.
    for _ in 0..2 {
        let candidates = shared.candidates(&state);
        match state.peers.least_loaded(&candidates, random::below(candidates.len()), now_ms) {
            Choice::Ready(node) => {
                if let Some(link) = state.peers.link(node) {
                    return Step::Ask(node, link.clone());
                }
            }
            Choice::Connecting => return Step::WaitForNode(patience_ms),
            Choice::Connect(node) => {
                shared.connect(&mut state, node);
                return Step::WaitForNode(patience_ms);
            }
            Choice::None { until_ms, any_ready } => {
                let known = !shared.metadata.read().nodes.is_empty();
                if !(may_rebootstrap && known) || any_ready {
                    return Step::WaitForNode(patience_ms.min(until_ms.saturating_sub(now_ms)));
                }
                shared.rebootstrap(&mut state);
            }
        }
    }
    Step::WaitForNode(1)
}

/// Asks a node and takes in the answer.
async fn update(shared: &Arc<Shared>, node: i32, link: Link) {
    let (plan, request) = {
        let mut state = shared.state.lock();
        let now_ms = shared.now_ms();
        let plan = state.refresh.plan(now_ms);
        let names = if plan.full { state.interest.all(now_ms) } else { Some(state.interest.only_new()) };
        if !plan.full && names.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let topic = |name| MetadataRequestTopic { name: Some(name), ..Default::default() };
        let request = MetadataRequest {
            topics: names.map(|names| names.into_iter().map(topic).collect()),
            allow_auto_topic_creation: state.allow_auto_creation,
            ..Default::default()
        };
        (plan, request)
    };
    let outcome = if shared.config.bootstrap_controllers.is_empty() {
        from_broker(shared, node, &link, plan, request).await
    } else {
        from_controller(shared, node, &link, plan).await
    };
    if let Err(error) = outcome {
        debug!("no metadata from node {node}: {error}");
        let mut state = shared.state.lock();
        state.refresh.failed(plan, shared.now_ms(), random::next_f64());
        if !error.is_retriable() {
            state.fatal = Some(error);
        }
    }
    shared.changed.notify_waiters();
}

async fn ask<R: Request>(
    shared: &Arc<Shared>,
    node: i32,
    link: &Link,
    request: &R,
    lowest: i16,
) -> Result<(i16, R::Response)> {
    let version = link.versions.highest(R::KEY, lowest, R::MAX_VERSION)?;
    let deadline = Instant::now() + shared.config.request_timeout;
    let how = Handing { deadline, expects_answer: true, may_be_skipped: true };
    let receiver = shared.hand_over(link, request, version, how)?;
    Ok((version, shared.receive::<R>(node, version, receiver, how).await?))
}

async fn from_broker(
    shared: &Arc<Shared>,
    node: i32,
    link: &Link,
    plan: Plan,
    request: MetadataRequest,
) -> Result<()> {
    let (version, response) = ask(shared, node, link, &request, METADATA_LOWEST).await?;
    let code = ErrorCode::from_code(response.error_code);
    let mut state = shared.state.lock();
    if code == ErrorCode::RebootstrapRequired && shared.config.rebootstrap {
        info!("the cluster asks to begin anew with the bootstrap servers");
        state.refresh.require_rebootstrap();
        return Err(Error::api(code, None));
    }
    Error::check(response.error_code, None)?;
    if response.brokers.is_empty() {
        return Err(Error::api(ErrorCode::BrokerNotAvailable, Some("the answer names no nodes")));
    }
    report(&response);
    // What was asked for and is not in the answer was looked for as well.
    let asked = request.topics.iter().flatten().filter_map(|topic| topic.name.as_ref());
    let told = response.topics.iter().filter_map(|topic| topic.name.as_ref());
    state.interest.answered(asked.chain(told));
    let old = shared.metadata();
    let State { interest, epochs, .. } = &mut *state;
    let merged = merge::merge(&old, epochs, response, version, !plan.full, |name| interest.wants(name));
    take(shared, &mut state, plan, merged);
    Ok(())
}

async fn from_controller(shared: &Arc<Shared>, node: i32, link: &Link, plan: Plan) -> Result<()> {
    let request = DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() };
    let highest = DescribeClusterRequest::MAX_VERSION;
    if link.versions.highest(DescribeClusterRequest::KEY, 1, highest).is_err() {
        return Err(Error::UnsupportedVersion(
            "The node does not support direct communication with controllers; give brokers as bootstrap.servers".into(),
        ));
    }
    let (_, response) = ask(shared, node, link, &request, 1).await?;
    Error::check(response.error_code, response.error_message.as_deref())?;
    if response.brokers.is_empty() {
        return Err(Error::api(ErrorCode::BrokerNotAvailable, Some("the answer names no controllers")));
    }
    let mut state = shared.state.lock();
    let merged = merge::from_controllers(&shared.metadata(), response);
    take(shared, &mut state, plan, merged);
    Ok(())
}

fn take(shared: &Arc<Shared>, state: &mut State, plan: Plan, merged: Merged) {
    let Merged { metadata, again, news } = merged;
    if shared.metadata.read().cluster_id != metadata.cluster_id {
        info!("Cluster ID: {}", metadata.cluster_id.as_deref().unwrap_or("unknown"));
    }
    shared.set_metadata(metadata);
    state.fatal = None;
    shared.start_pushing(state);
    state.refresh.succeeded(plan, shared.now_ms(), news, again, random::next_f64());
}

/// Says what people should see in the log.
fn report(response: &MetadataResponse) {
    let failing: Vec<String> = response
        .topics
        .iter()
        .filter(|topic| topic.error_code != 0)
        .take(10)
        .map(|topic| {
            format!(
                "{}={}",
                topic.name.as_deref().unwrap_or_default(),
                ErrorCode::from_code(topic.error_code)
            )
        })
        .collect();
    if !failing.is_empty() {
        warn!("metadata was answered with errors: {}", failing.join(", "));
    }
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let unheard =
        partitions.filter(|partition| partition.error_code == ErrorCode::ListenerNotFound.code()).count();
    if unheard > 0 {
        warn!("{unheard} partitions have leaders without a listener that matches the one in use");
    }
}
