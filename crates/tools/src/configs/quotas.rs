//! Quotas of users, clients and addresses, and users' SCRAM credentials.

use std::collections::BTreeMap;

use ottla_client::admin::{
    Admin, ClientQuotaAlteration, ClientQuotaEntity, ClientQuotaFilter, QuotaMatch, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialAlteration,
};
use ottla_protocol::Str;
use serde_json::{Value, json};

use super::entity::Entities;
use super::parse::Changes;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, outln};

const QUOTAS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
const ADDRESS_QUOTA: &str = "connection_creation_rate";
const DEFAULT_ITERATIONS: i32 = 4096;

pub(super) async fn alter_users_and_clients(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let is_quota = |key: &&String| QUOTAS.contains(&key.as_str());
    let is_scram = |key: &&String| SCRAM.contains(&key.as_str());
    let unknown = |key: &&String| !is_quota(key) && !is_scram(key);
    let clients = entities.has("clients");
    for (what, set, keys) in [
        ("added", "Set", changes.add.keys().collect::<Vec<_>>()),
        ("deleted", "ArrayBuffer", changes.delete.iter().collect()),
    ] {
        let wrong: Vec<&String> =
            keys.into_iter().filter(|key| unknown(key) || (clients && is_scram(key))).collect();
        if wrong.is_empty() {
            continue;
        }
        let (kinds, kind) =
            if clients { ("quota", "clients") } else { ("quota and SCRAM credential", "users") };
        let names = wrong.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Failure::illegal_argument(format!(
            "Only {kinds} configs can be {what} for '{kind}' using --bootstrap-server. Unexpected config names: {set}({names})"
        )));
    }
    let quotas =
        changes.add.keys().any(|key| is_quota(&key)) || changes.delete.iter().any(|key| is_quota(&key));
    let scram =
        changes.add.keys().any(|key| is_scram(&key)) || changes.delete.iter().any(|key| is_scram(&key));
    if scram && entities.names.iter().any(String::is_empty) {
        return Err(Failure::illegal_argument(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
             --bootstrap-server.",
        ));
    }
    if scram && quotas {
        return Err(Failure::illegal_argument(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ));
    }
    if quotas { alter(admin, entities, changes).await } else { alter_scram(admin, entities, changes).await }
}

pub(super) async fn alter_addresses(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let keys = changes.add.keys().chain(&changes.delete);
    let unknown: Vec<&str> = keys.filter(|key| *key != ADDRESS_QUOTA).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(Failure::illegal_argument(format!(
            "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
            unknown.join(",")
        )));
    }
    alter(admin, entities, changes).await
}

/// Kafka's word for a type, in quotas.
fn quota_type(kind: &str) -> Result<&'static str, Failure> {
    match kind {
        "users" => Ok("user"),
        "clients" => Ok("client-id"),
        "ips" => Ok("ip"),
        other => Err(Failure::illegal_argument(format!("Unexpected entity type {other}"))),
    }
}

type Quotas = BTreeMap<ClientQuotaEntity, Vec<(Str, f64)>>;

/// The quotas of exactly these entities; of all of a type that has no name.
async fn quotas(admin: &Admin, entities: &Entities) -> Result<Quotas, Failure> {
    if entities.names.len() > entities.types.len() {
        return Err(Failure::illegal_argument("More entity names specified than entity types"));
    }
    let mut components = Vec::new();
    for (at, kind) in entities.types.iter().enumerate() {
        let names = match entities.names.get(at).map(String::as_str) {
            None => QuotaMatch::Specified,
            Some("") => QuotaMatch::Default,
            Some(name) => QuotaMatch::Exact(name.into()),
        };
        components.push((quota_type(kind)?.into(), names));
    }
    let filter = ClientQuotaFilter { components, strict: true };
    admin.describe_client_quotas(&filter, &Default::default()).await.map_err(Failure::in_future)
}

async fn alter(admin: &Admin, entities: &Entities, changes: &Changes) -> Result<(), Failure> {
    let old = quotas(admin, entities).await?.into_values().next().unwrap_or_default();
    let missing: Vec<&str> = changes
        .delete
        .iter()
        .map(String::as_str)
        .filter(|name| !old.iter().any(|(key, _)| **key == **name))
        .collect();
    if !missing.is_empty() {
        return Err(Failure::exception(
            "org.apache.kafka.common.errors.InvalidConfigurationException",
            format!("Invalid config(s): {}", missing.join(",")),
        ));
    }
    let mut entity = ClientQuotaEntity::new();
    for (kind, name) in entities.types.iter().zip(&entities.names) {
        entity.insert(quota_type(kind)?.into(), (!name.is_empty()).then(|| name.as_str().into()));
    }
    let mut ops: Vec<(Str, Option<f64>)> = Vec::new();
    for (key, value) in &changes.add {
        let number = value.trim().parse().map_err(|_| {
            Failure::illegal_argument(format!("Cannot parse quota configuration value for {key}: {value}"))
        })?;
        ops.push((key.as_str().into(), Some(number)));
    }
    ops.extend(changes.delete.iter().map(|key| (Str::from(key.as_str()), None)));
    let done = admin.alter_client_quotas(&[ClientQuotaAlteration { entity, ops }], &Default::default()).await;
    done.into_values().collect::<Result<(), _>>().map_err(Failure::in_future)
}

async fn alter_scram(admin: &Admin, entities: &Entities, changes: &Changes) -> Result<(), Failure> {
    let user = Str::from(entities.names.first().map_or("", String::as_str));
    let mut alterations: Vec<UserScramCredentialAlteration> = changes
        .delete
        .iter()
        .map(|mechanism| UserScramCredentialAlteration::Deletion {
            user: user.clone(),
            mechanism: ScramMechanism::parse(mechanism),
        })
        .collect();
    for (name, value) in &changes.add {
        let mechanism = ScramMechanism::parse(name);
        let (iterations, password) = parse_credential(name, value)?;
        alterations.push(UserScramCredentialAlteration::Upsertion {
            user: user.clone(),
            info: ScramCredentialInfo { mechanism, iterations },
            password: password.to_owned().into_bytes().into(),
            salt: None,
        });
    }
    let done = admin.alter_user_scram_credentials(&alterations, &Default::default()).await;
    done.into_values().collect::<Result<(), _>>().map_err(Failure::in_future)
}

/// `[iterations=N,]password=...`.
fn parse_credential<'a>(mechanism: &str, text: &'a str) -> Result<(i32, &'a str), Failure> {
    let invalid = || {
        Failure::illegal_argument(format!(
            "Invalid credential property {}={text}",
            mechanism.replace('-', "_")
        ))
    };
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => rest.split_once(',').map(|(number, rest)| (Some(number), rest)).ok_or_else(invalid)?,
        None => (None, text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    let iterations = match iterations {
        None | Some("-1") => DEFAULT_ITERATIONS,
        Some(number) => java::parse_int(number)?,
    };
    if iterations < DEFAULT_ITERATIONS {
        return Err(Failure::illegal_argument(format!(
            "Iterations {iterations} is less than the minimum {DEFAULT_ITERATIONS} required for {mechanism}"
        )));
    }
    Ok((iterations, password))
}

/// Quotas, and with `scram` users' credentials as well.
pub(super) async fn describe(
    io: &mut Io,
    admin: &Admin,
    entities: &Entities,
    scram: bool,
) -> Result<(), Failure> {
    let quotas = quotas(admin, entities).await?;
    let mut documents = Vec::new();
    for (entity, values) in &quotas {
        if io.json() {
            let entity: serde_json::Map<String, Value> =
                entity.iter().map(|(kind, name)| (kind.to_string(), json!(name.as_deref()))).collect();
            let values: serde_json::Map<String, Value> =
                values.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
            documents.push(json!({ "entity": entity, "quotas": values }));
            continue;
        }
        let mut values = values.clone();
        java::sort_as_sized_hash_map(&mut values, |(key, _)| java::hash_code(key));
        let texts: Vec<String> =
            values.iter().map(|(key, value)| format!("{key}={}", java::double(*value))).collect();
        outln!(io, "Quota configs for {} are {}", name_of(entity), texts.join(", "));
    }
    if scram && !entities.has("clients") && !entities.names.iter().any(String::is_empty) {
        describe_scram(io, admin, entities, &mut documents).await?;
    }
    if io.json() {
        io.print_json(&Value::Array(documents));
    }
    Ok(())
}

/// `user-principal 'a', client-id 'b'`.
fn name_of(entity: &ClientQuotaEntity) -> String {
    let kinds = [("user", "user-principal"), ("client-id", "client-id"), ("ip", "ip")];
    let texts: Vec<String> = kinds
        .iter()
        .filter_map(|(kind, shown)| {
            Some(match entity.get(*kind)? {
                Some(name) => format!("{shown} '{name}'"),
                None => format!("the default {shown}"),
            })
        })
        .collect();
    texts.join(", ")
}

async fn describe_scram(
    io: &mut Io,
    admin: &Admin,
    entities: &Entities,
    documents: &mut Vec<Value>,
) -> Result<(), Failure> {
    let users: Vec<Str> = entities.names.iter().map(|name| Str::from(name.as_str())).collect();
    let found = admin
        .describe_user_scram_credentials(Some(&users), &Default::default())
        .await
        .map_err(Failure::in_future)?;
    for (user, result) in found {
        match result {
            Ok(infos) => {
                let texts: Vec<String> = infos
                    .iter()
                    .map(|info| format!("{}=iterations={}", info.mechanism, info.iterations))
                    .collect();
                if io.json() {
                    documents.push(json!({ "user": user.to_string(), "scram": texts }));
                } else {
                    outln!(
                        io,
                        "SCRAM credential configs for user-principal '{user}' are {}",
                        texts.join(", ")
                    );
                }
            }
            // Users without credentials are no news.
            Err(error) if error.code() == Some(ottla_protocol::ErrorCode::ResourceNotFound) => {}
            Err(error) => {
                let why = Failure::in_future(error);
                outln!(
                    io,
                    "Error retrieving SCRAM credential configs for user-principal '{user}': ExecutionException: {}",
                    why.text()
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_kafka_reads_them() {
        let parse = |text| parse_credential("SCRAM-SHA-256", text);
        assert_eq!(parse("password=a=b").unwrap(), (4096, "a=b"));
        assert_eq!(parse("iterations=8192,password=x").unwrap(), (8192, "x"));
        assert_eq!(parse("iterations=-1,password=x").unwrap(), (4096, "x"));
        assert_eq!(
            parse("iterations=100,password=x").unwrap_err().text(),
            "Iterations 100 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
        assert_eq!(parse("x").unwrap_err().text(), "Invalid credential property SCRAM_SHA_256=x");
    }
}
