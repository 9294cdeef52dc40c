import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Consumer;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** What the cases of groups of the consumer protocol (KIP-848) share. */
abstract class ModernCases extends Cases {
    ModernCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
    }

    @Override void settled(String name) throws Exception {
        settledForGroups(name);
    }

    KafkaConsumer<String, String> modern(String group, Object... pairs) {
        Properties p = properties(bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", "false", "group.protocol", "consumer", "group.id", group, "metadata.max.age.ms", "500",
            "retry.backoff.ms", "20");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    ConsumerGroupDescription describe(String g) throws Exception {
        return get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g));
    }

    void set(String g, String key, String value) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.GROUP, g);
        get(admin.incrementalAlterConfigs(Map.of(r, List.of(new AlterConfigOp(new ConfigEntry(key, value), value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)))).all());
    }

    /** A name of a group whose members are given up so soon. All other groups' are not, however long a member stands still on a busy machine. */
    String forgetful(int sessionTimeoutMs) throws Exception {
        String g = unique("g"), key = "consumer.session.timeout.ms", value = String.valueOf(sessionTimeoutMs);
        set(g, key, value);
        ConfigResource r = new ConfigResource(ConfigResource.Type.GROUP, g);
        eventually("the session time-out is set", () -> get(admin.describeConfigs(List.of(r)).values().get(r)).get(key).value().equals(value));
        return g;
    }

    Set<TopicPartition> partitions(String topic, int n) {
        Set<TopicPartition> all = new HashSet<>();
        for (int i = 0; i < n; i++) all.add(tp(topic, i));
        return all;
    }

    /** A member of either protocol with a thread of its own that polls, commits, and notes what it is told. */
    final class Poller implements AutoCloseable {
        final List<String> values = new ArrayList<>(), events = new ArrayList<>();
        volatile Set<TopicPartition> assignment = Set.of();
        volatile Throwable failure;
        final KafkaConsumer<String, String> consumer;
        private volatile boolean stopped;
        private final Thread thread;

        Poller(KafkaConsumer<String, String> consumer, Collection<String> topics) {
            this(consumer, c -> { }, topics);
        }

        Poller(KafkaConsumer<String, String> consumer, Consumer<String> onEvent, Collection<String> topics) {
            this.consumer = consumer;
            consumer.subscribe(topics, new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> p) {
                    note("assigned", p);
                }

                @Override public void onPartitionsRevoked(Collection<TopicPartition> p) {
                    if (!p.isEmpty()) commit();
                    note("revoked", p);
                }

                @Override public void onPartitionsLost(Collection<TopicPartition> p) {
                    note("lost", p);
                }

                private void note(String what, Collection<TopicPartition> p) {
                    String text = what + " " + new TreeSet<>(p.stream().map(TopicPartition::toString).toList());
                    synchronized (events) {
                        events.add(text);
                    }
                    onEvent.accept(text);
                }
            });
            thread = new Thread(this::loop);
            thread.setDaemon(true);
            thread.start();
        }

        private void commit() {
            try {
                consumer.commitSync(Duration.ofSeconds(CALL_S));
            } catch (org.apache.kafka.common.KafkaException e) {
                // It is read again.
            }
        }

        private void loop() {
            try {
                while (!stopped) {
                    var records = consumer.poll(Duration.ofMillis(50));
                    assignment = Set.copyOf(consumer.assignment());
                    synchronized (values) {
                        for (ConsumerRecord<String, String> r : records) values.add(r.value());
                    }
                    if (!records.isEmpty()) commit();
                }
            } catch (Throwable e) {
                failure = e;
            } finally {
                consumer.close();
            }
        }

        List<String> values() {
            synchronized (values) {
                return new ArrayList<>(values);
            }
        }

        List<String> events() {
            synchronized (events) {
                return new ArrayList<>(events);
            }
        }

        @Override public void close() throws Exception {
            stopped = true;
            thread.join(CALL_S * 1000L);
            check(!thread.isAlive(), "a member closes within " + CALL_S + " s");
        }
    }

    /** Waits until these members together have all partitions, none twice. */
    void spread(Set<TopicPartition> all, Poller... members) throws Exception {
        Callable<Boolean> spread = () -> {
            Set<TopicPartition> together = new HashSet<>();
            int sum = 0;
            for (Poller m : members) {
                if (m.failure != null) throw new IllegalStateException(m.failure);
                together.addAll(m.assignment);
                sum += m.assignment.size();
            }
            int fair = all.size() / members.length;
            boolean even = List.of(members).stream().allMatch(m -> m.assignment.size() >= Math.min(fair, 1));
            return even && sum == all.size() && together.equals(all);
        };
        try {
            eventually("the partitions are spread", spread);
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + ": " + List.of(members).stream().map(m -> m.assignment + " after " + m.events()).toList());
        }
    }

    void stable(String g, int members) throws Exception {
        eventually(g + " is stable with " + members, () -> is(() -> {
            ConsumerGroupDescription d = describe(g);
            return d.groupState() == org.apache.kafka.common.GroupState.STABLE && d.members().size() == members;
        }));
    }

    MemberDescription only(String g) throws Exception {
        return describe(g).members().iterator().next();
    }

    static <T> T last(List<T> l) {
        return l.get(l.size() - 1);
    }

    static boolean is(Callable<Boolean> c) {
        try {
            return c.call();
        } catch (Exception e) {
            return false;
        }
    }
}
