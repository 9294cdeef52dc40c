//! Random histories of one transactional id: sessions, transactions, time, faults, restarts, against partitions that
//! believe every marker. Whatever happens: a transaction is committed or aborted in all of its partitions, and as its
//! producer was told; a fenced epoch never adds or ends anything; a fresh shard that reads the log has the same state.

use std::collections::BTreeMap;

use ottla_protocol::ErrorCode;

use super::TransactionState;
use super::testing::{World, replayed};
use crate::histories_test::{self, Seen};
use crate::testing::Random;

/// How a partition saw a transaction: which epoch ended it, and how.
#[derive(Default)]
struct Partitions {
    /// Partitions with records of the open transaction, and their producer.
    open: BTreeMap<(&'static str, i32), (i64, i16)>,
    /// Outcomes by the producer that wrote the records.
    outcomes: BTreeMap<(i64, i16), Vec<bool>>,
    /// The newest epoch of each producer id that a marker has told.
    epochs: BTreeMap<i64, i16>,
}

struct History {
    random: Random,
    world: World,
    partitions: Partitions,
    /// The newest session, as far as anyone was told.
    newest: Option<(i64, i16)>,
    /// All sessions ever told, newest last.
    sessions: Vec<(i64, i16)>,
    /// What producers were promised.
    promised: BTreeMap<(i64, i16), bool>,
    seen: Seen<TransactionState>,
}

const NAMES: [(&str, i32); 4] = [("a", 0), ("a", 1), ("b", 0), ("c", 7)];

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let version = random.pick(&[0, 1, 2, 2]);
        Self {
            random,
            world: World::new(version),
            partitions: Partitions::default(),
            newest: None,
            sessions: vec![(1, 0)],
            promised: BTreeMap::new(),
            seen: Seen::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=2 => self.init(),
            3..=8 => self.add(),
            9..=12 => self.end(),
            13..=15 => self.write_markers(),
            16 => {
                let ms = self.random.pick(&[1, 500, 10_000, 61_000]);
                self.world.advance(ms);
            }
            17 => self.world.log.fails = self.random.pick(&[None, None, Some(ErrorCode::NotEnoughReplicas)]),
            18 => {
                self.world.log.holds = self.random.one_in(3);
                self.world.commit_log();
            }
            _ => self.restart(),
        }
        if let Some(metadata) = self.world.runtime.shard().transactions.get(super::testing::ID) {
            *self.seen.entry(metadata.state).or_default() += 1;
        }
        self.check();
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new(0));
        self.world = world.restart();
        self.world.log.fails = None;
        self.world.log.holds = false;
    }

    fn any_session(&mut self) -> (i64, i16) {
        let newest = self.newest.filter(|_| !self.random.one_in(4));
        newest.unwrap_or_else(|| self.random.pick(&self.sessions))
    }

    fn init(&mut self) {
        let expected = self.random.one_in(2).then(|| self.any_session());
        if let Ok(session) = self.world.init(expected) {
            self.told(session);
        }
    }

    fn told(&mut self, session: (i64, i16)) {
        self.newest = Some(session);
        self.sessions.push(session);
    }

    /// As a produce with its verification: records go into the partition once the coordinator agrees.
    fn add(&mut self) {
        let (who, name) = (self.any_session(), self.random.pick(&NAMES));
        let known = self.world.runtime.shard().transactions.get(super::testing::ID).cloned();
        if self.world.add(who, &[name]).is_err() {
            return;
        }
        let known = known.expect("added to an id that is known");
        assert_eq!((known.producer_id, known.producer_epoch), who, "a fenced epoch has added a partition");
        let fenced = self.partitions.epochs.get(&who.0).is_some_and(|newest| who.1 < *newest);
        assert!(!fenced, "a marker has told a newer epoch");
        if let Some(other) = self.partitions.open.insert(name, who) {
            assert_eq!(other, who, "records of two transactions without a marker between them");
        }
    }

    fn end(&mut self) {
        let (who, committed) = (self.any_session(), self.random.one_in(2));
        let known = self.world.runtime.shard().transactions.get(super::testing::ID).cloned();
        let Ok(next) = self.world.end(who, committed) else { return };
        let known = known.expect("an id that is known");
        if known.state == TransactionState::Ongoing {
            assert_eq!((known.producer_id, known.producer_epoch), who, "a fenced epoch has ended it");
            // Without epoch bumps a session has many transactions, each judged by itself.
            self.promised.insert(who, committed);
        }
        if next.0 >= 0 {
            self.told(next);
        }
    }

    fn write_markers(&mut self) {
        for markers in self.world.markers.clone() {
            let producer_id = markers.producer.producer_id;
            let mut owner = None;
            for partition in &markers.partitions {
                let name = NAMES
                    .iter()
                    .find(|(topic, at)| **topic == *partition.topic && *at == partition.partition);
                // Added, and perhaps the records never came.
                if let Some(who) = name.and_then(|name| self.partitions.open.remove(name)) {
                    assert_eq!(who.0, producer_id);
                    owner = Some(who);
                }
            }
            if let Some(who) = owner {
                let left = self.partitions.open.values().any(|open| *open == who);
                assert!(!left, "a transaction has ended in some of its partitions only");
                self.partitions.outcomes.entry(who).or_default().push(markers.committed);
                if let Some(promised) = self.promised.get(&who) {
                    assert_eq!(*promised, markers.committed, "its producer was told otherwise");
                }
            }
            // One transaction of a producer at a time: its promise is kept now, also where no records ever came.
            self.promised.retain(|(promised_to, _), _| *promised_to != producer_id);
            let epoch = self.partitions.epochs.entry(producer_id).or_insert(-1);
            assert!(*epoch <= markers.producer.producer_epoch, "epochs go back");
            *epoch = markers.producer.producer_epoch;
        }
        self.world.write_markers();
    }

    fn check(&self) {
        let fresh = replayed(&self.world.config, &self.world.log);
        let live = self.world.runtime.shard();
        assert_eq!(fresh.transactions().count(), live.transactions().count());
        for ((_, fresh), (_, live)) in fresh.transactions().zip(live.transactions()) {
            let mut live = live.clone();
            live.last_producer_epoch = -1;
            if self.world.transaction_version == 0 {
                // The old format has no room for these.
                live.prev_producer_id = -1;
                live.next_producer_id = -1;
            }
            assert_eq!(*fresh, live);
        }
    }

    /// No more faults: what is decided comes to its end.
    fn finish(mut self) -> Seen<TransactionState> {
        self.world.log.fails = None;
        self.world.log.holds = false;
        self.world.commit_log();
        for _ in 0..4 {
            self.world.advance(40_000);
            self.write_markers();
        }
        if let Some(metadata) = self.world.runtime.shard().transactions.get(super::testing::ID) {
            assert!(metadata.state.is_expiration_allowed(), "{metadata:?}");
        }
        assert!(self.partitions.open.is_empty(), "a transaction hangs");
        self.seen
    }
}

#[test]
fn transactions_are_whole_whatever_happens() {
    let states = [0, 1, 2, 3, 4, 5].map(|id| TransactionState::from_id(id).unwrap());
    histories_test::run(300, &states, |seed| {
        let mut history = History::new(seed);
        (0..120).for_each(|_| history.step());
        history.finish()
    });
}
