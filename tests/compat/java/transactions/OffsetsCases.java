import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.TimeoutException;

/** Offsets that are committed with a transaction, in groups of one protocol. */
final class OffsetsCases extends TransactionCases {
    private final String protocol;

    OffsetsCases(String bootstrap, Admin admin, String protocol) {
        super(bootstrap, admin);
        this.protocol = protocol;
        add(protocol + ".consume-transform-produce", this::transform);
        add(protocol + ".committed-with-the-transaction", this::committed);
        add(protocol + ".abort", this::abort);
        add(protocol + ".pending-offsets-are-unstable", this::pending);
        add(protocol + ".plain-commit-meanwhile", this::plain);
        add(protocol + ".offsets-alone", this::alone);
        add(protocol + ".several-groups", this::groups);
        add(protocol + ".member-that-is-gone", this::gone);
        add(protocol + ".generation-that-is-over", this::stale);
        if (protocol.equals("classic")) add(protocol + ".instance-that-was-replaced", this::instance);
        add(protocol + ".two-members-hand-over", this::handOver);
    }

    private KafkaConsumer<String, String> member(String group, Object... more) {
        List<Object> pairs = new ArrayList<>(List.of("isolation.level", COMMITTED, "group.protocol", protocol));
        pairs.addAll(List.of(more));
        java.util.Properties p = properties(bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", "false", "group.id", group);
        if (protocol.equals("classic")) p.put("heartbeat.interval.ms", "300");
        for (int i = 0; i < pairs.size(); i += 2) p.put(pairs.get(i), String.valueOf(pairs.get(i + 1)));
        return new KafkaConsumer<>(p, new org.apache.kafka.common.serialization.StringDeserializer(), new org.apache.kafka.common.serialization.StringDeserializer());
    }

    private OffsetAndMetadata offset(String g, TopicPartition p) throws Exception {
        return get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(p);
    }

    private static Map<TopicPartition, OffsetAndMetadata> at(TopicPartition p, long offset) {
        return map(p, new OffsetAndMetadata(offset, "meta"));
    }

    private void transform() throws Exception {
        String in = topic(3), out = topic(2), g = unique("g");
        for (int p = 0; p < 3; p++) fill(in, p, p * 20, 20);
        try (KafkaConsumer<String, String> c = member(g, "max.poll.records", 7); KafkaProducer<String, String> p = transactional(unique("x"))) {
            c.subscribe(List.of(in));
            int done = 0;
            for (int round = 0; done < 60; round++) {
                var records = c.poll(Duration.ofSeconds(1));
                if (records.isEmpty()) continue;
                check(round < 200, "rounds");
                p.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                for (ConsumerRecord<String, String> r : records) {
                    p.send(new ProducerRecord<>(out, r.key(), r.value().toUpperCase()));
                    next.put(tp(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                p.sendOffsetsToTransaction(next, c.groupMetadata());
                if (round % 3 == 1) {
                    p.abortTransaction();
                    for (TopicPartition t : next.keySet()) {
                        OffsetAndMetadata o = c.committed(Set.of(t)).get(t);
                        c.seek(t, o == null ? 0 : o.offset());
                    }
                } else {
                    p.commitTransaction();
                    done += records.count();
                }
            }
            checkEquals(60, done);
            for (int i = 0; i < 3; i++) checkEquals(20L, c.committed(Set.of(tp(in, i))).get(tp(in, i)).offset());
        }
        sees(numbered("V", 0, 60).stream().sorted().toList(), () -> read(COMMITTED, 0, tp(out, 0), tp(out, 1)).stream().sorted().toList());
    }

    private void committed() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            p.sendOffsetsToTransaction(at(tp(t, 0), 7), new ConsumerGroupMetadata(g));
            checkEquals(null, offset(g, tp(t, 0)));
            p.commitTransaction();
            eventually("the offset is committed", () -> offset(g, tp(t, 0)) != null);
            checkEquals(7L, offset(g, tp(t, 0)).offset());
            checkEquals("meta", offset(g, tp(t, 0)).metadata());
        }
    }

    private void abort() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaConsumer<String, String> c = member(g)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(at(tp(t, 0), 3));
            p.beginTransaction();
            p.sendOffsetsToTransaction(at(tp(t, 0), 7), new ConsumerGroupMetadata(g));
            p.abortTransaction();
            checkEquals(3L, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).offset());
        }
    }

    private void pending() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaConsumer<String, String> c = member(g); KafkaConsumer<String, String> d = member(g, "isolation.level", UNCOMMITTED)) {
            c.assign(List.of(tp(t, 0)));
            d.assign(List.of(tp(t, 0)));
            c.commitSync(Map.of(tp(t, 0), new OffsetAndMetadata(3), tp(t, 1), new OffsetAndMetadata(4)));
            p.beginTransaction();
            p.sendOffsetsToTransaction(at(tp(t, 0), 7), new ConsumerGroupMetadata(g));
            checkThrows(TimeoutException.class, () -> c.committed(Set.of(tp(t, 0)), Duration.ofMillis(500)));
            checkEquals(4L, c.committed(Set.of(tp(t, 1)), Duration.ofSeconds(60)).get(tp(t, 1)).offset());
            checkThrows(TimeoutException.class, () -> d.committed(Set.of(tp(t, 0)), Duration.ofMillis(500))); // consumers want stable ones at either level
            checkEquals(3L, offset(g, tp(t, 0)).offset());
            var stable = get(admin.listConsumerGroupOffsets(g, new ListConsumerGroupOffsetsOptions().requireStable(true)).partitionsToOffsetAndMetadata());
            check(stable.get(tp(t, 0)) == null && stable.get(tp(t, 1)).offset() == 4, "stable " + stable);
            p.commitTransaction();
            checkEquals(7L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
            checkEquals(7L, get(admin.listConsumerGroupOffsets(g, new ListConsumerGroupOffsetsOptions().requireStable(true)).partitionsToOffsetAndMetadata()).get(tp(t, 0)).offset());
        }
    }

    /** Of two commits the one that came later stands, although the earlier one was completed after it. */
    private void plain() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x")); KafkaConsumer<String, String> c = member(g)) {
            c.assign(List.of(tp(t, 0)));
            p.beginTransaction();
            p.sendOffsetsToTransaction(at(tp(t, 0), 5), new ConsumerGroupMetadata(g));
            c.commitSync(at(tp(t, 0), 9));
            p.commitTransaction();
            checkEquals(9L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
            p.beginTransaction();
            p.sendOffsetsToTransaction(at(tp(t, 0), 2), new ConsumerGroupMetadata(g));
            p.commitTransaction();
            checkEquals(2L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
        }
    }

    private void alone() throws Exception {
        String t = topic(4), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            for (int i = 0; i < 4; i++) {
                p.beginTransaction();
                p.sendOffsetsToTransaction(at(tp(t, i), i), new ConsumerGroupMetadata(g));
                if (i % 2 == 0) p.commitTransaction();
                else p.abortTransaction();
            }
        }
        eventually("both", () -> get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).keySet().equals(Set.of(tp(t, 0), tp(t, 2))));
    }

    private void groups() throws Exception {
        String t = topic(1);
        List<String> all = List.of(unique("g"), unique("g"), unique("g"), unique("g"), unique("g"));
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            p.beginTransaction();
            for (int i = 0; i < 5; i++) p.sendOffsetsToTransaction(at(tp(t, 0), 10 + i), new ConsumerGroupMetadata(all.get(i)));
            p.commitTransaction();
        }
        for (int i = 0; i < 5; i++) {
            int n = i;
            eventually("group " + i, () -> offset(all.get(n), tp(t, 0)) != null && offset(all.get(n), tp(t, 0)).offset() == 10 + n);
        }
    }

    private void gone() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g); KafkaProducer<String, String> p = transactional(unique("x"))) {
            c.subscribe(List.of(t));
            pollUntil(c, "an assignment", () -> !c.assignment().isEmpty());
            p.beginTransaction();
            ConsumerGroupMetadata m = c.groupMetadata();
            checkThrows(CommitFailedException.class, () -> {
                p.sendOffsetsToTransaction(at(tp(t, 0), 1), new ConsumerGroupMetadata(g, m.generationId(), "somebody-else", Optional.empty()));
                p.commitTransaction();
                return "a commit";
            });
            p.abortTransaction();
            p.beginTransaction();
            p.sendOffsetsToTransaction(at(tp(t, 0), 2), m);
            p.commitTransaction();
            checkEquals(2L, c.committed(Set.of(tp(t, 0)), Duration.ofSeconds(60)).get(tp(t, 0)).offset());
        }
    }

    private void stale() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g); KafkaProducer<String, String> p = transactional(unique("x"))) {
            c.subscribe(List.of(t));
            pollUntil(c, "an assignment", () -> !c.assignment().isEmpty());
            ConsumerGroupMetadata m = c.groupMetadata();
            p.beginTransaction();
            checkThrows(CommitFailedException.class, () -> {
                p.sendOffsetsToTransaction(at(tp(t, 0), 1), new ConsumerGroupMetadata(g, m.generationId() + 1, m.memberId(), Optional.empty()));
                p.commitTransaction();
                return "a commit";
            });
            p.abortTransaction();
            checkEquals(null, offset(g, tp(t, 0)));
        }
    }

    private void instance() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, "group.instance.id", "one"); KafkaProducer<String, String> p = transactional(unique("x"))) {
            c.subscribe(List.of(t));
            pollUntil(c, "an assignment", () -> !c.assignment().isEmpty());
            ConsumerGroupMetadata m = c.groupMetadata();
            p.beginTransaction();
            checkThrows(FencedInstanceIdException.class, () -> {
                p.sendOffsetsToTransaction(at(tp(t, 0), 1), new ConsumerGroupMetadata(g, m.generationId(), "one-of-before", Optional.of("one")));
                p.commitTransaction();
                return "a commit";
            });
            p.abortTransaction();
        }
    }

    /** A member leaves with a transaction open; the next one waits for its end, and starts where it ended. */
    private void handOver() throws Exception {
        String in = topic(1), out = topic(1), g = unique("g");
        fill(in, 0, 10);
        try (KafkaProducer<String, String> p = transactional(unique("x"))) {
            try (KafkaConsumer<String, String> c = member(g, "max.poll.records", 4)) {
                c.subscribe(List.of(in));
                List<ConsumerRecord<String, String>> got = collect(c, "records", l -> !l.isEmpty());
                p.beginTransaction();
                for (ConsumerRecord<String, String> r : got) p.send(new ProducerRecord<>(out, 0, null, r.value()));
                p.sendOffsetsToTransaction(at(tp(in, 0), got.get(got.size() - 1).offset() + 1), c.groupMetadata());
            }
            Thread end = new Thread(() -> {
                try {
                    Thread.sleep(700);
                } catch (InterruptedException e) {
                    return;
                }
                p.commitTransaction();
            });
            end.start();
            try (KafkaConsumer<String, String> d = member(g)) {
                d.subscribe(List.of(in));
                List<String> rest = values(collect(d, "the rest", l -> !l.isEmpty() && l.get(l.size() - 1).value().equals("v9")));
                end.join();
                sees(numbered("v", 0, 10), () -> {
                    List<String> all = new ArrayList<>(read(COMMITTED, out));
                    all.addAll(rest);
                    return all;
                });
            }
        }
    }
}
