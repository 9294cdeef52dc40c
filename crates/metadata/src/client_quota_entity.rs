//! Whom a quota limits (`ClientQuotaEntity`, KIP-546).

use std::collections::BTreeMap;
use std::fmt;

use ottla_protocol::Str;
use ottla_protocol::messages::client_quota_record::EntityData;

use crate::detach;

/// A combination of entity types (`user`, `client-id`, `ip`) and names; no name stands for the default of the type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientQuotaEntity(pub BTreeMap<Str, Option<Str>>);

/// Entity type of users.
pub const USER: &str = "user";
/// Entity type of client ids.
pub const CLIENT_ID: &str = "client-id";
/// Entity type of addresses.
pub const IP: &str = "ip";

impl ClientQuotaEntity {
    pub(crate) fn from_record(entity: &[EntityData]) -> Self {
        let part =
            |data: &EntityData| (detach::str(&data.entity_type), detach::option(data.entity_name.as_ref()));
        Self(entity.iter().map(part).collect())
    }

    /// As in a ClientQuotaRecord.
    pub fn to_record(&self) -> Vec<EntityData> {
        let part = |(entity_type, entity_name): (&Str, &Option<Str>)| EntityData {
            entity_type: entity_type.clone(),
            entity_name: entity_name.clone(),
        };
        self.0.iter().map(part).collect()
    }
}

/// As Java prints it; error messages carry it.
impl fmt::Display for ClientQuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientQuotaEntity(entries={")?;
        for (at, (entity_type, name)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{entity_type}={}", name.as_deref().unwrap_or("null"))?;
        }
        f.write_str("})")
    }
}
