import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;

/** What the cases of transactions share. */
abstract class TransactionCases extends Cases {
    static final String COMMITTED = "read_committed", UNCOMMITTED = "read_uncommitted";

    /** The level of the feature transaction.version. */
    static short version;

    TransactionCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
    }

    /** A producer that has done initTransactions. */
    KafkaProducer<String, String> transactional(String id, Object... more) {
        List<Object> pairs = new ArrayList<>(List.of("transactional.id", id, "retry.backoff.ms", 20, "reconnect.backoff.ms", 20, "reconnect.backoff.max.ms", 200));
        pairs.addAll(List.of(more));
        KafkaProducer<String, String> p = producer(pairs.toArray());
        p.initTransactions();
        return p;
    }

    /** Records "prefix0".. to one partition; they are acknowledged when this returns. */
    static List<RecordMetadata> send(KafkaProducer<String, String> p, String topic, int partition, String prefix, int n) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < n; i++) sent.add(p.send(new ProducerRecord<>(topic, partition, null, prefix + i)));
        p.flush();
        List<RecordMetadata> where = new ArrayList<>();
        for (Future<RecordMetadata> f : sent) where.add(get(f));
        return where;
    }

    static void transaction(KafkaProducer<String, String> p, String topic, int partition, String prefix, int n, boolean commit) throws Exception {
        p.beginTransaction();
        send(p, topic, partition, prefix, n);
        if (commit) p.commitTransaction();
        else p.abortTransaction();
    }

    /**
     * Waits until the transaction knows of the record that failed. The record's future ends before that (Sender.failBatch), and a commit asked in between may wait
     * for ever. No public method tells, so Kafka's own are asked.
     */
    static void awaitError(KafkaProducer<?, ?> p) throws Exception {
        var manager = KafkaProducer.class.getDeclaredField("transactionManager");
        manager.setAccessible(true);
        Object transaction = manager.get(p);
        var hasError = transaction.getClass().getDeclaredMethod("hasError");
        hasError.setAccessible(true);
        eventually("the transaction knows of its record's failure", () -> (boolean) hasError.invoke(transaction));
    }

    /** Everything from `from` to the end as this isolation level sees it. */
    List<String> read(String isolation, long from, TopicPartition... partitions) {
        try (KafkaConsumer<String, String> c = consumer(null, "isolation.level", isolation)) {
            List<TopicPartition> all = List.of(partitions);
            c.assign(all);
            var ends = c.endOffsets(all);
            for (TopicPartition p : all) c.seek(p, from);
            List<ConsumerRecord<String, String>> got = new ArrayList<>();
            long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
            while (all.stream().anyMatch(p -> c.position(p) < ends.get(p))) {
                check(System.nanoTime() < until, "not read to " + ends + " within " + WAIT_S + " s, but to " + all.stream().map(c::position).toList());
                c.poll(Duration.ofMillis(200)).forEach(got::add);
            }
            return values(got);
        }
    }

    List<String> read(String isolation, String topic) {
        return read(isolation, 0, tp(topic, 0));
    }

    /** The answer to a commit or an abort comes before its markers are written; what can be seen of it comes a moment later. */
    static void sees(Object expected, Callable<?> look) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        Object seen = look.call();
        for (; !expected.equals(seen) && System.nanoTime() < end; seen = look.call()) Thread.sleep(20);
        checkEquals(expected, seen);
    }

    long end(IsolationLevel level, TopicPartition p) throws Exception {
        return get(admin.listOffsets(map(p, OffsetSpec.latest()), new ListOffsetsOptions(level)).partitionResult(p)).offset();
    }

    TransactionDescription describe(String id) throws Exception {
        return get(admin.describeTransactions(List.of(id)).description(id));
    }

    /** After another one has taken the id over: its own state is Empty at once. */
    void abortedFor(String id) throws Exception {
        eventually(id + " is aborted", () -> describe(id).state() == TransactionState.COMPLETE_ABORT || describe(id).state() == TransactionState.EMPTY);
    }

    void settledTransaction(String id, TransactionState state) throws Exception {
        eventually(id + " is " + state, () -> describe(id).state() == state);
    }
}
