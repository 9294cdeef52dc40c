//! `ottla metadata-quorum`: Kafka's `MetadataQuorumCommand`.

mod controller;

use ottla_client::admin::{
    Admin, DescribeClusterOptions, QuorumInfo, RaftVoterEndpoint, ReplicaState, TimeoutOptions,
};
use serde_json::{Value, json};

use crate::args::Args;
use crate::clock::now_ms;
use crate::connect::{read_properties, set_bootstrap, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, opt};
use crate::outln;
use crate::table::Table;
use crate::tool::{Command, Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "metadata-quorum",
    script: "kafka-metadata-quorum",
    group: Group::Cluster,
    about: "Shows the quorum of controllers; adds controllers to it and removes them.",
    examples: "kafka-metadata-quorum.sh --bootstrap-server localhost:9092 describe --status\n\
               kafka-metadata-quorum.sh --bootstrap-server localhost:9092 describe --replication --human-readable\n\
               kafka-metadata-quorum.sh --command-config controller.properties --bootstrap-server localhost:9092 add-controller",
    syntax: Syntax::Commands(&COMMAND),
    run,
};

static COMMAND: Command = Command {
    name: "kafka-metadata-quorum",
    about: "The quorum of controllers.",
    options: &[
        opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
            .value("BOOTSTRAP_SERVER")
            .exclusive(1, true),
        opt("bootstrap-controller", "Controllers to connect to, as host:port, separated by commas.")
            .value("BOOTSTRAP_CONTROLLER")
            .exclusive(1, true),
        opt(
            "command-config",
            "A properties file with settings of the client; for add-controller also those of the controller.",
        )
        .value("COMMAND_CONFIG"),
    ],
    metavar: "",
    commands: &[
        Command {
            name: "describe",
            about: "Shows the quorum.",
            options: &[
                opt("status", "Who leads, how far the log is committed, and who votes."),
                opt("replication", "How far each replica is."),
                opt("human-readable", "With --replication: times as ages."),
            ],
            metavar: "",
            commands: &[],
            help_code: 0,
        },
        Command {
            name: "add-controller",
            about: "Makes a controller a voter.",
            options: &[opt("dry-run", "Only prints what would be done.")],
            metavar: "",
            commands: &[],
            help_code: 0,
        },
        Command {
            name: "remove-controller",
            about: "Makes a voter an observer.",
            options: &[
                opt("controller-id", "The id of the controller.")
                    .alias(&["i"])
                    .value("CONTROLLER_ID")
                    .kind(Kind::Int)
                    .required(),
                opt("controller-directory-id", "The id of its directory.")
                    .alias(&["d"])
                    .value("CONTROLLER_DIRECTORY_ID")
                    .required(),
                opt("dry-run", "Only prints what would be done."),
            ],
            metavar: "",
            commands: &[],
            help_code: 0,
        },
    ],
    help_code: 0,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let path = args.value("command-config")?;
    let mut properties = match path {
        Some(path) if !std::path::Path::new(path).exists() => {
            return Err(Failure::message(format!("Properties file {path} does not exists!")));
        }
        Some(path) => read_properties(path)?,
        None => Default::default(),
    };
    set_bootstrap(&mut properties, args.value("bootstrap-server")?, args.value("bootstrap-controller")?)?;
    with_admin(&properties, async |admin| match args.commands.first().copied().unwrap_or_default() {
        "describe" => describe(io, &args, admin).await,
        "add-controller" if path.is_none() => Err(Failure::message(
            "You must supply the configuration file of the controller you are adding when using add-controller.",
        )),
        "add-controller" => controller::add(io, admin, args.has("dry-run"), &properties).await,
        _ => controller::remove(io, &args, admin).await,
    })
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    match (args.has("status"), args.has("replication")) {
        (true, true) => Err(Failure::message(
            "Only one of --status or --replication should be specified with describe sub-command",
        )),
        (false, true) => {
            let quorum = quorum(admin).await?;
            replication(io, &quorum, args.has("human-readable").then(now_ms))
        }
        (true, false) if args.has("human-readable") => {
            Err(Failure::message("The option --human-readable is only supported along with --replication"))
        }
        (true, false) => {
            let options = DescribeClusterOptions::default();
            let cluster = admin.describe_cluster(&options).await.map_err(Failure::in_future)?;
            status(io, cluster.cluster_id.as_deref().unwrap_or("null"), &quorum(admin).await?)
        }
        (false, false) => Err(Failure::message(
            "One of --status or --replication must be specified with describe sub-command",
        )),
    }
}

async fn quorum(admin: &Admin) -> Result<QuorumInfo, Failure> {
    admin.describe_metadata_quorum(&TimeoutOptions::default()).await.map_err(Failure::in_future)
}

fn leader(quorum: &QuorumInfo) -> Result<&ReplicaState, Failure> {
    let found = quorum.voters.iter().find(|voter| voter.replica_id == quorum.leader_id);
    found.ok_or_else(|| Failure::exception("java.util.NoSuchElementException", "No value present"))
}

/// Times are ages if the time of now is given.
fn replication(io: &mut Io, quorum: &QuorumInfo, now_ms: Option<i64>) -> Result<(), Failure> {
    let leader = leader(quorum)?;
    let mut table = Table::new(&[
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ]);
    let followers = quorum.voters.iter().filter(|voter| voter.replica_id != leader.replica_id);
    let rows = std::iter::once((leader, "Leader"))
        .chain(followers.map(|voter| (voter, "Follower")))
        .chain(quorum.observers.iter().map(|observer| (observer, "Observer")));
    for (replica, status) in rows {
        let time = |timestamp: Option<i64>, what: &str| match (timestamp, now_ms) {
            (None, _) => Ok("-1".to_owned()),
            (Some(timestamp), None) => Ok(timestamp.to_string()),
            (Some(timestamp), Some(now_ms)) => age(timestamp, now_ms, what),
        };
        table.row([
            replica.replica_id.to_string(),
            replica.directory_id.to_string(),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time(replica.last_fetch_timestamp, "last fetch")?,
            time(replica.last_caught_up_timestamp, "last caught up")?,
            status.to_owned(),
        ]);
    }
    table.print_tabbed(io);
    Ok(())
}

fn age(timestamp: i64, now_ms: i64, what: &str) -> Result<String, Failure> {
    if timestamp > 0 && timestamp <= now_ms {
        return Ok(format!("{} ms ago", now_ms - timestamp));
    }
    Err(Failure::exception(
        "org.apache.kafka.common.KafkaException",
        format!(
            "Error while computing relative time, possible drift in system clock.\n\
             Current timestamp is {now_ms}, {what} timestamp is {timestamp}"
        ),
    ))
}

fn status(io: &mut Io, cluster_id: &str, quorum: &QuorumInfo) -> Result<(), Failure> {
    let leader = leader(quorum)?;
    let last = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag = leader.log_end_offset - last.log_end_offset;
    let lag_ms = match (leader.last_caught_up_timestamp, last.last_caught_up_timestamp) {
        _ if last.replica_id == leader.replica_id => 0,
        (Some(first), Some(second)) => first - second,
        _ => -1,
    };
    if io.json() {
        io.print_json(&json!({
            "cluster_id": cluster_id,
            "leader_id": quorum.leader_id,
            "leader_epoch": quorum.leader_epoch,
            "high_watermark": quorum.high_watermark,
            "max_follower_lag": lag,
            "max_follower_lag_time_ms": lag_ms,
            "current_voters": replicas_json(quorum, &quorum.voters),
            "current_observers": replicas_json(quorum, &quorum.observers),
        }));
        return Ok(());
    }
    outln!(io, "ClusterId:              {cluster_id}");
    outln!(io, "LeaderId:               {}", quorum.leader_id);
    outln!(io, "LeaderEpoch:            {}", quorum.leader_epoch);
    outln!(io, "HighWatermark:          {}", quorum.high_watermark);
    outln!(io, "MaxFollowerLag:         {lag}");
    outln!(io, "MaxFollowerLagTimeMs:   {lag_ms}");
    outln!(io, "CurrentVoters:          {}", replicas(quorum, &quorum.voters));
    outln!(io, "CurrentObservers:       {}", replicas(quorum, &quorum.observers));
    Ok(())
}

fn endpoints<'a>(quorum: &'a QuorumInfo, replica: &ReplicaState) -> &'a [RaftVoterEndpoint] {
    quorum.nodes.get(&replica.replica_id).map_or(&[], Vec::as_slice)
}

/// `LISTENER://host:port`, addresses of IPv6 in brackets.
fn endpoint(it: &RaftVoterEndpoint) -> String {
    match it.host.contains(':') {
        true => format!("{}://[{}]:{}", it.listener, it.host, it.port),
        false => format!("{}://{}:{}", it.listener, it.host, it.port),
    }
}

fn replicas(quorum: &QuorumInfo, replicas: &[ReplicaState]) -> String {
    let text = |replica: &ReplicaState| {
        let mut text = format!("{{\"id\": {}", replica.replica_id);
        if !replica.directory_id.is_zero() {
            text += &format!(", \"directoryId\": \"{}\"", replica.directory_id);
        }
        let endpoints: Vec<String> =
            endpoints(quorum, replica).iter().map(|it| format!("\"{}\"", endpoint(it))).collect();
        if !endpoints.is_empty() {
            text += &format!(", \"endpoints\": [{}]", endpoints.join(", "));
        }
        text + "}"
    };
    format!("[{}]", replicas.iter().map(text).collect::<Vec<_>>().join(", "))
}

fn replicas_json(quorum: &QuorumInfo, replicas: &[ReplicaState]) -> Vec<Value> {
    let value = |replica: &ReplicaState| {
        json!({
            "id": replica.replica_id,
            "directory_id": replica.directory_id.to_string(),
            "endpoints": endpoints(quorum, replica).iter().map(endpoint).collect::<Vec<_>>(),
        })
    };
    replicas.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_captured;
    use ottla_protocol::Uuid;
    use std::collections::BTreeMap;

    fn quorum() -> QuorumInfo {
        let replica = |id, offset, time| ReplicaState {
            replica_id: id,
            directory_id: if id == 1 { Uuid::ONE } else { Uuid::ZERO },
            log_end_offset: offset,
            last_fetch_timestamp: time,
            last_caught_up_timestamp: time,
        };
        let endpoint = RaftVoterEndpoint { listener: "C".into(), host: "::1".into(), port: 9093 };
        QuorumInfo {
            leader_id: 2,
            leader_epoch: 5,
            high_watermark: 90,
            voters: vec![replica(1, 95, Some(1000)), replica(2, 100, Some(1500))],
            observers: vec![replica(3, 0, None)],
            nodes: BTreeMap::from([(1, vec![endpoint])]),
        }
    }

    #[test]
    fn the_status_is_kafkas() {
        let (mut io, captured) = Io::captured("");
        status(&mut io, "c", &quorum()).unwrap();
        assert_eq!(
            captured.out(),
            "ClusterId:              c\nLeaderId:               2\nLeaderEpoch:            5\n\
             HighWatermark:          90\nMaxFollowerLag:         5\nMaxFollowerLagTimeMs:   500\n\
             CurrentVoters:          [{\"id\": 1, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAQ\", \"endpoints\": [\"C://[::1]:9093\"]}, {\"id\": 2}]\n\
             CurrentObservers:       [{\"id\": 3}]\n"
        );
    }

    #[test]
    fn replicas_are_listed_leader_first() {
        let (mut io, captured) = Io::captured("");
        replication(&mut io, &quorum(), Some(2000)).unwrap();
        let lines: Vec<String> = captured.out().lines().map(str::to_owned).collect();
        assert!(lines[0].starts_with("NodeId\tDirectoryId           \tLogEndOffset\tLag\t"), "{lines:?}");
        assert!(lines[1].contains("Leader") && lines[1].contains("500 ms ago"), "{lines:?}");
        assert!(lines[3].contains("Observer") && lines[3].contains("-1"), "{lines:?}");
        assert!(replication(&mut io, &quorum(), Some(10)).is_err());
    }

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &[&str], expect: &str| {
            let (code, _, err) = run_captured("metadata-quorum", arguments, "").unwrap();
            assert_eq!((code, err.trim_end()), (1, expect), "{arguments:?}");
        };
        let server = ["--bootstrap-server", "localhost:1"];
        let with = |more: &[&'static str]| [&server, more].concat();
        check(
            &with(&["describe"]),
            "One of --status or --replication must be specified with describe sub-command",
        );
        check(
            &with(&["describe", "--status", "--replication"]),
            "Only one of --status or --replication should be specified with describe sub-command",
        );
        check(
            &with(&["describe", "--status", "--human-readable"]),
            "The option --human-readable is only supported along with --replication",
        );
        check(
            &with(&["add-controller"]),
            "You must supply the configuration file of the controller you are adding when using add-controller.",
        );
        let arguments = with(&["remove-controller", "-i", "2", "-d", "_KWDkTahTVaiVVVTaugNew", "--dry-run"]);
        let (code, out, _) = run_captured("metadata-quorum", &arguments, "").unwrap();
        assert_eq!(
            (code, out.as_str()),
            (0, "DRY RUN of removing  KRaft controller 2 with directory id _KWDkTahTVaiVVVTaugNew\n")
        );
    }
}
