//! AlterConfigs (key 33): `ConfigurationControlManager.legacyAlterConfigs`.
//!
//! Replaces all configurations of a resource: what the request does not name is removed.

use ottla_protocol::messages::alter_configs_request::AlterConfigsResource;
use ottla_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::Preprocessed;
use super::config_preprocess::AlteredResource;
use crate::controller_result::BoundedRecords;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// AlterConfigs. `denied` are resources that who asks may not alter.
    pub fn alter_configs(
        &self,
        request: &AlterConfigsRequest,
        denied: Preprocessed,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<AlterConfigsResponse> {
        let answers = self.preprocess(&request.resources, Preprocessed::new(), denied, ctx.origin);
        let mut records = BoundedRecords::default();
        let mut responses = Vec::with_capacity(request.resources.len());
        for (at, altered) in request.resources.iter().enumerate() {
            let result = match answers.get(&at) {
                Some(error) => Err(error.clone()),
                None => {
                    let new = altered.configs.iter().map(|c| (c.name.clone(), c.value.clone())).collect();
                    self.replacement_records(&altered.resource(), &new, ctx.origin)
                }
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
        let response = AlterConfigsResponse { responses, ..Default::default() };
        ControllerResult::atomic(records.into_vec(), response).unless(request.validate_only)
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

fn refused(request: &AlterConfigsRequest, error: &ApiError) -> ControllerResult<AlterConfigsResponse> {
    let responses = request.resources.iter().map(|altered| response(altered, error)).collect();
    ControllerResult::answer(AlterConfigsResponse { responses, ..Default::default() })
}
