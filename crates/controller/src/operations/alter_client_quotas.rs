//! AlterClientQuotas (key 49): `ClientQuotaControlManager.alterClientQuotas` (KIP-546).
//!
//! Deviation: an `ip` entity is an address; Kafka also takes host names that it can resolve.

use std::collections::BTreeMap;

use ottla_metadata::client_quota_entity::{CLIENT_ID, IP, USER};
use ottla_metadata::{ClientQuotaEntity, VersionedRecord};
use ottla_protocol::Str;
use ottla_protocol::messages::alter_client_quotas_request::EntryData;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ClientQuotaRecord, alter_client_quotas_response,
};

use crate::controller_result::BoundedRecords;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

/// What values a quota takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuotaType {
    Double,
    Int,
    Long,
}

const USER_AND_CLIENT_QUOTAS: &[(&str, QuotaType)] = &[
    ("producer_byte_rate", QuotaType::Long),
    ("consumer_byte_rate", QuotaType::Long),
    ("request_percentage", QuotaType::Double),
    ("controller_mutation_rate", QuotaType::Double),
];

const IP_QUOTAS: &[(&str, QuotaType)] = &[("connection_creation_rate", QuotaType::Int)];

impl Controller {
    /// AlterClientQuotas. Each entity succeeds or fails as a whole.
    pub fn alter_client_quotas(
        &self,
        request: &AlterClientQuotasRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<AlterClientQuotasResponse> {
        let mut records = BoundedRecords::default();
        let mut results: Vec<(ClientQuotaEntity, ApiError)> = Vec::new();
        for entry in &request.entries {
            let entity = entity_of(entry);
            if let Some((_, error)) = results.iter_mut().find(|(known, _)| *known == entity) {
                *error = ApiError::invalid_request(format!("Ignoring duplicate entity {entity}"));
                continue;
            }
            let altered = self.quota_records(&entity, entry);
            results.push((entity, ApiError::of(&altered).clone()));
            if let Err(error) = records.extend(altered.unwrap_or_default()) {
                let error = ApiError::with_default_message(error.code);
                let all = request.entries.iter().map(|entry| (entity_of(entry), error.clone()));
                return ControllerResult::answer(response(all.collect()));
            }
        }
        ControllerResult::atomic(records.into_vec(), response(results)).unless(request.validate_only)
    }

    fn quota_records(
        &self,
        entity: &ClientQuotaEntity,
        entry: &EntryData,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let mut changes: BTreeMap<&Str, Option<f64>> = BTreeMap::new();
        for op in &entry.ops {
            if changes.insert(&op.key, (!op.remove).then_some(op.value)).is_some() {
                // Kafka means to name the key, but this is what it says.
                return Err(ApiError::invalid_request(format!("Ignoring duplicate entity {entity}")));
            }
        }
        let quotas = quotas_of(entity)?;
        let current = self.state.image.client_quotas.get(entity);
        let mut records = Vec::new();
        for (key, value) in changes {
            let present = current.and_then(|current| current.get(key)).copied();
            let (value, remove) = match value {
                Some(value) => {
                    check_value(quotas, key, value)?;
                    (value, false)
                }
                None => (0.0, true),
            };
            if if remove { present.is_some() } else { present != Some(value) } {
                let record =
                    ClientQuotaRecord { entity: entity.to_record(), key: key.clone(), value, remove };
                records.push((MetadataRecord::ClientQuota(record), 0));
            }
        }
        Ok(records)
    }
}

fn entity_of(entry: &EntryData) -> ClientQuotaEntity {
    let parts = entry.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone()));
    ClientQuotaEntity(parts.collect())
}

/// The quotas that an entity can have, if it is one.
fn quotas_of(entity: &ClientQuotaEntity) -> Result<&'static [(&'static str, QuotaType)], ApiError> {
    if entity.0.is_empty() {
        return Err(ApiError::invalid_request("Invalid empty client quota entity"));
    }
    for (entity_type, name) in &entity.0 {
        if ![USER, CLIENT_ID, IP].contains(&&**entity_type) {
            let message = format!("Unhandled client quota entity type: {entity_type}");
            return Err(ApiError::invalid_request(message));
        }
        if name.as_ref().is_some_and(|name| name.is_empty()) {
            return Err(ApiError::invalid_request(format!("Empty {entity_type} not supported")));
        }
    }
    let Some(address) = entity.0.get(IP) else { return Ok(USER_AND_CLIENT_QUOTAS) };
    if entity.0.len() > 1 {
        return Err(ApiError::invalid_request(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ));
    }
    match address {
        Some(address) if address.parse::<std::net::IpAddr>().is_err() => {
            Err(ApiError::invalid_request(format!("{address} is not a valid IP or resolvable host.")))
        }
        _ => Ok(IP_QUOTAS),
    }
}

fn check_value(quotas: &[(&str, QuotaType)], key: &str, value: f64) -> Result<(), ApiError> {
    let invalid = |message| Err(ApiError::invalid_request(message));
    let Some((_, quota_type)) = quotas.iter().find(|(name, _)| *name == key) else {
        return invalid(format!("Invalid configuration key {key}"));
    };
    if value.is_nan() || value <= 0.0 {
        return invalid(format!("Quota {key} must be greater than 0"));
    }
    let (max, article) = match quota_type {
        QuotaType::Double => return Ok(()),
        QuotaType::Int => (f64::from(i32::MAX), "an INT"),
        QuotaType::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        return invalid(format!("Proposed value for {key} is too large for {article}."));
    }
    if (value % 1.0).abs() > 1e-6 {
        return invalid(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}

fn response(results: Vec<(ClientQuotaEntity, ApiError)>) -> AlterClientQuotasResponse {
    let part =
        |(entity_type, entity_name)| alter_client_quotas_response::EntityData { entity_type, entity_name };
    let entry = |(entity, error): (ClientQuotaEntity, ApiError)| alter_client_quotas_response::EntryData {
        error_code: error.error_code(),
        error_message: error.error_message(),
        entity: entity.0.into_iter().map(part).collect(),
    };
    AlterClientQuotasResponse { entries: results.into_iter().map(entry).collect(), ..Default::default() }
}

#[cfg(test)]
#[path = "alter_client_quotas_test.rs"]
mod alter_client_quotas_test;
