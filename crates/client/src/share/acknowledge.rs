//! Acknowledgements of one partition, and how they are written.

use std::collections::BTreeMap;

use super::TopicIdPartition;
use crate::Error;

/// What became of a record (`org.apache.kafka.clients.consumer.AcknowledgeType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AcknowledgeType {
    /// Processed: 1.
    #[default]
    Accept,
    /// Not processed, another may try: 2.
    Release,
    /// Can't be processed by anybody: 3.
    Reject,
    /// Still being processed, the lock begins anew: 4.
    Renew,
}

impl AcknowledgeType {
    /// Its number on the wire.
    pub fn id(self) -> i8 {
        match self {
            Self::Accept => 1,
            Self::Release => 2,
            Self::Reject => 3,
            Self::Renew => 4,
        }
    }
}

/// Is told what became of acknowledgements: partition, offsets, and the error if they were not taken.
pub type AcknowledgementCommitCallback = Box<dyn FnMut(&TopicIdPartition, &[i64], Option<&Error>) + Send>;

/// An offset without a record.
const GAP: i8 = 0;
/// A run of equal types longer than this is written as one batch of its own.
const RUN_LEN_MAX: usize = 10;

/// Types by offset; none for an offset that was acquired but has no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgements(BTreeMap<i64, Option<AcknowledgeType>>);

/// A run of offsets: one type for all, or one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, which is part of it.
    pub last_offset: i64,
    /// Numbers of the types.
    pub types: Vec<i8>,
}

impl Acknowledgements {
    /// A record's, in place of one before.
    pub fn insert(&mut self, offset: i64, kind: AcknowledgeType) {
        self.0.insert(offset, Some(kind));
    }

    /// There is no record at this offset.
    pub fn insert_gap(&mut self, offset: i64) {
        self.0.insert(offset, None);
    }

    /// A record's.
    pub fn get(&self, offset: i64) -> Option<AcknowledgeType> {
        self.0.get(&offset).copied().flatten()
    }

    /// Whether the offset is in it.
    pub fn contains(&self, offset: i64) -> bool {
        self.0.contains_key(&offset)
    }

    /// Whether there are none.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The others', in place of what is here for the same offsets.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All offsets, in order.
    pub fn offsets(&self) -> Vec<i64> {
        self.0.keys().copied().collect()
    }

    /// Whether one renews a lock.
    pub fn renews(&self) -> bool {
        self.0.values().any(|kind| *kind == Some(AcknowledgeType::Renew))
    }

    /// As they go over the wire: runs of offsets without holes between, long runs of one type by themselves.
    pub fn batches(&self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut run: Vec<(i64, i8)> = Vec::new();
        for (offset, kind) in &self.0 {
            if run.last().is_some_and(|(last, _)| last.checked_add(1) != Some(*offset)) {
                split(&std::mem::take(&mut run), &mut batches);
            }
            run.push((*offset, kind.map_or(GAP, AcknowledgeType::id)));
        }
        split(&run, &mut batches);
        batches
    }
}

/// Cuts a run where more than [`RUN_LEN_MAX`] equal types follow each other.
fn split(run: &[(i64, i8)], batches: &mut Vec<Batch>) {
    let mut rest: Vec<(i64, i8)> = Vec::new();
    for same in run.chunk_by(|(_, a), (_, b)| a == b) {
        if same.len() > RUN_LEN_MAX {
            push(&std::mem::take(&mut rest), batches);
            push(same, batches);
        } else {
            rest.extend_from_slice(same);
        }
    }
    push(&rest, batches);
}

fn push(run: &[(i64, i8)], batches: &mut Vec<Batch>) {
    let (Some((first_offset, kind)), Some((last_offset, _))) = (run.first(), run.last()) else { return };
    let is_one = run.iter().all(|(_, other)| other == kind);
    let types = if is_one { vec![*kind] } else { run.iter().map(|(_, kind)| *kind).collect() };
    batches.push(Batch { first_offset: *first_offset, last_offset: *last_offset, types });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(offsets: &[(i64, Option<AcknowledgeType>)]) -> Vec<(i64, i64, Vec<i8>)> {
        let acknowledgements = Acknowledgements(offsets.iter().copied().collect());
        acknowledgements.batches().into_iter().map(|b| (b.first_offset, b.last_offset, b.types)).collect()
    }

    #[test]
    fn runs_holes_and_gaps() {
        use AcknowledgeType::*;
        assert_eq!(batches(&[]), []);
        assert_eq!(batches(&[(5, Some(Accept))]), [(5, 5, vec![1])]);
        let mixed = [(1, Some(Accept)), (2, None), (3, Some(Release)), (7, Some(Reject)), (8, Some(Reject))];
        assert_eq!(batches(&mixed), [(1, 3, vec![1, 0, 2]), (7, 8, vec![3])]);
    }

    #[test]
    fn a_long_run_stands_by_itself() {
        use AcknowledgeType::*;
        let mut offsets = vec![(0, Some(Release))];
        offsets.extend((1..12).map(|offset| (offset, Some(Accept))));
        offsets.extend([(12, Some(Renew)), (13, Some(Accept))]);
        assert_eq!(batches(&offsets), [(0, 0, vec![2]), (1, 11, vec![1]), (12, 13, vec![4, 1])]);
        assert_eq!(batches(&offsets[..11]), [(0, 10, [vec![2], vec![1; 10]].concat())]);
    }
}
