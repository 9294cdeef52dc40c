//! ListConfigResources (key 74), versions 0-1: which resources have configurations (KIP-1142). v0 lists client metrics
//! subscriptions only.

use ottla_metadata::{AclOperation, ConfigResourceType, MetadataImage};
use ottla_protocol::messages::list_config_resources_response::ConfigResource;
use ottla_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::metadata_view::MetadataView;

/// The types that may be asked for, in the order in which Kafka answers.
const SUPPORTED: [ConfigResourceType; 5] = [
    ConfigResourceType::Group,
    ConfigResourceType::ClientMetrics,
    ConfigResourceType::BrokerLogger,
    ConfigResourceType::Broker,
    ConfigResourceType::Topic,
];

/// Answers from the image.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    if !broker.may(ctx, AclOperation::DescribeConfigs, Resource::Cluster) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::ClusterAuthorizationFailed.code(),
            ..Default::default()
        };
    }
    let supported: &[ConfigResourceType] =
        if ctx.api_version == 0 { &[ConfigResourceType::ClientMetrics] } else { &SUPPORTED };
    let is_supported = |code: &i8| supported.iter().any(|t| t.code() == *code);
    if !request.resource_types.iter().all(is_supported) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..Default::default()
        };
    }
    let image = broker.image();
    let wanted = |t: ConfigResourceType| {
        request.resource_types.is_empty() || request.resource_types.contains(&t.code())
    };
    let config_resources = supported
        .iter()
        .filter(|t| wanted(**t))
        .flat_map(|t| names(&image, ctx.listener(), *t).into_iter().map(|name| (*t, name)))
        .map(|(t, resource_name)| ConfigResource { resource_name, resource_type: t.code() })
        .collect();
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}

fn names(image: &MetadataImage, listener: &str, resource_type: ConfigResourceType) -> Vec<Str> {
    match resource_type {
        ConfigResourceType::Topic => image.topics.iter().map(|t| t.name.clone()).collect(),
        ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => {
            MetadataView::new(image, listener).brokers().map(|(b, _)| Str::from(b.id.to_string())).collect()
        }
        other => image
            .configs
            .iter()
            .filter(|(resource, _)| resource.resource_type == other)
            .map(|(resource, _)| resource.name.clone())
            .collect(),
    }
}
