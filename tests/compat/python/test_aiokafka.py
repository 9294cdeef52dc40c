"""aiokafka: produce, consume, groups, admin, offsets, timestamps, compression."""

import asyncio
import time
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from conftest import unique


async def fill(bootstrap, topic, n, partition=0, **config):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=10, **config) as p:
        sent = [await p.send(topic, key=b"k%d" % i, value=b"v%d" % i, partition=partition) for i in range(n)]
        return [await f for f in sent]


def consumer(bootstrap, *topics, **config):
    config = {"group_id": None, "auto_offset_reset": "earliest", "enable_auto_commit": False, "heartbeat_interval_ms": 300, "session_timeout_ms": 45000, "metadata_max_age_ms": 1000, **config}
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, **config)


async def read(c, n, seconds=120):
    got, end = [], time.monotonic() + seconds
    while len(got) < n:
        assert time.monotonic() < end, f"only {len(got)} of {n}"
        for records in (await c.getmany(timeout_ms=200)).values():
            got += records
    assert len(got) == n and not any((await c.getmany(timeout_ms=20)).values())
    return got


async def eventually(ok, seconds=120):
    end = time.monotonic() + seconds
    while not await ok():
        assert time.monotonic() < end, "not within the time"
        await asyncio.sleep(0.05)


def values(records):
    return [r.value.decode() for r in records]


def numbered(a, b):
    return [f"v{i}" for i in range(a, b)]


@pytest.mark.parametrize("acks", [0, 1, "all"])
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_produce_and_consume(bootstrap, make_topic, codec, acks):
    t = make_topic()
    metadata = await fill(bootstrap, t, 200, compression_type=codec, acks=acks)
    if acks != 0:
        assert [m.offset for m in metadata] == list(range(200))
    async with consumer(bootstrap) as c:
        c.assign([TopicPartition(t, 0)])
        got = await read(c, 200)
        assert values(got) == numbered(0, 200) and [r.offset for r in got] == list(range(200))


async def test_idempotent(bootstrap, make_topic):
    t = make_topic()
    assert [m.offset for m in await fill(bootstrap, t, 1000, enable_idempotence=True, max_batch_size=300)] == list(range(1000))


async def test_headers_nulls_and_timestamps(bootstrap, make_topic):
    t, u = make_topic(), make_topic(message_timestamp_type="LogAppendTime")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as p:
        await p.send_and_wait(t, None, key=b"k", partition=0, headers=[("a", b"1"), ("a", b"2"), ("n", None)], timestamp_ms=1_600_000_000_000)
        await p.send_and_wait(t, b"", key=None, partition=0)
        await p.send_and_wait(u, b"x", partition=0, timestamp_ms=1_600_000_000_000)
    async with consumer(bootstrap) as c:
        c.assign([TopicPartition(t, 0)])
        a, b = await read(c, 2)
        assert list(a.headers) == [("a", b"1"), ("a", b"2"), ("n", None)] and a.value is None and (a.timestamp, a.timestamp_type) == (1_600_000_000_000, 0)
        assert b.key is None and b.value == b""
        c.assign([TopicPartition(u, 0)])
        x = (await read(c, 1))[0]
        assert x.timestamp_type == 1 and abs(x.timestamp - time.time() * 1000) < 60_000


async def test_record_too_large(bootstrap, make_topic):
    t = make_topic(max_message_bytes=10_000)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as p:
        with pytest.raises(MessageSizeTooLargeError):
            await p.send_and_wait(t, b"x" * 50_000, partition=0)
        assert (await p.send_and_wait(t, b"x", partition=0)).offset == 0


async def test_auto_created_topic(bootstrap, name):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as p:
        assert (await p.send_and_wait(name, b"x")).offset == 0


async def test_batches_by_hand(bootstrap, make_topic):
    t = make_topic()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as p:
        batch = p.create_batch()
        n = 0
        while batch.append(key=None, value=b"v%d" % n, timestamp=None) is not None:
            n += 1
        future = await p.send_batch(batch, t, partition=0)
        assert (await future).offset == 0
    async with consumer(bootstrap) as c:
        c.assign([TopicPartition(t, 0)])
        assert values(await read(c, n)) == numbered(0, n)


async def test_offsets(bootstrap, make_topic):
    t = make_topic()
    tp = TopicPartition(t, 0)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=50) as p:
        for i in range(50):
            await p.send(t, b"v%d" % i, partition=0, timestamp_ms=1_700_000_000_000 + 1000 * i)
    async with consumer(bootstrap) as c:
        assert await c.beginning_offsets([tp]) == {tp: 0} and await c.end_offsets([tp]) == {tp: 50}
        found = (await c.offsets_for_times({tp: 1_700_000_000_000 + 20_500}))[tp]
        assert (found.offset, found.timestamp) == (21, 1_700_000_000_000 + 21_000)
        assert (await c.offsets_for_times({tp: 1_800_000_000_000}))[tp] is None
        c.assign([tp])
        c.seek(tp, 45)
        assert values(await read(c, 5)) == numbered(45, 50)
        await c.seek_to_beginning(tp)
        assert len(await read(c, 50)) == 50
        assert await c.position(tp) == 50
        await c.seek_to_end(tp)
        assert await c.position(tp) == 50


async def test_out_of_range(bootstrap, make_topic):
    t = make_topic()
    tp = TopicPartition(t, 0)
    await fill(bootstrap, t, 5)
    async with consumer(bootstrap, auto_offset_reset="none") as c:
        c.assign([tp])
        c.seek(tp, 99)
        with pytest.raises(OffsetOutOfRangeError):
            await asyncio.wait_for(c.getone(), 120)


async def test_small_fetches(bootstrap, make_topic):
    t = make_topic()
    await fill(bootstrap, t, 1000, max_batch_size=500)
    async with consumer(bootstrap, max_partition_fetch_bytes=700) as c:
        c.assign([TopicPartition(t, 0)])
        assert values(await read(c, 1000)) == numbered(0, 1000)


async def test_pause_and_resume(bootstrap, make_topic):
    t = make_topic(2)
    await fill(bootstrap, t, 10, 0)
    await fill(bootstrap, t, 10, 1)
    async with consumer(bootstrap) as c:
        c.assign([TopicPartition(t, 0), TopicPartition(t, 1)])
        c.pause(TopicPartition(t, 0))
        assert {r.partition for r in await read(c, 10)} == {1}
        c.resume(TopicPartition(t, 0))
        assert {r.partition for r in await read(c, 10)} == {0}


async def test_long_poll_wakes(bootstrap, make_topic):
    t = make_topic()
    async with consumer(bootstrap, fetch_max_wait_ms=300_000, request_timeout_ms=400_000) as c:
        c.assign([TopicPartition(t, 0)])
        waiting = asyncio.create_task(c.getone())
        await asyncio.sleep(0.5)
        await fill(bootstrap, t, 1)
        await asyncio.wait_for(waiting, 120)  # the fetch would wait longer


async def test_group_commit_and_continue(bootstrap, make_topic, group):
    t = make_topic()
    tp = TopicPartition(t, 0)
    await fill(bootstrap, t, 20)
    async with consumer(bootstrap, t, group_id=group) as c:
        for _ in range(8):
            await asyncio.wait_for(c.getone(), 120)
        await c.commit({tp: OffsetAndMetadata(8, "meta")})
        assert await c.committed(tp) == 8
    async with consumer(bootstrap, t, group_id=group) as c:
        assert values(await read(c, 12)) == numbered(8, 20)


@pytest.mark.parametrize("assignor", [RoundRobinPartitionAssignor, StickyPartitionAssignor])
async def test_group_of_two(bootstrap, make_topic, group, assignor):
    t = make_topic(4)
    for i in range(4):
        await fill(bootstrap, t, 5, i)
    seen, config = Counter(), {"group_id": group, "partition_assignment_strategy": [assignor], "enable_auto_commit": True, "auto_commit_interval_ms": 100}
    async with consumer(bootstrap, t, **config) as a:
        async def assigned():
            return len(a.assignment()) == 4
        await eventually(assigned)
        async with consumer(bootstrap, t, **config) as b:
            async def shared():
                for c in (a, b):
                    for r in (r for x in (await c.getmany(timeout_ms=50)).values() for r in x):
                        seen[(r.partition, r.offset)] += 1
                return len(a.assignment()) == 2 and len(b.assignment()) == 2 and len(seen) == 20
            await eventually(shared)
        await eventually(assigned)


async def test_rebalance_listener(bootstrap, make_topic, group):
    t = make_topic(2)
    events = []

    class Listener(ConsumerRebalanceListener):
        async def on_partitions_revoked(self, revoked):
            events.append(("revoked", len(revoked)))

        async def on_partitions_assigned(self, assigned):
            events.append(("assigned", len(assigned)))

    async with consumer(bootstrap, group_id=group) as c:
        c.subscribe([t], listener=Listener())

        async def assigned():
            await c.getmany(timeout_ms=50)
            return ("assigned", 2) in events
        await eventually(assigned)
        c.unsubscribe()


async def test_static_membership(bootstrap, make_topic, group):
    t = make_topic(2)
    for _ in range(2):
        async with consumer(bootstrap, t, group_id=group, group_instance_id="one") as c:
            async def assigned():
                await c.getmany(timeout_ms=50)
                return len(c.assignment()) == 2
            await eventually(assigned)


async def test_pattern(bootstrap, group):
    prefix = unique("rx")
    for s in "ab":
        await fill(bootstrap, f"{prefix}-{s}", 3)
    async with consumer(bootstrap, group_id=group) as c:
        c.subscribe(pattern=f"^{prefix}-.*")
        assert len(await read(c, 6)) == 6


@pytest.fixture
async def admin(bootstrap):
    a = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await a.start()
    yield a
    await a.close()


async def test_admin_topics(admin, name):
    answer = await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1234"})])
    assert answer.topic_errors[0][1] == 0
    assert (await admin.create_topics([NewTopic(name, 2, 1)])).topic_errors[0][1] == 36
    assert (await admin.create_topics([NewTopic("a b", 2, 1)])).topic_errors[0][1] == 17

    async def there():
        return name in await admin.list_topics()
    await eventually(there)
    await admin.create_partitions({name: NewPartitions(5)})

    async def five():
        return len((await admin.describe_topics([name]))[0]["partitions"]) == 5
    await eventually(five)
    assert (await admin.delete_topics([name])).topic_error_codes[0][1] == 0

    async def gone():
        return name not in await admin.list_topics()
    await eventually(gone)


async def test_admin_configs(admin, make_topic):
    t = make_topic(retention_ms=5000)
    d = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, t)])
    assert "retention.ms" in str(d) and "5000" in str(d)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, t, configs={"segment.ms": "99999"})])

    async def seen():
        return "99999" in str(await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, t)]))
    await eventually(seen)


async def test_admin_cluster(admin):
    d = await admin.describe_cluster()
    assert len(d["brokers"]) == 1 and len(d["cluster_id"]) == 22


async def test_admin_groups(bootstrap, admin, make_topic, group):
    t = make_topic(2)
    tp = TopicPartition(t, 0)
    async with consumer(bootstrap, t, group_id=group) as c:
        async def assigned():
            await c.getmany(timeout_ms=50)
            return len(c.assignment()) == 2
        await eventually(assigned)
        await c.commit({tp: OffsetAndMetadata(0, "")})
        d = await admin.describe_consumer_groups([group])
        assert "Stable" in str(d[0])
        assert group in [g[0] for g in await admin.list_consumer_groups()]
    assert (await admin.list_consumer_group_offsets(group))[tp].offset == 0


async def test_admin_delete_records(bootstrap, admin, make_topic):
    from aiokafka.admin.records_to_delete import RecordsToDelete

    t = make_topic()
    tp = TopicPartition(t, 0)
    await fill(bootstrap, t, 30)
    assert (await admin.delete_records({tp: RecordsToDelete(before_offset=12)}))[tp] == 12
    async with consumer(bootstrap) as c:
        assert await c.beginning_offsets([tp]) == {tp: 12}


async def test_unknown_topic_when_not_allowed(bootstrap, name):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as p:
        with pytest.raises((KafkaError, ValueError)):
            await p.send_and_wait("not a name", b"x")
