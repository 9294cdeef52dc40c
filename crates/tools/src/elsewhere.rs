//! Scripts of Kafka, past and present, whose work is done in another way: they say in which.

use crate::failure::Failure;
use crate::io::Io;
use crate::tool::{Group, Syntax, Tool};

const fn elsewhere(
    name: &'static str,
    script: &'static str,
    about: &'static str,
    run: fn(&'static Tool, &mut Io, &[String]) -> Result<(), Failure>,
) -> Tool {
    Tool { name, script, group: Group::Server, about, examples: script, syntax: Syntax::Own("..."), run }
}

fn answer(text: &str) -> Result<(), Failure> {
    Err(Failure::message(text))
}

/// `kafka-run-class`: there are no classes.
pub static RUN_CLASS: Tool =
    elsewhere("run-class", "kafka-run-class", "Says which tool replaces a class of Kafka.", run_class);

/// `kafka-jmx`: metrics are on HTTP.
pub static JMX: Tool = elsewhere("jmx", "kafka-jmx", "Says where metrics are.", |_, _, _| {
    answer(
        "Ottla has no JMX. Metrics are in Prometheus' form on HTTP: set ottla.http.listener (for example \
         127.0.0.1:9464) and read http://127.0.0.1:9464/metrics.",
    )
});

const CONNECT: &str = "Kafka Connect is not a part of Ottla yet. Apache Kafka's own runs against Ottla as it does against Kafka: \
                       start its script with bootstrap.servers set to an Ottla broker.";
const CONNECT_ABOUT: &str = "Says how Kafka Connect is run with Ottla.";

/// `connect-distributed`: Kafka's own.
pub static CONNECT_DISTRIBUTED: Tool =
    elsewhere("connect-distributed", "connect-distributed", CONNECT_ABOUT, |_, _, _| answer(CONNECT));

/// `connect-standalone`: Kafka's own.
pub static CONNECT_STANDALONE: Tool =
    elsewhere("connect-standalone", "connect-standalone", CONNECT_ABOUT, |_, _, _| answer(CONNECT));

/// `connect-plugin-path`: Kafka's own.
pub static CONNECT_PLUGIN_PATH: Tool =
    elsewhere("connect-plugin-path", "connect-plugin-path", CONNECT_ABOUT, |_, _, _| answer(CONNECT));

/// `connect-mirror-maker`: Kafka's own.
pub static CONNECT_MIRROR_MAKER: Tool = elsewhere(
    "connect-mirror-maker",
    "connect-mirror-maker",
    "Says how MirrorMaker is run with Ottla.",
    |_, _, _| {
        answer(
            "MirrorMaker is not a part of Ottla yet. Apache Kafka's own runs against Ottla as it does against Kafka: name \
             an Ottla broker in <cluster>.bootstrap.servers.",
        )
    },
);

/// `trogdor`: Kafka's test framework for itself.
pub static TROGDOR: Tool = elsewhere(
    "trogdor",
    "trogdor",
    "Says what measures and tests a cluster.",
    |_, _, _| {
        answer(
            "Trogdor runs Apache Kafka's own system tests, and is no part of Ottla. To load a cluster and to check it use: \
         ottla producer-perf-test, ottla consumer-perf-test, ottla e2e-latency, ottla verifiable-producer, \
         ottla verifiable-consumer.",
        )
    },
);

/// `zookeeper-shell`: metadata is in the quorum's log.
pub static ZOOKEEPER_SHELL: Tool = elsewhere(
    "zookeeper-shell",
    "zookeeper-shell",
    "Says where metadata is, now that there is no ZooKeeper.",
    |_, _, _| {
        answer(
            "There is no ZooKeeper: the cluster's metadata is a log of its own. Look into it with kafka-metadata-shell.sh \
             (ottla metadata-shell), and at its state with kafka-metadata-quorum.sh describe --status.",
        )
    },
);

/// `zookeeper-server-start`: nothing to start.
pub static ZOOKEEPER_SERVER_START: Tool = elsewhere(
    "zookeeper-server-start",
    "zookeeper-server-start",
    "Says what to start instead.",
    |_, _, _| {
        answer("There is no ZooKeeper to start. Start a node alone: ottla server (kafka-server-start.sh).")
    },
);

/// `zookeeper-server-stop`: nothing to stop.
pub static ZOOKEEPER_SERVER_STOP: Tool =
    elsewhere("zookeeper-server-stop", "zookeeper-server-stop", "Says what to stop instead.", |_, _, _| {
        answer("There is no ZooKeeper to stop. Stop a node: ottla server-stop (kafka-server-stop.sh).")
    });

/// `zookeeper-security-migration`: nothing to migrate.
pub static ZOOKEEPER_SECURITY_MIGRATION: Tool = elsewhere(
    "zookeeper-security-migration",
    "zookeeper-security-migration",
    "Says how rights are kept now.",
    |_, _, _| {
        answer(
            "There is no ZooKeeper whose nodes need rights. Rights of users are set with kafka-acls.sh (ottla acls).",
        )
    },
);

/// Classes that people run by `kafka-run-class.sh`, and the tools that are them.
const CLASSES: [(&str, &str); 17] = [
    ("kafka.tools.GetOffsetShell", "get-offsets"),
    ("kafka.tools.DumpLogSegments", "dump-log"),
    ("kafka.admin.ConsumerGroupCommand", "consumer-groups"),
    ("kafka.admin.TopicCommand", "topics"),
    ("kafka.admin.ConfigCommand", "configs"),
    ("kafka.admin.AclCommand", "acls"),
    ("kafka.tools.ConsoleConsumer", "console-consumer"),
    ("kafka.tools.ConsoleProducer", "console-producer"),
    ("kafka.tools.JmxTool", "jmx"),
    ("kafka.tools.EndToEndLatency", "e2e-latency"),
    ("kafka.tools.StorageTool", "storage"),
    ("kafka.tools.ReplicaVerificationTool", "replica-verification"),
    ("kafka.tools.ProducerPerformance", "producer-perf-test"),
    ("kafka.tools.ConsumerPerformance", "consumer-perf-test"),
    ("kafka.tools.StreamsResetter", "streams-application-reset"),
    ("kafka.admin.ReassignPartitionsCommand", "reassign-partitions"),
    ("kafka.Kafka", "server"),
];

fn run_class(_: &'static Tool, _: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let class = arguments.first().map_or("", String::as_str);
    let simple = class.rsplit('.').next().unwrap_or_default();
    let known =
        CLASSES.iter().find(|(name, _)| !simple.is_empty() && name.rsplit('.').next() == Some(simple));
    answer(&match known {
        Some((_, tool)) => {
            format!("Ottla is no Java program, and runs no classes. Instead of {class} use: ottla {tool}")
        }
        None => {
            "Ottla is no Java program, and runs no classes. Its tools are listed by: ottla --help".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::run_captured;

    #[test]
    fn a_known_class_is_answered_with_its_tool() {
        let (code, out, err) =
            run_captured("kafka-run-class.sh", &["org.apache.kafka.tools.GetOffsetShell"], "").unwrap();
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.ends_with("use: ottla get-offsets\n"), "{err}");
        let (code, _, err) = run_captured("run-class", &[], "").unwrap();
        assert_eq!(code, 1);
        assert!(err.contains("ottla --help"), "{err}");
    }

    #[test]
    fn what_ottla_does_not_have_is_answered_with_what_to_use() {
        for (script, says) in [
            ("connect-distributed.sh", "bootstrap.servers set to an Ottla broker"),
            ("connect-standalone.sh", "Apache Kafka's own runs"),
            ("connect-plugin-path.sh", "Apache Kafka's own runs"),
            ("connect-mirror-maker.sh", "<cluster>.bootstrap.servers"),
            ("trogdor.sh", "ottla verifiable-producer"),
        ] {
            let (code, out, err) = run_captured(script, &["anything"], "").unwrap();
            assert!(code == 1 && out.is_empty() && err.contains(says), "{script}: {err}");
        }
    }

    #[test]
    fn zookeeper_is_answered_with_what_to_use() {
        let (code, _, err) = run_captured("zookeeper-shell.sh", &["localhost:2181", "ls", "/"], "").unwrap();
        assert_eq!(code, 1);
        assert!(err.contains("metadata-shell"), "{err}");
    }
}
