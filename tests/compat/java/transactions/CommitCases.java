import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** What the two isolation levels see of transactions that commit, abort, or are open. */
final class CommitCases extends TransactionCases {
    CommitCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("commit", this::commit);
        add("abort", this::abort);
        add("open-transaction-holds-back", this::open);
        add("interleaved", this::interleaved);
        add("many-partitions", this::manyPartitions);
        add("many-transactions-read-from-everywhere", this::everywhere);
        add("many-batches-and-codecs", this::codecs);
        add("empty", this::empty);
        add("abort-drops-unsent", this::unsent);
        add("too-large-then-abort-and-go-on", this::tooLarge);
        add("topic-deleted-midway", this::topicDeleted);
        add("partitions-added-midway", this::partitionsAdded);
        add("lists-of-aborted-across-segments", this::segments);
        add("follows-as-it-commits", this::follows);
        add("other-producers-go-on", this::others);
    }

    private void commit() throws Exception {
        String t = topic(2);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 3);
            send(p, t, 1, "b", 2);
            p.commitTransaction();
        }
        for (String level : List.of(COMMITTED, UNCOMMITTED)) {
            sees(numbered("a", 0, 3), () -> read(level, 0, tp(t, 0)));
            sees(numbered("b", 0, 2), () -> read(level, 0, tp(t, 1)));
        }
        sees(4L, () -> end(IsolationLevel.READ_UNCOMMITTED, tp(t, 0))); // the marker has an offset too
        sees(4L, () -> end(IsolationLevel.READ_COMMITTED, tp(t, 0)));
    }

    private void abort() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            transaction(p, t, 0, "a", 3, false);
            sees(4L, () -> end(IsolationLevel.READ_COMMITTED, tp(t, 0)));
            checkEquals(List.of(), read(COMMITTED, t));
            checkEquals(numbered("a", 0, 3), read(UNCOMMITTED, t));
            transaction(p, t, 0, "b", 2, true);
        }
        sees(numbered("b", 0, 2), () -> read(COMMITTED, t));
        checkEquals(List.of("a0", "a1", "a2", "b0", "b1"), read(UNCOMMITTED, t));
    }

    private void open() throws Exception {
        String t = topic(1);
        fill(t, 0, 2);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 3);
            checkEquals(2L, end(IsolationLevel.READ_COMMITTED, tp(t, 0)));
            checkEquals(5L, end(IsolationLevel.READ_UNCOMMITTED, tp(t, 0)));
            checkEquals(List.of("v0", "v1"), read(COMMITTED, t));
            checkEquals(5, read(UNCOMMITTED, t).size());
            fill(t, 0, 5, 1);
            checkEquals(List.of("v0", "v1"), read(COMMITTED, t));
            try (KafkaConsumer<String, String> c = consumer(null, "isolation.level", COMMITTED)) {
                c.assign(List.of(tp(t, 0)));
                poll(c, 2);
                checkEquals(0L, c.currentLag(tp(t, 0)).orElseThrow());
            }
            checkEquals(2L, get(admin.listOffsets(map(tp(t, 0), OffsetSpec.latest()), new org.apache.kafka.clients.admin.ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).partitionResult(tp(t, 0))).offset());
            p.commitTransaction();
        }
        sees(List.of("v0", "v1", "a0", "a1", "a2", "v5"), () -> read(COMMITTED, t));
    }

    private void interleaved() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> one = transactional(unique("x")); KafkaProducer<String, String> two = transactional(unique("x")); KafkaProducer<String, String> three = transactional(unique("x"))) {
            one.beginTransaction();
            two.beginTransaction();
            three.beginTransaction();
            send(one, t, 0, "a", 2);
            send(two, t, 0, "b", 2);
            send(three, t, 0, "c", 2);
            send(one, t, 0, "d", 1);
            two.commitTransaction();
            checkEquals(List.of(), read(COMMITTED, t)); // the first one is open still
            one.abortTransaction();
            sees(List.of("b0", "b1"), () -> read(COMMITTED, t));
            two.beginTransaction();
            send(two, t, 0, "e", 1);
            send(three, t, 0, "f", 1);
            two.abortTransaction();
            three.commitTransaction();
        }
        sees(List.of("b0", "b1", "c0", "c1", "f0"), () -> read(COMMITTED, t));
        checkEquals(List.of("a0", "a1", "b0", "b1", "c0", "c1", "d0", "e0", "f0"), read(UNCOMMITTED, t));
    }

    private void manyPartitions() throws Exception {
        int n = 50;
        String t = topic(n);
        TopicPartition[] all = new TopicPartition[n];
        for (int i = 0; i < n; i++) all[i] = tp(t, i);
        try (KafkaProducer<String, String> p = transactional(unique("x"), "linger.ms", 5)) {
            for (int round = 0; round < 4; round++) {
                p.beginTransaction();
                for (int i = 0; i < 5 * n; i++) p.send(new ProducerRecord<>(t, i % n, null, round + ":" + i));
                if (round % 2 == 0) p.commitTransaction();
                else {
                    p.flush(); // an abort drops what has not been sent
                    p.abortTransaction();
                }
            }
        }
        List<String> expected = new ArrayList<>();
        for (int round = 0; round < 4; round += 2) for (int i = 0; i < 5 * n; i++) expected.add(round + ":" + i);
        sees(expected.size(), () -> read(COMMITTED, 0, all).size());
        checkEquals(new TreeSet<>(expected), new TreeSet<>(read(COMMITTED, 0, all)));
        checkEquals(20 * n, read(UNCOMMITTED, 0, all).size());
    }

    private void everywhere() throws Exception {
        String t = topic(1);
        List<String> at = new ArrayList<>(); // what read_committed must see at each offset, "" for nothing
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            for (int i = 0; i < 20; i++) {
                boolean commit = i % 3 == 0;
                transaction(p, t, 0, i + ":", 1 + i % 2, commit);
                for (int k = 0; k < 1 + i % 2; k++) at.add(commit ? i + ":" + k : "");
                at.add("");
            }
        }
        for (int i = 0; i < at.size(); i += 5) {
            int from = i;
            sees(at.subList(from, at.size()).stream().filter(v -> !v.isEmpty()).toList(), () -> read(COMMITTED, from, tp(t, 0)));
        }
    }

    private void codecs() throws Exception {
        String t = topic(1);
        List<String> expected = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            try (KafkaProducer<String, String> p = transactional(unique("x"), "compression.type", codec, "batch.size", 200, "linger.ms", 50)) {
                transaction(p, t, 0, codec + "-away-", 40, false);
                transaction(p, t, 0, codec + "-", 40, true);
                expected.addAll(numbered(codec + "-", 0, 40));
            }
        sees(expected, () -> read(COMMITTED, t));
        checkEquals(400, read(UNCOMMITTED, t).size());
    }

    private void empty() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            p.commitTransaction();
            p.beginTransaction();
            p.abortTransaction();
            transaction(p, t, 0, "a", 1, true);
            p.beginTransaction();
            p.commitTransaction();
        }
        sees(2L, () -> end(IsolationLevel.READ_UNCOMMITTED, tp(t, 0)));
        sees(List.of("a0"), () -> read(COMMITTED, t));
    }

    private void unsent() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"), "linger.ms", 60_000, "delivery.timeout.ms", 120_000)) {
            p.beginTransaction();
            for (int i = 0; i < 3; i++) p.send(new ProducerRecord<>(t, 0, null, "a" + i));
            p.abortTransaction();
            p.beginTransaction();
            p.send(new ProducerRecord<>(t, 0, null, "b0"));
            p.commitTransaction();
        }
        sees(List.of("b0"), () -> read(COMMITTED, t));
        // A sender that is about to look at its batches takes an abort for a reason to send them (RecordAccumulator.ready), before it drops what is left.
        List<String> written = read(UNCOMMITTED, t);
        check(written.equals(List.of("b0")) || written.equals(List.of("a0", "a1", "a2", "b0")), "written: " + written);
    }

    private void tooLarge() throws Exception {
        String t = topic(1, Map.of("max.message.bytes", "1000"));
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            checkThrows(RecordTooLargeException.class, () -> get(p.send(new ProducerRecord<>(t, 0, null, "x".repeat(5000)))));
            awaitError(p);
            checkThrows(Exception.class, () -> {
                p.commitTransaction();
                return "a commit";
            });
            p.abortTransaction();
            transaction(p, t, 0, "b", 1, true);
        }
        sees(List.of("b0"), () -> read(COMMITTED, t));
    }

    private void topicDeleted() throws Exception {
        String t = topic(1), u = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            send(p, u, 0, "b", 1);
            get(admin.deleteTopics(List.of(t)).all());
            eventually("it is gone", () -> !get(admin.listTopics().names()).contains(t));
            p.commitTransaction();
            sees(List.of("b0"), () -> read(COMMITTED, u));
            transaction(p, u, 0, "c", 1, true);
        }
        sees(List.of("b0", "c0"), () -> read(COMMITTED, u));
    }

    private void partitionsAdded() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x"), "metadata.max.age.ms", 200)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(3))).all());
            eventually("three partitions", () -> p.partitionsFor(t).size() == 3);
            send(p, t, 2, "b", 1);
            p.commitTransaction();
        }
        sees(List.of("a0"), () -> read(COMMITTED, 0, tp(t, 0)));
        sees(List.of("b0"), () -> read(COMMITTED, 0, tp(t, 2)));
    }

    private void segments() throws Exception {
        String t = topic(1, Map.of("segment.bytes", "1048576", "segment.index.bytes", "4096"));
        String big = "y".repeat(3000) + ":";
        List<String> expected = new ArrayList<>();
        try (KafkaProducer<String, String> p = transactional(unique("x"), "linger.ms", 5); KafkaProducer<String, String> q = transactional(unique("x"), "linger.ms", 5)) {
            q.beginTransaction(); // open from the first segment to the last, then aborted
            send(q, t, 0, "q", 1);
            for (int i = 0; i < 20; i++) {
                transaction(p, t, 0, i + big, 60, i % 2 == 0);
                if (i % 2 == 0) expected.addAll(numbered(i + big, 0, 60));
            }
            send(q, t, 0, "r", 1);
            q.abortTransaction();
        }
        sees(expected, () -> read(COMMITTED, t));
        checkEquals(1202, read(UNCOMMITTED, t).size());
    }

    private void follows() throws Exception {
        String t = topic(1);
        // The fetch would wait longer than poll(c, 1) does.
        try (KafkaConsumer<String, String> c = consumer(null, "isolation.level", COMMITTED, "fetch.max.wait.ms", 200_000, "request.timeout.ms", 250_000); KafkaProducer<String, String> p = transactional(unique("x"))) {
            c.assign(List.of(tp(t, 0)));
            c.seekToBeginning(List.of(tp(t, 0)));
            for (int i = 0; i < 3; i++) {
                c.poll(java.time.Duration.ofMillis(100)); // a fetch that waits
                transaction(p, t, 0, "away", 1, false);
                transaction(p, t, 0, "a" + i + ":", 1, true);
                checkEquals(List.of("a" + i + ":0"), values(poll(c, 1)));
            }
            c.close(java.time.Duration.ZERO); // another fetch is waiting
        }
    }

    private void others() throws Exception {
        String t = topic(1), u = topic(1);
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaProducer<String, String> q = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            for (int i = 0; i < 5; i++) transaction(q, u, 0, i + ":", 1, true);
            sees(5, () -> read(COMMITTED, u).size());
            p.commitTransaction();
        }
        sees(List.of("a0"), () -> read(COMMITTED, t));
    }
}
