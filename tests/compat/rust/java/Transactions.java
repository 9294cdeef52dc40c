import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;

/** Transactions: what becomes visible, and what is refused. */
final class Transactions {
    private final Lab lab;

    private Transactions(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        Transactions t = new Transactions(lab);
        lab.add("transactions.commit_and_abort", t::commitAndAbort);
        lab.add("transactions.offsets", t::offsets);
        lab.add("transactions.fenced", t::fenced);
        lab.add("transactions.misuse", t::misuse);
        lab.add("transactions.after_an_error", t::afterAnError);
        lab.add("transactions.timed_out", t::timedOut);
        lab.add("transactions.empty", t::empty);
        lab.add("transactions.many", t::many);
        lab.add("transactions.settings", t::settings);
    }

    private KafkaProducer<byte[], byte[]> ready(String id, Object... settings) {
        Object[] all = new Object[settings.length + 2];
        all[0] = "transactional.id";
        all[1] = lab.unique(id);
        System.arraycopy(settings, 0, all, 2, settings.length);
        KafkaProducer<byte[], byte[]> p = lab.producer(all);
        try {
            p.initTransactions();
            return p;
        } catch (RuntimeException e) {
            p.close();
            throw e;
        }
    }

    private String committedValues(String topic, int count) {
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("isolation.level", "read_committed")) {
            c.assign(java.util.List.of(Lab.tp(topic, 0)));
            return Consume.values(c, count);
        }
    }

    private static void transaction(KafkaProducer<byte[], byte[]> p, String topic, String... values) {
        p.beginTransaction();
        for (String v : values) p.send(Lab.plain(topic, 0, v));
    }

    private void commitAndAbort() throws Exception {
        String topic = lab.topic("txn", 1);
        try (KafkaProducer<byte[], byte[]> p = ready("txn")) {
            transaction(p, topic, "a", "b");
            lab.did("commit", p::commitTransaction);
            transaction(p, topic, "c");
            lab.did("abort", p::abortTransaction);
            transaction(p, topic, "d");
            lab.did("commit", p::commitTransaction);
            lab.say(committedValues(topic, 3));
            transaction(p, topic, "e");
            p.flush();
        }
        lab.fill(topic, 0, 1);
        lab.say(committedValues(topic, 4));
    }

    private String offsetsOf(String group, String topic) {
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", group)) {
            OffsetAndMetadata at = c.committed(Set.of(Lab.tp(topic, 0))).get(Lab.tp(topic, 0));
            return at == null ? "null" : String.valueOf(at.offset());
        }
    }

    private void offsets() throws Exception {
        String topic = lab.topic("txn-offsets", 1);
        ConsumerGroupMetadata group = new ConsumerGroupMetadata(lab.unique("txn-offsets"));
        try (KafkaProducer<byte[], byte[]> p = ready("txn-offsets")) {
            int[] offsets = {5, 9, 11};
            boolean[] commits = {true, false, true};
            for (int i = 0; i < 3; i++) {
                int offset = offsets[i];
                transaction(p, topic, "x");
                lab.did("offsets", () -> p.sendOffsetsToTransaction(Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(offset)), group));
                if (commits[i]) p.commitTransaction();
                else p.abortTransaction();
                lab.say(offsetsOf("txn-offsets", topic));
            }
            ConsumerGroupMetadata stranger = new ConsumerGroupMetadata(group.groupId(), 3, "nobody", Optional.empty());
            p.beginTransaction();
            lab.did("a stranger's", () -> p.sendOffsetsToTransaction(Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(20)), stranger));
            lab.did("commit", p::commitTransaction);
            lab.did("abort", p::abortTransaction);
            lab.say(offsetsOf("txn-offsets", topic));
        }
    }

    private void fenced() throws Exception {
        String topic = lab.topic("txn-fenced", 1);
        try (KafkaProducer<byte[], byte[]> old = ready("txn-fenced")) {
            transaction(old, topic, "old");
            old.flush();
            try (KafkaProducer<byte[], byte[]> now = ready("txn-fenced")) {
                lab.did("commit of the old", old::commitTransaction);
                lab.did("begin of the old", old::beginTransaction);
                lab.did("abort of the old", old::abortTransaction);
                transaction(now, topic, "new");
                lab.did("commit of the new", now::commitTransaction);
                try (KafkaProducer<byte[], byte[]> again = ready("txn-fenced")) {
                    now.beginTransaction();
                    lab.said("send of the fenced", () -> {
                        now.send(Lab.plain(topic, 0, "late")).get();
                        return "written";
                    });
                    awaitError(now);
                    lab.did("commit of the fenced", now::commitTransaction);
                    lab.say(committedValues(topic, 1));
                }
            }
        }
    }

    private void misuse() throws Exception {
        String topic = lab.topic("txn-misuse", 1);
        try (KafkaProducer<byte[], byte[]> p = lab.producer()) {
            lab.did("without an id: init", p::initTransactions);
            lab.did("without an id: begin", p::beginTransaction);
            lab.did("without an id: commit", p::commitTransaction);
        }
        KafkaProducer<byte[], byte[]> p = lab.producer("transactional.id", lab.unique("txn-misuse"));
        lab.did("begin before init", p::beginTransaction);
        lab.did("send before init", () -> p.send(Lab.plain(topic, 0, "x")));
        p.initTransactions();
        lab.did("init again", p::initTransactions);
        lab.did("commit before begin", p::commitTransaction);
        lab.did("abort before begin", p::abortTransaction);
        lab.did("send before begin", () -> p.send(Lab.plain(topic, 0, "x")));
        ConsumerGroupMetadata group = new ConsumerGroupMetadata(lab.unique("txn-misuse"));
        lab.did("offsets before begin", () -> p.sendOffsetsToTransaction(Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(1)), group));
        KafkaProducer<byte[], byte[]> other = ready("txn-misuse-again");
        other.beginTransaction();
        lab.did("begin again", other::beginTransaction);
        lab.did("commit", other::commitTransaction);
        other.close();
        lab.did("begin after close", other::beginTransaction);
        p.close(java.time.Duration.ofSeconds(1));
    }

    private void afterAnError() throws Exception {
        String topic = lab.topic("txn-error", 1, "max.message.bytes", "1000");
        try (KafkaProducer<byte[], byte[]> p = ready("txn-error", "max.request.size", 20000, "linger.ms", 0)) {
            for (int length : new int[] {5000, 30_000}) {
                transaction(p, topic, "good");
                p.flush(); // in one batch with the long record, Kafka's client may split them for ever (RecordAccumulator.splitAndReenqueue leaves room for both)
                lab.did(length + " bytes", () -> p.send(Lab.plain(topic, 0, "x".repeat(length))).get());
                awaitError(p);
                lab.did("send", () -> p.send(Lab.plain(topic, 0, "more")));
                lab.did("commit", p::commitTransaction);
                lab.did("abort", p::abortTransaction);
            }
            transaction(p, topic, "after");
            lab.did("commit", p::commitTransaction);
            lab.say(committedValues(topic, 1));
        }
    }

    /**
     * Waits until the transaction knows of the record that failed. The record's future ends before that (Sender.failBatch), and a commit asked in between may wait
     * for ever. No public method tells, so Kafka's own are asked.
     */
    private static void awaitError(KafkaProducer<byte[], byte[]> p) throws Exception {
        Field manager = KafkaProducer.class.getDeclaredField("transactionManager");
        manager.setAccessible(true);
        Object transaction = manager.get(p);
        Method hasError = transaction.getClass().getDeclaredMethod("hasError");
        hasError.setAccessible(true);
        long end = System.nanoTime() + Lab.WAIT_S * 1_000_000_000L;
        while (!(boolean) hasError.invoke(transaction)) {
            if (System.nanoTime() > end) throw new IllegalStateException("the transaction never knew of its record's failure");
            Thread.sleep(5);
        }
    }

    private void timedOut() throws Exception {
        String topic = lab.topic("txn-late", 1);
        try (KafkaProducer<byte[], byte[]> p = ready("txn-late", "transaction.timeout.ms", 10000)) {
            transaction(p, topic, "late");
            p.flush();
            lab.awaitAborted("txn-late");
            lab.did("commit", p::commitTransaction);
            lab.did("abort", p::abortTransaction);
            lab.fill(topic, 0, 1);
            lab.say(committedValues(topic, 1));
        }
    }

    private void empty() {
        try (KafkaProducer<byte[], byte[]> p = ready("txn-empty")) {
            for (int i = 0; i < 2; i++) {
                p.beginTransaction();
                lab.did("commit", p::commitTransaction);
                p.beginTransaction();
                lab.did("abort", p::abortTransaction);
            }
            p.beginTransaction();
            lab.did("no offsets", () -> p.sendOffsetsToTransaction(Map.of(), new ConsumerGroupMetadata(lab.unique("txn-empty"))));
            lab.did("commit", p::commitTransaction);
        }
    }

    private void many() throws Exception {
        String topic = lab.topic("txn-many", 1);
        try (KafkaProducer<byte[], byte[]> p = ready("txn-many")) {
            for (int i = 0; i < 30; i++) {
                transaction(p, topic, String.valueOf(i), String.valueOf(i));
                if (i % 3 == 0) p.abortTransaction();
                else p.commitTransaction();
            }
        }
        lab.say(committedValues(topic, 40));
    }

    private void settings() {
        lab.did("too long", () -> ready("txn-long", "transaction.timeout.ms", 900001).close());
        lab.did("as long as it may", () -> ready("txn-long", "transaction.timeout.ms", 900000).close());
    }
}
