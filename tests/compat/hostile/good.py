"""A well-behaved client: good.py BOOTSTRAP TOPIC [MORE]. Produces and consumes what it produced until SIGTERM; its last line is a summary in JSON.

MORE: more configuration of all its clients, in JSON.
"""

import json
import signal
import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient


def main(bootstrap, topic, more="{}"):
    stopped, errors, lags = [], [], []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))

    def error(e):
        errors.append(f"client: {e}")

    more = json.loads(more)
    p = Producer({**more, "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, "error_cb": error})
    c = Consumer({"group.id": "good", **more, "bootstrap.servers": bootstrap, "auto.offset.reset": "earliest", "error_cb": error})
    admin = AdminClient({**more, "bootstrap.servers": bootstrap, "error_cb": error})
    c.subscribe([topic])
    sent = acked = received = 0
    expected = {}

    def delivered(e, m):
        nonlocal acked
        if e:
            errors.append(f"delivery: {e}")
        else:
            acked += 1

    def take(seconds):
        nonlocal received
        for m in c.consume(200, seconds):
            if m.error():
                errors.append(f"consume: {m.error()}")
                continue
            if m.offset() != expected.get(m.partition(), 0):
                errors.append(f"offset {m.offset()} in place of {expected.get(m.partition(), 0)}")
            expected[m.partition()] = m.offset() + 1
            lags.append(time.time() - float(m.value()))
            received += 1

    while not stopped:
        p.produce(topic, str(time.time()), on_delivery=delivered)
        sent += 1
        p.poll(0)
        take(0.005)
        if sent % 500 == 0:
            try:
                admin.list_topics(timeout=60)
            except Exception as e:
                errors.append(f"admin: {e}")
    left = p.flush(120)
    end = time.monotonic() + 120
    while received < sent and time.monotonic() < end:
        take(0.1)
    c.close()
    lags.sort()
    print(json.dumps({"sent": sent, "acked": acked, "received": received, "left": left, "errors": errors[:10], "count": len(errors), "median_s": lags[len(lags) // 2] if lags else -1, "worst_s": lags[-1] if lags else -1}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
