"""Input for the transformers: feed.py BOOTSTRAP TOPIC PARTITIONS LOG. Numbers from 0 until SIGTERM, each once; the last line of LOG says how many."""

import signal
import sys
import time

from confluent_kafka import Producer

stopped = []


def main(bootstrap, topic, partitions, log):
    p = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "message.timeout.ms": 300_000})
    failed, n = [], 0
    while not stopped:
        try:
            p.produce(topic, str(n), f"k{n % 17}", partition=n % partitions, on_delivery=lambda e, m: failed.append(str(e)) if e else None)
            n += 1
        except BufferError:
            pass
        p.poll(0)
        time.sleep(0.005)
    left = p.flush(240)
    with open(log, "w") as out:
        out.write(f"{n} {left} {len(failed)} {failed[:1]}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
