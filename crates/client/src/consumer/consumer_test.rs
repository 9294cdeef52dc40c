//! The consumer as a whole, against brokers in memory.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ottla_protocol::messages::*;
use ottla_protocol::records::{BatchBuilder, BatchOptions, Compression};
use ottla_protocol::{ApiKey, ErrorCode, Records, Str, TopicPartition, Uuid};
use parking_lot::Mutex;

use super::*;
use crate::Error;
use crate::testing::Mock;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Offset and limit of each partition of a fetch session.
type Session = BTreeMap<i32, (i64, i32)>;

/// What brokers in memory hold.
#[derive(Default)]
pub(super) struct Logs {
    /// Batches of each partition of topic `t`, in order.
    batches: BTreeMap<i32, Vec<(i64, i64, Bytes)>>,
    pub(super) committed: BTreeMap<i32, i64>,
    /// Epoch and end that OffsetForLeaderEpoch answers.
    epoch_end: (i32, i64),
    /// Answers the next fetches of a partition with this.
    fetch_error: Option<ErrorCode>,
    fetches: Vec<FetchRequest>,
    pub(super) commits: Vec<OffsetCommitRequest>,
}

impl Logs {
    fn append(&mut self, partition: i32, count: i64, compression: Compression, epoch: i32) {
        let base_offset = self.end(partition);
        let options = BatchOptions {
            base_offset,
            compression,
            partition_leader_epoch: epoch,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        for offset in base_offset..base_offset + count {
            builder.append(1000 + offset, Some(b"key"), Some(offset.to_string().as_bytes()), &[]).unwrap();
        }
        let batch = (base_offset, base_offset + count, builder.build().unwrap());
        self.batches.entry(partition).or_default().push(batch);
    }

    fn end(&self, partition: i32) -> i64 {
        self.batches.get(&partition).and_then(|batches| batches.last()).map_or(0, |batch| batch.1)
    }

    fn read(&mut self, partition: i32, offset: i64, max_bytes: usize) -> PartitionData {
        let end = self.end(partition);
        let mut data = PartitionData {
            partition_index: partition,
            high_watermark: end,
            last_stable_offset: end,
            log_start_offset: 0,
            ..PartitionData::default()
        };
        let error = self.fetch_error.take().or((offset > end).then_some(ErrorCode::OffsetOutOfRange));
        if let Some(error) = error {
            data.error_code = error as i16;
            return data;
        }
        let mut bytes = Vec::new();
        for (_, _, batch) in
            self.batches.entry(partition).or_default().iter().filter(|batch| batch.1 > offset)
        {
            if !bytes.is_empty() && bytes.len() + batch.len() > max_bytes {
                break;
            }
            bytes.extend_from_slice(batch);
        }
        data.records = Some(Records::Bytes(bytes.into()));
        data
    }
}

pub(super) struct Cluster {
    pub(super) mock: Mock,
    pub(super) logs: Arc<Mutex<Logs>>,
    pub(super) id: Uuid,
}

impl Cluster {
    /// Brokers 1 to `brokers` with topic `t` of two partitions.
    pub(super) fn start(brokers: i32) -> Self {
        let mock = Mock::start(brokers);
        mock.topic("t", 2);
        let id = mock.topic_id("t");
        let logs: Arc<Mutex<Logs>> = Arc::default();
        let cluster = Self { mock, logs, id };
        cluster.serve_fetches();
        cluster.serve_offsets();
        cluster.serve_commits();
        cluster
    }

    fn serve_fetches(&self) {
        let logs = self.logs.clone();
        let id = self.id;
        let sessions: Mutex<BTreeMap<i32, Session>> = Mutex::default();
        self.mock.on::<FetchRequest>(move |call, request| {
            let mut sessions = sessions.lock();
            let session = sessions.entry(call.broker).or_default();
            if request.session_epoch <= 0 {
                session.clear();
            }
            let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
            session.extend(asked.map(|p| (p.partition, (p.fetch_offset, p.partition_max_bytes))));
            let gone = request.forgotten_topics_data.iter().flat_map(|topic| &topic.partitions);
            for partition in gone {
                session.remove(partition);
            }
            let mut logs = logs.lock();
            let full = request.session_epoch <= 0;
            let max_wait = Duration::from_millis(request.max_wait_ms as u64);
            logs.fetches.push(request);
            let partitions: Vec<PartitionData> = session
                .iter()
                .map(|(partition, (offset, max))| logs.read(*partition, *offset, *max as usize))
                .filter(|data| {
                    full || data.error_code != 0 || data.records.as_ref().is_some_and(|r| !r.is_empty())
                })
                .collect();
            let is_empty = partitions
                .iter()
                .all(|data| data.error_code == 0 && data.records.as_ref().unwrap().is_empty());
            let topic = FetchableTopicResponse { topic: "t".into(), topic_id: id, partitions };
            let response = FetchResponse {
                session_id: 100 + call.broker,
                responses: if topic.partitions.is_empty() { Vec::new() } else { vec![topic] },
                ..FetchResponse::default()
            };
            if is_empty { call.reply_after(max_wait, response) } else { call.reply(response) }
        });
    }

    fn serve_offsets(&self) {
        let logs = self.logs.clone();
        self.mock.on::<ListOffsetsRequest>(move |call, request| {
            let logs = logs.lock();
            let partition = |p: &list_offsets_request::ListOffsetsPartition| {
                let end = logs.end(p.partition_index);
                let offset = match p.timestamp {
                    -2 => 0,
                    -1 => end,
                    time if time - 1000 < end => (time - 1000).max(0),
                    _ => -1,
                };
                ListOffsetsPartitionResponse {
                    partition_index: p.partition_index,
                    offset,
                    timestamp: if p.timestamp < 0 || offset < 0 { -1 } else { 1000 + offset },
                    ..Default::default()
                }
            };
            let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: topic.partitions.iter().map(partition).collect(),
            });
            call.reply(ListOffsetsResponse { topics: topics.collect(), ..Default::default() })
        });
        let logs = self.logs.clone();
        self.mock.on::<OffsetForLeaderEpochRequest>(move |call, request| {
            let (leader_epoch, end_offset) = logs.lock().epoch_end;
            let partition = |p: &offset_for_leader_epoch_request::OffsetForLeaderPartition| EpochEndOffset {
                partition: p.partition,
                leader_epoch,
                end_offset,
                ..Default::default()
            };
            let topics = request.topics.iter().map(|topic| OffsetForLeaderTopicResult {
                topic: topic.topic.clone(),
                partitions: topic.partitions.iter().map(partition).collect(),
            });
            call.reply(OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() })
        });
    }

    fn serve_commits(&self) {
        let logs = self.logs.clone();
        self.mock.on::<OffsetCommitRequest>(move |call, request| {
            let mut logs = logs.lock();
            let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|p| {
                        logs.committed.insert(p.partition_index, p.committed_offset);
                        OffsetCommitResponsePartition { partition_index: p.partition_index, error_code: 0 }
                    })
                    .collect(),
            });
            let response = OffsetCommitResponse { topics: topics.collect(), ..Default::default() };
            logs.commits.push(request);
            call.reply(response)
        });
        let logs = self.logs.clone();
        self.mock.on::<OffsetFetchRequest>(move |call, request| {
            let logs = logs.lock();
            let group = &request.groups[0];
            let partition = |index: &i32| OffsetFetchResponsePartitions {
                partition_index: *index,
                committed_offset: logs.committed.get(index).copied().unwrap_or(-1),
                ..Default::default()
            };
            let topic = |topic: &offset_fetch_request::OffsetFetchRequestTopics| OffsetFetchResponseTopics {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: topic.partition_indexes.iter().map(partition).collect(),
            };
            let group = OffsetFetchResponseGroup {
                group_id: group.group_id.clone(),
                topics: group.topics.iter().flatten().map(topic).collect(),
                error_code: 0,
            };
            call.reply(OffsetFetchResponse { groups: vec![group], ..Default::default() })
        });
    }

    pub(super) fn consumer(&self, edit: impl FnOnce(&mut ConsumerConfig)) -> Consumer {
        let mut config = ConsumerConfig::new(self.mock.config());
        config.auto_offset_reset = AutoOffsetReset::Earliest;
        edit(&mut config);
        Consumer::new(config).unwrap()
    }

    pub(super) fn append(&self, partition: i32, count: i64) {
        self.logs.lock().append(partition, count, Compression::None, 0);
    }
}

/// Polls until there are `count` records; partitions and offsets.
pub(super) async fn read(consumer: &mut Consumer, count: usize) -> Vec<(i32, i64)> {
    let mut found = Vec::new();
    while found.len() < count {
        let records = consumer.poll(10 * SECOND).await.unwrap();
        assert!(!records.is_empty() || !records.next_offsets().is_empty(), "nothing came after {found:?}");
        found.extend(records.iter().map(|record| (record.partition, record.offset)));
    }
    found
}

fn of_partition(found: &[(i32, i64)], partition: i32) -> Vec<i64> {
    found.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect()
}

#[tokio::test(start_paused = true)]
async fn assigned_partitions_are_read_in_order() {
    let cluster = Cluster::start(2);
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        cluster.logs.lock().append(0, 400, compression, 0);
        cluster.logs.lock().append(1, 300, compression, 0);
    }
    let mut consumer = cluster.consumer(|config| config.max_partition_fetch_bytes = 4000);
    consumer.assign([tp(0), tp(1)]).unwrap();
    let found = read(&mut consumer, 2100).await;
    assert_eq!(of_partition(&found, 0), (0..1200).collect::<Vec<_>>());
    assert_eq!(of_partition(&found, 1), (0..900).collect::<Vec<_>>());
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 1200);
    assert_eq!(consumer.current_lag(&tp(0)).unwrap(), Some(0));
    let metrics = consumer.metrics().snapshot();
    assert_eq!(metrics.records_consumed, 2100);
    assert_eq!(metrics.partitions[&tp(0)].lead, Some(1200));
    let figures = consumer.figures();
    let figure = |name| figures.iter().find(|figure| figure.name == name).unwrap().value;
    assert_eq!((figure("records-consumed-total"), figure("records-lag")), (2100.0, 0.0));
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    cluster.append(1, 1);
    assert_eq!(read(&mut consumer, 1).await, [(1, 900)]);
}

#[tokio::test(start_paused = true)]
async fn polls_are_limited_and_sessions_name_only_changes() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let mut consumer = cluster.consumer(|config| config.max_poll_records = 4);
    consumer.assign([tp(0), tp(1)]).unwrap();
    for expect in [4, 4, 2] {
        assert_eq!(consumer.poll(SECOND).await.unwrap().len(), expect);
    }
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    let logs = cluster.logs.lock();
    assert_eq!(logs.fetches[0].session_epoch, 0);
    assert_eq!(logs.fetches[0].topics[0].partitions.len(), 2);
    assert_eq!((logs.fetches[1].session_id, logs.fetches[1].session_epoch), (101, 1));
    let changed: Vec<_> = logs.fetches[1].topics.iter().flat_map(|topic| &topic.partitions).collect();
    assert_eq!(changed.iter().map(|p| (p.partition, p.fetch_offset)).collect::<Vec<_>>(), [(0, 10)]);
}

/// While the application is busy with one answer, the next is fetched, and no more than that.
#[tokio::test(start_paused = true)]
async fn two_answers_of_a_node_are_held_at_most() {
    let cluster = Cluster::start(1);
    for _ in 0..20 {
        cluster.append(0, 10);
    }
    let mut consumer = cluster.consumer(|config| {
        config.max_poll_records = 1;
        // A broker gives one batch at least.
        config.max_partition_fetch_bytes = 1;
    });
    consumer.assign([tp(0)]).unwrap();
    for taken in 0..150 {
        assert_eq!(read(&mut consumer, 1).await, [(0, taken as i64)]);
        assert_eq!(
            cluster.logs.lock().fetches.len(),
            taken / 10 + 2,
            "asked before the records are handed out"
        );
        tokio::time::sleep(SECOND).await;
        assert_eq!(cluster.logs.lock().fetches.len(), taken / 10 + 2, "and no more, however long it takes");
    }
    let limit = consumer.config().fetch_max_bytes;
    assert!(cluster.logs.lock().fetches.iter().all(|fetch| fetch.max_bytes == limit));
}

#[tokio::test(start_paused = true)]
async fn positions_begin_where_the_settings_say() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let begins = async |reset: AutoOffsetReset| {
        let mut consumer = cluster.consumer(|config| config.auto_offset_reset = reset);
        consumer.assign([tp(0)]).unwrap();
        consumer.position(&tp(0)).await
    };
    assert_eq!(begins(AutoOffsetReset::Earliest).await.unwrap(), 0);
    assert_eq!(begins(AutoOffsetReset::Latest).await.unwrap(), 10);
    // All records are of 1970.
    assert_eq!(begins(AutoOffsetReset::ByDuration(60_000)).await.unwrap(), 10);
    assert_eq!(begins(AutoOffsetReset::ByDuration(i64::MAX)).await.unwrap(), 0);
    assert!(matches!(begins(AutoOffsetReset::None).await, Err(Error::InvalidOffset(_))));
}

#[tokio::test(start_paused = true)]
async fn seeking_and_pausing() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    consumer.seek(&tp(0), 8).unwrap();
    assert_eq!(read(&mut consumer, 2).await, [(0, 8), (0, 9)]);
    consumer.seek_to_beginning([]).unwrap();
    assert_eq!(read(&mut consumer, 10).await.len(), 10);
    consumer.seek_to_end([tp(0)]).unwrap();
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), 10);
    consumer.pause([tp(0)]).unwrap();
    cluster.append(0, 1);
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    assert_eq!(consumer.paused(), [tp(0)].into());
    consumer.resume([tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, [(0, 10)]);
    assert!(consumer.seek(&tp(0), -1).is_err());
    assert!(consumer.seek(&tp(1), 0).is_err());
    assert!(consumer.pause([tp(1)]).is_err());
}

#[tokio::test(start_paused = true)]
async fn offsets_can_be_looked_up() {
    let cluster = Cluster::start(2);
    cluster.append(0, 10);
    let mut consumer = cluster.consumer(|_| {});
    let both = || [tp(0), tp(1)];
    assert_eq!(consumer.beginning_offsets(both()).await.unwrap(), [(tp(0), 0), (tp(1), 0)].into());
    assert_eq!(consumer.end_offsets(both()).await.unwrap(), [(tp(0), 10), (tp(1), 0)].into());
    let times = [(tp(0), 1004), (tp(1), 1004)].into();
    let found = consumer.offsets_for_times(times).await.unwrap();
    assert_eq!(found[&tp(0)].map(|found| (found.offset, found.timestamp_ms)), Some((4, 1004)));
    assert_eq!(found[&tp(1)], None);
    assert_eq!(consumer.partitions_for("t").await.unwrap().len(), 2);
    assert_eq!(consumer.partitions_for("u").await.unwrap(), []);
    assert_eq!(consumer.list_topics().await.unwrap().into_keys().collect::<Vec<Str>>(), ["t"]);
}

#[tokio::test(start_paused = true)]
async fn a_range_error_resets_and_a_moved_leader_is_followed() {
    let cluster = Cluster::start(2);
    cluster.append(0, 10);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    consumer.seek(&tp(0), 99).unwrap();
    assert_eq!(read(&mut consumer, 10).await[0], (0, 0));
    cluster.mock.move_leader("t", 0, 2);
    cluster.logs.lock().epoch_end = (0, 10);
    cluster.logs.lock().fetch_error = Some(ErrorCode::NotLeaderOrFollower);
    cluster.append(0, 1);
    assert_eq!(read(&mut consumer, 1).await, [(0, 10)]);
    assert!(cluster.mock.calls().iter().any(|call| call.api == ApiKey::Fetch && call.broker == 2));
    assert_eq!(cluster.mock.count(ApiKey::OffsetForLeaderEpoch), 1);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_is_noticed() {
    let cluster = Cluster::start(2);
    cluster.append(0, 10);
    let truncate = async |reset: AutoOffsetReset| {
        let mut consumer = cluster.consumer(|config| config.auto_offset_reset = reset);
        consumer.assign([tp(0)]).unwrap();
        cluster.logs.lock().epoch_end = (0, 6);
        let at = OffsetAndMetadata { offset: 8, leader_epoch: Some(0), ..OffsetAndMetadata::default() };
        // The leader's epoch must be known for the check.
        consumer.end_offsets([tp(0)]).await.unwrap();
        consumer.seek_to(&tp(0), &at).unwrap();
        consumer.poll(SECOND).await.map(|records| records.iter().next().map(|record| record.offset))
    };
    assert_eq!(truncate(AutoOffsetReset::Earliest).await.unwrap(), Some(6));
    let error = truncate(AutoOffsetReset::None).await.unwrap_err();
    assert!(error.to_string().contains("agree up to offset 6"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn commits_are_kept_and_found_again() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let with_group = |config: &mut ConsumerConfig| config.group_id = Some("g".into());
    let mut consumer = cluster.consumer(with_group);
    consumer.assign([tp(0)]).unwrap();
    let records = consumer.poll(SECOND).await.unwrap();
    consumer.commit_record(records.iter().nth(2).unwrap()).await.unwrap();
    let committed = consumer.committed([tp(0), tp(1)]).await.unwrap();
    assert_eq!(committed[&tp(0)].as_ref().map(|found| found.offset), Some(3));
    assert_eq!(committed[&tp(1)], None);
    assert_eq!(cluster.logs.lock().commits[0].topics[0].partitions[0].committed_leader_epoch, 0);

    let mut other = cluster.consumer(with_group);
    other.assign([tp(0)]).unwrap();
    assert_eq!(other.position(&tp(0)).await.unwrap(), 3);

    let told = Arc::new(Mutex::new(None));
    let callback = {
        let told = told.clone();
        Box::new(move |offsets: &Offsets, result: crate::Result<()>| {
            *told.lock() = Some((offsets[&tp(0)].offset, result.is_ok()));
        })
    };
    consumer.commit_offsets_async([(tp(0), OffsetAndMetadata::new(7))].into(), Some(callback)).unwrap();
    consumer.poll(SECOND).await.unwrap();
    assert_eq!(*told.lock(), Some((7, true)));
    let wrong = consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(-1))].into()).await;
    assert!(matches!(wrong, Err(Error::Illegal(_))));
}

#[tokio::test(start_paused = true)]
async fn without_a_group_nothing_is_committed() {
    let mock = Mock::start(1);
    mock.topic("t", 1);
    let mut consumer = Consumer::new(ConsumerConfig::new(mock.config())).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let refused = consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(1))].into()).await.unwrap_err();
    assert_eq!(refused.code(), Some(ottla_protocol::ErrorCode::InvalidGroupId), "{refused}");
    let refused = consumer.committed([tp(0)]).await.unwrap_err();
    assert_eq!(refused.code(), Some(ottla_protocol::ErrorCode::InvalidGroupId), "{refused}");
}

/// A commit that was refused and tried again would take the position of those behind it back.
#[tokio::test(start_paused = true)]
async fn older_commits_do_not_come_after_newer_ones() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let sent: Arc<Mutex<Vec<i64>>> = Arc::default();
    let seen = sent.clone();
    cluster.mock.on::<OffsetCommitRequest>(move |call, request| {
        let (topic, mut seen) = (&request.topics[0], seen.lock());
        seen.push(topic.partitions[0].committed_offset);
        let error = match seen.len() {
            1 => ErrorCode::CoordinatorLoadInProgress,
            _ => ErrorCode::None,
        };
        let partition = OffsetCommitResponsePartition { partition_index: 0, error_code: error.code() };
        let topics = vec![OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: vec![partition],
        }];
        call.reply(OffsetCommitResponse { topics, ..Default::default() })
    });
    let mut consumer = cluster.consumer(|config| config.group_id = Some("g".into()));
    consumer.assign([tp(0)]).unwrap();
    for offset in [1, 2, 3] {
        consumer.commit_offsets_async([(tp(0), OffsetAndMetadata::new(offset))].into(), None).unwrap();
    }
    consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(4))].into()).await.unwrap();
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(*sent.lock(), [1, 2, 3, 4]);
}

/// A consumer in a group that has committed 1, so that what follows goes out without a look-up before it, and begins to
/// commit 5.
async fn committing_five(cluster: &Cluster, edit: impl FnOnce(&mut ConsumerConfig)) -> Consumer {
    let mut consumer = cluster.consumer(|config| {
        config.group_id = Some("g".into());
        edit(config);
    });
    consumer.assign([tp(0)]).unwrap();
    consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(1))].into()).await.unwrap();
    consumer.commit_offsets_async([(tp(0), OffsetAndMetadata::new(5))].into(), None).unwrap();
    consumer
}

/// The offsets of partition 0 in the order of the commits.
fn commits_in_order(cluster: &Cluster) -> Vec<i64> {
    let logs = cluster.logs.lock();
    logs.commits.iter().map(|commit| commit.topics[0].partitions[0].committed_offset).collect()
}

/// A wakeup ends the waiting for an older commit, not the order.
#[tokio::test(start_paused = true)]
async fn commits_behind_an_interrupted_one_wait_for_the_older_ones() {
    let cluster = Cluster::start(1);
    let mut consumer = committing_five(&cluster, |_| {}).await;
    consumer.wakeup_handle().wakeup();
    let ten: Offsets = [(tp(0), OffsetAndMetadata::new(10))].into();
    assert!(matches!(consumer.commit_offsets(ten.clone()).await, Err(Error::Wakeup)));
    consumer.commit_offsets(ten).await.unwrap();
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(commits_in_order(&cluster), [1, 5, 10]);
    assert_eq!(cluster.logs.lock().committed[&0], 10);
}

/// Nor does a future that is dropped midway, nor one that closes.
#[tokio::test(start_paused = true)]
async fn commits_behind_a_dropped_one_wait_for_the_older_ones() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let mut consumer = committing_five(&cluster, |config| config.enable_auto_commit = true).await;
    consumer.seek(&tp(0), 10).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    {
        let dropped = pin!(consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(7))].into()));
        assert!(dropped.poll(&mut context).is_pending());
    }
    {
        let dropped = pin!(consumer.close_with(10 * SECOND, CloseOperation::Default));
        assert!(dropped.poll(&mut context).is_pending());
    }
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(commits_in_order(&cluster), [1, 5, 10]);
}

#[tokio::test(start_paused = true)]
async fn auto_commit_counts_what_earlier_polls_returned() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    let mut consumer = cluster.consumer(|config| {
        config.group_id = Some("g".into());
        config.enable_auto_commit = true;
        config.max_poll_records = 4;
    });
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(consumer.poll(SECOND).await.unwrap().len(), 4);
    tokio::time::advance(6 * SECOND).await;
    assert_eq!(consumer.poll(SECOND).await.unwrap().len(), 4);
    cluster.mock.wait_for(ApiKey::OffsetCommit, 1).await;
    assert_eq!(cluster.logs.lock().committed[&0], 4);
    consumer.close(SECOND).await.unwrap();
    assert_eq!(cluster.logs.lock().committed[&0], 8);
    let last = cluster.logs.lock().fetches.last().unwrap().session_epoch;
    assert_eq!(last, -1, "the session is ended");
}

#[tokio::test(start_paused = true)]
async fn a_wakeup_ends_one_wait() {
    let cluster = Cluster::start(1);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    let handle = consumer.wakeup_handle();
    tokio::spawn(async move {
        tokio::time::sleep(3 * SECOND).await;
        handle.wakeup();
    });
    assert!(matches!(consumer.poll(60 * SECOND).await, Err(Error::Wakeup)));
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    consumer.wakeup_handle().wakeup();
    assert!(matches!(consumer.end_offsets([tp(0)]).await, Err(Error::Wakeup)));
    assert_eq!(consumer.end_offsets([tp(0)]).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_loses_nothing() {
    let cluster = Cluster::start(1);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    let mut found = Vec::new();
    for _ in 0..30 {
        cluster.append(0, 1);
        let wait = Duration::from_millis(7);
        if let Ok(records) = tokio::time::timeout(wait, consumer.poll(60 * SECOND)).await {
            found.extend(records.unwrap().iter().map(|record| record.offset));
        }
    }
    while found.len() < 30 {
        found.extend(consumer.poll(SECOND).await.unwrap().iter().map(|record| record.offset));
    }
    assert_eq!(found, (0..30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stops_is_waited_for() {
    let cluster = Cluster::start(1);
    cluster.append(0, 1);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, [(0, 0)]);
    cluster.mock.stop_broker(1).await;
    assert!(consumer.poll(5 * SECOND).await.unwrap().is_empty());
    cluster.append(0, 1);
    cluster.mock.start_broker(1);
    assert_eq!(read(&mut consumer, 1).await, [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn records_one_by_one_and_with_types() {
    let cluster = Cluster::start(1);
    cluster.append(0, 600);
    let mut consumer = cluster.consumer(|_| {});
    consumer.assign([tp(0)]).unwrap();
    let mut stream = consumer.stream();
    for expect in 0..600 {
        assert_eq!(stream.next().await.unwrap().offset, expect);
    }
    drop(stream);
    consumer.seek(&tp(0), 7).unwrap();
    let mut typed = TypedConsumer::new(consumer, StringDeserializer, StringDeserializer);
    let records = typed.poll(SECOND).await.unwrap();
    assert_eq!(records[0].value.as_deref(), Some("7"));
    typed.consumer().seek(&tp(0), 98).unwrap();
    // Values of three digits are no shorts.
    let mut typed = TypedConsumer::new(typed.into_inner(), BytesDeserializer, ShortDeserializer);
    assert_eq!(typed.poll(SECOND).await.unwrap().len(), 2);
    for _ in 0..2 {
        let error = typed.poll(SECOND).await.unwrap_err().to_string();
        assert!(error.contains("offset 100 of t-0"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn misuse_is_told() {
    let cluster = Cluster::start(1);
    let mut consumer = cluster.consumer(|_| {});
    assert!(consumer.poll(SECOND).await.unwrap_err().to_string().contains("not subscribed"));
    assert!(consumer.commit().await.unwrap_err().to_string().contains("group.id"));
    assert!(consumer.subscribe(["t"]).await.unwrap_err().to_string().contains("group.id"));
    assert!(consumer.group_metadata().is_err());
    consumer.close_with(SECOND, CloseOperation::Default).await.unwrap();
    assert!(matches!(consumer.assign([tp(0)]), Err(Error::Closed(_))));
}
