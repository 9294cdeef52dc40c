//! Configurations (`ConfigurationsImage`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_protocol::Str;
use ottla_protocol::messages::ConfigRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use super::PersistentMap;
use crate::{ConfigResource, ConfigResourceType, VersionedRecord, detach};

/// Values of one resource, by key.
pub type ConfigMap = BTreeMap<Str, Str>;

/// The configurations that were set, by resource. A resource without any is not in the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigurationsImage(PersistentMap<ConfigResource, Arc<ConfigMap>>);

static NONE: ConfigMap = ConfigMap::new();

impl ConfigurationsImage {
    /// What is set for a resource.
    pub fn get(&self, resource: &ConfigResource) -> &ConfigMap {
        self.0.get(resource).map_or(&NONE, |configs| configs)
    }

    /// One value of a resource.
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&Str> {
        self.get(resource).get(key)
    }

    /// Every resource for which something is set, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<ConfigMap>)> {
        self.0.iter()
    }

    pub(crate) fn resource_of(record: &ConfigRecord) -> ConfigResource {
        let resource_type = ConfigResourceType::from_code(record.resource_type);
        ConfigResource { resource_type, name: detach::str(&record.resource_name) }
    }

    pub(super) fn replay(&mut self, record: &ConfigRecord) {
        let resource = Self::resource_of(record);
        let mut configs = self.get(&resource).clone();
        match &record.value {
            Some(value) => configs.insert(detach::str(&record.name), detach::str(value)),
            None => configs.remove(&*record.name),
        };
        if configs.is_empty() {
            self.0.remove_mut(&resource);
        } else {
            self.0.insert_mut(resource, Arc::new(configs));
        }
    }

    pub(super) fn remove_topic(&mut self, name: &Str) {
        self.0.remove_mut(&ConfigResource::topic(name.clone()));
    }

    pub(super) fn write(&self, out: &mut dyn FnMut(VersionedRecord)) {
        for (resource, configs) in self.iter() {
            for (name, value) in configs.iter() {
                let record = ConfigRecord {
                    resource_type: resource.resource_type.code(),
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                };
                out((MetadataRecord::Config(record), 0));
            }
        }
    }
}
