import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Share groups: what is delivered, acknowledged and delivered again. */
final class Share {
    interface Each {
        void see(KafkaShareConsumer<byte[], byte[]> c, ConsumerRecord<byte[], byte[]> r);
    }

    private final Lab lab;

    private Share(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        Share s = new Share(lab);
        lab.add("share.implicit", s::implicit);
        lab.add("share.explicit_outcomes", s::explicitOutcomes);
        lab.add("share.misuse", s::misuse);
        lab.add("share.commits", s::commits);
        lab.add("share.close_gives_back", s::closeGivesBack);
        lab.add("share.isolation", s::isolation);
    }

    private String group(String name, String... more) throws Exception {
        String id = lab.unique(name);
        List<AlterConfigOp> ops = new ArrayList<>();
        ops.add(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET));
        for (int i = 0; i < more.length; i += 2) ops.add(new AlterConfigOp(new ConfigEntry(more[i], more[i + 1]), AlterConfigOp.OpType.SET));
        lab.admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, id), ops)).all().get();
        lab.settle();
        return id;
    }

    private KafkaShareConsumer<byte[], byte[]> consumer(Object... settings) {
        return new KafkaShareConsumer<>(lab.properties(settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private KafkaShareConsumer<byte[], byte[]> consumer(String group, String mode) {
        return consumer("group.id", group, "share.acknowledgement.mode", mode);
    }

    private static List<ConsumerRecord<byte[], byte[]>> take(KafkaShareConsumer<byte[], byte[]> c, int count, Each each) {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
        long end = System.nanoTime() + Lab.WAIT_S * 1_000_000_000L;
        while (all.size() < count && System.nanoTime() < end) {
            for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(300))) {
                each.see(c, r);
                all.add(r);
            }
        }
        all.sort(Comparator.comparing((ConsumerRecord<byte[], byte[]> r) -> r.offset()).thenComparing(r -> r.deliveryCount().orElse((short) 0)));
        return all;
    }

    private static String counts(Iterable<ConsumerRecord<byte[], byte[]>> records) {
        List<String> all = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> r : records) all.add(r.offset() + "x" + r.deliveryCount().orElse((short) 0));
        return String.join(" ", all);
    }

    private void sayCommit(Map<TopicIdPartition, Optional<KafkaException>> results, String what) {
        results.forEach((t, e) -> lab.did(what == null ? t.topic() + "-" + t.partition() : what, () -> {
            if (e.isPresent()) throw e.get();
        }));
    }

    private void implicit() throws Exception {
        String topic = lab.topic("share", 1), group = group("share");
        lab.fill(topic, 0, 50);
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "implicit")) {
            c.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = take(c, 50, (x, r) -> { });
            lab.say(Digest.of(records));
            lab.say(counts(records));
            sayCommit(c.commitSync(), "commit");
        }
        lab.fill(topic, 0, 1);
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "implicit")) {
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 1, (x, r) -> { })));
        }
    }

    private void explicitOutcomes() throws Exception {
        String topic = lab.topic("share-explicit", 1), group = group("share-explicit");
        lab.fill(topic, 0, 20);
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "explicit")) {
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 30, (x, r) -> {
                boolean first = r.deliveryCount().orElse((short) 0) == 1;
                long kind = r.offset() % 4;
                x.acknowledge(r, kind == 1 ? AcknowledgeType.REJECT : kind != 3 && first ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
            })));
            sayCommit(c.commitSync(), "commit");
            lab.say(counts(c.poll(Duration.ofMillis(700))));
        }
    }

    private void misuse() throws Exception {
        String topic = lab.topic("share-misuse", 1), group = group("share-misuse");
        lab.fill(topic, 0, 3);
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "implicit")) {
            lab.done("poll before subscribe", () -> c.poll(Duration.ZERO));
            lab.did("acknowledge", () -> c.acknowledge(topic, 0, 0, AcknowledgeType.ACCEPT));
        }
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "explicit")) {
            c.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            long end = System.nanoTime() + Lab.WAIT_S * 1_000_000_000L;
            while (records.isEmpty() && System.nanoTime() < end) c.poll(Duration.ofMillis(300)).forEach(records::add);
            lab.done("poll before acknowledging", () -> c.poll(Duration.ZERO));
            lab.did("another's record", () -> c.acknowledge(topic, 0, 77, AcknowledgeType.ACCEPT));
            for (ConsumerRecord<byte[], byte[]> r : records) c.acknowledge(r, AcknowledgeType.ACCEPT);
            lab.did("twice", () -> c.acknowledge(records.get(0), AcknowledgeType.RELEASE));
            lab.done("and poll", () -> c.poll(Duration.ZERO));
        }
        Object[][] wrong = {{}, {"group.id", "g", "share.acknowledgement.mode", "both"}, {"group.id", "g", "auto.offset.reset", "latest"}};
        for (Object[] settings : wrong) lab.did(Lab.text(settings), () -> consumer(settings).close());
    }

    private void commits() throws Exception {
        String topic = lab.topic("share-commits", 1), group = group("share-commits");
        lab.fill(topic, 0, 10);
        List<String> told = new ArrayList<>();
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "explicit")) {
            c.setAcknowledgementCommitCallback((offsets, e) -> offsets.forEach((t, o) -> told.add(t.partition() + " " + new TreeSet<>(o) + " " + (e == null))));
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 10, (x, r) -> x.acknowledge(r, AcknowledgeType.ACCEPT))));
            Map<TopicIdPartition, Optional<KafkaException>> results = c.commitSync();
            lab.say(results.size() + " partitions");
            sayCommit(results, null);
            lab.say("nothing left: " + c.commitSync().size() + " partitions");
            long end = System.nanoTime() + Lab.WAIT_S * 1_000_000_000L;
            while (told.isEmpty() && System.nanoTime() < end) c.poll(Duration.ofMillis(100));
            lab.say(String.join("; ", told));
        }
    }

    private void closeGivesBack() throws Exception {
        String topic = lab.topic("share-back", 1), group = group("share-back");
        lab.fill(topic, 0, 6);
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "explicit")) {
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 6, (x, r) -> {
                if (r.offset() < 3) x.acknowledge(r, AcknowledgeType.ACCEPT);
            })));
        }
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group, "implicit")) {
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 3, (x, r) -> { })));
        }
    }

    private void isolation() throws Exception {
        String topic = lab.topic("share-isolation", 1);
        try (KafkaProducer<byte[], byte[]> p = lab.producer("transactional.id", lab.unique("share-isolation"))) {
            p.initTransactions();
            for (String v : List.of("a", "b", "c")) {
                p.beginTransaction();
                p.send(Lab.plain(topic, 0, v));
                p.flush(); // an abort drops what has not been sent
                if (v.equals("b")) p.abortTransaction();
                else p.commitTransaction();
            }
        }
        try (KafkaShareConsumer<byte[], byte[]> c = consumer(group("share-isolation", "share.isolation.level", "read_committed"), "implicit")) {
            c.subscribe(List.of(topic));
            lab.say(counts(take(c, 2, (x, r) -> { })));
        }
    }
}
