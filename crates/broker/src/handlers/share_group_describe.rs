//! ShareGroupDescribe (key 77), version 1: members and state of share groups (KIP-932).

use std::sync::Arc;

use ottla_coordinator::GroupCoordinatorShard;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::share_group_describe_response::DescribedGroup;
use ottla_protocol::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{describe_group, is_share_enabled};
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers group by group.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ShareGroupDescribeRequest,
) -> ShareGroupDescribeResponse {
    let is_enabled = is_share_enabled(&broker);
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let describe = GroupCoordinatorShard::share_group_describe;
        let described = describe_group(&ctx, &broker, is_enabled, &group_id, describe).await;
        let mut group = described.unwrap_or_else(|error| DescribedGroup {
            group_id,
            error_code: error.code(),
            ..Default::default()
        });
        let asked = request.include_authorized_operations;
        group.authorized_operations =
            authorized_operations::of_group(&ctx, &broker, &group.group_id, asked, group.error_code);
        groups.push(group);
    }
    hide(&ctx, &broker, &mut groups);
    ShareGroupDescribeResponse { groups, ..Default::default() }
}

/// Takes out the groups that use topics which who asks may not describe.
fn hide(ctx: &RequestContext, broker: &Broker, groups: &mut [DescribedGroup]) {
    let mut allowed = broker.topics(ctx, AclOperation::Describe);
    for group in groups {
        if topics_of(group).all(|topic| allowed.allow(topic)) {
            continue;
        }
        *group = DescribedGroup {
            group_id: std::mem::take(&mut group.group_id),
            error_code: ErrorCode::TopicAuthorizationFailed.code(),
            error_message: Some(
                "The group has described topic(s) that the client is not authorized to describe.".into(),
            ),
            ..Default::default()
        };
    }
}

fn topics_of(group: &DescribedGroup) -> impl Iterator<Item = &Str> {
    let assignments = group.members.iter().map(|member| &member.assignment);
    assignments.flat_map(|assignment| &assignment.topic_partitions).map(|topic| &topic.topic_name)
}
