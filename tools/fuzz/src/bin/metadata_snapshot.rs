//! Batches of metadata records, as a snapshot, `bootstrap.checkpoint` or the metadata log holds them, replayed
//! into an image.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_metadata::{MetadataDelta, MetadataImage, MetadataProvenance};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::records::BatchIter;

const DECOMPRESSED_MAX_BYTES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let [mode, data @ ..] = data else { return };
    let mut delta = MetadataDelta::new(&MetadataImage::default());
    let bytes = Bytes::copy_from_slice(data);
    if mode & 1 == 0 {
        for batch in BatchIter::new(&bytes) {
            let Ok(batch) = batch else { break };
            let Ok(records) = batch.records_in(&bytes, DECOMPRESSED_MAX_BYTES) else { break };
            for record in records {
                let Ok(record) = record else { break };
                replay(&mut delta, record.value.unwrap_or_default());
            }
        }
    } else {
        // Without a batch around them: a byte of length before each.
        let mut rest = bytes;
        while let Some(len) = rest.first().copied() {
            let mut record = rest.split_off(1.min(rest.len()));
            rest = record.split_off(usize::from(len).min(record.len()));
            replay(&mut delta, record);
        }
    }
    let image = delta.apply(MetadataProvenance::default());
    let Ok(records) = image.to_records() else { return };
    let mut again = MetadataDelta::for_snapshot(&MetadataImage::default());
    for (record, _) in &records {
        again.replay(record).expect("an image's own records can be replayed");
    }
});

fn replay(delta: &mut MetadataDelta, value: Bytes) {
    if let Ok((record, _)) = MetadataRecord::decode(value) {
        let _ = delta.replay(&record);
    }
}
