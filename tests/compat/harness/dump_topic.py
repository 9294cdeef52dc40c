"""All records of all partitions of a topic, without a group: dump_topic.py BOOTSTRAP TOPIC FILE.

The file: (i32 partition, i64 offset, i32 length, key, i32 length, value)*, big-endian; length -1 is null.
"""

import struct
import sys
import time

from confluent_kafka import Consumer, TopicPartition


def field(b):
    return struct.pack(">i", -1) if b is None else struct.pack(">i", len(b)) + b


def main(bootstrap, topic, target):
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "dump-without-commits", "enable.auto.commit": False, "auto.offset.reset": "error", "check.crcs": True})
    partitions = sorted(c.list_topics(topic, timeout=60).topics[topic].partitions)
    ends = {}
    for p in partitions:
        low, high = c.get_watermark_offsets(TopicPartition(topic, p), timeout=60)
        ends[p] = high
    c.assign([TopicPartition(topic, p, 0) for p in partitions])
    left = {p for p in partitions if ends[p] > 0}
    patience = time.monotonic() + 900
    with open(target, "wb") as out:
        while left:
            if time.monotonic() > patience:
                sys.exit(f"not read to the end within 900 s: {left}")
            for m in c.consume(2000, 0.5):
                if m.error():
                    sys.exit(str(m.error()))
                out.write(struct.pack(">iq", m.partition(), m.offset()) + field(m.key()) + field(m.value()))
                if m.offset() + 1 >= ends[m.partition()]:
                    left.discard(m.partition())
    c.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
