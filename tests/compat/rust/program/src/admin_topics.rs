//! Administration of topics: results and errors of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::Result;
use ottla_client::admin::*;
use ottla_protocol::{Str, TopicPartition, Uuid};

use crate::lab::{BASE_MS, Lab, tp};

/// For what is answered, and for what is awaited in vain.
const SOON: Duration = Duration::from_secs(30);
const IN_VAIN: Duration = Duration::from_secs(3);

fn strs(lab: &Lab, names: &[&str]) -> Vec<Str> {
    names.iter().map(|name| Str::from(lab.name(name))).collect()
}

/// Create, describe, list, delete.
pub async fn topics(lab: &Lab) -> Result<()> {
    let admin = &lab.admin;
    let options = CreateTopicsOptions::default();
    let name = |name: &str| Str::from(lab.name(name));
    let mut configured = NewTopic::new(name("new-configured"), Some(2), Some(1));
    configured.configs.insert("retention.ms".into(), "12345".into());
    let mut misconfigured = NewTopic::new(name("new-misconfigured"), Some(1), None);
    misconfigured.configs.insert("retention.ms".into(), "soon".into());
    let news = [
        configured,
        misconfigured,
        NewTopic::new(name("new-default"), None, None),
        NewTopic::new(name("new-none"), Some(0), Some(1)),
        NewTopic::new(name("new-replicas"), Some(1), Some(3)),
        NewTopic::with_assignments(name("new-assigned"), BTreeMap::from([(0, vec![1]), (1, vec![1])])),
        NewTopic::with_assignments(name("new-nowhere"), BTreeMap::from([(0, vec![99])])),
        NewTopic::new("a b!", Some(1), Some(1)),
        NewTopic::new("", Some(1), Some(1)),
    ];
    for (name, result) in admin.create_topics(&news, &options).await {
        let text = result.map(|it| {
            let retention =
                it.configs.as_ref().and_then(|all| all.iter().find(|it| &*it.name == "retention.ms"));
            let retention = retention.and_then(|it| it.value.clone()).unwrap_or_default();
            format!("{} {} {retention}", it.partitions.unwrap_or(-1), it.replication_factor.unwrap_or(-1))
        });
        lab.say_result(&name, text);
    }
    lab.say_each(
        "again",
        admin.create_topics(&[NewTopic::new(name("new-default"), None, None)], &options).await,
    );
    let check = CreateTopicsOptions { validate_only: true, ..Default::default() };
    lab.say_each(
        "only check",
        admin.create_topics(&[NewTopic::new(name("new-checked"), Some(1), None)], &check).await,
    );
    lab.topic("new-last", 1, &[]).await?;
    describe(lab).await?;
    let names = strs(lab, &["new-default", "new-assigned", "new-checked"]);
    lab.say_each("delete", admin.delete_topics(&names, &DeleteTopicsOptions::default()).await);
    let random = Uuid([9; 16]);
    for (_, result) in admin.delete_topics_by_id(&[random], &DeleteTopicsOptions::default()).await {
        lab.say_done("delete by id", result);
    }
    Ok(())
}

async fn describe(lab: &Lab) -> Result<()> {
    let admin = &lab.admin;
    let mut names = strs(lab, &["new-configured", "new-assigned", "new-checked"]);
    names.push(Str::from(""));
    for (name, result) in admin.describe_topics(&names, &DescribeTopicsOptions::default()).await {
        let text = result.map(|it| {
            let partition = |it: &TopicPartitionInfo| {
                format!(
                    "{}:{}:{}",
                    it.partition,
                    it.replicas.len(),
                    it.leader.as_ref().map_or(-1, |leader| leader.id)
                )
            };
            let partitions: Vec<String> = it.partitions.iter().map(partition).collect();
            format!("{} {} {}", it.is_internal, it.id.is_zero(), partitions.join(" "))
        });
        lab.say_result(&format!("describe {name}"), text);
    }
    for (_, result) in admin.describe_topics_by_id(&[Uuid([9; 16])], &DescribeTopicsOptions::default()).await
    {
        lab.say_done("describe by id", result);
    }
    let listed = admin.list_topics(&ListTopicsOptions::default()).await?;
    let own: Vec<&Str> = listed.keys().filter(|name| name.starts_with(&lab.name("new-"))).collect();
    lab.say(format!("{own:?}"));
    Ok(())
}

/// More partitions.
pub async fn partitions(lab: &Lab) -> Result<()> {
    let topic = lab.topic("grown", 2, &[]).await?;
    let wants =
        [(topic.clone(), 4), (topic.clone(), 3), (topic.clone(), 4), (Str::from(lab.name("nowhere")), 3)];
    for (topic, total_count) in wants {
        let wanted = BTreeMap::from([(topic, NewPartitions { total_count, assignments: None })]);
        let options = CreatePartitionsOptions::default();
        lab.say_each(&format!("{total_count}"), lab.admin.create_partitions(&wanted, &options).await);
    }
    for assignments in [vec![vec![1]], vec![vec![1], vec![1]], vec![vec![77]], vec![vec![1, 1]]] {
        let text = format!("5 at {assignments:?}");
        let wanted = BTreeMap::from([(
            topic.clone(),
            NewPartitions { total_count: 5, assignments: Some(assignments) },
        )]);
        let options = CreatePartitionsOptions { validate_only: true, ..Default::default() };
        lab.say_each(&text, lab.admin.create_partitions(&wanted, &options).await);
    }
    Ok(())
}

/// Records deleted from the start.
pub async fn records(lab: &Lab) -> Result<()> {
    let topic = lab.topic("cut", 1, &[]).await?;
    let compacted = lab.topic("cut-compacted", 1, &[("cleanup.policy", "compact")]).await?;
    lab.fill(&topic, 0, 10).await?;
    let nowhere = TopicPartition::new(lab.name("nowhere"), 0);
    let cuts = [
        (tp(&topic, 0), 4),
        (tp(&topic, 0), 2),
        (tp(&topic, 0), 11),
        (tp(&topic, 0), HIGH_WATERMARK),
        (tp(&topic, 0), -2),
        (tp(&compacted, 0), 0),
        (tp(&topic, 7), 0),
        (nowhere, 0),
    ];
    for (tp, before) in cuts {
        let is_there = tp.partition == 0 && !tp.topic.ends_with("nowhere");
        let options = TimeoutOptions { timeout: Some(if is_there { SOON } else { IN_VAIN }) };
        for (tp, result) in lab.admin.delete_records(&BTreeMap::from([(tp, before)]), &options).await {
            lab.say_result(&format!("{tp} {before}"), result);
        }
    }
    Ok(())
}

/// Offsets by time and at the ends.
pub async fn offsets(lab: &Lab) -> Result<()> {
    let topic = lab.topic("listed", 1, &[]).await?;
    lab.fill(&topic, 0, 10).await?;
    let options = ListOffsetsOptions { timeout: Some(SOON), ..Default::default() };
    let specs = [
        OffsetSpec::Earliest,
        OffsetSpec::Latest,
        OffsetSpec::MaxTimestamp,
        OffsetSpec::EarliestLocal,
        OffsetSpec::LatestTiered,
        OffsetSpec::Timestamp(BASE_MS + 4500),
        OffsetSpec::Timestamp(BASE_MS + 60_000),
    ];
    for spec in specs {
        for (_, result) in lab.admin.list_offsets(&BTreeMap::from([(tp(&topic, 0), spec)]), &options).await {
            let text =
                result.map(|it| format!("{} {} {}", it.offset, it.timestamp, it.leader_epoch.unwrap_or(-1)));
            lab.say_result(&spec.timestamp().to_string(), text);
        }
    }
    let missing = [tp(&topic, 7), TopicPartition::new(lab.name("nowhere"), 0)];
    let options = ListOffsetsOptions { timeout: Some(IN_VAIN), ..Default::default() };
    for tp in missing {
        lab.say_each(
            "missing",
            lab.admin.list_offsets(&BTreeMap::from([(tp, OffsetSpec::Latest)]), &options).await,
        );
    }
    Ok(())
}

async fn show_config(lab: &Lab, resource: &ConfigResource, keys: &[&str]) {
    let resources = std::slice::from_ref(resource);
    for (resource, result) in lab.admin.describe_configs(resources, &DescribeConfigsOptions::default()).await
    {
        let text = result.map(|entries| {
            let wanted = keys.iter().filter_map(|key| entries.iter().find(|entry| &*entry.name == *key));
            let text = |it: &ConfigEntry| {
                format!(
                    "{}={}/{}/{}/{}/{}",
                    it.name,
                    it.value.as_deref().unwrap_or("null"),
                    it.source.name(),
                    it.config_type.name(),
                    it.is_read_only,
                    it.is_sensitive
                )
            };
            wanted.map(text).collect::<Vec<_>>().join(" ")
        });
        lab.say_result(&format!("{} {}", resource.kind.name(), resource.name), text);
    }
}

/// Configurations of everything that has one.
pub async fn configurations(lab: &Lab) -> Result<()> {
    let topic = lab.topic("configured", 1, &[("retention.ms", "777")]).await?;
    let resource = ConfigResource::topic(topic.clone());
    let keys = ["retention.ms", "cleanup.policy", "max.message.bytes", "min.insync.replicas"];
    show_config(lab, &resource, &keys).await;
    show_config(lab, &ConfigResource::topic(lab.name("nowhere")), &keys).await;
    show_config(lab, &ConfigResource::topic("a b!"), &keys).await;
    show_config(lab, &ConfigResource::broker(1), &["node.id", "log.retention.hours", "compression.type"])
        .await;
    show_config(lab, &ConfigResource::new(ConfigResourceType::BrokerLogger, "1"), &[]).await;
    change_configs(lab, &resource).await;
    lab.settle().await?;
    show_config(lab, &resource, &keys).await;
    let metrics = lab.admin.list_client_metrics_resources(&TimeoutOptions::default()).await?;
    lab.say(format!("metrics {}", metrics.contains(&Str::from(lab.name("metrics")))));
    let kinds = BTreeSet::from([ConfigResourceType::Group]);
    let groups = lab.admin.list_config_resources(&kinds, &TimeoutOptions::default()).await?;
    lab.say(format!("groups {}", groups.iter().any(|it| *it.name == lab.name("group"))));
    Ok(())
}

/// Changes of every kind; `resource` is a topic.
async fn change_configs(lab: &Lab, resource: &ConfigResource) {
    let append =
        |value: &str, op| AlterConfigOp { name: "cleanup.policy".into(), value: Some(value.into()), op };
    let changes: [(&str, ConfigResource, Vec<AlterConfigOp>); 12] = [
        (
            "set",
            resource.clone(),
            vec![AlterConfigOp::set("max.message.bytes", "5000"), AlterConfigOp::set("retention.ms", "888")],
        ),
        ("delete", resource.clone(), vec![AlterConfigOp::delete("retention.ms")]),
        ("append", resource.clone(), vec![append("compact", AlterConfigOpType::Append)]),
        ("subtract", resource.clone(), vec![append("delete", AlterConfigOpType::Subtract)]),
        (
            "append to a number",
            resource.clone(),
            vec![AlterConfigOp {
                name: "retention.ms".into(),
                value: Some("1".into()),
                op: AlterConfigOpType::Append,
            }],
        ),
        ("a wrong value", resource.clone(), vec![AlterConfigOp::set("retention.ms", "soon")]),
        ("an unknown key", resource.clone(), vec![AlterConfigOp::set("color", "green")]),
        (
            "twice",
            resource.clone(),
            vec![AlterConfigOp::set("retention.ms", "1"), AlterConfigOp::set("retention.ms", "2")],
        ),
        (
            "nowhere",
            ConfigResource::topic(lab.name("nowhere")),
            vec![AlterConfigOp::set("retention.ms", "1")],
        ),
        (
            "a group",
            ConfigResource::new(ConfigResourceType::Group, lab.name("group")),
            vec![AlterConfigOp::set("consumer.session.timeout.ms", "50000")],
        ),
        (
            "a group, wrong",
            ConfigResource::new(ConfigResourceType::Group, lab.name("group")),
            vec![AlterConfigOp::set("consumer.session.timeout.ms", "1")],
        ),
        (
            "metrics",
            ConfigResource::new(ConfigResourceType::ClientMetrics, lab.name("metrics")),
            vec![AlterConfigOp::set("interval.ms", "100000")],
        ),
    ];
    for (what, resource, ops) in changes {
        let changes = BTreeMap::from([(resource, ops)]);
        for result in
            lab.admin.incremental_alter_configs(&changes, &AlterConfigsOptions::default()).await.into_values()
        {
            lab.say_done(what, result);
        }
    }
}

/// Leaders and replicas of a cluster of one.
pub async fn elections_and_moves(lab: &Lab) -> Result<()> {
    let topic = lab.topic("moved", 2, &[]).await?;
    let options = TimeoutOptions::default();
    let nowhere = TopicPartition::new(lab.name("nowhere"), 0);
    let some = BTreeSet::from([tp(&topic, 0), tp(&topic, 9), nowhere.clone()]);
    for kind in [ElectionType::Preferred, ElectionType::Unclean] {
        match lab.admin.elect_leaders(kind, Some(&some), &options).await {
            Ok(results) => lab.say_each(&format!("elect {}", kind.id()), results),
            Err(error) => lab.say_done("elect", Err::<(), _>(error)),
        }
    }
    let moves: [(TopicPartition, Option<Vec<i32>>); 7] = [
        (tp(&topic, 0), None),
        (tp(&topic, 0), Some(vec![1])),
        (tp(&topic, 0), Some(vec![42])),
        (tp(&topic, 0), Some(vec![])),
        (tp(&topic, 0), Some(vec![1, 1])),
        (tp(&topic, 9), Some(vec![1])),
        (nowhere, Some(vec![1])),
    ];
    for (tp, replicas) in moves {
        let text =
            format!("move to {replicas:?}").replace("Some(", "").replace([')'], "").replace("None", "null");
        let moves = BTreeMap::from([(tp, replicas)]);
        lab.say_each(
            &text,
            lab.admin.alter_partition_reassignments(&moves, &AlterReassignmentsOptions::default()).await,
        );
    }
    lab.say_result(
        "moving",
        lab.admin.list_partition_reassignments(None, &options).await.map(|all| all.len()),
    );
    Ok(())
}

/// Where logs are.
pub async fn log_dirs(lab: &Lab) -> Result<()> {
    let topic = lab.topic("placed", 1, &[]).await?;
    let options = TimeoutOptions { timeout: Some(SOON) };
    for (broker, result) in lab.admin.describe_log_dirs(&BTreeSet::from([1]), &options).await {
        let text = result.map(|dirs| {
            let here = dirs.values().filter(|dir| dir.replicas.contains_key(&tp(&topic, 0))).count();
            format!(
                "{} folders, {here} with it, {}",
                dirs.len(),
                dirs.values().all(|dir| dir.error.is_none())
            )
        });
        lab.say_result(&broker.to_string(), text);
    }
    let replica = |partition| TopicPartitionReplica { topic: topic.clone(), partition, broker_id: 1 };
    for (it, result) in
        lab.admin.describe_replica_log_dirs(&BTreeSet::from([replica(0), replica(8)]), &options).await
    {
        let text = result
            .map(|it| format!("{} {} {}", it.current.is_some(), it.current_offset_lag, it.future.is_some()));
        lab.say_result(&it.partition.to_string(), text);
    }
    let moves = BTreeMap::from([(replica(0), Str::from("/nonexistent/folder"))]);
    for result in lab.admin.alter_replica_log_dirs(&moves, &options).await.into_values() {
        lab.say_done("to nowhere", result);
    }
    Ok(())
}
