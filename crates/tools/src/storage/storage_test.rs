use std::path::Path;

use crate::run_captured;
use ottla_storage::meta_properties::MetaProperties;

const ID: &str = "XcZZOzUqS4yHOjhMQB6JLQ";
const STATIC: &str = "process.roles=broker\nnode.id=0\ncontroller.listener.names=CONTROLLER\n\
                      controller.quorum.voters=100@localhost:9093\n";
const DYNAMIC: &str = "process.roles=controller\nnode.id=0\ncontroller.listener.names=CONTROLLER\n\
                       controller.quorum.bootstrap.servers=localhost:9093\nlisteners=CONTROLLER://:9093\n\
                       advertised.listeners=CONTROLLER://127.0.0.1:9093\n";

/// A folder with a configuration file, and names of log directories in it.
struct Node {
    dir: tempfile::TempDir,
}

impl Node {
    fn new(properties: &str, log_dirs: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let node = Self { dir };
        node.configure(properties, log_dirs);
        node
    }

    fn configure(&self, properties: &str, log_dirs: &[&str]) {
        let dirs: Vec<String> = log_dirs.iter().map(|name| self.path(name)).collect();
        let text = format!("{properties}log.dirs={}\n", dirs.join(","));
        std::fs::write(self.path("format.props"), text).expect("write");
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn run(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        let config = self.path("format.props");
        let mut arguments = vec![command, "--config", &config];
        if command == "format" {
            arguments.extend(["--cluster-id", ID]);
        }
        arguments.extend(more);
        run_captured("storage", &arguments, "").expect("the tool")
    }

    fn dump(&self, file: &str, more: &[&str]) -> String {
        let path = self.path(file);
        let arguments = [&["--cluster-metadata-decoder", "--files", &path], more].concat();
        run_captured("dump-log", &arguments, "").expect("the tool").1
    }
}

fn storage(arguments: &[&str]) -> (i32, String, String) {
    run_captured("storage", arguments, "").expect("the tool")
}

#[test]
fn a_broker_with_static_voters() {
    let node = Node::new(STATIC, &["a", "b"]);
    let (code, out, err) = node.run("format", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (a, b) = (node.path("a"), node.path("b"));
    let (first, rest) = out.split_once('\n').expect("lines");
    assert!(
        first.starts_with(
            "Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name=\
             'metadata.version', featureLevel=30) at version 0), "
        ),
        "{first}"
    );
    assert!(first.ends_with("], metadataVersionLevel=30, source=format command)"), "{first}");
    assert_eq!(
        rest,
        format!(
            "Formatting metadata directory {a} with metadata.version 4.3-IV0.\n\
             Formatting data directory {b} with metadata.version 4.3-IV0.\n"
        )
    );
    let meta = MetaProperties::read(Path::new(&a)).expect("reads").expect("formatted");
    assert_eq!((meta.cluster_id.as_deref(), meta.node_id, meta.version), (Some(ID), Some(0), 1));
    let dump = node.dump("a/bootstrap.checkpoint", &["--skip-record-metadata"]);
    assert!(dump.contains("KRaft bootstrap snapshot\n"), "{dump}");
    let record = r#"| payload: {"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"metadata.version","featureLevel":30}}"#;
    assert!(dump.contains(record), "{dump}");

    let (code, _, err) = node.run("format", &[]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with(&format!("Log directory {a} is already formatted. Use --ignore-formatted")),
        "{err}"
    );
    let (code, out, _) = node.run("format", &["-g"]);
    assert_eq!((code, out.as_str()), (0, "All of the log directories are already formatted.\n"));
    node.configure(STATIC, &["a", "c"]);
    let (code, out, _) = node.run("format", &["--ignore-formatted"]);
    assert!(
        code == 0 && out.contains(&format!("Formatting data directory {} with", node.path("c"))),
        "{out}"
    );
}

#[test]
fn info_says_what_is_there_and_what_is_wrong() {
    let node = Node::new(STATIC, &["a"]);
    let a = node.path("a");
    assert_eq!(node.run("info", &[]).1, format!("Found problem:\n  {a} does not exist\n\n"));
    std::fs::create_dir(&a).expect("dir");
    let (code, out, _) = node.run("info", &[]);
    let expect = format!("Found log directory:\n  {a}\n\nFound problem:\n  {a} is not formatted.\n\n");
    assert_eq!((code, out), (1, expect));
    assert_eq!(node.run("format", &[]).0, 0);
    let (code, out, _) = node.run("info", &[]);
    assert_eq!(code, 0);
    assert!(out.contains(&format!("Found metadata: {{cluster.id={ID}, directory.id=")), "{out}");
    assert!(out.ends_with(", node.id=0, version=1}\n\n"), "{out}");
    std::fs::write(format!("{a}/meta.properties"), "version=0\nbroker.id=1\ncluster.id=x\n").expect("write");
    assert!(node.run("info", &[]).1.contains("formatted for legacy mode."));
    let file = Node::new(STATIC, &["f"]);
    std::fs::write(file.path("f"), "").expect("write");
    let expect = format!("Found problem:\n  {} is not a directory\n\n", file.path("f"));
    assert_eq!(file.run("info", &[]).1, expect);
}

#[test]
fn directories_that_cant_be_used() {
    let node = Node::new(STATIC, &["a", "b"]);
    std::fs::write(node.path("b"), "").expect("write");
    let (code, out, _) = node.run("format", &[]);
    assert_eq!(code, 0);
    let line = format!("I/O error trying to read log directory {}. Ignoring...\n", node.path("b"));
    assert!(out.starts_with(&line), "{out}");
    let none = Node::new(STATIC, &["b"]);
    std::fs::write(none.path("b"), "").expect("write");
    assert_eq!(none.run("format", &[]).2, "No available log directories to format.\n");
    let other = Node::new(STATIC, &["a"]);
    assert_eq!(other.run("format", &[]).0, 0);
    let arguments = ["format", "-c", &other.path("format.props"), "-t", "another", "-g"];
    assert!(storage(&arguments).2.contains("Expected another, but read"), "{:?}", storage(&arguments));
}

#[test]
fn a_dynamic_quorum() {
    let node = Node::new(DYNAMIC, &["a"]);
    let refused = node.run("format", &["--release-version", "3.9-IV0"]);
    assert_eq!(
        (refused.0, refused.2.as_str()),
        (
            1,
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
             --standalone, --initial-controllers, or --no-initial-controllers.\n"
        )
    );
    let (code, out, err) = node.run("format", &["--release-version", "3.9-IV0", "--standalone"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let expect = format!(
        "Formatting dynamic metadata voter directory {} with metadata.version 3.9-IV0.\n",
        node.path("a")
    );
    assert!(out.ends_with(&expect), "{out}");
    let dump = node.dump("a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint", &[]);
    assert!(dump.contains("Snapshot end offset: 0, epoch: 0\n"), "{dump}");
    assert!(dump.contains(r#" KRaftVersion {"version":0,"kRaftVersion":1}"#), "{dump}");
    let id =
        MetaProperties::read(Path::new(&node.path("a"))).expect("reads").expect("formatted").directory_id;
    let voters = format!(
        r#" KRaftVoters {{"version":0,"voters":[{{"voterId":0,"voterDirectoryId":"{}","endpoints":[{{"name":"CONTROLLER","host":"127.0.0.1","port":9093}}],"kRaftVersionFeature":{{"minSupportedVersion":0,"maxSupportedVersion":1}}}}]}}"#,
        id.expect("an id")
    );
    assert!(dump.contains(&voters), "{dump}");
    assert!(dump.contains(" SnapshotFooter {\"version\":0}"), "{dump}");
}

#[test]
fn what_contradicts_itself() {
    let voters = format!("{DYNAMIC}controller.quorum.voters=0@localhost:8020\n");
    let check = |properties: &str, more: &[&str], expect: &str| {
        let node = Node::new(properties, &["a"]);
        let (code, _, err) = node.run("format", more);
        assert_eq!(code, 1, "{more:?}");
        assert!(err.contains(expect), "{more:?}: {err}");
    };
    let both = "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                --standalone.";
    let voters = voters.replace("controller.quorum.bootstrap.servers=localhost:9093\n", "");
    check(&voters, &["--standalone"], both);
    check(&voters, &["--initial-controllers", "0@localhost:8020:K90IZ-0DRNazJ49kCZ1EMQ"], both);
    check(
        STATIC,
        &["--feature", "non.existent.feature=20"],
        "Unsupported feature: non.existent.feature. Supported features are: eligible.leader.replicas.version, \
         group.version, kraft.version, share.version, streams.version, transaction.version",
    );
    check(
        DYNAMIC,
        &["--feature", "kraft.version=999", "-s"],
        "No feature:kraft.version with feature level 999",
    );
    check(
        STATIC,
        &["--feature", "kraft.version=1"],
        "Cannot set kraft.version to 1 unless controller.quorum.voters",
    );
    check(
        DYNAMIC,
        &["--feature", "kraft.version=0", "-s"],
        "Cannot set kraft.version to 0 if controller.quorum.voters",
    );
    check(STATIC, &["--release-version", "3.3-IV1"], "Unknown metadata.version '3.3-IV1'");
    check(STATIC, &["-r", "4.2", "-f", "metadata.version=20"], "Use --release-version instead of --feature");
    check(STATIC, &["-f", "x"], "Can't parse feature=level string x: equals sign not found.");
    check(STATIC, &["-r", "3.4", "-S", "SCRAM-SHA-256=[name=a,password=b]"], "SCRAM is only supported in");
    check(STATIC, &["-S", "x"], "Failed to find equals sign in SCRAM argument 'x'");
    check(
        DYNAMIC,
        &["-s", "-N"],
        "argument --no-initial-controllers/-N: not allowed with argument --standalone/-s",
    );
}

#[test]
fn features_and_credentials_are_in_the_first_records() {
    let node = Node::new(STATIC, &["a"]);
    let more = [
        "-r",
        "3.8-IV0",
        "-f",
        "share.version=1",
        "-f",
        "group.version=1",
        "-S",
        "SCRAM-SHA-512=[name=alice,password=secret]",
    ];
    assert_eq!(node.run("format", &more).0, 0);
    let dump = node.dump("a/bootstrap.checkpoint", &[]);
    for part in [
        r#""name":"metadata.version","featureLevel":20"#,
        r#""name":"share.version","featureLevel":1"#,
        r#""name":"group.version","featureLevel":1"#,
        r#"{"type":"USER_SCRAM_CREDENTIAL_RECORD","version":0,"data":{"name":"alice","mechanism":2,"salt":""#,
    ] {
        assert!(dump.contains(part), "{part}: {dump}");
    }
    assert!(!dump.contains("secret"));
}

#[test]
fn features_of_releases_and_what_they_need() {
    let check = |arguments: &[&str], expect_code: i32, expect: &str| {
        let (code, out, err) = storage(arguments);
        assert_eq!((code, out + &err), (expect_code, expect.to_owned()), "{arguments:?}");
    };
    check(
        &["version-mapping", "-r", "3.3-IV3"],
        0,
        "metadata.version=7 (3.3-IV3)\nkraft.version=0\ntransaction.version=0\ngroup.version=0\n\
         eligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n",
    );
    check(
        &["version-mapping"],
        0,
        "metadata.version=30 (4.3-IV0)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\n\
         eligible.leader.replicas.version=1\nshare.version=1\nstreams.version=1\n",
    );
    assert!(
        storage(&["version-mapping", "-r", "2.9-IV2"]).2.starts_with("Unknown metadata.version '2.9-IV2'. ")
    );
    check(
        &["feature-dependencies", "-f", "transaction.version=2", "-f", "eligible.leader.replicas.version=1"],
        0,
        "transaction.version=2 has no dependencies.\neligible.leader.replicas.version=1 requires:\n    \
         metadata.version=23 (4.0-IV1)\n",
    );
    check(
        &["feature-dependencies", "-f", "metadata.version=17"],
        0,
        "metadata.version=17 (3.7-IV2) has no dependencies.\n",
    );
    let wrong = |feature: &str, expect: &str| check(&["feature-dependencies", "-f", feature], 1, expect);
    wrong("unknown.feature.version=1", "Unknown feature: unknown.feature.version\n");
    wrong(
        "transaction.version=1000",
        "Feature level 1000 is not supported for feature transaction.version\n",
    );
    wrong("metadata.version=invalid", "Invalid version format: invalid for feature metadata.version\n");
    wrong(
        "metadata.version",
        "Invalid feature format: metadata.version. Expected format: 'feature=version' (e.g. 'group.version=1')\n",
    );
    let (code, uuid, _) = storage(&["random-uuid"]);
    assert!(code == 0 && uuid.trim().parse::<ottla_protocol::Uuid>().is_ok(), "{uuid}");
}
