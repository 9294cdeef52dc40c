//! ElectLeaders: preferred and unclean elections.

use std::collections::BTreeSet;

use ottla_protocol::messages::elect_leaders_request::TopicPartitions;
use ottla_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_protocol::{ErrorCode, Message, TopicPartition};

use super::call::To;
use super::offsets::by_topic;
use super::{Admin, PerKey, TimeoutOptions};
use crate::{Error, Result};

/// Kinds of elections (`ElectionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica becomes leader, if it is in sync.
    Preferred,
    /// Any replica becomes leader, if none in sync is left; records may be lost.
    Unclean,
}

impl ElectionType {
    /// Code on the wire.
    pub fn id(self) -> i8 {
        match self {
            Self::Preferred => 0,
            Self::Unclean => 1,
        }
    }
}

impl Admin {
    /// Elects leaders of these partitions, or of all; then those without need for an election are not in the result.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, ...; for each partition ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE,
    /// ELIGIBLE_LEADERS_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION, ...
    pub async fn elect_leaders(
        &self,
        kind: ElectionType,
        partitions: Option<&BTreeSet<TopicPartition>>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        // Version 0 knows preferred elections only.
        let lowest = if kind == ElectionType::Preferred { 0 } else { 1 };
        let versions = (lowest, ElectLeadersRequest::MAX_VERSION);
        let build = |_, timeout_ms| Ok(request(kind, partitions, timeout_ms));
        let deadline = self.deadline(options.timeout);
        let respond = |_, response| match elected(response) {
            Err(error) if error.code() == Some(ErrorCode::NotController) => Err(error),
            settled => Ok(settled),
        };
        self.call_as("electLeaders", To::Controller, versions, deadline, build, respond).await?
    }
}

fn request(
    kind: ElectionType,
    partitions: Option<&BTreeSet<TopicPartition>>,
    timeout_ms: i32,
) -> ElectLeadersRequest {
    let wire = |keys: &BTreeSet<TopicPartition>| {
        let keys: Vec<TopicPartition> = keys.iter().cloned().collect();
        let topic = |(name, keys): (&ottla_protocol::Str, Vec<&TopicPartition>)| TopicPartitions {
            topic: name.clone(),
            partitions: keys.into_iter().map(|key| key.partition).collect(),
        };
        by_topic(&keys).into_iter().map(topic).collect()
    };
    ElectLeadersRequest { election_type: kind.id(), topic_partitions: partitions.map(wire), timeout_ms }
}

fn elected(response: ElectLeadersResponse) -> Result<PerKey<TopicPartition, ()>> {
    Error::check(response.error_code, None)?;
    let mut done = PerKey::new();
    for topic in response.replica_election_results {
        for it in topic.partition_result {
            let key = TopicPartition::new(topic.topic.clone(), it.partition_id);
            done.insert(key, Error::check(it.error_code, it.error_message.as_deref()));
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    #[test]
    fn all_partitions_are_no_list() {
        let request_all = request(ElectionType::Unclean, None, 5);
        assert_eq!((request_all.election_type, request_all.topic_partitions), (1, None));
        let one = BTreeSet::from([TopicPartition::new("t", 3)]);
        let request = request(ElectionType::Preferred, Some(&one), 5);
        assert_eq!(request.topic_partitions.as_ref().unwrap()[0].partitions, [3]);
        encode_message(&request, 0).unwrap();
    }
}
