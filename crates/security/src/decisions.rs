//! What a connection's principal was allowed before.
//!
//! A producer sends to the same topics again and again; walking through the entries each time would cost more than the
//! rest of the check. What is kept belongs to one connection, hence to one thread: looking at it takes no lock and
//! touches nothing that other threads write. Only what was allowed is kept: what is denied is rare, and is logged each
//! time.

use ahash::AHashMap;
use ottla_metadata::{AclOperation, AclResourceType};
use ottla_protocol::{Str, Uuid};

/// Kinds of resources have codes below it.
const KINDS: usize = 8;
/// Most names that are kept for a connection; with more, it starts anew.
const NAMES_MAX: usize = 16_384;

/// What was allowed, by kind and name: bit n stands for the operation of code n.
#[derive(Default)]
pub struct Decisions {
    /// Version of the entries by which it was.
    version: u64,
    /// Empty until something is kept: most brokers have no authorizer.
    allowed: Vec<AHashMap<Str, u32>>,
    /// Topics by their ids, where they are known: an id is its name's for ever, and found without reading a text that lies elsewhere in memory.
    topics: AHashMap<Uuid, u32>,
    names: usize,
}

impl Decisions {
    /// Whether it was allowed by these entries before.
    pub fn is_known(
        &self,
        version: u64,
        resource_type: AclResourceType,
        name: &str,
        operation: AclOperation,
    ) -> bool {
        self.version == version
            && self
                .allowed
                .get(place(resource_type))
                .and_then(|names| names.get(name))
                .is_some_and(|operations| operations & bit(operation) != 0)
    }

    /// The same of a topic with this id.
    pub fn is_known_topic(&self, version: u64, id: Uuid, operation: AclOperation) -> bool {
        self.version == version
            && self.topics.get(&id).is_some_and(|operations| operations & bit(operation) != 0)
    }

    /// Keeps that it is allowed with the topic of this id.
    pub fn keep_topic(&mut self, version: u64, id: Uuid, operation: AclOperation) {
        self.make_room(version);
        let before = self.topics.len();
        *self.topics.entry(id).or_default() |= bit(operation);
        self.names += self.topics.len() - before;
    }

    fn make_room(&mut self, version: u64) {
        if self.version != version || self.names >= NAMES_MAX {
            *self = Self { version, ..Self::default() };
        }
    }

    /// Keeps that it is allowed. `name` is copied: it may be a slice of a whole request.
    pub fn keep(
        &mut self,
        version: u64,
        resource_type: AclResourceType,
        name: &str,
        operation: AclOperation,
    ) {
        self.make_room(version);
        if self.allowed.is_empty() {
            self.allowed.resize_with(KINDS, AHashMap::default);
        }
        let Some(names) = self.allowed.get_mut(place(resource_type)) else { return };
        match names.get_mut(name) {
            Some(operations) => *operations |= bit(operation),
            None => {
                names.insert(Str::from(name), bit(operation));
                self.names += 1;
            }
        }
    }
}

fn place(resource_type: AclResourceType) -> usize {
    usize::try_from(resource_type.code()).unwrap_or(KINDS)
}

fn bit(operation: AclOperation) -> u32 {
    1_u32.checked_shl(u32::try_from(operation.code()).unwrap_or(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use AclOperation::{Read, Write};
    use AclResourceType::{Group, Topic};

    use super::*;

    #[test]
    fn what_was_allowed_is_known_until_the_entries_change() {
        let mut decisions = Decisions::default();
        assert!(!decisions.is_known(0, Topic, "t", Write));
        decisions.keep(1, Topic, "t", Write);
        assert!(decisions.is_known(1, Topic, "t", Write));
        assert!(!decisions.is_known(1, Topic, "t", Read), "another operation");
        assert!(!decisions.is_known(1, Group, "t", Write), "another kind");
        assert!(!decisions.is_known(1, Topic, "u", Write), "another name");
        assert!(!decisions.is_known(2, Topic, "t", Write), "other entries");
        decisions.keep(1, Topic, "t", Read);
        assert!(decisions.is_known(1, Topic, "t", Write) && decisions.is_known(1, Topic, "t", Read));
        decisions.keep(2, Topic, "u", Read);
        assert!(!decisions.is_known(1, Topic, "t", Write) && !decisions.is_known(2, Topic, "t", Write));
    }

    #[test]
    fn topics_by_their_ids() {
        let (one, two) = (Uuid::from_parts(1, 1), Uuid::from_parts(1, 2));
        let mut decisions = Decisions::default();
        assert!(!decisions.is_known_topic(0, one, Write));
        decisions.keep_topic(1, one, Write);
        assert!(decisions.is_known_topic(1, one, Write));
        assert!(!decisions.is_known_topic(1, one, Read) && !decisions.is_known_topic(1, two, Write));
        assert!(!decisions.is_known_topic(2, one, Write), "other entries");
        decisions.keep_topic(1, one, Read);
        assert!(decisions.is_known_topic(1, one, Write) && decisions.is_known_topic(1, one, Read));
        decisions.keep(2, Topic, "u", Read);
        assert!(!decisions.is_known_topic(1, one, Write) && !decisions.is_known_topic(2, one, Write));
        for at in 0..=NAMES_MAX as u64 {
            decisions.keep_topic(2, Uuid::from_parts(at, 7), Write);
        }
        assert!(decisions.topics.len() < NAMES_MAX, "it has started anew");
    }

    #[test]
    fn a_connection_keeps_a_bounded_number_of_names() {
        let mut decisions = Decisions::default();
        for at in 0..=NAMES_MAX {
            decisions.keep(1, Topic, &at.to_string(), Write);
        }
        assert_eq!(decisions.names, 1, "it has started anew");
        assert!(decisions.is_known(1, Topic, &NAMES_MAX.to_string(), Write));
    }
}
