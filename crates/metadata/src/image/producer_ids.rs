//! Producer ids (`ProducerIdsImage`).

use ottla_protocol::messages::ProducerIdsRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::{ReplayError, VersionedRecord};

/// Which producer ids were given out to brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerIdsImage {
    next: Option<i64>,
}

impl ProducerIdsImage {
    /// The first id that nobody has; 0 at first.
    pub fn next_producer_id(&self) -> i64 {
        self.next.unwrap_or(0)
    }

    pub(super) fn replay(&mut self, record: &ProducerIdsRecord) -> Result<(), ReplayError> {
        let next = record.next_producer_id;
        if let Some(current) = self.next.filter(|current| next <= *current) {
            return Err(ReplayError::ProducerIdsGoBack { next, current });
        }
        self.next = Some(next);
        Ok(())
    }

    pub(super) fn write(&self, out: &mut dyn FnMut(VersionedRecord)) {
        if let Some(next_producer_id) = self.next.filter(|next| *next >= 0) {
            let record = ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id };
            out((MetadataRecord::ProducerIds(record), 0));
        }
    }
}
