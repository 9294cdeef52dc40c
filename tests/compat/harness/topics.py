"""Makes, feeds and reads topics by librdkafka: topics.py make BOOTSTRAP TOPIC=PARTITIONS..., topics.py feed BOOTSTRAP < records,
topics.py read BOOTSTRAP TOPIC... > records, as lines of JSON.

feed: [topic, key, value, timestamp, partition or null], partitions as Java's clients choose them; acknowledged when it ends. read: read_committed, to the ends
of all partitions: [topic, partition, offset, key, value].
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def make(bootstrap, topics):
    """They are there, with leaders, when this ends."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
    for f in admin.create_topics([NewTopic(t.split("=")[0], int(t.split("=")[1]), 1) for t in topics]).values():
        f.result(120)
    until = time.monotonic() + 120
    for t in topics:
        while len(admin.list_topics(t.split("=")[0], timeout=60).topics[t.split("=")[0]].partitions) != int(t.split("=")[1]):
            if time.monotonic() > until:
                sys.exit(f"{t} is not there after 120 s")
            time.sleep(0.05)


def feed(bootstrap):
    p = Producer({"bootstrap.servers": bootstrap, "log_level": 4, "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 2, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200})
    failed = []
    for line in sys.stdin:
        topic, key, value, at, partition = json.loads(line)
        more = {} if partition is None else {"partition": partition}
        p.produce(topic, value, key, timestamp=at, on_delivery=lambda e, m: failed.append(str(e)) if e else None, **more)
        p.poll(0)
    left = p.flush(150)
    if failed or left:
        sys.exit(f"{left} left, {len(failed)} failed: {failed[:2]}")


def text(b) -> str:
    """Bytes that are not UTF-8 become lone surrogates, from which they can be had back."""
    return (b or b"").decode("utf-8", "surrogateescape")


def read(bootstrap, topics):
    c = Consumer({"bootstrap.servers": bootstrap, "log_level": 4, "group.id": "without-commits", "enable.auto.commit": False, "isolation.level": "read_committed", "auto.offset.reset": "error",
                  "enable.partition.eof": True, "fetch.wait.max.ms": 50})
    left = set()
    for t in topics:
        for p in c.list_topics(t, timeout=60).topics[t].partitions:
            left.add((t, p))
    c.assign([TopicPartition(t, p, 0) for t, p in left])
    while left:
        for m in c.consume(1000, 0.2):
            if m.error() is None:
                print(json.dumps([m.topic(), m.partition(), m.offset(), text(m.key()), text(m.value())]))
            elif m.error().code() == KafkaError._PARTITION_EOF:
                left.discard((m.topic(), m.partition()))
            else:
                sys.exit(str(m.error()))
    c.close()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] == "feed":
        feed(sys.argv[2])
    else:
        read(sys.argv[2], sys.argv[3:])
