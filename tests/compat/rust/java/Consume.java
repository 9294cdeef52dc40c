import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/** Consuming assigned partitions: positions, look-ups, what is visible. */
final class Consume {
    private final Lab lab;

    private Consume(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        Consume c = new Consume(lab);
        lab.add("consume.assign_and_seek", c::assignAndSeek);
        lab.add("consume.offsets", c::offsets);
        lab.add("consume.pause", c::pause);
        lab.add("consume.max_poll_records", c::maxPollRecords);
        lab.add("consume.small_fetches", c::smallFetches);
        lab.add("consume.reset", c::reset);
        lab.add("consume.misuse", c::misuse);
        lab.add("consume.lookups", c::lookups);
        lab.add("consume.isolation", c::isolation);
    }

    private String filled(String name) throws Exception {
        String topic = lab.topic(name, 3);
        for (int p = 0; p < 3; p++) lab.fill(topic, p, 100);
        return topic;
    }

    static List<Integer> partitions(Iterable<TopicPartition> all) {
        TreeSet<Integer> sorted = new TreeSet<>();
        all.forEach(t -> sorted.add(t.partition()));
        return new ArrayList<>(sorted);
    }

    private static <V> Map<Integer, V> byPartition(Map<TopicPartition, V> all) {
        Map<Integer, V> sorted = new TreeMap<>();
        all.forEach((t, v) -> sorted.put(t.partition(), v));
        return sorted;
    }

    private void assignAndSeek() throws Exception {
        String topic = filled("seek");
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            c.assign(List.of(Lab.tp(topic, 0), Lab.tp(topic, 1)));
            lab.say(Digest.of(Lab.drain(c, 200)));
            c.seek(Lab.tp(topic, 0), 40);
            c.seekToBeginning(List.of(Lab.tp(topic, 1)));
            lab.say(Digest.of(Lab.drain(c, 160)));
            c.seekToEnd(List.of(Lab.tp(topic, 0)));
            lab.said("end", () -> c.position(Lab.tp(topic, 0)));
            c.seek(Lab.tp(topic, 1), new OffsetAndMetadata(97, Optional.of(0), ""));
            lab.say(Digest.of(Lab.drain(c, 3)));
            lab.said("lag", () -> c.currentLag(Lab.tp(topic, 1)).orElse(-1));
            c.assign(List.of(Lab.tp(topic, 1), Lab.tp(topic, 2)));
            lab.said("kept", () -> c.position(Lab.tp(topic, 1)));
            lab.say(Digest.of(Lab.drain(c, 100)));
            lab.say(partitions(c.assignment()));
            c.assign(List.of());
            lab.done("poll with nothing assigned", () -> c.poll(Duration.ZERO));
        }
    }

    private void offsets() throws Exception {
        String topic = filled("times");
        List<TopicPartition> all = List.of(Lab.tp(topic, 0), Lab.tp(topic, 1), Lab.tp(topic, 2));
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            lab.said("deleted before", () -> lab.admin.deleteRecords(Map.of(all.get(2), RecordsToDelete.beforeOffset(30))).lowWatermarks().get(all.get(2)).get().lowWatermark());
            lab.say("begin " + byPartition(c.beginningOffsets(all)).values());
            lab.say("end " + byPartition(c.endOffsets(all)).values());
            for (long after : new long[] {-Lab.BASE_MS, 0, 1, 29_000, 99_000, 99_001}) {
                Map<TopicPartition, Long> times = new TreeMap<>((a, b) -> a.partition() - b.partition());
                all.forEach(t -> times.put(t, Lab.BASE_MS + after));
                List<String> found = new ArrayList<>();
                for (OffsetAndTimestamp at : byPartition(c.offsetsForTimes(times)).values()) found.add(at == null ? "null" : at.offset() + "@" + at.timestamp() + "/" + at.leaderEpoch().orElse(-1));
                lab.say(after + " " + String.join(" ", found));
            }
            lab.done("negative", () -> c.offsetsForTimes(Map.of(all.get(0), -3L)));
        }
    }

    private void pause() throws Exception {
        String topic = filled("pause");
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("max.poll.records", 10)) {
            c.assign(List.of(Lab.tp(topic, 0), Lab.tp(topic, 1)));
            c.pause(List.of(Lab.tp(topic, 0)));
            lab.say(Digest.of(Lab.drain(c, 100)));
            lab.say(partitions(c.paused()));
            c.resume(List.of(Lab.tp(topic, 0)));
            lab.say(Digest.of(Lab.drain(c, 100)));
            lab.did("pause what is not assigned", () -> c.pause(List.of(Lab.tp(topic, 2))));
        }
    }

    private void maxPollRecords() throws Exception {
        String topic = filled("few");
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("max.poll.records", 7)) {
            c.assign(List.of(Lab.tp(topic, 0)));
            List<Integer> sizes = new ArrayList<>();
            int sum = 0;
            while (sum < 100) {
                int count = c.poll(Duration.ofSeconds(5)).count();
                if (count > 0) sizes.add(count);
                sum += count;
            }
            lab.say(sizes);
        }
    }

    private void smallFetches() throws Exception {
        String topic = lab.topic("large", 1);
        try (KafkaProducer<byte[], byte[]> p = lab.producer("linger.ms", 0)) {
            for (int i = 0; i < 20; i++) p.send(Lab.plain(topic, 0, "x".repeat(1 + i * 3000))).get();
        }
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("max.partition.fetch.bytes", 100, "fetch.max.bytes", 200, "fetch.min.bytes", 50)) {
            c.assign(List.of(Lab.tp(topic, 0)));
            List<Integer> sizes = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> r : Lab.drain(c, 20)) sizes.add(r.value().length);
            lab.say(sizes);
        }
    }

    private void reset() throws Exception {
        String topic = filled("reset");
        TopicPartition t = Lab.tp(topic, 0);
        for (String reset : List.of("earliest", "latest", "none", "by_duration:P3000D")) {
            try (KafkaConsumer<byte[], byte[]> c = lab.consumer("auto.offset.reset", reset, "group.id", "reset")) {
                c.assign(List.of(t));
                lab.said(reset, () -> c.position(t));
                c.seek(t, 5000);
                lab.said(reset + " beyond the end", () -> {
                    // The answer to a fetch, whenever it comes, moves it or throws.
                    for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Lab.WAIT_S); c.position(t) == 5000 && System.nanoTime() < end;) c.poll(Duration.ofMillis(300));
                    return c.position(t);
                });
            }
        }
        lab.done("someday", () -> lab.consumer("auto.offset.reset", "someday"));
    }

    private void misuse() throws Exception {
        String topic = filled("misuse");
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "misuse")) {
            lab.done("poll", () -> c.poll(Duration.ZERO));
            c.assign(List.of(Lab.tp(topic, 0)));
            lab.did("subscribe after assign", () -> c.subscribe(List.of(topic)));
            lab.did("seek elsewhere", () -> c.seek(Lab.tp(topic, 1), 0));
            lab.did("seek before the start", () -> c.seek(Lab.tp(topic, 0), -1));
            lab.done("position elsewhere", () -> c.position(Lab.tp(topic, 1)));
            lab.done("lag elsewhere", () -> c.currentLag(Lab.tp(topic, 1)));
            c.unsubscribe();
            c.subscribe(List.of(topic));
            lab.did("assign after subscribe", () -> c.assign(List.of(Lab.tp(topic, 0))));
            lab.did("pattern after names", () -> c.subscribe(Pattern.compile("a")));
            lab.did("an empty name", () -> c.subscribe(List.of("")));
        }
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            lab.did("subscribe without a group", () -> c.subscribe(List.of(topic)));
            lab.done("group metadata without a group", c::groupMetadata);
        }
        Object[][] wrong = {{"isolation.level", "none"}, {"group.protocol", "modern"}, {"max.poll.records", "0"}, {"fetch.min.bytes", "-1"}, {"partition.assignment.strategy", "org.example.None"}};
        for (Object[] settings : wrong) lab.did(Lab.text(settings), () -> lab.consumer(settings).close());
    }

    private void lookups() throws Exception {
        String topic = lab.topic("found", 3);
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("allow.auto.create.topics", "false")) {
            TreeSet<Integer> partitions = new TreeSet<>();
            for (PartitionInfo p : c.partitionsFor(topic)) partitions.add(p.partition());
            lab.say(partitions);
            lab.say("listed " + c.listTopics().get(topic).size());
            lab.said("nothing", () -> c.partitionsFor(lab.unique("nothing")).size());
            lab.done("a name that can't be", () -> c.partitionsFor("a b!"));
        }
        // Who waits for a topic to come waits in vain.
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("allow.auto.create.topics", "false", "default.api.timeout.ms", 2000, "request.timeout.ms", 2000)) {
            lab.done("end of nothing", () -> c.endOffsets(List.of(Lab.tp(lab.unique("nothing"), 0))));
        }
    }

    private void isolation() throws Exception {
        String topic = lab.topic("levels-of-isolation", 1);
        try (KafkaProducer<byte[], byte[]> p = lab.producer("transactional.id", lab.unique("isolation"))) {
            p.initTransactions();
            boolean[] commits = {true, false, true};
            for (int i = 0; i < 3; i++) {
                p.beginTransaction();
                for (int r = 0; r < 3; r++) p.send(Lab.plain(topic, 0, i + "." + r));
                p.flush(); // an abort drops what has not been sent
                if (commits[i]) p.commitTransaction();
                else p.abortTransaction();
            }
            p.beginTransaction();
            p.send(Lab.plain(topic, 0, "open")).get();
            lab.fill(topic, 0, 1);
            for (String level : List.of("read_committed", "read_uncommitted")) {
                try (KafkaConsumer<byte[], byte[]> c = lab.consumer("isolation.level", level)) {
                    c.assign(List.of(Lab.tp(topic, 0)));
                    lab.say(level + " " + values(c, level.equals("read_committed") ? 6 : 11));
                    lab.say(level + " end " + c.endOffsets(List.of(Lab.tp(topic, 0))).values());
                    lab.said("position", () -> c.position(Lab.tp(topic, 0)));
                }
            }
            p.abortTransaction();
            try (KafkaConsumer<byte[], byte[]> c = lab.consumer("isolation.level", "read_committed")) {
                c.assign(List.of(Lab.tp(topic, 0)));
                lab.say(values(c, 7));
            }
        }
    }

    static String values(KafkaConsumer<byte[], byte[]> c, int count) {
        List<String> values = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> r : Lab.drain(c, count)) values.add(Lab.value(r));
        return String.join(" ", values);
    }
}
