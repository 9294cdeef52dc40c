"""Producers and a reader under a broker that is killed again and again: load.py KIND BOOTSTRAP TOPIC NAME LOG. SIGTERM ends it.

KIND idempotent or plain: produces `NAME:n` to every partition in turn with acks=all and appends `A partition offset n` for each acknowledged
one; any delivery that fails is `F n reason`. KIND reader: follows the topic from its start and commits; `R partition offset value` for
each record, `C partition offset` for each commit that was acknowledged, `G partition offset` for each commit that was read back.
"""

import random
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

PARTITIONS = 4
stopped = []


def produce(kind, bootstrap, topic, name, log):
    config = {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 2, "message.timeout.ms": 300_000, "socket.timeout.ms": 60_000, "reconnect.backoff.ms": 20,
              "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 200, "queue.buffering.max.messages": 1000, "compression.type": random.choice(["none", "lz4", "zstd"]), "batch.num.messages": 50}
    if kind == "idempotent":
        config["enable.idempotence"] = True
    else:
        config["max.in.flight.requests.per.connection"] = 1
    p = Producer(config)
    with open(log, "w", buffering=1 << 16) as out:

        def delivered(n):
            return lambda e, m: out.write(f"F {n} {e}\n" if e else f"A {m.partition()} {m.offset()} {n}\n")

        n = 0
        while not stopped:
            try:
                p.produce(topic, f"{name}:{n}:".ljust(random.randint(12, 600), "x"), partition=n % PARTITIONS, on_delivery=delivered(n))
                n += 1
            except BufferError:
                p.poll(0.05)
                continue
            p.poll(0)
            if n % 20 == 0:
                time.sleep(0.01)
        left = p.flush(240)
        out.write(f"E {n} {left}\n")


def read(bootstrap, topic, name, log):
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": name, "enable.auto.commit": False, "auto.offset.reset": "earliest", "socket.timeout.ms": 60_000, "reconnect.backoff.ms": 20,
                  "reconnect.backoff.max.ms": 100, "fetch.error.backoff.ms": 20})
    partitions = [TopicPartition(topic, p, 0) for p in range(PARTITIONS)]
    c.assign(partitions)
    with open(log, "w", buffering=1 << 16) as out:
        next_look = time.monotonic()
        while not stopped:
            following = {}
            for m in c.consume(500, 0.1):
                if m.error() is None:
                    out.write(f"R {m.partition()} {m.offset()} {m.value().decode()}\n")
                    following[m.partition()] = m.offset() + 1
            try:
                if following:
                    for a in c.commit(offsets=[TopicPartition(topic, p, o) for p, o in following.items()], asynchronous=False):
                        if a.error is None:
                            out.write(f"C {a.partition} {a.offset}\n")
                if time.monotonic() > next_look:
                    next_look = time.monotonic() + 0.5
                    for a in c.committed(partitions, timeout=2):
                        if a.error is None and a.offset >= 0:
                            out.write(f"G {a.partition} {a.offset}\n")
            except KafkaException:
                pass
        c.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    if sys.argv[1] == "reader":
        read(*sys.argv[2:6])
    else:
        produce(*sys.argv[1:6])
