//! DescribeConfigs (key 32), versions 1-4: configurations with where each value comes from. v3 types and documentation.

use ottla_config::describe::{self, ConfigEntry};
use ottla_controller::topic_name;
use ottla_metadata::{AclOperation, ConfigResource, ConfigResourceType};
use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::config_schema::error_code;
use crate::context::RequestContext;
use crate::dynamic_config::raw_map;

type Refused = (ErrorCode, Option<String>);

/// Answers resource by resource.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let shown = Shown { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results =
        request.resources.iter().map(|resource| describe_one(ctx, broker, resource, shown)).collect();
    DescribeConfigsResponse { results, ..Default::default() }
}

#[derive(Clone, Copy)]
struct Shown {
    synonyms: bool,
    documentation: bool,
}

fn describe_one(
    ctx: &RequestContext,
    broker: &Broker,
    resource: &DescribeConfigsResource,
    shown: Shown,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult {
        error_message: None,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    };
    match authorize(ctx, broker, resource).and_then(|()| entries(ctx, broker, resource)) {
        Ok(entries) => {
            let configs = entries.into_iter().map(|entry| to_wire(entry, shown)).collect();
            DescribeConfigsResult { configs, ..result }
        }
        Err((error, message)) => DescribeConfigsResult {
            error_code: error.code(),
            error_message: message.map(Str::from),
            ..result
        },
    }
}

/// `ConfigHelper.handleDescribeConfigsRequest`
fn authorize(
    ctx: &RequestContext,
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<(), Refused> {
    let resource = match ConfigResourceType::from_code(resource.resource_type) {
        ConfigResourceType::Broker | ConfigResourceType::BrokerLogger | ConfigResourceType::ClientMetrics => {
            Resource::Cluster
        }
        ConfigResourceType::Topic => Resource::Topic(&resource.resource_name),
        ConfigResourceType::Group => Resource::Group(&resource.resource_name),
        // An error for everybody.
        ConfigResourceType::Unknown => return Ok(()),
    };
    let authorized = broker.authorize(ctx, AclOperation::DescribeConfigs, resource);
    authorized.map_err(|error| (error, Some(error.message().to_owned())))
}

fn entries(
    ctx: &RequestContext,
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, Refused> {
    let name = &resource.resource_name;
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
    let wanted = |key: &str| keys.is_none_or(|keys| keys.iter().any(|k| &**k == key));
    let invalid = |why: String| (ErrorCode::InvalidRequest, Some(why));
    let layers = broker.shared_config.layers();
    let image = broker.image();
    let resource_type = ConfigResourceType::from_code(resource.resource_type);
    let overrides = raw_map(image.configs.get(&ConfigResource::new(resource_type, name.clone())));
    let bad_value = |why: ottla_config::ConfigError| (error_code(&why), Some(why.kafka_message()));
    match resource_type {
        ConfigResourceType::Topic => {
            topic_name::validate(name).map_err(|why| (ErrorCode::InvalidTopicException, Some(why)))?;
            if image.topics.topic(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, None));
            }
            describe::topic(&layers, &overrides, wanted).map_err(bad_value)
        }
        ConfigResourceType::Broker if name.is_empty() => Ok(describe::cluster_default(&layers, wanted)),
        ConfigResourceType::Broker => {
            let id = broker_id(name)?;
            if id != broker.node_id {
                return Err(invalid(format!(
                    "Unexpected broker id, expected {} or empty string, but received {name}",
                    broker.node_id
                )));
            }
            Ok(describe::broker(&layers, wanted))
        }
        ConfigResourceType::BrokerLogger => {
            if name.is_empty() {
                return Err(invalid("Broker id must not be empty".into()));
            }
            if broker_id(name)? != broker.node_id {
                let expected = broker.node_id;
                return Err(invalid(format!(
                    "Unexpected broker id, expected {expected} but received {name}"
                )));
            }
            Ok(broker.loggers.all().into_iter().filter(|(name, _)| wanted(name)).map(logger_entry).collect())
        }
        ConfigResourceType::ClientMetrics if name.is_empty() => {
            Err(invalid("Client metrics subscription name must not be empty".into()))
        }
        ConfigResourceType::ClientMetrics => describe::client_metrics(&overrides, wanted).map_err(bad_value),
        ConfigResourceType::Group if name.is_empty() => Err(invalid("Group name must not be empty".into())),
        ConfigResourceType::Group => describe::group(&layers, &overrides, wanted).map_err(bad_value),
        _ => {
            tracing::debug!(client = ctx.client_id(), code = resource.resource_type, "unknown resource type");
            Err(invalid("Unsupported resource type: UNKNOWN".into()))
        }
    }
}

fn logger_entry((name, level): (&str, &str)) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: Some(level.to_owned()),
        source: describe::ConfigSource::DynamicBrokerLoggerConfig,
        read_only: false,
        sensitive: false,
        synonyms: Vec::new(),
        type_id: 0,
        documentation: None,
    }
}

fn broker_id(name: &str) -> Result<i32, Refused> {
    let why = || Some(format!("Broker id must be an integer, but it is: {name}"));
    name.parse().map_err(|_| (ErrorCode::InvalidRequest, why()))
}

fn to_wire(entry: ConfigEntry, shown: Shown) -> DescribeConfigsResourceResult {
    let synonyms = if shown.synonyms { entry.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: Str::from(entry.name),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.sensitive,
        synonyms: synonyms
            .into_iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: Str::from(synonym.name),
                value: synonym.value.map(Str::from),
                source: synonym.source.id(),
            })
            .collect(),
        config_type: entry.type_id,
        documentation: entry.documentation.filter(|_| shown.documentation).map(Str::from_static),
    }
}
