import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.DisconnectException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What cases share: a runner that prints what they say, clients, topics, and errors by Kafka's names. The same as ../program/src/lab.rs. */
final class Lab {
    static final long BASE_MS = 1_700_000_000_000L;

    interface Body {
        void run() throws Exception;
    }

    /** How long a case, and a wait in it, may take: much longer than they do, for machines that are busy with other things. */
    static final int CASE_S = 240, WAIT_S = 60;

    private record Case(String name, Body body) { }

    private final String bootstrap, prefix;
    private final List<Case> cases = new ArrayList<>();
    final Admin admin;
    private int settled;

    Lab(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "30000"));
    }

    void add(String name, Body body) {
        cases.add(new Case(name, body));
    }

    void runAll(String only) throws Exception {
        for (Case c : cases) {
            if (!c.name.contains(only)) continue;
            System.out.println("CASE " + c.name);
            var thread = Executors.newSingleThreadExecutor(r -> {
                Thread t = new Thread(r, c.name);
                t.setDaemon(true);
                return t;
            });
            Future<?> f = thread.submit(() -> {
                c.body.run();
                return null;
            });
            try {
                f.get(CASE_S, TimeUnit.SECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                say("not over after " + CASE_S + " s");
            } catch (ExecutionException e) {
                System.err.println(c.name + ": " + e.getCause());
                e.getCause().printStackTrace();
                say("threw " + name(e.getCause()));
            }
            thread.shutdownNow();
            System.out.println("END " + c.name);
        }
    }

    synchronized void say(Object text) {
        System.out.println("| " + String.valueOf(text).replace(prefix, "~"));
    }

    void said(String what, Callable<?> call) {
        try {
            Object result = call.call();
            if (result instanceof Future<?> f) result = f.get();
            else if (result instanceof KafkaFuture<?> f) result = f.get();
            say(what + ": " + result);
        } catch (Throwable e) {
            System.err.println("  " + what + ": " + e);
            say(what + ": " + name(e));
        }
    }

    void done(String what, Callable<?> call) {
        said(what, () -> {
            Object result = call.call();
            if (result instanceof Future<?> f) f.get();
            else if (result instanceof KafkaFuture<?> f) f.get();
            return "ok";
        });
    }

    void did(String what, Body body) {
        done(what, () -> {
            body.run();
            return null;
        });
    }

    <K> void each(String what, Map<K, ? extends KafkaFuture<?>> results) {
        Map<String, KafkaFuture<?>> sorted = new TreeMap<>();
        results.forEach((k, v) -> sorted.put(String.valueOf(k), v));
        sorted.forEach((k, v) -> done(what + " " + k, () -> v));
    }

    /** An error by the name that both programs give it: Kafka's code, or what kind of mistake it is. */
    static String name(Throwable t) {
        while ((t instanceof ExecutionException || t instanceof CompletionException) && t.getCause() != null) t = t.getCause();
        if (t instanceof TimeoutException) return "TIMEOUT";
        if (t instanceof UnsupportedVersionException) return "UNSUPPORTED_VERSION";
        if (t instanceof WakeupException) return "WAKEUP";
        if (t instanceof InvalidOffsetException) return "INVALID_OFFSET";
        if (t instanceof CommitFailedException) return "COMMIT_FAILED";
        if (t instanceof ConfigException) return "CONFIG";
        if (t instanceof SerializationException) return "SERIALIZATION";
        if (t instanceof DisconnectException) return "NETWORK";
        Errors error = Errors.forException(t);
        if (error != Errors.UNKNOWN_SERVER_ERROR || t instanceof org.apache.kafka.common.errors.UnknownServerException) return error.name();
        if (t instanceof IllegalStateException || t instanceof IllegalArgumentException || t instanceof java.util.ConcurrentModificationException) return "ILLEGAL";
        if (t instanceof KafkaException && t.getCause() != null) return name(t.getCause());
        return t.getClass().getSimpleName();
    }

    String unique(String name) {
        return prefix + name;
    }

    Properties properties(Object... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return p;
    }

    KafkaProducer<byte[], byte[]> producer(Object... pairs) {
        return new KafkaProducer<>(properties(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Object... pairs) {
        Properties p = properties("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        if (p.containsKey("group.id")) {
            p.put("group.id", unique((String) p.get("group.id")));
            if (p.getOrDefault("group.protocol", "classic").equals("classic")) p.putIfAbsent("heartbeat.interval.ms", "300");
        }
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    String topic(String name, int partitions, String... configs) throws Exception {
        name = unique(name);
        Map<String, String> all = new TreeMap<>();
        for (int i = 0; i < configs.length; i += 2) all.put(configs[i], configs[i + 1]);
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(all))).all().get();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (true) {
            try {
                TopicDescription d = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
                if (!d.partitions().isEmpty() && d.partitions().stream().allMatch(p -> p.leader() != null)) return name;
            } catch (ExecutionException e) {
                // The answer came from the controller; the broker learns of the topic a moment later.
            }
            if (System.nanoTime() > end) throw new TimeoutException(name + " is not there after " + WAIT_S + " s");
            Thread.sleep(20);
        }
    }

    /**
     * Waits until the broker knows of everything that the controller has answered. Both read one log in its order: a broker that shows a topic has all that was written
     * before it, and one that shows a second topic has put into effect what came with the first.
     */
    void settle() throws Exception {
        for (int i = 0; i < 2; i++) topic("settled-" + settled++, 1);
    }

    /** Waits until the coordinator has ended the transaction of a producer, by its name as {@link #unique} takes it. */
    void awaitAborted(String name) throws Exception {
        String id = unique(name);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (admin.describeTransactions(List.of(id)).description(id).get().state() != TransactionState.COMPLETE_ABORT) {
            if (System.nanoTime() > end) throw new TimeoutException(id + " is not aborted after " + WAIT_S + " s");
            Thread.sleep(20);
        }
    }

    void fill(String topic, int partition, int count) throws Exception {
        // Time must not make batches: few records are always one.
        try (KafkaProducer<byte[], byte[]> p = producer("linger.ms", 60000)) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) sent.add(p.send(numbered(topic, partition, i)));
            p.flush();
            for (Future<?> f : sent) f.get();
        }
    }

    static ProducerRecord<byte[], byte[]> numbered(String topic, int partition, int i) {
        return new ProducerRecord<>(topic, partition, BASE_MS + i * 1000L, ("k" + i).getBytes(), ("v" + i).getBytes());
    }

    static ProducerRecord<byte[], byte[]> plain(String topic, Integer partition, String value) {
        return new ProducerRecord<>(topic, partition, null, value.getBytes());
    }

    static TopicPartition tp(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    static String value(ConsumerRecord<byte[], byte[]> r) {
        return r.value() == null ? "null" : new String(r.value());
    }

    static List<ConsumerRecord<byte[], byte[]>> drain(KafkaConsumer<byte[], byte[]> c, int count) {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (all.size() < count && System.nanoTime() < end) c.poll(Duration.ofMillis(200)).forEach(all::add);
        c.poll(Duration.ofMillis(50)).forEach(all::add);
        return all;
    }

    /** Settings as the other program writes them. */
    static String text(Object... pairs) {
        List<String> all = new ArrayList<>();
        for (int i = 0; i < pairs.length; i += 2) all.add("(\"" + pairs[i] + "\", \"" + pairs[i + 1] + "\")");
        return "[" + String.join(", ", all) + "]";
    }
}
