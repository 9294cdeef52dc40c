//! `ottla dump-log`: what is in the files of a log directory (Kafka: `DumpLogSegments`).
//!
//! | file | what |
//! | --- | --- |
//! | `records`, `log_file` | segments and snapshots |
//! | `decoder` | what records mean |
//! | `indexes` | offset, time and transaction indexes |
//! | `producers` | snapshots of producer state |
//!
//! Differences from Kafka's tool: batches in the formats of before Kafka 0.11 (magic 0 and 1) are not read, and
//! `DefaultDecoder` shows bytes in hexadecimal where Kafka shows the identity of a Java array.

mod decoder;
mod failure;
mod indexes;
mod log_file;
mod producers;
mod records;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use self::decoder::{Decoder, PlainDecoder};
use self::failure::DumpFailure;
pub(crate) use self::log_file::LogFile;
use crate::coordinator_records::Coordinator;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Args, Failure, Io, errln, outln};

const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

static OPTIONS: [Opt; 15] = [
    opt("print-data-log", "Print the records' content too. Any decoder option implies it."),
    opt("verify-index-only", "Check an index without printing its entries."),
    opt(
        "index-sanity-check",
        "Only make the check that decides at a broker's start whether an index must be built anew.",
    ),
    opt("files", "REQUIRED: The files to dump, separated by commas.").value("file1, file2, ..."),
    opt("max-message-size", "Size of the largest batch, in bytes.")
        .value("size")
        .kind(Kind::Int)
        .default("5242880"),
    opt("max-bytes", "Read no more than this much of each log file, in bytes.")
        .value("size")
        .kind(Kind::Int)
        .default("2147483647"),
    opt("deep-iteration", "Look at the records inside the batches. --print-data-log implies it."),
    opt("value-decoder-class", "How values are read: a class of org.apache.kafka.tools.api.")
        .optional_value("String")
        .default(STRING_DECODER),
    opt("key-decoder-class", "How keys are read: a class of org.apache.kafka.tools.api.")
        .optional_value("String")
        .default(STRING_DECODER),
    opt("offsets-decoder", "Read the records as those of __consumer_offsets."),
    opt("transaction-log-decoder", "Read the records as those of __transaction_state."),
    opt("cluster-metadata-decoder", "Read the records as those of __cluster_metadata."),
    opt("remote-log-metadata-decoder", "Read the records as those of __remote_log_metadata."),
    opt("share-group-state-decoder", "Read the records as those of __share_group_state."),
    opt("skip-record-metadata", "Leave out the records' metadata, and control records."),
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "dump-log",
    script: "kafka-dump-log",
    group: Group::Files,
    about: "This tool prints what is in the files of a log directory, and checks their indexes.",
    examples: "ottla dump-log --files /var/lib/ottla/t-0/00000000000000000000.log --print-data-log\n\
               ottla dump-log --cluster-metadata-decoder --files \
               /var/lib/ottla/__cluster_metadata-0/00000000000000000000.log",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct DumpOptions {
    print_data_log: bool,
    deep_iteration: bool,
    verify_index_only: bool,
    index_sanity_check: bool,
    skip_record_metadata: bool,
    /// Bytes.
    max_message_size: i32,
    /// Bytes.
    max_bytes: i32,
}

/// What was found to be wrong, told at the end.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// By index file: offset in the index to offset in the log.
    index_mismatches: Vec<(String, BTreeMap<Reverse<i64>, i64>)>,
    /// By log file: an offset, and the one that follows it.
    non_consecutive: Vec<(String, BTreeMap<i64, i64>)>,
    time_mismatches: ByFile,
    out_of_order: ByFile,
    missing_offsets: ByFile,
}

/// Pairs of numbers by file.
#[derive(Debug, Default)]
struct ByFile(Vec<(String, Vec<(i64, i64)>)>);

impl ByFile {
    fn push(&mut self, file: String, pair: (i64, i64)) {
        match self.0.last_mut() {
            Some((last, pairs)) if *last == file => pairs.push(pair),
            _ => self.0.push((file, vec![pair])),
        }
    }

    fn print(&self, io: &mut Io, title: &str, first: &str, second: &str) {
        for (file, pairs) in &self.0 {
            errln!(io, "{title} in :{file}");
            for (one, two) in pairs {
                errln!(io, "{first}: {one}, {second}: {two}");
            }
        }
    }
}

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["files"])?;
    let options = options(&args)?;
    let mut findings = Findings::default();
    // As Java splits: empty parts at the end do not count.
    let files = args.text("files")?.trim_end_matches(',').to_owned();
    for file in files.split(',') {
        dump_file(Path::new(&normal(file)), &args, &options, &mut findings, io)?;
    }
    print_findings(&findings, io);
    Ok(())
}

fn options(args: &Args) -> Result<DumpOptions, Failure> {
    let print_data_log = [
        "print-data-log",
        "offsets-decoder",
        "transaction-log-decoder",
        "cluster-metadata-decoder",
        "remote-log-metadata-decoder",
        "value-decoder-class",
        "key-decoder-class",
        "share-group-state-decoder",
    ]
    .iter()
    .any(|name| args.has(name));
    Ok(DumpOptions {
        print_data_log,
        deep_iteration: print_data_log || args.has("deep-iteration"),
        verify_index_only: args.has("verify-index-only"),
        index_sanity_check: args.has("index-sanity-check"),
        skip_record_metadata: args.has("skip-record-metadata"),
        max_message_size: args.number("max-message-size")?.unwrap_or(5 << 20),
        max_bytes: args.number("max-bytes")?.unwrap_or(i32::MAX),
    })
}

fn decoder(args: &Args) -> Result<Decoder, Failure> {
    let by_option = [
        ("offsets-decoder", Decoder::Coordinator(Coordinator::Group)),
        ("transaction-log-decoder", Decoder::Coordinator(Coordinator::Transaction)),
        ("cluster-metadata-decoder", Decoder::ClusterMetadata),
        ("remote-log-metadata-decoder", Decoder::RemoteLogMetadata),
        ("share-group-state-decoder", Decoder::Coordinator(Coordinator::Share)),
    ];
    if let Some((_, decoder)) = by_option.into_iter().find(|(name, _)| args.has(name)) {
        return Ok(decoder);
    }
    let plain = |name: &str| -> Result<PlainDecoder, Failure> {
        let class = args.text(name)?;
        PlainDecoder::of_class(class).ok_or_else(|| {
            Failure::from(DumpFailure::thrown(
                "java.lang.RuntimeException",
                format!(
                    "Failed to load decoder class {class}: Ottla has StringDecoder, IntegerDecoder, LongDecoder \
                     and DefaultDecoder of org.apache.kafka.tools.api"
                ),
            ))
        })
    };
    Ok(Decoder::Plain { value: plain("value-decoder-class")?, key: plain("key-decoder-class")? })
}

fn dump_file(
    path: &Path,
    args: &Args,
    options: &DumpOptions,
    findings: &mut Findings,
    io: &mut Io,
) -> Result<(), Failure> {
    outln!(io, "Dumping {}", path.display());
    match path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('.')) {
        Some((_, "log" | "checkpoint")) => records::dump(path, options, decoder(args)?, findings, io)?,
        Some((_, "index")) => indexes::dump_offset_index(path, options, findings, io)?,
        Some((_, "timeindex")) => indexes::dump_time_index(path, options, findings, io)?,
        Some((_, "snapshot")) => producers::dump(path, io)?,
        Some((_, "txnindex")) => indexes::dump_txn_index(path, io)?,
        _ => errln!(io, "Ignoring unknown file {}", path.display()),
    }
    Ok(())
}

fn print_findings(findings: &Findings, io: &mut Io) {
    for (file, mismatches) in &findings.index_mismatches {
        errln!(io, "Mismatches in :{file}");
        for (Reverse(index), log) in mismatches {
            errln!(io, "  Index offset: {index}, log offset: {log}");
        }
    }
    findings.time_mismatches.print(io, "Found timestamp mismatch", "  Index timestamp", "log timestamp");
    let previous = "Previously indexed timestamp";
    findings.out_of_order.print(io, "Found out of order timestamp", "  Index timestamp", previous);
    let title = "The following indexed offsets are not found";
    findings.missing_offsets.print(io, title, "Indexed offset", "found log offset");
    for (file, gaps) in &findings.non_consecutive {
        errln!(io, "Non-consecutive offsets in {file}");
        for (before, after) in gaps {
            errln!(io, "  {before} is followed by {after}");
        }
    }
}

/// As `java.io.File` writes a path: without double and trailing slashes.
fn normal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    if out.len() > 1 && out.ends_with('/') {
        out.pop();
    }
    out
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The offset that a file's name begins with.
fn base_offset(path: &Path) -> Result<i64, DumpFailure> {
    let name = file_name(path);
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| {
        DumpFailure::thrown("java.lang.NumberFormatException", format!("For input string: \"{digits}\""))
    })
}

#[cfg(test)]
#[path = "dump_log_test.rs"]
mod tests;
