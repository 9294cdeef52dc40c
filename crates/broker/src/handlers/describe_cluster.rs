//! DescribeCluster (key 60), versions 0-2: the nodes. v1 brokers or controllers (KIP-919) · v2 fenced brokers.

use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::apis::ListenerKind;
use crate::authorization::Resource;
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::metadata_view::MetadataView;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers with the nodes of the kind that the listener belongs to.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    kind: ListenerKind,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (own, own_name) = match kind {
        ListenerKind::Broker => (BROKERS, "BROKER"),
        ListenerKind::Controller => (CONTROLLERS, "CONTROLLER"),
    };
    let refuse = |error: ErrorCode, message: String| {
        let error = if ctx.api_version == 0 { ErrorCode::InvalidRequest } else { error };
        DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(Str::from(message)),
            ..Default::default()
        }
    };
    if kind == ListenerKind::Controller && !broker.may(ctx, AclOperation::Alter, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(Str::from(ctx.not_authorized())),
            ..Default::default()
        };
    }
    let wanted = request.endpoint_type;
    if wanted != BROKERS && wanted != CONTROLLERS {
        return refuse(ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {wanted}"));
    }
    if wanted != own {
        let wanted_name = if wanted == BROKERS { "BROKER" } else { "CONTROLLER" };
        return refuse(
            ErrorCode::MismatchedEndpointType,
            format!(
                "The request was sent to an endpoint of type {own_name}, but we wanted an endpoint of type {wanted_name}"
            ),
        );
    }
    let image = broker.image();
    let view = MetadataView::new(&image, ctx.listener());
    let (nodes, controller_id) = match kind {
        ListenerKind::Broker => (brokers(&view, request.include_fenced_brokers), view.controller_id()),
        ListenerKind::Controller => (vec![controller(ctx, broker)], broker.node_id),
    };
    DescribeClusterResponse {
        endpoint_type: own,
        cluster_id: broker.cluster_id.clone(),
        controller_id,
        brokers: nodes,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => authorized_operations::of_cluster(ctx, broker),
            false => authorized_operations::UNKNOWN,
        },
        ..Default::default()
    }
}

fn brokers(view: &MetadataView<'_>, fenced_too: bool) -> Vec<DescribeClusterBroker> {
    view.brokers()
        .filter(|(broker, _)| fenced_too || !broker.fenced)
        .map(|(broker, endpoint)| DescribeClusterBroker {
            broker_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            is_fenced: broker.fenced,
        })
        .collect()
}

/// This node as a controller: where the client has reached it.
fn controller(ctx: &RequestContext, broker: &Broker) -> DescribeClusterBroker {
    let address = ctx.connection.local_addr();
    DescribeClusterBroker {
        broker_id: broker.node_id,
        host: Str::from(address.ip().to_string()),
        port: i32::from(address.port()),
        rack: None,
        is_fenced: false,
    }
}
