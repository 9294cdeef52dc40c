//! DescribeClientQuotas and AlterClientQuotas (KIP-546).

use std::collections::BTreeMap;

use ottla_protocol::Str;
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_protocol::messages::describe_client_quotas_request::ComponentData;
use ottla_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};

use super::call::{To, check_controller};
use super::{Admin, AlterConfigsOptions, PerKey, TimeoutOptions};
use crate::{Error, Result};

/// Whom a quota is for (`ClientQuotaEntity`): kinds (`user`, `client-id`, `ip`) and names; no name stands for the
/// default of the kind.
pub type ClientQuotaEntity = BTreeMap<Str, Option<Str>>;

/// Which names of a kind are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This one.
    Exact(Str),
    /// The default.
    Default,
    /// Any, the default included.
    Specified,
}

/// Which quotas are meant (`ClientQuotaFilter`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientQuotaFilter {
    /// Kinds and their names.
    pub components: Vec<(Str, QuotaMatch)>,
    /// Whether entities with other kinds besides are left out.
    pub strict: bool,
}

/// A change of quotas (`ClientQuotaAlteration`).
#[derive(Clone, Debug, PartialEq)]
pub struct ClientQuotaAlteration {
    /// Whom they are for.
    pub entity: ClientQuotaEntity,
    /// Keys and values; no value takes the quota away.
    pub ops: Vec<(Str, Option<f64>)>,
}

impl Admin {
    /// The quotas that a filter fits, by entity: keys and values in the order in which the broker tells them.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, INVALID_REQUEST, UNSUPPORTED_VERSION (before 2.6), ...
    pub async fn describe_client_quotas(
        &self,
        filter: &ClientQuotaFilter,
        options: &TimeoutOptions,
    ) -> Result<BTreeMap<ClientQuotaEntity, Vec<(Str, f64)>>> {
        let build = |_| DescribeClientQuotasRequest {
            components: filter.components.iter().map(component).collect(),
            strict: filter.strict,
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeClientQuotas", To::Any, deadline, build, |it| Ok(described(it))).await?
    }

    /// Changes quotas; those of an entity all or none.
    ///
    /// # Errors
    /// For each entity: CLUSTER_AUTHORIZATION_FAILED, INVALID_REQUEST, ...
    pub async fn alter_client_quotas(
        &self,
        alterations: &[ClientQuotaAlteration],
        options: &AlterConfigsOptions,
    ) -> PerKey<ClientQuotaEntity, ()> {
        let build = |_| AlterClientQuotasRequest {
            entries: alterations.iter().map(entry).collect(),
            validate_only: options.validate_only,
        };
        let deadline = self.deadline(options.timeout);
        let respond = |response| {
            let results = altered(alterations, response);
            check_controller(self.controllers, results.values())?;
            Ok(results)
        };
        match self.call("alterClientQuotas", To::Any, deadline, build, respond).await {
            Ok(results) => results,
            Err(error) => alterations.iter().map(|it| (it.entity.clone(), Err(error.clone()))).collect(),
        }
    }
}

fn component((kind, names): &(Str, QuotaMatch)) -> ComponentData {
    let (match_type, name) = match names {
        QuotaMatch::Exact(name) => (0, Some(name.clone())),
        QuotaMatch::Default => (1, None),
        QuotaMatch::Specified => (2, None),
    };
    ComponentData { entity_type: kind.clone(), match_type, match_: name }
}

fn described(response: DescribeClientQuotasResponse) -> Result<BTreeMap<ClientQuotaEntity, Vec<(Str, f64)>>> {
    Error::check(response.error_code, response.error_message.as_deref())?;
    let mut found = BTreeMap::new();
    for it in response.entries.into_iter().flatten() {
        let entity = it.entity.into_iter().map(|it| (it.entity_type, it.entity_name)).collect();
        found.insert(entity, it.values.into_iter().map(|it| (it.key, it.value)).collect());
    }
    Ok(found)
}

fn entry(alteration: &ClientQuotaAlteration) -> EntryData {
    let entity = |(kind, name): (&Str, &Option<Str>)| EntityData {
        entity_type: kind.clone(),
        entity_name: name.clone(),
    };
    let op = |(key, value): &(Str, Option<f64>)| OpData {
        key: key.clone(),
        value: value.unwrap_or(0.0),
        remove: value.is_none(),
    };
    EntryData {
        entity: alteration.entity.iter().map(entity).collect(),
        ops: alteration.ops.iter().map(op).collect(),
    }
}

fn altered(
    alterations: &[ClientQuotaAlteration],
    response: AlterClientQuotasResponse,
) -> PerKey<ClientQuotaEntity, ()> {
    let missing = || Err(Error::Protocol("The broker's answer holds no result for the entity".into()));
    let mut done: PerKey<ClientQuotaEntity, ()> =
        alterations.iter().map(|it| (it.entity.clone(), missing())).collect();
    for it in response.entries {
        let entity: ClientQuotaEntity =
            it.entity.into_iter().map(|it| (it.entity_type, it.entity_name)).collect();
        if let Some(slot) = done.get_mut(&entity) {
            *slot = Error::check(it.error_code, it.error_message.as_deref());
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::alter_client_quotas_response::{
        EntityData as EntityResult, EntryData as EntryResult,
    };

    #[test]
    fn names_and_defaults_are_told_apart() {
        let check = |names, expected| {
            let wire = component(&("user".into(), names));
            assert_eq!((wire.match_type, wire.match_.as_deref()), expected);
        };
        check(QuotaMatch::Exact("a".into()), (0, Some("a")));
        check(QuotaMatch::Default, (1, None));
        check(QuotaMatch::Specified, (2, None));
    }

    #[test]
    fn results_are_found_by_entity() {
        let entity = |name: Option<&str>| ClientQuotaEntity::from([("user".into(), name.map(Into::into))]);
        let alterations = [entity(Some("a")), entity(None)]
            .map(|entity| ClientQuotaAlteration { entity, ops: vec![("k".into(), None)] });
        assert!(entry(&alterations[0]).ops[0].remove);
        let result = EntryResult {
            entity: vec![EntityResult { entity_type: "user".into(), entity_name: None }],
            ..Default::default()
        };
        let response = AlterClientQuotasResponse { entries: vec![result], ..Default::default() };
        let done = altered(&alterations, response);
        assert!(done[&entity(None)].is_ok());
        assert!(done[&entity(Some("a"))].is_err());
    }
}
