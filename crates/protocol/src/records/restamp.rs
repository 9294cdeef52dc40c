//! A finished batch under another producer id, epoch or sequence: what a producer does to batches it sends again after
//! its epoch was bumped (`ProducerBatch.resetProducerState`).

use bytes::Bytes;

use super::{BATCH_HEADER_SIZE, BatchHeader, RecordsError};

/// The batch with another producer id, epoch and base sequence; all else as it is. Copies the records once.
///
/// # Errors
/// When `batch` is no batch.
pub fn with_producer_state(
    batch: &Bytes,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> Result<Bytes, RecordsError> {
    let mut header = BatchHeader::parse(batch)?;
    header.producer_id = producer_id;
    header.producer_epoch = producer_epoch;
    header.base_sequence = base_sequence;
    let records = batch.get(BATCH_HEADER_SIZE..).unwrap_or_default();
    let mut out = Vec::with_capacity(batch.len());
    out.extend_from_slice(&header.seal(records)?);
    out.extend_from_slice(records);
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchOptions, RecordBatch};
    use super::*;

    #[test]
    fn changes_the_producer_and_nothing_else() {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.set_producer_state(7, 1, 30, true);
        builder.append(5, Some(b"k"), Some(b"v"), &[("h", None)]).unwrap();
        let first = builder.build().unwrap();
        let (batch, _) = RecordBatch::parse(&first).unwrap();
        assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (7, 1, 30));
        assert!(batch.is_transactional());

        let second = with_producer_state(&first, 8, 2, 0).unwrap();
        let (again, _) = RecordBatch::parse(&second).unwrap();
        assert_eq!((again.producer_id(), again.producer_epoch(), again.base_sequence()), (8, 2, 0));
        assert!(again.is_transactional() && again.verify_crc());
        assert_eq!(again.payload(), batch.payload());
        assert_eq!(with_producer_state(&second, 7, 1, 30).unwrap(), first);
        assert!(with_producer_state(&Bytes::from_static(b"no batch"), 1, 1, 1).is_err());
    }
}
