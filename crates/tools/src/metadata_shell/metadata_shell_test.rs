use std::path::PathBuf;

use ottla_metadata::VersionedRecord;
use ottla_protocol::Uuid;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, PartitionRecord, TopicRecord,
    client_quota_record::EntityData,
};
use ottla_protocol::records::{BatchBuilder, BatchOptions};

use crate::run_captured;

fn records() -> Vec<VersionedRecord> {
    let feature = |name: &'static str, feature_level| {
        (MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level }), 0)
    };
    let topic_id = Uuid::from_parts(7, 9);
    let topic = TopicRecord { name: "foo".into(), topic_id };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id,
        replicas: vec![1, 2],
        isr: vec![1],
        leader: 1,
        leader_epoch: 3,
        partition_epoch: 4,
        directories: vec![Uuid::from_parts(0, 1), Uuid::from_parts(0, 0)],
        ..Default::default()
    };
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: "foo".into(),
        name: "retention.ms".into(),
        value: Some("5".into()),
    };
    let entity = |kind: &'static str, name: &'static str| EntityData {
        entity_type: kind.into(),
        entity_name: Some(name.into()),
    };
    let quota = ClientQuotaRecord {
        entity: vec![entity("user", "a(b)"), entity("client-id", "c")],
        key: "producer_byte_rate".into(),
        value: 1e10,
        remove: false,
    };
    vec![
        feature("metadata.version", 30),
        feature("group.version", 1),
        (MetadataRecord::Topic(topic), 0),
        (MetadataRecord::Partition(partition), 1),
        (MetadataRecord::Config(config), 0),
        (MetadataRecord::ClientQuota(quota), 0),
    ]
}

fn batch(base_offset: i64, records: &[VersionedRecord]) -> Vec<u8> {
    let options = BatchOptions { base_offset, partition_leader_epoch: 2, ..Default::default() };
    let mut builder = BatchBuilder::new(options);
    for (record, version) in records {
        let value = record.encode(*version).expect("encodes");
        builder.append(1500, None, Some(&value), &[]).expect("appends");
    }
    builder.build().expect("builds").to_vec()
}

struct Log {
    dir: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        let log = Self { dir: tempfile::tempdir().expect("dir") };
        std::fs::create_dir(log.dir.path().join("__cluster_metadata-0")).expect("dir");
        std::fs::write(log.segment(), batch(10, &records())).expect("write");
        log
    }

    fn segment(&self) -> PathBuf {
        self.dir.path().join("__cluster_metadata-0/00000000000000000000.log")
    }

    fn run(&self, command: &str) -> String {
        let path = self.segment().display().to_string();
        let mut arguments = vec!["--snapshot", &path];
        arguments.extend(command.split(' '));
        let (code, out, err) = run_captured("metadata-shell", &arguments, "").expect("the tool");
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
        out
    }
}

#[test]
fn the_tree_is_kafkas() {
    let log = Log::new();
    let check = |command: &str, expect: &str| assert_eq!(log.run(command), expect, "{command}");
    check("ls /", "image\nlocal\n");
    check(
        "ls image",
        "acls\nclientQuotas\ncluster\nconfigs\ndelegationToken\nfeatures\nproducerIds\nprovenance\nscram\ntopics\n",
    );
    check("cat /image/provenance", "offset 15, epoch 2, time 1970-01-01T00:00:01.5Z[UTC]\n");
    check("ls /image/features", "finalized_group.version\nmetadataVersion\n");
    check("cat /image/features/finalized_group.version", "1\n");
    check("ls /image/topics/*", "byId:\nAAAAAAAAAAcAAAAAAAAACQ\n\nbyName:\nfoo\n");
    check(
        "tree /image/topics/byName",
        "foo:\n  0:\n    PartitionRegistration(replicas=[1, 2], directories=[AAAAAAAAAAAAAAAAAAAAAQ, \
         AAAAAAAAAAAAAAAAAAAAAA], isr=[1], removingReplicas=[], addingReplicas=[], elr=[], lastKnownElr=[], leader=1, \
         leaderRecoveryState=RECOVERED, leaderEpoch=3, partitionEpoch=4)\n  id:\n    AAAAAAAAAAcAAAAAAAAACQ\n  name:\n    \
         foo\n",
    );
    check(
        "find /image/configs",
        "/image/configs\n/image/configs/TOPIC:foo\n/image/configs/TOPIC:foo/retention.ms\n",
    );
    check("cat /image/configs/TOPIC:foo/retention.ms", "5\n");
    check("ls /image/clientQuotas", "clientId(c)_user(a\\(b\\))\n");
    check("cat /image/clientQuotas/*/producer_byte_rate", "1.0E10\n");
    check("ls /image/scram", "SCRAM-SHA-256\nSCRAM-SHA-512\n");
    check("cat /image/producerIds/nextProducerId", "0\n");
    check("cat /local/version", "4.3.1\n");
}

#[test]
fn what_is_not_there() {
    let log = Log::new();
    let check = |command: &str, expect: &str| assert_eq!(log.run(command), expect, "{command}");
    check("ls /nothing", "ls: /nothing: no such file or directory.\n");
    check("cat /nothing", "cat: /nothing: No such file or directory.\n");
    check("cat /image", "cat: /image: Is a directory\n");
    check("find /nothing", "find: /nothing: no such file or directory.\n");
    check("tree /nothing", "tree: /nothing: No such file or directory.\n");
    check("cat", "too few arguments\n");
    check("tre x", "invalid choice: 'tre': did you mean 'tree'?\n");
    check("cd /", "invalid choice: 'cd' (choose from 'cat', 'find', 'ls', 'tree')\n");
}

#[test]
fn a_session() {
    let log = Log::new();
    let path = log.segment().display().to_string();
    let input = "cd image/topics\npwd\nls\ncd byName/foo/name\ncd nothing\n\nls 'byName/f'oo\nhistory 2\nman ls\n\
                 man x\nexit\nls\n";
    let (code, out, _) = run_captured("metadata-shell", &["-s", &path], input).expect("the tool");
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "Loading...\nStarting...\n[ Kafka Metadata Shell ]\n/image/topics\nbyId\nbyName\ncd: byName/foo/name: not a \
         directory.\ncd: nothing: no such directory.\n0\nid\nname\n    5  ls 'byName/f'oo\n    6  history 2\nls: List \
         metadata nodes.\n\nusage: ls [targets ...]\nman: unknown command x. Type help to get a list of commands.\n"
    );
}

#[test]
fn a_directory_is_its_newest_snapshot_and_the_log_behind_it() {
    let log = Log::new();
    let dir = log.dir.path().join("__cluster_metadata-0");
    let all = records();
    std::fs::write(dir.join("00000000000000000016-0000000002.checkpoint"), batch(1, &all[..3]))
        .expect("write");
    let topic = TopicRecord { name: "bar".into(), topic_id: Uuid::from_parts(7, 10) };
    let more = batch(16, &[(MetadataRecord::Topic(topic), 0)]);
    std::fs::write(log.segment(), [batch(10, &all), more].concat()).expect("write");
    for path in [log.dir.path(), dir.as_path()] {
        let path = path.display().to_string();
        let list =
            |what: &str| run_captured("metadata-shell", &["-s", &path, "ls", what], "").expect("the tool").1;
        assert_eq!(list("/image/topics/byName"), "bar\nfoo\n");
        assert_eq!(list("/image/configs"), "", "what the snapshot does not have is not taken from before it");
    }
    let empty = tempfile::tempdir().expect("dir").path().display().to_string();
    let (code, _, err) = run_captured("metadata-shell", &["-s", &empty, "ls"], "").expect("the tool");
    assert!(code == 1 && err.starts_with("Unexpected error: "), "{err}");
}
