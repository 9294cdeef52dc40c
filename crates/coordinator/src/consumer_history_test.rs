//! Random histories of a consumer group: members of both protocols join, leave, fall silent and come back,
//! topics grow, appends fail, commits are late, the broker dies. Whatever happens, no partition has two
//! owners, a fresh shard that reads the log has the same group; and once all goes well again, every
//! partition has one owner.

use std::collections::BTreeMap;

use ottla_protocol::messages::HeartbeatRequest;
use ottla_protocol::messages::consumer_group_describe_response::DescribedGroup;
use ottla_protocol::{ErrorCode, Str};

use crate::consumer_testing::{Consumer, image_of};
use crate::group::Group;
use crate::histories_test::{self, REPLAYED_ONE_IN, Seen};
use crate::testing::{GROUP, JoinSpec, Random, World, replayed};
use crate::{CoordinatorShard, Reply, ReplyId};

const NAMES: &[&str] = &["foo", "food", "bar"];
const STEPS: usize = 160;

/// A client of the classic protocol.
#[derive(Debug, Default)]
struct Classic {
    member_id: Str,
    instance_id: Option<Str>,
    generation_id: i32,
    /// JoinGroup or SyncGroup under way.
    waits: Option<ReplyId>,
    has_joined: bool,
}

impl Classic {
    fn step(&mut self, world: &mut World) {
        if let Some(id) = self.waits {
            match world.replies.remove(&id) {
                None => return,
                Some(reply) => self.answered(reply),
            }
            self.waits = None;
        }
        if self.generation_id < 0 || !self.has_joined {
            let mut join = JoinSpec::new().version(5).member(&self.member_id).topics(&["foo", "bar"]);
            join.instance_id = self.instance_id.clone();
            self.waits = Some(world.join(&join));
            return;
        }
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
        };
        let now_ms = world.now_ms;
        let id = world.run(|shard, id| shard.heartbeat(&request, id, now_ms));
        // An answer that does not come at once is lost.
        let Some(Reply::Heartbeat(response)) = world.replies.remove(&id) else { return };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => self.has_joined = false,
            _ => self.reset(),
        }
    }

    fn answered(&mut self, reply: Reply) {
        let Reply::JoinGroup(response) = reply else { panic!("{reply:?}") };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                self.member_id = response.member_id;
                self.generation_id = response.generation_id;
                self.has_joined = true;
            }
            ErrorCode::MemberIdRequired => self.member_id = response.member_id,
            ErrorCode::RebalanceInProgress | ErrorCode::CoordinatorNotAvailable => self.has_joined = false,
            _ => self.reset(),
        }
    }

    /// Sends SyncGroup, as a client does after each join.
    fn sync(&mut self, world: &mut World) {
        if !self.has_joined || self.waits.is_some() {
            return;
        }
        let mut request = crate::testing::sync_request(&self.member_id, self.generation_id, &[]);
        request.group_instance_id = self.instance_id.clone();
        let id = world.sync_request(3, &request);
        if let Some(Reply::SyncGroup(response)) = world.replies.remove(&id)
            && response.error_code != 0
        {
            self.has_joined = false;
        }
    }

    fn reset(&mut self) {
        *self = Self { instance_id: self.instance_id.clone(), generation_id: -1, ..Default::default() };
    }
}

struct History {
    random: Random,
    world: World,
    topics: BTreeMap<&'static str, i32>,
    version: i64,
    consumers: Vec<Consumer>,
    classics: Vec<Classic>,
    names: u64,
    seen: Seen<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::with(|config| {
            config.group_initial_rebalance_delay_ms = 0;
            config.consumer.assignment_interval_ms.value = random.pick(&[0, 0, 1_000]);
        });
        let mut history = Self {
            random,
            world,
            topics: BTreeMap::from([("foo", 4)]),
            version: 0,
            consumers: Vec::new(),
            classics: Vec::new(),
            names: 0,
            seen: Seen::new(),
        };
        for number in 0..2 + history.random.below(3) {
            let consumer = history.new_consumer(number);
            history.consumers.push(consumer);
        }
        for number in 0..history.random.below(3) {
            let instance_id = history.random.one_in(2).then(|| Str::from(format!("classic-{number}")));
            history.classics.push(Classic { instance_id, generation_id: -1, ..Default::default() });
        }
        history.publish();
        history
    }

    fn new_consumer(&mut self, number: usize) -> Consumer {
        self.names += 1;
        let member_id = format!("m{}", self.names);
        let mut consumer = match self.random.below(4) {
            0 => Consumer::regex(&member_id, "foo.*"),
            1 => Consumer::new(&member_id, &["foo"]),
            _ => Consumer::new(&member_id, &["foo", "bar"]),
        };
        if number % 2 == 1 {
            consumer = consumer.instance(&format!("i{number}"));
        }
        if self.random.one_in(3) {
            consumer.assignor = Some("range".into());
        }
        consumer
    }

    fn publish(&mut self) {
        self.version += 1;
        let topics: Vec<(&str, i32)> = self.topics.iter().map(|(name, count)| (*name, *count)).collect();
        self.world.set_image(image_of(&topics, self.version));
    }

    fn run(mut self) -> Seen<String> {
        for _ in 0..STEPS {
            self.step();
            self.check();
            if self.random.one_in(REPLAYED_ONE_IN) {
                self.check_log();
            }
        }
        self.settle();
        self.seen
    }

    fn step(&mut self) {
        let at = self.random.below(self.consumers.len());
        match self.random.below(30) {
            0 => self.replace(at, -1),
            1 => self.replace(at, -2),
            // The process is gone without a word.
            2 => self.consumers[at] = self.new_consumer(at),
            3 => {
                let name = self.random.pick(NAMES);
                *self.topics.entry(name).or_insert(0) += 1 + self.random.below(3) as i32;
                self.publish();
            }
            4 => {
                let topics = self.random.pick(&[vec!["foo"], vec!["bar", "food"], vec!["foo", "bar"]]);
                let consumer = &mut self.consumers[at];
                consumer.regex = Some(Str::new());
                consumer.topics = Some(topics.into_iter().map(Str::from).collect());
            }
            5 => self.world.advance(self.random.pick(&[20_000, 31_000, 46_000])),
            6 if self.random.one_in(3) => self.restart(),
            7 if self.random.one_in(2) => self.world.log.holds ^= true,
            8 if self.random.one_in(2) => {
                let fails = self.world.log.fails.is_none() && self.random.one_in(2);
                self.world.log.fails = fails.then_some(ErrorCode::NotEnoughReplicas);
            }
            9..=12 => self.world.commit(),
            13..=18 => self.step_classic(),
            19..=21 => self.world.advance(self.random.pick(&[100, 1_000, 3_000])),
            _ => self.beat(at),
        }
    }

    fn beat(&mut self, at: usize) {
        let consumer = &mut self.consumers[at];
        let now_ms = self.world.now_ms;
        let (request, context) = (consumer.request(), crate::testing::context(1));
        let id = self.world.run(|shard, id| {
            shard.consumer_group_heartbeat(&context, &request, id, Default::default(), now_ms)
        });
        // An answer that does not come at once is lost.
        let Some(Reply::ConsumerGroupHeartbeat(response)) = self.world.replies.remove(&id) else { return };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => consumer.take(&response, NAMES),
            ErrorCode::CoordinatorNotAvailable | ErrorCode::UnreleasedInstanceId => {}
            ErrorCode::FencedInstanceId
            | ErrorCode::FencedMemberEpoch
            | ErrorCode::UnknownMemberId
            | ErrorCode::GroupIdNotFound => self.consumers[at] = self.new_consumer(at),
            other => panic!("{other:?}: {:?}", response.error_message),
        }
    }

    fn replace(&mut self, at: usize, epoch: i32) {
        let consumer = self.consumers[at].clone();
        if epoch == -1 || consumer.instance_id.is_some() {
            let request = ottla_protocol::messages::ConsumerGroupHeartbeatRequest {
                group_id: GROUP.into(),
                member_id: consumer.member_id.clone(),
                instance_id: consumer.instance_id.clone(),
                member_epoch: epoch,
                ..Default::default()
            };
            let (now_ms, context) = (self.world.now_ms, crate::testing::context(1));
            let id = self.world.run(|shard, id| {
                shard.consumer_group_heartbeat(&context, &request, id, Default::default(), now_ms)
            });
            self.world.replies.remove(&id);
        }
        self.consumers[at] = self.new_consumer(at);
    }

    fn step_classic(&mut self) {
        if self.classics.is_empty() {
            return;
        }
        let at = self.random.below(self.classics.len());
        self.classics[at].step(&mut self.world);
        if self.random.one_in(2) {
            self.classics[at].sync(&mut self.world);
        }
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new());
        let (config, now_ms) = (world.config.clone(), world.now_ms);
        let (mut log, _) = world.unload();
        log.high_watermark = log.records.len() as i64;
        self.world = World::load(config, log, now_ms);
        self.classics.iter_mut().for_each(|classic| classic.waits = None);
        self.publish();
    }

    fn described(&self, shard: &crate::GroupCoordinatorShard) -> DescribedGroup {
        shard.consumer_group_describe(&[GROUP.into()]).remove(0)
    }

    fn check(&mut self) {
        *self.seen.entry(self.world.state().to_owned()).or_default() += 1;
        let shard = self.world.runtime.shard();
        if let Some(Group::Consumer(group)) = shard.groups.get(GROUP) {
            *self.seen.entry("consumer".to_owned()).or_default() += 1;
            group.check_owners();
        }
    }

    /// A fresh shard that reads the log has the same group.
    fn check_log(&self) {
        let shard = self.world.runtime.shard();
        let mut fresh = replayed(&self.world.config, &self.world.log);
        let _ = fresh.on_metadata(shard.image.clone(), self.world.now_ms);
        assert_eq!(self.described(&fresh), self.described(shard));
    }

    /// All goes well: everybody comes to a stable group in which every partition has an owner.
    fn settle(&mut self) {
        self.world.log.fails = None;
        self.world.log.holds = false;
        self.world.commit();
        // Longer than any session that nobody keeps up.
        for _ in 0..150 {
            self.world.advance(1_000);
            for at in 0..self.consumers.len() {
                self.beat(at);
            }
            for classic in &mut self.classics {
                classic.step(&mut self.world);
                classic.sync(&mut self.world);
            }
        }
        self.check();
        self.check_log();
        let group = self.described(self.world.runtime.shard());
        assert_eq!(group.group_state, "Stable", "{:?} {group:?}", self.world.explain());
        let mut owned: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
        for topic in group.members.iter().flat_map(|member| &member.assignment.topic_partitions) {
            owned.entry(topic.topic_name.clone()).or_default().extend(&topic.partitions);
        }
        for (name, partitions) in owned {
            let mut partitions = partitions;
            partitions.sort_unstable();
            let all: Vec<i32> = (0..self.topics[&*name]).collect();
            assert_eq!(partitions, all, "{name}");
        }
    }
}

#[test]
fn groups_come_to_rest_with_one_owner_each() {
    let states = ["consumer", "Empty", "Assigning", "Reconciling", "Stable"].map(str::to_owned);
    histories_test::run(20, &states, |seed| History::new(seed).run());
}
