//! Which APIs and versions are served: one table, from which ApiVersions and dispatch both speak.

use ottla_protocol::ApiKey;

/// APIs that a broker's listener serves. What is missing here comes with later features.
pub const BROKER: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::SaslHandshake,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::EndTxn,
    ApiKey::WriteTxnMarkers,
    ApiKey::TxnOffsetCommit,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::SaslAuthenticate,
    ApiKey::CreatePartitions,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::DescribeDelegationToken,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::UnregisterBroker,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::GetTelemetrySubscriptions,
    ApiKey::PushTelemetry,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
    ApiKey::ShareGroupHeartbeat,
    ApiKey::ShareGroupDescribe,
    ApiKey::ShareFetch,
    ApiKey::ShareAcknowledge,
    ApiKey::InitializeShareGroupState,
    ApiKey::ReadShareGroupState,
    ApiKey::WriteShareGroupState,
    ApiKey::DeleteShareGroupState,
    ApiKey::ReadShareGroupStateSummary,
    ApiKey::StreamsGroupHeartbeat,
    ApiKey::StreamsGroupDescribe,
    ApiKey::DescribeShareGroupOffsets,
    ApiKey::AlterShareGroupOffsets,
    ApiKey::DeleteShareGroupOffsets,
];

/// APIs that a controller's listener serves (KIP-919: administration through controllers).
pub const CONTROLLER: &[ApiKey] = &[
    ApiKey::SaslHandshake,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::SaslAuthenticate,
    ApiKey::CreatePartitions,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::UnregisterBroker,
];

/// Which APIs a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// For clients and brokers.
    Broker,
    /// Named in `controller.listener.names`.
    Controller,
}

/// The APIs of a kind of listener.
pub fn of(kind: ListenerKind) -> &'static [ApiKey] {
    match kind {
        ListenerKind::Broker => BROKER,
        ListenerKind::Controller => CONTROLLER,
    }
}

/// Versions of an API that are answered: all stable ones that Kafka 4.3 knows.
pub fn versions(api: ApiKey) -> (i16, i16) {
    (api.min_version(), api.latest_stable())
}

/// First version that ApiVersions names. Old librdkafka looks for Produce 0 before it sends newer ones
/// (KAFKA-18659); such a request is refused all the same.
pub fn advertised_min(api: ApiKey) -> i16 {
    if api == ApiKey::Produce { 0 } else { api.min_version() }
}

/// Whether a request may be handled.
pub fn is_served(kind: ListenerKind, api: ApiKey, version: i16) -> bool {
    let (low, high) = versions(api);
    of(kind).contains(&api) && (low..=high).contains(&version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_serve_what_kafka_serves_there() {
        assert!(BROKER.iter().all(|api| api.on_broker()));
        assert!(CONTROLLER.iter().all(|api| api.on_controller()));
        assert!(BROKER.is_sorted() && CONTROLLER.is_sorted());
    }

    #[test]
    fn produce_0_is_named_but_not_served() {
        assert_eq!(advertised_min(ApiKey::Produce), 0);
        assert!(!is_served(ListenerKind::Broker, ApiKey::Produce, 2));
        assert!(is_served(ListenerKind::Broker, ApiKey::Produce, 13));
        assert!(!is_served(ListenerKind::Controller, ApiKey::Produce, 13));
    }
}
