"""A member of a group by librdkafka that writes down what it gets: member.py BOOTSTRAP GROUP TOPIC [key=value ...] LOG. SIGTERM ends it."""

import signal
import sys
import time
import zlib

from confluent_kafka import Consumer, KafkaException, TopicPartition


def main(bootstrap, group, topic, *more):
    *settings, log = more
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    with open(log, "a") as out:

        def say(event, partition, offset=-1, crc=0):
            out.write(f"{time.time_ns()} {event} {partition} {offset} {crc}\n")

        c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "earliest",
                      "fetch.wait.max.ms": 100, **dict(s.split("=", 1) for s in settings)})

        def each(event):
            def told(_, partitions):
                for p in partitions:
                    say(event, p.partition)
                out.flush()

            return told

        c.subscribe([topic], on_assign=each("P"), on_revoke=each("V"), on_lost=each("V"))
        while not stopped:
            following = {}
            for m in c.consume(500, 0.1):
                if m.error() is None:
                    say("R", m.partition(), m.offset(), zlib.crc32(m.value(), zlib.crc32(m.key())))
                    following[m.partition()] = m.offset() + 1
            for p, o in following.items():
                say("C", p, o)
            out.flush()
            if following:
                try:
                    for a in c.commit(offsets=[TopicPartition(topic, p, o) for p, o in following.items()], asynchronous=False):
                        if a.error is None:
                            say("A", a.partition, a.offset)
                except KafkaException as e:
                    print("commit:", e, file=sys.stderr)
                out.flush()
        c.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
