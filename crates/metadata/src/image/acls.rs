//! Access control entries (`AclsImage`).

use ottla_protocol::Uuid;
use ottla_protocol::messages::AccessControlEntryRecord;

use super::PersistentMap;
use crate::{ReplayError, StandardAcl, VersionedRecord};

/// Access control entries by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AclsImage(PersistentMap<Uuid, StandardAcl>);

impl AclsImage {
    /// The entry of an id.
    pub fn get(&self, id: Uuid) -> Option<&StandardAcl> {
        self.0.get(&id)
    }

    /// All entries, by id.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &StandardAcl)> {
        self.0.iter().map(|(id, acl)| (*id, acl))
    }

    pub(super) fn add(&mut self, record: &AccessControlEntryRecord) {
        self.0.insert_mut(record.id, StandardAcl::from_record(record));
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Result<(), ReplayError> {
        if self.0.remove_mut(&id) { Ok(()) } else { Err(ReplayError::UnknownAcl { id }) }
    }

    pub(super) fn write(&self, out: &mut dyn FnMut(VersionedRecord)) {
        self.iter().for_each(|(id, acl)| out(acl.to_record(id)));
    }
}
