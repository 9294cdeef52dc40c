//! The answer to DescribeClientQuotas (`ClientQuotasImage.describe`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::DescribeClientQuotasRequest;
use ottla_protocol::messages::describe_client_quotas_request::ComponentData;
use ottla_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use ottla_protocol::{ErrorCode, Str};

use super::{ClientQuotas, ClientQuotasImage};
use crate::ClientQuotaEntity;
use crate::client_quota_entity::{CLIENT_ID, IP, USER};

/// Match type of a component: the given name.
const MATCH_EXACT: i8 = 0;
/// Match type of a component: the default of the type.
const MATCH_DEFAULT: i8 = 1;
/// Match type of a component: any name.
const MATCH_SPECIFIED: i8 = 2;

/// A filter that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidClientQuotaFilter {
    /// INVALID_REQUEST or UNSUPPORTED_VERSION.
    pub code: ErrorCode,
    /// Kafka's text.
    pub message: String,
}

fn invalid<T>(message: impl Into<String>) -> Result<T, InvalidClientQuotaFilter> {
    Err(InvalidClientQuotaFilter { code: ErrorCode::InvalidRequest, message: message.into() })
}

#[derive(Default)]
struct Filter {
    /// Types whose name, or default, is asked for.
    exact: BTreeMap<Str, Option<Str>>,
    /// Types that must be there.
    types: BTreeSet<Str>,
    strict: bool,
}

impl Filter {
    fn new(request: &DescribeClientQuotasRequest) -> Result<Self, InvalidClientQuotaFilter> {
        let mut filter = Self { strict: request.strict, ..Self::default() };
        request.components.iter().try_for_each(|component| filter.add(component))?;
        if filter.has(IP) && (filter.has(USER) || filter.has(CLIENT_ID)) {
            return invalid(
                "Invalid entity filter component combination. IP filter component should not be used with \
                 user or clientId filter component.",
            );
        }
        Ok(filter)
    }

    fn has(&self, entity_type: &str) -> bool {
        self.exact.contains_key(entity_type) || self.types.contains(entity_type)
    }

    fn add(&mut self, component: &ComponentData) -> Result<(), InvalidClientQuotaFilter> {
        let entity_type = &component.entity_type;
        if entity_type.is_empty() {
            return invalid("Invalid empty entity type.");
        }
        if self.has(entity_type) {
            return invalid(format!("Entity type {entity_type} cannot appear more than once in the filter."));
        }
        if ![USER, CLIENT_ID, IP].contains(&&**entity_type) {
            let message = format!("Unsupported entity type {entity_type}");
            return Err(InvalidClientQuotaFilter { code: ErrorCode::UnsupportedVersion, message });
        }
        let name = component.match_.clone();
        match (component.match_type, &name) {
            (MATCH_EXACT, None) => {
                return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.");
            }
            (MATCH_DEFAULT, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
            }
            (MATCH_SPECIFIED, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
            }
            (MATCH_EXACT | MATCH_DEFAULT, _) => {
                self.exact.insert(entity_type.clone(), name);
            }
            (MATCH_SPECIFIED, None) => {
                self.types.insert(entity_type.clone());
            }
            (unknown, _) => return invalid(format!("Unknown match type {unknown}")),
        }
        Ok(())
    }

    fn matches(&self, entity: &ClientQuotaEntity) -> bool {
        (!self.strict || entity.0.len() == self.exact.len() + self.types.len())
            && self.exact.iter().all(|(entity_type, name)| entity.0.get(entity_type) == Some(name))
            && self.types.iter().all(|entity_type| entity.0.contains_key(entity_type))
    }
}

impl ClientQuotasImage {
    /// The entities that a filter selects, with their quotas.
    ///
    /// # Errors
    /// When the filter contradicts itself or names an unknown entity type.
    pub fn describe(
        &self,
        request: &DescribeClientQuotasRequest,
    ) -> Result<Vec<EntryData>, InvalidClientQuotaFilter> {
        let filter = Filter::new(request)?;
        let matching = self.iter().filter(|(entity, _)| filter.matches(entity));
        Ok(matching.map(|(entity, quotas)| entry(entity, quotas)).collect())
    }
}

fn entry(entity: &ClientQuotaEntity, quotas: &ClientQuotas) -> EntryData {
    let part = |(entity_type, entity_name): (&Str, &Option<Str>)| EntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
    };
    let value = |(key, value): (&Str, &f64)| ValueData { key: key.clone(), value: *value };
    EntryData { entity: entity.0.iter().map(part).collect(), values: quotas.iter().map(value).collect() }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::ClientQuotaRecord;

    use super::*;

    fn image() -> ClientQuotasImage {
        let mut image = ClientQuotasImage::default();
        let entities: [&[(&str, Option<&str>)]; 4] = [
            &[("user", Some("alice"))],
            &[("user", None)],
            &[("user", Some("alice")), ("client-id", Some("app"))],
            &[("ip", Some("10.0.0.1"))],
        ];
        for entity in entities {
            let parts = entity.iter().map(|(t, n)| (Str::from(*t), n.map(Str::from)));
            let entity = ClientQuotaEntity(parts.collect()).to_record();
            image.replay(&ClientQuotaRecord { entity, key: "k".into(), value: 1.0, remove: false });
        }
        image
    }

    fn describe(
        components: &[(&str, i8, Option<&str>)],
        strict: bool,
    ) -> Result<usize, InvalidClientQuotaFilter> {
        let component = |(entity_type, match_type, name): &(&str, i8, Option<&str>)| ComponentData {
            entity_type: Str::from(*entity_type),
            match_type: *match_type,
            match_: name.map(Str::from),
        };
        let components = components.iter().map(component).collect();
        image().describe(&DescribeClientQuotasRequest { components, strict }).map(|entries| entries.len())
    }

    #[test]
    fn filters() {
        assert_eq!(describe(&[], false), Ok(4));
        assert_eq!(describe(&[], true), Ok(0));
        assert_eq!(describe(&[("user", MATCH_EXACT, Some("alice"))], false), Ok(2));
        assert_eq!(describe(&[("user", MATCH_EXACT, Some("alice"))], true), Ok(1));
        assert_eq!(describe(&[("user", MATCH_DEFAULT, None)], false), Ok(1));
        assert_eq!(describe(&[("user", MATCH_SPECIFIED, None)], false), Ok(3));
        assert_eq!(
            describe(&[("user", MATCH_SPECIFIED, None), ("client-id", MATCH_SPECIFIED, None)], true),
            Ok(1)
        );
    }

    #[test]
    fn senseless_filters() {
        let message = |components| describe(components, false).unwrap_err().message;
        assert_eq!(message(&[("", 0, None)]), "Invalid empty entity type.");
        assert_eq!(
            message(&[("user", 2, None), ("user", 2, None)]),
            "Entity type user cannot appear more than once in the filter."
        );
        assert_eq!(describe(&[("group", 2, None)], false).unwrap_err().code, ErrorCode::UnsupportedVersion);
        assert_eq!(message(&[("user", 7, None)]), "Unknown match type 7");
        assert!(message(&[("user", 0, None)]).contains("MATCH_TYPE_EXACT"));
        assert!(message(&[("user", 2, None), ("ip", 2, None)]).starts_with("Invalid entity filter"));
    }
}
