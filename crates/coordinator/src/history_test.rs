//! Random histories: requests that make sense and requests that do not, time, faults, restarts. Whatever
//! happens, nothing panics, a fresh shard that reads the log has the same state, every request is answered
//! exactly once, and a group that nobody talks to any more comes to rest.

use std::collections::BTreeMap;

use ottla_protocol::messages::OffsetDeleteRequest;
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_protocol::messages::{GroupMetadataValue, TxnOffsetCommitRequest};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::group::Group;
use crate::histories_test::{self, Seen};
use crate::testing::{CommitSpec, GROUP, JoinSpec, Random, World, replayed, sync_request};
use crate::{GroupCoordinatorShard, Reply};

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Every record is committed when it is appended.
    Calm,
    /// Appends fail, commits are late, the broker dies.
    Stormy,
}

struct History {
    random: Random,
    weather: Weather,
    world: World,
    /// Member ids that were told to anyone.
    ids: Vec<Str>,
    answered: usize,
    sent_before_restart: usize,
    /// How often each state of the group was seen.
    seen: Seen<&'static str>,
}

impl History {
    fn new(seed: u64, weather: Weather) -> Self {
        let mut random = Random(seed);
        let world = World::with(|config| {
            config.group_initial_rebalance_delay_ms = random.pick(&[0, 3_000]);
            config.group_max_size = random.pick(&[2, 4, i32::MAX]);
            config.offsets_retention_ms = random.pick(&[30_000, 600_000]);
            config.offsets_retention_check_interval_ms = random.pick(&[5_000, 60_000]);
        });
        Self {
            random,
            weather,
            world,
            ids: vec![Str::new(), "stranger".into()],
            answered: 0,
            sent_before_restart: 0,
            seen: Seen::new(),
        }
    }

    fn run(mut self, steps: usize) -> Seen<&'static str> {
        for _ in 0..steps {
            self.step();
            self.learn();
            self.check();
        }
        self.finish()
    }

    fn step(&mut self) {
        // Often enough all goes well.
        let group = self.world.runtime.shard().explain_group(GROUP).filter(|_| self.random.one_in(3));
        match group {
            Some(group) if group.state == "CompletingRebalance" => {
                let leader = group.leader.expect("a leader");
                self.world.sync(&leader, group.generation_id, &[(&leader, "all")]);
                for member_id in group.waiting_for.iter().filter(|id| **id != leader) {
                    self.world.sync(member_id, group.generation_id, &[]);
                }
                return;
            }
            _ => {}
        }
        match self.random.below(24) {
            0..=6 => self.join(),
            7..=9 => self.sync(),
            10..=11 => self.heartbeat(),
            12 => self.leave(),
            13..=14 => self.commit_offsets(),
            15 => self.commit_in_transaction(),
            16 => self.world.end_transaction(self.random.below(3) as i64, self.random.one_in(2)),
            17 => self.fetch(),
            18 => self.delete(),
            19..=22 => {
                let ms = self
                    .random
                    .pick(&[0, 1, 100, 500, 1_000, 3_000, 3_000, 3_000, 9_999, 10_000, 61_000, 301_000]);
                self.world.advance(ms);
            }
            _ => self.weather(),
        }
    }

    fn join(&mut self) {
        let random = &mut self.random;
        let names: &[&[&str]] = &[&["range"], &["range", "sticky"], &["sticky", "range"], &["sticky"], &[]];
        let mut join = JoinSpec::new()
            .version(random.below(10) as i16)
            .session(random.pick(&[6_000, 10_000, 60_000, 60_000, 60_000, 1]))
            .rebalance(random.pick(&[1_000, 10_000, 60_000, -5, 0]))
            .member(&random.pick(&self.ids));
        if random.one_in(6) {
            join = join.protocols(random.pick(names));
        } else if random.one_in(3) {
            join = join.topics(&["bar"]);
        }
        if random.one_in(10) {
            join = join.protocol_type("connect");
        }
        if join.version >= 5 && random.one_in(2) {
            join.instance_id = Some(Str::from_static(random.pick(&["i", "j"])));
        }
        self.world.join(&join);
    }

    fn generation(&mut self) -> i32 {
        let now = self.world.runtime.shard().explain_group(GROUP).map_or(0, |group| group.generation_id);
        now + self.random.pick(&[0, 0, 0, 0, 0, -1, 1])
    }

    fn sync(&mut self) {
        // The leader often, or nothing would ever become stable.
        let leader = self.world.runtime.shard().explain_group(GROUP).and_then(|group| group.leader);
        let member_id =
            leader.filter(|_| self.random.one_in(2)).unwrap_or_else(|| self.random.pick(&self.ids));
        let generation_id = self.generation();
        let given: Vec<(&str, &str)> = self.ids.iter().map(|id| (&**id, "assignment")).collect();
        let given = &given[..self.random.below(given.len() + 1)];
        let mut request = sync_request(&member_id, generation_id, given);
        request.group_instance_id = self.instance();
        let version = self.random.below(6) as i16;
        request.protocol_type = (!self.random.one_in(5)).then(|| "consumer".into());
        request.protocol_name = (!self.random.one_in(3)).then(|| "range".into());
        self.world.sync_request(version, &request);
    }

    fn instance(&mut self) -> Option<Str> {
        self.random.one_in(4).then(|| Str::from_static(self.random.pick(&["i", "j", "k"])))
    }

    fn heartbeat(&mut self) {
        let member_id = self.random.pick(&self.ids);
        let request = ottla_protocol::messages::HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: self.generation(),
            member_id,
            group_instance_id: self.instance(),
        };
        let now_ms = self.world.now_ms;
        self.world.run(|shard, id| shard.heartbeat(&request, id, now_ms));
    }

    fn leave(&mut self) {
        let members: Vec<_> =
            (0..self.random.below(4)).map(|_| (self.random.pick(&self.ids), self.instance())).collect();
        let members: Vec<_> = members.iter().map(|(id, instance)| (&**id, instance.as_deref())).collect();
        self.world.leave(&members);
    }

    fn commit_offsets(&mut self) {
        let random = &mut self.random;
        let offset = random.below(1_000) as i64;
        let mut commit = CommitSpec::new(&[("foo", random.below(2) as i32, offset), ("bar", 0, offset)]);
        commit.version = 2 + random.below(9) as i16;
        commit.retention_time_ms = random.pick(&[-1, -1, -1, 20_000, i64::MAX, i64::MIN]);
        commit.topic_id = random.pick(&[Uuid::ZERO, Uuid::from_parts(0, 1)]);
        if !random.one_in(3) {
            let member_id = random.pick(&self.ids);
            commit = commit.by(&member_id, self.generation());
        }
        self.world.commit_offsets(&commit);
    }

    fn commit_in_transaction(&mut self) {
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: self.random.below(2) as i32,
            committed_offset: self.random.below(1_000) as i64,
            ..Default::default()
        };
        let topic = TxnOffsetCommitRequestTopic { name: "foo".into(), partitions: vec![partition] };
        let request = TxnOffsetCommitRequest {
            group_id: GROUP.into(),
            producer_id: self.random.below(3) as i64,
            generation_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let now_ms = self.world.now_ms;
        self.world.run(|shard, id| shard.commit_transactional_offset(&request, id, now_ms));
    }

    fn fetch(&mut self) {
        let require_stable = self.random.one_in(2);
        self.world.fetch(&[("foo", &[0, 1]), ("none", &[0])], require_stable);
    }

    fn delete(&mut self) {
        match self.random.below(4) {
            0 => {
                self.world.run(|shard, id| shard.delete_groups(&[GROUP.into(), "other".into()], id));
            }
            1 => {
                let topic = (Uuid::from_parts(0, 1), Str::from("bar"));
                // An operation without a request: nobody is answered.
                let sent = self.world.run(|shard, _| shard.on_topics_deleted(&[topic]));
                self.world.replies.insert(sent, Reply::DeleteGroups(Vec::new()));
            }
            _ => {
                let partition = OffsetDeleteRequestPartition { partition_index: 0 };
                let name = Str::from_static(self.random.pick(&["foo", "bar"]));
                let topic = OffsetDeleteRequestTopic { name, partitions: vec![partition] };
                let request = OffsetDeleteRequest { group_id: GROUP.into(), topics: vec![topic] };
                self.world.run(|shard, id| shard.delete_offsets(&request, id));
            }
        }
    }

    fn weather(&mut self) {
        if self.weather == Weather::Calm {
            return;
        }
        match self.random.below(6) {
            0 | 1 => self.world.log.holds = true,
            2 => self.world.log.fails = Some(ErrorCode::NotEnoughReplicas),
            3 => self.world.commit(),
            4 => self.restart(),
            _ => {
                self.world.log.holds = false;
                self.world.log.fails = None;
                self.world.commit();
            }
        }
    }

    /// The broker dies; what was appended is there when it comes back. Then too all are answered, or hear
    /// nothing and ask again.
    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new());
        let (config, now_ms) = (world.config.clone(), world.now_ms);
        self.sent_before_restart += world.requests_len();
        let (mut log, replies) = world.unload();
        self.answered += replies.len();
        log.high_watermark = log.records.len() as i64;
        self.world = World::load(config, log, now_ms);
    }

    /// Takes note of member ids that were told.
    fn learn(&mut self) {
        for reply in self.world.replies.values() {
            let id = match reply {
                Reply::JoinGroup(response) => &response.member_id,
                _ => continue,
            };
            if !self.ids.contains(id) {
                self.ids.push(id.clone());
            }
        }
        self.answered += self.world.replies.len();
        self.world.replies.clear();
        if self.ids.len() > 8 {
            self.ids.remove(2);
        }
    }

    fn check(&mut self) {
        *self.seen.entry(self.world.state()).or_default() += 1;
        let shard = self.world.runtime.shard();
        for (_, group) in shard.groups.iter() {
            if let Group::Classic(group) = group {
                group.check_invariants(self.world.runtime.timers());
            }
        }
        let fresh = replayed(&self.world.config, &self.world.log);
        assert!(fresh.offsets().eq(shard.offsets()));
        if self.weather == Weather::Calm {
            let (fresh, live) = (groups(&fresh), groups(shard));
            for (group_id, value) in live {
                assert_eq!(fresh.get(&group_id), Some(&value));
            }
        }
    }

    /// Nobody asks any more.
    fn finish(mut self) -> Seen<&'static str> {
        self.world.log.holds = false;
        self.world.log.fails = None;
        self.world.commit();
        // Sessions end, and what can expire does.
        self.world.advance(30 * 60_000);
        self.learn();
        self.check();
        assert!(["Empty", "-"].contains(&self.world.state()), "{:?}", self.world.explain());
        let sent = self.sent_before_restart + self.world.requests_len();
        assert_eq!(self.answered, sent, "every request was answered");
        let fresh = replayed(&self.world.config, &self.world.log);
        assert!(fresh.groups_len() <= 1);
        self.seen
    }
}

fn groups(shard: &GroupCoordinatorShard) -> BTreeMap<Str, GroupMetadataValue> {
    shard.persistent_groups().map(|(group_id, value)| (group_id.clone(), value)).collect()
}

fn run(weather: Weather) {
    let states = ["-", "Empty", "PreparingRebalance", "CompletingRebalance", "Stable"];
    histories_test::run(100, &states, |seed| History::new(seed, weather).run(120));
}

#[test]
fn calm_histories_leave_the_state_in_the_log() {
    run(Weather::Calm);
}

#[test]
fn stormy_histories_leave_nobody_waiting() {
    run(Weather::Stormy);
}
