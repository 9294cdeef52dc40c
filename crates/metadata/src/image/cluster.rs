//! Brokers and controllers (`ClusterImage`).

use std::sync::Arc;

use ottla_protocol::messages::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, UnregisterBrokerRecord,
};

use super::PersistentMap;
use crate::{
    BrokerRegistration, ControllerRegistration, ImageWriterOptions, ReplayError, UnwritableMetadata,
    VersionedRecord,
};

/// Registered brokers and controllers, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterImage {
    brokers: PersistentMap<i32, Arc<BrokerRegistration>>,
    controllers: PersistentMap<i32, Arc<ControllerRegistration>>,
}

impl ClusterImage {
    /// A broker.
    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// All brokers, fenced ones included, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// Epoch of a broker; -1 when it is not registered.
    pub fn broker_epoch(&self, id: i32) -> i64 {
        self.broker(id).map_or(-1, |broker| broker.epoch)
    }

    /// Whether a broker is registered and not fenced.
    pub fn is_unfenced(&self, id: i32) -> bool {
        self.broker(id).is_some_and(|broker| !broker.fenced)
    }

    /// Whether a broker is registered, not fenced and not about to stop.
    pub fn is_active(&self, id: i32) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// A controller.
    pub fn controller(&self, id: i32) -> Option<&Arc<ControllerRegistration>> {
        self.controllers.get(&id)
    }

    /// All controllers, by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.controllers.values()
    }

    pub(super) fn register_broker(&mut self, record: &RegisterBrokerRecord) -> Result<(), ReplayError> {
        let broker = BrokerRegistration::from_record(record)?;
        self.brokers.insert_mut(broker.id, Arc::new(broker));
        Ok(())
    }

    fn broker_of_epoch(&self, id: i32, epoch: i64) -> Result<&BrokerRegistration, ReplayError> {
        let broker = self.broker(id).ok_or(ReplayError::UnknownBroker { id })?;
        if broker.epoch != epoch {
            return Err(ReplayError::BrokerEpochMismatch { id, epoch, current: broker.epoch });
        }
        Ok(broker)
    }

    pub(super) fn unregister_broker(&mut self, record: &UnregisterBrokerRecord) -> Result<(), ReplayError> {
        self.broker_of_epoch(record.broker_id, record.broker_epoch)?;
        self.brokers.remove_mut(&record.broker_id);
        Ok(())
    }

    pub(super) fn fence(&mut self, id: i32, epoch: i64, fenced: bool) -> Result<(), ReplayError> {
        let broker = BrokerRegistration { fenced, ..self.broker_of_epoch(id, epoch)?.clone() };
        self.brokers.insert_mut(id, Arc::new(broker));
        Ok(())
    }

    pub(super) fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ReplayError> {
        let broker = self.broker_of_epoch(record.broker_id, record.broker_epoch)?.merge(record)?;
        self.brokers.insert_mut(record.broker_id, Arc::new(broker));
        Ok(())
    }

    pub(super) fn register_controller(
        &mut self,
        record: &RegisterControllerRecord,
    ) -> Result<(), ReplayError> {
        let controller = ControllerRegistration::from_record(record)?;
        self.controllers.insert_mut(controller.id, Arc::new(controller));
        Ok(())
    }

    pub(super) fn write(
        &self,
        options: &ImageWriterOptions,
        out: &mut dyn FnMut(VersionedRecord),
    ) -> Result<(), UnwritableMetadata> {
        for broker in self.brokers() {
            out(broker.to_record(options)?);
        }
        if !self.controllers.is_empty() && !options.metadata_version.is_controller_registration_supported() {
            return Err(options.loss("controller registration data"));
        }
        self.controllers().for_each(|controller| out(controller.to_record()));
        Ok(())
    }
}
