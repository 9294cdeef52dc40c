//! DescribeAcls (key 29), versions 1-3: the entries that a filter means. v2 flexible · v3 users as resources (KIP-373).

use std::collections::BTreeMap;

use ottla_metadata::{AclFilter, AclOperation, AclPatternType, AclPermissionType, AclResourceType};
use ottla_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use ottla_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Needs DESCRIBE on the cluster.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: DescribeAclsRequest) -> DescribeAclsResponse {
    if !broker.may(ctx, AclOperation::Describe, Resource::Cluster) {
        return refuse(ErrorCode::ClusterAuthorizationFailed, &ctx.not_authorized());
    }
    if !broker.authorization.is_enabled() {
        return refuse(ErrorCode::SecurityDisabled, "No Authorizer is configured on the broker");
    }
    let filter = filter_of(request);
    if filter.is_pattern_unknown() || filter.is_entry_unknown() {
        return refuse(ErrorCode::InvalidRequest, "DescribeAclsRequest contains UNKNOWN elements");
    }
    let image = broker.image();
    let mut by_resource: BTreeMap<_, Vec<AclDescription>> = BTreeMap::new();
    for (_, acl) in image.acls.iter().filter(|(_, acl)| filter.matches(acl)) {
        let resource = (acl.resource_type.code(), acl.resource_name.clone(), acl.pattern_type.code());
        by_resource.entry(resource).or_default().push(AclDescription {
            principal: acl.principal.clone(),
            host: acl.host.clone(),
            operation: acl.operation.code(),
            permission_type: acl.permission_type.code(),
        });
    }
    let resource = |((resource_type, resource_name, pattern_type), acls)| DescribeAclsResource {
        resource_type,
        resource_name,
        pattern_type,
        acls,
    };
    let resources = by_resource.into_iter().map(resource).collect();
    DescribeAclsResponse { resources, ..Default::default() }
}

fn filter_of(request: DescribeAclsRequest) -> AclFilter {
    AclFilter {
        resource_type: AclResourceType::from_code(request.resource_type_filter),
        resource_name: request.resource_name_filter,
        pattern_type: AclPatternType::from_code(request.pattern_type_filter),
        principal: request.principal_filter,
        host: request.host_filter,
        operation: AclOperation::from_code(request.operation),
        permission_type: AclPermissionType::from_code(request.permission_type),
    }
}

fn refuse(error: ErrorCode, why: &str) -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: error.code(),
        error_message: Some(Str::from(why)),
        ..Default::default()
    }
}
