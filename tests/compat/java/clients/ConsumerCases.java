import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;

/** The consumer with assigned partitions: fetching, seeking, offsets by time, pausing, limits. */
final class ConsumerCases extends Cases {
    ConsumerCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("assign-and-read", this::assign);
        add("assign-several-topics", this::severalTopics);
        add("seek", this::seek);
        add("seek-to-beginning-and-end", this::seekEnds);
        add("position", this::position);
        add("beginning-and-end-offsets", this::ends);
        add("offsets-for-times", this::offsetsForTimes);
        add("offsets-for-times-in-compressed-batches", this::offsetsForTimesCompressed);
        add("offsets-for-times-with-append-time", this::offsetsForAppendTime);
        add("pause-and-resume", this::pause);
        add("max-poll-records", this::maxPollRecords);
        add("max-partition-fetch-bytes", this::maxPartitionFetchBytes);
        add("fetch-max-bytes-over-partitions", this::fetchMaxBytes);
        add("fetch-min-bytes-waits", this::minBytes);
        add("fetch-max-wait", this::maxWait);
        add("long-poll-wakes-on-produce", this::longPoll);
        add("reset-earliest-latest-none", this::reset);
        add("reset-by-duration", this::resetByDuration);
        add("offset-out-of-range", this::outOfRange);
        add("after-delete-records", this::afterDeleteRecords);
        add("read-committed", this::readCommitted);
        add("check-crcs-off-and-on", this::crcs);
        add("list-topics-and-partitions-for", this::listTopics);
        add("topic-that-is-not-there", this::missingTopic);
        add("invalid-topic", this::invalidTopic);
        add("many-partitions-in-one-session", this::manyPartitions);
        add("session-changes-with-assignment", this::sessionChanges);
        add("client-rack", this::rack);
        add("current-lag", this::lag);
        add("wakeup", this::wakeup);
        add("segment-boundaries", this::segments);
        add("commit-without-group-membership", this::commitAssigned);
        add("consumer-protocol-with-assign", this::newConsumerAssign);
    }

    private void assign() throws Exception {
        String t = topic(2);
        fill(t, 0, 50);
        fill(t, 1, 30);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0), tp(t, 1)));
            List<String> zero = new ArrayList<>(), one = new ArrayList<>();
            for (ConsumerRecord<String, String> r : poll(c, 80)) {
                (r.partition() == 0 ? zero : one).add(r.value());
                check(r.leaderEpoch().isPresent(), "leader epoch");
            }
            checkEquals(numbered("v", 0, 50), zero);
            checkEquals(numbered("v", 0, 30), one);
        }
    }

    private void severalTopics() throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            String t = topic(1);
            fill(t, 0, 10);
            all.add(tp(t, 0));
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(all);
            poll(c, 30);
        }
    }

    private void seek() throws Exception {
        String t = topic(1);
        fill(t, 0, 100);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            for (long o : new long[] {99, 0, 57, 1}) {
                c.seek(tp(t, 0), o);
                ConsumerRecords<String, String> r = c.poll(Duration.ofSeconds(60));
                checkEquals(o, r.iterator().next().offset());
            }
            c.seek(tp(t, 0), new OffsetAndMetadata(40, java.util.Optional.of(0), ""));
            checkEquals(40L, c.poll(Duration.ofSeconds(60)).iterator().next().offset());
        }
    }

    private void seekEnds() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            c.seekToEnd(List.of(tp(t, 0)));
            checkEquals(10L, c.position(tp(t, 0)));
            c.seekToBeginning(List.of(tp(t, 0)));
            checkEquals(0L, c.position(tp(t, 0)));
            poll(c, 10);
        }
    }

    private void position() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(0L, c.position(tp(t, 0)));
            poll(c, 10);
            checkEquals(10L, c.position(tp(t, 0)));
        }
    }

    private void ends() throws Exception {
        String t = topic(3);
        fill(t, 1, 7);
        Set<TopicPartition> all = Set.of(tp(t, 0), tp(t, 1), tp(t, 2));
        try (KafkaConsumer<String, String> c = consumer(null)) {
            checkEquals(Map.of(tp(t, 0), 0L, tp(t, 1), 0L, tp(t, 2), 0L), c.beginningOffsets(all));
            checkEquals(Map.of(tp(t, 0), 0L, tp(t, 1), 7L, tp(t, 2), 0L), c.endOffsets(all));
        }
    }

    private void timed(String topic, String codec) throws Exception {
        try (KafkaProducer<String, String> p = producer("linger.ms", 50, "compression.type", codec)) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i * 1000L, "k", "v" + i));
        }
    }

    private void offsetsForTimes() throws Exception {
        forTimes("none");
    }

    private void offsetsForTimesCompressed() throws Exception {
        forTimes("lz4");
    }

    private void forTimes(String codec) throws Exception {
        String t = topic(2);
        timed(t, codec);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            for (int i : new int[] {0, 1, 42, 99}) {
                OffsetAndTimestamp o = c.offsetsForTimes(Map.of(tp(t, 0), 1_700_000_000_000L + i * 1000L - 500)).get(tp(t, 0));
                checkEquals((long) i, o.offset());
                checkEquals(1_700_000_000_000L + i * 1000L, o.timestamp());
                check(o.leaderEpoch().isPresent(), "leader epoch");
            }
            checkEquals(0L, c.offsetsForTimes(Map.of(tp(t, 0), 0L)).get(tp(t, 0)).offset());
            checkEquals(null, c.offsetsForTimes(Map.of(tp(t, 0), 1_800_000_000_000L)).get(tp(t, 0)));
            checkEquals(null, c.offsetsForTimes(Map.of(tp(t, 1), 0L)).get(tp(t, 1)));
        }
    }

    private void offsetsForAppendTime() throws Exception {
        String t = topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        fill(t, 0, 10);
        Thread.sleep(20);
        long between = System.currentTimeMillis();
        Thread.sleep(20);
        fill(t, 0, 10, 10);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            checkEquals(10L, c.offsetsForTimes(Map.of(tp(t, 0), between)).get(tp(t, 0)).offset());
        }
    }

    private void pause() throws Exception {
        String t = topic(2);
        fill(t, 0, 10);
        fill(t, 1, 10);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0), tp(t, 1)));
            c.pause(List.of(tp(t, 0)));
            checkEquals(Set.of(tp(t, 0)), c.paused());
            poll(c, 10).forEach(r -> checkEquals(1, r.partition()));
            check(c.poll(Duration.ofMillis(300)).isEmpty(), "paused");
            c.resume(List.of(tp(t, 0)));
            poll(c, 10).forEach(r -> checkEquals(0, r.partition()));
        }
    }

    private void maxPollRecords() throws Exception {
        String t = topic(1);
        fill(t, 0, 100);
        try (KafkaConsumer<String, String> c = consumer(null, "max.poll.records", 7)) {
            c.assign(List.of(tp(t, 0)));
            int n = 0;
            while (n < 100) {
                ConsumerRecords<String, String> r = c.poll(Duration.ofSeconds(60));
                check(r.count() <= 7 && r.count() > 0, "count " + r.count());
                for (ConsumerRecord<String, String> x : r) checkEquals((long) n++, x.offset());
            }
        }
    }

    private void maxPartitionFetchBytes() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("batch.size", 2000)) {
            for (int i = 0; i < 1000; i++) p.send(new ProducerRecord<>(t, 0, null, "x".repeat(500) + i));
        }
        try (KafkaConsumer<String, String> c = consumer(null, "max.partition.fetch.bytes", 3000)) {
            c.assign(List.of(tp(t, 0)));
            List<ConsumerRecord<String, String>> all = poll(c, 1000);
            for (int i = 0; i < 1000; i++) checkEquals("x".repeat(500) + i, all.get(i).value());
        }
    }

    private void fetchMaxBytes() throws Exception {
        String t = topic(5);
        for (int part = 0; part < 5; part++) fill(t, part, 200);
        try (KafkaConsumer<String, String> c = consumer(null, "fetch.max.bytes", 2000, "max.partition.fetch.bytes", 1000)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int part = 0; part < 5; part++) all.add(tp(t, part));
            c.assign(all);
            long[] next = new long[5];
            for (ConsumerRecord<String, String> r : poll(c, 1000)) checkEquals(next[r.partition()]++, r.offset());
        }
    }

    private void minBytes() throws Exception {
        String t = topic(1);
        fill(t, 0, 1);
        try (KafkaConsumer<String, String> c = consumer(null, "fetch.min.bytes", 100_000, "fetch.max.wait.ms", 1500)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(0L, c.position(tp(t, 0)));
            long began = System.nanoTime();
            poll(c, 1);
            check(System.nanoTime() - began > 1_000_000_000L, "answered before the wait was over");
        }
    }

    private void maxWait() throws Exception {
        String t = topic(1);
        try (KafkaConsumer<String, String> c = consumer(null, "fetch.max.wait.ms", 200)) {
            c.assign(List.of(tp(t, 0)));
            long began = System.nanoTime();
            pollUntil(c, "answers of nothing", () -> fetches(c) >= 5);
            double ms = (System.nanoTime() - began) / 1e6, fetches = fetches(c);
            check(ms >= fetches * 150, fetches + " fetches in " + ms + " ms: answered before the wait was over");
        }
    }

    private static double fetches(KafkaConsumer<?, ?> c) {
        return (Double) c.metrics().entrySet().stream().filter(m -> m.getKey().name().equals("fetch-total") && m.getKey().group().equals("consumer-fetch-manager-metrics"))
            .findFirst().orElseThrow().getValue().metricValue();
    }

    private void longPoll() throws Exception {
        String t = topic(1);
        // The fetch would wait longer than poll(c, 1) does.
        try (KafkaConsumer<String, String> c = consumer(null, "fetch.max.wait.ms", 200_000, "request.timeout.ms", 250_000); KafkaProducer<String, String> p = producer()) {
            p.partitionsFor(t);
            c.assign(List.of(tp(t, 0)));
            check(c.poll(Duration.ofMillis(500)).isEmpty(), "nothing there");
            p.send(new ProducerRecord<>(t, 0, "k", "v"));
            p.flush();
            poll(c, 1);
            c.close(Duration.ZERO); // another fetch is waiting
        }
    }

    private void reset() throws Exception {
        String t = topic(1);
        fill(t, 0, 5);
        try (KafkaConsumer<String, String> c = consumer(null, "auto.offset.reset", "latest")) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(5L, c.position(tp(t, 0)));
        }
        try (KafkaConsumer<String, String> c = consumer(unique("g"), "auto.offset.reset", "none")) {
            c.assign(List.of(tp(t, 0)));
            checkThrows(NoOffsetForPartitionException.class, () -> c.poll(Duration.ofSeconds(60)));
        }
    }

    private void resetByDuration() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer()) {
            get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis() - 3_600_000, "k", "old")));
            get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis(), "k", "new")));
        }
        try (KafkaConsumer<String, String> c = consumer(null, "auto.offset.reset", "by_duration:PT30M")) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(List.of("new"), values(poll(c, 1)));
        }
    }

    private void outOfRange() throws Exception {
        String t = topic(1);
        fill(t, 0, 5);
        try (KafkaConsumer<String, String> c = consumer(null, "auto.offset.reset", "none")) {
            c.assign(List.of(tp(t, 0)));
            c.seek(tp(t, 0), 77);
            checkEquals(Map.of(tp(t, 0), 77L), checkThrows(OffsetOutOfRangeException.class, () -> {
                pollUntil(c, "an exception", () -> false);
                return "no exception";
            }).offsetOutOfRangePartitions());
        }
    }

    private void afterDeleteRecords() throws Exception {
        String t = topic(1);
        fill(t, 0, 20);
        get(admin.deleteRecords(Map.of(tp(t, 0), RecordsToDelete.beforeOffset(12))).all());
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 12, 20), values(poll(c, 8)));
            checkEquals(12L, c.beginningOffsets(List.of(tp(t, 0))).get(tp(t, 0)));
            c.seek(tp(t, 0), 3);
            // below the start of the log: reset to the earliest
            checkEquals(numbered("v", 12, 20), values(poll(c, 8)));
        }
    }

    private void readCommitted() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(null, "isolation.level", "read_committed")) {
            c.assign(List.of(tp(t, 0)));
            poll(c, 10);
            checkEquals(10L, c.endOffsets(List.of(tp(t, 0))).get(tp(t, 0)));
        }
    }

    private void crcs() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        for (boolean check : new boolean[] {true, false})
            try (KafkaConsumer<String, String> c = consumer(null, "check.crcs", check)) {
                c.assign(List.of(tp(t, 0)));
                poll(c, 10);
            }
    }

    private void listTopics() throws Exception {
        String t = topic(3);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            Map<String, List<PartitionInfo>> all = c.listTopics();
            checkEquals(3, all.get(t).size());
            checkEquals(3, c.partitionsFor(t).size());
            check(!all.containsKey("__consumer_offsets") || all.get("__consumer_offsets").size() > 0, "internal topic");
        }
    }

    private void missingTopic() throws Exception {
        String t = unique("missing");
        try (KafkaConsumer<String, String> c = consumer(null, "allow.auto.create.topics", "false")) {
            check(c.partitionsFor(t, Duration.ofSeconds(60)).isEmpty(), "no partitions");
            c.assign(List.of(tp(t, 0)));
            check(c.poll(Duration.ofMillis(600)).isEmpty(), "nothing");
            check(!get(admin.listTopics().names()).contains(t), "the topic was created");
            fillAuto(t);
            poll(c, 1);
        }
    }

    private void fillAuto(String t) throws Exception {
        get(admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(t, 1, (short) 1))).all());
        fill(t, 0, 1);
    }

    private void invalidTopic() {
        try (KafkaConsumer<String, String> c = consumer(null)) {
            checkThrows(InvalidTopicException.class, () -> c.partitionsFor("not a name"));
        }
    }

    private void manyPartitions() throws Exception {
        String t = topic(60);
        List<TopicPartition> all = new ArrayList<>();
        try (KafkaProducer<String, String> p = producer("linger.ms", 20)) {
            for (int part = 0; part < 60; part++) {
                all.add(tp(t, part));
                for (int i = 0; i < 5; i++) p.send(new ProducerRecord<>(t, part, null, "v" + i));
            }
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(all);
            poll(c, 300);
            fill(t, 31, 5, 3); // an incremental fetch names only what has changed
            poll(c, 3).forEach(r -> checkEquals(31, r.partition()));
        }
    }

    private void sessionChanges() throws Exception {
        String t = topic(3);
        for (int part = 0; part < 3; part++) fill(t, part, 5);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0), tp(t, 1)));
            poll(c, 10);
            c.assign(List.of(tp(t, 1), tp(t, 2)));
            c.seek(tp(t, 1), 5);
            poll(c, 5).forEach(r -> checkEquals(2, r.partition()));
            fill(t, 0, 5, 1);
            fill(t, 1, 5, 1);
            poll(c, 1).forEach(r -> checkEquals(1, r.partition()));
        }
    }

    private void rack() throws Exception {
        String t = topic(1);
        fill(t, 0, 5);
        try (KafkaConsumer<String, String> c = consumer(null, "client.rack", "somewhere")) {
            c.assign(List.of(tp(t, 0)));
            poll(c, 5);
        }
    }

    private void lag() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(null, "max.poll.records", 4)) {
            c.assign(List.of(tp(t, 0)));
            while (c.poll(Duration.ofMillis(300)).isEmpty()) Thread.onSpinWait();
            checkEquals(OptionalLong.of(6), c.currentLag(tp(t, 0)));
        }
    }

    private void wakeup() throws Exception {
        String t = topic(1);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            c.wakeup();
            checkThrows(org.apache.kafka.common.errors.WakeupException.class, () -> c.poll(Duration.ofSeconds(60)));
            check(c.poll(Duration.ofMillis(100)).isEmpty(), "goes on");
        }
    }

    private void segments() throws Exception {
        String t = topic(1, Map.of("segment.bytes", "1048576", "index.interval.bytes", "1000"));
        byte[] value = new byte[20_000];
        Arrays.fill(value, (byte) 7);
        try (KafkaProducer<byte[], byte[]> p = bytesProducer("batch.size", 50_000)) {
            for (int i = 0; i < 200; i++) p.send(new ProducerRecord<>(t, 0, null, value));
        }
        try (KafkaConsumer<byte[], byte[]> c = bytesConsumer("max.partition.fetch.bytes", 150_000)) {
            c.assign(List.of(tp(t, 0)));
            long next = 0;
            for (ConsumerRecord<byte[], byte[]> r : poll(c, 200)) {
                checkEquals(next++, r.offset());
                check(Arrays.equals(value, r.value()), "bytes");
            }
            for (long o : new long[] {0, 51, 52, 53, 104, 150, 199}) {
                c.seek(tp(t, 0), o);
                checkEquals(o, c.poll(Duration.ofSeconds(60)).iterator().next().offset());
            }
        }
    }

    private void commitAssigned() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(Map.of(tp(t, 0), new OffsetAndMetadata(4, "some text")));
            checkEquals("some text", c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).metadata());
        }
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 4, 10), values(poll(c, 6)));
        }
    }

    /** The newer consumer implementation needs nothing new of the broker as long as it is not a member of a group. */
    private void newConsumerAssign() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(null, "group.protocol", "consumer")) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 0, 10), values(poll(c, 10)));
            checkEquals(10L, c.endOffsets(List.of(tp(t, 0))).get(tp(t, 0)));
        }
    }
}
