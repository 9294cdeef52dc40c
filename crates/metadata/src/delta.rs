//! From one image to the next (`MetadataDelta`).

use ottla_protocol::messages::metadata::MetadataRecord;

use crate::changes::Touched;
use crate::image::{MetadataImage, MetadataProvenance};
use crate::{MetadataChanges, ReplayError};

/// An image under change: the image it began with, and the one that the records replayed so far lead to.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    base: MetadataImage,
    image: MetadataImage,
    touched: Touched,
    records: usize,
}

impl MetadataDelta {
    /// Nothing replayed yet.
    pub fn new(base: &MetadataImage) -> Self {
        Self { base: base.clone(), image: base.clone(), touched: Touched::default(), records: 0 }
    }

    /// Begins a snapshot that replaces all of `base`: what its records do not mention is gone.
    pub fn for_snapshot(base: &MetadataImage) -> Self {
        let mut touched = Touched::default();
        touched.note_all(base);
        Self { base: base.clone(), image: MetadataImage::default(), touched, records: 0 }
    }

    /// Applies one record.
    ///
    /// # Errors
    /// As [`MetadataImage::replay`].
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        self.touched.note(&self.image, record);
        self.image.replay(record)?;
        self.records += 1;
        Ok(())
    }

    /// How many records were replayed.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The image it began with.
    pub fn base(&self) -> &MetadataImage {
        &self.base
    }

    /// The image so far.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// What differs between the two so far.
    pub fn changes(&self) -> MetadataChanges {
        MetadataChanges::between(&self.base, &self.image, &self.touched)
    }

    /// Whether records are about configurations of brokers, if only to say again what they are: the files that they name may hold something
    /// new.
    pub fn names_broker_configs(&self) -> bool {
        self.touched.names_broker_configs()
    }

    /// The new image.
    pub fn apply(self, provenance: MetadataProvenance) -> MetadataImage {
        MetadataImage { provenance, ..self.image }
    }

    /// Appends the records of a delta that began with this one's image.
    pub(crate) fn append(&mut self, later: Self) {
        self.image = later.image;
        self.touched.merge(later.touched);
        self.records += later.records;
    }

    pub(crate) fn set_provenance(&mut self, provenance: MetadataProvenance) {
        self.image.provenance = provenance;
    }
}
