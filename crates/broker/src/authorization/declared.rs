//! What each API asks of the authorizer: the one declaration, from which `docs/authorization.md` is written.
//!
//! Source: `KafkaApis`, `ControllerApis`, `AclApis`, `ConfigHelper` and `TopicRegexResolver` of Apache Kafka 4.3.1. APIs
//! that this broker does not serve are declared too: they ask the same when they come.

use ottla_metadata::{AclOperation, AclResourceType};
use ottla_protocol::{ApiKey, ErrorCode};

use AclOperation as Op;
use AclResourceType::{Cluster, DelegationToken, Group, Topic, TransactionalId, User};

/// What a denial comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An error: of the whole request, or of what in it is about the resource.
    Error(ErrorCode),
    /// The answer tells nothing of the resource, and nobody learns that it is there.
    LeftOut,
    /// The API's next question is asked instead.
    AsksNext,
}

/// Something that an API asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is to be done.
    pub operation: AclOperation,
    /// With what kind of thing.
    pub resource: AclResourceType,
    /// What a denial comes to.
    pub refusal: Refusal,
    /// When it is asked; empty for always.
    pub when: &'static str,
}

impl Question {
    const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    const fn left_out(self) -> Self {
        Self { refusal: Refusal::LeftOut, ..self }
    }

    const fn or(self) -> Self {
        Self { refusal: Refusal::AsksNext, ..self }
    }

    const fn error(self, error: ErrorCode) -> Self {
        Self { refusal: Refusal::Error(error), ..self }
    }
}

const fn ask(operation: AclOperation, resource: AclResourceType) -> Question {
    Question { operation, resource, refusal: Refusal::Error(denial(resource)), when: "" }
}

/// The error of a denial.
pub const fn denial(resource: AclResourceType) -> ErrorCode {
    match resource {
        Topic => ErrorCode::TopicAuthorizationFailed,
        Group => ErrorCode::GroupAuthorizationFailed,
        TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        DelegationToken | User => ErrorCode::DelegationTokenAuthorizationFailed,
        _ => ErrorCode::ClusterAuthorizationFailed,
    }
}

/// How the audit log and the tools write a kind of resource (`SecurityUtils.resourceTypeName`).
pub const fn resource_name(resource: AclResourceType) -> &'static str {
    match resource {
        Topic => "Topic",
        Group => "Group",
        Cluster => "Cluster",
        TransactionalId => "TransactionalId",
        DelegationToken => "DelegationToken",
        User => "User",
        AclResourceType::Any => "Any",
        AclResourceType::Unknown => "Unknown",
    }
}

/// Whether an API may ask this.
pub fn asks(api: ApiKey, operation: AclOperation, resource: AclResourceType) -> bool {
    let mut questions = questions(api).iter();
    questions.any(|question| question.operation == operation && question.resource == resource)
}

/// What an API asks, in its order. Nothing means that everybody may send it.
pub fn questions(api: ApiKey) -> &'static [Question] {
    DECLARED.iter().find(|(apis, _)| apis.contains(&api)).map_or(&[], |(_, questions)| questions)
}

/// Whether anything is said of an API, be it that it asks nothing.
pub fn is_declared(api: ApiKey) -> bool {
    DECLARED.iter().any(|(apis, _)| apis.contains(&api))
}

const BY_NAME: &str = "for each topic named";
const WITHOUT_CREATE: &str = "for each topic, without CREATE on the cluster";
const BEFORE_V4: &str = "before v4, which clients send";
const SUBSCRIBED: &str = "for each topic named; one that is denied is the error of the request";
const USED: &str = "for each topic of a group; one that is denied is the group's error";

static DECLARED: &[(&[ApiKey], &[Question])] = &[
    // Before anybody is known, and what clients tell of themselves.
    (
        &[
            ApiKey::ApiVersions,
            ApiKey::SaslHandshake,
            ApiKey::SaslAuthenticate,
            ApiKey::GetTelemetrySubscriptions,
            ApiKey::PushTelemetry,
        ],
        &[],
    ),
    // Records.
    (
        &[ApiKey::Produce],
        &[ask(Op::Write, TransactionalId).when("with records of a transaction"), ask(Op::Write, Topic)],
    ),
    (
        &[ApiKey::Fetch],
        &[
            ask(Op::ClusterAction, Cluster)
                .error(ErrorCode::TopicAuthorizationFailed)
                .when("from followers, and for the metadata log"),
            ask(Op::Read, Topic).when("from consumers"),
        ],
    ),
    (&[ApiKey::ListOffsets], &[ask(Op::Describe, Topic)]),
    (&[ApiKey::OffsetForLeaderEpoch], &[ask(Op::ClusterAction, Cluster).or(), ask(Op::Describe, Topic)]),
    (&[ApiKey::DeleteRecords], &[ask(Op::Delete, Topic)]),
    (&[ApiKey::DescribeProducers], &[ask(Op::Read, Topic)]),
    // Topics.
    (
        &[ApiKey::Metadata],
        &[
            ask(Op::Describe, Topic).when("where all topics are asked for, the others are left out"),
            ask(Op::Create, Cluster).or().when("for topics that are created by asking for them"),
            ask(Op::Create, Topic).when("likewise"),
            ask(Op::Describe, Cluster).left_out().when("for the authorized operations"),
        ],
    ),
    (
        &[ApiKey::DescribeTopicPartitions],
        &[ask(Op::Describe, Topic).when("where all topics are asked for, the others are left out")],
    ),
    (
        &[ApiKey::CreateTopics],
        &[
            ask(Op::Create, Cluster).or(),
            ask(Op::Create, Topic).when(WITHOUT_CREATE),
            ask(Op::DescribeConfigs, Topic).left_out().when("for configurations and sizes in the answer"),
        ],
    ),
    (
        &[ApiKey::DeleteTopics],
        &[
            ask(Op::Delete, Cluster).or(),
            ask(Op::Describe, Topic).when("for each topic, without DELETE on the cluster"),
            ask(Op::Delete, Topic).when("likewise"),
        ],
    ),
    (&[ApiKey::CreatePartitions], &[ask(Op::Alter, Topic)]),
    // Configurations.
    (
        &[ApiKey::DescribeConfigs],
        &[
            ask(Op::DescribeConfigs, Cluster).when("for brokers, loggers and client metrics"),
            ask(Op::DescribeConfigs, Topic).when("for topics"),
            ask(Op::DescribeConfigs, Group).when("for groups"),
        ],
    ),
    (
        &[ApiKey::AlterConfigs],
        &[
            ask(Op::AlterConfigs, Cluster).when("for brokers and client metrics"),
            ask(Op::AlterConfigs, Topic).when("for topics"),
            ask(Op::AlterConfigs, Group).when("for groups"),
        ],
    ),
    (
        &[ApiKey::IncrementalAlterConfigs],
        &[
            ask(Op::AlterConfigs, Cluster).when("for brokers, loggers and client metrics"),
            ask(Op::ClusterAction, Cluster).when("for loggers, on controllers' listeners"),
            ask(Op::AlterConfigs, Topic).when("for topics"),
            ask(Op::AlterConfigs, Group).when("for groups"),
        ],
    ),
    // Groups.
    (
        &[ApiKey::FindCoordinator],
        &[
            ask(Op::Describe, Group).when("for groups"),
            ask(Op::Describe, TransactionalId).when("for transactional ids"),
            ask(Op::ClusterAction, Cluster).when("for share partitions"),
        ],
    ),
    (
        &[ApiKey::JoinGroup],
        &[
            ask(Op::Read, Group),
            ask(Op::Describe, Topic).left_out().when("for what a regular expression matches, in consumer groups"),
        ],
    ),
    (&[ApiKey::SyncGroup, ApiKey::Heartbeat, ApiKey::LeaveGroup], &[ask(Op::Read, Group)]),
    (&[ApiKey::OffsetCommit], &[ask(Op::Read, Group), ask(Op::Read, Topic).when(BY_NAME)]),
    (
        &[ApiKey::OffsetFetch],
        &[
            ask(Op::Describe, Group),
            ask(Op::Describe, Topic).when("where all offsets are asked for, those of the others are left out"),
        ],
    ),
    (&[ApiKey::OffsetDelete], &[ask(Op::Delete, Group), ask(Op::Read, Topic).when(BY_NAME)]),
    (&[ApiKey::DescribeGroups], &[ask(Op::Describe, Group)]),
    (&[ApiKey::ListGroups], &[ask(Op::Describe, Cluster).or(), ask(Op::Describe, Group).left_out()]),
    (&[ApiKey::DeleteGroups], &[ask(Op::Delete, Group)]),
    (
        &[ApiKey::ConsumerGroupHeartbeat],
        &[
            ask(Op::Read, Group),
            ask(Op::Describe, Topic)
                .when("for each topic named, the error of the request; what a regular expression matches is left out"),
        ],
    ),
    (
        &[ApiKey::ConsumerGroupDescribe, ApiKey::ShareGroupDescribe, ApiKey::StreamsGroupDescribe],
        &[ask(Op::Describe, Group), ask(Op::Describe, Topic).when(USED)],
    ),
    (&[ApiKey::ShareGroupHeartbeat], &[ask(Op::Read, Group), ask(Op::Describe, Topic).when(SUBSCRIBED)]),
    (
        &[ApiKey::StreamsGroupHeartbeat],
        &[
            ask(Op::Read, Group),
            ask(Op::Describe, Topic).when(SUBSCRIBED),
            ask(Op::Create, Cluster).or().when("for internal topics that are missing"),
            ask(Op::Create, Topic).left_out().when("likewise; they are not created, and the status says so"),
        ],
    ),
    (&[ApiKey::ShareFetch, ApiKey::ShareAcknowledge], &[ask(Op::Read, Group), ask(Op::Read, Topic)]),
    (
        &[ApiKey::DescribeShareGroupOffsets],
        &[
            ask(Op::Describe, Group),
            ask(Op::Describe, Topic).when("where all offsets are asked for, those of the others are left out"),
        ],
    ),
    (&[ApiKey::AlterShareGroupOffsets], &[ask(Op::Read, Group), ask(Op::Read, Topic).when(BY_NAME)]),
    (&[ApiKey::DeleteShareGroupOffsets], &[ask(Op::Delete, Group), ask(Op::Read, Topic).when(BY_NAME)]),
    // Transactions.
    (
        &[ApiKey::InitProducerId],
        &[
            ask(Op::Write, TransactionalId).when("with a transactional id"),
            ask(Op::TwoPhaseCommit, TransactionalId).when("for two-phase commits"),
            ask(Op::IdempotentWrite, Cluster).or().when("without a transactional id"),
            ask(Op::Write, Topic)
                .error(ErrorCode::ClusterAuthorizationFailed)
                .when("likewise: any topic will do"),
        ],
    ),
    (
        &[ApiKey::AddPartitionsToTxn],
        &[
            ask(Op::ClusterAction, Cluster).when("from v4 on, which brokers send"),
            ask(Op::Write, TransactionalId).when(BEFORE_V4),
            ask(Op::Write, Topic).when(BEFORE_V4),
        ],
    ),
    (&[ApiKey::AddOffsetsToTxn], &[ask(Op::Write, TransactionalId), ask(Op::Read, Group)]),
    (
        &[ApiKey::TxnOffsetCommit],
        &[ask(Op::Write, TransactionalId), ask(Op::Read, Group), ask(Op::Read, Topic).when(BY_NAME)],
    ),
    (&[ApiKey::EndTxn], &[ask(Op::Write, TransactionalId)]),
    (&[ApiKey::WriteTxnMarkers], &[ask(Op::Alter, Cluster).or(), ask(Op::ClusterAction, Cluster)]),
    (
        &[ApiKey::DescribeTransactions],
        &[ask(Op::Describe, TransactionalId), ask(Op::Describe, Topic).left_out().when("for its partitions")],
    ),
    (&[ApiKey::ListTransactions], &[ask(Op::Describe, TransactionalId).left_out()]),
    // Delegation tokens.
    (&[ApiKey::CreateDelegationToken], &[ask(Op::CreateTokens, User).when("for another owner")]),
    (
        &[ApiKey::DescribeDelegationToken],
        &[
            ask(Op::Describe, DelegationToken).left_out().when("for tokens that are not one's own"),
            ask(Op::DescribeTokens, User).left_out().when("likewise"),
        ],
    ),
    (&[ApiKey::RenewDelegationToken, ApiKey::ExpireDelegationToken], &[]),
    // The cluster.
    (
        &[ApiKey::DescribeCluster],
        &[
            ask(Op::Alter, Cluster).when("on controllers' listeners"),
            ask(Op::Describe, Cluster).left_out().when("for the authorized operations"),
        ],
    ),
    (
        &[
            ApiKey::DescribeAcls,
            ApiKey::DescribeLogDirs,
            ApiKey::DescribeQuorum,
            ApiKey::ListPartitionReassignments,
            ApiKey::DescribeUserScramCredentials,
        ],
        &[ask(Op::Describe, Cluster)],
    ),
    (
        &[
            ApiKey::CreateAcls,
            ApiKey::DeleteAcls,
            ApiKey::AlterReplicaLogDirs,
            ApiKey::ElectLeaders,
            ApiKey::AlterPartitionReassignments,
            ApiKey::UpdateFeatures,
            ApiKey::UnregisterBroker,
            ApiKey::AlterUserScramCredentials,
            ApiKey::AddRaftVoter,
            ApiKey::RemoveRaftVoter,
        ],
        &[ask(Op::Alter, Cluster)],
    ),
    (&[ApiKey::AlterClientQuotas], &[ask(Op::AlterConfigs, Cluster)]),
    (&[ApiKey::DescribeClientQuotas, ApiKey::ListConfigResources], &[ask(Op::DescribeConfigs, Cluster)]),
    // Between brokers and controllers.
    (
        &[
            ApiKey::InitializeShareGroupState,
            ApiKey::ReadShareGroupState,
            ApiKey::WriteShareGroupState,
            ApiKey::DeleteShareGroupState,
            ApiKey::ReadShareGroupStateSummary,
            ApiKey::Vote,
            ApiKey::BeginQuorumEpoch,
            ApiKey::EndQuorumEpoch,
            ApiKey::FetchSnapshot,
            ApiKey::AlterPartition,
            ApiKey::Envelope,
            ApiKey::BrokerRegistration,
            ApiKey::BrokerHeartbeat,
            ApiKey::AllocateProducerIds,
            ApiKey::ControllerRegistration,
            ApiKey::AssignReplicasToDirs,
            ApiKey::UpdateRaftVoter,
        ],
        &[ask(Op::ClusterAction, Cluster)],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_declared_once() {
        for api in ApiKey::ALL {
            let count = DECLARED.iter().flat_map(|(apis, _)| *apis).filter(|known| *known == api).count();
            assert_eq!(count, 1, "{}", api.name());
        }
    }
}
