//! Metadata (key 3), versions 0-13: brokers, topics, leaders.
//!
//! v1 null means all topics · v4 auto-creation can be declined · v5 offline replicas · v7 leader epochs · v8 authorized operations ·
//! v10 topic ids · v12 topics by id · v13 top-level error.
//!
//! A topic that does not exist yet is created when `auto.create.topics.enable` says so; the answer still says that it is
//! unknown, as Kafka's does, and the client asks again.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_controller::topic_name;
use ottla_metadata::{AclOperation, MetadataImage, TopicImage};
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::{MetadataRequest, MetadataResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::authorization::Resource;
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics;
use crate::metadata_view::MetadataView;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Names(BTreeSet<Str>),
    Ids(BTreeSet<Uuid>),
}

/// Answers from the image, and creates what is missing.
pub async fn handle(ctx: RequestContext, broker: Arc<Broker>, request: MetadataRequest) -> MetadataResponse {
    let wanted = match wanted(ctx.api_version, &request) {
        Ok(wanted) => wanted,
        Err(error) => return MetadataResponse { error_code: error.code(), ..Default::default() },
    };
    let image = broker.image();
    let view = MetadataView::new(&image, ctx.listener());
    let mut answer =
        Answer { ctx: &ctx, broker: &broker, request: &request, view: &view, topics: Vec::new() };
    let creates = request.allow_auto_topic_creation && broker.config.topics.auto_create_topics_enable;
    let mut missing = answer.wanted(&image, wanted);
    if creates && !missing.is_empty() {
        answer.refuse_creation(&mut missing);
    }
    for name in &missing {
        let valid = topic_name::validate(name).is_ok();
        let error = if valid { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
        answer.unknown(Some(name.clone()), Uuid::ZERO, error);
    }
    let response = respond(&broker, &image, answer);
    if creates {
        missing.retain(|name| topic_name::validate(name).is_ok());
        broker.auto_create(missing, ctx.strict_changes()).await;
    }
    response
}

fn wanted(version: i16, request: &MetadataRequest) -> Result<Wanted, ErrorCode> {
    let Some(topics) = &request.topics else { return Ok(Wanted::All) };
    if topics.is_empty() && version == 0 {
        return Ok(Wanted::All);
    }
    let bad = topics.iter().any(|t| version < 12 && (t.name.is_none() || !t.topic_id.is_zero()));
    if bad {
        return Err(ErrorCode::InvalidRequest);
    }
    let ids: BTreeSet<Uuid> = topics.iter().map(|t| t.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        return Ok(Wanted::Ids(ids));
    }
    // Names are kept beyond the request by what is created from them: do not keep the whole frame.
    Ok(Wanted::Names(topics.iter().filter_map(|t| t.name.as_deref()).map(Str::from).collect()))
}

struct Answer<'a> {
    ctx: &'a RequestContext,
    broker: &'a Broker,
    request: &'a MetadataRequest,
    view: &'a MetadataView<'a>,
    topics: Vec<MetadataResponseTopic>,
}

impl Answer<'_> {
    /// Answers for topics that there are, and returns those that there are not. What may not be seen is left out of
    /// all topics; where it was asked for, the answer does not tell whether it is there.
    fn wanted(&mut self, image: &MetadataImage, wanted: Wanted) -> Vec<Str> {
        let (ctx, broker) = (self.ctx, self.broker);
        let mut missing = Vec::new();
        match wanted {
            Wanted::All => {
                let may_see = |name: &str| broker.may_see(ctx, AclOperation::Describe, Resource::Topic(name));
                image.topics.iter().filter(|t| may_see(&t.name)).for_each(|topic| self.topic(topic));
            }
            Wanted::Ids(ids) => ids.into_iter().for_each(|id| match image.topics.topic_by_id(id) {
                Some(topic) if broker.may(ctx, AclOperation::Describe, Resource::Topic(&topic.name)) => {
                    self.topic(topic);
                }
                Some(_) => self.unknown(None, id, ErrorCode::TopicAuthorizationFailed),
                None => self.unknown(None, id, ErrorCode::UnknownTopicId),
            }),
            Wanted::Names(names) => {
                for name in names {
                    let may_see = broker.may(ctx, AclOperation::Describe, Resource::Topic(&name));
                    match image.topics.topic(&name) {
                        _ if !may_see => self.unauthorized(name),
                        Some(topic) => self.topic(topic),
                        None => missing.push(name),
                    }
                }
            }
        }
        missing
    }

    /// Answers for topics that who asked may not create.
    fn refuse_creation(&mut self, missing: &mut Vec<Str>) {
        let (ctx, broker) = (self.ctx, self.broker);
        if broker.may_see(ctx, AclOperation::Create, Resource::Cluster) {
            return;
        }
        missing.retain(|name| {
            let may = broker.may(ctx, AclOperation::Create, Resource::Topic(name));
            if !may {
                self.unknown(Some(name.clone()), Uuid::ZERO, ErrorCode::TopicAuthorizationFailed);
            }
            may
        });
    }

    fn unauthorized(&mut self, name: Str) {
        self.topics.push(MetadataResponseTopic {
            error_code: ErrorCode::TopicAuthorizationFailed.code(),
            name: Some(name),
            topic_authorized_operations: authorized_operations::UNKNOWN,
            ..Default::default()
        });
    }

    fn topic(&mut self, topic: &TopicImage) {
        let version = self.ctx.api_version;
        let partitions = topic
            .partitions
            .iter()
            .map(|(index, partition)| {
                let view = self.view.partition(partition, version == 0, version >= 6);
                MetadataResponsePartition {
                    error_code: view.error.code(),
                    partition_index: index,
                    leader_id: view.leader,
                    leader_epoch: partition.leader_epoch,
                    replica_nodes: view.replicas,
                    isr_nodes: view.isr,
                    offline_replicas: view.offline,
                }
            })
            .collect();
        self.topics.push(MetadataResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: internal_topics::is_internal(&topic.name),
            partitions,
            topic_authorized_operations: self.operations(&topic.name),
        });
    }

    fn unknown(&mut self, name: Option<Str>, topic_id: Uuid, error: ErrorCode) {
        let operations = match &name {
            Some(name) if error != ErrorCode::TopicAuthorizationFailed => self.operations(name),
            _ => authorized_operations::UNKNOWN,
        };
        self.topics.push(MetadataResponseTopic {
            error_code: error.code(),
            is_internal: name.as_deref().is_some_and(internal_topics::is_internal),
            name,
            topic_id,
            partitions: Vec::new(),
            topic_authorized_operations: operations,
        });
    }

    fn operations(&self, topic: &str) -> i32 {
        match self.request.include_topic_authorized_operations {
            true => authorized_operations::of_topic(self.ctx, self.broker, topic),
            false => authorized_operations::UNKNOWN,
        }
    }
}

fn respond(broker: &Broker, image: &MetadataImage, answer: Answer<'_>) -> MetadataResponse {
    let view = MetadataView::new(image, answer.ctx.listener());
    let brokers = view
        .alive_brokers()
        .map(|(broker, endpoint)| MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
        })
        .collect();
    MetadataResponse {
        brokers,
        cluster_id: Some(broker.cluster_id.clone()),
        controller_id: view.controller_id(),
        topics: answer.topics,
        cluster_authorized_operations: match answer.request.include_cluster_authorized_operations {
            true => authorized_operations::of_cluster(answer.ctx, broker),
            false => authorized_operations::UNKNOWN,
        },
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::metadata_request::MetadataRequestTopic;

    fn request(names: &[&str]) -> MetadataRequest {
        let topic = |n: &&str| MetadataRequestTopic { name: Some(Str::from(*n)), ..Default::default() };
        MetadataRequest { topics: Some(names.iter().map(topic).collect()), ..Default::default() }
    }

    #[test]
    fn an_empty_list_means_all_in_version_0_only() {
        assert_eq!(wanted(0, &request(&[])), Ok(Wanted::All));
        assert_eq!(wanted(1, &request(&[])), Ok(Wanted::Names(BTreeSet::new())));
        let all = MetadataRequest { topics: None, ..Default::default() };
        assert_eq!(wanted(1, &all), Ok(Wanted::All));
    }

    #[test]
    fn ids_before_version_12_are_invalid() {
        let mut by_id = request(&["t"]);
        if let Some(topics) = &mut by_id.topics {
            topics[0].topic_id = Uuid::ONE;
        }
        assert_eq!(wanted(11, &by_id), Err(ErrorCode::InvalidRequest));
        assert_eq!(wanted(12, &by_id), Ok(Wanted::Ids(BTreeSet::from([Uuid::ONE]))));
    }

    #[test]
    fn a_topic_named_twice_is_answered_once() {
        assert_eq!(wanted(9, &request(&["t", "t"])), Ok(Wanted::Names(BTreeSet::from([Str::from("t")]))));
    }
}
