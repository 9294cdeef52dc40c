//! What goes to which node (`ShareConsumeRequestManager`): fetches that carry acknowledgements, and acknowledgements by
//! themselves. One request per node at a time; a session numbers them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use ottla_protocol::messages::{ShareAcknowledgeRequest, ShareFetchRequest};
use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

use super::TopicIdPartition;
use super::acknowledge::Acknowledgements;
use super::in_flight::Taken;
use super::session::{AckMap, FetchLimits, Session};
use crate::Error;
use crate::cluster::Metadata;

/// A request to a node.
#[derive(Clone, Debug, PartialEq)]
pub enum ShareRequest {
    Fetch(ShareFetchRequest),
    Acknowledge(ShareAcknowledgeRequest),
}

/// What became of acknowledgements.
#[derive(Debug)]
pub struct Outcome {
    pub partition: TopicIdPartition,
    pub acks: Acknowledgements,
    pub error: Option<Error>,
    /// Of the commit that waits for it.
    pub ticket: Option<u64>,
    /// How long records are locked, ms, if told.
    pub lock_timeout_ms: Option<i32>,
}

/// Acknowledgements that go by themselves.
#[derive(Debug)]
pub(super) struct Commit {
    pub node: i32,
    pub acks: AckMap,
    pub ticket: Option<u64>,
    pub deadline_ms: i64,
    pub attempts: u32,
    pub retry_at_ms: i64,
    /// Ends the session.
    pub closes: bool,
}

/// What is under way to a node.
#[derive(Debug)]
pub(super) enum Sent {
    Fetch(AckMap),
    Commit(Commit),
}

/// What the requests are made from.
#[derive(Clone, Debug)]
pub struct RequestConfig {
    pub group_id: Str,
    pub member_id: Str,
    pub limits: FetchLimits,
    /// `share.acquire.mode=record_limit`: one node at a time gives records.
    pub record_limit: bool,
    pub retry_backoff_ms: i64,
}

/// The whole.
#[derive(Debug)]
pub struct Requests {
    pub(super) config: RequestConfig,
    pub(super) sessions: BTreeMap<i32, Session>,
    pub(super) sent: BTreeMap<i32, Sent>,
    /// After a failure no fetch goes to the node before this time.
    pub(super) retry_at_ms: BTreeMap<i32, i64>,
    pub(super) piggyback: BTreeMap<i32, AckMap>,
    pub(super) commits: VecDeque<Commit>,
    pub(super) outcomes: VecDeque<Outcome>,
    /// Names of topics that were asked for.
    pub(super) names: HashMap<Uuid, Str>,
    pub(super) wants_records: bool,
    /// The node whose turn it is to give records.
    pub(super) record_node: Option<i32>,
    /// Partitions in the order of their turns.
    turns: VecDeque<TopicPartition>,
}

/// The node does not lead the partition any more, or knows nothing of what it gave.
pub(super) fn not_leader() -> Error {
    Error::api(ErrorCode::NotLeaderOrFollower, None)
}

impl Requests {
    /// Nothing to send yet.
    pub fn new(config: RequestConfig) -> Self {
        Self {
            config,
            sessions: BTreeMap::new(),
            sent: BTreeMap::new(),
            retry_at_ms: BTreeMap::new(),
            piggyback: BTreeMap::new(),
            commits: VecDeque::new(),
            outcomes: VecDeque::new(),
            names: HashMap::new(),
            wants_records: false,
            record_node: None,
            turns: VecDeque::new(),
        }
    }

    /// The application wants records; acknowledgements go along.
    pub fn fetch(&mut self, acks: Taken) {
        self.wants_records = true;
        for (node, tip, acks) in acks {
            self.piggyback.entry(node).or_default().entry(tip).or_default().merge(acks);
        }
    }

    /// Sends acknowledgements by themselves. Their outcomes bear the ticket.
    pub fn commit(&mut self, metadata: &Metadata, acks: Taken, ticket: Option<u64>, deadline_ms: i64) {
        let mut by_node: BTreeMap<i32, AckMap> = BTreeMap::new();
        for (node, tip, acks) in acks {
            let has_session = self.sessions.get(&node).is_some_and(|session| !session.is_new());
            if !has_session || has_moved(metadata, node, &tip) {
                self.finish(tip, acks, Some(not_leader()), ticket, None);
            } else {
                by_node.entry(node).or_default().entry(tip).or_default().merge(acks);
            }
        }
        self.push_commits(by_node, ticket, deadline_ms, false);
    }

    /// Sends what is left with the request that ends each session.
    pub fn close(&mut self, metadata: &Metadata, mut acks: Taken, ticket: u64, deadline_ms: i64) {
        self.wants_records = false;
        for (node, map) in std::mem::take(&mut self.piggyback) {
            acks.extend(map.into_iter().map(|(tip, acks)| (node, tip, acks)));
        }
        let open = self.sessions.iter().filter(|(_, session)| !session.is_new());
        let mut by_node: BTreeMap<i32, AckMap> = open.map(|(node, _)| (*node, AckMap::new())).collect();
        for (node, tip, acks) in acks {
            match by_node.get_mut(&node).filter(|_| !has_moved(metadata, node, &tip)) {
                Some(map) => map.entry(tip).or_default().merge(acks),
                None => self.finish(tip, acks, Some(not_leader()), Some(ticket), None),
            }
        }
        self.push_commits(by_node, Some(ticket), deadline_ms, true);
    }

    fn push_commits(
        &mut self,
        by_node: BTreeMap<i32, AckMap>,
        ticket: Option<u64>,
        deadline_ms: i64,
        closes: bool,
    ) {
        self.commits.extend(by_node.into_iter().map(|(node, acks)| Commit {
            node,
            acks,
            ticket,
            deadline_ms,
            attempts: 0,
            retry_at_ms: i64::MIN,
            closes,
        }));
    }

    /// Whether a commit with this ticket is not through.
    pub fn is_pending(&self, ticket: u64) -> bool {
        let waiting = self.commits.iter().chain(self.sent.values().filter_map(|sent| match sent {
            Sent::Commit(commit) => Some(commit),
            Sent::Fetch(_) => None,
        }));
        waiting.map(|commit| commit.ticket).any(|other| other == Some(ticket))
    }

    /// What became of some acknowledgements.
    pub fn next_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// When something is due again, Unix ms.
    pub fn wake_at_ms(&self) -> Option<i64> {
        let free = |node: &i32| !self.sent.contains_key(node);
        // Only the first of each node: those behind it wait for it, and would ring in vain.
        let mut passed: BTreeSet<i32> = self.sent.keys().copied().collect();
        let first = self.commits.iter().filter(|commit| passed.insert(commit.node));
        let commits = first.map(|commit| commit.retry_at_ms);
        let fetches = self.retry_at_ms.iter().filter(|(node, _)| self.wants_records && free(node));
        commits.chain(fetches.map(|(_, at_ms)| *at_ms)).min()
    }

    /// The next request and its node, which is busy from now on.
    pub fn next(
        &mut self,
        now_ms: i64,
        metadata: &Metadata,
        assigned: &BTreeSet<TopicPartition>,
    ) -> Option<(i32, ShareRequest)> {
        self.expire(now_ms);
        self.next_commit(now_ms).or_else(|| self.next_fetch(now_ms, metadata, assigned))
    }

    fn expire(&mut self, now_ms: i64) {
        // A node that leads nothing any more is not fetched from again, and must not keep the clock ringing.
        self.retry_at_ms.retain(|_, at_ms| *at_ms > now_ms);
        let (late, waiting) =
            std::mem::take(&mut self.commits).into_iter().partition(|commit| commit.deadline_ms <= now_ms);
        self.commits = waiting;
        let late: VecDeque<Commit> = late;
        for commit in late {
            self.finish_commit(commit, &Error::api(ErrorCode::RequestTimedOut, None));
        }
    }

    fn next_commit(&mut self, now_ms: i64) -> Option<(i32, ShareRequest)> {
        let mut passed: BTreeSet<i32> = self.sent.keys().copied().collect();
        let mut at = 0;
        while let Some(commit) = self.commits.get(at) {
            // In order for each node; the first that has to wait holds up those behind it.
            if commit.retry_at_ms > now_ms || passed.contains(&commit.node) {
                passed.insert(commit.node);
                at += 1;
                continue;
            }
            let commit = self.commits.remove(at)?;
            let (group_id, member_id) = (&self.config.group_id, &self.config.member_id);
            let session = self.sessions.get(&commit.node);
            let request = session.and_then(|session| match commit.closes {
                true => session.close(group_id, member_id, &commit.acks),
                false => session.acknowledge(group_id, member_id, &commit.acks),
            });
            let Some(request) = request else {
                self.finish_commit(commit, &not_leader());
                continue;
            };
            let node = commit.node;
            self.sent.insert(node, Sent::Commit(commit));
            return Some((node, ShareRequest::Acknowledge(request)));
        }
        None
    }

    fn next_fetch(
        &mut self,
        now_ms: i64,
        metadata: &Metadata,
        assigned: &BTreeSet<TopicPartition>,
    ) -> Option<(i32, ShareRequest)> {
        if !self.wants_records {
            return None;
        }
        self.turns.retain(|partition| assigned.contains(partition));
        let new = assigned.iter().filter(|partition| !self.turns.contains(partition)).cloned();
        let new: Vec<TopicPartition> = new.collect();
        self.turns.extend(new);
        let mut plan: BTreeMap<i32, BTreeSet<TopicIdPartition>> =
            self.piggyback.keys().map(|node| (*node, BTreeSet::new())).collect();
        let mut first = None;
        for partition in &self.turns {
            let Some((node, tip)) = leader(metadata, partition) else { continue };
            first.get_or_insert((node, partition.clone()));
            plan.entry(node).or_default().insert(tip);
        }
        let is_due = |at_ms: &i64| *at_ms <= now_ms;
        plan.retain(|node, _| !self.sent.contains_key(node) && self.retry_at_ms.get(node).is_none_or(is_due));
        if self.config.record_limit && self.record_node.is_none() {
            let chosen = first.filter(|(node, _)| plan.contains_key(node));
            if let Some((node, partition)) = chosen {
                self.record_node = Some(node);
                self.turns.retain(|other| *other != partition);
                self.turns.push_back(partition);
            }
        }
        plan.into_iter().find_map(|(node, partitions)| self.fetch_from(node, partitions, metadata))
    }

    fn fetch_from(
        &mut self,
        node: i32,
        partitions: BTreeSet<TopicIdPartition>,
        metadata: &Metadata,
    ) -> Option<(i32, ShareRequest)> {
        let is_new = self.sessions.entry(node).or_default().is_new();
        let mut acks = self.piggyback.remove(&node).unwrap_or_default();
        let (gone, kept): (AckMap, AckMap) = std::mem::take(&mut acks)
            .into_iter()
            .partition(|(tip, _)| is_new || has_moved(metadata, node, tip));
        acks = kept;
        for (tip, acks) in gone {
            self.finish(tip, acks, Some(not_leader()), None, None);
        }
        if is_new && partitions.is_empty() {
            return None;
        }
        let tips = partitions.iter().chain(acks.keys());
        self.names.extend(tips.map(|tip| (tip.topic_id, tip.topic.clone())));
        let skip_empty = self.config.record_limit && self.record_node != Some(node);
        let session = self.sessions.get_mut(&node)?;
        let config = &self.config;
        let request = session.fetch(
            &config.group_id,
            &config.member_id,
            partitions,
            &acks,
            config.limits,
            skip_empty,
        )?;
        self.retry_at_ms.remove(&node);
        self.sent.insert(node, Sent::Fetch(acks));
        Some((node, ShareRequest::Fetch(request)))
    }

    pub(super) fn finish(
        &mut self,
        partition: TopicIdPartition,
        acks: Acknowledgements,
        error: Option<Error>,
        ticket: Option<u64>,
        lock_timeout_ms: Option<i32>,
    ) {
        self.outcomes.push_back(Outcome { partition, acks, error, ticket, lock_timeout_ms });
    }

    pub(super) fn finish_commit(&mut self, commit: Commit, error: &Error) {
        if commit.closes {
            self.sessions.remove(&commit.node);
        }
        for (tip, acks) in commit.acks {
            self.finish(tip, acks, Some(error.clone()), commit.ticket, None);
        }
    }
}

/// Whether another node is known to lead the partition.
fn has_moved(metadata: &Metadata, node: i32, tip: &TopicIdPartition) -> bool {
    let leader = metadata.partition(&tip.topic, tip.partition).and_then(|partition| partition.leader);
    leader.is_some_and(|leader| leader != node)
}

fn leader(metadata: &Metadata, partition: &TopicPartition) -> Option<(i32, TopicIdPartition)> {
    let topic = metadata.topic(&partition.topic).filter(|topic| !topic.id.is_zero())?;
    let node = metadata.leader(&partition.topic, partition.partition)?.id;
    let tip = TopicIdPartition {
        topic_id: topic.id,
        partition: partition.partition,
        topic: partition.topic.clone(),
    };
    Some((node, tip))
}
