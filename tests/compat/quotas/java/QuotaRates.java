import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * `QuotaRates BOOTSTRAP prepare|measure QUOTA`. `prepare` makes the topics, sets the quotas (those of librdkafka's clients too) and writes what the
 * consumers will read; `measure` says `RATE name value`, in payload bytes (or requests) per second. What goes over the wire is about 0.3 % more.
 */
public final class QuotaRates {
    private interface Client {
        void run() throws Exception;
    }

    /** Bytes of a value: large beside what a record and a batch cost. */
    private static final int VALUE = 10_000;
    private static final long WARM_NS = 11_000_000_000L;
    private static final long MEASURED_NS = 33_000_000_000L;
    private static String bootstrap;
    private static double quota;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        quota = Double.parseDouble(args[2]);
        if (args[1].equals("prepare")) prepare();
        else measure();
        System.exit(0);
    }

    private static Properties properties(String client) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("client.id", client);
        return p;
    }

    private static KafkaProducer<byte[], byte[]> producer(String client, int linger) {
        Properties p = properties(client);
        p.put("linger.ms", String.valueOf(linger));
        p.put("batch.size", "200000");
        // Little waits in the client, so that what is sent is what is being acknowledged.
        p.put("buffer.memory", "500000");
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static ClientQuotaAlteration limit(String client, String key, double value) {
        return new ClientQuotaAlteration(new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, client)), List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    private static void prepare() throws Exception {
        try (Admin admin = Admin.create(properties("prepare"))) {
            List<NewTopic> topics = new ArrayList<>();
            for (String name : List.of("read", "java-producer", "java-producer-free", "librdkafka-producer", "requests")) topics.add(new NewTopic(name, 1, (short) 1));
            admin.createTopics(topics).all().get();
            admin.alterClientQuotas(List.of(
                limit("java-producer", "producer_byte_rate", quota), limit("librdkafka-producer", "producer_byte_rate", quota),
                limit("java-consumer", "consumer_byte_rate", quota), limit("librdkafka-consumer", "consumer_byte_rate", quota),
                // A tenth of a per cent of one thread.
                limit("java-requests", "request_percentage", 0.1))).all().get();
        }
        byte[] value = new byte[VALUE];
        new Random(1).nextBytes(value);
        int records = (int) (1.3 * quota * (WARM_NS + MEASURED_NS + 5_000_000_000L) / 1e9 / VALUE);
        try (KafkaProducer<byte[], byte[]> out = producer("prepare", 5)) {
            for (int i = 0; i < records; i++) out.send(new ProducerRecord<>("read", value));
        }
    }

    private static void measure() throws Exception {
        List<Client> clients = List.of(() -> produce("java-producer", MEASURED_NS), () -> produce("java-producer-free", 10_000_000_000L), QuotaRates::consume, QuotaRates::requests);
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (Client client : clients) {
            Thread t = new Thread(() -> {
                try {
                    client.run();
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
            t.start();
            threads.add(t);
        }
        for (Thread t : threads) t.join();
        for (Throwable e : failures) System.out.println("FAILED " + e);
        if (!failures.isEmpty()) System.exit(1);
    }

    /** A client that is never further than half a second behind what it wants, so that it makes up for nothing. */
    private static final class Pace {
        private long start = System.nanoTime();
        private long bytes;

        void sent(int more) throws InterruptedException {
            bytes += more;
            long due = start + (long) (bytes / (1.25 * quota) * 1e9);
            long now = System.nanoTime();
            if (due > now) Thread.sleep((due - now) / 1_000_000, (int) ((due - now) % 1_000_000));
            else if (now - due > 500_000_000L) start += now - due;
        }
    }

    private static void say(String name, double value) {
        System.out.println("RATE " + name + " " + value);
    }

    private static void produce(String client, long measuredNs) throws Exception {
        byte[] value = new byte[VALUE];
        new Random(2).nextBytes(value);
        AtomicLong acknowledged = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        try (KafkaProducer<byte[], byte[]> out = producer(client, 50)) {
            Pace pace = new Pace();
            long began = System.nanoTime(), from = 0, before = 0;
            while (true) {
                long now = System.nanoTime();
                if (from == 0 && now - began > WARM_NS) {
                    from = now;
                    before = acknowledged.get();
                }
                if (from != 0 && now - from > measuredNs) {
                    say(client, (acknowledged.get() - before) * 1e9 / (now - from));
                    break;
                }
                out.send(new ProducerRecord<>(client, value), (m, e) -> {
                    if (e == null) acknowledged.addAndGet(VALUE);
                    else failed.incrementAndGet();
                });
                pace.sent(VALUE);
            }
        }
        if (failed.get() > 0) throw new IllegalStateException(failed + " records were not written");
    }

    private static void consume() throws Exception {
        Properties p = properties("java-consumer");
        p.put("max.partition.fetch.bytes", "131072");
        p.put("fetch.max.bytes", "131072");
        p.put("max.poll.records", "5");
        p.put("auto.offset.reset", "earliest");
        try (KafkaConsumer<byte[], byte[]> in = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            in.assign(List.of(new TopicPartition("read", 0)));
            Pace pace = new Pace();
            long began = System.nanoTime(), from = 0, bytes = 0;
            while (true) {
                int read = in.poll(Duration.ofMillis(100)).count() * VALUE;
                long now = System.nanoTime();
                if (from == 0 && now - began > WARM_NS) from = now;
                else if (from != 0) bytes += read;
                if (from != 0 && now - from > MEASURED_NS) {
                    say("java-consumer", bytes * 1e9 / (now - from));
                    return;
                }
                pace.sent(read);
            }
        }
    }

    /** One small record after the other, first by a client without a quota of time, then by one that has one and has used it up. */
    private static void requests() throws Exception {
        say("java-requests-free", oneByOne("java-requests-free", 2_000_000_000L, 5_000_000_000L));
        say("java-requests", oneByOne("java-requests", WARM_NS, 11_000_000_000L));
    }

    private static double oneByOne(String client, long warmNs, long measuredNs) throws Exception {
        try (KafkaProducer<byte[], byte[]> out = producer(client, 0)) {
            long began = System.nanoTime(), from = 0, n = 0;
            while (true) {
                out.send(new ProducerRecord<>("requests", new byte[10])).get();
                n++;
                long now = System.nanoTime();
                if (from == 0 && now - began > warmNs) {
                    from = now;
                    n = 0;
                }
                if (from != 0 && now - from > measuredNs) {
                    double told = out.metrics().values().stream().filter(m -> m.metricName().name().equals("produce-throttle-time-max"))
                        .mapToDouble(m -> ((Number) m.metricValue()).doubleValue()).max().orElse(0);
                    say(client + "-throttle-ms", told);
                    return n * 1e9 / (now - from);
                }
            }
        }
    }
}
