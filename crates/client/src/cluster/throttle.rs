//! How long a broker asks to be left alone (KIP-219): since these versions it answers at once, and the client has to wait.

use std::any::Any;

use ottla_protocol::messages::*;

macro_rules! throttled {
    ($($response:ident >= $version:literal,)*) => {
        /// The pause in ms that an answer asks for; 0 for none.
        pub(super) fn throttle_ms(response: &dyn Any, version: i16) -> i32 {
            $(if let Some(response) = response.downcast_ref::<$response>() {
                return if version >= $version { response.throttle_time_ms.max(0) } else { 0 };
            })*
            0
        }
    };
}

// The most frequent first.
throttled! {
    ProduceResponse >= 6,
    FetchResponse >= 8,
    AddOffsetsToTxnResponse >= 1,
    AddPartitionsToTxnResponse >= 1,
    AlterConfigsResponse >= 1,
    AlterPartitionReassignmentsResponse >= 0,
    AlterReplicaLogDirsResponse >= 1,
    AlterUserScramCredentialsResponse >= 0,
    CreateAclsResponse >= 1,
    CreateDelegationTokenResponse >= 1,
    CreatePartitionsResponse >= 1,
    CreateTopicsResponse >= 3,
    DeleteAclsResponse >= 1,
    DeleteGroupsResponse >= 1,
    DeleteRecordsResponse >= 1,
    DeleteTopicsResponse >= 2,
    DescribeAclsResponse >= 1,
    DescribeConfigsResponse >= 2,
    DescribeDelegationTokenResponse >= 1,
    DescribeGroupsResponse >= 2,
    DescribeLogDirsResponse >= 1,
    DescribeTopicPartitionsResponse >= 0,
    DescribeUserScramCredentialsResponse >= 0,
    ElectLeadersResponse >= 0,
    EndTxnResponse >= 1,
    ExpireDelegationTokenResponse >= 1,
    FindCoordinatorResponse >= 2,
    HeartbeatResponse >= 2,
    IncrementalAlterConfigsResponse >= 0,
    InitProducerIdResponse >= 1,
    JoinGroupResponse >= 3,
    LeaveGroupResponse >= 2,
    ListGroupsResponse >= 2,
    ListOffsetsResponse >= 3,
    ListPartitionReassignmentsResponse >= 0,
    MetadataResponse >= 6,
    OffsetCommitResponse >= 4,
    OffsetDeleteResponse >= 0,
    OffsetFetchResponse >= 4,
    RenewDelegationTokenResponse >= 1,
    SyncGroupResponse >= 2,
    TxnOffsetCommitResponse >= 1,
    UnregisterBrokerResponse >= 0,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_counts_since_the_version_in_which_clients_keep_it() {
        let response = MetadataResponse { throttle_time_ms: 50, ..Default::default() };
        assert_eq!(throttle_ms(&response, 5), 0);
        assert_eq!(throttle_ms(&response, 6), 50);
        let response = FetchResponse { throttle_time_ms: -5, ..Default::default() };
        assert_eq!(throttle_ms(&response, 12), 0);
    }
}
