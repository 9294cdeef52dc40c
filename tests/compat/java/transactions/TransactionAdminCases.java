import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeProducersOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.errors.TimeoutException;

/** Transactions as the admin client sees and ends them. */
final class TransactionAdminCases extends TransactionCases {
    TransactionAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe-ongoing", this::ongoing);
        add("describe-ended", this::ended);
        add("describe-missing", this::missing);
        add("list", this::list);
        add("list-by-duration", this::duration);
        add("list-by-pattern", this::pattern);
        add("describe-producers", this::producers);
        add("describe-producers-missing", this::producersMissing);
        add("abort-transaction", this::abort);
        add("fence-producers", this::fence);
        add("fence-several", this::fenceSeveral);
        add("force-terminate", this::terminate);
    }

    private Set<String> ids(ListTransactionsOptions o) throws Exception {
        return get(admin.listTransactions(o).all()).stream().map(TransactionListing::transactionalId).collect(Collectors.toSet());
    }

    private void ongoing() throws Exception {
        String t = topic(3), x = unique("x"), g = unique("g");
        try (KafkaProducer<String, String> p = transactional(x, "transaction.timeout.ms", 54_321)) {
            TransactionDescription d = describe(x);
            checkEquals(TransactionState.EMPTY, d.state());
            checkEquals(54_321L, d.transactionTimeoutMs());
            check(d.transactionStartTimeMs().isEmpty(), "no start time");
            long before = System.currentTimeMillis();
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            send(p, t, 2, "a", 1);
            d = describe(x);
            checkEquals(TransactionState.ONGOING, d.state());
            checkEquals(Set.of(tp(t, 0), tp(t, 2)), d.topicPartitions());
            checkEquals(1, d.coordinatorId());
            long start = d.transactionStartTimeMs().orElseThrow();
            check(start >= before - 5 && start <= System.currentTimeMillis() + 5, "start time " + start);
            p.sendOffsetsToTransaction(map(tp(t, 0), new OffsetAndMetadata(1)), new ConsumerGroupMetadata(g));
            check(describe(x).topicPartitions().stream().anyMatch(q -> q.topic().equals("__consumer_offsets")), "the group's partition");
            p.commitTransaction();
        }
    }

    private void ended() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            transaction(p, t, 0, "a", 1, true);
            settledTransaction(x, TransactionState.COMPLETE_COMMIT);
            check(describe(x).topicPartitions().isEmpty(), "no partitions");
            long id = describe(x).producerId();
            transaction(p, t, 0, "a", 1, false);
            settledTransaction(x, TransactionState.COMPLETE_ABORT);
            checkEquals(id, describe(x).producerId());
        }
    }

    private void missing() throws Exception {
        checkThrows(TransactionalIdNotFoundException.class, () -> describe(unique("missing")));
    }

    private void list() throws Exception {
        String t = topic(1), x = unique("x"), y = unique("x");
        try (KafkaProducer<String, String> p = transactional(x); KafkaProducer<String, String> q = transactional(y)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            transaction(q, t, 0, "b", 1, true);
            settledTransaction(y, TransactionState.COMPLETE_COMMIT);
            check(ids(new ListTransactionsOptions()).containsAll(Set.of(x, y)), "all");
            Set<String> open = ids(new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING)));
            check(open.contains(x) && !open.contains(y), "ongoing " + open);
            Set<String> done = ids(new ListTransactionsOptions().filterStates(Set.of(TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)));
            check(done.contains(y) && !done.contains(x), "complete " + done);
            checkEquals(Set.of(x), ids(new ListTransactionsOptions().filterProducerIds(Set.of(describe(x).producerId()))));
            checkEquals(Set.of(), ids(new ListTransactionsOptions().filterProducerIds(Set.of(describe(x).producerId())).filterStates(Set.of(TransactionState.EMPTY))));
            TransactionListing l = get(admin.listTransactions(new ListTransactionsOptions().filterProducerIds(Set.of(describe(x).producerId()))).all()).iterator().next();
            checkEquals(TransactionState.ONGOING, l.state());
            check(get(admin.listTransactions().allByBrokerId()).containsKey(1), "by broker");
            p.abortTransaction();
        }
    }

    private void duration() throws Exception {
        String t = topic(1), x = unique("x"), y = unique("x");
        try (KafkaProducer<String, String> p = transactional(x); KafkaProducer<String, String> q = transactional(y)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            eventually("it is open for a second", () -> ids(new ListTransactionsOptions().filterOnDuration(1000)).contains(x));
            q.beginTransaction();
            send(q, t, 0, "b", 1);
            eventually("only one is open for a second", () -> {
                Set<String> old = ids(new ListTransactionsOptions().filterOnDuration(1000));
                if (old.contains(x) && !old.contains(y)) return true;
                // The answer may have come late: with a new one once more.
                q.abortTransaction();
                q.beginTransaction();
                send(q, t, 0, "b", 1);
                return false;
            });
            check(ids(new ListTransactionsOptions().filterOnDuration(0)).containsAll(Set.of(x, y)), "none");
            check(!ids(new ListTransactionsOptions().filterOnDuration(3_600_000)).contains(x), "an hour");
            p.abortTransaction();
            q.abortTransaction();
        }
    }

    private void pattern() throws Exception {
        String tag = unique("tag");
        try (KafkaProducer<String, String> p = transactional(tag + "-one"); KafkaProducer<String, String> q = transactional(tag + "-two")) {
            checkEquals(Set.of(tag + "-one", tag + "-two"), ids(new ListTransactionsOptions().filterOnTransactionalIdPattern(tag + ".*")));
            checkEquals(Set.of(tag + "-one"), ids(new ListTransactionsOptions().filterOnTransactionalIdPattern("tag-[0-9a-f]{8}-(one|three)").filterProducerIds(Set.of(describe(tag + "-one").producerId()))));
            checkEquals(Set.of(), ids(new ListTransactionsOptions().filterOnTransactionalIdPattern(tag))); // the whole id
            checkThrows(InvalidRegularExpression.class, () -> ids(new ListTransactionsOptions().filterOnTransactionalIdPattern("(ab(cd")));
        }
    }

    private List<ProducerState> active(String t) throws Exception {
        return get(admin.describeProducers(List.of(tp(t, 0))).partitionResult(tp(t, 0))).activeProducers();
    }

    private void producers() throws Exception {
        String t = topic(1), x = unique("x");
        fill(t, 0, 4);
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 3);
            checkEquals(2, active(t).size());
            long id = describe(x).producerId();
            ProducerState s = active(t).stream().filter(a -> a.producerId() == id).findFirst().orElseThrow();
            checkEquals(describe(x).producerEpoch(), s.producerEpoch());
            checkEquals(2, s.lastSequence());
            checkEquals(4L, s.currentTransactionStartOffset().orElseThrow());
            check(Math.abs(s.lastTimestamp() - System.currentTimeMillis()) < 30_000, "time " + s.lastTimestamp());
            ProducerState plain = active(t).stream().filter(a -> a.producerId() != id).findFirst().orElseThrow();
            check(plain.currentTransactionStartOffset().isEmpty() && plain.coordinatorEpoch().isEmpty(), "plain " + plain);
            p.commitTransaction();
            eventually("no transaction", () -> active(t).stream().allMatch(a -> a.currentTransactionStartOffset().isEmpty()));
            ProducerState after = active(t).stream().filter(a -> a.producerId() == id).findFirst().orElseThrow();
            check(after.coordinatorEpoch().orElseThrow() >= 0, "the coordinator's epoch"); // it grows with restarts
        }
    }

    private void producersMissing() throws Exception {
        String t = topic(1);
        checkEquals(List.of(), active(t));
        // The client waits for a partition to come; the broker's answer is in what it says of it.
        checkThrows(TimeoutException.class, () -> get(admin.describeProducers(List.of(tp(t, 1)), new DescribeProducersOptions().timeoutMs(500)).partitionResult(tp(t, 1))));
    }

    /** As kafka-transactions.sh ends a transaction that hangs: a marker for one partition. */
    private void abort() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 2);
            ProducerState s = active(t).get(0);
            get(admin.abortTransaction(new AbortTransactionSpec(tp(t, 0), s.producerId(), (short) s.producerEpoch(), s.coordinatorEpoch().orElse(0))).all());
            sees(3L, () -> end(org.apache.kafka.common.IsolationLevel.READ_COMMITTED, tp(t, 0)));
            checkEquals(List.of(), read(COMMITTED, t));
            check(active(t).get(0).currentTransactionStartOffset().isEmpty(), "no transaction");
            checkEquals(TransactionState.ONGOING, describe(x).state()); // the coordinator was not asked
            p.abortTransaction();
        }
        checkEquals(List.of(), read(COMMITTED, t));
    }

    private void fence() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            long id = describe(x).producerId();
            var result = admin.fenceProducers(List.of(x));
            get(result.all());
            checkEquals(id, get(result.producerId(x)));
            check(get(result.epochId(x)) > 0, "epoch");
            FencingCases.checkFenced(p::commitTransaction);
        }
        abortedFor(x);
        checkEquals(List.of(), read(COMMITTED, t));
    }

    private void fenceSeveral() throws Exception {
        String t = topic(1), x = unique("x"), y = unique("x"), z = unique("never-seen");
        try (KafkaProducer<String, String> p = transactional(x); KafkaProducer<String, String> q = transactional(y)) {
            get(admin.fenceProducers(List.of(x, y, z)).all());
            for (var one : List.of(p, q))
                FencingCases.checkFenced(() -> {
                    one.beginTransaction();
                    one.send(new org.apache.kafka.clients.producer.ProducerRecord<>(t, 0, null, "z"));
                    one.commitTransaction();
                });
        }
        checkEquals(List.of(), read(UNCOMMITTED, t));
    }

    private void terminate() throws Exception {
        String t = topic(1), x = unique("x");
        try (KafkaProducer<String, String> p = transactional(x)) {
            p.beginTransaction();
            send(p, t, 0, "a", 1);
            get(admin.forceTerminateTransaction(x).result());
            FencingCases.checkFenced(p::commitTransaction);
        }
        abortedFor(x);
        checkEquals(List.of(), read(COMMITTED, t));
    }
}
