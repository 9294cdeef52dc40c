//! `ottla replica-verification`: Kafka's `ReplicaVerificationTool`.
//!
//! Where partitions differ only in their lag, the first by name is told; Kafka's tool tells any of them.

mod buffer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ottla_client::admin::{Admin, ListOffsetsOptions, ListTopicsOptions, OffsetSpec, TopicDescription};
use ottla_client::{Cluster, Target};
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::fetch_response::PartitionData;
use ottla_protocol::messages::{FetchRequest, FetchResponse};
use ottla_protocol::{Records, Str, TopicPartition};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::buffer::{Buffer, Fetched, Mismatch, Report, Round};
use crate::args::Args;
use crate::clock::now_ms;
use crate::connect::with_admin;
use crate::console::arguments::validate_bootstrap_server;
use crate::console::log_line::Date;
use crate::failure::Failure;
use crate::filter::IncludeList;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{errln, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "replica-verification",
    script: "kafka-replica-verification",
    group: Group::Performance,
    about: "Compares the replicas of topics, batch by batch, until it is stopped.",
    examples: "kafka-replica-verification.sh --broker-list localhost:9092\n\
               kafka-replica-verification.sh --broker-list localhost:9092 --topics-include 'orders.*' --time -2 --report-interval-ms 5000\n\
               ottla replica-verification --broker-list localhost:9092 --time -2 --reports 1",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 7] = [
    opt("broker-list", "Brokers to connect to, as host:port, separated by commas. Required.")
        .value("hostname:port,...,hostname:port"),
    opt("fetch-size", "The most bytes that one fetch takes from a partition.")
        .value("bytes")
        .kind(Kind::Int)
        .default("1048576"),
    opt("max-wait-ms", "How long a fetch waits for records, in ms.")
        .value("ms")
        .kind(Kind::Int)
        .default("1000"),
    opt("topics-include", "The topics, as a regular expression.").value("Java regex (String)").default(".*"),
    opt("time", "Where it begins: -1 at the end, -2 at the beginning, else at the first record of this time or later.")
        .value("timestamp/-1(latest)/-2(earliest)")
        .kind(Kind::Long)
        .default("-1"),
    opt("report-interval-ms", "How often it tells how far it is, in ms.")
        .value("ms")
        .kind(Kind::Long)
        .default("30000"),
    opt("reports", "Ends after this many reports, instead of never.").value("number").kind(Kind::Long).beyond_kafka(),
];

/// The replica id of consumers that look at any replica (`FetchRequest.DEBUGGING_CONSUMER_ID`).
const DEBUGGING_CONSUMER_ID: i32 = -2;
/// Versions of Fetch in which topics go by their names.
const VERSIONS: (i16, i16) = (4, 12);
/// How much longer than `--max-wait-ms` an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a broker that has not answered is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// What the command line wants.
struct Wanted {
    topics: IncludeList,
    fetch_size: i32,
    max_wait_ms: i32,
    time: i64,
    report_interval_ms: i64,
    reports: Option<u64>,
}

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["broker-list"])?;
    let servers = args.value("broker-list")?;
    validate_bootstrap_server(servers).map_err(|why| args.usage(why))?;
    let wanted = wanted(&args)?;
    let properties = [("bootstrap.servers".to_owned(), servers.unwrap_or_default().to_owned())].into();
    with_admin(&properties, async |admin| verify(io, admin, &wanted).await)
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let regex = args.text("topics-include")?;
    let invalid = |_| Failure::runtime(format!("{regex} is an invalid regex"));
    Ok(Wanted {
        topics: IncludeList::new(regex).map_err(invalid)?,
        fetch_size: args.number("fetch-size")?.unwrap_or(1 << 20),
        max_wait_ms: args.number("max-wait-ms")?.unwrap_or(1_000),
        time: args.number("time")?.unwrap_or(-1),
        report_interval_ms: args.number("report-interval-ms")?.unwrap_or(30_000),
        reports: args.number("reports")?,
    })
}

async fn verify(io: &mut Io, admin: &Admin, wanted: &Wanted) -> Result<(), Failure> {
    let topics = topics(admin, wanted).await?;
    if topics.is_empty() {
        errln!(
            io,
            "No topics found. [topics-include] if specified, is either filtering out all topics or there is no topic."
        );
        return Err(Failure::Exit(1));
    }
    let mut by_broker: BTreeMap<i32, BTreeSet<TopicPartition>> = BTreeMap::new();
    for (topic, it) in topics.iter().flat_map(|topic| topic.partitions.iter().map(move |it| (topic, it))) {
        for replica in &it.replicas {
            let key = TopicPartition::new(topic.name.clone(), it.partition);
            by_broker.entry(replica.id).or_default().insert(key);
        }
    }
    let mut buffer = Buffer::new(offsets(admin, &by_broker, wanted.time).await?);
    outln!(io, "{}: verification process is started", date(now_ms()));
    io.flush();
    let (mut last_report_ms, mut reports) = (now_ms(), 0);
    while !io.is_broken() && wanted.reports.is_none_or(|most| reports < most) {
        let round = buffer.verify(&fetch_all(admin.cluster(), &by_broker, &buffer, wanted).await);
        tell(io, &round)?;
        if now_ms() - last_report_ms > wanted.report_interval_ms {
            last_report_ms = now_ms();
            reports += 1;
            report(io, &round.report, last_report_ms);
        }
        io.flush();
    }
    Ok(())
}

async fn topics(admin: &Admin, wanted: &Wanted) -> Result<Vec<TopicDescription>, Failure> {
    let options = ListTopicsOptions { list_internal: true, ..Default::default() };
    let names = admin.list_topics(&options).await.map_err(Failure::in_future)?.into_keys();
    let names: Vec<Str> = names.filter(|topic| wanted.topics.allows(topic, false)).collect();
    let described = admin.describe_topics(&names, &Default::default()).await.into_values();
    described.map(|topic| topic.map_err(Failure::in_future)).collect()
}

/// Where each partition begins to be compared.
async fn offsets(
    admin: &Admin,
    by_broker: &BTreeMap<i32, BTreeSet<TopicPartition>>,
    time: i64,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let spec = match time {
        -1 => OffsetSpec::Latest,
        -2 => OffsetSpec::Earliest,
        ms => OffsetSpec::Timestamp(ms),
    };
    let keys = by_broker.values().flatten().map(|key| (key.clone(), spec)).collect();
    let found = admin.list_offsets(&keys, &ListOffsetsOptions::default()).await;
    found.into_iter().map(|(key, info)| Ok((key, info?.offset.max(0)))).collect()
}

/// Asks each broker for its replicas, all at the same time. A broker that does not answer has no records.
async fn fetch_all(
    cluster: &Cluster,
    by_broker: &BTreeMap<i32, BTreeSet<TopicPartition>>,
    buffer: &Buffer,
    wanted: &Wanted,
) -> BTreeMap<TopicPartition, BTreeMap<i32, Fetched>> {
    let mut asked = JoinSet::new();
    for (broker, keys) in by_broker {
        let (cluster, broker) = (cluster.clone(), *broker);
        let request = request(keys, buffer, wanted);
        let wait = Duration::from_millis(u64::try_from(wanted.max_wait_ms).unwrap_or(0));
        asked.spawn(async move {
            let deadline = Instant::now() + wait + PATIENCE;
            let (lowest, highest) = VERSIONS;
            let answer =
                cluster.call_as(Target::Node(broker), lowest, highest, |_| Ok(request), deadline).await;
            if answer.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            (broker, answer.map(|(_, response)| response).ok())
        });
    }
    let mut fetched: BTreeMap<TopicPartition, BTreeMap<i32, Fetched>> = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        let Ok((broker, response)) = answer else { continue };
        let mut found = response.map(by_partition).unwrap_or_default();
        for key in by_broker.get(&broker).into_iter().flatten() {
            let it = found.remove(key).unwrap_or_default();
            fetched.entry(key.clone()).or_default().insert(broker, it);
        }
    }
    fetched
}

fn request(keys: &BTreeSet<TopicPartition>, buffer: &Buffer, wanted: &Wanted) -> FetchRequest {
    let mut topics: BTreeMap<Str, Vec<FetchPartition>> = BTreeMap::new();
    for key in keys {
        let partition = FetchPartition {
            partition: key.partition,
            fetch_offset: buffer.offset(key),
            log_start_offset: 0,
            partition_max_bytes: wanted.fetch_size,
            ..Default::default()
        };
        topics.entry(key.topic.clone()).or_default().push(partition);
    }
    let topic = |(topic, partitions)| FetchTopic { topic, partitions, ..Default::default() };
    FetchRequest {
        replica_id: DEBUGGING_CONSUMER_ID,
        max_wait_ms: wanted.max_wait_ms,
        min_bytes: 1,
        max_bytes: i32::MAX,
        session_epoch: -1,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    }
}

fn by_partition(response: FetchResponse) -> BTreeMap<TopicPartition, Fetched> {
    let mut all = BTreeMap::new();
    for topic in response.responses {
        for it in topic.partitions {
            let key = TopicPartition::new(topic.topic.clone(), it.partition_index);
            all.insert(key, Fetched { high_watermark: it.high_watermark, records: records(&it) });
        }
    }
    all
}

fn records(partition: &PartitionData) -> Bytes {
    match &partition.records {
        Some(Records::Bytes(bytes)) => bytes.clone(),
        _ => Bytes::new(),
    }
}

/// Prints what does not match.
fn tell(io: &mut Io, round: &Round) -> Result<(), Failure> {
    for mismatch in &round.mismatches {
        outln!(io, "{}: {mismatch}", date(now_ms()));
        if matches!(mismatch, Mismatch::Offset { .. }) {
            return Err(Failure::Exit(1));
        }
    }
    match &round.failure {
        Some(why) => Err(Failure::runtime(why.clone())),
        None => Ok(()),
    }
}

fn report(io: &mut Io, report: &Report, now_ms: i64) {
    let partition = report.partition.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string);
    outln!(
        io,
        "{}: max lag is {} for partition {partition} at offset {} among {} partitions",
        date(now_ms),
        report.lag,
        report.offset,
        report.partitions
    );
}

fn date(now_ms: i64) -> String {
    Date::of_unix_ms(now_ms).format("yyyy-MM-dd HH:mm:ss,SSS")
}

#[cfg(test)]
mod tests {
    use crate::run_captured;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        for (arguments, expect) in [
            (&["--topics-include", "x"][..], "Missing required argument \"[broker-list]\""),
            (&["--broker-list", "a"], "Please provide valid host:port like host1:9091,host2:9092"),
            (&["--broker-list", "a:1", "--topics-include", "a("], "a( is an invalid regex"),
            (
                &["--broker-list", "a:1", "--fetch-size", "x"],
                "Cannot parse argument 'x' of option fetch-size",
            ),
        ] {
            let (code, out, err) = run_captured("kafka-replica-verification.sh", arguments, "").unwrap();
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.trim_start().starts_with(expect), "{err}");
        }
    }
}
