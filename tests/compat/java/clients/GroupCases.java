import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.InvalidSessionTimeoutException;
import org.apache.kafka.common.errors.InvalidGroupIdException;

/** Classic groups: membership, assignors, commits, listeners, static members. */
final class GroupCases extends Cases {
    GroupCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("subscribe", this::subscribe);
        add("subscribe-pattern", this::pattern);
        for (Class<?> a : List.of(RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class, CooperativeStickyAssignor.class))
            add("two-members-" + a.getSimpleName(), () -> twoMembers(a.getName()));
        add("three-members-come-and-go", this::comeAndGo);
        add("more-members-than-partitions", this::tooMany);
        add("protocol-is-agreed", this::agreed);
        add("protocol-without-agreement", this::noAgreement);
        add("from-range-to-cooperative", this::rolling);
        add("rebalance-listener", this::listener);
        add("rebalance-listener-cooperative", this::cooperativeListener);
        add("enforce-rebalance", this::enforce);
        add("commit-sync-and-continue", this::commitSync);
        add("commit-async", this::commitAsync);
        add("commit-given-offsets-with-metadata", this::commitMetadata);
        add("commit-unknown-partition", this::commitUnknown);
        add("auto-commit", this::autoCommit);
        add("auto-commit-on-close", this::autoCommitOnClose);
        add("committed-of-nothing", this::committedNothing);
        add("commit-after-being-thrown-out", this::thrownOut);
        add("session-timeout-ends-a-member", this::sessionTimeout);
        add("session-timeout-out-of-bounds", this::sessionBounds);
        add("max-poll-interval", this::maxPollInterval);
        add("static-member-comes-back", this::staticMember);
        add("static-member-fences-its-double", this::staticFenced);
        add("static-member-keeps-partitions-in-a-group", this::staticGroup);
        add("leave-on-close", this::leave);
        add("unsubscribe", this::unsubscribe);
        add("subscription-changes", this::subscriptionChanges);
        add("new-partitions-are-assigned", this::newPartitions);
        add("new-topic-matches-pattern", this::newTopicMatches);
        add("deleted-topic-leaves-the-group", this::deletedTopic);
        add("group-metadata", this::metadata);
        add("two-groups-are-independent", this::independent);
        add("empty-group-id", this::emptyGroup);
        add("odd-group-id", this::oddGroup);
        add("pause-survives-no-rebalance", this::resumeAfter);
    }

    private void subscribe() throws Exception {
        String t = topic(3);
        for (int i = 0; i < 3; i++) fill(t, i, 10);
        try (KafkaConsumer<String, String> c = consumer(unique("g"))) {
            c.subscribe(List.of(t));
            poll(c, 30);
            checkEquals(Set.of(tp(t, 0), tp(t, 1), tp(t, 2)), c.assignment());
        }
    }

    private void pattern() throws Exception {
        String prefix = unique("pat");
        for (String suffix : List.of("-a", "-b")) {
            get(admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(prefix + suffix, 1, (short) 1))).all());
            fill(prefix + suffix, 0, 5);
        }
        try (KafkaConsumer<String, String> c = consumer(unique("g"))) {
            c.subscribe(Pattern.compile(prefix + "-.*"));
            poll(c, 10);
        }
    }

    /** Both poll until each has its share. */
    private void shares(List<KafkaConsumer<String, String>> members, int partitions) throws Exception {
        eventually("all " + partitions + " partitions are shared out", () -> {
            Set<TopicPartition> all = new HashSet<>();
            int n = 0, least = Integer.MAX_VALUE, most = 0;
            for (KafkaConsumer<String, String> c : members) {
                c.poll(Duration.ofMillis(50));
                all.addAll(c.assignment());
                n += c.assignment().size();
                least = Math.min(least, c.assignment().size());
                most = Math.max(most, c.assignment().size());
            }
            return n == partitions && all.size() == partitions && most - least <= 1;
        });
    }

    private void twoMembers(String assignor) throws Exception {
        String t = topic(4), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", assignor); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", assignor)) {
            a.subscribe(List.of(t));
            b.subscribe(List.of(t));
            shares(List.of(a), 4);
            shares(List.of(a, b), 4);
            b.close();
            shares(List.of(a), 4);
        }
    }

    private void comeAndGo() throws Exception {
        String t = topic(6), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g); KafkaConsumer<String, String> b = consumer(g); KafkaConsumer<String, String> c = consumer(g)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 6);
            b.subscribe(List.of(t));
            shares(List.of(a, b), 6);
            c.subscribe(List.of(t));
            shares(List.of(a, b, c), 6);
            a.unsubscribe();
            shares(List.of(b, c), 6);
            a.subscribe(List.of(t));
            shares(List.of(a, b, c), 6);
        }
    }

    private void tooMany() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g); KafkaConsumer<String, String> b = consumer(g)) {
            a.subscribe(List.of(t));
            b.subscribe(List.of(t));
            eventually("two members, one partition", () -> {
                a.poll(Duration.ofMillis(50));
                b.poll(Duration.ofMillis(50));
                var d = get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g));
                return d.groupState() == GroupState.STABLE && d.members().size() == 2 && a.assignment().size() + b.assignment().size() == 1;
            });
        }
    }

    private void agreed() throws Exception {
        String t = topic(2), g = unique("g");
        String both = RangeAssignor.class.getName() + "," + RoundRobinAssignor.class.getName();
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", both); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", RoundRobinAssignor.class.getName())) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            b.subscribe(List.of(t));
            shares(List.of(a, b), 2);
            eventually("the group agrees on roundrobin", () -> {
                a.poll(Duration.ofMillis(20));
                b.poll(Duration.ofMillis(20));
                return get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g)).partitionAssignor().equals("roundrobin");
            });
        }
    }

    private void noAgreement() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", RangeAssignor.class.getName()); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", RoundRobinAssignor.class.getName())) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            b.subscribe(List.of(t));
            checkThrows(InconsistentGroupProtocolException.class, () -> {
                pollUntil(b, "an error", () -> {
                    a.poll(Duration.ofMillis(20));
                    return false;
                });
                return "joined";
            });
            shares(List.of(a), 2);
        }
    }

    /** The way from eager to cooperative: a member that offers both, then one that offers only the new one. */
    private void rolling() throws Exception {
        String t = topic(4), g = unique("g");
        String both = CooperativeStickyAssignor.class.getName() + "," + RangeAssignor.class.getName();
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", both); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", CooperativeStickyAssignor.class.getName())) {
            a.subscribe(List.of(t));
            shares(List.of(a), 4);
            b.subscribe(List.of(t));
            shares(List.of(a, b), 4);
        }
    }

    private static final class Log implements ConsumerRebalanceListener {
        final List<String> events = new ArrayList<>();
        Set<TopicPartition> have = new HashSet<>();

        @Override public void onPartitionsRevoked(Collection<TopicPartition> p) {
            events.add("revoked " + p.size());
            have.removeAll(p);
        }

        @Override public void onPartitionsAssigned(Collection<TopicPartition> p) {
            events.add("assigned " + p.size());
            have.addAll(p);
        }

        @Override public void onPartitionsLost(Collection<TopicPartition> p) {
            events.add("lost " + p.size());
            have.removeAll(p);
        }
    }

    private void listener() throws Exception {
        String t = topic(2), g = unique("g");
        Log log = new Log();
        String range = RangeAssignor.class.getName();
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", range); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", range)) {
            a.subscribe(List.of(t), log);
            shares(List.of(a), 2);
            b.subscribe(List.of(t));
            shares(List.of(a, b), 2);
        }
        checkEquals("assigned 2", log.events.get(0));
        checkEquals("revoked 2", log.events.get(1));
        check(log.events.contains("assigned 1"), "" + log.events);
        check(log.have.isEmpty(), "close revokes: " + log.events);
    }

    private void cooperativeListener() throws Exception {
        String t = topic(4), g = unique("g");
        Log log = new Log();
        String coop = CooperativeStickyAssignor.class.getName();
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", coop); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", coop)) {
            a.subscribe(List.of(t), log);
            shares(List.of(a), 4);
            b.subscribe(List.of(t));
            shares(List.of(a, b), 4);
            check(log.events.contains("revoked 2") && !log.events.contains("revoked 4"), "only what moves is revoked: " + log.events);
        }
    }

    private void enforce() throws Exception {
        String t = topic(2), g = unique("g");
        Log log = new Log();
        try (KafkaConsumer<String, String> a = consumer(g, "partition.assignment.strategy", RangeAssignor.class.getName())) {
            a.subscribe(List.of(t), log);
            shares(List.of(a), 2);
            int before = a.groupMetadata().generationId();
            a.enforceRebalance("because");
            pollUntil(a, "a new generation", () -> a.groupMetadata().generationId() > before && a.assignment().size() == 2);
        }
    }

    private void commitSync() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 20);
        try (KafkaConsumer<String, String> c = consumer(g, "max.poll.records", 8)) {
            c.subscribe(List.of(t));
            List<ConsumerRecord<String, String>> got = new ArrayList<>();
            while (got.isEmpty()) c.poll(Duration.ofMillis(200)).forEach(got::add);
            checkEquals(8, got.size());
            c.commitSync();
            checkEquals(8L, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).offset());
        }
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 8, 20), values(poll(c, 12)));
        }
    }

    private void commitAsync() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.subscribe(List.of(t));
            poll(c, 10);
            AtomicReference<Object> result = new AtomicReference<>();
            c.commitAsync((offsets, e) -> result.set(e == null ? offsets.get(tp(t, 0)).offset() : e));
            pollUntil(c, "call-back", () -> result.get() != null);
            checkEquals(10L, result.get());
            for (int i = 0; i < 100; i++) c.commitAsync(Map.of(tp(t, 0), new OffsetAndMetadata(i)), null);
            c.commitSync(Map.of(tp(t, 0), new OffsetAndMetadata(7)));
            checkEquals(7L, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).offset());
        }
    }

    private void commitMetadata() throws Exception {
        String t = topic(3), g = unique("g");
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.subscribe(List.of(t));
            pollUntil(c, "assignment", () -> c.assignment().size() == 3);
            Map<TopicPartition, OffsetAndMetadata> m = new HashMap<>();
            m.put(tp(t, 0), new OffsetAndMetadata(5, java.util.Optional.of(0), "äöü"));
            m.put(tp(t, 1), new OffsetAndMetadata(0, ""));
            c.commitSync(m);
            var got = c.committed(Set.of(tp(t, 0), tp(t, 1), tp(t, 2)));
            checkEquals(m.get(tp(t, 0)), got.get(tp(t, 0)));
            checkEquals(0L, got.get(tp(t, 1)).offset());
            checkEquals(null, got.get(tp(t, 2)));
            checkThrows(org.apache.kafka.common.errors.OffsetMetadataTooLarge.class, () -> {
                c.commitSync(Map.of(tp(t, 0), new OffsetAndMetadata(5, "x".repeat(5000))));
                return "committed";
            });
        }
    }

    private void commitUnknown() throws Exception {
        String g = unique("g");
        try (KafkaConsumer<String, String> c = consumer(g, "default.api.timeout.ms", 2000, "allow.auto.create.topics", "false")) {
            c.assign(List.of(tp(unique("missing"), 0)));
            checkThrows(org.apache.kafka.common.KafkaException.class, () -> {
                c.commitSync(Map.of(c.assignment().iterator().next(), new OffsetAndMetadata(1)), Duration.ofSeconds(3));
                return "committed";
            });
        }
    }

    private void autoCommit() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(g, "enable.auto.commit", "true", "auto.commit.interval.ms", "300")) {
            c.subscribe(List.of(t));
            poll(c, 10);
            pollUntil(c, "a commit", () -> {
                OffsetAndMetadata o = c.committed(Set.of(tp(t, 0))).get(tp(t, 0));
                return o != null && o.offset() == 10;
            });
        }
    }

    private void autoCommitOnClose() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(g, "enable.auto.commit", "true", "auto.commit.interval.ms", "60000")) {
            c.subscribe(List.of(t));
            poll(c, 10);
        }
        try (KafkaConsumer<String, String> c = consumer(g)) {
            checkEquals(10L, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).offset());
        }
    }

    private void committedNothing() throws Exception {
        String t = topic(1);
        try (KafkaConsumer<String, String> c = consumer(unique("g"))) {
            checkEquals(null, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)));
        }
    }

    private void thrownOut() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 5);
        try (KafkaConsumer<String, String> a = consumer(g, "max.poll.interval.ms", 1000, "session.timeout.ms", 6000, "heartbeat.interval.ms", 300)) {
            a.subscribe(List.of(t));
            collect(a, "records", l -> l.size() >= 5);
            eventually("it is thrown out", () -> get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g)).members().isEmpty());
            checkThrows(CommitFailedException.class, () -> {
                a.commitSync();
                return "committed";
            });
        }
    }

    /** A member that dies without leaving: its partitions go to the other one after the session timeout. */
    private void sessionTimeout() throws Exception {
        String t = topic(2), g = unique("g");
        try (RawMember dead = new RawMember(bootstrap, g, t, 6000); KafkaConsumer<String, String> b = consumer(g, "partition.assignment.strategy", RangeAssignor.class.getName())) {
            long began = System.nanoTime();
            dead.joinAndSync();
            b.subscribe(List.of(t));
            pollUntil(b, "both partitions", () -> b.assignment().size() == 2);
            double seconds = (System.nanoTime() - began) / 1e9;
            check(seconds > 5.5, "after " + seconds + " s");
        }
    }

    private void sessionBounds() throws Exception {
        String t = topic(1);
        try (KafkaConsumer<String, String> c = consumer(unique("g"), "session.timeout.ms", 100, "heartbeat.interval.ms", 30)) {
            c.subscribe(List.of(t));
            checkThrows(InvalidSessionTimeoutException.class, () -> c.poll(Duration.ofSeconds(60)));
        }
    }

    private void maxPollInterval() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "max.poll.interval.ms", 4000, "heartbeat.interval.ms", 300); KafkaConsumer<String, String> b = consumer(g)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            b.subscribe(List.of(t));
            // a does not poll any more: it leaves by itself and b gets all
            pollUntil(b, "both partitions", () -> b.assignment().size() == 2);
        }
    }

    private void staticMember() throws Exception {
        String t = topic(2), g = unique("g");
        int generation;
        String member;
        try (KafkaConsumer<String, String> a = consumer(g, "group.instance.id", "one")) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            generation = a.groupMetadata().generationId();
            member = a.groupMetadata().memberId();
        }
        var described = get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g));
        checkEquals(GroupState.STABLE, described.groupState());
        checkEquals("one", described.members().iterator().next().groupInstanceId().orElseThrow());
        try (KafkaConsumer<String, String> a = consumer(g, "group.instance.id", "one")) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            checkEquals(generation, a.groupMetadata().generationId());
            check(!member.equals(a.groupMetadata().memberId()), "a new member id");
        }
    }

    private void staticFenced() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "group.instance.id", "one", "heartbeat.interval.ms", 300); KafkaConsumer<String, String> b = consumer(g, "group.instance.id", "one")) {
            a.subscribe(List.of(t));
            shares(List.of(a), 1);
            b.subscribe(List.of(t));
            shares(List.of(b), 1);
            checkThrows(FencedInstanceIdException.class, () -> {
                pollUntil(a, "an error", () -> false);
                return "not fenced";
            });
        }
    }

    private void staticGroup() throws Exception {
        String t = topic(4), g = unique("g");
        String sticky = CooperativeStickyAssignor.class.getName();
        try (KafkaConsumer<String, String> b = consumer(g, "group.instance.id", "two", "partition.assignment.strategy", sticky)) {
            Set<TopicPartition> mine;
            try (KafkaConsumer<String, String> a = consumer(g, "group.instance.id", "one", "partition.assignment.strategy", sticky)) {
                a.subscribe(List.of(t));
                b.subscribe(List.of(t));
                shares(List.of(a, b), 4);
                mine = a.assignment();
            }
            b.poll(Duration.ofMillis(300));
            checkEquals(2, b.assignment().size());
            try (KafkaConsumer<String, String> a = consumer(g, "group.instance.id", "one", "partition.assignment.strategy", sticky)) {
                a.subscribe(List.of(t));
                eventually("the same partitions again", () -> {
                    a.poll(Duration.ofMillis(100));
                    b.poll(Duration.ofMillis(50));
                    return a.assignment().equals(mine);
                });
            }
        }
    }

    private void leave() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 1);
        }
        var d = get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g));
        checkEquals(GroupState.EMPTY, d.groupState());
        check(d.members().isEmpty(), "members");
    }

    private void unsubscribe() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g); KafkaConsumer<String, String> b = consumer(g)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 1);
            a.unsubscribe();
            b.subscribe(List.of(t));
            shares(List.of(b), 1);
        }
    }

    private void subscriptionChanges() throws Exception {
        String t = topic(2), u = topic(3), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 2);
            a.subscribe(List.of(t, u));
            shares(List.of(a), 5);
            a.subscribe(List.of(u));
            shares(List.of(a), 3);
        }
    }

    private void newPartitions() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "metadata.max.age.ms", 300)) {
            a.subscribe(List.of(t));
            shares(List.of(a), 1);
            get(admin.createPartitions(Map.of(t, org.apache.kafka.clients.admin.NewPartitions.increaseTo(4))).all());
            shares(List.of(a), 4);
        }
    }

    private void newTopicMatches() throws Exception {
        String prefix = unique("pat"), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "metadata.max.age.ms", 300)) {
            a.subscribe(Pattern.compile(prefix + ".*"));
            a.poll(Duration.ofMillis(300));
            get(admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(prefix + "-x", 2, (short) 1))).all());
            shares(List.of(a), 2);
        }
    }

    private void deletedTopic() throws Exception {
        String t = topic(1), u = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "metadata.max.age.ms", 300, "allow.auto.create.topics", "false")) {
            a.subscribe(List.of(t, u));
            shares(List.of(a), 2);
            get(admin.deleteTopics(List.of(u)).all());
            pollUntil(a, "only one left", () -> a.assignment().equals(Set.of(tp(t, 0))));
        }
    }

    private void metadata() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> a = consumer(g, "client.id", "my-client")) {
            a.subscribe(List.of(t));
            shares(List.of(a), 1);
            ConsumerGroupMetadata m = a.groupMetadata();
            checkEquals(g, m.groupId());
            check(m.generationId() >= 1, "generation " + m.generationId());
            check(m.memberId().startsWith("my-client-"), "member id " + m.memberId());
        }
    }

    private void independent() throws Exception {
        String t = topic(1);
        fill(t, 0, 10);
        for (int i = 0; i < 2; i++)
            try (KafkaConsumer<String, String> c = consumer(unique("g"))) {
                c.subscribe(List.of(t));
                poll(c, 10);
                c.commitSync();
            }
    }

    private void emptyGroup() throws Exception {
        String t = topic(1);
        checkThrows(InvalidGroupIdException.class, () -> {
            try (KafkaConsumer<String, String> c = consumer("")) {
                c.subscribe(List.of(t));
                c.poll(Duration.ofSeconds(60));
                return "joined";
            }
        });
    }

    private void oddGroup() throws Exception {
        String t = topic(1), g = unique("Ünï code/ group:é");
        fill(t, 0, 3);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.subscribe(List.of(t));
            poll(c, 3);
            c.commitSync();
            checkEquals(3L, c.committed(Set.of(tp(t, 0))).get(tp(t, 0)).offset());
        }
    }

    private void resumeAfter() throws Exception {
        String t = topic(2), g = unique("g");
        fill(t, 0, 5);
        fill(t, 1, 5);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.subscribe(List.of(t));
            pollUntil(c, "assignment", () -> c.assignment().size() == 2);
            c.pause(c.assignment());
            c.seekToBeginning(c.assignment());
            check(c.poll(Duration.ofMillis(300)).isEmpty(), "paused");
            c.resume(c.assignment());
            poll(c, 10);
        }
    }
}
