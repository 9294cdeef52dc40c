"""Consume, transform, produce, in transactions: transform.py BOOTSTRAP GROUP TRANSACTIONAL-ID SEED IN OUT. SIGTERM ends it.

Every record of IN becomes one of OUT. Now and then a transaction is aborted on purpose: its records begin with `aborted`, and nobody who reads committed ones may
see them. What cannot go on ends the process; whoever started it starts it again.
"""

import random
import signal
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

stopped = []


def rewind(c):
    """Back to what is committed, after an abort."""
    for p in c.committed(c.assignment(), timeout=60):
        c.seek(TopicPartition(p.topic, p.partition, max(p.offset, 0)))


def once(c, p, out, dice):
    messages = [m for m in c.consume(dice.randint(1, 60), 0.1) if m.error() is None]
    if not messages:
        return
    abort = dice.random() < 0.2
    p.begin_transaction()
    try:
        for m in messages:
            p.produce(out, (b"aborted " if abort else b"") + m.value(), m.key())
            p.poll(0)
        p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 8)
        if abort:
            p.abort_transaction(8)
            rewind(c)
            return
        while True:
            try:
                p.commit_transaction(8)
                return
            except KafkaException as e:
                if not e.args[0].retriable():
                    raise
    except KafkaException as e:
        if not e.args[0].txn_requires_abort():
            raise
        p.abort_transaction(8)
        rewind(c)


def main(bootstrap, group, transactional_id, seed, source, out):
    # Without re-bootstrapping (KIP-1102): librdkafka 2.16 then ends the threads of brokers it had learned of, but keeps such a broker as the group's coordinator,
    # and send_offsets_to_transaction waits for it for ever, whatever its time-out (confluentinc/librdkafka#5511).
    common = {"bootstrap.servers": bootstrap, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "socket.timeout.ms": 5000,
              "metadata.recovery.strategy": "none"}
    p = Producer({**common, "transactional.id": transactional_id, "linger.ms": 1, "transaction.timeout.ms": 10_000})
    c = Consumer({**common, "group.id": group, "isolation.level": "read_committed", "enable.auto.commit": False, "auto.offset.reset": "earliest", "session.timeout.ms": 5000,
                  "heartbeat.interval.ms": 200, "max.poll.interval.ms": 20_000, "partition.assignment.strategy": "range"})
    p.init_transactions(120)
    c.subscribe([source])
    dice = random.Random(int(seed))
    while not stopped:
        once(c, p, out, dice)
    c.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    main(*sys.argv[1:7])
