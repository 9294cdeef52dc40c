"""confluent-kafka (librdkafka): transactions, and groups of the consumer protocol (KIP-848)."""

import threading

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from conftest import eventually, unique
from test_confluent_kafka import numbered, produce, read, values


def transactional(bootstrap, name, **config):
    p = Producer({"bootstrap.servers": bootstrap, "transactional.id": name, "linger.ms": 2, **config})
    p.init_transactions(120)
    return p


def send(p, topic, prefix, n, partition=0):
    for i in range(n):
        p.produce(topic, f"{prefix}{i}", partition=partition)
    assert p.flush(120) == 0


def reader(bootstrap, topic, isolation="read_committed", partitions=1):
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": unique("r"), "isolation.level": isolation, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    c.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    return c


def member(bootstrap, group, protocol, **config):
    """A member of a group; what the broker decides in the consumer protocol may not be configured there."""
    more = {"heartbeat.interval.ms": 300} if protocol == "classic" else {}
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                     "topic.metadata.refresh.interval.ms": 500, "isolation.level": "read_committed", **more, **config})


@pytest.fixture
def transactions(offers):
    offers("AddPartitionsToTxn")


@pytest.fixture(params=["classic", "consumer"])
def protocol(request, offers):
    if request.param == "consumer":
        offers("ConsumerGroupHeartbeat")
    return request.param


@pytest.fixture
def modern(offers):
    offers("ConsumerGroupHeartbeat")


def test_commit_and_abort(bootstrap, make_topic, transactions):
    t = make_topic()
    p = transactional(bootstrap, unique("x"))
    for prefix, commit in [("away", False), ("v", True), ("gone", False)]:
        p.begin_transaction()
        send(p, t, prefix, 5)
        if commit:
            p.commit_transaction(120)
        else:
            p.abort_transaction(120)
    assert values(read(reader(bootstrap, t), 5)) == numbered(0, 5)
    assert len(read(reader(bootstrap, t, "read_uncommitted"), 15)) == 15


def test_many_partitions(bootstrap, make_topic, transactions):
    t = make_topic(partitions=20)
    p = transactional(bootstrap, unique("x"))
    for round_ in range(4):
        p.begin_transaction()
        for i in range(20):
            send(p, t, f"{round_}-", 2, partition=i)
        (p.commit_transaction if round_ % 2 else p.abort_transaction)(120)
    assert len(read(reader(bootstrap, t, partitions=20), 80)) == 80


def test_fenced(bootstrap, make_topic, transactions):
    t, x = make_topic(), unique("x")
    one = transactional(bootstrap, x)
    one.begin_transaction()
    send(one, t, "gone", 1)
    two = transactional(bootstrap, x)
    with pytest.raises(KafkaException) as e:
        one.commit_transaction(120)
    assert e.value.args[0].fatal() and e.value.args[0].code() == KafkaError._FENCED
    two.begin_transaction()
    send(two, t, "v", 1)
    two.commit_transaction(120)
    assert values(read(reader(bootstrap, t), 1)) == ["v0"]


def test_consume_transform_produce(bootstrap, make_topic, transactions, protocol):
    source, out, g = make_topic(partitions=2), make_topic(), unique("g")
    for partition in range(2):
        produce(bootstrap, source, 50, partition=partition, start=partition * 50)
    p, c = transactional(bootstrap, unique("x")), member(bootstrap, g, protocol)
    c.subscribe([source])
    done = rounds = 0
    while done < 100:
        messages = [m for m in c.consume(17, 1) if m.error() is None]
        if not messages:
            continue
        p.begin_transaction()
        for m in messages:
            p.produce(out, m.value())
        p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 120)
        rounds += 1
        if rounds % 3 == 2:
            p.abort_transaction(120)
            for o in c.committed(c.assignment(), timeout=120):
                c.seek(TopicPartition(o.topic, o.partition, max(o.offset, 0)))
        else:
            p.commit_transaction(120)
            done += len(messages)
    assert sorted(values(read(reader(bootstrap, out), 100))) == sorted(numbered(0, 100))
    assert [o.offset for o in c.committed([TopicPartition(source, i) for i in range(2)], timeout=120)] == [50, 50]
    c.close()


def test_members_share_and_leave(bootstrap, make_topic, modern, group):
    t = make_topic(partitions=4)
    for i in range(4):
        produce(bootstrap, t, 10, partition=i, start=i * 10)
    one = member(bootstrap, group, "consumer")
    one.subscribe([t])
    assert sorted(values(read(one, 40))) == sorted(numbered(0, 40))
    one.commit(asynchronous=False)
    two = member(bootstrap, group, "consumer")
    two.subscribe([t])

    def both():
        assert one.poll(0.1) is None and two.poll(0.1) is None
        return len(one.assignment()) == 2 and len(two.assignment()) == 2

    eventually(both)
    assert {(x.topic, x.partition) for x in one.assignment() + two.assignment()} == {(t, i) for i in range(4)}
    one.close()
    eventually(lambda: two.poll(0.1) is None and len(two.assignment()) == 4)
    produce(bootstrap, t, 5)
    assert values(read(two, 5)) == numbered(0, 5)
    two.close()


def test_callbacks(bootstrap, make_topic, modern, group):
    t = make_topic(partitions=2)
    events = []
    c = member(bootstrap, group, "consumer")
    c.subscribe([t], on_assign=lambda _, p: events.append(("assign", len(p))), on_revoke=lambda _, p: events.append(("revoke", len(p))))
    eventually(lambda: c.poll(0.1) is None and len(c.assignment()) == 2)
    c.close()
    assert sum(n for what, n in events if what == "assign") == 2 and events[-1] == ("revoke", 2)


def test_assignors(bootstrap, make_topic, modern, group, librdkafka_admin):
    t = make_topic(partitions=2)
    c = member(bootstrap, group, "consumer", **{"group.remote.assignor": "range"})
    c.subscribe([t])
    eventually(lambda: c.poll(0.1) is None and len(c.assignment()) == 2)
    d = librdkafka_admin.describe_consumer_groups([group])[group].result(120)
    assert d.partition_assignor == "range" and d.type.name == "CONSUMER" and len(d.members) == 1
    c.close()


def test_regex(bootstrap, make_topic, modern, group):
    t, u = make_topic(), make_topic()
    c = member(bootstrap, group, "consumer")
    c.subscribe([f"^({t}|{u})$"])
    eventually(lambda: c.poll(0.1) is None and {x.topic for x in c.assignment()} == {t, u})
    c.close()


def test_static_member(bootstrap, make_topic, modern, group):
    t = make_topic(partitions=2)
    one = member(bootstrap, group, "consumer", **{"group.instance.id": "one"})
    two = member(bootstrap, group, "consumer", **{"group.instance.id": "two"})
    for c in (one, two):
        c.subscribe([t])
    eventually(lambda: one.poll(0.1) is None and two.poll(0.1) is None and len(one.assignment()) == len(two.assignment()) == 1)
    had = one.assignment()
    one.close()
    again = member(bootstrap, group, "consumer", **{"group.instance.id": "one"})
    again.subscribe([t])
    eventually(lambda: again.poll(0.1) is None and again.assignment() == had)
    for c in (again, two):
        c.close()


def test_from_classic_and_back(bootstrap, make_topic, modern, group):
    t = make_topic(partitions=4)
    seen, members = [], []

    class Running:
        def __init__(self, protocol):
            self.c, self.stopped = member(bootstrap, group, protocol), False
            self.c.subscribe([t])
            self.size = 0
            self.thread = threading.Thread(target=self.run)
            self.thread.start()
            members.append(self)

        def run(self):
            while not self.stopped:
                m = self.c.poll(0.1)
                if m is not None and m.error() is None:
                    seen.append(m.value().decode())
                    try:
                        self.c.commit(m, asynchronous=False)
                    except KafkaException:
                        pass  # In the middle of a rebalance: it is read again.
                self.size = len(self.c.assignment())
            self.c.close()

        def end(self):
            self.stopped = True
            self.thread.join(120)
            members.remove(self)

    try:
        a, b = Running("classic"), Running("classic")
        eventually(lambda: a.size == b.size == 2)
        produce(bootstrap, t, 10)
        c = Running("consumer")
        eventually(lambda: a.size + b.size + c.size == 4 and c.size)
        a.end()
        eventually(lambda: b.size == c.size == 2)
        b.end()
        eventually(lambda: c.size == 4)
        produce(bootstrap, t, 10, start=10)
        d = Running("classic")
        eventually(lambda: c.size == d.size == 2)
        c.end()
        eventually(lambda: d.size == 4)
        produce(bootstrap, t, 10, start=20)
        eventually(lambda: set(seen) == set(numbered(0, 30)))
    finally:
        for m in list(members):
            m.end()
