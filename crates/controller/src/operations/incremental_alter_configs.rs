//! IncrementalAlterConfigs (key 44, KIP-339): `ConfigurationControlManager.incrementalAlterConfigs`.
//!
//! Set, delete, append and subtract for topics, brokers (by id, or all by the empty name), groups and client metrics
//! subscriptions. Each resource succeeds or fails as a whole.

use std::collections::BTreeMap;

use ottla_metadata::VersionedRecord;
use ottla_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use ottla_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::Preprocessed;
use super::config_changes::{ConfigOp, ResourceChange};
use super::config_preprocess::AlteredResource;
use crate::controller_result::BoundedRecords;
use crate::{ApiError, Controller, ControllerResult, RequestContext, RequestOrigin};

impl Controller {
    /// IncrementalAlterConfigs. `handled` are resources that the caller has answered itself, such as
    /// log levels; it may be empty. `denied` are resources that who asks may not alter.
    pub fn incremental_alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest,
        handled: Preprocessed,
        denied: Preprocessed,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<IncrementalAlterConfigsResponse> {
        let answers = self.preprocess(&request.resources, handled, denied, ctx.origin);
        let mut records = BoundedRecords::default();
        let mut responses = Vec::with_capacity(request.resources.len());
        for (at, altered) in request.resources.iter().enumerate() {
            let result = match answers.get(&at) {
                Some(error) => Err(error.clone()),
                None => self.incremental_records(altered, ctx.origin),
            };
            responses.push(response(altered, ApiError::of(&result)));
            if let Err(error) = records.extend(result.unwrap_or_default()) {
                return refused(request, &error);
            }
        }
        let cleared = self.clear_elr_records(records.as_slice());
        if let Err(error) = records.extend(cleared) {
            return refused(request, &error);
        }
        let response = IncrementalAlterConfigsResponse { responses, ..Default::default() };
        ControllerResult::atomic(records.into_vec(), response).unless(request.validate_only)
    }

    fn incremental_records(
        &self,
        altered: &AlterConfigsResource,
        origin: RequestOrigin,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let mut ops = BTreeMap::new();
        for config in &altered.configs {
            ops.insert(config.name.clone(), ConfigOp::new(config.config_operation, config.value.clone())?);
        }
        self.config_records(&ResourceChange { resource: altered.resource(), ops, is_new: false, origin })
    }
}

fn response(altered: &AlterConfigsResource, error: &ApiError) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.error_code(),
        error_message: error.error_message(),
        resource_type: altered.resource_type,
        resource_name: altered.resource_name.clone(),
    }
}

fn refused(
    request: &IncrementalAlterConfigsRequest,
    error: &ApiError,
) -> ControllerResult<IncrementalAlterConfigsResponse> {
    let responses = request.resources.iter().map(|altered| response(altered, error)).collect();
    ControllerResult::answer(IncrementalAlterConfigsResponse { responses, ..Default::default() })
}

#[cfg(test)]
#[path = "alter_configs_test.rs"]
mod alter_configs_test;
