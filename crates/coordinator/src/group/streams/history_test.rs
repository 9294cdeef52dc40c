//! Applications against a coordinator: scripted ones, and histories by seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::streams_group_heartbeat_request::{StreamsGroupHeartbeatRequest, TaskIds};
use ottla_protocol::messages::streams_group_heartbeat_response::{
    StreamsGroupHeartbeatResponse, TaskIds as GivenTasks,
};
use ottla_protocol::messages::{PartitionRecord, TopicRecord};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::*;
use crate::coordinator_shard::CoordinatorShard;
use crate::group::Group;
use crate::group::streams::tasks::Tasks;
use crate::group::streams::testing::{Sub, tasks, topology};
use crate::histories_test::{self, REPLAYED_ONE_IN, Seen};
use crate::testing::{GROUP, Random, World, context, replayed};
use crate::{Reply, StreamsGroupHeartbeatReply};

fn image(topics: &BTreeMap<Str, i32>) -> Arc<MetadataImage> {
    let mut image = MetadataImage::default();
    for (number, (name, partitions)) in (1..).zip(topics) {
        let topic_id = Uuid::from_parts(1, number);
        image.replay(&MetadataRecord::Topic(TopicRecord { name: name.clone(), topic_id })).unwrap();
        for partition_id in 0..*partitions {
            let record = PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![0],
                isr: vec![0],
                leader: 0,
                ..Default::default()
            };
            image.replay(&MetadataRecord::Partition(record)).unwrap();
        }
    }
    Arc::new(image)
}

/// A stream thread as its heartbeats show it.
#[derive(Clone)]
struct Client {
    id: Str,
    process: Str,
    epoch: i32,
    active: Tasks,
    standby: Tasks,
    statuses: Vec<i8>,
}

impl Client {
    fn new(id: &str, process: &str) -> Self {
        let (id, process) = (Str::from(id), Str::from(process));
        Self { id, process, epoch: 0, active: Tasks::new(), standby: Tasks::new(), statuses: Vec::new() }
    }

    fn request(&self, subtopologies: &[Sub]) -> StreamsGroupHeartbeatRequest {
        let ids = |tasks: &Tasks| -> Option<Vec<TaskIds>> {
            let ids = tasks.iter().map(|(id, partitions)| TaskIds {
                subtopology_id: id.clone(),
                partitions: partitions.iter().copied().collect(),
            });
            Some(ids.collect())
        };
        let is_joining = self.epoch == 0;
        StreamsGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if is_joining { 60_000 } else { -1 },
            topology: is_joining.then(|| topology(subtopologies)),
            process_id: is_joining.then(|| self.process.clone()),
            active_tasks: ids(&self.active),
            standby_tasks: ids(&self.standby),
            warmup_tasks: Some(Vec::new()),
            ..Default::default()
        }
    }
}

/// A coordinator, the topics that there are, and an application.
struct Application {
    world: World,
    topics: BTreeMap<Str, i32>,
    subtopologies: Vec<Sub>,
    clients: BTreeMap<Str, Client>,
}

impl Application {
    fn new(subtopologies: &[Sub], topics: &[(&str, i32)], delay_ms: i32, replicas: i32) -> Self {
        let world = World::with(|config| {
            config.streams.initial_rebalance_delay_ms = delay_ms;
            config.streams.num_standby_replicas = replicas;
        });
        let topics = topics.iter().map(|(name, partitions)| (Str::from(*name), *partitions)).collect();
        let subtopologies = subtopologies.to_vec();
        let mut application = Self { world, topics, subtopologies, clients: BTreeMap::new() };
        application.publish();
        application
    }

    fn publish(&mut self) {
        let image = image(&self.topics);
        let now_ms = self.world.now_ms;
        self.world.run(|shard, _| shard.on_metadata(image, now_ms));
    }

    fn send(&mut self, request: &StreamsGroupHeartbeatRequest) -> StreamsGroupHeartbeatReply {
        let now_ms = self.world.now_ms;
        crate::validate_streams_group_heartbeat(request).unwrap();
        let id = self.world.run(|shard, id| shard.streams_group_heartbeat(&context(0), request, id, now_ms));
        match self.world.replies.remove(&id) {
            Some(Reply::StreamsGroupHeartbeat(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, id: &str, process: &str) -> ErrorCode {
        self.clients.insert(id.into(), Client::new(id, process));
        self.beat(id)
    }

    /// One heartbeat. The client does as it is told, and missing topics are created.
    fn beat(&mut self, id: &str) -> ErrorCode {
        let client = self.clients[id].clone();
        let reply = self.send(&client.request(&self.subtopologies));
        let error = ErrorCode::from_code(reply.response.error_code);
        self.obey(id, &reply.response);
        if !reply.topics_to_create.is_empty() {
            let created = reply.topics_to_create.iter();
            self.topics.extend(created.map(|topic| (topic.name.clone(), topic.num_partitions)));
            self.publish();
        }
        error
    }

    fn obey(&mut self, id: &str, response: &StreamsGroupHeartbeatResponse) {
        let client = self.clients.get_mut(id).unwrap();
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            // It has lost everything, and starts anew.
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound => {
                *client = Client::new(id, &client.process.clone());
                return;
            }
            other => panic!("{other}: {:?}", response.error_message),
        }
        let tasks = |given: &Option<Vec<GivenTasks>>| -> Option<Tasks> {
            let given = given.as_ref()?.iter();
            Some(
                given
                    .map(|ids| (ids.subtopology_id.clone(), ids.partitions.iter().copied().collect()))
                    .collect(),
            )
        };
        client.epoch = response.member_epoch;
        client.statuses = response.status.iter().flatten().map(|status| status.status_code).collect();
        if let Some(active) = tasks(&response.active_tasks) {
            client.active = active;
            client.standby = tasks(&response.standby_tasks).unwrap();
        }
    }

    fn beat_all(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for id in self.clients.keys().cloned().collect::<Vec<_>>() {
                self.beat(&id);
            }
            self.world.advance(1_000);
        }
    }

    fn leave(&mut self, id: &str) -> ErrorCode {
        let client = self.clients.remove(id).unwrap();
        let request = StreamsGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: client.id,
            member_epoch: -1,
            ..Default::default()
        };
        ErrorCode::from_code(self.send(&request).response.error_code)
    }

    fn group(&self) -> StreamsGroup {
        match self.world.runtime.shard().groups.get(GROUP) {
            Some(Group::Streams(group)) => group.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn restart(self) -> Self {
        let mut restarted = Self { world: self.world.restart(), ..self };
        restarted.publish();
        restarted
    }

    /// No task has two owners.
    fn check_owners(&self) {
        let Some(Group::Streams(group)) = self.world.runtime.shard().groups.get(GROUP) else { return };
        let mut owners: BTreeMap<(Str, i32), Str> = BTreeMap::new();
        for member in group.members.values() {
            for owned in [&member.assigned_tasks, &member.tasks_pending_revocation] {
                for (id, partitions) in &owned.active {
                    for partition in partitions.keys() {
                        let other = owners.insert((id.clone(), *partition), member.member_id.clone());
                        assert_eq!(other, None, "{id}-{partition} has two owners");
                    }
                }
            }
        }
    }

    /// Nothing is known that is not in the log.
    fn check_log(&self) {
        let Some(Group::Streams(group)) = self.world.runtime.shard().groups.get(GROUP) else { return };
        let again = replayed(&self.world.config, &self.world.log);
        let Some(Group::Streams(again)) = again.groups.get(GROUP) else { panic!("no group") };
        assert_eq!(persistent(again), persistent(group));
        assert_eq!(again.owners, group.owners);
    }
}

fn persistent(group: &StreamsGroup) -> String {
    format!(
        "{} {} {} {} {} {:?} {:?} {:?} {:?}",
        group.group_epoch,
        group.validated_topology_epoch,
        group.metadata_hash,
        group.assignment_epoch,
        group.assignment_timestamp_ms,
        group.members,
        group.target_assignment,
        group.topology,
        group.last_assignment_configs,
    )
}

fn word_count() -> Vec<Sub> {
    vec![
        Sub::new("0").source(&["words"]).sink(&["by-word"]),
        Sub::new("1").repartition(&[("by-word", 0)]).changelog(&["counts"]),
    ]
}

#[test]
fn an_application_gets_its_topics_and_its_tasks() {
    let mut app = Application::new(&word_count(), &[("words", 3)], 0, 0);
    assert_eq!(app.join("a", "p"), ErrorCode::None);
    assert_eq!(app.clients["a"].statuses, [3], "internal topics are missing");
    assert_eq!((app.topics["by-word"], app.topics["counts"]), (3, 3));
    assert_eq!(app.group().state(), StreamsGroupState::NotReady);
    app.world.advance(1_000);
    app.beat_all(2);
    let all: &[i32] = &[0, 1, 2];
    assert_eq!(app.clients["a"].active, tasks(&[("0", all), ("1", all)]));
    assert_eq!(app.clients["a"].statuses, Vec::<i8>::new());
    assert_eq!(app.group().state(), StreamsGroupState::Stable);
    app.check_owners();
    app.check_log();
}

#[test]
fn missing_sources_are_told_until_they_are_there() {
    let mut app = Application::new(&word_count(), &[], 0, 0);
    app.join("a", "p");
    assert_eq!(app.clients["a"].statuses, [1]);
    app.topics.insert("words".into(), 2);
    app.publish();
    app.world.advance(1_000);
    app.beat_all(3);
    assert_eq!(app.group().state(), StreamsGroupState::Stable);
    assert_eq!(app.clients["a"].active["1"].len(), 2);
    // A source that grows gives more tasks, and its internal topics do not fit any more.
    app.topics.insert("words".into(), 4);
    app.publish();
    app.beat("a");
    assert_eq!(app.clients["a"].statuses, [2]);
}

#[test]
fn tasks_go_from_member_to_member_one_owner_at_a_time() {
    let mut app = Application::new(&word_count(), &[("words", 4), ("by-word", 4), ("counts", 4)], 0, 0);
    app.join("a", "p");
    app.beat_all(2);
    app.join("b", "q");
    assert!(app.clients["b"].active.is_empty(), "all is still another's");
    app.check_owners();
    app.check_log();
    app.beat_all(4);
    let count =
        |app: &Application, id: &str| app.clients[id].active.values().map(BTreeSet::len).sum::<usize>();
    assert_eq!((count(&app, "a"), count(&app, "b")), (4, 4));
    assert_eq!(app.leave("b"), ErrorCode::None);
    app.beat_all(2);
    assert_eq!(count(&app, "a"), 8);
    app.check_owners();
    app.check_log();
}

#[test]
fn the_first_assignment_waits_for_more_members() {
    let mut app = Application::new(&[Sub::new("0").source(&["words"])], &[("words", 2)], 3_000, 0);
    app.join("a", "p");
    app.world.advance(500);
    app.join("b", "q");
    assert_eq!(app.clients["b"].statuses, [5]);
    assert!(app.clients["a"].active.is_empty() && app.clients["b"].active.is_empty());
    app.world.advance(3_000);
    app.beat_all(1);
    assert_eq!((app.clients["a"].active["0"].len(), app.clients["b"].active["0"].len()), (1, 1));
    app.check_owners();
    app.check_log();
}

#[test]
fn members_that_fall_silent_or_keep_their_tasks_are_removed() {
    let mut app = Application::new(&[Sub::new("0").source(&["words"])], &[("words", 2)], 0, 0);
    app.join("a", "p");
    app.beat_all(1);
    app.join("b", "q");
    app.beat("a");
    assert_eq!(app.group().members["a"].state, member::MemberState::UnrevokedTasks);
    // It lives, but says nothing of its tasks.
    for _ in 0..4 {
        app.world.advance(20_000);
        let silent = StreamsGroupHeartbeatRequest {
            active_tasks: None,
            standby_tasks: None,
            warmup_tasks: None,
            ..app.clients["a"].request(&[])
        };
        app.send(&silent);
        app.beat("b");
    }
    assert_eq!(app.group().members.keys().collect::<Vec<_>>(), ["b"]);
    app.world.advance(46_000);
    assert_eq!(app.group().state(), StreamsGroupState::Empty);
    assert_eq!(app.beat("b"), ErrorCode::UnknownMemberId);
    app.check_owners();
    app.check_log();
}

#[test]
fn a_member_must_come_from_where_it_was_told_to_be() {
    let mut app = Application::new(&[Sub::new("0").source(&["words"])], &[("words", 2)], 0, 0);
    app.join("a", "p");
    let request = app.clients["a"].request(&[]);
    let fenced = StreamsGroupHeartbeatRequest { member_epoch: 9, ..request.clone() };
    assert_eq!(app.send(&fenced).response.error_code, ErrorCode::FencedMemberEpoch.code());
    let unknown = StreamsGroupHeartbeatRequest { member_id: "x".into(), ..request.clone() };
    let response = app.send(&unknown).response;
    assert_eq!(response.error_message.as_deref(), Some("Member x is not a member of group group."));
    let other = StreamsGroupHeartbeatRequest { group_id: "other".into(), ..request.clone() };
    assert_eq!(app.send(&other).response.error_code, ErrorCode::GroupIdNotFound.code());
    let missing = vec![TaskIds { subtopology_id: "7".into(), partitions: vec![0] }];
    let missing = StreamsGroupHeartbeatRequest { active_tasks: Some(missing), ..request };
    assert_eq!(app.send(&missing).response.error_code, ErrorCode::InvalidRequest.code());
}

#[test]
fn a_request_to_shut_down_reaches_all() {
    let mut app = Application::new(&[Sub::new("0").source(&["words"])], &[("words", 2)], 0, 0);
    app.join("a", "p");
    app.join("b", "q");
    let request =
        StreamsGroupHeartbeatRequest { shutdown_application: true, ..app.clients["a"].request(&[]) };
    app.send(&request);
    app.beat("b");
    assert!(app.clients["b"].statuses.contains(&4));
}

/// One history. What happens depends on the seed alone.
fn history(seed: u64) -> Seen<&'static str> {
    let mut seen = Seen::new();
    let mut random = Random(seed);
    let replicas = random.below(3) as i32;
    let mut app = Application::new(&word_count(), &[("words", 1 + random.below(6) as i32)], 0, replicas);
    for step in 0..120 {
        let ids: Vec<Str> = app.clients.keys().cloned().collect();
        match random.below(12) {
            0 | 1 if ids.len() < 6 => {
                let process = format!("p{}", random.below(4));
                app.join(&format!("m{step}"), &process);
            }
            2 if !ids.is_empty() => _ = app.leave(&random.pick(&ids)),
            // Gone without a word.
            3 if ids.len() > 2 => _ = app.clients.remove(&random.pick(&ids)),
            4 => app = app.restart(),
            5 => app.world.advance(30_000),
            _ if !ids.is_empty() => _ = app.beat(&random.pick(&ids)),
            _ => {}
        }
        app.world.advance(random.below(2_000) as i64);
        *seen.entry(app.world.state()).or_default() += 1;
        app.check_owners();
        if random.one_in(REPLAYED_ONE_IN) {
            app.check_log();
        }
    }
    app.join("last", "p0");
    for _ in 0..4 {
        app.beat_all(16);
    }
    app.check_owners();
    app.check_log();
    assert_eq!(app.group().state(), StreamsGroupState::Stable, "seed {seed}: {:?}", app.group());
    let owned: usize = app.clients.values().flat_map(|c| c.active.values()).map(BTreeSet::len).sum();
    assert_eq!(owned as i32, 2 * app.topics["words"], "seed {seed}: every task has an owner");
    seen
}

#[test]
fn whatever_happens_every_task_has_one_owner_in_the_end() {
    histories_test::run(20, &["Empty", "NotReady", "Reconciling", "Stable"], history);
}
