"""Watches a topic while all goes wrong: watch.py BOOTSTRAP TOPIC LOG. SIGTERM ends it.

`H partition high_watermark` and `L partition last_stable_offset`, as often as they can be had; `R partition offset value` for each record that a
read_committed reader is given, from the start.
"""

import signal
import sys

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

stopped = []


def main(bootstrap, topic, log):
    common = {"bootstrap.servers": bootstrap, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "socket.timeout.ms": 5000}
    admin = AdminClient(common)
    c = Consumer({**common, "group.id": "watch-without-commits", "enable.auto.commit": False, "isolation.level": "read_committed", "auto.offset.reset": "error", "fetch.error.backoff.ms": 20})
    partitions = sorted(c.list_topics(topic, timeout=120).topics[topic].partitions)
    c.assign([TopicPartition(topic, p, 0) for p in partitions])
    asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in partitions}
    with open(log, "w", buffering=1 << 16) as out:
        while not stopped:
            # The last stable offset first: of two answers of one moment it is never the greater one.
            for kind, level in (("L", IsolationLevel.READ_COMMITTED), ("H", IsolationLevel.READ_UNCOMMITTED)):
                for p, f in admin.list_offsets(asked, isolation_level=level, request_timeout=3).items():
                    try:
                        offset = f.result(5).offset
                        if offset >= 0:
                            out.write(f"{kind} {p.partition} {offset}\n")
                    except (KafkaException, TimeoutError):
                        pass
            for m in c.consume(500, 0.02):
                if m.error() is None:
                    out.write(f"R {m.partition()} {m.offset()} {m.value().decode()}\n")
        c.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    main(*sys.argv[1:4])
