import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Cases with clients that come in by one of the broker's secured listeners. `admin` is a super user. */
abstract class SecureCases extends Cases {
    final World world;

    SecureCases(World world, Admin admin) {
        super(world.listener("PLAINTEXT"), admin);
        this.world = world;
    }

    /** Names that `worker` may use. */
    static String job() {
        return unique("job");
    }

    static Properties with(Properties p, Object... pairs) {
        Properties q = new Properties();
        q.putAll(p);
        for (int i = 0; i < pairs.length; i += 2) q.put(pairs[i], String.valueOf(pairs[i + 1]));
        return q;
    }

    static KafkaProducer<String, String> producerOf(Properties p, Object... more) {
        Properties q = with(p, "linger.ms", 0);
        return new KafkaProducer<>(with(q, more), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumerOf(Properties p, String group, Object... more) {
        Properties q = with(p, "auto.offset.reset", "earliest", "enable.auto.commit", "false", "group.protocol", "classic", "fetch.max.wait.ms", 100);
        if (group != null) q.put("group.id", group);
        return new KafkaConsumer<>(with(q, more), new StringDeserializer(), new StringDeserializer());
    }

    /** Everything a client does: administration, records in and out, a group with commits, a transaction. */
    void everything(Properties p) throws Exception {
        String topic = job();
        try (Admin mine = Admin.create(p)) {
            get(mine.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all());
            eventually("topic " + topic + " is seen", () -> get(mine.listTopics().names()).contains(topic));
            checkEquals(2, get(mine.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size());
        }
        try (KafkaProducer<String, String> out = producerOf(p, "transactional.id", topic)) {
            out.initTransactions();
            out.beginTransaction();
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < 20; i++) sent.add(out.send(new ProducerRecord<>(topic, i % 2, "k" + i, "v" + i)));
            for (Future<?> f : sent) get(f);
            out.commitTransaction();
        }
        try (KafkaConsumer<String, String> in = consumerOf(p, topic, "isolation.level", "read_committed")) {
            in.subscribe(List.of(topic));
            poll(in, 20);
            in.commitSync();
            checkEquals(20L, in.committed(java.util.Set.of(tp(topic, 0), tp(topic, 1))).values().stream().mapToLong(o -> o.offset() - 1).sum());
        }
    }

    /** Fails with exactly this class, not with one derived from it; its message is given back. */
    static String checkExactly(Class<? extends Throwable> type, Callable<?> body) {
        try {
            Object got = body.call();
            throw new AssertionError("expected " + type.getSimpleName() + " but got " + got);
        } catch (AssertionError e) {
            throw e;
        } catch (Throwable e) {
            Throwable t = plain(e);
            if (t.getClass() != type) throw new AssertionError("expected exactly " + type.getSimpleName() + " but got " + t, t);
            return t.getMessage();
        }
    }

    /** Without what futures wrap around it. */
    static Throwable plain(Throwable e) {
        while ((e instanceof ExecutionException || e instanceof CompletionException) && e.getCause() != null) e = e.getCause();
        return e;
    }

    /** Whether a login is taken; other errors are none of it. */
    static boolean enters(Properties p) throws Exception {
        try (Admin a = Admin.create(p)) {
            get(a.describeCluster().nodes());
            return true;
        } catch (Exception e) {
            if (plain(e) instanceof SaslAuthenticationException) return false;
            throw e;
        }
    }

    /** An admin client, a producer and a consumer: each must be told the same. */
    String refused(Class<? extends Throwable> type, Properties p) throws Exception {
        String said;
        try (Admin a = Admin.create(p)) {
            said = checkExactly(type, () -> get(a.listTopics().names()));
        }
        try (KafkaProducer<String, String> out = producerOf(p)) {
            checkExactly(type, () -> get(out.send(new ProducerRecord<>("job-any", "v"))));
        }
        try (KafkaConsumer<String, String> in = consumerOf(p, "job-any")) {
            in.subscribe(List.of("job-any"));
            checkExactly(type, () -> in.poll(Duration.ofSeconds(CALL_S)));
        }
        return said;
    }
}
