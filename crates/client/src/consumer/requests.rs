//! Requests under way, each a task that ends with the consumer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ottla_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
};
use ottla_protocol::{ErrorCode, Message, Request, TopicPartition};
use tokio::time::Instant;

use super::offsets::{
    CommitAnswer, CommittedAnswer, EpochsAnswer, ListAnswer, ListedOffset, TopicIds, commit_request,
    commit_versions, committed_request, epochs_request, highest_version, list_request, lowest_list_version,
    read_commit, read_committed, read_epochs, read_list, refusal,
};
use super::session::{LAST_VERSION_WITH_NAMES, SessionRequest};
use super::shared::{Shared, after, is_connection_error};
use super::state::{AutoOffsetReset, FetchPosition};
use super::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::cluster::Target;
use crate::{Error, Result};

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What a task ends with.
pub enum Done {
    /// A fetch from a node.
    Fetched {
        /// The node.
        node: i32,
        /// When it was sent, Unix ms.
        sent_ms: i64,
        /// The answer with its version.
        result: Result<(i16, FetchResponse)>,
    },
    /// A look-up of positions to begin at.
    Reset {
        /// What was looked up.
        asked: Vec<(TopicPartition, AutoOffsetReset)>,
        /// The offsets.
        result: Result<ListAnswer>,
    },
    /// A look-up of a log's end, for the lag.
    End {
        /// Of which partition.
        partition: TopicPartition,
        /// The offset.
        result: Result<ListAnswer>,
    },
    /// A check of positions.
    Epochs {
        /// What was checked.
        asked: Vec<(TopicPartition, FetchPosition)>,
        /// The ends of the epochs.
        result: Result<EpochsAnswer>,
    },
    /// A look-up of committed offsets.
    Committed {
        /// Of which partitions.
        asked: Vec<TopicPartition>,
        /// The offsets.
        result: Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>>,
    },
    /// A commit.
    Commit {
        /// What was committed.
        offsets: Offsets,
        /// For whom.
        purpose: CommitPurpose,
        /// How it ended.
        result: Result<()>,
    },
}

/// Told how an asynchronous commit ended.
pub type CommitCallback = Box<dyn FnOnce(&Offsets, Result<()>) + Send>;

/// Why offsets are committed in the background.
pub enum CommitPurpose {
    /// By the clock (`auto.commit.interval.ms`).
    Interval,
    /// Before a rebalance; the id of the membership's action.
    Rebalance(u64),
    /// The application asked for it.
    Application(Option<CommitCallback>),
}

/// Who commits: the member at the moment of each attempt, and what becomes of a refusal.
pub trait Committer: Send + Sync {
    /// What the commit presents.
    ///
    /// # Errors
    /// When the consumer is not in a state to commit.
    fn member(&self) -> Result<ConsumerGroupMetadata>;

    /// The coordinator refused because of the membership.
    fn refused(&self, code: ErrorCode, presented: &ConsumerGroupMetadata);

    /// Whether OffsetFetch is to name the member (KIP-848).
    fn has_member_epochs(&self) -> bool;
}

/// Fetches from a node.
pub async fn fetch(shared: Arc<Shared>, node: i32, session: SessionRequest) -> Result<(i16, FetchResponse)> {
    let config = &shared.config;
    let highest = if session.has_topic_ids { FetchRequest::MAX_VERSION } else { LAST_VERSION_WITH_NAMES };
    let deadline = after(config.client.request_timeout);
    let request = FetchRequest {
        max_wait_ms: config.fetch_max_wait_ms,
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_max_bytes,
        isolation_level: config.isolation_level.id(),
        rack_id: config.client_rack.clone(),
        ..FetchRequest::default()
    };
    let build = |version: i16| {
        let mut request = request;
        session.fill(&mut request, version);
        Ok(request)
    };
    shared.cluster.call_as(Target::Node(node), FetchRequest::MIN_VERSION, highest, build, deadline).await
}

/// Asks a node for offsets by times, with the epochs of the partitions' leaders.
pub async fn list_offsets(
    shared: Arc<Shared>,
    node: i32,
    lookups: Vec<(TopicPartition, (i64, Option<i32>))>,
) -> Result<ListAnswer> {
    let config = &shared.config;
    let timeout = config.client.request_timeout;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let request = list_request(lookups, config.isolation_level, timeout_ms);
    let lowest = lowest_list_version(config.isolation_level);
    let highest = ListOffsetsRequest::MAX_VERSION;
    let deadline = after(timeout);
    let (_, response) =
        shared.cluster.call_as(Target::Node(node), lowest, highest, |_| Ok(request), deadline).await?;
    read_list(response)
}

/// Asks a node where the epochs of positions end.
pub async fn check_positions(
    shared: Arc<Shared>,
    node: i32,
    lowest: i16,
    asked: &[(TopicPartition, FetchPosition)],
) -> Result<EpochsAnswer> {
    let deadline = after(shared.config.client.request_timeout);
    let highest = OffsetForLeaderEpochRequest::MAX_VERSION;
    let build = |_| Ok(epochs_request(asked));
    let (_, response) = shared.cluster.call_as(Target::Node(node), lowest, highest, build, deadline).await?;
    read_epochs(asked, response)
}

/// Offsets by times, of any partitions, with all attempts that fit into the time.
///
/// # Errors
/// When the time is up, or a topic may not be read.
pub async fn offsets_for_times(
    shared: Arc<Shared>,
    wanted: BTreeMap<TopicPartition, i64>,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Option<ListedOffset>>> {
    let mut left = wanted;
    let mut found = BTreeMap::new();
    let mut failures = 0;
    loop {
        let metadata = shared.cluster.metadata();
        let mut by_node: HashMap<i32, Vec<_>> = HashMap::new();
        for (tp, timestamp) in &left {
            let known = metadata.partition(&tp.topic, tp.partition);
            if let Some((leader, partition)) =
                known.and_then(|partition| Some((partition.leader?, partition)))
            {
                by_node.entry(leader).or_default().push((tp.clone(), (*timestamp, partition.leader_epoch)));
            }
        }
        let mut last_error = Error::Timeout(format!("no leader is known of {}", names(left.keys())));
        let mut tasks = tokio::task::JoinSet::new();
        for (node, lookups) in by_node {
            tasks.spawn(list_offsets(shared.clone(), node, lookups));
        }
        while let Some(result) = tasks.join_next().await {
            match result.unwrap_or_else(|error| Err(Error::Disconnected(error.to_string()))) {
                Ok(answer) => {
                    let offsets = answer.found.into_iter().map(|(tp, offset)| (tp, Some(offset)));
                    for (tp, offset) in offsets.chain(answer.missing.into_iter().map(|tp| (tp, None))) {
                        if left.remove(&tp).is_some() {
                            found.insert(tp, offset);
                        }
                    }
                }
                Err(error) if error.is_retriable() => last_error = error,
                Err(error) => return Err(error),
            }
        }
        if left.is_empty() {
            return Ok(found);
        }
        shared.cluster.request_refresh();
        let what = format!("Failed to get offsets of {}", names(left.keys()));
        shared.back_off(failures, deadline, last_error, &what).await?;
        failures += 1;
    }
}

/// A few partitions for a message.
pub fn names<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    const SHOWN: usize = 5;
    let all: Vec<String> = partitions.map(ToString::to_string).collect();
    match all.get(..SHOWN) {
        Some(shown) if all.len() > SHOWN => {
            format!("{} and {} more partitions", shown.join(", "), all.len() - SHOWN)
        }
        _ => all.join(", "),
    }
}

/// How long a commit is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// Once: a newer one will follow, which this one must not overtake (`commitAsync`).
    Once,
    /// Until the time is up.
    UntilDeadline,
    /// Likewise, but in groups with member epochs not for topics that are gone: the group waits for it.
    BeforeRebalance,
}

/// Commits offsets, with as many attempts as are asked for and fit into the time.
///
/// # Errors
/// What the group says, or that the time is up.
pub async fn commit(
    shared: Arc<Shared>,
    committer: Arc<dyn Committer>,
    offsets: Offsets,
    deadline: Instant,
    attempts: Attempts,
) -> Result<()> {
    if let Some(wrong) = offsets.values().find(|offset| offset.offset < 0) {
        return Err(Error::Illegal(format!("Invalid offset: {}", wrong.offset)));
    }
    let group_id = shared.group_id()?;
    let mut failures = 0;
    while !offsets.is_empty() {
        let member = committer.member()?;
        let metadata = shared.cluster.metadata();
        let ids = TopicIds::of(&metadata, offsets.keys().map(|tp| &tp.topic));
        let (lowest, highest) = commit_versions(&offsets, &ids, member.group_instance_id.is_some());
        let request = commit_request(&offsets, &member, &ids);
        let result = ask_coordinator(&shared, &group_id, lowest, highest, |_| Ok(request), deadline).await;
        let error = match result.map(|(_, response)| read_commit(&group_id, &ids, &response)) {
            Ok(CommitAnswer::Done) => return Ok(()),
            Ok(CommitAnswer::Failed(error)) => return Err(error),
            Ok(CommitAnswer::Retry { error, find_coordinator }) => {
                if find_coordinator {
                    shared.forget_coordinator(&group_id);
                }
                error
            }
            Ok(CommitAnswer::Refused(code)) => {
                committer.refused(code, &member);
                // The member's epoch went on while the request was on its way.
                let moved_on = code == ErrorCode::StaleMemberEpoch && committer.member()? != member;
                if !moved_on {
                    return Err(refusal(code));
                }
                refusal(code)
            }
            Err(error) if error.is_retriable() => error,
            Err(error) => return Err(error),
        };
        if matches!(error.code(), Some(ErrorCode::UnknownTopicId)) {
            shared.cluster.request_refresh();
        }
        let is_gone =
            error.code() == Some(ErrorCode::UnknownTopicOrPartition) && committer.has_member_epochs();
        if attempts == Attempts::Once || (attempts == Attempts::BeforeRebalance && is_gone) {
            return Err(error);
        }
        shared.back_off(failures, deadline, error, "Offsets were not committed").await?;
        failures += 1;
    }
    Ok(())
}

/// What the group has committed, with all attempts that fit into the time.
///
/// # Errors
/// What the group says, or that the time is up.
pub async fn committed(
    shared: Arc<Shared>,
    committer: Arc<dyn Committer>,
    partitions: Vec<TopicPartition>,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
    let group_id = shared.group_id()?;
    let mut failures = 0;
    loop {
        let member = committer.member().or_else(|_| shared.without_membership())?;
        let has_member_epochs = committer.has_member_epochs();
        let metadata = shared.cluster.metadata();
        let ids = TopicIds::of(&metadata, partitions.iter().map(|tp| &tp.topic));
        let highest = highest_version(&partitions, &ids);
        let build = |version| Ok(committed_request(version, &partitions, &member, has_member_epochs, &ids));
        let lowest = OffsetFetchRequest::MIN_VERSION;
        let result = ask_coordinator(&shared, &group_id, lowest, highest, build, deadline).await;
        let error = match result.map(|(version, answer)| read_committed(&group_id, &ids, version, answer)) {
            Ok(CommittedAnswer::Found(found)) => return Ok(found),
            Ok(CommittedAnswer::Failed(error)) => return Err(error),
            Ok(CommittedAnswer::Retry { error, find_coordinator }) => {
                if find_coordinator {
                    shared.forget_coordinator(&group_id);
                }
                error
            }
            Err(error) if error.is_retriable() => error,
            Err(error) => return Err(error),
        };
        if matches!(error.code(), Some(ErrorCode::UnknownTopicId)) {
            shared.cluster.request_refresh();
        }
        shared.back_off(failures, deadline, error, "Committed offsets are not known").await?;
        failures += 1;
    }
}

async fn ask_coordinator<R: Request>(
    shared: &Shared,
    group_id: &str,
    lowest: i16,
    highest: i16,
    build: impl FnOnce(i16) -> Result<R>,
    deadline: Instant,
) -> Result<(i16, R::Response)> {
    let node = shared.coordinator(group_id, deadline).await?;
    let deadline = shared.request_deadline(deadline);
    let result = shared.cluster.call_as(Target::Node(node), lowest, highest, build, deadline).await;
    if result.as_ref().err().is_some_and(is_connection_error) {
        shared.forget_coordinator(group_id);
    }
    result
}

/// A commit that outlives the call that began it.
pub async fn commit_in_background(
    shared: Arc<Shared>,
    committer: Arc<dyn Committer>,
    offsets: Offsets,
    purpose: CommitPurpose,
    deadline: Instant,
) -> Done {
    let attempts = match &purpose {
        CommitPurpose::Rebalance(_) => Attempts::BeforeRebalance,
        CommitPurpose::Interval | CommitPurpose::Application(_) => Attempts::Once,
    };
    let result = commit(shared, committer, offsets.clone(), deadline, attempts).await;
    Done::Commit { offsets, purpose, result }
}
