"""kafka-python: produce, consume, groups, admin, offsets, timestamps, compression."""

import threading
import time
from collections import Counter

import pytest
from conftest import eventually, unique
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import GroupIdNotFoundError, InvalidTopicError, MessageSizeTooLargeError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata


def producer(bootstrap, **config):
    return KafkaProducer(bootstrap_servers=bootstrap, **config)


def fill(bootstrap, topic, n, partition=0, **config):
    p = producer(bootstrap, linger_ms=10, **config)
    sent = [p.send(topic, partition=partition, key=b"k%d" % i, value=b"v%d" % i) for i in range(n)]
    p.flush(120)
    metadata = [f.get(120) for f in sent]
    p.close()
    return metadata


def consumer(bootstrap, *topics, **config):
    config = {"group_id": None, "auto_offset_reset": "earliest", "enable_auto_commit": False, "heartbeat_interval_ms": 300, "metadata_max_age_ms": 1000, **config}
    return KafkaConsumer(*topics, bootstrap_servers=bootstrap, **config)


def read(c, n, seconds=120):
    got, end = [], time.monotonic() + seconds
    while len(got) < n:
        assert time.monotonic() < end, f"only {len(got)} of {n}"
        for records in c.poll(3000).values():
            got += records
    assert not any(c.poll(20).values()) and len(got) == n
    return got


def values(records):
    return [r.value.decode() for r in records]


def numbered(a, b):
    return [f"v{i}" for i in range(a, b)]


@pytest.mark.parametrize("acks", [0, 1, "all"])
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_produce_and_consume(bootstrap, make_topic, codec, acks):
    t = make_topic()
    metadata = fill(bootstrap, t, 200, compression_type=codec, acks=acks, enable_idempotence=acks == "all")
    if acks != 0:
        assert [m.offset for m in metadata] == list(range(200))
    c = consumer(bootstrap)
    c.assign([TopicPartition(t, 0)])
    got = read(c, 200)
    assert values(got) == numbered(0, 200) and [r.offset for r in got] == list(range(200))
    c.close()


def test_idempotent(bootstrap, make_topic):
    t = make_topic()
    assert [m.offset for m in fill(bootstrap, t, 1000, enable_idempotence=True, acks="all", batch_size=200)] == list(range(1000))


def test_headers_nulls_and_timestamps(bootstrap, make_topic):
    t = make_topic()
    p = producer(bootstrap)
    p.send(t, partition=0, value=None, key=b"k", headers=[("a", b"1"), ("a", b"2"), ("e", b"")], timestamp_ms=1_600_000_000_000).get(120)
    p.send(t, partition=0, value=b"", key=None).get(120)
    p.close()
    c = consumer(bootstrap)
    c.assign([TopicPartition(t, 0)])
    a, b = read(c, 2)
    assert list(a.headers) == [("a", b"1"), ("a", b"2"), ("e", b"")] and a.value is None and a.timestamp == 1_600_000_000_000 and a.timestamp_type == 0
    assert b.key is None and b.value == b"" and abs(b.timestamp - time.time() * 1000) < 60_000
    c.close()


def test_log_append_time(bootstrap, make_topic):
    t = make_topic(message_timestamp_type="LogAppendTime")
    p = producer(bootstrap)
    m = p.send(t, partition=0, value=b"x", timestamp_ms=1_600_000_000_000).get(120)
    p.close()
    c = consumer(bootstrap)
    c.assign([TopicPartition(t, 0)])
    r = read(c, 1)[0]
    assert r.timestamp_type == 1 and r.timestamp == m.timestamp and abs(r.timestamp - time.time() * 1000) < 60_000
    c.close()


def test_record_too_large(bootstrap, make_topic):
    t = make_topic(max_message_bytes=10_000)
    p = producer(bootstrap)
    with pytest.raises(MessageSizeTooLargeError):
        p.send(t, partition=0, value=b"x" * 50_000).get(120)
    p.close()
    p = producer(bootstrap)
    assert p.send(t, partition=0, value=b"x").get(120).offset == 0
    p.close()


def test_auto_created_topic(bootstrap, name):
    p = producer(bootstrap)
    assert p.send(name, value=b"x").get(120).offset == 0
    p.close()


def test_partitioning(bootstrap, make_topic):
    t = make_topic(5)
    p = producer(bootstrap)
    assert p.partitions_for(t) == {0, 1, 2, 3, 4}
    first = {i: p.send(t, key=b"%d" % i, value=b"x").get(120).partition for i in range(30)}
    assert first == {i: p.send(t, key=b"%d" % i, value=b"x").get(120).partition for i in range(30)}
    assert len(set(first.values())) == 5
    p.close()


def test_offsets(bootstrap, make_topic):
    t = make_topic()
    tp = TopicPartition(t, 0)
    p = producer(bootstrap, linger_ms=50)
    for i in range(50):
        p.send(t, partition=0, value=b"v%d" % i, timestamp_ms=1_700_000_000_000 + 1000 * i)
    p.flush(120)
    p.close()
    c = consumer(bootstrap)
    assert c.beginning_offsets([tp]) == {tp: 0} and c.end_offsets([tp]) == {tp: 50}
    found = c.offsets_for_times({tp: 1_700_000_000_000 + 20_500})[tp]
    assert (found.offset, found.timestamp) == (21, 1_700_000_000_000 + 21_000)
    assert c.offsets_for_times({tp: 1_800_000_000_000})[tp] is None
    c.assign([tp])
    c.seek(tp, 45)
    assert values(read(c, 5)) == numbered(45, 50) and c.position(tp) == 50
    c.seek_to_beginning(tp)
    assert len(read(c, 50)) == 50
    c.seek_to_end(tp)
    assert c.position(tp) == 50
    c.seek(tp, 900)  # out of range: from the start again
    assert len(read(c, 50)) == 50
    c.close()


def test_pause_and_resume(bootstrap, make_topic):
    t = make_topic(2)
    fill(bootstrap, t, 10, 0)
    fill(bootstrap, t, 10, 1)
    c = consumer(bootstrap)
    c.assign([TopicPartition(t, 0), TopicPartition(t, 1)])
    c.pause(TopicPartition(t, 0))
    assert {r.partition for r in read(c, 10)} == {1}
    c.resume(TopicPartition(t, 0))
    assert {r.partition for r in read(c, 10)} == {0}
    c.close()


def test_small_fetches(bootstrap, make_topic):
    t = make_topic()
    fill(bootstrap, t, 1000, batch_size=500)
    c = consumer(bootstrap, max_partition_fetch_bytes=700, max_poll_records=9)
    c.assign([TopicPartition(t, 0)])
    assert values(read(c, 1000)) == numbered(0, 1000)
    c.close()


def test_group_commit_and_continue(bootstrap, make_topic, group):
    t = make_topic()
    fill(bootstrap, t, 20)
    c = consumer(bootstrap, t, group_id=group, max_poll_records=8)
    got = []
    eventually(lambda: (got.extend(r for x in c.poll(3000).values() for r in x), len(got) >= 8)[1])
    c.commit({TopicPartition(t, 0): OffsetAndMetadata(8, "meta", -1)})
    assert c.committed(TopicPartition(t, 0)) == 8
    c.close()
    c = consumer(bootstrap, t, group_id=group)
    assert values(read(c, 12)) == numbered(8, 20)
    c.close()


class Polling(threading.Thread):
    """A member in a thread of its own. This client forgets a rebalance that ends between two short polls, so its polls are long."""

    def __init__(self, c, seen):
        super().__init__(daemon=True)
        self.c, self.seen, self.stopped = c, seen, False
        self.start()

    def run(self):
        while not self.stopped:
            for records in self.c.poll(3000).values():
                self.seen.update((r.partition, r.offset) for r in records)

    def stop(self):
        self.stopped = True
        self.join(120)
        self.c.close()


def test_group_of_two(bootstrap, make_topic, group):
    t = make_topic(4)
    seen = Counter()
    config = {"group_id": group, "enable_auto_commit": True, "auto_commit_interval_ms": 500}
    a = Polling(consumer(bootstrap, t, **config), seen)
    b = Polling(consumer(bootstrap, t, **config), seen)
    eventually(lambda: len(a.c.assignment()) == 2 and len(b.c.assignment()) == 2)
    for i in range(4):
        fill(bootstrap, t, 5, i)
    eventually(lambda: len(seen) == 20)
    assert set(seen.values()) == {1}
    b.stop()
    eventually(lambda: len(a.c.assignment()) == 4)
    a.stop()


def test_auto_commit(bootstrap, make_topic, group):
    t = make_topic()
    fill(bootstrap, t, 10)
    c = consumer(bootstrap, t, group_id=group, enable_auto_commit=True, auto_commit_interval_ms=1500)
    read(c, 10)
    c.close()
    c = consumer(bootstrap, group_id=group)
    assert c.committed(TopicPartition(t, 0)) == 10
    c.close()


def test_pattern(bootstrap, group):
    prefix = unique("rx")
    for s in "ab":
        fill(bootstrap, f"{prefix}-{s}", 3, 0)
    c = consumer(bootstrap, group_id=group)
    c.subscribe(pattern=f"^{prefix}-.*")
    assert len(read(c, 6)) == 6
    c.close()


@pytest.fixture
def admin(bootstrap):
    a = KafkaAdminClient(bootstrap_servers=bootstrap)
    yield a
    a.close()


def test_admin_topics(admin, name):
    admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1234"})], wait_for_metadata=True)
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(name, 2, 1)])
    with pytest.raises(InvalidTopicError):
        admin.create_topics([NewTopic("a b", 2, 1)])
    admin.create_partitions({name: NewPartitions(5)})
    eventually(lambda: len(admin.describe_topics([name])[0]["partitions"]) == 5)
    assert name in admin.list_topics()
    admin.delete_topics([name])
    eventually(lambda: name not in admin.list_topics())


def test_admin_configs(admin, make_topic):
    t = make_topic(retention_ms=5000)
    r = ConfigResource(ConfigResourceType.TOPIC, t)
    text = str(admin.describe_configs([r]))
    assert "retention.ms" in text and "5000" in text
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, t, configs={"segment.ms": "99999"})])
    eventually(lambda: "99999" in str(admin.describe_configs([r])))


def test_admin_cluster(admin):
    d = admin.describe_cluster()
    assert len(d["brokers"]) == 1 and len(d["cluster_id"]) == 22
    assert "log_dir" in str(admin.describe_log_dirs())
    assert "metadata.version" in str(admin.describe_features())
    assert str(admin.describe_metadata_quorum())
    assert admin.api_versions()


def test_admin_groups(bootstrap, admin, make_topic, group):
    t = make_topic(2)
    c = consumer(bootstrap, t, group_id=group)
    eventually(lambda: (c.poll(3000), len(c.assignment()) == 2)[1])
    d = admin.describe_groups([group])[group]
    assert d["group_state"] == "Stable" and len(d["members"]) == 1
    assert group in str(admin.list_groups())
    c.commit({TopicPartition(t, 0): OffsetAndMetadata(0, "", -1)})
    c.close()
    assert admin.list_group_offsets(group)[group][TopicPartition(t, 0)].offset == 0
    admin.alter_group_offsets(group, {TopicPartition(t, 1): OffsetAndMetadata(3, "", -1)})
    assert admin.list_group_offsets(group)[group][TopicPartition(t, 1)].offset == 3
    admin.delete_groups([group])
    assert group not in str(admin.list_groups())


def test_admin_records_and_offsets(bootstrap, admin, make_topic):
    from kafka.admin import OffsetSpec

    t = make_topic()
    tp = TopicPartition(t, 0)
    fill(bootstrap, t, 30)
    assert admin.list_partition_offsets({tp: OffsetSpec.LATEST})[tp].offset == 30
    admin.delete_records({tp: 12})
    assert admin.list_partition_offsets({tp: OffsetSpec.EARLIEST})[tp].offset == 12


def test_admin_producers(bootstrap, admin, make_topic):
    t = make_topic()
    fill(bootstrap, t, 3, enable_idempotence=True, acks="all")
    assert "last_sequence" in str(admin.describe_producers([TopicPartition(t, 0)]))
