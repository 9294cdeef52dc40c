//! A share partition whose state the share coordinator of this process keeps.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_coordinator::share::coordinator::{ShareCoordinatorConfig, SharePartitionKey, StateWrite};
use ottla_metadata::MetadataImage;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{PartitionRecord, TopicRecord};
use ottla_protocol::{ErrorCode, TopicPartition, Uuid};
use ottla_storage::{OpenOptions, PartitionLog};

use super::testing::*;
use super::*;
use crate::drivers::share_coordinator::ShareCoordinator;
use crate::internal_topics::SHARE_GROUP_STATE;
use crate::partitions::{HostedTopic, Partition, Partitions};

const STATE_TOPIC: Uuid = Uuid::from_parts(8, 8);

fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    for (name, topic_id) in [("t", TOPIC), (SHARE_GROUP_STATE, STATE_TOPIC)] {
        let topic = TopicRecord { name: name.into(), topic_id };
        image.replay(&MetadataRecord::Topic(topic)).expect("replays");
        let (replicas, isr) = (vec![1], vec![1]);
        let partition =
            PartitionRecord { topic_id, partition_id: 0, replicas, isr, leader: 1, ..Default::default() };
        image.replay(&MetadataRecord::Partition(partition)).expect("replays");
    }
    image
}

fn hosted(partitions: &Partitions, dir: &std::path::Path, name: &str, id: Uuid) -> Arc<Partition> {
    let options = OpenOptions { now_ms: NOW_MS, ..OpenOptions::new(TopicPartition::new(name, 0)) };
    let log = PartitionLog::open_at(&dir.join(format!("{name}-0")), &options).expect("a log");
    let partition = Arc::new(Partition::new(name.into(), id, 0, 0, Some(log)));
    partitions.put(HostedTopic { name: name.into(), id, partitions: vec![Some(partition.clone())] });
    partition
}

#[tokio::test]
async fn what_is_acknowledged_is_known_to_the_next_leader() {
    let dir = tempfile::tempdir().expect("a directory");
    let partitions = Arc::new(Partitions::default());
    let partition = hosted(&partitions, dir.path(), "t", TOPIC);
    let states = hosted(&partitions, dir.path(), SHARE_GROUP_STATE, STATE_TOPIC);
    let image = Arc::new(image());
    let (coordinator, coordinator_task) =
        ShareCoordinator::new(ShareCoordinatorConfig::default(), partitions.clone());
    coordinator.metadata(image.clone());
    coordinator.elected(states);
    let persister = || LocalPersister::new(coordinator.clone(), Arc::new(ArcSwap::new(image.clone())));
    let start = || ShareManager::new(2, partitions.clone(), Box::new(|_| SETTINGS), Box::new(persister()));

    let test = async {
        let key = SharePartitionKey { group_id: "g".into(), topic_id: TOPIC, partition: 0 };
        // While the shard is loaded it refuses; the keepers below would ask again too.
        loop {
            let done = coordinator
                .run(key.clone(), 1, |shard, key, id, now_ms| shard.initialize_state(key, 0, -1, id, now_ms));
            match done.await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.code, ErrorCode::CoordinatorLoadInProgress),
            }
            tokio::task::yield_now().await;
        }
        append(&partition, 10);
        let (first, task) = start();
        tokio::select! { () = task => {}, () = accept_five(&first) => {} }
        assert_eq!(persister().read(&key, 0).await.expect("the state").start_offset, 0);

        // Another manager begins where the first has left off.
        let (second, task) = start();
        let fetched = async { request("b").run(&second, &crate::clock::now_ms).await };
        let fetched = tokio::select! { () = task => unreachable!(), fetched = fetched => fetched };
        assert_eq!(acquired(&fetched), [(5, 9, 1)]);

        let write = StateWrite {
            state_epoch: 0,
            leader_epoch: -1,
            start_offset: 5,
            delivery_complete_count: 0,
            state_batches: Vec::new(),
        };
        assert_eq!(persister().write(&key, write.clone()).await, Ok(()));
        assert!(persister().read(&key, 3).await.is_ok());
        let late = persister().write(&key, StateWrite { leader_epoch: 2, ..write }).await;
        assert_eq!(late.expect_err("fenced").code, ErrorCode::FencedLeaderEpoch);
    };
    tokio::select! { () = coordinator_task => unreachable!(), () = test => {} }
}

fn request(member_id: &str) -> ShareFetch {
    let (fixture, _task) = Fixture::new();
    ShareFetch { max_wait: Duration::from_secs(600), ..fixture.request(member_id, 100) }
}

async fn accept_five(manager: &Arc<ShareManager>) {
    let fetched = request("a").run(manager, &crate::clock::now_ms).await;
    assert_eq!(acquired(&fetched), [(0, 9, 1)]);
    let batch = ottla_coordinator::share::partition::AcknowledgementBatch {
        first_offset: 0,
        last_offset: 4,
        acknowledge_types: vec![1],
    };
    let acknowledged = vec![(TOPIC, 0, vec![batch])];
    let acknowledging = manager.acknowledge("g", &"a".into(), acknowledged, crate::clock::now_ms());
    assert_eq!(acknowledging.finish().await[0].result, Ok(()));
}
