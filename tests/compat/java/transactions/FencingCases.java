import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Producers that are put out by another one with their transactional id, or by the clock. */
final class FencingCases extends TransactionCases {
    /** Longer than a process on a busy machine stands still: what is done before the time-out must be done by then. */
    static final int TIMEOUT_MS = 10_000;

    FencingCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("commit-of-a-fenced-producer", this::commit);
        add("abort-of-a-fenced-producer", this::abort);
        add("send-of-a-fenced-producer", this::send);
        add("begin-and-send-of-a-fenced-producer", this::idle);
        add("offsets-of-a-fenced-producer", this::offsets);
        add("successor-aborts-what-was-open", this::successor);
        add("generations", this::generations);
        add("time-out", this::timeout);
        add("time-out-then-the-same-id", this::timeoutSuccessor);
        add("time-out-too-long", this::timeoutTooLong);
        add("no-time-out-after-commit", this::noTimeout);
        add("same-producer-again-and-again", this::reinit);
    }

    interface Act {
        void run() throws Exception;
    }

    /** Which of the two it is depends on who notices, the coordinator or the partition. */
    static void checkFenced(Act act) {
        Callable<?> body = () -> {
            act.run();
            return "no error";
        };
        KafkaException e = checkThrows(KafkaException.class, body);
        for (Throwable t = e; t != null; t = t.getCause()) if (t instanceof ProducerFencedException || t instanceof InvalidProducerEpochException) return;
        throw new AssertionError("expected a fenced producer but got " + e, e);
    }

    private void commit() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 2);
            try (KafkaProducer<String, String> q = transactional(x)) {
                checkFenced(p::commitTransaction);
                transaction(q, t, 0, "b", 2, true);
            }
        }
        sees(List.of("b0", "b1"), () -> read(COMMITTED, t));
    }

    private void abort() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 2);
            try (KafkaProducer<String, String> q = transactional(x)) {
                checkFenced(p::abortTransaction);
            }
        }
        checkEquals(List.of(), read(COMMITTED, t));
    }

    private void send() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            try (KafkaProducer<String, String> q = transactional(x)) {
                checkFenced(() -> get(p.send(new ProducerRecord<>(t, 0, null, "z"))));
                transaction(q, t, 0, "b", 1, true);
            }
        }
        sees(List.of("b0"), () -> read(COMMITTED, t));
        checkEquals(List.of("a0", "b0"), read(UNCOMMITTED, t));
    }

    private void idle() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x); KafkaProducer<String, String> q = transactional(x)) {
            transaction(q, t, 0, "b", 1, true);
            checkFenced(() -> {
                p.beginTransaction();
                get(p.send(new ProducerRecord<>(t, 0, null, "z")));
            });
            transaction(q, t, 0, "c", 1, true);
        }
        checkEquals(List.of("b0", "c0"), read(UNCOMMITTED, t));
    }

    private void offsets() throws Exception {
        String t = topic(1), x = unique("x"), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(x); KafkaProducer<String, String> q = transactional(x)) {
            checkFenced(() -> {
                p.beginTransaction();
                p.sendOffsetsToTransaction(map(tp(t, 0), new OffsetAndMetadata(5)), new ConsumerGroupMetadata(g));
                p.commitTransaction();
            });
        }
        eventually("nothing is committed", () -> get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).isEmpty());
    }

    private void successor() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            long id = describe(x).producerId();
            int epoch = describe(x).producerEpoch();
            try (KafkaProducer<String, String> q = transactional(x)) {
                // initTransactions has waited for the end of the abort.
                abortedFor(x);
                checkEquals(List.of(), read(COMMITTED, t));
                checkEquals(id, describe(x).producerId());
                check(describe(x).producerEpoch() > epoch, "the epoch grows");
            }
        }
    }

    private void generations() throws Exception {
        String t = topic(1), x = unique("x");
        List<KafkaProducer<String, String>> all = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            KafkaProducer<String, String> p = transactional(x);
            all.add(p);
            transaction(p, t, 0, "c" + i + ":", 1, true);
            expected.add("c" + i + ":0");
            p.beginTransaction();
            send(p, t, 0, "open" + i + ":", 1);
        }
        for (KafkaProducer<String, String> p : all.subList(0, 5)) checkFenced(p::commitTransaction);
        all.get(5).abortTransaction();
        all.forEach(KafkaProducer::close);
        sees(expected, () -> read(COMMITTED, t));
    }

    private void timeout() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x, "transaction.timeout.ms", TIMEOUT_MS)) {
            p.beginTransaction();
            send(p, t, 0, "a", 2);
            checkEquals(TransactionState.ONGOING, describe(x).state());
            settledTransaction(x, TransactionState.COMPLETE_ABORT);
            checkEquals(List.of(), read(COMMITTED, t));
            sees(3L, () -> end(org.apache.kafka.common.IsolationLevel.READ_COMMITTED, tp(t, 0)));
            // The epoch was bumped for the abort: under version 2 that looks like one's own transaction that ended the other way.
            if (version < 2) checkFenced(p::commitTransaction);
            else checkThrows(InvalidTxnStateException.class, () -> {
                p.commitTransaction();
                return "a commit";
            });
        }
        checkEquals(List.of(), read(COMMITTED, t));
    }

    private void timeoutSuccessor() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x, "transaction.timeout.ms", TIMEOUT_MS)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            settledTransaction(x, TransactionState.COMPLETE_ABORT);
            try (KafkaProducer<String, String> q = transactional(x)) {
                transaction(q, t, 0, "b", 1, true);
                checkFenced(() -> get(p.send(new ProducerRecord<>(t, 0, null, "z"))));
            }
        }
        sees(List.of("b0"), () -> read(COMMITTED, t));
        checkEquals(List.of("a0", "b0"), read(UNCOMMITTED, t));
    }

    private void timeoutTooLong() throws Exception {
        KafkaException e = checkThrows(KafkaException.class, () -> transactional(unique("x"), "transaction.timeout.ms", 16 * 60 * 1000));
        check(e.toString().contains("larger than the maximum value allowed by the broker"), e.toString());
    }

    private void noTimeout() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x, "transaction.timeout.ms", TIMEOUT_MS)) {
            transaction(p, t, 0, "a", 1, true);
            Thread.sleep(TIMEOUT_MS + 1500); // more than the time-out and the interval of the check
            transaction(p, t, 0, "b", 1, true);
        }
        sees(List.of("a0", "b0"), () -> read(COMMITTED, t));
    }

    private void reinit() throws Exception {
        String t = topic(1), x = unique("x");
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 10; i++)
            try (KafkaProducer<String, String> p = transactional(x)) {
                transaction(p, t, 0, i + ":", 1, i % 3 != 0);
                if (i % 3 != 0) expected.add(i + ":0");
            }
        sees(expected, () -> read(COMMITTED, t));
    }
}
