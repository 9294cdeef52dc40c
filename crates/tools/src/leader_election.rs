//! `ottla leader-election`: Kafka's `LeaderElectionCommand`.

use std::collections::BTreeSet;

use ottla_client::Error;
use ottla_client::admin::{ElectionType, PerKey, TimeoutOptions};
use ottla_client::config::Properties;
use ottla_protocol::{ErrorCode, TopicPartition};
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{read_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::partitions_file::{self, OPERATION};
use crate::tool::{Group, Syntax, Tool};
use crate::{java, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "leader-election",
    script: "kafka-leader-election",
    group: Group::Cluster,
    about: "Elects leaders of partitions: the preferred ones, or any replica.",
    examples: "kafka-leader-election.sh --bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions\n\
               kafka-leader-election.sh --bootstrap-server localhost:9092 --election-type unclean --topic orders --partition 0",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 8] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("host:port"),
    opt("admin.config", "The older spelling of --command-config.").value("config file").deprecated("command-config"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("Config file"),
    opt(
        "path-to-json-file",
        "A JSON file that lists the partitions; not with --topic or --all-topic-partitions. Its form is:\n\
         {\"partitions\":\n\t[{\"topic\": \"foo\", \"partition\": 1},\n\t {\"topic\": \"foobar\", \"partition\": 2}]\n}",
    )
    .value("Path to JSON file"),
    opt("topic", "The topic of the one partition that is meant; not with --path-to-json-file or --all-topic-partitions.")
        .value("topic name"),
    opt("partition", "The number of that partition. Required with --topic.").value("partition id").kind(Kind::Int),
    opt("all-topic-partitions", "All partitions that need an election; not with --topic or --path-to-json-file."),
    opt(
        "election-type",
        "preferred: the first replica becomes leader, if it is in sync and is not the leader. unclean: any replica \
         becomes leader where there is none, and records may be lost. Required.",
    )
    .value("election type"),
];

const FAILED: &str = "org.apache.kafka.server.common.AdminCommandFailedException";
const TIMEOUT_MS: i32 = 30_000;

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    check(&args)?;
    let kind = election_type(&args)?;
    let partitions = match (args.value("path-to-json-file")?, args.value("topic")?) {
        (Some(path), _) => Some(parse(&read(path)?)?),
        (_, Some(topic)) => {
            let partition: i32 = args.number("partition")?.unwrap_or_default();
            Some(BTreeSet::from([TopicPartition::new(topic, partition)]))
        }
        _ => None,
    };
    let properties = properties(io, &args)?;
    with_admin(&properties, async |admin| {
        let result = admin.elect_leaders(kind, partitions.as_ref(), &TimeoutOptions::default()).await;
        match result {
            Ok(results) => report(io, kind, &results),
            Err(error) => refuse(io, error),
        }
    })
}

fn check(args: &Args) -> Result<(), Failure> {
    let failed = |text: String| Err(Failure::exception(FAILED, text));
    let missing: Vec<&str> =
        ["bootstrap-server", "election-type"].into_iter().filter(|name| !args.has(name)).collect();
    if !missing.is_empty() {
        return failed(format!("Missing required option(s): {}", missing.join(", ")));
    }
    args.forbid("admin.config", &["command-config"])?;
    let which = ["topic", "all-topic-partitions", "path-to-json-file"];
    if which.iter().filter(|name| args.has(name)).count() != 1 {
        return failed(format!(
            "One and only one of the following options is required: {}",
            which.join(", ")
        ));
    }
    match (args.has("topic"), args.has("partition")) {
        (true, false) => failed("Missing required option(s): partition".to_owned()),
        (false, true) => failed("Option partition is only allowed if topic is used".to_owned()),
        _ => Ok(()),
    }
}

fn election_type(args: &Args) -> Result<ElectionType, Failure> {
    let text = args.text("election-type")?;
    match text {
        _ if text.eq_ignore_ascii_case("preferred") => Ok(ElectionType::Preferred),
        _ if text.eq_ignore_ascii_case("unclean") => Ok(ElectionType::Unclean),
        _ => Err(Failure::exception(
            "joptsimple.OptionArgumentConversionException",
            format!("Cannot parse argument '{text}' of option election-type"),
        )),
    }
}

fn properties(io: &mut Io, args: &Args) -> Result<Properties, Failure> {
    let mut path = args.value("command-config")?;
    if let Some(old) = args.value("admin.config")? {
        outln!(
            io,
            "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead."
        );
        path = Some(old);
    }
    let mut properties = path.map(read_properties).transpose()?.unwrap_or_default();
    properties.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
    properties.entry("default.api.timeout.ms".to_owned()).or_insert_with(|| TIMEOUT_MS.to_string());
    properties.entry("request.timeout.ms".to_owned()).or_insert_with(|| (TIMEOUT_MS / 2).to_string());
    Ok(properties)
}

/// Errors of the file are in a `RuntimeException`.
fn read(path: &str) -> Result<String, Failure> {
    partitions_file::read(path).map_err(|failure| Failure::runtime(failure.with_class()))
}

fn parse(text: &str) -> Result<BTreeSet<TopicPartition>, Failure> {
    let empty = |_| Failure::exception(OPERATION, "Replica election data is empty");
    let document: Value = serde_json::from_str(text).map_err(empty)?;
    let list = document.get("partitions").ok_or_else(|| {
        Failure::exception(OPERATION, "Replica election data is missing \"partitions\" field")
    })?;
    let mut partitions = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for entry in partitions_file::array(list)? {
        let key = partitions_file::partition(entry)?;
        if !partitions.insert(key.clone()) {
            twice.insert(key);
        }
    }
    if !twice.is_empty() {
        let text = format!("Replica election data contains duplicate partitions: {}", java::list(&twice));
        return Err(Failure::exception(OPERATION, text));
    }
    Ok(partitions)
}

fn refuse(io: &mut Io, error: Error) -> Result<(), Failure> {
    let text = match &error {
        Error::Timeout(_) => "Timeout waiting for election results",
        Error::Api { code: ErrorCode::ClusterAuthorizationFailed, .. } => {
            "Not authorized to perform leader election"
        }
        _ => return Err(Failure::wrapped(error)),
    };
    outln!(io, "{text}");
    Err(Failure::exception(FAILED, text))
}

fn name(kind: ElectionType) -> &'static str {
    match kind {
        ElectionType::Preferred => "PREFERRED",
        ElectionType::Unclean => "UNCLEAN",
    }
}

fn report(io: &mut Io, kind: ElectionType, results: &PerKey<TopicPartition, ()>) -> Result<(), Failure> {
    let needless = |error: &Error| error.code() == Some(ErrorCode::ElectionNotNeeded);
    let keys = |wanted: &dyn Fn(&ottla_client::Result<()>) -> bool| {
        let keys = results.iter().filter(|(_, result)| wanted(result));
        keys.map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(", ")
    };
    let done = keys(&|result| result.is_ok());
    let same = keys(&|result| result.as_ref().is_err_and(needless));
    let failed: Vec<(&TopicPartition, &Error)> = results
        .iter()
        .filter_map(|(key, result)| Some((key, result.as_ref().err()?)))
        .filter(|(_, error)| !needless(error))
        .collect();
    let kind = name(kind);
    if io.json() {
        let row = |(key, result): (&TopicPartition, &ottla_client::Result<()>)| {
            let error = result.as_ref().err().map(ToString::to_string);
            json!({ "topic": &*key.topic, "partition": key.partition, "error": error })
        };
        io.print_json(&results.iter().map(row).collect());
    } else {
        if !done.is_empty() {
            outln!(io, "Successfully completed leader election ({kind}) for partitions {done}");
        }
        if !same.is_empty() {
            outln!(io, "Valid replica already elected for partitions {same}");
        }
        for (key, error) in &failed {
            let error = Failure::from((*error).clone()).with_class();
            outln!(io, "Error completing leader election ({kind}) for partition: {key}: {error}");
        }
    }
    match failed.len() {
        0 => Ok(()),
        count => Err(Failure::exception(FAILED, format!("{count} replica(s) could not be elected"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refused;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("leader-election", arguments, expect);
        check("--topic t", "Missing required option(s): bootstrap-server, election-type");
        check(
            "--bootstrap-server a:1 --election-type unclean",
            "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file",
        );
        check(
            "--bootstrap-server a:1 --election-type unclean --topic t",
            "Missing required option(s): partition",
        );
        check(
            "--bootstrap-server a:1 --election-type unclean --all-topic-partitions --partition 0",
            "Option partition is only allowed if topic is used",
        );
        check(
            "--bootstrap-server a:1 --election-type x --all-topic-partitions",
            "Cannot parse argument 'x' of option election-type",
        );
    }

    #[test]
    fn results_are_grouped() {
        let failed = |code| Err(Error::api(code, Some("words")));
        let results = PerKey::from([
            (TopicPartition::new("a", 0), Ok(())),
            (TopicPartition::new("a", 1), Ok(())),
            (TopicPartition::new("b", 0), failed(ErrorCode::ElectionNotNeeded)),
            (TopicPartition::new("c", 0), failed(ErrorCode::PreferredLeaderNotAvailable)),
        ]);
        let (mut io, captured) = Io::captured("");
        let failure = report(&mut io, ElectionType::Preferred, &results).unwrap_err();
        assert_eq!(failure.text(), "1 replica(s) could not be elected");
        assert_eq!(
            captured.out(),
            "Successfully completed leader election (PREFERRED) for partitions a-0, a-1\n\
             Valid replica already elected for partitions b-0\n\
             Error completing leader election (PREFERRED) for partition: c-0: \
             org.apache.kafka.common.errors.PreferredLeaderNotAvailableException: words\n"
        );
    }

    #[test]
    fn files_list_partitions_once() {
        let text = r#"{"partitions": [{"topic": "t", "partition": 1}, {"topic": "t", "partition": 1}]}"#;
        assert_eq!(
            parse(text).unwrap_err().text(),
            "Replica election data contains duplicate partitions: [t-1]"
        );
        assert_eq!(parse("{}").unwrap_err().text(), "Replica election data is missing \"partitions\" field");
    }
}
