//! A world for tests: a runtime over a log in memory, a clock that is set by hand, and requests in short
//! form.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::messages::group_metadata_value::MemberMetadata;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{
    ConsumerProtocolSubscription, GroupMetadataValue, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest, SyncGroupRequest, SyncGroupResponse,
};
use ottla_protocol::{ErrorCode, Str, Uuid, encode_versioned};

use crate::coordinator_shard::CoordinatorShard;
use crate::records::{GroupRecord, decode_record};
use crate::{
    Append, Appended, CoordinatorRecord, CoordinatorResult, CoordinatorRuntime, GroupCoordinatorConfig,
    GroupCoordinatorShard, GroupEvent, GroupExplanation, Outcome, RecordLog, Reply, ReplyId, RequestContext,
    TimerKey,
};

pub const GROUP: &str = "group";

/// `__consumer_offsets-n`.
#[derive(Debug, Default)]
pub struct MemoryLog {
    pub records: Vec<(CoordinatorRecord, Option<i64>)>,
    /// Where control records end transactions: producer id, and whether it was committed.
    pub markers: BTreeMap<i64, (i64, bool)>,
    /// Sizes of the batches.
    pub batches: Vec<usize>,
    pub high_watermark: i64,
    /// Appended records stay uncommitted until `World::commit`.
    pub holds: bool,
    /// What the next appends fail with.
    pub fails: Option<ErrorCode>,
    pub batch_bytes_max: usize,
}

impl RecordLog for MemoryLog {
    fn append(&mut self, append: Append<'_>) -> Result<Appended, ErrorCode> {
        if let Some(error) = self.fails {
            return Err(error);
        }
        let base_offset = self.records.len() as i64;
        let producer_id = append.producer.map(|producer| producer.producer_id);
        self.records.extend(append.records.iter().map(|record| (record.clone(), producer_id)));
        self.batches.push(append.records.len());
        if !self.holds {
            self.high_watermark = self.records.len() as i64;
        }
        Ok(Appended { base_offset, high_watermark: self.high_watermark })
    }

    fn batch_bytes_max(&self) -> usize {
        self.batch_bytes_max
    }
}

pub struct World {
    pub config: Arc<GroupCoordinatorConfig>,
    pub runtime: CoordinatorRuntime,
    pub log: MemoryLog,
    pub now_ms: i64,
    pub replies: BTreeMap<ReplyId, Reply>,
    pub events: Vec<GroupEvent>,
    last_reply_id: u64,
    last_uuid: (u64, u64),
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(configure: impl FnOnce(&mut GroupCoordinatorConfig)) -> Self {
        let mut config = GroupCoordinatorConfig::default();
        configure(&mut config);
        Self::load(Arc::new(config), MemoryLog { batch_bytes_max: 1 << 20, ..Default::default() }, 1_000_000)
    }

    /// A broker that starts on this log.
    pub fn load(config: Arc<GroupCoordinatorConfig>, mut log: MemoryLog, now_ms: i64) -> Self {
        let shard = replayed(&config, &log);
        let high_watermark = log.high_watermark;
        let (runtime, outcome) = CoordinatorRuntime::new(shard, None, high_watermark, &mut log, now_ms);
        // Ids differ from those of before a restart.
        let last_uuid = (log.records.len() as u64, 0);
        let mut world = Self {
            config,
            runtime,
            log,
            now_ms,
            replies: BTreeMap::new(),
            events: Vec::new(),
            last_reply_id: 0,
            last_uuid,
        };
        world.take(outcome);
        world
    }

    /// The broker is killed and started again.
    pub fn restart(self) -> Self {
        Self::load(self.config, self.log, self.now_ms)
    }

    /// The partition goes to another broker: all who wait are answered.
    pub fn unload(self) -> (MemoryLog, BTreeMap<ReplyId, Reply>) {
        let mut replies = self.replies;
        let outcome = self.runtime.unload(self.now_ms);
        for (id, reply) in outcome.replies {
            assert!(replies.insert(id, reply).is_none(), "{id:?} was answered twice");
        }
        (self.log, replies)
    }

    /// How many requests were sent.
    pub fn requests_len(&self) -> usize {
        self.last_reply_id as usize
    }

    pub fn run(
        &mut self,
        operation: impl FnOnce(&mut GroupCoordinatorShard, ReplyId) -> CoordinatorResult,
    ) -> ReplyId {
        self.last_reply_id += 1;
        let id = ReplyId(self.last_reply_id);
        let outcome = self.runtime.run(&mut self.log, self.now_ms, |shard| operation(shard, id));
        self.take(outcome);
        id
    }

    fn take(&mut self, outcome: Outcome) {
        assert_eq!(outcome.broken, None);
        for (id, reply) in outcome.replies {
            assert!(self.replies.insert(id, reply).is_none(), "{id:?} was answered twice");
        }
        self.events.extend(outcome.events);
    }

    /// Lets time pass, and timers fire in their order.
    pub fn advance(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        let mut calls = 0;
        while let Some(deadline_ms) = self.runtime.next_deadline_ms().filter(|at| *at <= end_ms) {
            calls += 1;
            assert!(calls < 1_000 + ms, "timers that never rest: {:?}", self.runtime.timers());
            self.now_ms = self.now_ms.max(deadline_ms);
            let outcome = self.runtime.on_deadline(&mut self.log, self.now_ms);
            self.take(outcome);
        }
        self.now_ms = end_ms;
    }

    /// All that was appended is committed.
    pub fn commit(&mut self) {
        let high_watermark = self.log.records.len() as i64;
        self.log.high_watermark = high_watermark;
        let outcome = self.runtime.on_high_watermark(&mut self.log, high_watermark, self.now_ms);
        self.take(outcome);
    }

    pub fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        let offset = self.log.records.len() as i64;
        // A record of a type that is not kept stands for the control record.
        let record = CoordinatorRecord { key: Bytes::from_static(&[0, 255]), value: None };
        self.log.records.push((record, None));
        self.log.markers.insert(offset, (producer_id, commit));
        self.log.high_watermark = offset + 1;
        let outcome = self.runtime.on_end_txn_marker(
            &mut self.log,
            offset,
            producer_id,
            commit,
            offset + 1,
            self.now_ms,
        );
        self.take(outcome);
    }

    pub fn join(&mut self, join: &JoinSpec) -> ReplyId {
        self.last_uuid.1 += 1;
        let uuid = self.last_uuid();
        let now_ms = self.now_ms;
        self.run(|shard, id| shard.join_group(&context(join.version), &join.request(), id, uuid, now_ms))
    }

    fn last_uuid(&self) -> Uuid {
        Uuid::from_parts(self.last_uuid.0, self.last_uuid.1)
    }

    /// Joins as a new member, twice if the version asks for it; the id, and the reply that is still due.
    pub fn join_new(&mut self, join: &JoinSpec) -> (Str, ReplyId) {
        let id = self.join(join);
        match self.replies.get(&id) {
            Some(Reply::JoinGroup(response)) if response.error_code == ErrorCode::MemberIdRequired.code() => {
                let member_id = response.member_id.clone();
                let id = self.join(&join.clone().member(&member_id));
                (member_id, id)
            }
            _ => (Str::from(format!("{}-{}", join.prefix(), self.last_uuid().to_hyphenated())), id),
        }
    }

    /// A stable group of these members, each with an assignment of its own number; ids in order of the specs.
    pub fn stable_group(&mut self, specs: &[JoinSpec]) -> Vec<Str> {
        let joins: Vec<_> = specs.iter().map(|spec| self.join_new(spec)).collect();
        self.advance(self.config.group_initial_rebalance_delay_ms.into());
        self.advance(self.config.group_initial_rebalance_delay_ms.into());
        let ids: Vec<Str> = joins.iter().map(|(id, _)| id.clone()).collect();
        let generation_id = self.joined(joins[0].1).generation_id;
        self.sync_all(&ids, generation_id);
        assert_eq!(self.explain().state, "Stable");
        ids
    }

    /// All send SyncGroup, the leader with an assignment for each.
    pub fn sync_all(&mut self, ids: &[Str], generation_id: i32) -> Vec<ReplyId> {
        let leader = self.explain().leader.unwrap();
        let assignments: Vec<(Str, String)> =
            ids.iter().enumerate().map(|(at, id)| (id.clone(), format!("assignment {at}"))).collect();
        let assignments: Vec<(&str, &str)> = assignments.iter().map(|(id, a)| (&**id, a.as_str())).collect();
        ids.iter()
            .map(|id| {
                let given = if *id == leader { &assignments[..] } else { &[] };
                self.sync(id, generation_id, given)
            })
            .collect()
    }

    pub fn sync(&mut self, member_id: &str, generation_id: i32, assignments: &[(&str, &str)]) -> ReplyId {
        self.sync_request(3, &sync_request(member_id, generation_id, assignments))
    }

    pub fn sync_request(&mut self, version: i16, request: &SyncGroupRequest) -> ReplyId {
        let now_ms = self.now_ms;
        self.run(|shard, id| shard.sync_group(&context(version), request, id, now_ms))
    }

    pub fn heartbeat(&mut self, member_id: &str, generation_id: i32) -> ErrorCode {
        self.heartbeat_as(member_id, None, generation_id)
    }

    pub fn heartbeat_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation_id: i32,
    ) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id,
            member_id: member_id.into(),
            group_instance_id: instance_id.map(Str::from),
        };
        let now_ms = self.now_ms;
        let id = self.run(|shard, id| shard.heartbeat(&request, id, now_ms));
        match self.replies.remove(&id) {
            Some(Reply::Heartbeat(response)) => ErrorCode::from_code(response.error_code),
            other => panic!("{other:?}"),
        }
    }

    pub fn leave(&mut self, members: &[(&str, Option<&str>)]) -> ReplyId {
        let members = members.iter().map(|(member_id, instance_id)| MemberIdentity {
            member_id: Str::from(*member_id),
            group_instance_id: instance_id.map(Str::from),
            reason: None,
        });
        let request =
            LeaveGroupRequest { group_id: GROUP.into(), members: members.collect(), ..Default::default() };
        let now_ms = self.now_ms;
        self.run(|shard, id| shard.leave_group(&context(4), &request, id, now_ms))
    }

    pub fn commit_offsets(&mut self, commit: &CommitSpec) -> ReplyId {
        let now_ms = self.now_ms;
        self.run(|shard, id| shard.commit_offset(&context(commit.version), &commit.request(), id, now_ms))
    }

    pub fn fetch(&mut self, topics: &[(&str, &[i32])], require_stable: bool) -> ReplyId {
        let topics = topics.iter().map(|(name, partitions)| OffsetFetchRequestTopics {
            name: Str::from(*name),
            partition_indexes: partitions.to_vec(),
            ..Default::default()
        });
        let topics = Some(topics.collect());
        let request = OffsetFetchRequestGroup { group_id: GROUP.into(), topics, ..Default::default() };
        self.run(|shard, id| shard.fetch_offsets(&request, require_stable, id))
    }

    /// (topic, partition, offset, error) of everything fetched.
    pub fn fetched(&mut self, id: ReplyId) -> Vec<(String, i32, i64, ErrorCode)> {
        let group = self.fetched_group(id);
        let topics = group.topics.into_iter();
        let partitions = topics.flat_map(|topic| {
            let name = topic.name.to_string();
            topic.partitions.into_iter().map(move |partition| {
                let error = ErrorCode::from_code(partition.error_code);
                (name.clone(), partition.partition_index, partition.committed_offset, error)
            })
        });
        partitions.collect()
    }

    pub fn fetched_group(&mut self, id: ReplyId) -> OffsetFetchResponseGroup {
        match self.replies.remove(&id) {
            Some(Reply::OffsetFetch(group)) => group,
            other => panic!("{other:?}"),
        }
    }

    pub fn joined(&mut self, id: ReplyId) -> JoinGroupResponse {
        match self.replies.remove(&id) {
            Some(Reply::JoinGroup(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    pub fn join_error(&mut self, id: ReplyId) -> ErrorCode {
        ErrorCode::from_code(self.joined(id).error_code)
    }

    pub fn synced(&mut self, id: ReplyId) -> SyncGroupResponse {
        match self.replies.remove(&id) {
            Some(Reply::SyncGroup(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    pub fn sync_error(&mut self, id: ReplyId) -> ErrorCode {
        ErrorCode::from_code(self.synced(id).error_code)
    }

    pub fn left(&mut self, id: ReplyId) -> LeaveGroupResponse {
        match self.replies.remove(&id) {
            Some(Reply::LeaveGroup(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    /// The errors of an OffsetCommit, partition by partition.
    pub fn commit_errors(&mut self, id: ReplyId) -> Vec<ErrorCode> {
        match self.replies.remove(&id) {
            Some(Reply::OffsetCommit(response)) => {
                let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.map(|partition| ErrorCode::from_code(partition.error_code)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn is_waiting(&self, id: ReplyId) -> bool {
        !self.replies.contains_key(&id)
    }

    pub fn explain(&self) -> GroupExplanation {
        self.runtime.shard().explain_group(GROUP).expect("the group exists")
    }

    /// The state of the group, and "-" when there is none.
    pub fn state(&self) -> &'static str {
        self.runtime.shard().explain_group(GROUP).map_or("-", |group| group.state)
    }

    pub fn deadline_in(&self, key: &TimerKey) -> Option<i64> {
        self.runtime.timers().deadline_ms(key).map(|at| at - self.now_ms)
    }

    /// The log, decoded.
    pub fn log(&self) -> Vec<GroupRecord> {
        let decode = |record: &CoordinatorRecord| decode_record(&record.key, record.value.as_ref()).unwrap();
        self.log.records.iter().map(|(record, _)| decode(record)).collect()
    }

    /// The last record of the group itself.
    pub fn last_group_record(&self) -> GroupMetadataValue {
        let records = self.log().into_iter().rev();
        let mut groups = records.filter_map(|record| match record {
            GroupRecord::ClassicGroup(_, value) => Some(value.expect("a value")),
            _ => None,
        });
        groups.next().expect("a record of the group")
    }

    pub fn last_group_members(&self) -> Vec<MemberMetadata> {
        self.last_group_record().members
    }
}

/// Numbers that are random enough, and the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// A shard that has read this log.
pub fn replayed(config: &Arc<GroupCoordinatorConfig>, log: &MemoryLog) -> GroupCoordinatorShard {
    let mut shard = GroupCoordinatorShard::new(config.clone());
    shard.on_high_watermark(log.high_watermark);
    for (offset, (record, producer_id)) in (0..).zip(&log.records) {
        match log.markers.get(&offset) {
            Some((producer_id, commit)) => shard.replay_end_txn_marker(offset, *producer_id, *commit),
            None => {
                shard.replay(offset, *producer_id, &record.key, record.value.as_ref()).unwrap();
            }
        }
    }
    shard
}

pub fn context(api_version: i16) -> RequestContext {
    RequestContext {
        api_version,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        sees: Default::default(),
    }
}

pub fn heartbeat_key(member_id: &str) -> TimerKey {
    TimerKey::ClassicHeartbeat { group_id: GROUP.into(), member_id: member_id.into() }
}

pub fn join_key() -> TimerKey {
    TimerKey::ClassicJoin { group_id: GROUP.into() }
}

pub fn sync_key() -> TimerKey {
    TimerKey::ClassicSync { group_id: GROUP.into() }
}

/// A consumer's subscription to these topics.
pub fn subscription(topics: &[&str]) -> Bytes {
    let topics = topics.iter().map(|topic| Str::from(*topic)).collect();
    let subscription = ConsumerProtocolSubscription { topics, ..Default::default() };
    encode_versioned(&subscription, 3).unwrap()
}

pub fn sync_request(member_id: &str, generation_id: i32, assignments: &[(&str, &str)]) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member_id, assignment)| SyncGroupRequestAssignment {
        member_id: Str::from(*member_id),
        assignment: Bytes::copy_from_slice(assignment.as_bytes()),
    });
    SyncGroupRequest {
        group_id: GROUP.into(),
        generation_id,
        member_id: member_id.into(),
        assignments: assignments.collect(),
        ..Default::default()
    }
}

/// A JoinGroup in short form: version 4, protocol type `consumer`, protocol `range` for topic `foo`.
#[derive(Clone, Debug)]
pub struct JoinSpec {
    pub version: i16,
    pub member_id: Str,
    pub instance_id: Option<Str>,
    pub protocol_type: Str,
    pub protocols: Vec<(Str, Bytes)>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
}

impl JoinSpec {
    pub fn new() -> Self {
        Self {
            version: 4,
            member_id: Str::new(),
            instance_id: None,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), subscription(&["foo"]))],
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
        }
    }

    /// A static member.
    pub fn instance(instance_id: &str) -> Self {
        Self { version: 5, instance_id: Some(instance_id.into()), ..Self::new() }
    }

    pub fn member(self, member_id: &str) -> Self {
        Self { member_id: member_id.into(), ..self }
    }

    pub fn version(self, version: i16) -> Self {
        Self { version, ..self }
    }

    pub fn protocol_type(self, protocol_type: &'static str) -> Self {
        Self { protocol_type: protocol_type.into(), ..self }
    }

    /// These protocols, each with its name as metadata.
    pub fn protocols(self, names: &[&str]) -> Self {
        let protocol = |name: &&str| (Str::from(*name), Bytes::copy_from_slice(name.as_bytes()));
        Self { protocols: names.iter().map(protocol).collect(), ..self }
    }

    pub fn topics(self, topics: &[&str]) -> Self {
        Self { protocols: vec![("range".into(), subscription(topics))], ..self }
    }

    pub fn session(self, session_timeout_ms: i32) -> Self {
        Self { session_timeout_ms, ..self }
    }

    pub fn rebalance(self, rebalance_timeout_ms: i32) -> Self {
        Self { rebalance_timeout_ms, ..self }
    }

    fn prefix(&self) -> Str {
        self.instance_id.clone().unwrap_or("client".into())
    }

    pub fn request(&self) -> JoinGroupRequest {
        let protocols = self.protocols.iter().map(|(name, metadata)| JoinGroupRequestProtocol {
            name: name.clone(),
            metadata: metadata.clone(),
        });
        JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: self.protocol_type.clone(),
            protocols: protocols.collect(),
            reason: None,
        }
    }
}

/// An OffsetCommit in short form: version 8, no member, no generation.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    pub version: i16,
    pub member_id: Str,
    pub instance_id: Option<Str>,
    pub generation_id: i32,
    pub retention_time_ms: i64,
    pub topic_id: Uuid,
    pub metadata: Option<Str>,
    pub offsets: Vec<(&'static str, i32, i64)>,
}

impl CommitSpec {
    pub fn new(offsets: &[(&'static str, i32, i64)]) -> Self {
        Self {
            version: 8,
            member_id: Str::new(),
            instance_id: None,
            generation_id: -1,
            retention_time_ms: -1,
            topic_id: Uuid::ZERO,
            metadata: Some("metadata".into()),
            offsets: offsets.to_vec(),
        }
    }

    pub fn by(self, member_id: &str, generation_id: i32) -> Self {
        Self { member_id: member_id.into(), generation_id, ..self }
    }

    pub fn request(&self) -> OffsetCommitRequest {
        let topics = self.offsets.iter().map(|(topic, partition, offset)| OffsetCommitRequestTopic {
            name: Str::from_static(topic),
            topic_id: self.topic_id,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: *partition,
                committed_offset: *offset,
                committed_leader_epoch: 7,
                committed_metadata: self.metadata.clone(),
            }],
        });
        OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation_id,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            retention_time_ms: self.retention_time_ms,
            topics: topics.collect(),
        }
    }
}
