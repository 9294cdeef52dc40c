//! The quorum of controllers: DescribeQuorum, AddRaftVoter, RemoveRaftVoter.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::messages::add_raft_voter_request::Listener;
use ottla_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use ottla_protocol::messages::describe_quorum_response::{
    Node as QuorumNodeData, ReplicaState as ReplicaData,
};
use ottla_protocol::messages::{
    AddRaftVoterRequest, DescribeQuorumRequest, DescribeQuorumResponse, RemoveRaftVoterRequest,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::call::To;
use super::{Admin, TimeoutOptions};
use crate::{Error, Result};

/// The quorum (`QuorumInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumInfo {
    /// Id of the leader; -1 while there is none.
    pub leader_id: i32,
    /// Epoch of the leader.
    pub leader_epoch: i32,
    /// End of what is committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<ReplicaState>,
    /// Who only reads.
    pub observers: Vec<ReplicaState>,
    /// Where the voters listen; empty from brokers before 3.9.
    pub nodes: BTreeMap<i32, Vec<RaftVoterEndpoint>>,
}

/// How far a replica of the metadata is (`QuorumInfo.ReplicaState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Its node.
    pub replica_id: i32,
    /// Its directory; zero from brokers before 3.9.
    pub directory_id: Uuid,
    /// End of its log.
    pub log_end_offset: i64,
    /// When it last fetched, in Unix ms.
    pub last_fetch_timestamp: Option<i64>,
    /// When it last had all there was, in Unix ms.
    pub last_caught_up_timestamp: Option<i64>,
}

/// Where a voter listens (`RaftVoterEndpoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftVoterEndpoint {
    /// Name of the listener.
    pub listener: Str,
    /// Host.
    pub host: Str,
    /// Port.
    pub port: u16,
}

/// Options of [`Admin::add_raft_voter`] and [`Admin::remove_raft_voter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftVoterOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Refuse it in any cluster but this.
    pub cluster_id: Option<Str>,
}

const METADATA_TOPIC: &str = "__cluster_metadata";

impl Admin {
    /// Describes the quorum of controllers.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION (no KRaft), ...
    pub async fn describe_metadata_quorum(&self, options: &TimeoutOptions) -> Result<QuorumInfo> {
        let build = |_| DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: METADATA_TOPIC.into(),
                partitions: vec![PartitionData { partition_index: 0 }],
            }],
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeMetadataQuorum", To::AnyOrActiveController, deadline, build, described).await
    }

    /// Makes a controller a voter (KIP-853).
    ///
    /// # Errors
    /// DUPLICATE_VOTER, INVALID_VOTER_KEY, INCONSISTENT_CLUSTER_ID, UNSUPPORTED_VERSION, ...
    pub async fn add_raft_voter(
        &self,
        voter_id: i32,
        directory_id: Uuid,
        endpoints: &[RaftVoterEndpoint],
        options: &RaftVoterOptions,
    ) -> Result<()> {
        let listener = |it: &RaftVoterEndpoint| Listener {
            name: it.listener.clone(),
            host: it.host.clone(),
            port: it.port,
        };
        let build = |timeout_ms| AddRaftVoterRequest {
            cluster_id: options.cluster_id.clone(),
            timeout_ms,
            voter_id,
            voter_directory_id: directory_id,
            listeners: endpoints.iter().map(listener).collect(),
            ..Default::default()
        };
        let deadline = self.deadline(options.timeout);
        self.call("addRaftVoter", To::AnyOrActiveController, deadline, build, |response| {
            self.unless_moved(Error::check(response.error_code, response.error_message.as_deref()))
        })
        .await?
    }

    /// Makes a voter an observer (KIP-853).
    ///
    /// # Errors
    /// VOTER_NOT_FOUND, INCONSISTENT_CLUSTER_ID, UNSUPPORTED_VERSION, ...
    pub async fn remove_raft_voter(
        &self,
        voter_id: i32,
        directory_id: Uuid,
        options: &RaftVoterOptions,
    ) -> Result<()> {
        let build = |_| RemoveRaftVoterRequest {
            cluster_id: options.cluster_id.clone(),
            voter_id,
            voter_directory_id: directory_id,
        };
        let deadline = self.deadline(options.timeout);
        self.call("removeRaftVoter", To::AnyOrActiveController, deadline, build, |response| {
            self.unless_moved(Error::check(response.error_code, response.error_message.as_deref()))
        })
        .await?
    }

    /// An error that says the controller is another repeats the request; others end it.
    fn unless_moved(&self, result: Result<()>) -> Result<Result<()>> {
        super::call::check_controller(self.controllers, [&result])?;
        Ok(result)
    }
}

fn described(response: DescribeQuorumResponse) -> Result<QuorumInfo> {
    Error::check(response.error_code, response.error_message.as_deref())?;
    let unexpected = |text: String| Error::api(ErrorCode::UnknownServerError, Some(&text));
    let count = response.topics.len();
    let Some(topic) = response.topics.into_iter().next().filter(|_| count == 1) else {
        let text = format!("DescribeMetadataQuorum received {count} topics when 1 was expected");
        return Err(unexpected(text));
    };
    if topic.topic_name != METADATA_TOPIC {
        return Err(unexpected(format!(
            "DescribeMetadataQuorum received a topic with name {} when {METADATA_TOPIC} was expected",
            topic.topic_name
        )));
    }
    let count = topic.partitions.len();
    let Some(partition) = topic.partitions.into_iter().next().filter(|_| count == 1) else {
        return Err(unexpected(format!(
            "DescribeMetadataQuorum received a topic {METADATA_TOPIC} with {count} partitions when 1 was expected"
        )));
    };
    Error::check(partition.error_code, partition.error_message.as_deref())?;
    Ok(QuorumInfo {
        leader_id: partition.leader_id,
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: partition.current_voters.into_iter().map(replica).collect(),
        observers: partition.observers.into_iter().map(replica).collect(),
        nodes: response.nodes.into_iter().map(endpoints).collect(),
    })
}

fn replica(data: ReplicaData) -> ReplicaState {
    let said = |timestamp: i64| (timestamp != -1).then_some(timestamp);
    ReplicaState {
        replica_id: data.replica_id,
        directory_id: data.replica_directory_id,
        log_end_offset: data.log_end_offset,
        last_fetch_timestamp: said(data.last_fetch_timestamp),
        last_caught_up_timestamp: said(data.last_caught_up_timestamp),
    }
}

fn endpoints(node: QuorumNodeData) -> (i32, Vec<RaftVoterEndpoint>) {
    let listeners = node.listeners.into_iter();
    let endpoint = listeners.map(|it| RaftVoterEndpoint { listener: it.name, host: it.host, port: it.port });
    (node.node_id, endpoint.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::describe_quorum_response::{
        PartitionData as Partition, TopicData as Topic,
    };

    #[test]
    fn one_partition_of_one_topic_is_expected() {
        let topic = |name: &str, partitions: usize| Topic {
            topic_name: name.into(),
            partitions: vec![
                Partition {
                    leader_id: 3,
                    current_voters: vec![ReplicaData::default()],
                    ..Default::default()
                };
                partitions
            ],
        };
        let check = |topics: Vec<Topic>| described(DescribeQuorumResponse { topics, ..Default::default() });
        let quorum = check(vec![topic(METADATA_TOPIC, 1)]).unwrap();
        assert_eq!((quorum.leader_id, quorum.voters.len()), (3, 1));
        assert_eq!(quorum.voters[0].last_fetch_timestamp, None);
        assert!(check(vec![]).is_err());
        assert!(check(vec![topic("other", 1)]).is_err());
        assert!(check(vec![topic(METADATA_TOPIC, 2)]).is_err());
    }
}
