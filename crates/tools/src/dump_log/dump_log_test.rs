use std::path::PathBuf;

use ottla_protocol::messages::{OffsetCommitKey, OffsetCommitValue};
use ottla_protocol::records::{
    BatchBuilder, BatchOptions, Compression, EndTransactionMarker, end_transaction_batch,
};
use ottla_protocol::{encode_key, encode_versioned};

use crate::run_captured;

struct Segment {
    dir: tempfile::TempDir,
}

impl Segment {
    /// A segment at offset 0 with these files: suffix and content.
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let segment = Self { dir };
        for (suffix, content) in files {
            std::fs::write(segment.path(suffix), content).expect("write");
        }
        segment
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("00000000000000000000.{suffix}"))
    }

    /// Exit code, output without its first line, errors; paths are shown as `DIR`.
    fn dump(&self, suffix: &str, more: &[&str]) -> (i32, String, String) {
        let path = self.path(suffix).display().to_string();
        let arguments = [&["--files", &path], more].concat();
        let (code, out, err) = run_captured("dump-log", &arguments, "").expect("the tool");
        let dir = self.dir.path().display().to_string();
        let out = out.replace(&dir, "DIR");
        let (first, rest) = out.split_once('\n').expect("a line");
        assert_eq!(first, format!("Dumping DIR/00000000000000000000.{suffix}"));
        (code, rest.to_owned(), err.replace(&dir, "DIR"))
    }
}

/// Timestamp, key and value.
type Plain<'p> = (i64, Option<&'p [u8]>, Option<&'p [u8]>);

fn batch(options: BatchOptions, records: &[Plain<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for (timestamp, key, value) in records {
        let header = ("h", None);
        builder.append(*timestamp, *key, *value, &[header]).expect("append");
    }
    builder.build().expect("build").to_vec()
}

fn two_batches() -> Vec<u8> {
    let zstd = BatchOptions { compression: Compression::Zstd, ..Default::default() };
    let one = batch(zstd, &[(10, Some(b"k"), Some(b"v")), (12, None, None)]);
    let idempotent = BatchOptions {
        base_offset: 2,
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: 4,
        partition_leader_epoch: 3,
        ..Default::default()
    };
    [one, batch(idempotent, &[(11, None, Some(b"w"))])].concat()
}

#[test]
fn batches_and_records() {
    let segment = Segment::new(&[("log", [two_batches(), vec![0; 5]].concat())]);
    let (code, out, err) = segment.dump("log", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "Log starting offset: 0");
    assert!(
        lines[1].starts_with(
            "baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1 producerEpoch: -1 \
             partitionLeaderEpoch: -1 isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty \
             position: 0 CreateTime: 12 size: "
        ),
        "{out}"
    );
    assert!(
        lines[1].contains(" magic: 2 compresscodec: zstd crc: ") && lines[1].ends_with(" isvalid: true"),
        "{out}"
    );
    assert!(
        lines[2].starts_with(
            "baseOffset: 2 lastOffset: 2 count: 1 baseSequence: 4 lastSequence: 4 producerId: 7"
        )
    );
    assert_eq!(lines[3], "Found 5 invalid bytes at the end of 00000000000000000000.log");
    let (_, out, _) = segment.dump("log", &["--print-data-log"]);
    let records: Vec<&str> = out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(
        records,
        [
            "| offset: 0 CreateTime: 10 keySize: 1 valueSize: 1 sequence: -1 headerKeys: [h] key: k payload: v",
            "| offset: 1 CreateTime: 12 keySize: -1 valueSize: -1 sequence: -1 headerKeys: [h]",
            "| offset: 2 CreateTime: 11 keySize: -1 valueSize: 1 sequence: 4 headerKeys: [h] payload: w",
        ]
    );
    let (_, out, _) = segment.dump("log", &["--deep-iteration"]);
    assert!(out.contains("headerKeys: [h]\n") && !out.contains("payload"));
    let (_, out, _) = segment.dump("log", &["--print-data-log", "--skip-record-metadata"]);
    assert!(out.contains("| key: k payload: v\n") && out.contains("| payload: w\n"), "{out}");
    let first = 12 + i32::from_be_bytes(*two_batches()[8..].first_chunk().expect("length"));
    let (_, out, _) = segment.dump("log", &["--max-bytes", &(first + 20).to_string()]);
    assert_eq!(
        out.matches("baseOffset").count(),
        1,
        "no more than asked for, and no word of the rest: {out}"
    );
}

#[test]
fn offsets_that_do_not_follow_each_other_and_damage() {
    let later = batch(BatchOptions { base_offset: 9, ..Default::default() }, &[(1, None, None)]);
    let mut bytes = [two_batches(), later].concat();
    let segment = Segment::new(&[("log", bytes.clone())]);
    let (_, _, err) = segment.dump("log", &["--deep-iteration"]);
    assert_eq!(err, "Non-consecutive offsets in DIR/00000000000000000000.log\n  2 is followed by 9\n");
    *bytes.last_mut().expect("bytes") ^= 1;
    let (_, out, _) = Segment::new(&[("log", bytes)]).dump("log", &[]);
    assert!(out.ends_with(" isvalid: false\n"), "{out}");
    let junk = Segment::new(&[("log", vec![0; 100])]);
    let (code, _, err) = junk.dump("log", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("00000000000000000000.log"), "{err}");
}

#[test]
fn records_of_coordinators_and_markers() {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 2 };
    let key = encode_key(&key, 1).expect("key");
    let value = OffsetCommitValue { offset: 5, ..Default::default() };
    let value = encode_versioned(&value, 3).expect("value");
    let records: [Plain<'_>; 3] =
        [(1, Some(&key), Some(&value)), (1, Some(&key), None), (1, Some(&[0, 99]), None)];
    let marker = EndTransactionMarker { committed: false, coordinator_epoch: 6 };
    let marker = end_transaction_batch(7, 1, 5, marker).expect("marker").to_vec();
    let segment = Segment::new(&[("log", [batch(BatchOptions::default(), &records), marker].concat())]);
    let (_, out, _) = segment.dump("log", &["--offsets-decoder"]);
    let shown: Vec<&str> = out.lines().filter_map(|line| Some(line.split_once("headerKeys: ")?.1)).collect();
    assert_eq!(
        shown,
        [
            r#"[h] key: {"type":"1","data":{"group":"g","topic":"t","partition":2}} payload: {"version":"3","data":{"offset":5,"leaderEpoch":-1,"metadata":"","commitTimestamp":0}}"#,
            r#"[h] key: {"type":"1","data":{"group":"g","topic":"t","partition":2}} payload: <DELETE>"#,
            "[h] key: Unknown record type 99 at offset 2, skipping.",
            "[] endTxnMarker: ABORT coordinatorEpoch: 6",
        ]
    );
}

fn offset_index(entries: &[(i32, i32)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(offset, position)| [offset.to_be_bytes(), position.to_be_bytes()])
        .flatten()
        .collect()
}

fn time_index(entries: &[(i64, i32)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(time, offset)| [&time.to_be_bytes()[..], &offset.to_be_bytes()].concat())
        .collect()
}

#[test]
fn indexes_are_printed_and_checked() {
    let log = two_batches();
    let second = i32::from_be_bytes(*log[8..].first_chunk().expect("length")) + 12;
    let good = offset_index(&[(1, 0), (2, second)]);
    let times = time_index(&[(12, 1), (13, 2)]);
    let segment = Segment::new(&[("log", log), ("index", good), ("timeindex", times)]);
    let (_, out, err) = segment.dump("index", &[]);
    assert_eq!((out, err.as_str()), (format!("offset: 1 position: 0\noffset: 2 position: {second}\n"), ""));
    let (_, out, err) = segment.dump("index", &["--verify-index-only"]);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    let (_, out, _) = segment.dump("index", &["--index-sanity-check"]);
    assert_eq!(out, "DIR/00000000000000000000.index passed sanity check.\n");
    let (_, out, err) = segment.dump("timeindex", &[]);
    assert_eq!(out, "timestamp: 12 offset: 1\ntimestamp: 13 offset: 2\n");
    assert_eq!(
        err,
        "Found timestamp mismatch in :DIR/00000000000000000000.timeindex\n  Index timestamp: 13, log timestamp: 11\n"
    );
    std::fs::write(segment.path("index"), offset_index(&[(0, 0), (2, 0)])).expect("write");
    let (_, _, err) = segment.dump("index", &[]);
    assert_eq!(
        err,
        "Mismatches in :DIR/00000000000000000000.index\n  Index offset: 2, log offset: 1\n  Index offset: 0, log \
         offset: 1\n"
    );
    std::fs::write(segment.path("timeindex"), time_index(&[(12, 5), (11, 1)])).expect("write");
    let (_, _, err) = segment.dump("timeindex", &["--verify-index-only"]);
    assert!(err.contains("The following indexed offsets are not found in :"), "{err}");
    assert!(err.contains("Indexed offset: 5, found log offset: -1"), "{err}");
    std::fs::write(segment.path("index"), vec![1; 9]).expect("write");
    let (code, _, err) = segment.dump("index", &["--index-sanity-check"]);
    assert!(code == 1 && err.contains("is corrupt, found 9 bytes"), "{err}");
    std::fs::write(segment.path("index"), "").expect("write");
    assert_eq!(segment.dump("index", &[]).1, "DIR/00000000000000000000.index is empty.\n");
}

#[test]
fn transactions_and_producers() {
    let mut txn = vec![0, 0];
    txn.extend([7i64, 1, 5, 6].iter().flat_map(|n| n.to_be_bytes()));
    let producers = ottla_storage::producer_state::snapshot::encode(std::iter::empty());
    let segment = Segment::new(&[("txnindex", txn), ("snapshot", producers)]);
    assert_eq!(
        segment.dump("txnindex", &[]).1,
        "version: 0 producerId: 7 firstOffset: 1 lastOffset: 5 lastStableOffset: 6\n"
    );
    assert_eq!(segment.dump("snapshot", &[]), (0, String::new(), String::new()));
    std::fs::write(segment.path("snapshot"), [0, 9]).expect("write");
    assert!(segment.dump("snapshot", &[]).2.contains("unknown file version 9"));
}

#[test]
fn several_files_and_others() {
    let segment = Segment::new(&[("log", Vec::new()), ("txt", Vec::new())]);
    let (log, other) = (segment.path("log").display().to_string(), segment.path("txt").display().to_string());
    let files = format!("{log},{other},");
    let (code, out, err) = run_captured("dump-log", &["--files", &files], "").expect("the tool");
    assert_eq!(code, 0);
    assert_eq!(out, format!("Dumping {log}\nLog starting offset: 0\nDumping {other}\n"));
    assert_eq!(err, format!("Ignoring unknown file {other}\n"));
    let (code, _, err) = run_captured("dump-log", &["--print-data-log"], "").expect("the tool");
    assert!(code == 1 && err.starts_with("Missing required argument \"[files]\"\n"), "{err}");
    let (code, _, err) = run_captured("dump-log", &["--files", "/none/0.log"], "").expect("the tool");
    assert!(code == 1 && err.starts_with("/none/0.log"), "{err}");
}
