import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** How records are delivered to a share group, acknowledged, and delivered again. */
final class DeliveryCases extends ShareCases {
    private final Control control;

    DeliveryCases(String bootstrap, Admin admin, Control control) {
        super(bootstrap, admin);
        this.control = control;
        add("implicit", this::implicit);
        add("explicit-accept", this::accept);
        add("explicit-demands-all", this::demands);
        add("release", this::release);
        add("reject", this::reject);
        add("each-another-way", this::mixed);
        add("renew", this::renew);
        add("lock-expires", this::expires);
        add("close-releases", this::close);
        add("crash-and-redelivery", this::crash);
        add("poison-record", this::poison);
        add("delivery-count-limit-of-the-group", this::limit);
        add("several-share-one-partition", this::sharing);
        add("two-groups", this::groups);
        add("many-partitions", this::partitions);
        add("latest-by-default", this::latest);
        add("by-duration", this::byDuration);
        add("commit-sync-and-callback", this::callback);
        add("acknowledge-by-offset", this::byOffset);
        add("max-poll-records-with-record-limit", this::recordLimit);
        add("read-committed-and-uncommitted", this::isolation);
        add("records-deleted-beneath", this::deleted);
        add("topic-made-later", this::later);
        add("across-a-restart", () -> outage(control::restart));
        add("across-a-kill", () -> outage(control::killAndStart));
    }

    private void implicit() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 20);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            var got = until(c, vs(0, 20));
            checkEquals(numbered("v", 0, 20), values(got));
            check(got.stream().allMatch(r -> r.deliveryCount().orElse((short) 0) == 1), "first delivery");
            quiet(c); // these polls accept them
            settled(g, t, 0);
        }
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            quiet(c);
            fill(t, 0, 20, 1);
            checkEquals(List.of("v20"), values(some(c)));
        }
    }

    private void accept() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 5);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            for (ConsumerRecord<String, String> r : until(c, vs(0, 5))) c.acknowledge(r);
            var result = c.commitSync();
            check(result.values().stream().allMatch(java.util.Optional::isEmpty) && result.size() == 1, "commit " + result);
            quiet(c);
        }
        settled(g, t, 0);
    }

    private void demands() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 3);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            c.acknowledge(some(c).get(0));
            checkThrows(IllegalStateException.class, () -> c.poll(Duration.ofMillis(100)));
        }
    }

    private void release() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 3);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            for (ConsumerRecord<String, String> r : until(c, vs(0, 3))) c.acknowledge(r, r.value().equals("v1") ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
            c.commitSync();
            var again = some(c);
            checkEquals(List.of("v1"), values(again));
            checkEquals((short) 2, again.get(0).deliveryCount().orElseThrow());
            c.acknowledge(again.get(0));
            c.commitSync();
            quiet(c);
        }
        settled(g, t, 0);
    }

    private void reject() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 3);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            for (ConsumerRecord<String, String> r : until(c, vs(0, 3))) c.acknowledge(r, AcknowledgeType.REJECT);
            c.commitSync();
            quiet(c);
        }
        settled(g, t, 0);
    }

    private void mixed() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 30);
        try (ShareConsumer<String, String> c = explicit(g, "max.poll.records", 10)) {
            c.subscribe(List.of(t));
            Map<String, Integer> times = new TreeMap<>();
            Set<String> over = new HashSet<>();
            long end = System.nanoTime() + WAIT_S * 1_000_000_000L;
            while (over.size() < 30) {
                check(System.nanoTime() < end, "within " + WAIT_S + " s: " + over.size());
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(200))) {
                    int n = times.merge(r.value(), 1, Integer::sum), i = Integer.parseInt(r.value().substring(1));
                    checkEquals((short) n, r.deliveryCount().orElseThrow());
                    // v0, v3...: accepted; v1, v4...: rejected; v2, v5...: released once, then accepted.
                    AcknowledgeType type = i % 3 == 1 ? AcknowledgeType.REJECT : i % 3 == 2 && n == 1 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
                    c.acknowledge(r, type);
                    if (type != AcknowledgeType.RELEASE) check(over.add(r.value()), r.value() + " came after its end");
                }
                c.commitSync();
            }
            for (int i = 0; i < 30; i++) checkEquals(i % 3 == 2 ? 2 : 1, times.get("v" + i));
            quiet(c);
        }
        settled(g, t, 0);
    }

    private void renew() throws Exception {
        // Longer than a process on a busy machine stands still: a lock that is renewed does not expire.
        int lockMs = 12_000;
        String t = topic(1), g = group("share.record.lock.duration.ms", String.valueOf(lockMs));
        fill(t, 0, 1);
        try (ShareConsumer<String, String> c = explicit(g); ShareConsumer<String, String> other = explicit(g)) {
            c.subscribe(List.of(t));
            other.subscribe(List.of(t));
            ConsumerRecord<String, String> r = until(c, vs(0, 1)).get(0);
            checkEquals(lockMs, c.acquisitionLockTimeoutMs().orElse(0));
            for (long end = System.nanoTime() + lockMs * 1_500_000L; System.nanoTime() < end;) { // more than the lock lasts
                c.acknowledge(r, AcknowledgeType.RENEW);
                check(c.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "renewed");
                r = until(c, vs(0, 1)).get(0); // it is handed out again, without a new delivery
                checkEquals((short) 1, r.deliveryCount().orElseThrow());
                quiet(other);
            }
            c.acknowledge(r, AcknowledgeType.ACCEPT);
            check(c.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "accepted");
            quiet(other);
        }
        settled(g, t, 0);
    }

    private void expires() throws Exception {
        String t = topic(1), g = group("share.record.lock.duration.ms", "1500");
        fill(t, 0, 2);
        try (ShareConsumer<String, String> c = explicit(g); ShareConsumer<String, String> other = explicit(g)) {
            long began = System.nanoTime();
            c.subscribe(List.of(t));
            List<ConsumerRecord<String, String>> held = until(c, vs(0, 2));
            set(g, "share.record.lock.duration.ms", "60000"); // of the locks to come: the other one's shall not expire
            other.subscribe(List.of(t));
            var got = until(other, vs(0, 2));
            check((System.nanoTime() - began) / 1e9 > 1.4, "not before the lock expires");
            for (ConsumerRecord<String, String> r : held) c.acknowledge(r);
            check(c.commitSync().values().stream().allMatch(java.util.Optional::isPresent), "an acknowledgement that comes too late is refused");
            for (ConsumerRecord<String, String> r : got) {
                checkEquals((short) 2, r.deliveryCount().orElseThrow());
                other.acknowledge(r);
            }
            check(other.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "the other one's is not");
        }
        settled(g, t, 0);
    }

    private void close() throws Exception {
        String t = topic(1), g = group("share.record.lock.duration.ms", "60000"); // longer than they are awaited
        fill(t, 0, 4);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            checkEquals(4, until(c, vs(0, 4)).size());
        }
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            until(c, vs(0, 4));
        }
    }

    /** A process that dies with records in its hands: another one gets them. */
    private void crash() throws Exception {
        // The dead one is given up soon, but not who is only slow on a busy machine.
        String t = topic(2), g = group("share.record.lock.duration.ms", "12000", "share.session.timeout.ms", "12000");
        fill(t, 0, 0, 10);
        fill(t, 1, 10, 10);
        Process dies = new ProcessBuilder(ProcessHandle.current().info().command().orElse("java"), "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), "Crash", bootstrap, g, t)
            .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (var out = dies.inputReader()) {
            for (String line = out.readLine(); line != null && !line.equals("HELD"); line = out.readLine()) { }
        }
        dies.waitFor();
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            var got = until(c, vs(0, 20));
            checkEquals(20, got.size());
            // It held what one fetch brought: of one partition, or of both.
            for (int p = 0; p < 2; p++) {
                int which = p;
                checkEquals(1L, got.stream().filter(r -> r.partition() == which).map(r -> r.deliveryCount().orElseThrow()).distinct().count());
            }
            check(got.stream().anyMatch(r -> r.deliveryCount().orElseThrow() == 2), "a second delivery");
            quiet(c);
        }
    }

    private void poison() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 5);
        int times = 0;
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            Set<String> good = new HashSet<>();
            long quietSince = System.nanoTime();
            while (System.nanoTime() - quietSince < 1_500_000_000L) {
                var records = c.poll(Duration.ofMillis(100));
                for (ConsumerRecord<String, String> r : records) {
                    quietSince = System.nanoTime();
                    boolean bad = r.value().equals("v2");
                    if (bad) checkEquals((short) ++times, r.deliveryCount().orElseThrow());
                    else good.add(r.value());
                    c.acknowledge(r, bad ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
                }
                if (!records.isEmpty()) c.commitSync();
                else if (times < 5) quietSince = Math.max(quietSince, System.nanoTime() - 1_000_000_000L);
            }
            checkEquals(Set.of("v0", "v1", "v3", "v4"), good);
        }
        checkEquals(5, times); // group.share.delivery.count.limit
        settled(g, t, 0);
    }

    private void limit() throws Exception {
        String t = topic(1), g = group("share.delivery.count.limit", "2");
        fill(t, 0, 1);
        try (ShareConsumer<String, String> c = explicit(g)) {
            c.subscribe(List.of(t));
            for (short n = 1; n <= 2; n++) {
                var r = some(c).get(0);
                checkEquals(n, r.deliveryCount().orElseThrow());
                c.acknowledge(r, AcknowledgeType.RELEASE);
                c.commitSync();
            }
            quiet(c);
        }
        settled(g, t, 0);
    }

    private void sharing() throws Exception {
        String t = topic(1), g = group();
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        AtomicIntegerArray by = new AtomicIntegerArray(3);
        boolean[] stop = {false};
        List<Thread> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            int me = i;
            Thread th = new Thread(() -> {
                try (ShareConsumer<String, String> c = share(g, "max.poll.records", 5, "share.acquire.mode", "record_limit")) {
                    c.subscribe(List.of(t));
                    while (!stop[0]) {
                        for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100))) {
                            seen.merge(r.value(), 1, Integer::sum);
                            by.incrementAndGet(me);
                        }
                    }
                }
            });
            th.start();
            all.add(th);
        }
        // A member that has its partition first could take all before the others have theirs.
        int[] sent = {0};
        eventually("each some", () -> {
            fill(t, 0, sent[0], 20);
            sent[0] += 20;
            return by.get(0) > 0 && by.get(1) > 0 && by.get(2) > 0;
        });
        eventually("all", () -> seen.size() == sent[0]);
        stop[0] = true;
        for (Thread th : all) th.join(CALL_S * 1000L);
        check(seen.values().stream().allMatch(n -> n == 1), "each once");
    }

    private void groups() throws Exception {
        String t = topic(1), g = group(), h = group();
        fill(t, 0, 5);
        try (ShareConsumer<String, String> c = share(g); ShareConsumer<String, String> d = share(h)) {
            c.subscribe(List.of(t));
            d.subscribe(List.of(t));
            checkEquals(5, until(c, vs(0, 5)).size());
            checkEquals(5, until(d, vs(0, 5)).size());
        }
    }

    private void partitions() throws Exception {
        String t = topic(8), u = topic(2), g = group();
        for (int i = 0; i < 8; i++) fill(t, i, i * 10, 10);
        for (int i = 0; i < 2; i++) fill(u, i, 80 + i * 10, 10);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t, u));
            checkEquals(100, until(c, vs(0, 100)).size());
            quiet(c);
        }
    }

    private void latest() throws Exception {
        String t = topic(1), g = unique("s");
        fill(t, 0, 5);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            eventually("it has an assignment", () -> {
                quiet(c);
                return get(admin.listGroups(org.apache.kafka.clients.admin.ListGroupsOptions.forShareGroups()).all()).stream().anyMatch(x -> x.groupId().equals(g))
                    && get(admin.describeShareGroups(List.of(g)).describedGroups().get(g)).members().stream().anyMatch(m -> !m.assignment().topicPartitions().isEmpty());
            });
            // When the broker has looked for the end of the log cannot be seen; but what was there before does not come, and from the first record on that comes all do.
            int[] sent = {5};
            List<String> got = new ArrayList<>();
            eventually("something new", () -> {
                fill(t, 0, sent[0]++, 1);
                c.poll(Duration.ofMillis(200)).forEach(r -> got.add(r.value()));
                return !got.isEmpty();
            });
            fill(t, 0, sent[0], 2);
            eventually("the last", () -> {
                c.poll(Duration.ofMillis(200)).forEach(r -> got.add(r.value()));
                return got.contains("v" + (sent[0] + 1));
            });
            int first = Integer.parseInt(got.get(0).substring(1));
            check(first >= 5, "what was there before: " + got);
            checkEquals(numbered("v", first, sent[0] + 2), got);
        }
    }

    private void byDuration() throws Exception {
        String t = topic(1), g = unique("s");
        set(g, "share.auto.offset.reset", "by_duration:PT1H");
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> p = producer()) {
            get(p.send(new ProducerRecord<>(t, 0, now - 7_200_000, "k", "old")));
            get(p.send(new ProducerRecord<>(t, 0, now - 60_000, "k", "v0")));
        }
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            checkEquals(List.of("v0"), values(until(c, vs(0, 1))));
        }
    }

    private void callback() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 4);
        Set<Long> told = new HashSet<>();
        List<Exception> errors = new ArrayList<>();
        try (ShareConsumer<String, String> c = share(g)) {
            c.setAcknowledgementCommitCallback((offsets, e) -> {
                offsets.values().forEach(told::addAll);
                if (e != null) errors.add(e);
            });
            c.subscribe(List.of(t));
            until(c, vs(0, 4));
            c.commitAsync();
            eventually("told of all", () -> {
                c.poll(Duration.ofMillis(50));
                return told.equals(Set.of(0L, 1L, 2L, 3L));
            });
            checkEquals(List.of(), errors);
        }
    }

    /** A record that cannot be deserialized is known by its offset only. */
    private void byOffset() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 2);
        var p = properties(bootstrap, "group.id", g, "share.acknowledgement.mode", "explicit");
        try (var c = new org.apache.kafka.clients.consumer.KafkaShareConsumer<>(p, new org.apache.kafka.common.serialization.StringDeserializer(), new org.apache.kafka.common.serialization.LongDeserializer())) {
            c.subscribe(List.of(t));
            for (long offset = 0; offset < 2; offset++) {
                var e = checkThrows(org.apache.kafka.common.errors.RecordDeserializationException.class, () -> {
                    for (long end = System.nanoTime() + WAIT_S * 1_000_000_000L; System.nanoTime() < end;) c.poll(Duration.ofMillis(200));
                    return "nothing";
                });
                checkEquals(offset, e.offset());
                c.acknowledge(t, 0, offset, AcknowledgeType.REJECT);
                check(c.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "committed");
            }
        }
        settled(g, t, 0);
    }

    private void recordLimit() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 30); // one batch
        try (ShareConsumer<String, String> c = share(g, "max.poll.records", 7, "share.acquire.mode", "record_limit"); ShareConsumer<String, String> d = share(g, "max.poll.records", 7, "share.acquire.mode", "record_limit")) {
            c.subscribe(List.of(t));
            var first = some(c);
            checkEquals(numbered("v", 0, 7), values(first));
            d.subscribe(List.of(t));
            checkEquals(numbered("v", 7, 14), values(some(d))); // the rest of the batch is free
        }
    }

    private void isolation() throws Exception {
        String t = topic(1), g = group("share.isolation.level", "read_committed"), h = group();
        try (KafkaProducer<String, String> p = producer("transactional.id", unique("x"))) {
            p.initTransactions();
            for (int i = 0; i < 4; i++) {
                p.beginTransaction();
                p.send(new ProducerRecord<>(t, 0, null, "v" + i));
                p.flush();
                if (i % 2 == 0) p.commitTransaction();
                else p.abortTransaction();
            }
            p.beginTransaction();
            get(p.send(new ProducerRecord<>(t, 0, null, "v4")));
            try (ShareConsumer<String, String> c = share(g); ShareConsumer<String, String> d = share(h)) {
                c.subscribe(List.of(t));
                d.subscribe(List.of(t));
                checkEquals(List.of("v0", "v2"), values(until(c, Set.of("v0", "v2"))));
                checkEquals(numbered("v", 0, 5), values(until(d, vs(0, 5))));
                quiet(c);
                p.commitTransaction();
                checkEquals(List.of("v4"), values(until(c, Set.of("v4"))));
                quiet(c);
            }
        }
    }

    private void deleted() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 10);
        get(admin.deleteRecords(Map.of(tp(t, 0), org.apache.kafka.clients.admin.RecordsToDelete.beforeOffset(4))).all());
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 4, 10), values(until(c, vs(4, 10))));
        }
    }

    private void later() throws Exception {
        String t = unique("later"), g = group();
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            for (int i = 0; i < 5; i++) c.poll(Duration.ofMillis(100));
            get(admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(t, 2, (short) 1))).all());
            settled(t);
            fill(t, 1, 3);
            checkEquals(3, until(c, vs(0, 3)).size());
        }
    }

    /** What was accepted does not come again; what was held may, and nothing is left out. */
    private void outage(Body outage) throws Exception {
        String t = topic(1), g = group("share.record.lock.duration.ms", "12000");
        fill(t, 0, 30);
        try (ShareConsumer<String, String> c = explicit(g, "max.poll.records", 5, "share.acquire.mode", "record_limit", "reconnect.backoff.max.ms", 200)) {
            c.subscribe(List.of(t));
            Set<String> accepted = new HashSet<>();
            AtomicInteger twice = new AtomicInteger();
            boolean[] out = {false};
            long end = System.nanoTime() + 2 * WAIT_S * 1_000_000_000L;
            while (accepted.size() < 30) {
                check(System.nanoTime() < end, "within " + 2 * WAIT_S + " s: " + accepted.size());
                List<ConsumerRecord<String, String>> batch = new ArrayList<>();
                c.poll(Duration.ofMillis(200)).forEach(batch::add);
                Map<Long, String> byOffset = new HashMap<>();
                for (ConsumerRecord<String, String> r : batch) {
                    if (accepted.contains(r.value())) twice.incrementAndGet();
                    byOffset.put(r.offset(), r.value());
                    c.acknowledge(r);
                }
                if (accepted.size() >= 10 && !out[0]) {
                    out[0] = true;
                    outage.run(); // with acknowledgements under way
                }
                if (!batch.isEmpty() && c.commitSync(Duration.ofSeconds(CALL_S)).values().stream().allMatch(java.util.Optional::isEmpty)) accepted.addAll(byOffset.values());
            }
            checkEquals(0, twice.get());
        }
        settled(g, t, 0);
    }
}
