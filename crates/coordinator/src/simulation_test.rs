//! Clients that follow the protocol, as real ones do, over a network that loses answers, with brokers and
//! clients that die. Whenever the storm ends they come to one stable generation in which every partition has
//! one owner.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;
use ottla_protocol::{ErrorCode, Str};

use crate::testing::{CommitSpec, JoinSpec, Random, World};
use crate::{Reply, ReplyId};

const PARTITIONS: usize = 12;
const TICK_MS: i64 = 500;
const REQUEST_TIMEOUT_TICKS: u32 = 140;

#[derive(Debug)]
enum Phase {
    /// About to send JoinGroup.
    Idle,
    Joining {
        reply: ReplyId,
        ticks: u32,
    },
    Syncing {
        reply: ReplyId,
        ticks: u32,
    },
    Owning {
        ticks: u32,
    },
    /// The process is gone.
    Dead,
}

#[derive(Debug)]
struct Client {
    instance_id: Option<Str>,
    member_id: Str,
    generation_id: i32,
    owned: Vec<usize>,
    phase: Phase,
    protocols: &'static [&'static str],
}

impl Client {
    fn new(number: usize, random: &mut Random) -> Self {
        Self {
            instance_id: random.one_in(2).then(|| Str::from(format!("instance-{number}"))),
            member_id: Str::new(),
            generation_id: -1,
            owned: Vec::new(),
            phase: Phase::Idle,
            // The same ones: of a member that it has read from its log, a broker knows only the selected one.
            protocols: random.pick(&[&["range", "sticky"], &["sticky", "range"]]),
        }
    }

    fn reset(&mut self, keeps_id: bool) {
        self.phase = Phase::Idle;
        self.owned.clear();
        self.generation_id = -1;
        if !keeps_id {
            self.member_id = Str::new();
        }
    }

    fn tick(&mut self, world: &mut World, is_lossy: bool, random: &mut Random) {
        match &mut self.phase {
            Phase::Dead => {}
            Phase::Idle => {
                let mut join = JoinSpec::new().version(9).rebalance(20_000).member(&self.member_id);
                join.instance_id = self.instance_id.clone();
                join = join.protocols(self.protocols);
                self.phase = Phase::Joining { reply: world.join(&join), ticks: 0 };
            }
            Phase::Joining { reply, ticks } | Phase::Syncing { reply, ticks } => {
                *ticks += 1;
                let (id, is_late) = (*reply, *ticks > REQUEST_TIMEOUT_TICKS);
                match world.replies.remove(&id) {
                    // Lost on the way: the client finds out, and asks anew.
                    Some(_) if is_lossy && random.one_in(10) => self.reset(true),
                    Some(Reply::JoinGroup(response)) => self.joined(response, world),
                    Some(Reply::SyncGroup(response)) => {
                        self.synced(response.error_code, &response.assignment)
                    }
                    Some(other) => panic!("{other:?}"),
                    None if is_late => self.reset(true),
                    None => {}
                }
            }
            Phase::Owning { ticks } => {
                *ticks += 1;
                if *ticks % 6 == 0 {
                    self.heartbeat(world);
                } else if *ticks % 5 == 0 {
                    self.commit(world);
                }
            }
        }
    }

    fn joined(&mut self, response: ottla_protocol::messages::JoinGroupResponse, world: &mut World) {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                self.member_id = response.member_id.clone();
                self.generation_id = response.generation_id;
                let leads = response.leader == response.member_id && !response.skip_assignment;
                let plan = if leads { assign(&response.members) } else { Vec::new() };
                let plan: Vec<(&str, &str)> =
                    plan.iter().map(|(id, parts)| (&**id, parts.as_str())).collect();
                let mut request = crate::testing::sync_request(&self.member_id, self.generation_id, &plan);
                request.group_instance_id = self.instance_id.clone();
                request.protocol_type = response.protocol_type;
                request.protocol_name = response.protocol_name;
                self.phase = Phase::Syncing { reply: world.sync_request(5, &request), ticks: 0 };
            }
            ErrorCode::MemberIdRequired => {
                self.member_id = response.member_id;
                self.phase = Phase::Idle;
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => self.reset(false),
            ErrorCode::RebalanceInProgress
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable => self.reset(true),
            other => panic!("{other:?}"),
        }
    }

    fn synced(&mut self, error_code: i16, assignment: &Bytes) {
        match ErrorCode::from_code(error_code) {
            ErrorCode::None => {
                let text = std::str::from_utf8(assignment).unwrap();
                self.owned = text.split_whitespace().map(|part| part.parse().unwrap()).collect();
                self.phase = Phase::Owning { ticks: 0 };
            }
            error => self.on_error(error),
        }
    }

    fn heartbeat(&mut self, world: &mut World) {
        let instance_id = self.instance_id.clone();
        match world.heartbeat_as(&self.member_id, instance_id.as_deref(), self.generation_id) {
            ErrorCode::None => {}
            error => self.on_error(error),
        }
    }

    fn commit(&mut self, world: &mut World) {
        let offset = i64::from(self.generation_id);
        let offsets: Vec<_> = self.owned.iter().map(|part| ("foo", *part as i32, offset)).collect();
        let mut commit = CommitSpec::new(&offsets).by(&self.member_id, self.generation_id);
        commit.instance_id = self.instance_id.clone();
        let reply = world.commit_offsets(&commit);
        match world.commit_errors(reply).first() {
            None | Some(ErrorCode::None) => {}
            Some(error) => self.on_error(*error),
        }
    }

    fn on_error(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::RebalanceInProgress
            | ErrorCode::IllegalGeneration
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable => self.reset(true),
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => self.reset(false),
            other => panic!("{other:?}"),
        }
    }
}

/// All partitions, in turn, to the members.
fn assign(members: &[JoinGroupResponseMember]) -> Vec<(Str, String)> {
    let part_of = |at: usize| {
        let parts = (at..PARTITIONS).step_by(members.len()).map(|part| part.to_string());
        parts.collect::<Vec<_>>().join(" ")
    };
    members.iter().enumerate().map(|(at, member)| (member.member_id.clone(), part_of(at))).collect()
}

struct Simulation {
    random: Random,
    world: World,
    clients: Vec<Client>,
    owners: BTreeMap<(i32, usize), Str>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::new();
        let clients = (0..1 + random.below(7)).map(|number| Client::new(number, &mut random)).collect();
        Self { random, world, clients, owners: BTreeMap::new() }
    }

    fn tick(&mut self, is_stormy: bool) {
        if is_stormy {
            self.storm();
        }
        for client in &mut self.clients {
            client.tick(&mut self.world, is_stormy, &mut self.random);
        }
        self.check_owners();
        self.world.advance(TICK_MS);
    }

    fn storm(&mut self) {
        let number = self.random.below(self.clients.len());
        let client = &mut self.clients[number];
        match self.random.below(60) {
            0 => client.phase = Phase::Dead,
            1 | 2 => {
                // The process starts again: a static member without its id, a dynamic one as a new one.
                client.reset(false);
            }
            3 => {
                let leaving = [(&*client.member_id, client.instance_id.as_deref())];
                let reply = self.world.leave(&leaving);
                self.world.left(reply);
                client.reset(false);
                client.phase = Phase::Dead;
            }
            4 if self.random.one_in(3) => {
                let world = std::mem::replace(&mut self.world, World::new());
                self.world = world.restart();
                // Answers that were under way are lost with the connections.
                for client in &mut self.clients {
                    if matches!(client.phase, Phase::Joining { .. } | Phase::Syncing { .. }) {
                        client.reset(true);
                    }
                }
            }
            _ => {}
        }
    }

    /// In one generation a partition never has two owners (a static member under its new id is the same one).
    fn check_owners(&mut self) {
        for (number, client) in self.clients.iter().enumerate() {
            for part in &client.owned {
                let name = Str::from(format!("client {number}"));
                let owner = self.owners.entry((client.generation_id, *part)).or_insert_with(|| name.clone());
                assert_eq!(*owner, name, "partition {part} in generation {}", client.generation_id);
            }
        }
    }

    fn run(mut self) -> World {
        for _ in 0..400 {
            self.tick(true);
        }
        for (number, client) in self.clients.iter_mut().enumerate() {
            if matches!(client.phase, Phase::Dead) && (number == 0 || self.random.one_in(2)) {
                client.reset(false);
            }
        }
        // Longer than any timeout that the storm has left behind.
        for _ in 0..300 {
            self.tick(false);
        }
        let group = self.world.explain();
        let alive: Vec<_> =
            self.clients.iter().filter(|client| !matches!(client.phase, Phase::Dead)).collect();
        assert_eq!(group.state, "Stable", "{group:?}");
        let mut parts: Vec<usize> = alive.iter().flat_map(|client| client.owned.clone()).collect();
        parts.sort_unstable();
        assert_eq!(parts, (0..PARTITIONS).collect::<Vec<_>>());
        assert!(alive.iter().all(|client| client.generation_id == group.generation_id));
        self.world
    }
}

#[test]
fn members_come_to_one_stable_generation() {
    for seed in 0..60 {
        let simulation = std::panic::AssertUnwindSafe(|| Simulation::new(seed).run());
        if let Err(panic) = std::panic::catch_unwind(simulation) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [3, 7] {
        let logs = [Simulation::new(seed).run(), Simulation::new(seed).run()].map(|world| world.log.records);
        assert!(!logs[0].is_empty());
        assert_eq!(logs[0], logs[1]);
    }
}
