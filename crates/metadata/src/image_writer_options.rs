//! How an image is written as records (`ImageWriterOptions`).

use ottla_protocol::messages::metadata::MetadataRecord;

use crate::MetadataVersion;

/// A record and the version it is encoded in.
pub type VersionedRecord = (MetadataRecord, i16);

/// For which metadata version records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageWriterOptions {
    /// The version that decides what may be written, and in which record versions.
    pub metadata_version: MetadataVersion,
    /// Whether eligible leader replicas are written.
    pub is_elr_enabled: bool,
}

/// An image holds what the records of a metadata version can't say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Metadata has been lost because the following could not be represented in metadata.version {version}: {loss}"
)]
pub struct UnwritableMetadata {
    /// The version.
    pub version: MetadataVersion,
    /// What would be lost.
    pub loss: &'static str,
}

impl ImageWriterOptions {
    pub(crate) fn loss(&self, loss: &'static str) -> UnwritableMetadata {
        UnwritableMetadata { version: self.metadata_version, loss }
    }
}
