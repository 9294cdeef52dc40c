//! DescribeCluster and UnregisterBroker.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse,
    UnregisterBrokerRequest,
};
use ottla_protocol::{ErrorCode, Message, Str};
use tokio::time::Instant;

use super::call::To;
use super::types::authorized_operations;
use super::{AclOperation, Admin, TimeoutOptions};
use crate::cluster::Node;
use crate::{Error, Result};

/// Options of [`Admin::describe_cluster`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeClusterOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether to say what the principal may do with the cluster.
    pub include_authorized_operations: bool,
    /// Whether brokers that are fenced are listed too (KIP-1073; brokers from 4.0 on).
    pub include_fenced_brokers: bool,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: Option<Str>,
    /// The node that acts as controller; nothing while there is none.
    pub controller: Option<Node>,
    /// Its brokers (with `bootstrap.controllers`: its controllers), by id.
    pub nodes: Vec<ClusterNode>,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNode {
    /// The node.
    pub node: Node,
    /// Whether it is fenced: registered, but not serving.
    pub is_fenced: bool,
}

/// DescribeCluster's endpoint types.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

impl Admin {
    /// Describes the cluster: its id, its nodes, its controller.
    ///
    /// # Errors
    /// When no node answers in time; UNSUPPORTED_VERSION when fenced brokers are asked for and can't be told.
    pub async fn describe_cluster(&self, options: &DescribeClusterOptions) -> Result<ClusterDescription> {
        if self.controllers && options.include_fenced_brokers {
            return Err(Error::Illegal("Cannot request fenced brokers from controller endpoint".into()));
        }
        let deadline = self.deadline(options.timeout);
        match self.describe_cluster_itself(options, deadline).await {
            // Brokers before 2.8 tell it in their metadata.
            Err(Error::UnsupportedVersion(_)) if !self.controllers && !options.include_fenced_brokers => {
                self.describe_cluster_by_metadata(options, deadline).await
            }
            described => described,
        }
    }

    async fn describe_cluster_itself(
        &self,
        options: &DescribeClusterOptions,
        deadline: Instant,
    ) -> Result<ClusterDescription> {
        let lowest = match (options.include_fenced_brokers, self.controllers) {
            (true, _) => 2,
            (_, true) => 1,
            _ => DescribeClusterRequest::MIN_VERSION,
        };
        let versions = (lowest, DescribeClusterRequest::MAX_VERSION);
        let build = |_, _| {
            Ok(DescribeClusterRequest {
                include_cluster_authorized_operations: options.include_authorized_operations,
                endpoint_type: if self.controllers { CONTROLLERS } else { BROKERS },
                include_fenced_brokers: options.include_fenced_brokers,
            })
        };
        let to = To::AnyOrActiveController;
        self.call_as("listNodes", to, versions, deadline, build, |_, response| described(response)).await
    }

    async fn describe_cluster_by_metadata(
        &self,
        options: &DescribeClusterOptions,
        deadline: Instant,
    ) -> Result<ClusterDescription> {
        // The field for the operations was taken out again when DescribeCluster came.
        let versions = (MetadataRequest::MIN_VERSION, 10);
        let build = |version, _| {
            Ok(MetadataRequest {
                topics: Some(Vec::new()),
                include_cluster_authorized_operations: options.include_authorized_operations && version >= 8,
                ..Default::default()
            })
        };
        self.call_as("listNodes", To::Any, versions, deadline, build, |_, response| from_metadata(response))
            .await
    }

    /// Takes a broker that is shut down for good out of the cluster's records.
    ///
    /// # Errors
    /// BROKER_ID_NOT_REGISTERED, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION, ...
    pub async fn unregister_broker(&self, broker_id: i32, options: &TimeoutOptions) -> Result<()> {
        let deadline = self.deadline(options.timeout);
        self.call(
            "unregisterBroker",
            To::AnyOrActiveController,
            deadline,
            |_| UnregisterBrokerRequest { broker_id },
            |response| {
                let result = Error::check(response.error_code, response.error_message.as_deref());
                match ErrorCode::from_code(response.error_code) {
                    ErrorCode::RequestTimedOut => result.map(Ok),
                    _ => Ok(result),
                }
            },
        )
        .await?
    }
}

fn described(response: DescribeClusterResponse) -> Result<ClusterDescription> {
    Error::check(response.error_code, response.error_message.as_deref())?;
    let nodes = response.brokers.into_iter().map(|it| ClusterNode {
        node: Node { id: it.broker_id, host: it.host, port: port(it.port), rack: it.rack },
        is_fenced: it.is_fenced,
    });
    Ok(whole(
        Some(response.cluster_id),
        response.controller_id,
        nodes.collect(),
        response.cluster_authorized_operations,
    ))
}

fn from_metadata(response: MetadataResponse) -> Result<ClusterDescription> {
    Error::check(response.error_code, None)?;
    let nodes = response.brokers.into_iter().map(|it| ClusterNode {
        node: Node { id: it.node_id, host: it.host, port: port(it.port), rack: it.rack },
        is_fenced: false,
    });
    Ok(whole(
        response.cluster_id,
        response.controller_id,
        nodes.collect(),
        response.cluster_authorized_operations,
    ))
}

fn whole(
    cluster_id: Option<Str>,
    controller: i32,
    mut nodes: Vec<ClusterNode>,
    operations: i32,
) -> ClusterDescription {
    nodes.sort_by_key(|it| it.node.id);
    let controller = nodes.iter().find(|it| it.node.id == controller).map(|it| it.node.clone());
    ClusterDescription {
        cluster_id,
        controller,
        nodes,
        authorized_operations: authorized_operations(operations),
    }
}

fn port(port: i32) -> u16 {
    u16::try_from(port).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::describe_cluster_response::DescribeClusterBroker;

    #[test]
    fn nodes_are_in_order_and_one_is_the_controller() {
        let broker = |id, is_fenced| DescribeClusterBroker {
            broker_id: id,
            host: "h".into(),
            port: 9092,
            is_fenced,
            ..Default::default()
        };
        let response = DescribeClusterResponse {
            cluster_id: "c".into(),
            controller_id: 1,
            brokers: vec![broker(2, true), broker(1, false)],
            ..Default::default()
        };
        let cluster = described(response).unwrap();
        assert_eq!(cluster.controller.unwrap().id, 1);
        let nodes: Vec<_> = cluster.nodes.iter().map(|it| (it.node.id, it.is_fenced)).collect();
        assert_eq!(nodes, [(1, false), (2, true)]);
        assert_eq!(cluster.authorized_operations, None);
        let none = DescribeClusterResponse { controller_id: -1, ..Default::default() };
        assert_eq!(described(none).unwrap().controller, None);
    }
}
