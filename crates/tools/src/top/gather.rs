//! One look at a cluster, by the admin client: works against Apache Kafka too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::{
    Admin, DescribeClusterOptions, DescribeGroupsOptions, DescribeTopicsOptions, GroupState, GroupType,
    IsolationLevel, ListGroupOffsetsOptions, ListGroupsOptions, ListOffsetsOptions, ListTopicsOptions,
    OffsetSpec, TimeoutOptions,
};
use ottla_protocol::{Str, TopicPartition};

use super::sample::{Broker, GroupPosition, GroupSample, Partition, Sample};
use crate::clock::now_ms;

/// Looks at everything. What can't be asked for is told of in the sample's problems.
///
/// # Errors
/// When the cluster itself does not answer.
pub async fn look(admin: &Admin, timeout: Option<Duration>) -> Result<Sample, ottla_client::Error> {
    let mut look = Look { admin, timeout, sample: Sample::default() };
    look.cluster().await?;
    look.topics().await?;
    // Rates are between the times at which ends are asked for.
    look.sample.at_ms = now_ms();
    look.ends().await;
    look.log_dirs().await;
    look.groups().await;
    Ok(look.sample)
}

struct Look<'a> {
    admin: &'a Admin,
    timeout: Option<Duration>,
    sample: Sample,
}

impl Look<'_> {
    fn problem(&mut self, what: &str, why: impl std::fmt::Display) {
        // One is enough of a kind: with a broker away there is one for each partition.
        let text = format!("{what}: {why}");
        if !self.sample.problems.iter().any(|known| known.starts_with(what)) {
            self.sample.problems.push(text);
        }
    }

    async fn cluster(&mut self) -> Result<(), ottla_client::Error> {
        let mut options = DescribeClusterOptions { timeout: self.timeout, ..Default::default() };
        options.include_fenced_brokers = true;
        let described = match self.admin.describe_cluster(&options).await {
            // Brokers before 4.0 do not tell of those that are fenced.
            Err(ottla_client::Error::UnsupportedVersion(_)) => {
                options.include_fenced_brokers = false;
                self.admin.describe_cluster(&options).await?
            }
            other => other?,
        };
        self.sample.cluster_id = described.cluster_id.as_deref().unwrap_or_default().to_owned();
        self.sample.controller = described.controller.map(|node| node.id);
        for it in described.nodes {
            let address = format!("{}:{}", it.node.host, it.node.port);
            let broker = Broker { address, is_fenced: it.is_fenced, ..Default::default() };
            self.sample.brokers.insert(it.node.id, broker);
        }
        Ok(())
    }

    async fn topics(&mut self) -> Result<(), ottla_client::Error> {
        let options = ListTopicsOptions { timeout: self.timeout, list_internal: true };
        let listed = self.admin.list_topics(&options).await?;
        let internal = listed.values().filter(|topic| topic.is_internal);
        self.sample.internal = internal.map(|topic| topic.name.clone()).collect();
        let names: Vec<Str> = listed.into_keys().collect();
        let options = DescribeTopicsOptions { timeout: self.timeout, ..Default::default() };
        for (name, topic) in self.admin.describe_topics(&names, &options).await {
            match topic {
                Ok(topic) => self.sample.partitions.extend(topic.partitions.into_iter().map(|it| {
                    let partition = Partition {
                        leader: it.leader.map(|node| node.id),
                        replicas: it.replicas.iter().map(|node| node.id).collect(),
                        in_sync: it.isr.len(),
                        ..Default::default()
                    };
                    (TopicPartition::new(name.clone(), it.partition), partition)
                })),
                // One that was deleted meanwhile is no problem.
                Err(error) if error.code() == Some(ottla_protocol::ErrorCode::UnknownTopicOrPartition) => {}
                Err(error) => self.problem("topics", error),
            }
        }
        Ok(())
    }

    async fn ends(&mut self) {
        for (spec, field) in [
            (OffsetSpec::Latest, (|it| &mut it.end) as fn(&mut Partition) -> &mut Option<i64>),
            (OffsetSpec::Earliest, |it| &mut it.start),
        ] {
            let led = self.sample.partitions.iter().filter(|(_, it)| it.leader.is_some());
            let wanted: BTreeMap<TopicPartition, OffsetSpec> =
                led.map(|(key, _)| (key.clone(), spec)).collect();
            let options = ListOffsetsOptions {
                timeout: self.timeout,
                isolation_level: IsolationLevel::ReadUncommitted,
            };
            for (key, found) in self.admin.list_offsets(&wanted, &options).await {
                match (found, self.sample.partitions.get_mut(&key)) {
                    (Ok(found), Some(partition)) => *field(partition) = Some(found.offset),
                    (Err(error), _) => self.problem("offsets", error),
                    (Ok(_), None) => {}
                }
            }
        }
    }

    async fn log_dirs(&mut self) {
        let alive = self.sample.brokers.iter().filter(|(_, broker)| !broker.is_fenced);
        let brokers: BTreeSet<i32> = alive.map(|(id, _)| *id).collect();
        let options = TimeoutOptions { timeout: self.timeout };
        for (id, dirs) in self.admin.describe_log_dirs(&brokers, &options).await {
            let dirs = match dirs {
                Ok(dirs) => dirs,
                Err(error) => {
                    self.problem("log directories", error);
                    continue;
                }
            };
            let mut logs: i64 = 0;
            for (key, replica) in dirs.values().flat_map(|dir| &dir.replicas) {
                logs = logs.saturating_add(replica.size);
                if let Some(partition) = self
                    .sample
                    .partitions
                    .get_mut(key)
                    .filter(|it| it.leader == Some(id) && !replica.is_future)
                {
                    partition.bytes = Some(replica.size);
                }
            }
            if let Some(broker) = self.sample.brokers.get_mut(&id) {
                // Kafka tells of each directory's file system; two directories on one disk count it twice.
                let sum = |sizes: Vec<Option<i64>>| sizes.into_iter().flatten().reduce(i64::saturating_add);
                broker.log_bytes = Some(logs);
                broker.disk_bytes = sum(dirs.values().map(|dir| dir.total_bytes).collect());
                broker.free_bytes = sum(dirs.values().map(|dir| dir.usable_bytes).collect());
            }
        }
    }

    async fn groups(&mut self) {
        let options = ListGroupsOptions { timeout: self.timeout, ..Default::default() };
        let listings = match self.admin.list_groups(&options).await {
            Ok(listings) => listings,
            Err(error) => return self.problem("groups", error),
        };
        if let Some(error) = listings.errors.first() {
            self.problem("groups", error);
        }
        let mut by_kind: BTreeMap<Asked, Vec<Str>> = BTreeMap::new();
        for (id, listing) in listings.groups {
            let kind = listing.group_type.unwrap_or(GroupType::Unknown);
            let asked = match kind {
                GroupType::Share => Asked::Share,
                GroupType::Streams => Asked::Streams,
                _ if listing.protocol.is_empty() || &*listing.protocol == "consumer" => Asked::Consumer,
                _ => Asked::Classic,
            };
            by_kind.entry(asked).or_default().push(id.clone());
            let state = listing.state.unwrap_or(GroupState::Unknown);
            let group = GroupSample { kind, state, members: None, positions: BTreeMap::new() };
            self.sample.groups.insert(id, group);
        }
        for (asked, ids) in by_kind {
            self.members(asked, &ids).await;
            self.positions(asked, ids).await;
        }
    }

    async fn members(&mut self, asked: Asked, ids: &[Str]) {
        let options = DescribeGroupsOptions { timeout: self.timeout, ..Default::default() };
        let admin = self.admin;
        let found: Vec<(Str, ottla_client::Result<usize>)> = match asked {
            Asked::Share => counts(admin.describe_share_groups(ids, &options).await, |it| it.members.len()),
            Asked::Streams => {
                counts(admin.describe_streams_groups(ids, &options).await, |it| it.members.len())
            }
            Asked::Consumer => {
                counts(admin.describe_consumer_groups(ids, &options).await, |it| it.members.len())
            }
            Asked::Classic => {
                counts(admin.describe_classic_groups(ids, &options).await, |it| it.members.len())
            }
        };
        for (id, members) in found {
            match (members, self.sample.groups.get_mut(&id)) {
                (Ok(members), Some(group)) => group.members = Some(members),
                (Err(error), _) => self.problem("members of groups", error),
                (Ok(_), None) => {}
            }
        }
    }

    async fn positions(&mut self, asked: Asked, ids: Vec<Str>) {
        let wanted = ids.into_iter().map(|id| (id, None)).collect();
        let mut found: Vec<(Str, ottla_client::Result<Positions>)> = Vec::new();
        if asked == Asked::Share {
            let options = TimeoutOptions { timeout: self.timeout };
            for (id, offsets) in self.admin.list_share_group_offsets(&wanted, &options).await {
                let positions = offsets.map(|offsets| {
                    let known = offsets.into_iter().filter_map(|(key, info)| Some((key, info?)));
                    known
                        .filter(|(_, info)| info.start_offset >= 0)
                        .map(|(key, info)| (key, GroupPosition { offset: info.start_offset, lag: info.lag }))
                        .collect()
                });
                found.push((id, positions));
            }
        } else {
            let options = ListGroupOffsetsOptions { timeout: self.timeout, ..Default::default() };
            for (id, offsets) in self.admin.list_consumer_group_offsets(&wanted, &options).await {
                let positions = offsets.map(|offsets| {
                    let known = offsets.into_iter().filter_map(|(key, offset)| Some((key, offset?.offset)));
                    known.map(|(key, offset)| (key, GroupPosition { offset, lag: None })).collect()
                });
                found.push((id, positions));
            }
        }
        for (id, positions) in found {
            match positions {
                Ok(positions) => self.set_positions(&id, positions),
                Err(error) => self.problem("offsets of groups", error),
            }
        }
    }

    fn set_positions(&mut self, id: &Str, positions: Positions) {
        let Some(group) = self.sample.groups.get_mut(id) else { return };
        for (key, mut position) in positions {
            let end = self.sample.partitions.get(&key).and_then(|it| it.end);
            // Committed since the ends were asked for: nothing is behind.
            let behind = end.map(|end| end.saturating_sub(position.offset).max(0));
            position.lag = position.lag.or(behind);
            group.positions.insert(key, position);
        }
    }
}

/// Where a group is, by partition.
type Positions = Vec<(TopicPartition, GroupPosition)>;

/// By which API a group is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Consumer,
    Classic,
    Share,
    Streams,
}

fn counts<V>(
    answers: ottla_client::admin::PerKey<Str, V>,
    members: impl Fn(&V) -> usize,
) -> Vec<(Str, ottla_client::Result<usize>)> {
    answers.into_iter().map(|(id, answer)| (id, answer.map(|group| members(&group)))).collect()
}
