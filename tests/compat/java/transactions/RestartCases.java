import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TimeoutException;

/** Transactions whose broker goes and comes back. */
final class RestartCases extends TransactionCases {
    private final Control control;

    RestartCases(String bootstrap, Admin admin, Control control) {
        super(bootstrap, admin);
        this.control = control;
        add("open-across-a-restart", () -> open(control::restart));
        add("open-across-a-kill", () -> open(control::killAndStart));
        add("pending-offsets-across-a-kill", this::pending);
        add("commit-while-the-broker-is-down", this::down);
        add("time-out-across-a-kill", this::timeout);
        add("read-committed-after-a-kill", this::read);
    }

    /** Four producers with open transactions: two commit afterwards, one aborts, and one never comes back but as its successor. */
    private void open(Body outage) throws Exception {
        String t = topic(2), gone = unique("x");
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaProducer<String, String> q = transactional(unique("x")); KafkaProducer<String, String> r = transactional(gone)) {
            for (var one : List.of(p, q, r)) {
                one.beginTransaction();
                send(one, t, 0, (one == p ? "p" : one == q ? "q" : "r") + "-before-", 2);
            }
            outage.run();
            send(p, t, 0, "p-after-", 1);
            send(p, t, 1, "p-other-", 1);
            p.commitTransaction();
            q.abortTransaction();
            sees(List.of("p-before-0", "p-before-1"), () -> read(COMMITTED, t)); // the open one began there
            try (KafkaProducer<String, String> successor = transactional(gone)) {
                sees(List.of("p-before-0", "p-before-1", "p-after-0"), () -> read(COMMITTED, t));
                sees(List.of("p-other-0"), () -> read(COMMITTED, 0, tp(t, 1)));
                FencingCases.checkFenced(r::commitTransaction);
                transaction(p, t, 0, "next-", 1, true);
                transaction(successor, t, 0, "last-", 1, true);
            }
        }
        sees(List.of("p-before-0", "p-before-1", "p-after-0", "next-0", "last-0"), () -> read(COMMITTED, t));
        checkEquals(9, read(UNCOMMITTED, t).size());
    }

    private void pending() throws Exception {
        String t = topic(1), g = unique("g"), h = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaConsumer<String, String> c = consumer(g, "isolation.level", COMMITTED)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(map(tp(t, 0), new OffsetAndMetadata(3)));
            p.beginTransaction();
            p.sendOffsetsToTransaction(map(tp(t, 0), new OffsetAndMetadata(7)), new ConsumerGroupMetadata(g));
            p.sendOffsetsToTransaction(map(tp(t, 0), new OffsetAndMetadata(8)), new ConsumerGroupMetadata(h));
            control.killAndStart();
            eventually("the group is there", () -> new OffsetAndMetadata(3).equals(get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(tp(t, 0))));
            checkThrows(TimeoutException.class, () -> c.committed(Set.of(tp(t, 0)), Duration.ofMillis(700)));
            p.commitTransaction();
            checkEquals(7L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
            eventually("the other group", () -> new OffsetAndMetadata(8).equals(get(admin.listConsumerGroupOffsets(h).partitionsToOffsetAndMetadata()).get(tp(t, 0))));
            control.killAndStart();
            checkEquals(7L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
        }
    }

    private void down() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            for (boolean commit : new boolean[] {true, false}) {
                p.beginTransaction();
                send(p, t, 0, commit + "-", 2);
                control.ask("kill");
                CompletableFuture<Void> end = CompletableFuture.runAsync(() -> {
                    if (commit) p.commitTransaction();
                    else p.abortTransaction();
                });
                Thread.sleep(300);
                check(!end.isDone(), "it cannot be over");
                control.ask("start");
                end.get(CALL_S, TimeUnit.SECONDS);
            }
            transaction(p, t, 0, "on-", 1, true);
        }
        sees(List.of("true-0", "true-1", "on-0"), () -> read(COMMITTED, t));
    }

    private void timeout() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x, "transaction.timeout.ms", FencingCases.TIMEOUT_MS)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            control.killAndStart();
            settledTransaction(x, TransactionState.COMPLETE_ABORT);
            checkEquals(List.of(), read(COMMITTED, t));
        }
    }

    private void read() throws Exception {
        String t = topic(1, java.util.Map.of("segment.bytes", "1048576"));
        List<String> expected = new ArrayList<>();
        try (KafkaProducer<String, String> p = transactional(unique("x"), "linger.ms", 2)) {
            for (int i = 0; i < 30; i++) {
                p.beginTransaction();
                for (int k = 0; k < 30; k++) {
                    p.send(new ProducerRecord<>(t, 0, null, i + ":" + k + "x".repeat(1500)));
                    if (i % 3 != 0) expected.add(i + ":" + k + "x".repeat(1500));
                }
                p.flush(); // an abort drops what has not been sent
                if (i % 3 != 0) p.commitTransaction();
                else p.abortTransaction();
                if (i == 20) control.killAndStart();
            }
        }
        control.killAndStart();
        eventually("the broker serves", () -> read(COMMITTED, t).equals(expected));
        checkEquals(900, read(UNCOMMITTED, t).size());
    }
}
