//! Writes a log directory with all that a broker leaves in one, or reads one and says what is in it. For
//! comparing with Apache Kafka: its tools read what `write` wrote, and `read` takes what Kafka wrote.
//!
//! ```text
//! log_dir write <dir> [kill]     kill: end without closing anything
//! log_dir read <dir> <node.id>   loads all logs, reads every batch, checks every CRC, and stops cleanly
//! log_dir many <dir> <count> [kill]  loads or creates so many partitions, appends to each, and says what it costs
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use ottla_protocol::records::{
    AppendOrigin, BatchBuilder, BatchIter, BatchOptions, Compression, EndTransactionMarker, RecordBatch,
    end_transaction_batch,
};
use ottla_protocol::{TopicPartition, Uuid};
use ottla_storage::{
    AppendOptions, ContextOptions, CreateOptions, LoadOptions, LogConfig, LogManager, LogManagerOptions,
    PartitionLog,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as i64
}

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", dir] => write(dir.into(), false),
        ["write", dir, "kill"] => write(dir.into(), true),
        ["read", dir, node_id] => read(dir.into(), node_id.parse()?),
        ["many", dir, count] => many(dir.into(), count.parse()?, false),
        ["many", dir, count, "kill"] => many(dir.into(), count.parse()?, true),
        _ => {
            Err("usage: log_dir many <dir> <count> [kill] | write <dir> [kill] | read <dir> <node.id>".into())
        }
    }
}

fn open(dir: PathBuf, node_id: i32) -> Result<LogManager, Box<dyn std::error::Error>> {
    let mut options = LogManagerOptions::new(vec![dir], node_id);
    options.context = ContextOptions { verify_transactions: false, ..Default::default() };
    let manager = LogManager::open(options)?;
    let config = |_: &str| Arc::new(config());
    let load = LoadOptions { config: &config, is_stray: &|_, _| false, threads_per_dir: 2, now_ms: now_ms() };
    let report = manager.load_logs(&load)?;
    println!("{report:?}");
    Ok(manager)
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1 << 20, retention_ms: -1, ..Default::default() }
}

fn write(dir: PathBuf, kill: bool) -> Outcome {
    let manager = open(dir, 1)?;
    let create = CreateOptions {
        topic_id: Some(Uuid::from_parts(0x1234, 0x5678)),
        config: Arc::new(config()),
        is_new: true,
        directory_id: None,
        now_ms: now_ms(),
    };
    for partition in 0..2 {
        let log = manager.get_or_create(&TopicPartition::new("plain", partition), &create)?;
        fill_plain(&log)?;
        log.set_high_watermark(log.log_end_offset());
    }
    let log = manager.get_or_create(&TopicPartition::new("transactions", 0), &create)?;
    fill_transactions(&log)?;
    log.set_high_watermark(log.log_end_offset());
    manager.get_or_create(&TopicPartition::new("empty", 0), &create)?;
    log.delete_records_before(1000)?;
    manager.delete_old_segments(now_ms());
    manager.checkpoint_log_start_offsets();
    if kill {
        std::process::exit(9);
    }
    manager.shutdown(3, now_ms());
    Ok(())
}

/// Batches of all codecs, of sizes from one record to many.
fn fill_plain(log: &PartitionLog) -> Outcome {
    for i in 0..3000usize {
        let options =
            BatchOptions { compression: Compression::ALL[i % Compression::ALL.len()], ..Default::default() };
        let mut builder = BatchBuilder::new(options);
        for j in 0..1 + i % 20 {
            let value = format!("record {j} of batch {i} {}", "x".repeat(i % 300));
            builder.append(now_ms(), Some(format!("key-{i}").as_bytes()), Some(value.as_bytes()), &[])?;
        }
        let leader_epoch = i as i32 / 1000;
        let append = AppendOptions { leader_epoch, now_ms: now_ms(), ..Default::default() };
        log.append_as_leader(&builder.build()?, &append)?;
    }
    Ok(())
}

/// Three producers with transactions of which every third is aborted, and one without.
fn fill_transactions(log: &PartitionLog) -> Outcome {
    for i in 0..2000i32 {
        for producer_id in 1..=4i64 {
            let options = BatchOptions {
                producer_id,
                producer_epoch: 0,
                base_sequence: i * 2,
                is_transactional: producer_id < 4,
                ..Default::default()
            };
            let mut builder = BatchBuilder::new(options);
            for _ in 0..2 {
                builder.append(now_ms(), None, Some(&[b'v'; 100]), &[("header", Some(b"value"))])?;
            }
            let append = AppendOptions { now_ms: now_ms(), ..Default::default() };
            log.append_as_leader(&builder.build()?, &append)?;
        }
        if i == 1999 {
            break; // the last transactions stay open
        }
        for producer_id in 1..=3i64 {
            let marker = EndTransactionMarker { committed: i % 3 != 0, coordinator_epoch: 0 };
            let append =
                AppendOptions { origin: AppendOrigin::Coordinator, now_ms: now_ms(), ..Default::default() };
            log.append_as_leader(&end_transaction_batch(producer_id, 0, now_ms(), marker)?, &append)?;
        }
    }
    Ok(())
}

fn read(dir: PathBuf, node_id: i32) -> Outcome {
    let manager = open(dir, node_id)?;
    let mut logs = manager.logs();
    logs.sort_by_key(|log| log.partition().clone());
    for log in &logs {
        let (mut offset, mut batches, mut records) = (log.log_start_offset(), 0, 0i64);
        while offset < log.log_end_offset() {
            let data = log.read(offset, 1 << 20, true, log.log_end_offset())?;
            let mut bytes = Vec::new();
            for piece in &data.pieces {
                bytes.extend_from_slice(&piece.to_bytes()?);
            }
            let before = offset;
            for batch in BatchIter::new(&bytes) {
                let batch: RecordBatch<'_> = batch?;
                batch.check_crc()?;
                batches += 1;
                records += i64::from(batch.records_count());
                offset = batch.next_offset();
            }
            if offset == before {
                return Err(format!("{}: nothing to read at {offset}", log.partition()).into());
            }
        }
        let aborted = log.aborted_transactions(log.log_start_offset(), log.log_end_offset())?;
        println!(
            "{} start {} end {} high watermark {} segments {} batches {batches} records {records} aborted {} \
             producers {} epochs {:?} id {:?}",
            log.partition(),
            log.log_start_offset(),
            log.log_end_offset(),
            log.high_watermark(),
            log.segment_count(),
            aborted.len(),
            log.active_producers().len(),
            log.epoch_entries().iter().map(|e| (e.epoch, e.start_offset)).collect::<Vec<_>>(),
            log.topic_id(),
        );
    }
    manager.shutdown(-1, now_ms());
    Ok(())
}

/// Resident memory of this process, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn many(dir: PathBuf, count: i32, kill: bool) -> Outcome {
    let step = |what: &str, start: std::time::Instant| {
        println!("{what:>12}: {:>6} ms, {:>7} KiB resident", start.elapsed().as_millis(), resident_kib());
    };
    let start = std::time::Instant::now();
    let manager = open(dir, 1)?;
    step("open", start);
    let create = CreateOptions {
        topic_id: Some(Uuid::from_parts(1, 1)),
        config: Arc::new(config()),
        is_new: true,
        directory_id: None,
        now_ms: now_ms(),
    };
    let start = std::time::Instant::now();
    for partition in 0..count {
        manager.get_or_create(&TopicPartition::new("many", partition), &create)?;
    }
    step("create", start);
    let start = std::time::Instant::now();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(now_ms(), None, Some(&[b'v'; 1000]), &[])?;
    let batch = builder.build()?;
    let append = AppendOptions { now_ms: now_ms(), ..Default::default() };
    for log in manager.logs() {
        log.append_as_leader(&batch, &append)?;
    }
    step("append each", start);
    if kill {
        std::process::exit(9);
    }
    println!("{} open files", manager.context().open_files());
    for _ in 0..2 {
        manager.trim_memory();
    }
    step("idle", start);
    println!("{} open files", manager.context().open_files());
    let start = std::time::Instant::now();
    manager.checkpoint_recovery_points();
    step("checkpoint", start);
    let start = std::time::Instant::now();
    manager.shutdown(-1, now_ms());
    step("shutdown", start);
    Ok(())
}
