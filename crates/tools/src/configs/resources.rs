//! Settings of topics, brokers, loggers, groups and subscriptions to metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::Error;
use ottla_client::admin::{
    Admin, AlterConfigOp, AlterConfigsOptions, ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource,
    DescribeConfigsOptions, ListTopicsOptions,
};
use ottla_protocol::{ErrorCode, Str};
use serde_json::{Value, json};

use super::entity::singular;
use super::parse::Changes;
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

/// Kafka's type of resource, and where a setting comes from that was made for it.
fn resource_type(kind: &str, name: &str) -> Result<(ConfigResourceType, Option<ConfigSource>), Failure> {
    Ok(match kind {
        "topics" => {
            if !name.is_empty() {
                check_topic_name(name)?;
            }
            (ConfigResourceType::Topic, Some(ConfigSource::DynamicTopicConfig))
        }
        "brokers" if name.is_empty() => {
            (ConfigResourceType::Broker, Some(ConfigSource::DynamicDefaultBrokerConfig))
        }
        "brokers" => {
            check_broker_id(name, kind)?;
            (ConfigResourceType::Broker, Some(ConfigSource::DynamicBrokerConfig))
        }
        "broker-loggers" => {
            if !name.is_empty() {
                check_broker_id(name, kind)?;
            }
            (ConfigResourceType::BrokerLogger, None)
        }
        "client-metrics" => {
            (ConfigResourceType::ClientMetrics, Some(ConfigSource::DynamicClientMetricsConfig))
        }
        "groups" => (ConfigResourceType::Group, Some(ConfigSource::DynamicGroupConfig)),
        other => return Err(Failure::illegal_argument(format!("Invalid entity type: {other}"))),
    })
}

fn check_broker_id(name: &str, kind: &str) -> Result<(), Failure> {
    match name.parse::<i32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::illegal_argument(format!(
            "The entity name for {kind} must be a valid integer broker id, found: {name}"
        ))),
    }
}

/// `Topic.validate`.
fn check_topic_name(name: &str) -> Result<(), Failure> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > 249 {
        format!("the length of '{name}' is longer than the max allowed length 249")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(Failure::exception(
        "org.apache.kafka.common.errors.InvalidTopicException",
        format!("Topic name is invalid: {reason}"),
    ))
}

pub(super) async fn alter(admin: &Admin, kind: &str, name: &str, changes: &Changes) -> Result<(), Failure> {
    let (resource_type, _) = match kind {
        // Names of topics are left to the broker here.
        "topics" => (ConfigResourceType::Topic, None),
        _ => resource_type(kind, name)?,
    };
    change(admin, ConfigResource::new(resource_type, name), changes).await.map_err(|error| match error {
        Error::UnsupportedVersion(_) => Failure::exception(
            "org.apache.kafka.common.errors.UnsupportedVersionException",
            "The INCREMENTAL_ALTER_CONFIGS API is not supported by the cluster. The API is supported starting from \
             version 2.3.0. You may want to use an older version of this tool to interact with your cluster, or upgrade \
             your brokers to version 2.3.0 or newer to avoid this error.",
        ),
        error => Failure::in_future(error),
    })
}

pub(super) async fn alter_loggers(admin: &Admin, name: &str, changes: &Changes) -> Result<(), Failure> {
    let known: BTreeSet<String> = entries(admin, "broker-loggers", name, false, false)
        .await?
        .iter()
        .map(|entry| entry.name.to_string())
        .collect();
    let invalid: Vec<&str> = changes
        .delete
        .iter()
        .chain(changes.add.keys())
        .filter(|key| !known.contains(*key))
        .map(String::as_str)
        .collect();
    if !invalid.is_empty() {
        return Err(Failure::exception(
            "org.apache.kafka.common.errors.InvalidConfigurationException",
            format!("Invalid broker logger(s): {}", invalid.join(",")),
        ));
    }
    let resource = ConfigResource::new(ConfigResourceType::BrokerLogger, name);
    change(admin, resource, changes).await.map_err(Failure::in_future)
}

async fn change(admin: &Admin, resource: ConfigResource, changes: &Changes) -> Result<(), Error> {
    let deleted = changes.delete.iter().map(|key| AlterConfigOp::delete(key.as_str()));
    let added = changes.add.iter().map(|(key, value)| AlterConfigOp::set(key.as_str(), value.as_str()));
    let changes = BTreeMap::from([(resource, deleted.chain(added).collect())]);
    let options = AlterConfigsOptions { timeout: Some(Duration::from_secs(30)), validate_only: false };
    admin.incremental_alter_configs(&changes, &options).await.into_values().collect()
}

pub(super) async fn describe(
    io: &mut Io,
    admin: &Admin,
    kind: &str,
    name: Option<&str>,
    all: bool,
) -> Result<(), Failure> {
    if let Some(name) = name.filter(|_| !all)
        && !exists(admin, kind, name).await?
    {
        if io.json() {
            io.print_json(&Value::Array(Vec::new()));
        } else {
            outln!(io, "The {} '{name}' doesn't exist and doesn't have dynamic config.", singular(kind));
        }
        return Ok(());
    }
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => names(admin, kind).await?,
    };
    let mut documents = Vec::new();
    for name in names {
        if !io.json() && name.is_empty() {
            outln!(io, "Default configs for {kind} in the cluster are:");
        } else if !io.json() {
            outln!(io, "{} configs for {} {name} are:", if all { "All" } else { "Dynamic" }, singular(kind));
        }
        let entries = entries(admin, kind, &name, true, all).await?;
        if io.json() {
            let configs: Vec<Value> = entries.iter().map(entry_json).collect();
            documents.push(json!({ "entity_type": kind, "entity_name": name, "configs": configs }));
            continue;
        }
        for entry in entries {
            let value = |value: &Option<ottla_protocol::Str>| value.as_deref().unwrap_or("null").to_owned();
            let synonyms: Vec<String> = entry
                .synonyms
                .iter()
                .map(|synonym| format!("{}:{}={}", synonym.source, synonym.name, value(&synonym.value)))
                .collect();
            let (name, sensitive) = (&entry.name, entry.is_sensitive);
            outln!(
                io,
                "  {name}={} sensitive={sensitive} synonyms={{{}}}",
                value(&entry.value),
                synonyms.join(", ")
            );
        }
    }
    if io.json() {
        io.print_json(&Value::Array(documents));
    }
    Ok(())
}

fn entry_json(entry: &ConfigEntry) -> Value {
    json!({
        "name": entry.name.to_string(),
        "value": entry.value.as_deref(),
        "source": entry.source.name(),
        "sensitive": entry.is_sensitive,
        "read_only": entry.is_read_only,
        "synonyms": entry.synonyms.iter().map(|synonym| json!({
            "name": synonym.name.to_string(),
            "value": synonym.value.as_deref(),
            "source": synonym.source.name(),
        })).collect::<Vec<_>>(),
    })
}

/// Whether there is such a thing, or it has settings.
async fn exists(admin: &Admin, kind: &str, name: &str) -> Result<bool, Failure> {
    match kind {
        "topics" => {
            check_topic_name(name)?;
            let options = ListTopicsOptions { list_internal: true, ..Default::default() };
            Ok(admin.list_topics(&options).await.map_err(Failure::in_future)?.contains_key(name))
        }
        "brokers" | "broker-loggers" => {
            Ok(name.is_empty() || brokers(admin).await?.iter().any(|id| id == name))
        }
        _ => Ok(names(admin, kind).await?.iter().any(|known| known == name)),
    }
}

async fn brokers(admin: &Admin) -> Result<Vec<String>, Failure> {
    let cluster = admin.describe_cluster(&Default::default()).await.map_err(Failure::in_future)?;
    Ok(cluster.nodes.iter().map(|node| node.node.id.to_string()).collect())
}

/// All of a kind.
async fn names(admin: &Admin, kind: &str) -> Result<Vec<String>, Failure> {
    match kind {
        "topics" => {
            let options = ListTopicsOptions { list_internal: true, ..Default::default() };
            let topics = admin.list_topics(&options).await.map_err(Failure::in_future)?;
            Ok(topics.into_keys().map(|name| name.to_string()).collect())
        }
        "brokers" | "broker-loggers" => {
            let mut ids = brokers(admin).await?;
            ids.push(String::new());
            Ok(ids)
        }
        "client-metrics" => {
            let kinds = BTreeSet::from([ConfigResourceType::ClientMetrics]);
            let found =
                admin.list_config_resources(&kinds, &Default::default()).await.map_err(Failure::in_future)?;
            Ok(found.into_iter().map(|resource| resource.name.to_string()).collect())
        }
        _ => {
            let listed = admin.list_groups(&Default::default()).await.and_then(|list| list.all());
            let groups = listed.map_err(Failure::in_future)?;
            let mut names: BTreeSet<String> = groups.keys().map(Str::to_string).collect();
            names.extend(groups_with_settings(admin).await?);
            Ok(names.into_iter().collect())
        }
    }
}

/// Groups that have settings; brokers that can't or won't tell are taken to have none.
async fn groups_with_settings(admin: &Admin) -> Result<Vec<String>, Failure> {
    let kinds = BTreeSet::from([ConfigResourceType::Group]);
    match admin.list_config_resources(&kinds, &Default::default()).await {
        Ok(found) => Ok(found.into_iter().map(|resource| resource.name.to_string()).collect()),
        Err(Error::UnsupportedVersion(_)) => Ok(Vec::new()),
        Err(error) if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The settings of one thing by name: all, or those that were made for it.
async fn entries(
    admin: &Admin,
    kind: &str,
    name: &str,
    include_synonyms: bool,
    all: bool,
) -> Result<Vec<ConfigEntry>, Failure> {
    let (resource_type, source) = resource_type(kind, name)?;
    let resource = ConfigResource::new(resource_type, name);
    let options = DescribeConfigsOptions { include_synonyms, ..Default::default() };
    let described = admin.describe_configs(&[resource], &options).await.into_values().next();
    let mut entries = described.transpose().map_err(Failure::in_future)?.unwrap_or_default();
    entries.retain(|entry| all || source.is_none_or(|source| entry.source == source));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
