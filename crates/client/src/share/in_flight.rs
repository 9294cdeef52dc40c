//! Records that are with the application (`ShareFetch`, `ShareInFlightBatch`).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::TopicIdPartition;
use super::acknowledge::{AcknowledgeType, Acknowledgements};
use crate::record::ConsumerRecord;
use crate::{Error, Result};

/// What `poll` returned last.
#[derive(Debug, Default)]
pub struct InFlight {
    batches: BTreeMap<TopicIdPartition, Batch>,
    /// How long records are locked, ms.
    pub lock_timeout_ms: Option<i32>,
    renewed_lock_timeout_ms: Option<i32>,
}

/// Of one partition.
#[derive(Debug, Default)]
pub struct Batch {
    /// The node that gave them, to which acknowledgements go.
    pub node: i32,
    pub records: BTreeMap<i64, ConsumerRecord>,
    pub acks: Acknowledgements,
    acknowledged: BTreeSet<i64>,
    /// Offsets that could not be read; the application may say what becomes of them.
    pub unreadable: BTreeSet<i64>,
    /// Their lock is being renewed; then it was.
    renewing: BTreeMap<i64, ConsumerRecord>,
    renewed: BTreeMap<i64, ConsumerRecord>,
}

/// Acknowledgements with the node that they go to.
pub type Taken = Vec<(i32, TopicIdPartition, Acknowledgements)>;

fn not_acknowledgeable() -> Error {
    Error::Illegal("The record cannot be acknowledged.".to_owned())
}

impl Batch {
    /// Without records.
    pub fn new(node: i32) -> Self {
        Self { node, ..Self::default() }
    }
}

impl InFlight {
    /// Records of a partition come in: from two nodes, when its leader has just changed. All acknowledgements go to the first of
    /// them then, as in Kafka; what it refuses is delivered again.
    pub fn add(&mut self, partition: TopicIdPartition, batch: Batch) {
        match self.batches.entry(partition) {
            Entry::Vacant(entry) => {
                entry.insert(batch);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.records.extend(batch.records);
                known.acks.merge(batch.acks);
                known.unreadable.extend(batch.unreadable);
            }
        }
    }

    /// Whether no record is with the application.
    pub fn is_empty(&self) -> bool {
        self.batches.values().all(|batch| batch.records.is_empty())
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.batches.values().map(|batch| batch.records.len()).sum()
    }

    /// Its records, partition by partition in the order of offsets.
    pub fn records(&self) -> impl Iterator<Item = &ConsumerRecord> {
        self.batches.values().flat_map(|batch| batch.records.values())
    }

    /// Whether locks are being renewed, or were since `poll` last returned those records.
    pub fn has_renewals(&self) -> bool {
        self.batches.values().any(|batch| !batch.renewing.is_empty() || !batch.renewed.is_empty())
    }

    /// Records whose lock was renewed are with the application again.
    pub fn take_renewed(&mut self) {
        for batch in self.batches.values_mut() {
            batch.records.append(&mut batch.renewed);
        }
        if let Some(timeout_ms) = self.renewed_lock_timeout_ms.take() {
            self.lock_timeout_ms = Some(timeout_ms);
        }
    }

    /// The application says what became of a record.
    ///
    /// # Errors
    /// When it is not with the application.
    pub fn acknowledge(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<()> {
        let found = self
            .batches
            .iter_mut()
            .find(|(tip, _)| &*tip.topic == topic && tip.partition == partition)
            .map(|(_, batch)| batch);
        let batch = found.ok_or_else(not_acknowledgeable)?;
        if batch.records.contains_key(&offset) {
            batch.acknowledged.insert(offset);
        } else if !batch.unreadable.contains(&offset) {
            return Err(not_acknowledgeable());
        }
        batch.acks.insert(offset, kind);
        Ok(())
    }

    /// All that the application said nothing of.
    pub fn acknowledge_all(&mut self, kind: AcknowledgeType) {
        for batch in self.batches.values_mut() {
            for offset in batch.records.keys() {
                if !batch.acks.contains(*offset) {
                    batch.acks.insert(*offset, kind);
                }
                batch.acknowledged.insert(*offset);
            }
        }
    }

    /// Whether the application said something of each record.
    pub fn is_acknowledged(&self) -> bool {
        self.batches.values().all(|batch| batch.records.len() == batch.acknowledged.len())
    }

    /// The acknowledgements, to be sent. Their records are gone from here, but for those whose lock is renewed.
    pub fn take(&mut self) -> Taken {
        let mut taken = Vec::new();
        for (tip, batch) in &mut self.batches {
            let acks = std::mem::take(&mut batch.acks);
            for offset in std::mem::take(&mut batch.acknowledged) {
                let record = batch.records.remove(&offset);
                if let Some(record) = record.filter(|_| acks.get(offset) == Some(AcknowledgeType::Renew)) {
                    batch.renewing.insert(offset, record);
                }
            }
            batch.unreadable.clear();
            if !acks.is_empty() {
                taken.push((batch.node, tip.clone(), acks));
            }
        }
        self.forget_done();
        taken
    }

    fn forget_done(&mut self) {
        self.batches.retain(|_, batch| {
            !(batch.records.is_empty()
                && batch.renewing.is_empty()
                && batch.renewed.is_empty()
                && batch.acks.is_empty()
                && batch.unreadable.is_empty())
        });
    }

    /// Acknowledgements were answered: renewed locks give their records back, all others are forgotten.
    pub fn answered(
        &mut self,
        partition: &TopicIdPartition,
        acks: &Acknowledgements,
        is_taken: bool,
        lock_timeout_ms: Option<i32>,
    ) {
        let Some(batch) = self.batches.get_mut(partition) else { return };
        for offset in acks.offsets() {
            let record = batch.renewing.remove(&offset);
            let is_renewed = is_taken && acks.get(offset) == Some(AcknowledgeType::Renew);
            if let Some(record) = record.filter(|_| is_renewed) {
                batch.renewed.insert(offset, record);
                self.renewed_lock_timeout_ms = lock_timeout_ms;
            }
        }
        self.forget_done();
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use ottla_protocol::Uuid;
    use ottla_protocol::records::TimestampType;

    fn record(offset: i64) -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            delivery_count: Some(1),
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    fn tip() -> TopicIdPartition {
        TopicIdPartition { topic_id: Uuid::ONE, partition: 0, topic: "t".into() }
    }

    fn batch(node: i32, offsets: Range<i64>) -> Batch {
        let records = offsets.map(|offset| (offset, record(offset))).collect();
        Batch { records, ..Batch::new(node) }
    }

    fn three() -> InFlight {
        let mut in_flight = InFlight::default();
        in_flight.add(tip(), batch(1, 0..3));
        in_flight
    }

    #[test]
    fn records_of_a_new_leader_come_to_those_of_the_one_before() {
        let mut in_flight = three();
        let mut later = batch(2, 2..5);
        later.acks.insert_gap(5);
        in_flight.add(tip(), later);
        let offsets: Vec<i64> = in_flight.records().map(|record| record.offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 4]);
        in_flight.acknowledge_all(AcknowledgeType::Accept);
        let taken = in_flight.take();
        assert_eq!((taken.len(), taken[0].0), (1, 1));
        assert_eq!(taken[0].2.batches()[0].types, [1, 1, 1, 1, 1, 0]);
        assert!(in_flight.is_empty());
    }

    #[test]
    fn what_is_not_said_is_accepted_in_implicit_mode() {
        let mut in_flight = three();
        in_flight.acknowledge("t", 0, 1, AcknowledgeType::Reject).unwrap();
        assert!(!in_flight.is_acknowledged());
        in_flight.acknowledge_all(AcknowledgeType::Accept);
        assert!(in_flight.is_acknowledged());
        let taken = in_flight.take();
        assert_eq!(taken[0].2.batches()[0].types, [1, 3, 1]);
        assert!(in_flight.is_empty() && in_flight.take().is_empty());
    }

    #[test]
    fn only_records_at_hand_can_be_acknowledged() {
        let mut in_flight = three();
        assert!(in_flight.acknowledge("t", 0, 3, AcknowledgeType::Accept).is_err());
        assert!(in_flight.acknowledge("t", 1, 0, AcknowledgeType::Accept).is_err());
        in_flight.acknowledge("t", 0, 0, AcknowledgeType::Accept).unwrap();
        assert_eq!(in_flight.take()[0].2.offsets(), [0]);
        assert!(in_flight.acknowledge("t", 0, 0, AcknowledgeType::Accept).is_err());
        assert_eq!(in_flight.len(), 2);
    }

    #[test]
    fn renewed_records_come_back() {
        let mut in_flight = three();
        in_flight.acknowledge("t", 0, 1, AcknowledgeType::Renew).unwrap();
        let taken = in_flight.take();
        assert!(in_flight.has_renewals());
        in_flight.answered(&tip(), &taken[0].2, true, Some(9));
        in_flight.take_renewed();
        assert_eq!(
            (in_flight.len(), in_flight.lock_timeout_ms, in_flight.has_renewals()),
            (3, Some(9), false)
        );
        in_flight.acknowledge("t", 0, 1, AcknowledgeType::Renew).unwrap();
        let taken = in_flight.take();
        in_flight.answered(&tip(), &taken[0].2, false, None);
        in_flight.take_renewed();
        assert_eq!(in_flight.len(), 2, "the lock was lost");
    }
}
