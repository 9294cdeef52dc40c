//! StreamsGroupHeartbeat (key 88), version 0: a member of a streams group (KIP-1071) joins, is alive, or leaves.
//!
//! Internal topics of the application that are missing are created here. Kafka answers before they are; here the answer
//! waits for the controller, and says at once what it refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_controller::topic_name;
use ottla_coordinator::errors::{coordinator_error, streams_group_heartbeat_error};
use ottla_coordinator::{GroupError, Reply, StreamsGroupHeartbeatReply, validate_streams_group_heartbeat};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::streams_group_heartbeat_request::Topology;
use ottla_protocol::messages::streams_group_heartbeat_response::Status;
use ottla_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{authorize_member, authorize_topics, group_context, is_group_type_enabled, run};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::is_internal;

/// The status that says which internal topics are missing.
const MISSING_INTERNAL_TOPICS: i8 = 3;
/// How many refused topics an answer names.
const ERRORS_SHOWN_MAX: usize = 3;

/// Answers when what the heartbeat changed is persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: StreamsGroupHeartbeatRequest,
) -> StreamsGroupHeartbeatResponse {
    if !is_group_type_enabled(&broker, "streams", "streams.version") {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    let authorized = authorize_member(&ctx, &broker, &request.group_id).and_then(|()| {
        let Some(topology) = &request.topology else { return Ok(()) };
        let names = topic_names(topology);
        validate_topics(&names)?;
        authorize_topics(&ctx, &broker, names.into_iter())
    });
    if let Err(error) = authorized.and_then(|()| validate_streams_group_heartbeat(&request)) {
        return streams_group_heartbeat_error(&error);
    }
    let context = group_context(&ctx);
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.streams_group_heartbeat(&context, &request, id, now_ms)
    });
    match reply.await {
        Ok(Reply::StreamsGroupHeartbeat(reply)) => create_topics(&broker, &ctx, reply).await,
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(coordinator_error(error)),
    }
}

/// Creates what is missing, and says what could not be created.
async fn create_topics(
    broker: &Broker,
    ctx: &RequestContext,
    reply: StreamsGroupHeartbeatReply,
) -> StreamsGroupHeartbeatResponse {
    let StreamsGroupHeartbeatReply { mut response, topics_to_create } = reply;
    if topics_to_create.is_empty() {
        return response;
    }
    let denied = denied_creation(ctx, broker, &topics_to_create);
    if !denied.is_empty() {
        tell_denied(&mut response, &denied);
        return response;
    }
    let back_off_ms = i64::from(response.heartbeat_interval_ms).saturating_mul(2);
    let errors = broker.create_streams_topics(ctx, topics_to_create, back_off_ms).await;
    let mut statuses = response.status.iter_mut().flatten();
    if let Some(status) = statuses.find(|status| status.status_code == MISSING_INTERNAL_TOPICS)
        && !errors.is_empty()
    {
        let shown = errors.iter().take(ERRORS_SHOWN_MAX).map(|(topic, error)| format!("{topic} ({error})"));
        let more = match errors.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = shown.collect::<Vec<_>>().join(", ");
        status.status_detail =
            Str::from(format!("{}; Creation failed: {shown}{more}.", status.status_detail));
    }
    response
}

/// The topics that who asks may not create. With one of them, none is created.
fn denied_creation(ctx: &RequestContext, broker: &Broker, topics: &[CreatableTopic]) -> Vec<Str> {
    if broker.may_see(ctx, AclOperation::Create, Resource::Cluster) {
        return Vec::new();
    }
    let mut allowed = broker.topics(ctx, AclOperation::Create);
    let names = topics.iter().map(|topic| &topic.name);
    names.filter(|name| !allowed.allow(name)).cloned().collect()
}

/// Says in the status which topics the member may not create.
fn tell_denied(response: &mut StreamsGroupHeartbeatResponse, denied: &[Str]) {
    let names = denied.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    let text = format!("Unauthorized to CREATE on topics {names}.");
    let statuses = response.status.get_or_insert_default();
    match statuses.iter_mut().find(|status| status.status_code == MISSING_INTERNAL_TOPICS) {
        Some(status) => status.status_detail = Str::from(format!("{}; {text}", status.status_detail)),
        None => {
            statuses.push(Status { status_code: MISSING_INTERNAL_TOPICS, status_detail: Str::from(text) })
        }
    }
}

fn topic_names(topology: &Topology) -> BTreeSet<&Str> {
    let mut names: BTreeSet<&Str> = BTreeSet::new();
    for subtopology in &topology.subtopologies {
        let internal =
            subtopology.repartition_source_topics.iter().chain(&subtopology.state_changelog_topics);
        names.extend(&subtopology.source_topics);
        names.extend(&subtopology.repartition_sink_topics);
        names.extend(internal.map(|topic| &topic.name));
    }
    names
}

/// The topics of an application are its own and have names that topics may have.
fn validate_topics(names: &BTreeSet<&Str>) -> Result<(), GroupError> {
    let of = |is_wrong: &dyn Fn(&str) -> bool| -> Vec<&str> {
        names.iter().map(|name| &***name).filter(|name| is_wrong(name)).collect()
    };
    let invalid = |message: String| Err(GroupError::new(ErrorCode::StreamsInvalidTopology, message));
    let prohibited = of(&is_internal);
    if !prohibited.is_empty() {
        return invalid(format!(
            "Use of Kafka internal topics {} in a Kafka Streams topology is prohibited.",
            prohibited.join(",")
        ));
    }
    let misnamed = of(&|name| topic_name::validate(name).is_err());
    if !misnamed.is_empty() {
        return invalid(format!("Topic names {} are not valid topic names.", misnamed.join(",")));
    }
    Ok(())
}

fn refuse(error: ErrorCode) -> StreamsGroupHeartbeatResponse {
    streams_group_heartbeat_error(&GroupError::from(error))
}

impl Broker {
    /// Creates the internal topics of an application. Returns those that could not be created and why, those included that
    /// were refused within `back_off_ms` before: these are not tried again yet (`createStreamsInternalTopics`).
    async fn create_streams_topics(
        &self,
        ctx: &RequestContext,
        topics: Vec<CreatableTopic>,
        back_off_ms: i64,
    ) -> Vec<(Str, String)> {
        let now_ms = ctx.now_ms;
        let names: Vec<Str> = topics.iter().map(|topic| topic.name.clone()).collect();
        let attempt = self.streams_topics.begin(topics, now_ms);
        if !attempt.topics.is_empty() {
            let refused = self.create_all(attempt.topics.clone(), ctx.strict_changes()).await;
            self.streams_topics.refused(refused, now_ms, back_off_ms);
        }
        self.streams_topics.errors(&names, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::streams_group_heartbeat_request::Subtopology;

    use super::*;

    #[test]
    fn topics_of_applications_are_neither_internal_nor_misnamed() {
        let check = |topic: &str, expect: Option<&str>| {
            let subtopology = Subtopology { source_topics: vec![topic.into()], ..Default::default() };
            let topology = Topology { epoch: 0, subtopologies: vec![subtopology] };
            let message = validate_topics(&topic_names(&topology)).err().and_then(|error| error.message);
            assert_eq!(message.as_deref(), expect);
        };
        check("words", None);
        check("a b", Some("Topic names a b are not valid topic names."));
        check(
            "__consumer_offsets",
            Some(
                "Use of Kafka internal topics __consumer_offsets in a Kafka Streams topology is prohibited.",
            ),
        );
    }
}
