"""confluent-kafka (librdkafka): produce, consume, groups, admin, offsets, timestamps, compression."""

import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicCollection
from conftest import eventually, unique

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.fixture
def admin(librdkafka_admin):
    return librdkafka_admin


def produce(bootstrap, topic, n, partition=0, start=0, **config):
    """n acknowledged records k0/v0 ...; their delivery reports."""
    p = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **config})
    reports = []
    for i in range(start, start + n):
        p.produce(topic, key=f"k{i}", value=f"v{i}", partition=partition, on_delivery=lambda e, m: reports.append((e, m)))
    assert p.flush(120) == 0
    assert [e for e, _ in reports if e] == []
    return [m for _, m in reports]


def consumer(bootstrap, group, **config):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                     "heartbeat.interval.ms": 300, "topic.metadata.refresh.interval.ms": 500, **config})


def read(c, n, seconds=120):
    """Exactly n records: waits for them, and a moment longer to see that there are no more."""
    got, end = [], time.monotonic() + seconds
    while len(got) < n:
        assert time.monotonic() < end, f"only {len(got)} of {n}"
        m = c.poll(0.2)
        if m is not None:
            assert m.error() is None, m.error()
            got.append(m)
    assert c.poll(0.05) is None
    return got


def values(messages):
    return [m.value().decode() for m in messages]


def numbered(a, b):
    return [f"v{i}" for i in range(a, b)]


# ---- producing


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@pytest.mark.parametrize("codec", CODECS)
def test_produce_and_consume(bootstrap, make_topic, group, codec, acks):
    t = make_topic()
    reports = produce(bootstrap, t, 200, **{"compression.type": codec, "acks": acks})
    if acks != "0":
        assert [m.offset() for m in reports] == list(range(200))
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING)])
    got = read(c, 200)
    assert values(got) == numbered(0, 200)
    assert [m.offset() for m in got] == list(range(200))
    c.close()


def test_idempotent(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 3000, **{"enable.idempotence": True, "batch.num.messages": 7})
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING)])
    assert values(read(c, 3000)) == numbered(0, 3000)
    c.close()


def test_headers_nulls_and_empty(bootstrap, make_topic, group):
    t = make_topic()
    p = Producer({"bootstrap.servers": bootstrap})
    p.produce(t, partition=0, key=None, value=None, headers=[("a", b"1"), ("a", b"2"), ("n", None), ("e", b"")])
    p.produce(t, partition=0, key=b"", value=b"")
    assert p.flush(120) == 0
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING)])
    first, second = read(c, 2)
    assert first.headers() == [("a", b"1"), ("a", b"2"), ("n", None), ("e", b"")]
    assert first.key() is None and first.value() is None
    assert second.key() == b"" and second.value() == b""
    c.close()


def test_timestamps(bootstrap, make_topic, group):
    t, u = make_topic(), make_topic(message_timestamp_type="LogAppendTime")
    p = Producer({"bootstrap.servers": bootstrap})
    before = time.time() * 1000
    for topic in (t, u):
        p.produce(topic, partition=0, value=b"x", timestamp=1_600_000_000_000)
    assert p.flush(120) == 0
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING), TopicPartition(u, 0, OFFSET_BEGINNING)])
    kinds = {m.topic(): m.timestamp() for m in read(c, 2)}
    assert kinds[t] == (TIMESTAMP_CREATE_TIME, 1_600_000_000_000)
    assert kinds[u][0] == TIMESTAMP_LOG_APPEND_TIME and abs(kinds[u][1] - before) < 120_000
    c.close()


def test_large_records(bootstrap, make_topic, group):
    t = make_topic(max_message_bytes=3_000_000)
    p = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 3_000_000})
    value = bytes(range(256)) * 8000
    for _ in range(5):
        p.produce(t, partition=0, value=value)
    assert p.flush(120) == 0
    c = consumer(bootstrap, group, **{"fetch.message.max.bytes": 1000})
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING)])
    assert all(m.value() == value for m in read(c, 5))
    c.close()


def test_record_too_large_for_the_topic(bootstrap, make_topic):
    t = make_topic(max_message_bytes=10_000)
    p, errors = Producer({"bootstrap.servers": bootstrap}), []
    p.produce(t, partition=0, value=b"x" * 50_000, on_delivery=lambda e, m: errors.append(e))
    p.flush(120)
    assert errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_auto_created_topic(bootstrap, name, admin):
    produce(bootstrap, name, 3, partition=-1)
    assert name in admin.list_topics(timeout=60).topics


def test_unknown_partition(bootstrap, make_topic):
    t = make_topic()
    p, errors = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 3000}), []
    p.produce(t, partition=0, value=b"ok")
    p.flush(120)
    with pytest.raises(KafkaException):
        p.produce(t, partition=9, value=b"x", on_delivery=lambda e, m: errors.append(e))
        p.flush(120)
        raise KafkaException(errors[0])


def test_partitioning_by_key(bootstrap, make_topic, group):
    t = make_topic(6)
    p, seen = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"}), {}
    for _ in range(2):
        for i in range(50):
            p.produce(t, key=f"key-{i}", value=b"x", on_delivery=lambda e, m: seen.setdefault(m.key(), set()).add(m.partition()))
    assert p.flush(120) == 0
    assert all(len(s) == 1 for s in seen.values()) and len({min(s) for s in seen.values()}) == 6


def test_many_producers_at_once(bootstrap, make_topic, group):
    t = make_topic(3)
    threads = [threading.Thread(target=produce, args=(bootstrap, t, 300, i % 3)) for i in range(6)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    c = consumer(bootstrap, group)
    c.subscribe([t])
    assert len(read(c, 1800)) == 1800
    c.close()


# ---- offsets


def test_watermarks_and_seek(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 50)
    c = consumer(bootstrap, group)
    assert c.get_watermark_offsets(TopicPartition(t, 0), timeout=60) == (0, 50)
    c.assign([TopicPartition(t, 0, 40)])
    assert values(read(c, 10)) == numbered(40, 50)
    c.seek(TopicPartition(t, 0, 45))
    assert values(read(c, 5)) == numbered(45, 50)
    assert c.position([TopicPartition(t, 0)])[0].offset == 50
    c.close()


def test_offsets_for_times(bootstrap, make_topic, group):
    t = make_topic()
    p = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "compression.type": "zstd"})
    for i in range(100):
        p.produce(t, partition=0, value=b"x", timestamp=1_700_000_000_000 + 1000 * i)
    assert p.flush(120) == 0
    c = consumer(bootstrap, group)
    for ts, want in [(0, 0), (1_700_000_000_000 + 41_500, 42), (1_700_000_000_000 + 99_000, 99), (1_800_000_000_000, OFFSET_END)]:
        assert c.offsets_for_times([TopicPartition(t, 0, ts)], timeout=60)[0].offset == want
    c.close()


def test_pause_and_resume(bootstrap, make_topic, group):
    t = make_topic(2)
    produce(bootstrap, t, 10, 0)
    produce(bootstrap, t, 10, 1)
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, 0), TopicPartition(t, 1, 0)])
    c.pause([TopicPartition(t, 0)])
    assert {m.partition() for m in read(c, 10)} == {1}
    c.resume([TopicPartition(t, 0)])
    assert {m.partition() for m in read(c, 10)} == {0}
    c.close()


def test_offset_out_of_range_resets(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 10)
    c = consumer(bootstrap, group)
    c.assign([TopicPartition(t, 0, 500)])
    assert values(read(c, 10)) == numbered(0, 10)
    c.close()


def test_end_of_partition(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 3)
    c = consumer(bootstrap, group, **{"enable.partition.eof": True})
    c.assign([TopicPartition(t, 0, 0)])
    codes, end = [], time.monotonic() + 120
    while KafkaError._PARTITION_EOF not in codes and time.monotonic() < end:
        m = c.poll(0.5)
        if m is not None:
            codes.append(m.error().code() if m.error() else "record")
    assert codes == ["record"] * 3 + [KafkaError._PARTITION_EOF]
    c.close()


# ---- groups


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "cooperative-sticky"])
def test_group_of_two(bootstrap, make_topic, group, assignor):
    t = make_topic(4)
    config = {"partition.assignment.strategy": assignor}
    a, b = consumer(bootstrap, group, **config), consumer(bootstrap, group, **config)
    a.subscribe([t])
    eventually(lambda: (a.poll(0.1), len(a.assignment()))[1] == 4)
    b.subscribe([t])
    eventually(lambda: (a.poll(0.1), b.poll(0.1), len(a.assignment()) == 2 and len(b.assignment()) == 2)[2])
    b.close()
    eventually(lambda: (a.poll(0.1), len(a.assignment()))[1] == 4)
    a.close()


def test_commit_and_continue(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 20)
    c = consumer(bootstrap, group)
    c.subscribe([t])
    got = []
    while len(got) < 8:
        m = c.poll(1)
        if m:
            got.append(m)
    committed = c.commit(message=got[7], asynchronous=False)
    assert committed[0].offset == 8
    c.close()
    c = consumer(bootstrap, group)
    assert c.committed([TopicPartition(t, 0)], timeout=60)[0].offset == 8
    c.subscribe([t])
    assert values(read(c, 12)) == numbered(8, 20)
    c.close()


def test_auto_commit(bootstrap, make_topic, group):
    t = make_topic()
    produce(bootstrap, t, 10)
    c = consumer(bootstrap, group, **{"enable.auto.commit": True, "auto.commit.interval.ms": 200})
    c.subscribe([t])
    read(c, 10)
    c.close()
    c = consumer(bootstrap, group)
    assert c.committed([TopicPartition(t, 0)], timeout=60)[0].offset == 10
    c.close()


def test_static_membership(bootstrap, make_topic, group, admin):
    t = make_topic(2)
    config = {"group.instance.id": "static-1"}
    a = consumer(bootstrap, group, **config)
    a.subscribe([t])
    eventually(lambda: (a.poll(0.1), len(a.assignment()))[1] == 2)
    a.close()
    d = admin.describe_consumer_groups([group])[group].result(120)
    assert [m.group_instance_id for m in d.members] == ["static-1"]
    a = consumer(bootstrap, group, **config)
    a.subscribe([t])
    eventually(lambda: (a.poll(0.1), len(a.assignment()))[1] == 2)
    a.close()


def test_rebalance_callbacks(bootstrap, make_topic, group):
    t = make_topic(2)
    events = []
    a = consumer(bootstrap, group)
    a.subscribe([t], on_assign=lambda c, p: events.append(("assign", len(p))), on_revoke=lambda c, p: events.append(("revoke", len(p))))
    eventually(lambda: (a.poll(0.1), len(a.assignment()))[1] == 2)
    b = consumer(bootstrap, group)
    b.subscribe([t])
    eventually(lambda: (a.poll(0.1), b.poll(0.1), len(a.assignment()) == 1 and len(b.assignment()) == 1)[2])
    a.close()
    b.close()
    assert events[:3] == [("assign", 2), ("revoke", 2), ("assign", 1)]


def test_regex_subscription(bootstrap, group, admin):
    prefix = unique("rx")
    for s in "ab":
        admin.create_topics([NewTopic(f"{prefix}-{s}", 1, 1)])[f"{prefix}-{s}"].result(120)
    produce(bootstrap, f"{prefix}-a", 3)
    produce(bootstrap, f"{prefix}-b", 3)
    c = consumer(bootstrap, group)
    c.subscribe([f"^{prefix}-.*"])
    assert len(read(c, 6)) == 6
    c.close()


# ---- admin


def test_admin_topics(bootstrap, admin, name):
    admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "1234"})])[name].result(120)
    with pytest.raises(KafkaException) as e:
        admin.create_topics([NewTopic(name, 2, 1)])[name].result(120)
    assert e.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions(name, 5)])[name].result(120)
    eventually(lambda: len(admin.list_topics(name, timeout=60).topics[name].partitions) == 5)
    d = admin.describe_topics(TopicCollection([name]))[name].result(120)
    assert d.name == name and len(d.partitions) == 5 and str(d.topic_id)
    admin.delete_topics([name])[name].result(120)
    eventually(lambda: name not in admin.list_topics(timeout=60).topics)


def test_admin_invalid_topics(admin):
    for bad, code in [("a b", KafkaError.TOPIC_EXCEPTION)]:
        with pytest.raises(KafkaException) as e:
            admin.create_topics([NewTopic(bad, 1, 1)])[bad].result(120)
        assert e.value.args[0].code() == code
    with pytest.raises(KafkaException) as e:
        admin.create_topics([NewTopic("rf", 1, 3)])["rf"].result(120)
    assert e.value.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR


def test_admin_configs(admin, make_topic):
    r = ConfigResource(ResourceType.TOPIC, make_topic(retention_ms=5000))
    before = admin.describe_configs([r])[r].result(120)
    assert before["retention.ms"].value == "5000" and before["segment.bytes"].is_default
    change = ConfigResource(ResourceType.TOPIC, r.name, incremental_configs=[ConfigEntry("retention.ms", "7000", incremental_operation=AlterConfigOpType.SET),
                                                                           ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)])
    admin.incremental_alter_configs([change])[change].result(120)
    after = eventually(lambda: (lambda d: d if d["retention.ms"].value == "7000" else None)(admin.describe_configs([r])[r].result(120)))
    assert after["cleanup.policy"].value == "delete,compact"
    wrong = ConfigResource(ResourceType.TOPIC, r.name, incremental_configs=[ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)])
    with pytest.raises(KafkaException) as e:
        admin.incremental_alter_configs([wrong])[wrong].result(120)
    assert e.value.args[0].code() == KafkaError.INVALID_CONFIG
    b = ConfigResource(ResourceType.BROKER, str(next(iter(admin.list_topics(timeout=60).brokers))))
    assert len(admin.describe_configs([b])[b].result(120)) > 150


def test_admin_legacy_alter_configs(admin, make_topic):
    t = make_topic(retention_ms=5000)
    r = ConfigResource(ResourceType.TOPIC, t, set_config={"segment.ms": "99999"})
    admin.alter_configs([r])[r].result(120)
    # the old call replaces everything that was set
    d = eventually(lambda: (lambda d: d if d["segment.ms"].value == "99999" else None)(admin.describe_configs([r])[r].result(120)))
    assert d["retention.ms"].value == "604800000"


def test_admin_cluster(admin, bootstrap):
    d = admin.describe_cluster().result(120)
    assert len(d.cluster_id) == 22 and len(d.nodes) == 1 and d.controller.id == d.nodes[0].id
    assert f"{d.nodes[0].host}:{d.nodes[0].port}" == bootstrap


def test_admin_groups(bootstrap, admin, make_topic, group):
    t = make_topic(2)
    c = consumer(bootstrap, group)
    c.subscribe([t])
    eventually(lambda: (c.poll(0.1), len(c.assignment()))[1] == 2)
    d = admin.describe_consumer_groups([group])[group].result(120)
    assert d.state == ConsumerGroupState.STABLE and d.partition_assignor == "range" and len(d.members) == 1
    assert len(d.members[0].assignment.topic_partitions) == 2
    assert group in [g.group_id for g in admin.list_consumer_groups().result(120).valid]
    stable = admin.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(120).valid
    assert group in [g.group_id for g in stable]
    with pytest.raises(KafkaException) as e:
        admin.delete_consumer_groups([group])[group].result(120)
    assert e.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    c.close()
    eventually(lambda: admin.describe_consumer_groups([group])[group].result(120).state == ConsumerGroupState.EMPTY)
    change = ConsumerGroupTopicPartitions(group, [TopicPartition(t, 1, 7)])
    admin.alter_consumer_group_offsets([change])[group].result(120)
    got = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, None)])[group].result(120)
    assert [(p.partition, p.offset) for p in got.topic_partitions] == [(1, 7)]
    admin.delete_consumer_groups([group])[group].result(120)
    assert group not in [g.group_id for g in admin.list_consumer_groups().result(120).valid]


def test_admin_offsets_and_delete_records(bootstrap, admin, make_topic):
    t = make_topic()
    produce(bootstrap, t, 30)
    p = TopicPartition(t, 0)
    assert admin.list_offsets({p: OffsetSpec.latest()})[p].result(120).offset == 30
    assert admin.list_offsets({p: OffsetSpec.earliest()})[p].result(120).offset == 0
    assert admin.list_offsets({p: OffsetSpec.max_timestamp()})[p].result(120).offset >= 0
    at = TopicPartition(t, 0, 12)
    assert admin.delete_records([at])[at].result(120).low_watermark == 12
    assert admin.list_offsets({p: OffsetSpec.earliest()})[p].result(120).offset == 12


def test_admin_elect_leaders(admin, make_topic):
    from confluent_kafka import ElectionType

    p = TopicPartition(make_topic(), 0)
    result = admin.elect_leaders(ElectionType.PREFERRED, [p]).result(120)
    assert list(result.values())[0].code() == KafkaError.ELECTION_NOT_NEEDED


def test_old_api_version_request(bootstrap):
    """A client that does not ask for versions talks as an old one does; librdkafka still knows how."""
    a = AdminClient({"bootstrap.servers": bootstrap, "api.version.request.timeout.ms": 60000, "broker.version.fallback": "0.10.0"})
    assert a.list_topics(timeout=60).brokers
