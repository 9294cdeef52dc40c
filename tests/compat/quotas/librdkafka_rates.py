"""`librdkafka_rates.py BOOTSTRAP QUOTA`: the producer and the consumer of QuotaRates.java, by librdkafka."""

import os
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

VALUE = 10_000
WARM_S, MEASURED_S = 11.0, 33.0
BOOTSTRAP, QUOTA = sys.argv[1], float(sys.argv[2])
problems = []


class Pace:
    """1.25 times the quota; what was missed is not made up for."""

    def __init__(self):
        self.start, self.bytes = time.monotonic(), 0

    def sent(self, more: int) -> float:
        """Seconds to wait now."""
        self.bytes += more
        wait = self.start + self.bytes / (1.25 * QUOTA) - time.monotonic()
        if wait < -0.5:
            self.start -= wait
        return max(0.0, wait)


class Meter:
    """Bytes over time, from the end of the warming up on."""

    def __init__(self, name: str):
        self.name, self.began, self.since, self.bytes = name, time.monotonic(), None, 0

    def over(self) -> bool:
        now = time.monotonic()
        if self.since is None:
            if now - self.began > WARM_S:
                self.since, self.bytes = now, 0
        elif now - self.since > MEASURED_S:
            print(f"RATE {self.name} {self.bytes / (now - self.since)}", flush=True)
            return True
        return False


def produce():
    out = Producer({"bootstrap.servers": BOOTSTRAP, "client.id": "librdkafka-producer", "linger.ms": 50, "batch.size": 200_000, "queue.buffering.max.kbytes": 500})
    value, pace, meter = os.urandom(VALUE), Pace(), Meter("librdkafka-producer")

    def acknowledged(error, message):
        if error:
            problems.append(f"not written: {error}")
        else:
            meter.bytes += VALUE

    while not meter.over():
        try:
            out.produce("librdkafka-producer", value, on_delivery=acknowledged)
        except BufferError:
            out.poll(0.02)
            continue
        end = time.monotonic() + pace.sent(VALUE)
        while (left := end - time.monotonic()) > 0:
            out.poll(left)
        out.poll(0)
    out.flush(30)


def consume():
    # Little is fetched ahead, so that what is read is what is being fetched.
    conf = {"bootstrap.servers": BOOTSTRAP, "client.id": "librdkafka-consumer", "group.id": "unused", "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 131_072, "queued.max.messages.kbytes": 400, "fetch.queue.backoff.ms": 10}
    reader, pace, meter = Consumer(conf), Pace(), Meter("librdkafka-consumer")
    reader.assign([TopicPartition("read", 0, 0)])
    while not meter.over():
        message = reader.poll(0.1)
        if message is None:
            continue
        if message.error():
            problems.append(str(message.error()))
            continue
        meter.bytes += len(message.value())
        time.sleep(pace.sent(len(message.value())))
    reader.close()


threads = [threading.Thread(target=f) for f in (produce, consume)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for p in problems[:5]:
    print("FAILED", p)
sys.exit(1 if problems else 0)
