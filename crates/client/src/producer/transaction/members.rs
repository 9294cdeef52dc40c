//! Which partitions are in the transaction. Asked for every record, hence by place and not by hash.

use crate::producer::batch::PartitionKey;

/// How far a partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Membership {
    #[default]
    Outside,
    /// Not announced yet.
    New,
    /// Announced, not confirmed.
    Pending,
    /// Its records may leave.
    Added,
}

/// The partitions of a transaction.
#[derive(Clone, Debug, Default)]
pub(in crate::producer) struct Members {
    /// By topic and partition.
    places: Vec<Vec<Membership>>,
    new: Vec<PartitionKey>,
    /// All that are not outside; some may be twice.
    known: Vec<PartitionKey>,
    added: usize,
}

impl Members {
    /// Whether its records may leave.
    pub fn contains(&self, key: PartitionKey) -> bool {
        self.get(key) == Membership::Added
    }

    /// Whether nothing was confirmed yet.
    pub fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Puts it in without further ado (TV2).
    pub fn add(&mut self, key: PartitionKey) {
        if self.get(key) != Membership::Added {
            self.set(key, Membership::Added);
            self.known.push(key);
            self.added += 1;
        }
    }

    /// Puts it among those to be announced, unless it is known. True when it was not.
    pub fn add_new(&mut self, key: PartitionKey) -> bool {
        if self.get(key) != Membership::Outside {
            return false;
        }
        self.set(key, Membership::New);
        self.new.push(key);
        self.known.push(key);
        true
    }

    /// Whether some have to be announced.
    pub fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// Those to be announced; they count as announced from now on.
    pub fn take_new(&mut self) -> Vec<PartitionKey> {
        let new = std::mem::take(&mut self.new);
        for key in &new {
            self.set(*key, Membership::Pending);
        }
        new
    }

    /// Leaves out those that were not announced.
    pub fn forget_new(&mut self) {
        for key in std::mem::take(&mut self.new) {
            self.set(key, Membership::Outside);
        }
    }

    /// Confirms those announced, or takes them out.
    pub fn settle(&mut self, keys: &[PartitionKey], confirmed: bool) {
        for key in keys {
            if self.get(*key) != Membership::Pending {
                continue;
            }
            if confirmed {
                self.set(*key, Membership::Added);
                self.added += 1;
            } else {
                self.set(*key, Membership::Outside);
            }
        }
    }

    /// Ends the transaction.
    pub fn clear(&mut self) {
        for key in std::mem::take(&mut self.known) {
            self.set(key, Membership::Outside);
        }
        self.new.clear();
        self.added = 0;
    }

    fn get(&self, key: PartitionKey) -> Membership {
        let topic = self.places.get(key.topic as usize);
        topic.and_then(|topic| topic.get(key.partition as usize)).copied().unwrap_or_default()
    }

    fn set(&mut self, key: PartitionKey, membership: Membership) {
        let (topic, partition) = (key.topic as usize, key.partition as usize);
        if self.places.len() <= topic {
            self.places.resize_with(topic + 1, Vec::new);
        }
        let Some(places) = self.places.get_mut(topic) else { return };
        if places.len() <= partition {
            places.resize(partition + 1, Membership::Outside);
        }
        if let Some(place) = places.get_mut(partition) {
            *place = membership;
        }
    }
}
