//! Batches and records of a log or snapshot (Kafka: `DumpLogSegments.dumpLog`).

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use ottla_protocol::records::{ControlRecordType, EndTransactionMarker, Record};
use ottla_protocol::{Reader, schema};

use super::decoder::Decoder;
use super::failure::DumpFailure;
use super::log_file::{FileBatch, LogFile};
use super::{DumpOptions, Findings};
use crate::progress::Progress;
use crate::{Io, out, outln};

/// What stands before each record.
const RECORD_INDENT: &str = "|";

/// Prints the batches of `path`, and their records when they are asked for.
///
/// # Errors
/// When the file is not what its name says.
pub fn dump(
    path: &Path,
    options: &DumpOptions,
    decoder: Decoder,
    findings: &mut Findings,
    io: &mut Io,
) -> Result<(), DumpFailure> {
    print_title(path, io)?;
    let log = LogFile::open(path)?;
    let size = u64::try_from(options.max_bytes).unwrap_or(0);
    let mut batches = log.batches(0, size)?;
    let mut valid_bytes = 0;
    let mut last_offset = -1;
    let mut gaps = BTreeMap::new();
    let mut progress = Progress::new("Dumping");
    while let Some(batch) = batches.next_batch()? {
        if io.is_broken() {
            return Ok(());
        }
        // Where the records themselves are seen, they show how far it is.
        if !io.terminal {
            progress.at(io, batch.position, log.len().min(size));
        }
        print_batch(&batch, io)?;
        if options.deep_iteration {
            for record in batch.records()? {
                let record = record.map_err(|why| {
                    DumpFailure::thrown("org.apache.kafka.common.InvalidRecordException", why.to_string())
                })?;
                if record.offset != i64::wrapping_add(last_offset, 1) {
                    gaps.insert(last_offset, record.offset);
                }
                last_offset = record.offset;
                print_record(&batch, &record, options, decoder, io)?;
            }
        }
        valid_bytes += batch.header.size() as u64;
    }
    progress.clear(io);
    let trailing = log.len().saturating_sub(valid_bytes);
    if trailing > 0 && options.max_bytes == i32::MAX {
        outln!(io, "Found {trailing} invalid bytes at the end of {}", super::file_name(path));
    }
    if !gaps.is_empty() {
        findings.non_consecutive.push((super::absolute(path), gaps));
    }
    Ok(())
}

fn print_title(path: &Path, io: &mut Io) -> Result<(), DumpFailure> {
    let name = super::file_name(path);
    if name.ends_with(".log") {
        outln!(io, "Log starting offset: {}", super::base_offset(path)?);
    } else if name == "bootstrap.checkpoint" {
        outln!(io, "KRaft bootstrap snapshot");
    } else {
        let id = name.get(..20).zip(name.get(21..31));
        let id =
            id.and_then(|(offset, epoch)| Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?)));
        let (offset, epoch) = id.ok_or_else(|| {
            DumpFailure::thrown(
                "java.lang.NumberFormatException",
                format!("For input string: \"{}\"", name.trim_end_matches(".checkpoint")),
            )
        })?;
        outln!(io, "Snapshot end offset: {offset}, epoch: {epoch}");
    }
    Ok(())
}

fn print_batch(batch: &FileBatch, io: &mut Io) -> Result<(), DumpFailure> {
    let header = &batch.header;
    let codec = header
        .compression()
        .map_err(|why| DumpFailure::thrown("java.lang.IllegalArgumentException", why.to_string()))?;
    let horizon = header.delete_horizon_ms();
    outln!(
        io,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {} \
         position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
        header.base_offset(),
        header.last_offset(),
        header.records_count(),
        header.base_sequence(),
        header.last_sequence(),
        header.producer_id(),
        header.producer_epoch(),
        header.partition_leader_epoch(),
        header.is_transactional(),
        header.is_control(),
        optional_long(horizon),
        batch.position,
        header.timestamp_type().name(),
        header.max_timestamp(),
        header.size(),
        header.magic(),
        codec.name(),
        header.crc(),
        batch.is_valid(),
    );
    Ok(())
}

/// As Java prints an `OptionalLong`.
pub fn optional_long(value: Option<i64>) -> String {
    value.map_or_else(|| "OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"))
}

fn print_record(
    batch: &FileBatch,
    record: &Record,
    options: &DumpOptions,
    decoder: Decoder,
    io: &mut Io,
) -> Result<(), DumpFailure> {
    let mut prefix = " ";
    if options.skip_record_metadata {
        prefix = "| ";
    } else {
        print_metadata(batch, record, io)?;
    }
    if options.print_data_log && !batch.header.is_control() {
        let (key, payload) = decoder.decode(record)?;
        if let Some(key) = key {
            out!(io, "{prefix}key: {key}");
            prefix = " ";
        }
        if let Some(payload) = payload {
            out!(io, "{prefix}payload: {payload}");
        }
    }
    outln!(io);
    Ok(())
}

fn print_metadata(batch: &FileBatch, record: &Record, io: &mut Io) -> Result<(), DumpFailure> {
    let size =
        |bytes: &Option<Bytes>| bytes.as_ref().map_or(-1, |b| i64::try_from(b.len()).unwrap_or(i64::MAX));
    let headers: Vec<&str> = record.headers.iter().map(|header| &*header.key).collect();
    out!(
        io,
        "{RECORD_INDENT} offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
        record.offset,
        batch.header.timestamp_type().name(),
        record.timestamp,
        size(&record.key),
        size(&record.value),
        record.sequence,
        headers.join(","),
    );
    if batch.header.is_control() {
        print_control(record, io)?;
    }
    Ok(())
}

fn print_control(record: &Record, io: &mut Io) -> Result<(), DumpFailure> {
    let key = record.key.as_deref().unwrap_or_default();
    let value = record.value.clone().unwrap_or_default();
    let wrong = |why: String| DumpFailure::thrown("org.apache.kafka.common.InvalidRecordException", why);
    let kind = ControlRecordType::parse(key).map_err(|why| wrong(why.to_string()))?;
    let (label, name) = match kind {
        Some(ControlRecordType::Abort | ControlRecordType::Commit) => {
            let marker = EndTransactionMarker::parse(key, &value).map_err(|why| wrong(why.to_string()))?;
            if let Some(marker) = marker {
                let kind = if marker.committed { "COMMIT" } else { "ABORT" };
                out!(io, " endTxnMarker: {kind} coordinatorEpoch: {}", marker.coordinator_epoch);
            }
            return Ok(());
        }
        Some(ControlRecordType::LeaderChange) => ("LeaderChange:", "LeaderChangeMessage"),
        Some(ControlRecordType::SnapshotHeader) => ("SnapshotHeader", "SnapshotHeaderRecord"),
        Some(ControlRecordType::SnapshotFooter) => ("SnapshotFooter", "SnapshotFooterRecord"),
        Some(ControlRecordType::KRaftVersion) => ("KRaftVersion", "KRaftVersionRecord"),
        Some(ControlRecordType::KRaftVoters) => ("KRaftVoters", "VotersRecord"),
        None => {
            let id = key.get(2..4).and_then(|b| b.first_chunk()).map_or(-1, |b| i16::from_be_bytes(*b));
            out!(io, " controlType: UNKNOWN({id})");
            return Ok(());
        }
    };
    // All of them in version 0, whatever the record says: `ControlRecordUtils`.
    let spec = schema::message(name).ok_or_else(|| wrong(format!("no schema of {name}")))?;
    let json = schema::read_json(spec, 0, &mut Reader::new(value)).map_err(|why| wrong(why.to_string()))?;
    out!(io, " {label} {json}");
    Ok(())
}
