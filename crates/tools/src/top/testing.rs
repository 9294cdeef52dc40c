//! A cluster that does not exist, for tests and for the picture in the documentation.

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::{Str, TopicPartition};

use super::model::Model;
use super::sample::{Broker, GroupPosition, GroupSample, Partition, Sample};
use super::table::View;

/// Name, partitions, records a second in all, bytes of a record.
const TOPICS: [(&str, i32, i64, i64); 6] = [
    ("clicks", 12, 48_000, 180),
    ("orders", 6, 1_250, 900),
    ("payments", 6, 410, 640),
    ("metrics", 24, 96_500, 75),
    ("audit", 1, 3, 2_100),
    ("__consumer_offsets", 50, 40, 120),
];

/// Group, topic, kind, state, members, what of a thousand records it takes.
const GROUPS: [(&str, &str, GroupType, GroupState, usize, i64); 6] = [
    ("billing", "orders", GroupType::Consumer, GroupState::Stable, 3, 1_000),
    ("fraud-check", "payments", GroupType::Consumer, GroupState::Reconciling, 4, 940),
    ("clickstream", "clicks", GroupType::Streams, GroupState::Stable, 6, 998),
    ("dashboards", "metrics", GroupType::Classic, GroupState::Stable, 8, 1_000),
    ("mailer", "orders", GroupType::Share, GroupState::Stable, 20, 1_000),
    ("backfill-2025", "audit", GroupType::Classic, GroupState::Empty, 0, 0),
];

/// The cluster at the end of a number of two-second steps.
pub fn sample(step: i64) -> Sample {
    let seconds = 600 + step * 2;
    let mut sample = Sample {
        at_ms: 1_790_000_000_000 + step * 2_000,
        cluster_id: "5L6g3nShT-eMCtK--X86sw".to_owned(),
        controller: Some(1),
        ..Default::default()
    };
    sample.internal.insert(Str::from("__consumer_offsets"));
    for id in 1..=3 {
        let broker = Broker {
            address: format!("kafka{id}.example.org:9092"),
            is_fenced: false,
            log_bytes: Some(412_000_000_000 + i64::from(id) * 9_000_000_000),
            disk_bytes: Some(960_000_000_000),
            free_bytes: Some(500_000_000_000 - i64::from(id) * 9_000_000_000),
        };
        sample.brokers.insert(id, broker);
    }
    for (name, partitions, rate, size) in TOPICS {
        for number in 0..partitions {
            let end = rate * seconds / i64::from(partitions) + i64::from(number);
            let leader = number % 3 + 1;
            let is_behind = name == "metrics" && number == 4;
            let partition = Partition {
                leader: Some(leader),
                replicas: vec![leader, leader % 3 + 1],
                in_sync: if is_behind { 1 } else { 2 },
                start: Some(0),
                end: Some(end),
                bytes: Some(end * size),
            };
            sample.partitions.insert(TopicPartition::new(name, number), partition);
        }
    }
    for (id, topic, kind, state, members, per_mille) in GROUPS {
        let of_topic = sample.partitions.iter().filter(|(key, _)| &*key.topic == topic);
        let positions = of_topic.map(|(key, partition)| {
            let end = partition.end.unwrap_or(0);
            let offset = end * per_mille / 1_000;
            (key.clone(), GroupPosition { offset, lag: Some(end - offset) })
        });
        let positions = positions.collect();
        sample.groups.insert(Str::from(id), GroupSample { kind, state, members: Some(members), positions });
    }
    sample
}

/// A view after twelve looks.
pub fn model(view: View) -> Model {
    let mut model = Model::new(view, 2_000);
    for step in 0..12 {
        model.looked(Ok(sample(step)));
    }
    model
}
