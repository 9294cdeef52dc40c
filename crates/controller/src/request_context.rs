//! What a request brings along beside itself (`ControllerRequestContext`).

use ottla_metadata::MetadataImage;
use ottla_protocol::Uuid;

use crate::ApiError;
use ottla_protocol::ErrorCode;

/// Which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOrigin {
    /// To the broker half of this very node: what a broker checks before it forwards is done here.
    Broker,
    /// Through another broker, which has done its checks.
    Forwarded,
    /// Straight to the controller's listener.
    Controller,
}

/// Time, randomness and origin of one request.
pub struct RequestContext<'a> {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Version of the request.
    pub api_version: i16,
    /// Which way it came.
    pub origin: RequestOrigin,
    /// Gives random version 4 UUIDs: ids of topics, access control entries and delegation tokens.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
    /// Decides where replicas are placed first.
    pub seed: u64,
    /// Asked for the creation or deletion of so many partitions of one topic, if a quota holds: whether they may be
    /// (KIP-599).
    pub partition_changes: Option<PartitionChangeQuota>,
}

/// Says whether a quota allows the creation or deletion of so many partitions, and takes note of them.
pub type PartitionChangeQuota = Box<dyn FnMut(usize) -> bool + Send>;

impl RequestContext<'_> {
    /// Asks the quota for the creation or deletion of a topic's partitions
    /// (`ControllerRequestContext.applyPartitionChangeQuota`).
    pub(crate) fn apply_partition_change_quota(&mut self, partitions: usize) -> Result<(), ApiError> {
        match self.partition_changes.as_mut().is_none_or(|quota| quota(partitions)) {
            true => Ok(()),
            false => Err(ApiError::bare(ErrorCode::ThrottlingQuotaExceeded)),
        }
    }

    /// An id that no topic has, that is not reserved, and whose text begins with no hyphen.
    pub(crate) fn new_topic_id(&mut self, image: &MetadataImage) -> Result<Uuid, ApiError> {
        self.fresh_id(|id| image.topics.topic_by_id(id).is_some())
    }

    /// An id that no access control entry has.
    pub(crate) fn new_acl_id(&mut self, image: &MetadataImage) -> Result<Uuid, ApiError> {
        self.fresh_id(|id| image.acls.get(id).is_some())
    }

    /// An id that no delegation token has.
    pub(crate) fn new_token_id(&mut self, image: &MetadataImage) -> Result<Uuid, ApiError> {
        self.fresh_id(|id| image.delegation_tokens.get(&id.to_string()).is_some())
    }

    fn fresh_id(&mut self, is_taken: impl Fn(Uuid) -> bool) -> Result<Uuid, ApiError> {
        // Two tries are next to impossible with a random source; a broken one must not hang the controller.
        for _ in 0..1_000 {
            let id = (self.new_id)();
            let is_usable = id != Uuid::ZERO && id != Uuid::ONE && !id.to_string().starts_with('-');
            if is_usable && !is_taken(id) {
                return Ok(id);
            }
        }
        Err(ApiError::bare(ErrorCode::UnknownServerError))
    }
}
