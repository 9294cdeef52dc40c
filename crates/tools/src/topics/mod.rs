//! `ottla topics`: Kafka's `TopicCommand`.

mod change;
mod describe;

use ottla_client::admin::{Admin, ListTopicsOptions};
use ottla_protocol::Str;

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::errln;
use crate::failure::Failure;
use crate::filter::{IncludeList, is_internal};
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "topics",
    script: "kafka-topics",
    group: Group::Topics,
    about: "Creates, lists, describes, grows and deletes topics.",
    examples: "kafka-topics.sh --bootstrap-server localhost:9092 --create --topic orders --partitions 6\n\
               kafka-topics.sh --bootstrap-server localhost:9092 --list\n\
               kafka-topics.sh --bootstrap-server localhost:9092 --describe --topic orders\n\
               kafka-topics.sh --bootstrap-server localhost:9092 --describe --under-replicated-partitions\n\
               kafka-topics.sh --bootstrap-server localhost:9092 --alter --topic orders --partitions 12\n\
               kafka-topics.sh --bootstrap-server localhost:9092 --delete --topic 'test-.*'",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

const ALTER_HINT: &str = " (To alter topic configurations, the kafka-configs tool can be used.)";

#[rustfmt::skip]
static OPTIONS: [Opt; 23] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("server to connect to"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("list", "Lists the topics."),
    opt("create", "Creates a topic."),
    opt("delete", "Deletes topics."),
    opt("alter", "Changes the number of partitions and their replicas. Settings of topics are changed by kafka-configs."),
    opt("describe", "Shows partitions, leaders, replicas and settings that are not the default."),
    opt("topic", "The topic; except with --create also a regular expression.").value("topic"),
    opt("topic-id", "The id of the topic to describe.").value("topic-id"),
    opt("config", "A setting for the topic to be created, name=value; may be given again. docs/compatibility.md has all of them.").value("name=value"),
    opt("delete-config", "No longer does anything; kafka-configs removes settings.").value("name"),
    opt("partitions", "The number of partitions to create the topic with, or to grow it to. Without it a topic is created with the cluster's \
        num.partitions. Growing a topic changes which partition a key goes to.").value("# of partitions").kind(Kind::Int),
    opt("replication-factor", "The number of replicas of each partition. Without it the cluster's default.replication.factor is taken.").value("replication factor").kind(Kind::Int),
    opt("replica-assignment", "The brokers of each partition: replicas separated by colons, partitions by commas; the first replica is the preferred leader.")
        .value("broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : broker_id_for_part2_replica2 , ..."),
    opt("under-replicated-partitions", "With --describe: only partitions that have replicas out of sync."),
    opt("unavailable-partitions", "With --describe: only partitions whose leader is not available."),
    opt("under-min-isr-partitions", "With --describe: only partitions with fewer replicas in sync than min.insync.replicas."),
    opt("at-min-isr-partitions", "With --describe: only partitions with exactly min.insync.replicas replicas in sync."),
    opt("topics-with-overrides", "With --describe: only topics with settings of their own, without their partitions."),
    opt("if-exists", "With --alter, --delete or --describe: no error when there is no such topic."),
    opt("if-not-exists", "With --create: no error when the topic exists. The request is sent all the same."),
    opt("exclude-internal", "Leaves out Kafka's own topics."),
    opt("partition-size-limit-per-response", "The largest number of partitions that a broker's answer may describe.")
        .value("maximum number of partitions per response").kind(Kind::Int),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    check(io, &args)?;
    let properties = admin_properties(&args)?;
    let result = with_admin(&properties, async |admin| act(io, &args, admin).await);
    match result {
        Err(failure) if !failure.is_exit() => {
            outln!(io, "Error while executing topic command : {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

async fn act(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    if args.has("create") {
        change::create(io, args, admin).await
    } else if args.has("alter") {
        change::alter(args, admin).await
    } else if args.has("list") {
        let topics = topics(args, admin).await?;
        if io.json() {
            io.print_json(&topics.iter().map(|topic| topic.to_string()).collect());
        } else {
            outln!(io, "{}", topics.join("\n"));
        }
        Ok(())
    } else if args.has("describe") {
        describe::describe(io, args, admin).await
    } else {
        change::delete(args, admin).await
    }
}

/// What may not be together.
fn check(io: &mut Io, args: &Args) -> Result<(), Failure> {
    if ["create", "list", "alter", "describe", "delete"].iter().filter(|action| args.has(action)).count() != 1
    {
        return Err(args.usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    if args.has("delete-config") {
        errln!(
            io,
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases."
        );
    }
    check_required(io, args)?;
    check_invalid(args)
}

fn check_required(io: &mut Io, args: &Args) -> Result<(), Failure> {
    if !args.has("bootstrap-server") {
        return Err(Failure::illegal_argument("--bootstrap-server must be specified"));
    }
    if args.has("describe") && args.has("if-exists") {
        if !args.has("topic") && !args.has("topic-id") {
            return Err(args.usage("--topic or --topic-id is required to describe a topic"));
        }
        if args.has("topic") && args.has("topic-id") {
            outln!(
                io,
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID"
            );
        }
    }
    if !args.has("list") && !args.has("describe") {
        args.require(&["topic"])?;
    }
    if args.has("alter") {
        args.forbid_combination(&["bootstrap-server", "config"], &["alter"], ALTER_HINT)?;
        args.require(&["partitions"])?;
    }
    Ok(())
}

fn check_invalid(args: &Args) -> Result<(), Failure> {
    const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
    const REPORTS: [&str; 4] = [
        "under-replicated-partitions",
        "under-min-isr-partitions",
        "at-min-isr-partitions",
        "unavailable-partitions",
    ];
    let but = |allowed: &[&str]| ACTIONS.into_iter().filter(|a| !allowed.contains(a)).collect::<Vec<_>>();
    args.forbid("config", &but(&["alter", "create"]))?;
    args.forbid("partitions", &but(&["alter", "create"]))?;
    args.forbid("replication-factor", &but(&["create"]))?;
    args.forbid("replica-assignment", &but(&["alter", "create"]))?;
    if args.has("create") {
        args.forbid("replica-assignment", &["partitions", "replication-factor"])?;
    }
    let mut not_described = but(&["describe"]);
    for report in [
        "under-replicated-partitions",
        "under-min-isr-partitions",
        "at-min-isr-partitions",
        "unavailable-partitions",
    ] {
        args.forbid(report, &[&not_described[..], &["topics-with-overrides"]].concat())?;
    }
    not_described.extend(REPORTS);
    args.forbid("topics-with-overrides", &not_described)?;
    args.forbid("if-exists", &but(&["alter", "delete", "describe"]))?;
    args.forbid("if-not-exists", &but(&["create"]))?;
    args.forbid("exclude-internal", &but(&["list", "describe"]))
}

/// Names of the topics that `--topic` takes, sorted.
async fn topics(args: &Args, admin: &Admin) -> Result<Vec<Str>, Failure> {
    let exclude_internal = args.has("exclude-internal");
    let filter = args.value("topic")?.map(IncludeList::new).transpose()?;
    let options = ListTopicsOptions { list_internal: !exclude_internal, ..Default::default() };
    let all = admin.list_topics(&options).await?;
    Ok(all
        .into_keys()
        .filter(|topic| match &filter {
            Some(filter) => filter.allows(topic, exclude_internal),
            None => !(exclude_internal && is_internal(topic)),
        })
        .collect())
}

/// An error when `--topic` names topics and there are none, unless `--if-exists` allows it.
fn ensure_exists(args: &Args, found: &[Str]) -> Result<(), Failure> {
    match args.value("topic")? {
        Some(wanted) if !wanted.is_empty() && found.is_empty() && !args.has("if-exists") => {
            Err(Failure::illegal_argument(format!("Topic '{wanted}' does not exist as expected")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "topics_test.rs"]
mod tests;
