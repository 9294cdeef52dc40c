//! Kafka's striped replica placer (`StripedReplicaPlacer`).
//!
//! The goals, in this order: spread the replicas of a partition over racks; use unfenced brokers before fenced
//! ones, and let an unfenced one lead; spread leaders and replicas evenly over brokers.
//!
//! Brokers of a rack form two rings, unfenced and fenced. Each partition walks the racks, beginning one
//! rack further than the one before it, and takes the next broker of each rack's ring; each ring begins one broker
//! further with every partition. When every unfenced broker has led once, racks and rings are shuffled, so
//! that the same groups of brokers do not share all their partitions.

use std::collections::BTreeMap;

use ottla_protocol::{ErrorCode, Str};

use super::{Random, UsableBroker};
use crate::ApiError;

/// Brokers of a rack that are used in turn.
#[derive(Debug, Default)]
struct BrokerList {
    brokers: Vec<i32>,
    index: usize,
    offset: usize,
    epoch: usize,
}

impl BrokerList {
    fn initialize(&mut self, random: &mut Random) {
        self.brokers.sort_unstable();
        self.offset = random.below(self.brokers.len());
    }

    /// The next broker for the partition of this epoch; none when each was taken.
    fn next(&mut self, epoch: usize) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.index >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers.get((self.index + self.offset) % self.brokers.len()).copied();
        self.index += 1;
        broker
    }
}

#[derive(Debug, Default)]
struct Rack {
    fenced: BrokerList,
    unfenced: BrokerList,
}

impl Rack {
    fn next(&mut self, epoch: usize) -> Option<i32> {
        self.unfenced.next(epoch).or_else(|| self.fenced.next(epoch))
    }
}

/// Places the replicas of one topic after the other.
#[derive(Debug)]
pub struct StripedReplicaPlacer {
    random: Random,
}

fn invalid<T>(message: String) -> Result<T, ApiError> {
    Err(ApiError::thrown(ErrorCode::InvalidReplicationFactor, message))
}

impl StripedReplicaPlacer {
    /// A placer whose random choices follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// The replicas of `partitions` partitions, the preferred leader first in each.
    ///
    /// # Errors
    /// INVALID_REPLICATION_FACTOR when the brokers can't hold that many replicas.
    pub fn place(
        &mut self,
        partitions: usize,
        replication_factor: i16,
        brokers: &[UsableBroker],
    ) -> Result<Vec<Vec<i32>>, ApiError> {
        let replicas = match usize::try_from(replication_factor) {
            Ok(replicas) if replicas > 0 => replicas,
            _ => {
                return invalid(format!(
                    "Invalid replication factor {replication_factor}: the replication factor must be positive."
                ));
            }
        };
        let unfenced = brokers.iter().filter(|broker| !broker.fenced).count();
        if unfenced == 0 {
            return invalid(
                "All brokers are currently fenced, or have all their log directories cordoned.".to_owned(),
            );
        }
        if replicas > brokers.len() {
            return invalid(format!(
                "The target replication factor of {replicas} cannot be reached because only {} broker(s) are \
                 registered or some brokers have all their log directories cordoned.",
                brokers.len()
            ));
        }
        let mut racks = RackList::new(&mut self.random, brokers, unfenced);
        Ok((0..partitions).map(|_| racks.place(replicas, &mut self.random)).collect())
    }
}

#[derive(Debug)]
struct RackList {
    /// Racks in the order in which they are walked: by name, those without one first, until shuffled.
    racks: Vec<Rack>,
    unfenced: usize,
    epoch: usize,
    offset: usize,
}

impl RackList {
    fn new(random: &mut Random, brokers: &[UsableBroker], unfenced: usize) -> Self {
        let mut by_name: BTreeMap<Option<&Str>, Rack> = BTreeMap::new();
        for broker in brokers {
            let rack = by_name.entry(broker.rack.as_ref()).or_default();
            let list = if broker.fenced { &mut rack.fenced } else { &mut rack.unfenced };
            list.brokers.push(broker.id);
        }
        let mut racks: Vec<Rack> = by_name.into_values().collect();
        for rack in &mut racks {
            rack.fenced.initialize(random);
            rack.unfenced.initialize(random);
        }
        let offset = random.below(racks.len());
        Self { racks, unfenced, epoch: 0, offset }
    }

    /// The replicas of the next partition. There are at least `replicas` brokers, and one is not fenced.
    fn place(&mut self, replicas: usize, random: &mut Random) -> Vec<i32> {
        if self.epoch == self.unfenced && self.unfenced > 1 {
            self.shuffle(random);
            self.epoch = 0;
        }
        if self.offset >= self.racks.len() {
            self.offset = 0;
        }
        let (count, epoch, offset) = (self.racks.len(), self.epoch, self.offset);
        let mut brokers = Vec::with_capacity(replicas);
        // The leader: from the first rack that has an unfenced broker.
        let walk = (0..count).map(|step| (offset + step) % count);
        let leader =
            walk.into_iter().find_map(|at| Some((at, self.racks.get_mut(at)?.unfenced.next(epoch)?)));
        let Some((leader_rack, leader)) = leader else { return brokers };
        brokers.push(leader);
        // The others, round the racks; the leader's rack has had its first turn already.
        let mut skip = Some(leader_rack);
        let mut at = offset;
        // Each round takes a broker unless all are used up, which `place` has excluded.
        let mut idle = 0;
        while brokers.len() < replicas && idle <= count {
            idle += 1;
            if skip == Some(at) {
                skip = None;
            } else if let Some(broker) = self.racks.get_mut(at).and_then(|rack| rack.next(epoch)) {
                brokers.push(broker);
                idle = 0;
            }
            at = (at + 1) % count;
        }
        self.epoch += 1;
        self.offset += 1;
        brokers
    }

    fn shuffle(&mut self, random: &mut Random) {
        random.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            random.shuffle(&mut rack.fenced.brokers);
            random.shuffle(&mut rack.unfenced.brokers);
        }
    }
}

#[cfg(test)]
#[path = "striped_replica_placer_test.rs"]
mod striped_replica_placer_test;
