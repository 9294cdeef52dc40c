//! The cluster's metadata: what the records of `__cluster_metadata` mean.
//!
//! Pure: records in, images out. No clock, no file, no socket.
//!
//! - [`MetadataImage`]: everything the log says up to an offset; immutable once shared, cheap to clone.
//! - [`MetadataDelta`]: from one image to the next, and what changed.
//! - [`MetadataLoader`]: images from a log with transactions and snapshots.
//! - [`MetadataVersion`], [`feature`]: what the log may hold, and the features a cluster agrees on.
//!
//! *Invariant:* the image holds no slice of the frame that a record came in ([`MetadataImage::replay`] copies).
//!
//! *Invariant:* replaying [`MetadataImage::to_records`] on an empty image gives an equal image.

mod acl;
mod acl_filter;
mod broker_registration;
mod changes;
pub mod client_quota_entity;
mod config_resource;
mod controller_registration;
mod delegation_token;
mod delta;
mod detach;
pub mod directory_id;
mod endpoint;
pub mod feature;
pub mod image;
mod image_writer_options;
mod loader;
mod local_changes;
mod metadata_version;
mod partition_registration;
mod replay_error;
mod scram_credential;
mod version_range;

pub use acl::{AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl};
pub use acl_filter::{AclFilter, WILDCARD_RESOURCE};
pub use broker_registration::{BrokerRegistration, FENCE, IN_CONTROLLED_SHUTDOWN, UNFENCE};
pub use changes::MetadataChanges;
pub use client_quota_entity::ClientQuotaEntity;
pub use config_resource::{ConfigResource, ConfigResourceType};
pub use controller_registration::ControllerRegistration;
pub use delegation_token::DelegationToken;
pub use delta::MetadataDelta;
pub use endpoint::{Endpoint, SecurityProtocol};
pub use image::{ConfigMap, MetadataImage, MetadataProvenance, TopicImage};
pub use image_writer_options::{ImageWriterOptions, UnwritableMetadata, VersionedRecord};
pub use loader::{MetadataLoader, PublishedImage, SupportedConfigChecker};
pub use local_changes::{DeletedReplica, LocalReplica, LocalReplicaChanges};
pub use metadata_version::{MetadataVersion, UnknownMetadataVersion};
pub use partition_registration::{
    LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, NO_RECOVERY_STATE_CHANGE, PartitionRegistration,
};
pub use replay_error::ReplayError;
pub use scram_credential::{ScramCredential, ScramMechanism};
pub use version_range::VersionRange;
