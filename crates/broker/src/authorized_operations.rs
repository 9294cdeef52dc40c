//! Operations that everybody may do where no authorizer is configured (`AclEntry.supportedOperations`), as the
//! bit field of the protocol: bit n stands for the `AclOperation` of code n.

use ottla_metadata::AclOperation;

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// "Not asked for", the default in the schema.
pub const UNKNOWN: i32 = i32::MIN;

/// Operations on a topic.
pub const TOPIC: i32 = READ | WRITE | CREATE | DESCRIBE | DELETE | ALTER | DESCRIBE_CONFIGS | ALTER_CONFIGS;
/// Operations on a group.
const GROUP: i32 = READ | DESCRIBE | DELETE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
/// What who sent a request may do with a group, for an answer with this error code.
pub fn of_group(ctx: &RequestContext, broker: &Broker, group: &str, are_asked: bool, error_code: i16) -> i32 {
    match are_asked && error_code == 0 {
        true => broker.authorized_operations(ctx, GROUP, Resource::Group(group)),
        false => UNKNOWN,
    }
}

/// What who sent a request may do with the cluster; nothing where they may not even see it (`AuthHelper`).
pub fn of_cluster(ctx: &RequestContext, broker: &Broker) -> i32 {
    match broker.may_see(ctx, AclOperation::Describe, Resource::Cluster) {
        true => broker.authorized_operations(ctx, CLUSTER, Resource::Cluster),
        false => 0,
    }
}

/// What who sent a request may do with a topic.
pub fn of_topic(ctx: &RequestContext, broker: &Broker, topic: &str) -> i32 {
    broker.authorized_operations(ctx, TOPIC, Resource::Topic(topic))
}

/// Operations on the cluster.
const CLUSTER: i32 =
    CREATE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE | ALTER | DESCRIBE;
