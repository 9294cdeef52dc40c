//! Client quotas (`ClientQuotasImage`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_protocol::Str;
use ottla_protocol::messages::ClientQuotaRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use super::PersistentMap;
use crate::{ClientQuotaEntity, VersionedRecord, detach};

/// The limits of one entity, by key, such as `producer_byte_rate`.
pub type ClientQuotas = BTreeMap<Str, f64>;

/// Client quotas by entity. An entity without any is not in the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage(PersistentMap<ClientQuotaEntity, Arc<ClientQuotas>>);

impl ClientQuotasImage {
    /// The limits of an entity.
    pub fn get(&self, entity: &ClientQuotaEntity) -> Option<&Arc<ClientQuotas>> {
        self.0.get(entity)
    }

    /// All entities with limits, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ClientQuotaEntity, &Arc<ClientQuotas>)> {
        self.0.iter()
    }

    pub(super) fn replay(&mut self, record: &ClientQuotaRecord) {
        let entity = ClientQuotaEntity::from_record(&record.entity);
        let mut quotas = self.get(&entity).map(|quotas| (**quotas).clone()).unwrap_or_default();
        if record.remove {
            quotas.remove(&*record.key);
        } else {
            quotas.insert(detach::str(&record.key), record.value);
        }
        if quotas.is_empty() {
            self.0.remove_mut(&entity);
        } else {
            self.0.insert_mut(entity, Arc::new(quotas));
        }
    }

    pub(super) fn write(&self, out: &mut dyn FnMut(VersionedRecord)) {
        for (entity, quotas) in self.iter() {
            for (key, value) in quotas.iter() {
                let record = ClientQuotaRecord {
                    entity: entity.to_record(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                };
                out((MetadataRecord::ClientQuota(record), 0));
            }
        }
    }
}
