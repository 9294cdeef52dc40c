//! Batches, and their validation.

use std::hint::black_box;

use anyhow::Result;
use bytes::Bytes;
use ottla_protocol::TopicPartition;
use ottla_protocol::records::{
    BatchBuilder, BatchOptions, Compression, ValidateOptions, validate_and_assign, validate_produce_records,
};

use crate::Body;

/// When everything happens: Unix ms.
pub const NOW_MS: i64 = 1_700_000_000_000;

/// A batch of equal records.
pub fn batch(records: usize, size: usize, options: BatchOptions) -> Result<Bytes> {
    let mut builder = BatchBuilder::new(options);
    let value: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
    for _ in 0..records {
        builder.append(NOW_MS, None, Some(&value), &[])?;
    }
    Ok(builder.build()?)
}

/// Few large records.
pub fn validate_large() -> Result<Body> {
    validate(batch(16, 1024, BatchOptions::default())?)
}

/// Many small records.
pub fn validate_small() -> Result<Body> {
    validate(batch(140, 100, BatchOptions::default())?)
}

/// Compressed ones, which nobody unpacks.
pub fn validate_zstd() -> Result<Body> {
    validate(batch(64, 1024, BatchOptions { compression: Compression::Zstd, ..Default::default() })?)
}

fn validate(bytes: Bytes) -> Result<Body> {
    let partition = TopicPartition::new("topic".to_owned(), 0);
    Ok(Box::new(move || {
        validate_produce_records(12, &bytes).map_err(|why| anyhow::anyhow!("{why:?}"))?;
        let options = ValidateOptions { partition: &partition, now_ms: NOW_MS, ..Default::default() };
        let validated =
            validate_and_assign(&bytes, 1_000, 3, &options).map_err(|why| anyhow::anyhow!("{why:?}"))?;
        black_box(&validated);
        Ok(())
    }))
}
