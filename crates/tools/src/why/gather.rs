//! One look at a group, by the admin client. Works against Apache Kafka; what only Ottla tells is in [`super::detail`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::{
    Admin, ConsumerGroupDescription, DescribeGroupsOptions, DescribeProducersOptions, DescribeTopicsOptions,
    GroupListing, GroupState, GroupType, IsolationLevel, ListGroupOffsetsOptions, ListGroupsOptions,
    ListOffsetsOptions, ListTransactionsOptions, MemberDescription, OffsetSpec, PerKey, StreamsAssignment,
    StreamsGroupDescription, TimeoutOptions, all_transactions,
};
use ottla_client::cluster::Node;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::detail;
use super::facts::{KnownTransaction, Look, Member, OpenTransaction, Position};
use crate::Failure;
use crate::clock::now_ms;

/// Most partitions whose producers are asked for: those with most hidden records.
const PRODUCERS_MAX: usize = 100;

/// Looks at one group.
pub struct Gather<'a> {
    /// The cluster.
    pub admin: &'a Admin,
    /// The group.
    pub group: &'a Str,
    /// How long an operation may take.
    pub timeout: Option<Duration>,
}

/// A group as its coordinator describes it.
struct Described {
    kind: GroupType,
    state: GroupState,
    epochs: Option<(i32, i32)>,
    members: Vec<Member>,
    coordinator: Node,
}

impl Gather<'_> {
    /// Looks at the group now.
    ///
    /// # Errors
    /// When there is no such group, or the cluster does not answer.
    pub async fn look(&self) -> Result<Look, Failure> {
        let listing = self.listing().await?;
        let described = self.describe(&listing).await?;
        let mut partitions = self.committed(described.kind).await?;
        for member in &described.members {
            for key in member.assigned.iter().chain(member.target.iter().flatten()) {
                partitions.entry(key.clone()).or_default();
            }
        }
        let missing_topics = self.topics(&mut partitions).await?;
        self.ends(&mut partitions).await;
        self.transactions(&mut partitions).await;
        let detail = detail::ask(self.admin, &described.coordinator, self.group).await;
        let Described { kind, state, epochs, members, .. } = described;
        Ok(Look { at_ms: now_ms(), kind, state, epochs, members, partitions, missing_topics, detail })
    }

    async fn listing(&self) -> Result<GroupListing, Failure> {
        let options = ListGroupsOptions { timeout: self.timeout, ..Default::default() };
        let mut listings = self.admin.list_groups(&options).await?;
        let found = listings.groups.remove(self.group);
        found.ok_or_else(|| match listings.errors.into_iter().next() {
            Some(error) => error.into(),
            None => Failure::message(format!(
                "There is no group {}. All there are: ottla groups --list",
                self.group
            )),
        })
    }

    async fn describe(&self, listing: &GroupListing) -> Result<Described, Failure> {
        let options = DescribeGroupsOptions { timeout: self.timeout, ..Default::default() };
        let groups = [self.group.clone()];
        match listing.group_type {
            Some(GroupType::Share) => {
                let group = only(self.admin.describe_share_groups(&groups, &options).await)?;
                let members = group.members.into_iter().map(|it| Member {
                    id: it.member_id,
                    client_id: it.client_id,
                    host: it.host,
                    epoch: Some(it.member_epoch),
                    assigned: it.assignment,
                    target: None,
                });
                Ok(Described {
                    kind: GroupType::Share,
                    state: group.state,
                    epochs: Some((group.group_epoch, group.target_assignment_epoch)),
                    members: members.collect(),
                    coordinator: group.coordinator,
                })
            }
            Some(GroupType::Streams) => {
                Ok(streams(only(self.admin.describe_streams_groups(&groups, &options).await)?))
            }
            _ if listing.protocol.is_empty() || &*listing.protocol == "consumer" => {
                Ok(consumers(only(self.admin.describe_consumer_groups(&groups, &options).await)?))
            }
            _ => {
                let group = only(self.admin.describe_classic_groups(&groups, &options).await)?;
                Ok(Described {
                    kind: GroupType::Classic,
                    state: group.state,
                    epochs: None,
                    members: group.members.into_iter().map(member).collect(),
                    coordinator: group.coordinator,
                })
            }
        }
    }

    async fn committed(&self, kind: GroupType) -> Result<BTreeMap<TopicPartition, Position>, Failure> {
        let wanted = BTreeMap::from([(self.group.clone(), None)]);
        if kind == GroupType::Share {
            let options = TimeoutOptions { timeout: self.timeout };
            let offsets = only(self.admin.list_share_group_offsets(&wanted, &options).await)?;
            let position = |info: Option<ottla_client::admin::SharePartitionOffsetInfo>| Position {
                committed: info.map(|info| info.start_offset).filter(|offset| *offset >= 0),
                counted_lag: info.and_then(|info| info.lag).filter(|lag| *lag >= 0),
                ..Default::default()
            };
            return Ok(offsets.into_iter().map(|(key, info)| (key, position(info))).collect());
        }
        let options = ListGroupOffsetsOptions { timeout: self.timeout, ..Default::default() };
        let offsets = only(self.admin.list_consumer_group_offsets(&wanted, &options).await)?;
        let position = |offset: Option<i64>| Position {
            committed: offset.filter(|offset| *offset >= 0),
            ..Default::default()
        };
        Ok(offsets.into_iter().map(|(key, it)| (key, position(it.map(|it| it.offset)))).collect())
    }

    /// Notes partitions without a leader; gives the topics that do not exist.
    async fn topics(
        &self,
        partitions: &mut BTreeMap<TopicPartition, Position>,
    ) -> Result<BTreeSet<Str>, Failure> {
        let names: BTreeSet<Str> = partitions.keys().map(|key| key.topic.clone()).collect();
        let names: Vec<Str> = names.into_iter().collect();
        let options = DescribeTopicsOptions { timeout: self.timeout, ..Default::default() };
        let mut missing = BTreeSet::new();
        for (name, topic) in self.admin.describe_topics(&names, &options).await {
            match topic {
                Ok(topic) => {
                    for it in topic.partitions.iter().filter(|it| it.leader.is_none()) {
                        if let Some(found) =
                            partitions.get_mut(&TopicPartition::new(name.clone(), it.partition))
                        {
                            found.leaderless = true;
                        }
                    }
                }
                Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                    missing.insert(name);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing).inspect(|missing| {
            for (key, position) in partitions.iter_mut() {
                position.leaderless |= missing.contains(&key.topic);
            }
        })
    }

    /// Asks for starts and ends. What can't be told stays unknown: the conclusions say less then.
    async fn ends(&self, partitions: &mut BTreeMap<TopicPartition, Position>) {
        let keys: Vec<TopicPartition> =
            partitions.iter().filter(|(_, it)| !it.leaderless).map(|(key, _)| key.clone()).collect();
        let list = async |spec: OffsetSpec, isolation_level: IsolationLevel| {
            let wanted = keys.iter().map(|key| (key.clone(), spec)).collect();
            let options = ListOffsetsOptions { timeout: self.timeout, isolation_level };
            let found = self.admin.list_offsets(&wanted, &options).await.into_iter();
            found.filter_map(|(key, it)| Some((key, it.ok()?.offset))).collect::<Vec<_>>()
        };
        // The end first: a position that is asked for later may only be nearer to it.
        let ends = list(OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await;
        let (stable, starts) = tokio::join!(
            list(OffsetSpec::Latest, IsolationLevel::ReadCommitted),
            list(OffsetSpec::Earliest, IsolationLevel::ReadUncommitted)
        );
        let mut set = |found: Vec<(TopicPartition, i64)>, field: fn(&mut Position) -> &mut Option<i64>| {
            for (key, offset) in found {
                if let Some(position) = partitions.get_mut(&key) {
                    *field(position) = Some(offset).filter(|offset| *offset >= 0);
                }
            }
        };
        set(ends, |position| &mut position.end);
        set(stable, |position| &mut position.stable);
        set(starts, |position| &mut position.start);
        // A topic that does not exist has no leader either; that is told apart by its name.
    }

    /// Looks for open transactions where the last stable offset is behind.
    async fn transactions(&self, partitions: &mut BTreeMap<TopicPartition, Position>) {
        let hidden = |it: &Position| Some(it.end?.saturating_sub(it.stable?)).filter(|hidden| *hidden > 0);
        let mut behind: Vec<(i64, TopicPartition)> =
            partitions.iter().filter_map(|(key, it)| Some((hidden(it)?, key.clone()))).collect();
        behind.sort_by_key(|(hidden, _)| std::cmp::Reverse(*hidden));
        let keys: BTreeSet<TopicPartition> =
            behind.into_iter().take(PRODUCERS_MAX).map(|(_, key)| key).collect();
        if keys.is_empty() {
            return;
        }
        let options = DescribeProducersOptions { timeout: self.timeout, ..Default::default() };
        let producers = self.admin.describe_producers(&keys, &options).await;
        let mut open: Vec<(TopicPartition, OpenTransaction)> = Vec::new();
        for (key, producers) in producers {
            for it in producers.unwrap_or_default() {
                let Some(start_offset) = it.current_transaction_start_offset else { continue };
                let (producer_id, last_ms) = (it.producer_id, it.last_timestamp);
                open.push((key.clone(), OpenTransaction { producer_id, start_offset, last_ms, known: None }));
            }
        }
        let known = self.known(open.iter().map(|(_, it)| it.producer_id).collect()).await;
        for (key, mut transaction) in open {
            transaction.known = known.get(&transaction.producer_id).cloned();
            if let Some(position) = partitions.get_mut(&key) {
                position.open.push(transaction);
            }
        }
    }

    /// What coordinators know of these producers' transactions.
    async fn known(&self, producer_ids: BTreeSet<i64>) -> BTreeMap<i64, KnownTransaction> {
        let options = ListTransactionsOptions { timeout: self.timeout, producer_ids, ..Default::default() };
        let listed = self.admin.list_transactions(&options).await.and_then(all_transactions);
        let listed = listed.unwrap_or_default();
        let ids: Vec<Str> = listed.iter().map(|it| it.transactional_id.clone()).collect();
        let options = TimeoutOptions { timeout: self.timeout };
        let described = self.admin.describe_transactions(&ids, &options).await;
        let known = |(transactional_id, it): (Str, ottla_client::Result<_>)| {
            let it: ottla_client::admin::TransactionDescription = it.ok()?;
            let (start_ms, timeout_ms) = (it.start_time_ms, it.timeout_ms);
            Some((it.producer_id, KnownTransaction { transactional_id, start_ms, timeout_ms }))
        };
        described.into_iter().filter_map(known).collect()
    }
}

fn only<V>(answers: PerKey<Str, V>) -> Result<V, Failure> {
    let first = answers.into_values().next();
    Ok(first.ok_or_else(|| Failure::message("The coordinator's answer holds no result for the group."))??)
}

fn member(it: MemberDescription) -> Member {
    Member {
        id: it.member_id,
        client_id: it.client_id,
        host: it.host,
        epoch: it.member_epoch,
        assigned: it.assignment,
        target: it.target_assignment,
    }
}

fn consumers(group: ConsumerGroupDescription) -> Described {
    Described {
        kind: group.group_type,
        state: group.state,
        epochs: group.group_epoch.zip(group.target_assignment_epoch),
        members: group.members.into_iter().map(member).collect(),
        coordinator: group.coordinator,
    }
}

/// A streams group with partitions in place of tasks: those that active tasks read.
fn streams(group: StreamsGroupDescription) -> Described {
    let mut topics: BTreeMap<&Str, Vec<&Str>> = BTreeMap::new();
    for it in &group.subtopologies {
        let of = topics.entry(&it.subtopology_id).or_default();
        of.extend(it.source_topics.iter().chain(it.repartition_source_topics.keys()));
    }
    let partitions = |assignment: &StreamsAssignment| -> BTreeSet<TopicPartition> {
        let of_task = |task: &ottla_client::admin::StreamsTaskIds| {
            let topics = topics.get(&task.subtopology_id).into_iter().flatten();
            let key = |topic: &&Str, it: &i32| TopicPartition::new((*topic).clone(), *it);
            topics.flat_map(|topic| task.partitions.iter().map(move |it| key(topic, it))).collect::<Vec<_>>()
        };
        assignment.active_tasks.iter().flat_map(of_task).collect()
    };
    let members = group.members.iter().map(|it| Member {
        id: it.member_id.clone(),
        client_id: it.client_id.clone(),
        host: it.client_host.clone(),
        epoch: Some(it.member_epoch),
        assigned: partitions(&it.assignment),
        target: Some(partitions(&it.target_assignment)),
    });
    Described {
        kind: GroupType::Streams,
        state: group.state,
        epochs: Some((group.group_epoch, group.target_assignment_epoch)),
        members: members.collect(),
        coordinator: group.coordinator.clone(),
    }
}
