//! BrokerRegistration (key 62): `ClusterControlManager.registerBroker` (KIP-631).

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::feature::KRAFT_VERSION_NAME;
use ottla_metadata::{
    BrokerRegistration, MetadataVersion, SecurityProtocol, VersionRange, VersionedRecord, directory_id,
};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use ottla_protocol::messages::{BrokerRegistrationRequest, BrokerRegistrationResponse, RegisterBrokerRecord};
use ottla_protocol::{ErrorCode, Str};

use crate::{ApiError, Controller, ControllerResult, RequestContext};

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::thrown(ErrorCode::InvalidRegistration, message)
}

impl Controller {
    /// BrokerRegistration. A new process of a broker gets a new epoch: the log's end offset when it registers.
    pub fn register_broker(
        &mut self,
        request: &BrokerRegistrationRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<BrokerRegistrationResponse> {
        match self.try_register_broker(request, ctx) {
            Ok((records, broker_epoch)) => ControllerResult::of(
                records,
                BrokerRegistrationResponse { broker_epoch, ..Default::default() },
            ),
            Err(error) => ControllerResult::answer(BrokerRegistrationResponse {
                error_code: error.error_code(),
                ..Default::default()
            }),
        }
    }

    fn try_register_broker(
        &mut self,
        request: &BrokerRegistrationRequest,
        ctx: &mut RequestContext<'_>,
    ) -> Result<(Vec<VersionedRecord>, i64), ApiError> {
        let Some(sessions) = &self.sessions else { return Err(ApiError::bare(ErrorCode::NotController)) };
        if *request.cluster_id != self.options.cluster_id {
            let message = format!(
                "Expected cluster ID {}, but got cluster ID {}",
                self.options.cluster_id, request.cluster_id
            );
            return Err(ApiError::thrown(ErrorCode::InconsistentClusterId, message));
        }
        let existing = self.state.image.cluster.broker(request.broker_id).cloned();
        let is_same_process =
            existing.as_ref().is_some_and(|broker| broker.incarnation_id == request.incarnation_id);
        let is_alive =
            |broker: &BrokerRegistration| sessions.has_valid_session(broker.id, broker.epoch, ctx.now_ms);
        if !is_same_process && existing.as_deref().is_some_and(is_alive) {
            return Err(ApiError::thrown(
                ErrorCode::DuplicateBrokerRegistration,
                "Another broker is registered with that broker id. If the broker was recently restarted this should \
                 self-resolve once the heartbeat manager expires the broker's session.",
            ));
        }
        if request.is_migrating_zk_broker {
            let message = "Controller does not support registering ZK brokers.";
            return Err(ApiError::thrown(ErrorCode::BrokerIdNotRegistered, message));
        }
        self.check_directories(request)?;
        check_listeners(request)?;
        let features = self.registration_features(request)?;
        let mut records = Vec::new();
        let mut record = registration_record(request, features);
        if self.metadata_version().is_directory_assignment_supported() {
            record.log_dirs.clone_from(&request.log_dirs);
        }
        match existing.filter(|_| is_same_process) {
            Some(broker) => {
                record.fenced = broker.fenced;
                record.in_controlled_shutdown = broker.in_controlled_shutdown;
                record.broker_epoch = broker.epoch;
            }
            None => {
                // Clean means: the epoch that the broker wrote down when it stopped is the one we know.
                let stored_epoch = self.state.image.cluster.broker(request.broker_id).map_or(-2, |b| b.epoch);
                let is_clean = ctx.api_version >= 3 && stored_epoch == request.previous_broker_epoch;
                self.handle_broker_shutdown(request.broker_id, is_clean, &mut records);
                record.broker_epoch = self.next_write_offset;
            }
        }
        let broker_epoch = record.broker_epoch;
        let fenced = record.fenced;
        let version = self.metadata_version().register_broker_record_version();
        records.push((MetadataRecord::RegisterBroker(record), version));
        if let Some(sessions) = &mut self.sessions {
            if !is_same_process {
                sessions.remove(request.broker_id);
            }
            sessions.register(request.broker_id, fenced);
        }
        Ok((records, broker_epoch))
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), ApiError> {
        if !self.metadata_version().is_directory_assignment_supported() {
            return Ok(());
        }
        if request.log_dirs.is_empty() {
            return Err(invalid("No directories specified in request"));
        }
        if request.log_dirs.iter().any(|directory| directory_id::is_reserved(*directory)) {
            return Err(invalid("Reserved directory ID in request"));
        }
        if request.log_dirs.iter().collect::<BTreeSet<_>>().len() != request.log_dirs.len() {
            return Err(invalid("Duplicate directory ID in request"));
        }
        for directory in &request.log_dirs {
            if let Some(other) =
                self.state.broker_of_directory(*directory).filter(|id| *id != request.broker_id)
            {
                return Err(invalid(format!(
                    "Broker {other} is already registered with directory {directory}"
                )));
            }
        }
        Ok(())
    }

    /// The features of a registration, if the broker supports all that is finalized.
    fn registration_features(
        &self,
        request: &BrokerRegistrationRequest,
    ) -> Result<Vec<BrokerFeature>, ApiError> {
        let mut finalized: BTreeMap<Str, i16> = self.state.image.features.all().collect();
        finalized.insert(Str::from_static(KRAFT_VERSION_NAME), self.options.kraft_version);
        let check = |name: &str, range: VersionRange| {
            let level = finalized.get(name).copied().unwrap_or(0);
            if range.contains(level) {
                return Ok(());
            }
            let message = format!(
                "Unable to register because the broker does not support finalized version {level} of {name}. The \
                 broker wants a version between {} and {}, inclusive.",
                range.min, range.max
            );
            Err(ApiError::thrown(ErrorCode::UnsupportedVersion, message))
        };
        for feature in &request.features {
            check(
                &feature.name,
                VersionRange::new(feature.min_supported_version, feature.max_supported_version),
            )?;
        }
        let has = |name: &str| request.features.iter().any(|feature| feature.name == name);
        if !has(MetadataVersion::FEATURE_NAME) {
            return Err(invalid("Request features do not contain 'metadata.version'"));
        }
        for name in finalized.keys().filter(|name| !has(name)) {
            check(name, VersionRange::DISABLED)?;
        }
        let record =
            |feature: &ottla_protocol::messages::broker_registration_request::Feature| BrokerFeature {
                name: feature.name.clone(),
                min_supported_version: feature.min_supported_version,
                max_supported_version: feature.max_supported_version,
            };
        Ok(request.features.iter().map(record).collect())
    }
}

/// What can't stand in a record must not come so far as to be written.
fn check_listeners(request: &BrokerRegistrationRequest) -> Result<(), ApiError> {
    let is_fine = |listener: &ottla_protocol::messages::broker_registration_request::Listener| {
        !listener.name.is_empty()
            && !listener.host.trim().is_empty()
            && listener.port != 0
            && SecurityProtocol::from_code(listener.security_protocol).is_some()
    };
    if request.listeners.iter().all(is_fine) {
        Ok(())
    } else {
        Err(ApiError::bare(ErrorCode::UnknownServerError))
    }
}

fn registration_record(
    request: &BrokerRegistrationRequest,
    features: Vec<BrokerFeature>,
) -> RegisterBrokerRecord {
    let end_points = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        end_points: end_points.collect(),
        features,
        rack: request.rack.clone(),
        ..RegisterBrokerRecord::default()
    }
}

#[cfg(test)]
#[path = "brokers_test.rs"]
mod brokers_test;
