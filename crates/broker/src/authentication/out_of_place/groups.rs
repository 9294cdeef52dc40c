//! Answers with an error for each group, coordinator or transaction.

use ottla_protocol::messages::*;

use super::{CODE, Failure, Refuse, each};

/// First version of FindCoordinator that asks for many.
const FIND_MANY_VERSION: i16 = 4;
/// A node that is none.
const NO_NODE: i32 = -1;
const NO_PORT: i32 = -1;

impl Refuse for FindCoordinatorRequest {
    fn refuse(self, failure: &Failure) -> Option<FindCoordinatorResponse> {
        if failure.version < FIND_MANY_VERSION {
            return Some(FindCoordinatorResponse {
                error_code: CODE,
                error_message: failure.general(),
                node_id: NO_NODE,
                port: NO_PORT,
                ..Default::default()
            });
        }
        let coordinators = each(self.coordinator_keys, |key| find_coordinator_response::Coordinator {
            key,
            node_id: NO_NODE,
            port: NO_PORT,
            error_code: CODE,
            error_message: failure.general(),
            ..Default::default()
        });
        Some(FindCoordinatorResponse { coordinators, ..Default::default() })
    }
}

impl Refuse for DescribeGroupsRequest {
    fn refuse(self, _: &Failure) -> Option<DescribeGroupsResponse> {
        let groups = each(self.groups, |group_id| describe_groups_response::DescribedGroup {
            group_id,
            error_code: CODE,
            ..Default::default()
        });
        Some(DescribeGroupsResponse { groups, ..Default::default() })
    }
}

impl Refuse for DeleteGroupsRequest {
    fn refuse(self, _: &Failure) -> Option<DeleteGroupsResponse> {
        let results = each(self.groups_names, |group_id| delete_groups_response::DeletableGroupResult {
            group_id,
            error_code: CODE,
        });
        Some(DeleteGroupsResponse { results, ..Default::default() })
    }
}

/// The three descriptions of newer groups are alike.
macro_rules! described {
    ($($request:ident: $response:ident in $module:ident;)*) => {$(
        impl Refuse for $request {
            fn refuse(self, _: &Failure) -> Option<$response> {
                let groups = each(self.group_ids, |group_id| $module::DescribedGroup {
                    group_id,
                    error_code: CODE,
                    ..Default::default()
                });
                Some($response { groups, ..Default::default() })
            }
        }
    )*};
}

described! {
    ConsumerGroupDescribeRequest: ConsumerGroupDescribeResponse in consumer_group_describe_response;
    ShareGroupDescribeRequest: ShareGroupDescribeResponse in share_group_describe_response;
    StreamsGroupDescribeRequest: StreamsGroupDescribeResponse in streams_group_describe_response;
}

impl Refuse for DescribeShareGroupOffsetsRequest {
    fn refuse(self, failure: &Failure) -> Option<DescribeShareGroupOffsetsResponse> {
        use describe_share_group_offsets_response::DescribeShareGroupOffsetsResponseGroup;
        let groups = each(self.groups, |group| DescribeShareGroupOffsetsResponseGroup {
            group_id: group.group_id,
            error_code: CODE,
            error_message: failure.particular(),
            ..Default::default()
        });
        Some(DescribeShareGroupOffsetsResponse { groups, ..Default::default() })
    }
}

impl Refuse for DescribeTransactionsRequest {
    fn refuse(self, _: &Failure) -> Option<DescribeTransactionsResponse> {
        use describe_transactions_response::TransactionState;
        let transaction_states = each(self.transactional_ids, |transactional_id| TransactionState {
            transactional_id,
            error_code: CODE,
            ..Default::default()
        });
        Some(DescribeTransactionsResponse { transaction_states, ..Default::default() })
    }
}
