//! Delegation tokens (`DelegationTokenImage`).

use std::sync::Arc;

use ottla_protocol::Str;
use ottla_protocol::messages::DelegationTokenRecord;

use super::PersistentMap;
use crate::{DelegationToken, ImageWriterOptions, UnwritableMetadata, VersionedRecord};

/// Delegation tokens by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokensImage(PersistentMap<Str, Arc<DelegationToken>>);

impl DelegationTokensImage {
    /// The token of an id.
    pub fn get(&self, id: &str) -> Option<&Arc<DelegationToken>> {
        self.0.get(id)
    }

    /// All tokens, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DelegationToken>> {
        self.0.values()
    }

    pub(super) fn set(&mut self, record: &DelegationTokenRecord) {
        let token = DelegationToken::from_record(record);
        self.0.insert_mut(token.token_id.clone(), Arc::new(token));
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove_mut(id);
    }

    pub(super) fn write(
        &self,
        options: &ImageWriterOptions,
        out: &mut dyn FnMut(VersionedRecord),
    ) -> Result<(), UnwritableMetadata> {
        if !self.0.is_empty() && !options.metadata_version.is_delegation_token_supported() {
            return Err(options.loss("delegation tokens"));
        }
        self.iter().for_each(|token| out(token.to_record()));
        Ok(())
    }
}
