//! What an event in a group's life has at hand.

use std::sync::Arc;

use ottla_metadata::MetadataImage;

use crate::config::GroupCoordinatorConfig;
use crate::group::GroupConfig;
use crate::result::CoordinatorResult;

/// Surroundings of a group of any type.
pub(crate) struct Env<'a> {
    pub config: &'a GroupCoordinatorConfig,
    pub image: &'a Arc<MetadataImage>,
    pub now_ms: i64,
    pub out: &'a mut CoordinatorResult,
}

impl Env<'_> {
    /// The settings of a group.
    pub fn group_config(&self, group_id: &str) -> GroupConfig<'_> {
        GroupConfig::new(self.config, self.image, group_id)
    }
}
