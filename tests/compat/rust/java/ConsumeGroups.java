import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;

/** Consuming as a member of a group, in both protocols. */
final class ConsumeGroups {
    private final Lab lab;

    private ConsumeGroups(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        ConsumeGroups c = new ConsumeGroups(lab);
        lab.add("consume_groups.subscribe_classic", () -> c.subscribe("classic"));
        lab.add("consume_groups.subscribe_consumer", () -> c.subscribe("consumer"));
        lab.add("consume_groups.pattern_classic", () -> c.pattern("classic"));
        lab.add("consume_groups.pattern_consumer", () -> c.pattern("consumer"));
        lab.add("consume_groups.committed", c::committed);
        lab.add("consume_groups.auto_commit", c::autoCommit);
        lab.add("consume_groups.commit_misuse", c::commitMisuse);
        lab.add("consume_groups.wakeup", c::wakeup);
    }

    private String filled(String name, int partitions) throws Exception {
        String topic = lab.topic(name, partitions);
        for (int p = 0; p < partitions; p++) lab.fill(topic, p, 30);
        return topic;
    }

    private void subscribe(String protocol) throws Exception {
        String topic = filled("group-" + protocol, 3);
        Object[] settings = {"group.id", "group-" + protocol, "group.protocol", protocol};
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer(settings)) {
            c.subscribe(List.of(topic));
            lab.say(c.subscription().size() + " " + c.assignment().size());
            lab.say(Digest.of(Lab.drain(c, 90)));
            lab.say(Consume.partitions(c.assignment()));
            c.commitSync();
            ConsumerGroupMetadata m = c.groupMetadata();
            lab.say(m.groupId() + " " + (m.generationId() > 0) + " " + m.memberId().isEmpty());
            lab.fill(topic, 1, 5);
        }
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer(settings)) {
            c.subscribe(List.of(topic));
            lab.say(Digest.of(Lab.drain(c, 5)));
            c.unsubscribe();
            lab.say(c.subscription().size() + " " + c.assignment().size());
        }
    }

    private void subscribePattern(KafkaConsumer<byte[], byte[]> c, String protocol, String pattern) {
        if (protocol.equals("classic")) c.subscribe(Pattern.compile(pattern));
        else c.subscribe(new SubscriptionPattern(pattern));
    }

    private void pattern(String protocol) throws Exception {
        filled("pattern-" + protocol + "-a1", 2);
        filled("pattern-" + protocol + "-b2", 1);
        filled("pattern-" + protocol + "-cc", 1);
        Object[] settings = {"group.id", "pattern-" + protocol, "group.protocol", protocol, "metadata.max.age.ms", 500};
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer(settings)) {
            subscribePattern(c, protocol, lab.unique("pattern-" + protocol + "-[a-z][0-9]"));
            lab.say(Digest.of(Lab.drain(c, 90)));
            TreeSet<String> assigned = new TreeSet<>();
            for (TopicPartition t : c.assignment()) assigned.add(t.toString());
            lab.say(String.join(" ", assigned));
            filled("pattern-" + protocol + "-z9", 1);
            lab.say(Digest.of(Lab.drain(c, 30)));
        }
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer(settings)) {
            lab.did("a wrong pattern", () -> {
                try {
                    subscribePattern(c, protocol, "(");
                } catch (java.util.regex.PatternSyntaxException e) {
                    throw new IllegalArgumentException(e);
                }
                for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Lab.WAIT_S); System.nanoTime() < end;) c.poll(Duration.ofMillis(100));
            });
        }
    }

    private static String text(OffsetAndMetadata at) {
        return at == null ? "null" : at.offset() + "/" + at.leaderEpoch().orElse(-1) + "/'" + at.metadata() + "'";
    }

    private void sayCommitted(KafkaConsumer<byte[], byte[]> c, String topic) {
        Set<TopicPartition> all = Set.of(Lab.tp(topic, 0), Lab.tp(topic, 1), Lab.tp(topic, 2));
        Map<TopicPartition, OffsetAndMetadata> committed = c.committed(all);
        List<String> texts = new ArrayList<>();
        for (int p = 0; p < 3; p++) texts.add(text(committed.get(Lab.tp(topic, p))));
        lab.say(String.join(" ", texts));
    }

    private void committed() throws Exception {
        String topic = filled("commits", 3);
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "commits")) {
            c.assign(List.of(Lab.tp(topic, 0), Lab.tp(topic, 1)));
            sayCommitted(c, topic);
            c.commitSync(Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(12, Optional.of(0), "mine"), Lab.tp(topic, 2), new OffsetAndMetadata(3)));
            sayCommitted(c, topic);
            lab.say(Digest.of(Lab.drain(c, 48)));
            c.commitSync();
            sayCommitted(c, topic);
            AtomicReference<String> said = new AtomicReference<>();
            c.commitAsync(Map.of(Lab.tp(topic, 1), new OffsetAndMetadata(7)), (offsets, e) -> said.set("(" + offsets.size() + ", " + (e == null) + ")"));
            while (said.get() == null) c.poll(Duration.ofMillis(50));
            lab.say(said.get());
            sayCommitted(c, topic);
        }
    }

    private void autoCommit() throws Exception {
        for (String protocol : List.of("classic", "consumer")) {
            String topic = filled("auto-" + protocol, 3);
            try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "auto-" + protocol, "group.protocol", protocol, "enable.auto.commit", true)) {
                c.subscribe(List.of(topic));
                lab.say(Digest.of(Lab.drain(c, 90)));
            }
            try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "auto-" + protocol, "group.protocol", protocol)) {
                sayCommitted(c, topic);
            }
        }
    }

    private void commitMisuse() throws Exception {
        String topic = filled("commit-misuse", 1);
        TopicPartition t = Lab.tp(topic, 0);
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            c.assign(List.of(t));
            lab.did("without a group", () -> c.commitSync(Map.of(t, new OffsetAndMetadata(1))));
            lab.done("committed without a group", () -> c.committed(Set.of(t)));
        }
        try (KafkaConsumer<byte[], byte[]> member = lab.consumer("group.id", "commit-misuse"); KafkaConsumer<byte[], byte[]> stranger = lab.consumer("group.id", "commit-misuse")) {
            member.subscribe(List.of(topic));
            lab.say(Digest.of(Lab.drain(member, 30)));
            stranger.assign(List.of(t));
            lab.did("a stranger", () -> stranger.commitSync(Map.of(t, new OffsetAndMetadata(2))));
            lab.did("a negative offset", () -> member.commitSync(Map.of(t, new OffsetAndMetadata(-4))));
            lab.did("much metadata", () -> member.commitSync(Map.of(t, new OffsetAndMetadata(1, "x".repeat(5000)))));
        }
    }

    private void wakeup() throws Exception {
        String topic = lab.topic("wakeup", 1);
        ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            c.assign(List.of(Lab.tp(topic, 0)));
            c.wakeup();
            lab.done("poll", () -> c.poll(Duration.ofSeconds(5)));
            lab.done("and again", () -> c.poll(Duration.ofMillis(10)));
            later.schedule(c::wakeup, 200, TimeUnit.MILLISECONDS);
            lab.done("in the middle", () -> c.poll(Duration.ofSeconds(60)));
        } finally {
            later.shutdown();
        }
    }
}
