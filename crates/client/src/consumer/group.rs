//! The consumer's membership in its group: the driver of [`crate::membership`].
//!
//! The pure core stands behind a lock that is never held across an await. What it wants done goes two ways: requests and
//! time are a background task's, so that heartbeats leave while the application works; what concerns positions,
//! assignments and callbacks waits for the application's `poll` ([`Group::next_action`]).

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ShareGroupHeartbeatRequest, SyncGroupRequest,
};
use ottla_protocol::{ErrorCode, Message, Request};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::requests::Committer;
use super::shared::{Shared, after, is_connection_error, millis};
use super::{ConsumerConfig, ConsumerGroupMetadata, GroupProtocol};
use crate::assignors;
use crate::cluster::{Metadata, Target, Topics};
use crate::membership::{
    Action, ClassicMembership, EpochMembership, Event, GroupAnswer, GroupConfig, GroupRequest, MemberState,
    Membership, MetadataTopics, Subscription, leave_group_for,
};
use crate::{Error, Result};

/// Handle to the membership; the background task ends with the last one.
#[derive(Clone)]
pub struct Group {
    core: Arc<Core>,
    _task: Arc<EndsWithHandles>,
}

struct EndsWithHandles(AbortHandle);

impl Drop for EndsWithHandles {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Core {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// There is something for the background task.
    background: Notify,
    /// There is something for the application's poll.
    foreground: Notify,
}

struct State {
    membership: Box<dyn Membership>,
    requests: VecDeque<Background>,
    actions: VecDeque<Action>,
}

enum Background {
    Send { id: u64, request: GroupRequest, timeout_ms: i64 },
    Refresh { id: u64 },
}

enum Done {
    Answered { id: u64, answer: Result<GroupAnswer> },
    Refreshed { id: u64, result: Result<Arc<Metadata>> },
}

/// Tells the membership that `poll` runs; its drop, that it has ended.
pub struct Polling(Arc<Core>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.handle(Event::PollEnded);
    }
}

impl Group {
    /// A membership that has not joined yet.
    pub fn new(shared: Arc<Shared>, membership: Box<dyn Membership>) -> Self {
        let state = State { membership, requests: VecDeque::new(), actions: VecDeque::new() };
        let core = Arc::new(Core {
            shared,
            state: Mutex::new(state),
            background: Notify::new(),
            foreground: Notify::new(),
        });
        core.handle(Event::Metadata(core.shared.cluster.metadata()));
        let task = tokio::spawn(run(core.clone())).abort_handle();
        Self { core, _task: Arc::new(EndsWithHandles(task)) }
    }

    /// Tells it what happened.
    pub fn handle(&self, event: Event) {
        self.core.handle(event);
    }

    /// The first thing that the application's side has to do, left where it is until [`Group::action_done`]: a poll whose
    /// future is dropped meanwhile does it anew.
    pub fn next_action(&self) -> Option<Action> {
        self.core.state.lock().actions.front().cloned()
    }

    /// The first of those things is done.
    pub fn action_done(&self) {
        self.core.state.lock().actions.pop_front();
    }

    /// Completes when there may be something for the application's side to do.
    pub async fn acts(&self) {
        if self.core.state.lock().actions.is_empty() {
            self.core.foreground.notified().await;
        }
    }

    /// While the result lives, `poll` runs.
    pub fn polling(&self) -> Polling {
        self.core.handle(Event::PollStarted);
        Polling(self.core.clone())
    }

    /// What commits and transactions present.
    pub fn metadata(&self) -> ConsumerGroupMetadata {
        self.core.state.lock().membership.group_metadata()
    }

    /// Who commits as this member.
    pub fn committer(&self) -> Arc<dyn Committer> {
        self.core.clone()
    }
}

impl Core {
    fn handle(&self, event: Event) {
        let mut state = self.state.lock();
        let wake_before = state.membership.wake_at_ms();
        state.membership.handle(self.shared.clock.now_ms(), event);
        let mut foreground = false;
        while let Some(action) = state.membership.next_action() {
            match action {
                Action::Send { id, request, timeout_ms } => {
                    state.requests.push_back(Background::Send { id, request, timeout_ms });
                }
                Action::RefreshMetadata { id } => {
                    state.requests.push_back(Background::Refresh { id });
                }
                Action::ForgetCoordinator => {
                    if let Ok(group_id) = self.shared.group_id() {
                        self.shared.forget_coordinator(&group_id);
                    }
                }
                Action::Topics(topics) => self.shared.set_topics(topics_to_know(topics)),
                action => {
                    state.actions.push_back(action);
                    foreground = true;
                }
            }
        }
        let background = !state.requests.is_empty() || state.membership.wake_at_ms() != wake_before;
        drop(state);
        if background {
            self.background.notify_one();
        }
        if foreground {
            self.foreground.notify_one();
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let at_ms = self.state.lock().membership.wake_at_ms()?;
        Some(self.shared.clock.instant(at_ms))
    }
}

impl Committer for Core {
    fn member(&self) -> Result<ConsumerGroupMetadata> {
        let state = self.state.lock();
        match state.membership.state() {
            MemberState::PreparingRebalance | MemberState::CompletingRebalance => {
                Err(super::offsets::refusal(ErrorCode::RebalanceInProgress))
            }
            _ => {
                let member = state.membership.group_metadata();
                if member.generation_id < 0 {
                    return Err(super::offsets::refusal(ErrorCode::UnknownMemberId));
                }
                Ok(member)
            }
        }
    }

    fn refused(&self, code: ErrorCode, presented: &ConsumerGroupMetadata) {
        let (generation_id, member_id) = (presented.generation_id, presented.member_id.clone());
        self.handle(Event::CommitRefused { code, generation_id, member_id });
    }

    fn has_member_epochs(&self) -> bool {
        self.shared.config.group_protocol == GroupProtocol::Consumer
    }
}

fn topics_to_know(topics: MetadataTopics) -> Topics {
    match topics {
        MetadataTopics::Named(names) => Topics::Named(names),
        // Names that go with ids are found in the metadata of all topics.
        MetadataTopics::All | MetadataTopics::Ids(_) => Topics::All,
    }
}

/// The background task: sends, waits, and tells of the time and of metadata.
async fn run(core: Arc<Core>) {
    let mut requests = JoinSet::new();
    let mut generation = core.shared.cluster.metadata().generation;
    loop {
        loop {
            let next = core.state.lock().requests.pop_front();
            let Some(request) = next else { break };
            requests.spawn(perform(core.shared.clone(), request));
        }
        let changed = core.shared.cluster.changed();
        let metadata = core.shared.cluster.metadata();
        if metadata.generation != generation {
            generation = metadata.generation;
            core.handle(Event::Metadata(metadata));
            continue;
        }
        let wake_at = core.wake_at();
        let timer = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = requests.join_next(), if !requests.is_empty() => match done {
                Some(Ok(Done::Answered { id, answer })) => core.handle(Event::Answered { id, answer }),
                Some(Ok(Done::Refreshed { id, result })) => {
                    let result = result.map(|metadata| {
                        generation = metadata.generation;
                        core.handle(Event::Metadata(metadata));
                    });
                    core.handle(Event::Refreshed { id, result });
                }
                Some(Err(error)) => tracing::error!(%error, "a request of the group ended badly"),
                None => {}
            },
            () = timer => core.handle(Event::Tick),
            () = core.background.notified() => {}
            () = changed => {}
        }
    }
}

async fn perform(shared: Arc<Shared>, work: Background) -> Done {
    match work {
        Background::Refresh { id } => {
            let result = shared.cluster.refresh(shared.api_deadline()).await;
            Done::Refreshed { id, result }
        }
        Background::Send { id, request, timeout_ms } => {
            let timeout = std::time::Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
            let answer = send(&shared, request, after(timeout)).await;
            Done::Answered { id, answer }
        }
    }
}

async fn send(shared: &Shared, request: GroupRequest, deadline: Instant) -> Result<GroupAnswer> {
    let group_id = shared.group_id()?;
    let node = shared.coordinator(&group_id, deadline).await?;
    let target = Target::Node(node);
    let answer = match request {
        GroupRequest::JoinGroup(request) => {
            ask::<JoinGroupRequest>(shared, target, request, deadline).await.map(GroupAnswer::JoinGroup)
        }
        GroupRequest::SyncGroup(request) => {
            ask::<SyncGroupRequest>(shared, target, request, deadline).await.map(GroupAnswer::SyncGroup)
        }
        GroupRequest::Heartbeat(request) => {
            ask::<HeartbeatRequest>(shared, target, request, deadline).await.map(GroupAnswer::Heartbeat)
        }
        GroupRequest::LeaveGroup(request) => {
            let build = |version| Ok(leave_group_for(request, version));
            let (lowest, highest) = (LeaveGroupRequest::MIN_VERSION, LeaveGroupRequest::MAX_VERSION);
            let answer = shared.cluster.call_as(target, lowest, highest, build, deadline).await;
            answer.map(|(_, answer)| GroupAnswer::LeaveGroup(answer))
        }
        GroupRequest::ConsumerGroupHeartbeat(request) => {
            // The broker matches the pattern from this version on.
            let lowest = if request.subscribed_topic_regex.is_some() { 1 } else { 0 };
            let highest = ConsumerGroupHeartbeatRequest::MAX_VERSION;
            let answer = shared.cluster.call_as(target, lowest, highest, |_| Ok(request), deadline).await;
            answer.map(|(_, answer)| GroupAnswer::ConsumerGroupHeartbeat(answer))
        }
        GroupRequest::ShareGroupHeartbeat(request) => {
            let answer = ask::<ShareGroupHeartbeatRequest>(shared, target, request, deadline).await;
            answer.map(GroupAnswer::ShareGroupHeartbeat)
        }
    };
    if answer.as_ref().err().is_some_and(is_connection_error) {
        shared.forget_coordinator(&group_id);
    }
    answer
}

async fn ask<R: Request>(
    shared: &Shared,
    target: Target,
    request: R,
    deadline: Instant,
) -> Result<R::Response> {
    shared.cluster.call(target, request, deadline).await
}

/// A membership in this consumer's protocol.
///
/// # Errors
/// When an assignor is not known, or times contradict each other.
pub fn new_membership(shared: &Shared) -> Result<Box<dyn Membership>> {
    let config = &shared.config;
    let group = GroupConfig {
        group_id: shared.group_id()?,
        group_instance_id: config.group_instance_id.clone(),
        rack_id: Some(config.client_rack.clone()).filter(|rack| !rack.is_empty()),
        session_timeout_ms: config.session_timeout_ms,
        heartbeat_interval_ms: config.heartbeat_interval_ms,
        max_poll_interval_ms: config.max_poll_interval_ms,
        retry_backoff_ms: millis(config.client.retry_backoff),
        retry_backoff_max_ms: millis(config.client.retry_backoff_max),
        request_timeout_ms: millis(config.client.request_timeout),
        auto_commit: config.enable_auto_commit,
        seed: crate::random::next_u64(),
    };
    match config.group_protocol {
        GroupProtocol::Classic => {
            let names = config.partition_assignment_strategy.iter().map(String::as_str);
            Ok(Box::new(ClassicMembership::new(group, assignors::by_names(names)?)?))
        }
        GroupProtocol::Consumer => {
            let member_id = crate::random::uuid().to_string().into();
            Ok(Box::new(EpochMembership::consumer(group, member_id, config.group_remote_assignor.clone())))
        }
    }
}

/// What a pattern means in this consumer's protocol.
///
/// # Errors
/// When it is no regular expression.
pub fn pattern_subscription(config: &ConsumerConfig, pattern: &str) -> Result<Subscription> {
    if config.group_protocol == GroupProtocol::Consumer {
        return Ok(Subscription::Regex(pattern.to_owned().into()));
    }
    // The whole name must match, as with Java's `matches`.
    let regex = regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        Error::Illegal(format!("Topic pattern to subscribe to is no regular expression: {error}"))
    })?;
    let exclude_internal = config.exclude_internal_topics;
    Ok(Subscription::pattern(move |name, is_internal| {
        !(is_internal && exclude_internal) && regex.is_match(name)
    }))
}
