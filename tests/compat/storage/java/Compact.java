import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.IntegerSerializer;

/**
 * Compacted topics: {@code Compact BOOTSTRAP make|describe}. {@code make} writes each key several times, some at last with no
 * value, and waits until the broker has cleaned: most of what was overwritten is gone, and the last value of each key
 * is what was written last. {@code describe} prints every record.
 */
public final class Compact {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int KEYS = 400;
    private static final int ROUNDS = 5;
    /** More than half of the log lies in segments that are full. */
    private static final int VALUE_BYTES = 2500;
    private static final long PATIENCE_MS = 300_000;

    public static void main(String[] args) throws Exception {
        if (args[1].equals("make")) {
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
                for (String codec : CODECS) {
                    Map<String, String> configs = Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.bytes", "1048576");
                    NewTopic topic = new NewTopic("compacted-" + codec, 1, (short) 1).configs(configs);
                    admin.createTopics(List.of(topic)).all().get(60, TimeUnit.SECONDS);
                }
            }
            for (String codec : CODECS) produce(args[0], codec);
            for (String codec : CODECS) awaitCleaned(args[0], codec);
        } else {
            for (String codec : CODECS)
                for (ConsumerRecord<Integer, byte[]> r : read(args[0], codec))
                    System.out.println("record " + codec + " " + r.offset() + " " + r.timestamp() + " " + r.key() + " " + Arrays.hashCode(r.value()) + " " + r.leaderEpoch());
        }
        System.out.println("DONE");
    }

    /** What a key says in a round; null in the last round for every seventh key. */
    private static byte[] value(int round, int key) {
        if (round == ROUNDS - 1 && key % 7 == 0)
            return null;
        byte[] value = new byte[VALUE_BYTES];
        new Random(round * 100_000L + key).nextBytes(value);
        return value;
    }

    private static void produce(String bootstrap, String codec) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("compression.type", codec);
        p.put("linger.ms", "5");
        List<Future<?>> sent = new ArrayList<>();
        try (KafkaProducer<Integer, byte[]> producer = new KafkaProducer<>(p, new IntegerSerializer(), new ByteArraySerializer())) {
            for (int round = 0; round < ROUNDS; round++)
                for (int key = 0; key < KEYS; key++)
                    sent.add(producer.send(new ProducerRecord<>("compacted-" + codec, 0, key, value(round, key))));
        }
        for (Future<?> f : sent) f.get(60, TimeUnit.SECONDS);
    }

    private static List<ConsumerRecord<Integer, byte[]>> read(String bootstrap, String codec) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        List<ConsumerRecord<Integer, byte[]>> records = new ArrayList<>();
        TopicPartition partition = new TopicPartition("compacted-" + codec, 0);
        try (KafkaConsumer<Integer, byte[]> consumer = new KafkaConsumer<>(p, new IntegerDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end)
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        return records;
    }

    private static void awaitCleaned(String bootstrap, String codec) throws InterruptedException {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        // The active segment, some 400 records, is not cleaned; in the others each key stands at most once.
        int enough = KEYS + 2 * (1048576 / VALUE_BYTES);
        while (true) {
            List<ConsumerRecord<Integer, byte[]>> records = read(bootstrap, codec);
            check(codec, records);
            if (records.size() <= enough) {
                System.out.println("cleaned " + codec);
                return;
            }
            if (System.currentTimeMillis() > deadline)
                throw new IllegalStateException(codec + ": still " + records.size() + " records, more than " + enough);
            Thread.sleep(100);
        }
    }

    /** Whenever one looks: offsets ascend, and the last record of each key is what was written last. */
    private static void check(String codec, List<ConsumerRecord<Integer, byte[]>> records) {
        Map<Integer, byte[]> last = new TreeMap<>();
        long before = -1;
        for (ConsumerRecord<Integer, byte[]> r : records) {
            int round = (int) (r.offset() / KEYS);
            if (r.offset() <= before || r.offset() % KEYS != r.key())
                throw new IllegalStateException(codec + ": key " + r.key() + " at offset " + r.offset() + " after " + before);
            if (!Arrays.equals(r.value(), value(round, r.key())))
                throw new IllegalStateException(codec + ": another value at offset " + r.offset());
            before = r.offset();
            last.put(r.key(), r.value());
        }
        for (int key = 0; key < KEYS; key++)
            if (!last.containsKey(key) || !Arrays.equals(last.get(key), value(ROUNDS - 1, key)))
                throw new IllegalStateException(codec + ": the last value of key " + key + " is lost");
    }
}
