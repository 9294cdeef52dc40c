//! ControllerRegistration (key 70): `ClusterControlManager.registerController` (KIP-919).

use ottla_metadata::SecurityProtocol;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::register_controller_record::{ControllerEndpoint, ControllerFeature};
use ottla_protocol::messages::{
    ControllerRegistrationRequest, ControllerRegistrationResponse, RegisterControllerRecord,
};

use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// ControllerRegistration.
    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<ControllerRegistrationResponse> {
        if let Err(error) = self.check_controller(request) {
            return ControllerResult::answer(ControllerRegistrationResponse {
                error_code: error.error_code(),
                error_message: error.error_message(),
                ..Default::default()
            });
        }
        let end_points = request.listeners.iter().map(|listener| ControllerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        });
        let features = request.features.iter().map(|feature| ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        });
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: end_points.collect(),
            features: features.collect(),
        };
        let response = ControllerRegistrationResponse { error_message: None, ..Default::default() };
        ControllerResult::atomic(vec![(MetadataRecord::RegisterController(record), 0)], response)
    }

    fn check_controller(&self, request: &ControllerRegistrationRequest) -> Result<(), ApiError> {
        if !self.metadata_version().is_controller_registration_supported() {
            return Err(ApiError::thrown(
                ErrorCode::UnsupportedVersion,
                "The current MetadataVersion is too old to support controller registrations.",
            ));
        }
        let is_fine = request.listeners.iter().all(|listener| {
            !listener.name.is_empty() && SecurityProtocol::from_code(listener.security_protocol).is_some()
        });
        if is_fine { Ok(()) } else { Err(ApiError::bare(ErrorCode::UnknownServerError)) }
    }
}
