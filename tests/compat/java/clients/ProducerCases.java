import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;

/** The producer: acks, idempotence, codecs, headers, timestamps, partitions, sizes, errors. */
final class ProducerCases extends Cases {
    ProducerCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        for (String acks : List.of("0", "1", "all")) {
            add("acks-" + acks, () -> acks(acks));
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) add("codec-" + codec + "-acks-" + acks, () -> codec(codec, acks));
        }
        for (String level : List.of("gzip:1", "gzip:9", "lz4:1", "lz4:17", "zstd:-5", "zstd:22"))
            add("level-" + level.replace(':', '-'), () -> level(level.split(":")[0], level.split(":")[1]));
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd", "uncompressed", "producer")) add("topic-compression-" + codec, () -> topicCompression(codec));
        add("offsets-are-consecutive", this::offsets);
        add("idempotent", this::idempotent);
        add("idempotent-many-in-flight", this::manyInFlight);
        add("idempotent-several-producers", this::severalProducers);
        add("headers", this::headers);
        add("null-key-and-value", this::nulls);
        add("empty-key-and-value", this::empties);
        add("binary-key-and-value", this::binary);
        add("create-time", this::createTime);
        add("log-append-time", this::logAppendTime);
        add("log-append-time-compressed", this::logAppendTimeCompressed);
        add("timestamp-too-old", this::timestampTooOld);
        add("timestamp-too-new", this::timestampTooNew);
        add("explicit-partition", this::explicitPartition);
        add("key-decides-partition", this::keyDecidesPartition);
        add("no-key-uses-several-partitions", this::noKey);
        add("partitions-for", this::partitionsFor);
        add("partition-that-is-not-there", this::noSuchPartition);
        add("record-of-900-kb", () -> large(900_000, "none"));
        add("record-of-900-kb-zstd", () -> large(900_000, "zstd"));
        add("record-too-large-for-the-topic", this::tooLarge);
        add("record-too-large-with-acks-0", this::tooLargeAcks0);
        add("record-of-5-mb-in-a-topic-that-takes-it", this::fiveMegabytes);
        add("large-batch-of-small-records", this::largeBatch);
        add("auto-created-topic", this::autoCreated);
        add("invalid-topic-name", this::invalidTopic);
        add("topic-that-was-deleted-times-out", this::deletedTopic);
        add("topic-made-again", this::topicMadeAgain);
        add("partitions-added-while-producing", this::partitionsAdded);
        add("flush-and-close", this::flush);
        add("callbacks-in-order", this::callbacks);
        add("min-insync-replicas-too-high", this::minInsync);
    }

    private static byte[] randomBytes(int n, long seed) {
        byte[] b = new byte[n];
        new Random(seed).nextBytes(b);
        return b;
    }

    private void acks(String acks) throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("acks", acks, "enable.idempotence", acks.equals("all"))) {
            for (int i = 0; i < 100; i++) {
                RecordMetadata m = get(p.send(new ProducerRecord<>(t, 0, "k" + i, "v" + i)));
                checkEquals(acks.equals("0") ? -1L : (long) i, m.offset());
            }
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 0, 100), values(poll(c, 100)));
        }
    }

    private void codec(String codec, String acks) throws Exception {
        String t = topic(2);
        try (KafkaProducer<String, String> p = producer("acks", acks, "enable.idempotence", acks.equals("all"), "compression.type", codec, "linger.ms", 30)) {
            for (int i = 0; i < 500; i++) p.send(new ProducerRecord<>(t, i % 2, "k" + i, "value ".repeat(i % 50) + i));
        }
        readBack(t, 2, 500);
    }

    private void readBack(String t, int partitions, int n) {
        for (int part = 0; part < partitions; part++) {
            try (KafkaConsumer<String, String> c = consumer(null)) {
                c.assign(List.of(tp(t, part)));
                int i = part;
                for (ConsumerRecord<String, String> r : poll(c, n / partitions)) {
                    checkEquals("k" + i, r.key());
                    checkEquals("value ".repeat(i % 50) + i, r.value());
                    checkEquals((long) (i / partitions), r.offset());
                    i += partitions;
                }
            }
        }
    }

    private void level(String codec, String level) throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("compression.type", codec, "compression." + codec + ".level", level, "linger.ms", 30)) {
            for (int i = 0; i < 500; i++) p.send(new ProducerRecord<>(t, 0, "k" + i, "value ".repeat(i % 50) + i));
        }
        readBack(t, 1, 500);
    }

    /** The broker compresses again with the topic's codec; the records stay the same. */
    private void topicCompression(String codec) throws Exception {
        String t = topic(1, Map.of("compression.type", codec));
        for (String own : List.of("none", "lz4")) {
            try (KafkaProducer<String, String> p = producer("compression.type", own, "linger.ms", 30)) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < 200; i++) sent.add(p.send(new ProducerRecord<>(t, 0, "k" + i, "value ".repeat(i % 50) + i)));
                for (int i = 0; i < 200; i++) checkEquals((own.equals("none") ? 0L : 200L) + i, get(sent.get(i)).offset());
            }
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            int i = 0;
            for (ConsumerRecord<String, String> r : poll(c, 400)) {
                checkEquals("value ".repeat(i % 200 % 50) + i % 200, r.value());
                i++;
            }
        }
    }

    private void offsets() throws Exception {
        String t = topic(3);
        AtomicInteger[] next = {new AtomicInteger(), new AtomicInteger(), new AtomicInteger()};
        try (KafkaProducer<String, String> p = producer("linger.ms", 5)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 300; i++) sent.add(p.send(new ProducerRecord<>(t, i % 3, null, "v" + i)));
            for (Future<RecordMetadata> f : sent) {
                RecordMetadata m = get(f);
                checkEquals((long) next[m.partition()].getAndIncrement(), m.offset());
                check(m.hasTimestamp() && m.timestamp() > 0, "timestamp");
            }
        }
    }

    private void idempotent() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("enable.idempotence", true, "acks", "all")) {
            for (int i = 0; i < 50; i++) checkEquals((long) i, get(p.send(new ProducerRecord<>(t, 0, null, "v" + i))).offset());
        }
        var state = get(admin.describeProducers(List.of(tp(t, 0))).partitionResult(tp(t, 0))).activeProducers();
        checkEquals(1, state.size());
        checkEquals(49, state.get(0).lastSequence());
        checkEquals(0, state.get(0).producerEpoch());
    }

    private void manyInFlight() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("enable.idempotence", true, "batch.size", 100, "max.in.flight.requests.per.connection", 5)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 2000; i++) sent.add(p.send(new ProducerRecord<>(t, 0, null, "v" + i)));
            for (int i = 0; i < 2000; i++) checkEquals((long) i, get(sent.get(i)).offset());
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 0, 2000), values(poll(c, 2000)));
        }
    }

    private void severalProducers() throws Exception {
        String t = topic(1);
        List<Long> ids = new ArrayList<>();
        for (int n = 0; n < 3; n++)
            try (KafkaProducer<String, String> p = producer("enable.idempotence", true)) {
                for (int i = 0; i < 10; i++) checkEquals(n * 10L + i, get(p.send(new ProducerRecord<>(t, 0, null, n + "-" + i))).offset());
            }
        get(admin.describeProducers(List.of(tp(t, 0))).partitionResult(tp(t, 0))).activeProducers().forEach(s -> ids.add(s.producerId()));
        checkEquals(3L, ids.stream().distinct().count());
    }

    private void headers() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer()) {
            ProducerRecord<String, String> r = new ProducerRecord<>(t, 0, "k", "v");
            r.headers().add("a", "1".getBytes()).add("a", "2".getBytes()).add("null", null).add("empty", new byte[0]).add("ünïcode", randomBytes(300, 1)).add("", "no name".getBytes());
            get(p.send(r));
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            Header[] h = poll(c, 1).get(0).headers().toArray();
            checkEquals(List.of("a", "a", "null", "empty", "ünïcode", ""), Arrays.stream(h).map(Header::key).toList());
            checkEquals("2", new String(h[1].value()));
            checkEquals(null, h[2].value());
            checkEquals(0, h[3].value().length);
            check(Arrays.equals(randomBytes(300, 1), h[4].value()), "bytes of a header");
        }
    }

    private void nulls() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("compression.type", "lz4", "linger.ms", 50)) {
            p.send(new ProducerRecord<>(t, 0, null, null));
            p.send(new ProducerRecord<>(t, 0, "k", null));
            p.send(new ProducerRecord<>(t, 0, null, "v"));
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            List<ConsumerRecord<String, String>> r = poll(c, 3);
            check(r.get(0).key() == null && r.get(0).value() == null && r.get(1).value() == null && r.get(2).key() == null, "nulls");
            checkEquals("k", r.get(1).key());
            checkEquals("v", r.get(2).value());
        }
    }

    private void empties() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer()) {
            get(p.send(new ProducerRecord<>(t, 0, "", "")));
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            ConsumerRecord<String, String> r = poll(c, 1).get(0);
            checkEquals("", r.key());
            checkEquals("", r.value());
        }
    }

    private void binary() throws Exception {
        String t = topic(1);
        try (KafkaProducer<byte[], byte[]> p = bytesProducer("linger.ms", 20)) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>(t, 0, randomBytes(i, i), randomBytes(i * 37, -i)));
        }
        try (KafkaConsumer<byte[], byte[]> c = bytesConsumer()) {
            c.assign(List.of(tp(t, 0)));
            int i = 0;
            for (ConsumerRecord<byte[], byte[]> r : poll(c, 100)) {
                check(Arrays.equals(randomBytes(i, i), r.key()) && Arrays.equals(randomBytes(i * 37, -i), r.value()), "record " + i);
                i++;
            }
        }
    }

    private void createTime() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("linger.ms", 50)) {
            Future<RecordMetadata> a = p.send(new ProducerRecord<>(t, 0, 1_600_000_000_000L, "k", "v"));
            Future<RecordMetadata> b = p.send(new ProducerRecord<>(t, 0, 1_500_000_000_000L, "k", "v"));
            checkEquals(1_600_000_000_000L, get(a).timestamp());
            checkEquals(1_500_000_000_000L, get(b).timestamp());
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            List<ConsumerRecord<String, String>> r = poll(c, 2);
            checkEquals(List.of(1_600_000_000_000L, 1_500_000_000_000L), List.of(r.get(0).timestamp(), r.get(1).timestamp()));
            checkEquals(TimestampType.CREATE_TIME, r.get(0).timestampType());
        }
    }

    private void logAppendTime() throws Exception {
        appendTime("none");
    }

    private void logAppendTimeCompressed() throws Exception {
        appendTime("zstd");
    }

    private void appendTime(String codec) throws Exception {
        String t = topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis(), answered;
        try (KafkaProducer<String, String> p = producer("compression.type", codec)) {
            answered = get(p.send(new ProducerRecord<>(t, 0, 1_600_000_000_000L, "k", "v"))).timestamp();
        }
        check(answered >= before - 1000 && answered <= System.currentTimeMillis() + 1000, "append time " + answered);
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            ConsumerRecord<String, String> r = poll(c, 1).get(0);
            checkEquals(TimestampType.LOG_APPEND_TIME, r.timestampType());
            checkEquals(answered, r.timestamp());
        }
    }

    private void timestampTooOld() throws Exception {
        String t = topic(1, Map.of("message.timestamp.before.max.ms", "60000"));
        try (KafkaProducer<String, String> p = producer()) {
            checkThrows(InvalidTimestampException.class, () -> get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis() - 3_600_000, "k", "v"))));
            get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis() - 1000, "k", "v")));
        }
    }

    private void timestampTooNew() throws Exception {
        String t = topic(1, Map.of("message.timestamp.after.max.ms", "60000"));
        try (KafkaProducer<String, String> p = producer()) {
            checkThrows(InvalidTimestampException.class, () -> get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis() + 3_600_000, "k", "v"))));
            get(p.send(new ProducerRecord<>(t, 0, System.currentTimeMillis(), "k", "v")));
        }
    }

    private void explicitPartition() throws Exception {
        String t = topic(4);
        try (KafkaProducer<String, String> p = producer()) {
            for (int i = 0; i < 4; i++) checkEquals(i, get(p.send(new ProducerRecord<>(t, i, "same", "v"))).partition());
        }
    }

    private void keyDecidesPartition() throws Exception {
        String t = topic(5);
        try (KafkaProducer<String, String> p = producer()) {
            for (String k : List.of("a", "b", "c", "d", "e", "f")) {
                int first = get(p.send(new ProducerRecord<>(t, k, "1"))).partition();
                checkEquals(first, get(p.send(new ProducerRecord<>(t, k, "2"))).partition());
                byte[] key = k.getBytes(StandardCharsets.UTF_8);
                checkEquals(org.apache.kafka.common.utils.Utils.toPositive(org.apache.kafka.common.utils.Utils.murmur2(key)) % 5, first);
            }
        }
    }

    private void noKey() throws Exception {
        String t = topic(3);
        boolean[] used = new boolean[3];
        try (KafkaProducer<String, String> p = producer("batch.size", 200)) {
            for (int i = 0; i < 600; i++) used[get(p.send(new ProducerRecord<>(t, null, "some value " + i))).partition()] = true;
        }
        check(used[0] && used[1] && used[2], "partitions " + Arrays.toString(used));
    }

    private void partitionsFor() throws Exception {
        String t = topic(3);
        try (KafkaProducer<String, String> p = producer()) {
            var infos = p.partitionsFor(t);
            checkEquals(3, infos.size());
            infos.forEach(i -> check(i.leader() != null && i.replicas().length == 1 && i.inSyncReplicas().length == 1 && i.offlineReplicas().length == 0, "" + i));
        }
    }

    private void noSuchPartition() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("max.block.ms", 1500)) {
            checkThrows(TimeoutException.class, () -> get(p.send(new ProducerRecord<>(t, 7, "k", "v"))));
        }
    }

    private void large(int size, String codec) throws Exception {
        String t = topic(1);
        byte[] value = randomBytes(size, 5);
        try (KafkaProducer<byte[], byte[]> p = bytesProducer("compression.type", codec)) {
            for (int i = 0; i < 5; i++) get(p.send(new ProducerRecord<>(t, 0, null, value)));
        }
        // larger than what one fetch asks for: the first batch comes whole all the same
        try (KafkaConsumer<byte[], byte[]> c = bytesConsumer("max.partition.fetch.bytes", 1000, "fetch.max.bytes", 1000)) {
            c.assign(List.of(tp(t, 0)));
            for (ConsumerRecord<byte[], byte[]> r : poll(c, 5)) check(Arrays.equals(value, r.value()), "bytes");
        }
    }

    private void tooLarge() throws Exception {
        String t = topic(1, Map.of("max.message.bytes", "10000"));
        try (KafkaProducer<byte[], byte[]> p = bytesProducer()) {
            checkThrows(RecordTooLargeException.class, () -> get(p.send(new ProducerRecord<>(t, 0, null, randomBytes(20_000, 1)))));
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, 0, null, randomBytes(5_000, 1)))).offset());
        }
    }

    private void tooLargeAcks0() throws Exception {
        String t = topic(1, Map.of("max.message.bytes", "10000"));
        try (KafkaProducer<byte[], byte[]> p = bytesProducer("acks", "0", "enable.idempotence", false)) {
            checkEquals(-1L, get(p.send(new ProducerRecord<>(t, 0, null, randomBytes(20_000, 1)))).offset());
            p.flush();
        }
        try (KafkaProducer<byte[], byte[]> p = bytesProducer()) {
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, 0, null, randomBytes(50, 1)))).offset());
        }
    }

    private void fiveMegabytes() throws Exception {
        String t = topic(1, Map.of("max.message.bytes", "6000000"));
        byte[] value = randomBytes(5_000_000, 9);
        try (KafkaProducer<byte[], byte[]> p = bytesProducer("max.request.size", 7_000_000, "buffer.memory", 40_000_000)) {
            for (int i = 0; i < 3; i++) get(p.send(new ProducerRecord<>(t, 0, null, value)));
        }
        try (KafkaConsumer<byte[], byte[]> c = bytesConsumer()) {
            c.assign(List.of(tp(t, 0)));
            for (ConsumerRecord<byte[], byte[]> r : poll(c, 3)) check(Arrays.equals(value, r.value()), "bytes");
        }
    }

    private void largeBatch() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("batch.size", 900_000, "linger.ms", 200, "compression.type", "gzip")) {
            for (int i = 0; i < 30_000; i++) p.send(new ProducerRecord<>(t, 0, null, "v" + i));
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(numbered("v", 0, 30_000), values(poll(c, 30_000)));
        }
    }

    private void autoCreated() throws Exception {
        String t = unique("auto");
        try (KafkaProducer<String, String> p = producer()) {
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, "k", "v"))).offset());
        }
        checkEquals(1, get(admin.describeTopics(List.of(t)).allTopicNames()).get(t).partitions().size());
    }

    private void invalidTopic() {
        try (KafkaProducer<String, String> p = producer()) {
            for (String bad : List.of("a b", "../x", "x".repeat(250)))
                checkThrows(InvalidTopicException.class, () -> get(p.send(new ProducerRecord<>(bad, "k", "v"))));
        }
    }

    private void deletedTopic() throws Exception {
        String t = topic(1, Map.of());
        try (KafkaProducer<String, String> p = producer("linger.ms", 0)) {
            get(p.send(new ProducerRecord<>(t, 0, "k", "v")));
            get(admin.deleteTopics(List.of(t)).all());
            eventually("topic is gone", () -> !get(admin.listTopics().names()).contains(t));
        }
    }

    /** The producer goes on after a topic was deleted and made again; the log starts at 0. */
    private void topicMadeAgain() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("metadata.max.age.ms", 500)) {
            for (int i = 0; i < 5; i++) get(p.send(new ProducerRecord<>(t, 0, "k", "v")));
            var first = get(admin.listTopics().namesToListings()).get(t).topicId();
            get(admin.deleteTopics(List.of(t)).all());
            eventually("it is made again", () -> {
                try {
                    get(admin.createTopics(List.of(new NewTopic(t, 1, (short) 1))).all());
                    return true;
                } catch (java.util.concurrent.ExecutionException e) {
                    // Not deleted yet; or the producer, which asks for its topic all the time, has had it made.
                    return isAnother(t, first);
                }
            });
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, 0, "k", "again"))).offset());
        }
        try (KafkaConsumer<String, String> c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(List.of("again"), values(poll(c, 1)));
        }
    }

    private boolean isAnother(String t, org.apache.kafka.common.Uuid than) throws Exception {
        var listed = get(admin.listTopics().namesToListings()).get(t);
        return listed != null && !listed.topicId().equals(than);
    }

    private void partitionsAdded() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer("metadata.max.age.ms", 300)) {
            get(p.send(new ProducerRecord<>(t, 0, "k", "v")));
            get(admin.createPartitions(Map.of(t, org.apache.kafka.clients.admin.NewPartitions.increaseTo(3))).all());
            eventually("three partitions are seen", () -> p.partitionsFor(t).size() == 3);
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, 2, "k", "v"))).offset());
        }
    }

    private void flush() throws Exception {
        String t = topic(1);
        KafkaProducer<String, String> p = producer("linger.ms", 60_000);
        Future<RecordMetadata> f = p.send(new ProducerRecord<>(t, 0, "k", "v"));
        check(!f.isDone(), "still waiting");
        p.flush();
        check(f.isDone(), "flushed");
        Future<RecordMetadata> g = p.send(new ProducerRecord<>(t, 0, "k", "v"));
        p.close();
        checkEquals(1L, get(g).offset());
    }

    private void callbacks() throws Exception {
        String t = topic(1);
        List<Long> seen = new ArrayList<>();
        try (KafkaProducer<String, String> p = producer()) {
            for (int i = 0; i < 500; i++) p.send(new ProducerRecord<>(t, 0, null, "v"), (m, e) -> seen.add(e == null ? m.offset() : -9));
        }
        checkEquals(500, seen.size());
        for (int i = 0; i < 500; i++) checkEquals((long) i, seen.get(i));
    }

    /** More than there are replicas: what counts is the number of replicas. */
    private void minInsync() throws Exception {
        String t = topic(1, Map.of("min.insync.replicas", "2"));
        try (KafkaProducer<String, String> p = producer("acks", "all")) {
            checkEquals(0L, get(p.send(new ProducerRecord<>(t, 0, "k", "v"))).offset());
        }
    }
}
