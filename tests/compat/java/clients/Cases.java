import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the cases of this suite share: a runner that prints one line per case, checks, and clients. */
abstract class Cases {
    interface Body {
        void run() throws Exception;
    }

    private record Case(String name, Body body) { }

    /** How long one call, a wait for something, and a whole case may take: much longer than they do, for machines that are busy with other things. */
    static final int CALL_S = 60, WAIT_S = 90, CASE_S = 300;

    final String bootstrap;
    final Admin admin;
    private final List<Case> cases = new ArrayList<>();

    Cases(String bootstrap, Admin admin) {
        this.bootstrap = bootstrap;
        this.admin = admin;
    }

    void add(String name, Body body) {
        cases.add(new Case(getClass().getSimpleName().replace("Cases", "").toLowerCase() + "." + name, body));
    }

    /** Each case in a thread of its own with a limit, so that one that hangs does not hide the others. */
    void runAll(String filter) {
        for (Case c : cases) {
            if (filter != null && !c.name.matches(".*(" + filter + ").*")) continue;
            long began = System.nanoTime();
            var thread = Executors.newSingleThreadExecutor(r -> {
                Thread t = new Thread(r, c.name);
                t.setDaemon(true);
                return t;
            });
            Throwable failure = null;
            Future<?> f = thread.submit(() -> {
                c.body.run();
                return null;
            });
            try {
                f.get(CASE_S, TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                f.cancel(true);
                failure = e;
            } catch (ExecutionException e) {
                failure = e.getCause();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            thread.shutdownNow();
            double seconds = (System.nanoTime() - began) / 1e9;
            if (failure == null) System.out.printf("PASS %s %.1f s%n", c.name, seconds);
            else {
                StringBuilder at = new StringBuilder();
                for (StackTraceElement e : failure.getStackTrace())
                    if (e.getFileName() != null && e.getFileName().endsWith("Cases.java") && !e.getMethodName().startsWith("check")) {
                        at.append(" (").append(e.getFileName()).append(':').append(e.getLineNumber()).append(')');
                        break;
                    }
                System.out.printf("FAIL %s: %s%s%n", c.name, failure.toString().replaceAll("\\s+", " "), at);
            }
        }
    }

    // ---- checks

    static void check(boolean ok, String what) {
        if (!ok) throw new AssertionError(what);
    }

    static void checkEquals(Object expected, Object actual) {
        if (!Objects.deepEquals(expected, actual)) throw new AssertionError("expected " + expected + " but was " + actual);
    }

    static <T extends Throwable> T checkThrows(Class<T> type, Callable<?> body) {
        try {
            Object got = body.call();
            throw new AssertionError("expected " + type.getSimpleName() + " but got " + got);
        } catch (AssertionError e) {
            throw e;
        } catch (Throwable e) {
            Throwable t = e;
            while (!type.isInstance(t) && t.getCause() != null) t = t.getCause();
            if (type.isInstance(t)) return type.cast(t);
            throw new AssertionError("expected " + type.getSimpleName() + " but got " + e, e);
        }
    }

    static <T> T get(KafkaFuture<T> f) throws Exception {
        return f.get(CALL_S, TimeUnit.SECONDS);
    }

    static <T> T get(Future<T> f) throws Exception {
        return f.get(CALL_S, TimeUnit.SECONDS);
    }

    static void eventually(String what, Callable<Boolean> ok) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (!ok.call()) {
            check(System.nanoTime() < end, "not within " + WAIT_S + " s: " + what);
            Thread.sleep(50);
        }
    }

    // ---- topics and clients

    static String unique(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    String topic(int partitions) throws Exception {
        return topic(partitions, Map.of());
    }

    String topic(int partitions, Map<String, String> configs) throws Exception {
        String name = unique("t");
        get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all());
        settled(name);
        return name;
    }

    /** The answer to a creation comes from the controller; Apache Kafka's broker learns of the topic a moment later. */
    void settled(String name) throws Exception {
        listed(name);
    }

    private void listed(String name) throws Exception {
        eventually("topic " + name + " is seen", () -> get(admin.listTopics().names()).contains(name));
    }

    /** Waits until coordinators know of the topic as well: they are told of it after it can be listed, but before another one can be. */
    void settledForGroups(String name) throws Exception {
        listed(name);
        String next = unique("settled");
        get(admin.createTopics(List.of(new NewTopic(next, 1, (short) 1))).all());
        listed(next);
    }

    static TopicPartition tp(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    static Properties properties(String bootstrap, Object... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return p;
    }

    KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(properties(bootstrap, pairs), new StringSerializer(), new StringSerializer());
    }

    KafkaProducer<byte[], byte[]> bytesProducer(Object... pairs) {
        return new KafkaProducer<>(properties(bootstrap, pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<String, String> consumer(String group, Object... pairs) {
        Properties p = properties(bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", "false", "group.protocol", "classic");
        if (group != null) {
            p.put("group.id", group);
            p.put("heartbeat.interval.ms", "300"); // members learn of a rebalance soon
        }
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    KafkaConsumer<byte[], byte[]> bytesConsumer(Object... pairs) {
        Properties p = properties(bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", "false");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** `n` records "k0".."v0" to one partition; they are acknowledged when this returns. */
    void fill(String topic, int partition, int n) throws Exception {
        fill(topic, partition, 0, n);
    }

    void fill(String topic, int partition, int from, int n) throws Exception {
        // Time must not make batches: few records are always one.
        try (KafkaProducer<String, String> p = producer("linger.ms", 60_000)) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = from; i < from + n; i++) sent.add(p.send(new ProducerRecord<>(topic, partition, "k" + i, "v" + i)));
            p.flush();
            for (Future<?> f : sent) get(f);
        }
    }

    /** Polls until `n` records came, and a moment longer to see that there are no more. */
    static <K, V> List<ConsumerRecord<K, V>> poll(Consumer<K, V> c, int n) {
        List<ConsumerRecord<K, V>> all = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (all.size() < n) {
            check(System.nanoTime() < end, "only " + all.size() + " of " + n + " records within " + WAIT_S + " s");
            c.poll(Duration.ofMillis(200)).forEach(all::add);
        }
        c.poll(Duration.ofMillis(10)).forEach(all::add);
        checkEquals(n, all.size());
        return all;
    }

    static void pollUntil(Consumer<?, ?> c, String what, Callable<Boolean> ok) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (!ok.call()) {
            check(System.nanoTime() < end, "not within " + WAIT_S + " s: " + what);
            c.poll(Duration.ofMillis(100));
        }
    }

    /** Polls until what came is enough. */
    static <K, V> List<ConsumerRecord<K, V>> collect(Consumer<K, V> c, String what, Predicate<List<ConsumerRecord<K, V>>> enough) {
        List<ConsumerRecord<K, V>> all = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (!enough.test(all)) {
            check(System.nanoTime() < end, "not within " + WAIT_S + " s: " + what);
            c.poll(Duration.ofMillis(100)).forEach(all::add);
        }
        return all;
    }

    static <K, V> List<V> values(Collection<ConsumerRecord<K, V>> records) {
        List<V> v = new ArrayList<>();
        records.forEach(r -> v.add(r.value()));
        return v;
    }

    static List<String> numbered(String prefix, int from, int to) {
        List<String> v = new ArrayList<>();
        for (int i = from; i < to; i++) v.add(prefix + i);
        return v;
    }

    static <K, V> Map<K, V> map(K k, V v) {
        Map<K, V> m = new HashMap<>();
        m.put(k, v);
        return m;
    }
}
