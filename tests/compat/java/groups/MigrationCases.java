import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;

/** Groups that go from the classic protocol to the consumer protocol and back, while they work. */
final class MigrationCases extends ModernCases {
    MigrationCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("empty-group-keeps-its-offsets", this::empty);
        add("rolling-upgrade-range", () -> rolling("org.apache.kafka.clients.consumer.RangeAssignor"));
        add("rolling-upgrade-cooperative", () -> rolling("org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
        add("classic-member-joins-a-consumer-group", this::classicJoins);
        add("static-members", this::statics);
    }

    private Poller classic(String g, String t, String assignor, Object... more) {
        List<Object> pairs = new ArrayList<>(List.of("partition.assignment.strategy", assignor, "metadata.max.age.ms", 500));
        pairs.addAll(List.of(more));
        return new Poller(consumer(g, pairs.toArray()), List.of(t));
    }

    private void empty() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(map(tp(t, 0), new OffsetAndMetadata(6)));
        }
        checkEquals(GroupType.CLASSIC, describe(g).type());
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 6, 10), values(poll(c, 4)));
            c.commitSync();
            checkEquals(GroupType.CONSUMER, describe(g).type());
        }
        checkEquals(GroupState.EMPTY, describe(g).groupState());
        try (Poller c = classic(g, t, "org.apache.kafka.clients.consumer.RangeAssignor")) {
            spread(partitions(t, 1), c);
            checkEquals(GroupType.CLASSIC, describe(g).type());
            fill(t, 0, 10, 2);
            eventually("the two new ones", () -> c.values().equals(List.of("v10", "v11")));
        }
    }

    private void rolling(String assignor) throws Exception {
        int n = 6;
        String t = topic(n), g = unique("g");
        List<Poller> all = new ArrayList<>();
        List<String> got = new ArrayList<>();
        int[] fed = {0};
        Body feed = () -> {
            for (int p = 0; p < n; p++) fill(t, p, fed[0]++ * 3, 3);
        };
        Poller a = classic(g, t, assignor), b = classic(g, t, assignor);
        all.addAll(List.of(a, b));
        spread(partitions(t, n), a, b);
        checkEquals(GroupType.CLASSIC, describe(g).type());
        feed.run();
        // Up: one new member comes, then an old one goes, and so on.
        Poller c = new Poller(modern(g), List.of(t));
        all.add(c);
        spread(partitions(t, n), a, b, c);
        checkEquals(GroupType.CONSUMER, describe(g).type());
        checkEquals(2L, describe(g).members().stream().filter(m -> !m.upgraded().orElse(true)).count());
        feed.run();
        a.close();
        spread(partitions(t, n), b, c);
        Poller d = new Poller(modern(g), List.of(t));
        all.add(d);
        b.close();
        spread(partitions(t, n), c, d);
        feed.run();
        check(describe(g).members().stream().allMatch(m -> m.upgraded().orElse(false)), "all upgraded");
        // And back.
        Poller e = classic(g, t, assignor);
        all.add(e);
        spread(partitions(t, n), c, d, e);
        feed.run();
        c.close();
        Poller f = classic(g, t, assignor);
        all.add(f);
        spread(partitions(t, n), d, e, f);
        d.close();
        spread(partitions(t, n), e, f);
        checkEquals(GroupType.CLASSIC, describe(g).type());
        feed.run();
        eventually("all records are read", () -> {
            got.clear();
            for (Poller p : all) got.addAll(p.values());
            return new HashSet<>(got).size() == fed[0] * 3;
        });
        // Whoever had to give partitions back had committed: nobody reads a record again.
        checkEquals(fed[0] * 3, got.size());
        e.close();
        f.close();
        for (Poller p : all) check(p.failure == null, "a member failed: " + p.failure);
        for (int p = 0; p < n; p++) checkEquals(15L, get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(tp(t, p)).offset());
    }

    private void classicJoins() throws Exception {
        String t = topic(4), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t)); Poller b = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 4), a, b);
            try (Poller c = classic(g, t, "org.apache.kafka.clients.consumer.CooperativeStickyAssignor")) {
                spread(partitions(t, 4), a, b, c);
                checkEquals(GroupType.CONSUMER, describe(g).type());
                fill(t, 0, 0, 4);
                eventually("somebody reads them", () -> a.values().size() + b.values().size() + c.values().size() == 4);
            }
            spread(partitions(t, 4), a, b);
        }
    }

    private void statics() throws Exception {
        String t = topic(4), g = unique("g");
        Poller a = classic(g, t, "org.apache.kafka.clients.consumer.RangeAssignor", "group.instance.id", "one"), b = classic(g, t, "org.apache.kafka.clients.consumer.RangeAssignor", "group.instance.id", "two");
        spread(partitions(t, 4), a, b);
        a.close();
        try (Poller c = new Poller(modern(g, "group.instance.id", "one"), List.of(t))) {
            spread(partitions(t, 4), b, c);
            checkEquals(GroupType.CONSUMER, describe(g).type());
            checkEquals(2, describe(g).members().size());
            b.close();
            try (Poller d = new Poller(modern(g, "group.instance.id", "two"), List.of(t))) {
                spread(partitions(t, 4), c, d);
                checkEquals(Set.of("one", "two"), Set.copyOf(describe(g).members().stream().map(m -> m.groupInstanceId().orElse("")).toList()));
            }
        }
    }
}
