//! Seeded histories: several members against a small model of the coordinator, with answers that come late, in any order
//! or not at all, members that are thrown out, and applications that do not poll. What must hold: no partition belongs to
//! two members at once, callbacks tell the truth, and when the trouble ends everything is assigned exactly once.

mod classic_group;
mod classic_test;
mod epoch_group;
mod epochs_test;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

use super::{Action, Callback, Event, GroupAnswer, GroupConfig, GroupRequest, Membership};
use crate::Error;
use crate::cluster::{Metadata, PartitionMetadata, TopicMetadata};

/// What stands for the coordinator: takes a request, answers some, maybe of others.
pub trait Coordinator {
    fn request(&mut self, now_ms: i64, client: usize, id: u64, request: GroupRequest) -> Answers;
    /// Time passes: members that were not heard of are thrown out.
    fn tick(&mut self, now_ms: i64) -> Answers;
    /// Throws out some member.
    fn expire(&mut self, rng: &mut Rng) -> Answers;
}

/// Client, request, answer.
pub type Answers = Vec<(usize, u64, GroupAnswer)>;

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 33) as usize % bound
    }
}

pub fn config(seed: u64) -> GroupConfig {
    GroupConfig {
        group_id: "g".into(),
        group_instance_id: None,
        rack_id: None,
        session_timeout_ms: 10_000,
        heartbeat_interval_ms: 1000,
        max_poll_interval_ms: 20_000,
        retry_backoff_ms: 100,
        retry_backoff_max_ms: 1000,
        request_timeout_ms: 5000,
        auto_commit: seed.is_multiple_of(2),
        seed,
    }
}

pub fn topic_id(name: &str) -> Uuid {
    Uuid::from_parts(7, name.bytes().map(u64::from).sum())
}

pub fn metadata(topics: &[(&str, i32)]) -> Arc<Metadata> {
    let partition = |index| PartitionMetadata {
        index,
        error: ErrorCode::None,
        leader: None,
        leader_epoch: None,
        replicas: Vec::new(),
        isr: Vec::new(),
        offline: Vec::new(),
    };
    let topics = topics.iter().map(|(name, count)| TopicMetadata {
        name: (*name).into(),
        id: topic_id(name),
        error: ErrorCode::None,
        is_internal: false,
        partitions: (0..*count).map(partition).collect(),
    });
    let topics = topics.map(|topic| (topic.name.clone(), topic)).collect::<HashMap<Str, _>>();
    Arc::new(Metadata { topics, ..Metadata::default() })
}

/// A member with what stands for its application.
pub struct Client {
    pub member: Box<dyn Membership>,
    /// By the callbacks.
    pub owned: BTreeSet<TopicPartition>,
    pub lost: usize,
    pub left: usize,
    pub failed: Vec<Error>,
    /// Callbacks that wait for the next `poll`.
    calls: Vec<(u64, Callback, Vec<TopicPartition>)>,
    is_polling: bool,
}

/// The whole.
pub struct World<C> {
    pub now_ms: i64,
    pub rng: Rng,
    pub clients: Vec<Client>,
    pub coordinator: C,
    pub metadata: Arc<Metadata>,
    requests: Vec<(usize, u64, GroupRequest)>,
    answers: Answers,
    /// Requests that wait for an answer, and until when.
    waiting: Vec<(usize, u64, i64)>,
    /// One in so many requests or answers is lost; none for 0.
    pub loss: usize,
    /// Whether partitions stay with their owners while a rebalance goes on.
    pub check_overlap: bool,
}

impl<C: Coordinator> World<C> {
    pub fn new(seed: u64, coordinator: C, metadata: Arc<Metadata>) -> Self {
        Self {
            now_ms: 1_000_000,
            rng: Rng(seed),
            clients: Vec::new(),
            coordinator,
            metadata,
            requests: Vec::new(),
            answers: Vec::new(),
            waiting: Vec::new(),
            loss: 0,
            check_overlap: false,
        }
    }

    pub fn add(&mut self, member: Box<dyn Membership>) -> usize {
        self.clients.push(Client {
            member,
            owned: BTreeSet::new(),
            lost: 0,
            left: 0,
            failed: Vec::new(),
            calls: Vec::new(),
            is_polling: false,
        });
        let client = self.clients.len() - 1;
        self.event(client, Event::Metadata(self.metadata.clone()));
        client
    }

    pub fn event(&mut self, client: usize, event: Event) {
        match event {
            Event::PollStarted => self.clients[client].is_polling = true,
            Event::PollEnded => self.clients[client].is_polling = false,
            _ => {}
        }
        self.clients[client].member.handle(self.now_ms, event);
        while let Some(action) = self.clients[client].member.next_action() {
            self.perform(client, action);
        }
        if self.clients[client].is_polling || self.clients[client].left > 0 {
            self.call_back(client);
        }
    }

    fn perform(&mut self, client: usize, action: Action) {
        match action {
            Action::Send { id, request, timeout_ms } => {
                self.requests.push((client, id, request));
                self.waiting.push((client, id, self.now_ms + timeout_ms));
            }
            Action::Commit { id, .. } => self.event(client, Event::Committed { id, result: Ok(()) }),
            Action::Call { id, callback, partitions } => {
                self.clients[client].calls.push((id, callback, partitions));
            }
            Action::RefreshMetadata { id } => {
                self.event(client, Event::Metadata(self.metadata.clone()));
                self.event(client, Event::Refreshed { id, result: Ok(()) });
            }
            Action::Fail(error) => {
                self.clients[client].failed.push(error);
                self.event(client, Event::PollEnded);
            }
            Action::Left => self.clients[client].left += 1,
            Action::Assign { .. }
            | Action::ForgetCoordinator
            | Action::ResetAutoCommit
            | Action::PauseFetching(_)
            | Action::Topics(_) => {}
        }
    }

    pub fn call_back(&mut self, client: usize) {
        for (id, callback, partitions) in std::mem::take(&mut self.clients[client].calls) {
            let client_state = &mut self.clients[client];
            for partition in partitions {
                match callback {
                    Callback::Assigned => {
                        assert!(client_state.owned.insert(partition.clone()), "{partition} twice");
                    }
                    Callback::Revoked | Callback::Lost => {
                        client_state.lost += usize::from(callback == Callback::Lost);
                        assert!(client_state.owned.remove(&partition), "{partition} was not owned");
                    }
                }
            }
            self.check();
            self.event(client, Event::Called { id, result: Ok(()) });
        }
    }

    fn check(&self) {
        if !self.check_overlap {
            return;
        }
        let mut all = BTreeSet::new();
        for partition in self.clients.iter().flat_map(|client| &client.owned) {
            assert!(all.insert(partition), "{partition} has two owners");
        }
    }

    /// A tenth of a second: messages travel, applications poll, timers run.
    pub fn step(&mut self) {
        self.now_ms += 100;
        for _ in 0..self.rng.next(2 * self.requests.len() + 2) {
            if self.requests.is_empty() {
                break;
            }
            let at = self.rng.next(self.requests.len());
            let (client, id, request) = self.requests.remove(at);
            if self.is_lost() {
                self.answer(client, id, Err(Error::Disconnected("cut".into())));
            } else {
                let answers = self.coordinator.request(self.now_ms, client, id, request);
                self.answers.extend(answers);
            }
        }
        for _ in 0..self.rng.next(2 * self.answers.len() + 2) {
            if self.answers.is_empty() {
                break;
            }
            let at = self.rng.next(self.answers.len());
            let (client, id, answer) = self.answers.remove(at);
            let answer = if self.is_lost() { Err(Error::Disconnected("cut".into())) } else { Ok(answer) };
            self.answer(client, id, answer);
        }
        let answers = self.coordinator.tick(self.now_ms);
        self.answers.extend(answers);
        let (late, waiting) = self.waiting.iter().partition(|(.., until_ms)| *until_ms <= self.now_ms);
        self.waiting = waiting;
        let late: Vec<(usize, u64, i64)> = late;
        for (client, id, _) in late {
            self.event(client, Event::failed(id, Error::Timeout("no answer".into())));
        }
        for client in 0..self.clients.len() {
            if self.clients[client].member.wake_at_ms().is_some_and(|at_ms| at_ms <= self.now_ms) {
                self.event(client, Event::Tick);
            }
        }
    }

    /// Some member is thrown out.
    pub fn expire(&mut self) {
        let answers = self.coordinator.expire(&mut self.rng);
        self.answers.extend(answers);
    }

    fn answer(&mut self, client: usize, id: u64, answer: crate::Result<GroupAnswer>) {
        let waits = self.waiting.len();
        self.waiting.retain(|(c, i, _)| (*c, *i) != (client, id));
        if self.waiting.len() < waits {
            self.event(client, Event::Answered { id, answer });
        }
    }

    fn is_lost(&mut self) -> bool {
        self.loss > 0 && self.rng.next(self.loss) == 0
    }

    /// Everyone polls until nothing changes any more.
    pub fn settle(&mut self) {
        self.loss = 0;
        for _ in 0..600 {
            for client in 0..self.clients.len() {
                if self.clients[client].left == 0 {
                    self.event(client, Event::PollStarted);
                }
            }
            self.step();
        }
    }

    /// Partitions with their owners.
    pub fn owned(&self) -> Vec<TopicPartition> {
        let mut all: Vec<_> = self.clients.iter().flat_map(|client| client.owned.iter().cloned()).collect();
        all.sort();
        all
    }
}

/// Partitions of topics.
pub fn partitions(topics: &[(&str, i32)]) -> Vec<TopicPartition> {
    let mut all: Vec<_> =
        topics.iter().flat_map(|(name, count)| (0..*count).map(|i| TopicPartition::new(*name, i))).collect();
    all.sort();
    all
}
