import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A small world of topics: {@code World BOOTSTRAP make|more|describe}.
 *
 * <p>{@code describe} prints, in a fixed order, all that a client can see and that must outlive the change of the broker on one directory:
 * ids, configurations, offsets, every record, what producers left behind, committed offsets.
 */
public final class World {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static String bootstrap;
    private static Admin admin;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        try (Admin a = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin = a;
            switch (args[1]) {
                case "make" -> make();
                case "more" -> more(2);
                case "describe" -> describe();
                default -> throw new IllegalArgumentException(args[1]);
            }
        }
        System.out.println("DONE");
    }

    private static <T> T get(Future<T> f) throws Exception {
        return f.get(60, TimeUnit.SECONDS);
    }

    private static void topic(String name, int partitions, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get(60, TimeUnit.SECONDS);
        while (!admin.listTopics().names().get(60, TimeUnit.SECONDS).contains(name)) Thread.sleep(20);
    }

    private static void make() throws Exception {
        for (String codec : CODECS) topic("codec-" + codec, 2, Map.of("segment.bytes", "1048576", "index.interval.bytes", "2048"));
        topic("recompressed", 1, Map.of("compression.type", "zstd"));
        topic("append-time", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        topic("start-moved", 1, Map.of("segment.bytes", "1048576"));
        topic("compacted", 1, Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.99"));
        topic("empty", 3, Map.of("retention.ms", "86400000"));
        topic("gone", 2, Map.of());
        more(1);
        produce("start-moved", 0, "none", 600, 3000, 7);
        get(admin.deleteRecords(Map.of(new TopicPartition("start-moved", 0), RecordsToDelete.beforeOffset(777))).lowWatermarks().get(new TopicPartition("start-moved", 0)).toCompletionStage().toCompletableFuture());
        produce("gone", 0, "none", 10, 100, 8);
        admin.deleteTopics(List.of("gone")).all().get(60, TimeUnit.SECONDS);
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "empty"), List.<AlterConfigOp>of(new AlterConfigOp(new ConfigEntry("max.message.bytes", "123456"), AlterConfigOp.OpType.SET)),
            new ConfigResource(ConfigResource.Type.BROKER, ""), List.of(new AlterConfigOp(new ConfigEntry("log.cleaner.threads", "2"), AlterConfigOp.OpType.SET)))).all().get(60, TimeUnit.SECONDS);
        for (String group : List.of("group-one", "group-two", "grüppe")) commit(group);
    }

    /** Records in every topic but the empty one; the seed makes runs differ. */
    private static void more(int seed) throws Exception {
        for (String codec : CODECS)
            for (int p = 0; p < 2; p++) produce("codec-" + codec, p, codec, 1500, 1500, seed * 100 + p);
        produce("recompressed", 0, "gzip", 500, 300, seed * 100 + 10);
        produce("append-time", 0, "lz4", 300, 200, seed * 100 + 11);
        produce("start-moved", 0, "none", 600, 2000, seed * 100 + 12);
        produce("compacted", 0, "snappy", 300, 50, seed * 100 + 13);
    }

    private static byte[] bytes(Random r, int most) {
        byte[] b = new byte[r.nextInt(most + 1)];
        // half of it repeats, so that codecs have something to do
        for (int i = 0; i < b.length; i++) b[i] = (byte) (i % 64 < 32 ? i : r.nextInt(256));
        return b;
    }

    private static void produce(String topic, int partition, String codec, int n, int most, int seed) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("compression.type", codec);
        p.put("enable.idempotence", "true");
        p.put("batch.size", "20000");
        p.put("linger.ms", "2");
        Random r = new Random(seed);
        // within the last day: what a producer left behind is forgotten after that
        long time = System.currentTimeMillis() - 3_600_000L;
        List<Future<?>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < n; i++) {
                boolean compacted = topic.equals("compacted");
                byte[] key = compacted ? ("key-" + r.nextInt(50)).getBytes(StandardCharsets.UTF_8) : r.nextInt(5) == 0 ? null : bytes(r, 20);
                byte[] value = r.nextInt(20) == 0 ? null : bytes(r, most);
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, time + i * 10 - r.nextInt(200), key, value);
                for (int h = r.nextInt(3); h > 0; h--) record.headers().add("h" + h, r.nextInt(4) == 0 ? null : bytes(r, 30));
                sent.add(producer.send(record));
            }
            for (Future<?> f : sent) get(f);
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.protocol", "classic");
        if (group != null) p.put("group.id", group);
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** As a member of the group, so that the coordinator writes group metadata as well as offsets. */
    private static void commit(String group) {
        try (KafkaConsumer<byte[], byte[]> c = consumer(group)) {
            c.subscribe(List.of("codec-none", "codec-zstd"));
            while (c.assignment().isEmpty()) c.poll(Duration.ofMillis(200));
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition t : c.assignment()) offsets.put(t, new OffsetAndMetadata(100 + t.partition(), java.util.Optional.of(0), "of " + group));
            c.commitSync(offsets);
        }
    }

    private static String hash(byte[] b) {
        return b == null ? "null" : b.length + ":" + Integer.toHexString(Arrays.hashCode(b));
    }

    private static void describe() throws Exception {
        System.out.println("cluster " + admin.describeCluster().clusterId().get(60, TimeUnit.SECONDS));
        Collection<String> names = new TreeSet<>(admin.listTopics().names().get(60, TimeUnit.SECONDS));
        Map<String, TopicDescription> topics = admin.describeTopics(names).allTopicNames().get(60, TimeUnit.SECONDS);
        for (String name : names) {
            TopicDescription d = topics.get(name);
            System.out.println("topic " + name + " " + d.topicId() + " " + d.partitions().size());
            ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, name);
            Map<String, String> own = new TreeMap<>();
            admin.describeConfigs(List.of(r)).all().get(60, TimeUnit.SECONDS).get(r).entries().stream().filter(e -> e.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG).forEach(e -> own.put(e.name(), e.value()));
            System.out.println("config " + name + " " + own);
            for (int p = 0; p < d.partitions().size(); p++) partition(new TopicPartition(name, p));
        }
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        Map<String, String> broker = new TreeMap<>();
        admin.describeConfigs(List.of(all)).all().get(60, TimeUnit.SECONDS).get(all).entries().forEach(e -> broker.put(e.name(), e.value()));
        System.out.println("broker default " + broker);
        Map<String, String> groups = new TreeMap<>();
        for (var g : admin.listGroups().all().get(60, TimeUnit.SECONDS))
            groups.put(g.groupId(), new TreeMap<>(toStrings(admin.listConsumerGroupOffsets(g.groupId()).partitionsToOffsetAndMetadata().get(60, TimeUnit.SECONDS))).toString() + " " + g.groupState().orElse(null) + " " + g.protocol());
        groups.forEach((g, o) -> System.out.println("group " + g + " " + o));
    }

    private static Map<String, String> toStrings(Map<TopicPartition, OffsetAndMetadata> m) {
        Map<String, String> s = new HashMap<>();
        m.forEach((k, v) -> s.put(k.toString(), v.offset() + "/" + v.leaderEpoch() + "/" + v.metadata()));
        return s;
    }

    private static void partition(TopicPartition t) throws Exception {
        Map<String, String> producers = new TreeMap<>();
        admin.describeProducers(List.of(t)).partitionResult(t).get(60, TimeUnit.SECONDS).activeProducers()
            .forEach(s -> producers.put(s.producerId() + "", s.producerEpoch() + "/" + s.lastSequence()));
        System.out.println("producers " + t + " " + producers);
        try (KafkaConsumer<byte[], byte[]> c = consumer(null)) {
            long begin = c.beginningOffsets(List.of(t)).get(t), end = c.endOffsets(List.of(t)).get(t);
            System.out.println("offsets " + t + " " + begin + " " + end);
            c.assign(List.of(t));
            c.seekToBeginning(List.of(t));
            long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(180);
            TreeSet<Long> times = new TreeSet<>();
            while (c.position(t) < end) {
                ConsumerRecords<byte[], byte[]> batch = c.poll(Duration.ofMillis(500));
                for (ConsumerRecord<byte[], byte[]> r : batch) {
                    if (r.offset() % 199 == 0) times.add(r.timestamp() + r.offset() % 3 - 1);
                    StringBuilder h = new StringBuilder();
                    for (Header x : r.headers()) h.append(' ').append(x.key()).append('=').append(hash(x.value()));
                    System.out.println("record " + t + " " + r.offset() + " " + r.timestampType() + " " + r.timestamp() + " " + hash(r.key()) + " " + hash(r.value()) + h);
                }
                if (System.nanoTime() > patience) throw new IllegalStateException(t + " stands at " + c.position(t) + " of " + end);
            }
            for (long time : times) {
                OffsetAndTimestamp o = c.offsetsForTimes(Map.of(t, time)).get(t);
                System.out.println("time " + t + " " + time + " " + (o == null ? "none" : o.offset() + " " + o.timestamp()));
            }
        }
    }
}
