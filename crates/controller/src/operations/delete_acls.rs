//! DeleteAcls (key 31): `AclControlManager.deleteAcls`.

use std::collections::BTreeSet;

use ottla_metadata::{
    AclFilter, AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl,
};
use ottla_protocol::messages::delete_acls_request::DeleteAclsFilter;
use ottla_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse, RemoveAccessControlEntryRecord};
use ottla_protocol::{ErrorCode, Uuid};

use crate::controller_result::MAX_RECORDS_PER_BATCH;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// DeleteAcls. An entry that several filters match is in the answer to each of them.
    pub fn delete_acls(
        &self,
        request: &DeleteAclsRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<DeleteAclsResponse> {
        let mut ids = BTreeSet::new();
        let mut filter_results = Vec::with_capacity(request.filters.len());
        for filter in &request.filters {
            match self.matching(&filter_of(filter), &mut ids) {
                Ok(matching_acls) => filter_results.push(answer(&ApiError::NONE, matching_acls)),
                Err(error) => filter_results.push(answer(&error, Vec::new())),
            }
            if ids.len() > MAX_RECORDS_PER_BATCH {
                let error = ApiError::invalid_request(format!(
                    "Cannot remove more than {MAX_RECORDS_PER_BATCH} acls in a single delete operation."
                ));
                let filter_results = request.filters.iter().map(|_| answer(&error, Vec::new())).collect();
                return ControllerResult::answer(DeleteAclsResponse { filter_results, ..Default::default() });
            }
        }
        let record = |id: Uuid| {
            let record = RemoveAccessControlEntryRecord { id };
            (MetadataRecord::RemoveAccessControlEntry(record), 0)
        };
        let records = ids.into_iter().map(record).collect();
        ControllerResult::atomic(records, DeleteAclsResponse { filter_results, ..Default::default() })
    }

    fn matching(
        &self,
        filter: &AclFilter,
        ids: &mut BTreeSet<Uuid>,
    ) -> Result<Vec<DeleteAclsMatchingAcl>, ApiError> {
        let invalid = |message| Err(ApiError::thrown(ErrorCode::InvalidRequest, message));
        if filter.is_pattern_unknown() {
            return invalid("Unknown patternFilter.");
        }
        if filter.is_entry_unknown() {
            return invalid("Unknown entryFilter.");
        }
        let matching = self.state.image.acls.iter().filter(|(_, acl)| filter.matches(acl));
        Ok(matching
            .map(|(id, acl)| {
                ids.insert(id);
                deleted(acl)
            })
            .collect())
    }
}

fn filter_of(filter: &DeleteAclsFilter) -> AclFilter {
    AclFilter {
        resource_type: AclResourceType::from_code(filter.resource_type_filter),
        resource_name: filter.resource_name_filter.clone(),
        pattern_type: AclPatternType::from_code(filter.pattern_type_filter),
        principal: filter.principal_filter.clone(),
        host: filter.host_filter.clone(),
        operation: AclOperation::from_code(filter.operation),
        permission_type: AclPermissionType::from_code(filter.permission_type),
    }
}

fn answer(error: &ApiError, matching_acls: Vec<DeleteAclsMatchingAcl>) -> DeleteAclsFilterResult {
    let (error_code, error_message) = (error.error_code(), error.error_message());
    DeleteAclsFilterResult { error_code, error_message, matching_acls }
}

fn deleted(acl: &StandardAcl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_code: 0,
        error_message: None,
        resource_type: acl.resource_type.code(),
        resource_name: acl.resource_name.clone(),
        pattern_type: acl.pattern_type.code(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.code(),
        permission_type: acl.permission_type.code(),
    }
}
