"""A member of a consumer group that writes down what it gets: member.py BOOTSTRAP GROUP TOPIC LOG. SIGTERM ends it. The log: suite.py."""

import signal
import sys
import time
import zlib

from confluent_kafka import Consumer, KafkaException, TopicPartition


def main(bootstrap, group, topic, log):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    with open(log, "a") as out:

        def say(event, partition, offset=-1, crc=0):
            out.write(f"{time.time_ns()} {event} {partition} {offset} {crc}\n")

        c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "earliest",
                      "partition.assignment.strategy": "range", "session.timeout.ms": 10000, "heartbeat.interval.ms": 500, "max.partition.fetch.bytes": 200000,
                      "queued.max.messages.kbytes": 2048, "reconnect.backoff.max.ms": 500})

        def each(event):
            return lambda _, partitions: [say(event, p.partition) for p in partitions]

        c.subscribe([topic], on_assign=each("P"), on_revoke=each("V"), on_lost=each("V"))
        while not stopped:
            following = {}
            for m in c.consume(500, 0.3):
                if m.error() is None:
                    say("R", m.partition(), m.offset(), zlib.crc32(m.value(), zlib.crc32(m.key())))
                    following[m.partition()] = m.offset() + 1
            for p, o in following.items():
                say("C", p, o)
            out.flush()
            if following:
                try:
                    answers = c.commit(offsets=[TopicPartition(topic, p, o) for p, o in following.items()], asynchronous=False)
                    for a in answers:
                        if a.error is None:
                            say("A", a.partition, a.offset)
                except KafkaException as e:
                    print("commit:", e, file=sys.stderr)
                out.flush()
        c.close()


if __name__ == "__main__":
    main(*sys.argv[1:5])
