//! Random histories of a share group: members come, go and fall silent, topics grow, the share coordinator fails
//! or says nothing, appends fail, commits are late, the broker dies. Whatever happens, a fresh shard that reads
//! the log has the same group; and once all goes well again, every partition is assigned to somebody.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::{DeleteShareGroupOffsetsRequest, ShareGroupHeartbeatRequest};
use ottla_protocol::{ErrorCode, Str};

use super::testing::ShareMember;
use super::{InitializeShareState, ShareGroup};
use crate::CoordinatorShard;
use crate::consumer_testing::image_of;
use crate::group::Group;
use crate::histories_test::{self, REPLAYED_ONE_IN, Seen};
use crate::testing::{GROUP, Random, World, replayed};

const NAMES: &[&str] = &["foo", "bar", "baz"];
const STEPS: usize = 120;

struct History {
    random: Random,
    world: World,
    topics: BTreeMap<&'static str, i32>,
    version: i64,
    members: Vec<ShareMember>,
    names: usize,
    /// What the share coordinator has been asked, and has not answered.
    asked: Vec<InitializeShareState>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let world =
            World::with(|config| config.share.assignment_interval_ms.value = random.pick(&[0, 0, 1_000]));
        let topics = BTreeMap::from([("foo", 3), ("bar", 1)]);
        let (members, asked) = (Vec::new(), Vec::new());
        let mut history = Self { random, world, topics, version: 0, members, names: 0, asked };
        for _ in 0..1 + history.random.below(5) {
            let member = history.new_member();
            history.members.push(member);
        }
        history.publish();
        history
    }

    fn new_member(&mut self) -> ShareMember {
        self.names += 1;
        let topics =
            self.random.pick(&[vec!["foo"], vec!["foo", "bar"], vec!["foo", "bar"], vec!["bar", "baz"]]);
        ShareMember::new(&format!("m{}", self.names), &topics)
    }

    fn publish(&mut self) {
        self.version += 1;
        let topics: Vec<(&str, i32)> = self.topics.iter().map(|(name, count)| (*name, *count)).collect();
        self.world.set_image(image_of(&topics, self.version));
    }

    fn run(mut self) -> Seen<&'static str> {
        let mut seen = Seen::new();
        for _ in 0..STEPS {
            self.step();
            *seen.entry(self.world.state()).or_default() += 1;
            if self.random.one_in(REPLAYED_ONE_IN) {
                self.check_log();
            }
        }
        self.settle();
        seen
    }

    fn step(&mut self) {
        let at = self.random.below(self.members.len());
        match self.random.below(28) {
            0 => self.leave(at),
            // The process is gone without a word.
            1 => self.members[at] = self.new_member(),
            2 => {
                let name = self.random.pick(NAMES);
                *self.topics.entry(name).or_insert(0) += 1 + self.random.below(3) as i32;
                self.publish();
            }
            3 => self.members[at].topics = self.new_member().topics,
            4 => self.world.advance(self.random.pick(&[20_000, 31_000, 46_000])),
            5 if self.random.one_in(3) => self.restart(),
            6 if self.random.one_in(2) => self.world.log.holds ^= true,
            7 if self.random.one_in(2) => {
                let fails = self.world.log.fails.is_none() && self.random.one_in(2);
                self.world.log.fails = fails.then_some(ErrorCode::NotEnoughReplicas);
            }
            8..=10 => self.world.commit(),
            11..=14 => self.answer_share_state(),
            15 => self.delete_offsets(),
            16..=18 => self.world.advance(self.random.pick(&[100, 1_000, 3_000])),
            _ => self.beat(at),
        }
    }

    fn beat(&mut self, at: usize) {
        // An answer that does not come at once is lost.
        let Some((response, initialize)) = self.world.share_request(&self.members[at].request()) else {
            return;
        };
        self.asked.extend(initialize);
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => self.members[at].take(&response, NAMES),
            ErrorCode::CoordinatorNotAvailable => {}
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound => {
                self.members[at] = self.new_member();
            }
            other => panic!("{other:?}: {:?}", response.error_message),
        }
    }

    fn leave(&mut self, at: usize) {
        let request = ShareGroupHeartbeatRequest { member_epoch: -1, ..self.members[at].request() };
        self.world.share_request(&request);
        self.members[at] = self.new_member();
    }

    fn answer_share_state(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let at = self.random.below(self.asked.len());
        let asked = self.asked.swap_remove(at);
        let (now_ms, partitions) = (self.world.now_ms, asked.partitions());
        match self.random.below(4) {
            0 => {}
            1 => {
                self.world
                    .run(|shard, id| shard.on_share_state_uninitialized(GROUP, &partitions, id, now_ms));
            }
            _ => self.world.share_initialized(&asked),
        }
    }

    fn delete_offsets(&mut self) {
        let request = DeleteShareGroupOffsetsRequest { group_id: GROUP.into(), ..Default::default() };
        let now_ms = self.world.now_ms;
        self.world.run(|shard, id| shard.delete_share_group_offsets(&request, id, now_ms));
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new());
        let (config, now_ms) = (world.config.clone(), world.now_ms);
        let (mut log, _) = world.unload();
        log.high_watermark = log.records.len() as i64;
        self.world = World::load(config, log, now_ms);
        self.asked.clear();
        self.publish();
    }

    fn check_log(&self) {
        let shard = self.world.runtime.shard();
        let mut fresh = replayed(&self.world.config, &self.world.log);
        let _ = fresh.on_metadata(shard.image.clone(), self.world.now_ms);
        let ids = [Str::from(GROUP)];
        assert_eq!(fresh.share_group_describe(&ids), shard.share_group_describe(&ids));
        match (fresh.groups.get(GROUP), shard.groups.get(GROUP)) {
            (Some(Group::Share(fresh)), Some(Group::Share(group))) => same_group(fresh, group),
            (fresh, group) => assert_eq!(fresh.is_some(), group.is_some()),
        }
    }

    /// All goes well: everything that is read is assigned, to members that read it.
    fn settle(&mut self) {
        self.world.log.fails = None;
        self.world.log.holds = false;
        self.world.commit();
        for _ in 0..100 {
            self.world.advance(1_000);
            for at in 0..self.members.len() {
                self.beat(at);
            }
            for asked in std::mem::take(&mut self.asked) {
                self.world.share_initialized(&asked);
            }
        }
        self.check_log();
        let mut assigned: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        for member in &self.members {
            for (topic, partitions) in &member.assigned {
                assert!(member.topics.iter().flatten().any(|name| name == topic), "{member:?}");
                assigned.entry(topic).or_default().extend(partitions);
            }
        }
        let read: BTreeSet<&str> =
            self.members.iter().flat_map(|m| m.topics.iter().flatten()).map(|t| &**t).collect();
        for (name, count) in self.topics.iter().filter(|(name, _)| read.contains(*name)) {
            let all: BTreeSet<i32> = (0..*count).collect();
            assert_eq!(
                assigned.get(name),
                Some(&all),
                "{name} {:?} {:?}",
                self.members,
                self.world.explain()
            );
        }
        let epochs: BTreeSet<i32> = self.members.iter().map(|member| member.epoch).collect();
        assert_eq!(epochs.len(), 1, "{:?}", self.members);
        // Topics that nobody reads any more may be left half-way.
        let metadata = self.world.share_metadata();
        assert!(metadata.initializing.values().all(|topic| !read.contains(&*topic.name)), "{metadata:?}");
        let records = self.world.log.records.len();
        (0..self.members.len()).for_each(|at| self.beat(at));
        assert_eq!(self.world.log.records.len(), records, "a group at rest writes nothing");
    }
}

fn same_group(fresh: &ShareGroup, group: &ShareGroup) {
    assert_eq!(fresh.base.epochs(), group.base.epochs());
    assert_eq!(fresh.base.metadata_hash, group.base.metadata_hash);
    assert_eq!(fresh.base.subscribed_topics, group.base.subscribed_topics);
    assert_eq!(fresh.base.subscription_type, group.base.subscription_type);
    assert!(fresh.base.members().eq(group.base.members()));
    for (member_id, _) in group.base.members() {
        assert_eq!(fresh.base.target_assignment(member_id), group.base.target_assignment(member_id));
    }
    let record = |group: &ShareGroup| group.state_metadata.as_ref().map(|metadata| metadata.to_record());
    assert_eq!(record(fresh), record(group));
}

#[test]
fn groups_come_to_rest_with_everything_assigned() {
    histories_test::run(20, &["Empty", "Stable"], |seed| History::new(seed).run());
}
