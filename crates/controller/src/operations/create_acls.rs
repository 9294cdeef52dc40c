//! CreateAcls (key 30): `AclControlManager.createAcls`, `AclApis.handleCreateAcls`.

use std::collections::BTreeSet;

use ottla_metadata::{AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_acls_request::AclCreation;
use ottla_protocol::messages::create_acls_response::AclCreationResult;
use ottla_protocol::messages::{CreateAclsRequest, CreateAclsResponse};

use crate::controller_result::BoundedRecords;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

/// The one name of the resource that stands for the cluster.
const CLUSTER_NAME: &str = "kafka-cluster";

impl Controller {
    /// CreateAcls. An entry that is there already is no error.
    pub fn create_acls(
        &self,
        request: &CreateAclsRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<CreateAclsResponse> {
        let mut new: BTreeSet<StandardAcl> = BTreeSet::new();
        let mut records = BoundedRecords::default();
        let mut results = Vec::with_capacity(request.creations.len());
        let existing: BTreeSet<&StandardAcl> = self.state.image.acls.iter().map(|(_, acl)| acl).collect();
        for creation in &request.creations {
            let acl = acl_of(creation);
            let checked = check(&acl);
            results.push(result(ApiError::of(&checked)));
            if checked.is_err() || existing.contains(&acl) || !new.insert(acl.clone()) {
                continue;
            }
            let added = ctx.new_acl_id(&self.state.image).and_then(|id| records.push(acl.to_record(id)));
            if let Err(error) = added {
                let results = request.creations.iter().map(|_| result(&error)).collect();
                return ControllerResult::answer(CreateAclsResponse { results, ..Default::default() });
            }
        }
        ControllerResult::atomic(records.into_vec(), CreateAclsResponse { results, ..Default::default() })
    }
}

fn result(error: &ApiError) -> AclCreationResult {
    AclCreationResult { error_code: error.error_code(), error_message: error.error_message() }
}

fn acl_of(creation: &AclCreation) -> StandardAcl {
    StandardAcl {
        resource_type: AclResourceType::from_code(creation.resource_type),
        resource_name: creation.resource_name.clone(),
        pattern_type: AclPatternType::from_code(creation.resource_pattern_type),
        principal: creation.principal.clone(),
        host: creation.host.clone(),
        operation: AclOperation::from_code(creation.operation),
        permission_type: AclPermissionType::from_code(creation.permission_type),
    }
}

fn check(acl: &StandardAcl) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::thrown(ErrorCode::InvalidRequest, message));
    if acl.resource_type == AclResourceType::Cluster && acl.resource_name != CLUSTER_NAME {
        return invalid(format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}"));
    }
    if acl.resource_name.is_empty() {
        return invalid("Invalid empty resource name".to_owned());
    }
    if matches!(acl.resource_type, AclResourceType::Unknown | AclResourceType::Any) {
        return invalid(format!("Invalid resourceType {}", acl.resource_type));
    }
    if !matches!(acl.pattern_type, AclPatternType::Literal | AclPatternType::Prefixed) {
        return invalid(format!("Invalid patternType {}", acl.pattern_type));
    }
    if matches!(acl.operation, AclOperation::Unknown | AclOperation::Any) {
        return invalid(format!("Invalid operation {}", acl.operation));
    }
    if !matches!(acl.permission_type, AclPermissionType::Deny | AclPermissionType::Allow) {
        return invalid(format!("Invalid permissionType {}", acl.permission_type));
    }
    if !acl.principal.contains(':') {
        return invalid(format!(
            "Could not parse principal from `{}` (no colon is present separating the principal type from the \
             principal name)",
            acl.principal
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "acls_test.rs"]
mod acls_test;
