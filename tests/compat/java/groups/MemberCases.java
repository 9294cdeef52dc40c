import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;
import org.apache.kafka.common.message.ConsumerGroupHeartbeatRequestData;
import org.apache.kafka.common.message.ConsumerGroupHeartbeatResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.requests.ConsumerGroupHeartbeatRequest;
import org.apache.kafka.common.requests.ConsumerGroupHeartbeatResponse;

/** Members of the consumer protocol: how they come, share, listen and go. */
final class MemberCases extends ModernCases {
    MemberCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("one-reads-all", this::one);
        add("several-share", this::several);
        add("more-members-than-partitions", this::tooMany);
        add("next-one-goes-on-where-the-last-committed", this::handOver);
        add("auto-commit-on-close", this::autoCommit);
        add("range-assignor", this::range);
        add("unknown-assignor", this::unknownAssignor);
        add("crashed-member", this::crashed);
        add("member-that-does-not-poll", this::idle);
        add("topic-made-later", this::topicLater);
        add("partitions-added", this::partitionsAdded);
        add("topic-deleted", this::topicDeleted);
        add("subscription-changes", this::subscription);
        add("members-with-other-topics", this::otherTopics);
        add("listener-calls", this::listener);
        add("listener-fenced-and-back", this::lost);
        add("listener-that-throws", this::throwing);
        add("no-partition-has-two-owners", this::owners);
        add("regex", this::regex);
        add("regex-topics-made-later", this::regexLater);
        add("regex-invalid", this::regexInvalid);
        add("regex-of-two-members-and-names", this::regexMixed);
        add("pattern-on-the-client", this::pattern);
        add("static-comes-back", this::staticBack);
        add("static-instance-in-use", this::staticUsed);
        add("static-does-not-come-back", this::staticGone);
        add("enforced-epochs", this::epochs);
    }

    ConsumerGroupHeartbeatResponseData heartbeat(RawMember raw, ConsumerGroupHeartbeatRequestData data) throws Exception {
        ConsumerGroupHeartbeatResponse r = raw.call(ApiKeys.CONSUMER_GROUP_HEARTBEAT, new ConsumerGroupHeartbeatRequest(data, (short) 1));
        return r.data();
    }

    static ConsumerGroupHeartbeatRequestData join(String group, String member, String topic) {
        return new ConsumerGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(0).setRebalanceTimeoutMs(5000).setSubscribedTopicNames(List.of(topic))
            .setTopicPartitions(List.of());
    }

    private void one() throws Exception {
        String t = topic(3), g = unique("g");
        for (int i = 0; i < 3; i++) fill(t, i, i * 10, 10);
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 0, 30).stream().sorted().toList(), values(poll(c, 30)).stream().sorted().toList());
            c.commitSync();
            checkEquals(10L, c.committed(Set.of(tp(t, 1))).get(tp(t, 1)).offset());
            checkEquals(GroupType.CONSUMER, describe(g).type());
            check(c.groupMetadata().generationId() > 0, "epoch");
        }
    }

    private void several() throws Exception {
        String t = topic(7), g = unique("g");
        Poller a = new Poller(modern(g), List.of(t));
        spread(partitions(t, 7), a);
        Poller b = new Poller(modern(g), List.of(t)), c = new Poller(modern(g), List.of(t));
        spread(partitions(t, 7), a, b, c);
        eventually("an even share each", () -> List.of(a, b, c).stream().allMatch(m -> m.assignment.size() >= 2 && m.assignment.size() <= 3));
        spread(partitions(t, 7), a, b, c);
        b.close();
        spread(partitions(t, 7), a, c);
        a.close();
        spread(partitions(t, 7), c);
        c.close();
        checkEquals(0, describe(g).members().size());
    }

    private void tooMany() throws Exception {
        String t = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t)); Poller b = new Poller(modern(g), List.of(t)); Poller c = new Poller(modern(g), List.of(t))) {
            stable(g, 3);
            eventually("both have an owner", () -> a.assignment.size() + b.assignment.size() + c.assignment.size() == 2 && a.assignment.size() < 2 && b.assignment.size() < 2 && c.assignment.size() < 2);
        }
    }

    private void handOver() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 10);
        try (KafkaConsumer<String, String> c = modern(g, "max.poll.records", 4)) {
            c.subscribe(List.of(t));
            collect(c, "four", l -> l.size() >= 4);
            c.commitSync(map(tp(t, 0), new OffsetAndMetadata(4)));
        }
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 4, 10), values(poll(c, 6)));
        }
    }

    private void autoCommit() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 5);
        try (KafkaConsumer<String, String> c = modern(g, "enable.auto.commit", true, "auto.commit.interval.ms", 3_600_000)) {
            c.subscribe(List.of(t));
            poll(c, 5);
        }
        checkEquals(5L, get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(tp(t, 0)).offset());
    }

    private void range() throws Exception {
        String t = topic(3), u = topic(3), g = unique("g");
        try (Poller a = new Poller(modern(g, "group.remote.assignor", "range"), List.of(t, u)); Poller b = new Poller(modern(g, "group.remote.assignor", "range"), List.of(t, u))) {
            Set<TopicPartition> all = partitions(t, 3);
            all.addAll(partitions(u, 3));
            spread(all, a, b);
            checkEquals("range", describe(g).partitionAssignor());
            // The same numbers of both topics.
            eventually("the same of both topics", () -> {
                for (Poller m : List.of(a, b)) {
                    Set<TopicPartition> now = m.assignment;
                    for (int i = 0; i < 3; i++) if (now.contains(tp(t, i)) != now.contains(tp(u, i))) return false;
                }
                return true;
            });
            spread(all, a, b);
        }
    }

    private void unknownAssignor() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = modern(g, "group.remote.assignor", "nonesuch")) {
            c.subscribe(List.of(t));
            checkThrows(UnsupportedAssignorException.class, () -> {
                pollUntil(c, "an error", () -> false);
                return null;
            });
        }
    }

    private void crashed() throws Exception {
        String t = topic(4), g = forgetful(3000);
        try (RawMember raw = new RawMember(bootstrap, g, t, 0)) {
            checkEquals((short) 0, heartbeat(raw, join(g, "crashes", t)).errorCode());
        }
        try (Poller a = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 4), a);
            eventually("one member", () -> describe(g).members().size() == 1);
        }
    }

    private void idle() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> c = modern(g, "max.poll.interval.ms", 1500)) {
            c.subscribe(List.of(t));
            pollUntil(c, "an assignment", () -> c.assignment().size() == 2);
            try (Poller a = new Poller(modern(g), List.of(t))) {
                spread(partitions(t, 2), a); // it takes over what the other one does not give back
            }
        }
    }

    private void topicLater() throws Exception {
        String t = unique("later"), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t))) {
            stable(g, 1);
            get(admin.createTopics(List.of(new NewTopic(t, 2, (short) 1))).all());
            spread(partitions(t, 2), a);
            fill(t, 1, 3);
            eventually("its records", () -> a.values().size() == 3);
        }
    }

    private void partitionsAdded() throws Exception {
        String t = topic(1), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t)); Poller b = new Poller(modern(g), List.of(t))) {
            stable(g, 2);
            get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(4))).all());
            spread(partitions(t, 4), a, b);
        }
    }

    private void topicDeleted() throws Exception {
        String t = topic(2), u = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t, u))) {
            eventually("both", () -> a.assignment.size() == 4);
            get(admin.deleteTopics(List.of(t)).all());
            spread(partitions(u, 2), a);
        }
    }

    private void subscription() throws Exception {
        String t = topic(1), u = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(List.of(t));
            pollUntil(c, "the first", () -> c.assignment().equals(partitions(t, 1)));
            c.subscribe(List.of(u));
            pollUntil(c, "the second", () -> c.assignment().equals(partitions(u, 2)));
            c.unsubscribe();
            checkEquals(Set.of(), c.assignment());
            eventually("it has left", () -> describe(g).members().isEmpty());
            c.subscribe(List.of(t, u));
            pollUntil(c, "both", () -> c.assignment().size() == 3);
        }
    }

    private void otherTopics() throws Exception {
        String t = topic(2), u = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t)); Poller b = new Poller(modern(g), List.of(t, u))) {
            eventually("each what it wants", () -> a.assignment.size() + b.assignment.size() == 4 && partitions(t, 2).containsAll(a.assignment) && b.assignment.containsAll(partitions(u, 2)) && !a.assignment.isEmpty());
        }
    }

    private void listener() throws Exception {
        String t = topic(2), g = unique("g");
        Poller a = new Poller(modern(g), List.of(t));
        spread(partitions(t, 2), a);
        // An assignment of nothing may come first, while the coordinator does not know the topic yet.
        checkEquals(List.of("assigned [" + t + "-0, " + t + "-1]"), a.events().stream().filter(e -> !e.equals("assigned []")).toList());
        Poller b = new Poller(modern(g), List.of(t));
        spread(partitions(t, 2), a, b);
        TopicPartition moved = b.assignment.iterator().next();
        check(a.events().contains("revoked [" + moved + "]"), "one is revoked, the other stays: " + a.events());
        check(!a.events().contains("lost []") && a.events().stream().noneMatch(e -> e.startsWith("lost")), "none is lost " + a.events());
        b.close();
        checkEquals("revoked [" + moved + "]", last(b.events()));
        eventually("it is back", () -> last(a.events()).equals("assigned [" + moved + "]"));
        a.close();
        checkEquals("revoked [" + t + "-0, " + t + "-1]", last(a.events()));
    }

    /** Somebody takes the member out of the group: it loses its partitions, and joins anew. */
    private void lost() throws Exception {
        String t = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t)); RawMember raw = new RawMember(bootstrap, g, t, 0)) {
            spread(partitions(t, 2), a);
            String id = only(g).consumerId();
            int before = a.events().size();
            checkEquals((short) 0, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(g).setMemberId(id).setMemberEpoch(-1)).errorCode());
            eventually("lost and assigned again", () -> a.events().size() >= before + 2 && a.assignment.size() == 2);
            checkEquals(List.of("lost", "assigned"), a.events().subList(before, before + 2).stream().map(e -> e.split(" ")[0]).toList());
            spread(partitions(t, 2), a);
        }
    }

    /** An assignment of nothing may come first, while the coordinator does not know the topic yet; so only one with partitions is refused. */
    private void throwing() throws Exception {
        String t = topic(1), g = unique("g");
        fill(t, 0, 3);
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(List.of(t), new org.apache.kafka.clients.consumer.ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(java.util.Collection<TopicPartition> p) {
                    if (!p.isEmpty()) throw new IllegalArgumentException("on purpose");
                }

                @Override public void onPartitionsRevoked(java.util.Collection<TopicPartition> p) { }
            });
            checkThrows(IllegalArgumentException.class, () -> {
                pollUntil(c, "an error", () -> false);
                return null;
            });
            checkEquals(partitions(t, 1), c.assignment());
            checkEquals(numbered("v", 0, 3), values(poll(c, 3))); // and reads them all the same
        }
    }

    private void owners() throws Exception {
        String t = topic(6), g = unique("g");
        List<String> wrong = new ArrayList<>();
        Map<String, Integer> owner = new java.util.HashMap<>();
        List<Poller> all = new ArrayList<>();
        for (int round = 0; round < 6; round++) {
            int me = round;
            all.add(new Poller(modern(g), e -> {
                synchronized (owner) {
                    for (String p : e.substring(e.indexOf('[') + 1, e.length() - 1).split(", ")) {
                        if (p.isEmpty()) continue;
                        if (e.startsWith("assigned")) {
                            Integer before = owner.put(p, me);
                            if (before != null && before != me) wrong.add(p + " of " + before + " to " + me);
                        } else owner.remove(p, me);
                    }
                }
            }, List.of(t)));
            Thread.sleep(300L * (round % 3));
            if (round % 2 == 1) all.remove(0).close();
        }
        spread(partitions(t, 6), all.toArray(Poller[]::new));
        for (Poller p : all) p.close();
        synchronized (owner) {
            checkEquals(List.of(), wrong);
        }
    }

    private void named(String name, int partitions) throws Exception {
        get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all());
        settled(name);
    }

    private void regex() throws Exception {
        String tag = unique("re"), g = unique("g");
        named(tag + "-one", 2);
        named(tag + "-two", 1);
        named(tag + "-three", 1);
        fill(tag + "-one", 0, 3);
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(new SubscriptionPattern(tag + "-(one|t.o)"));
            checkEquals(3, poll(c, 3).size());
            pollUntil(c, "both topics", () -> c.assignment().equals(Set.of(tp(tag + "-one", 0), tp(tag + "-one", 1), tp(tag + "-two", 0))));
            c.subscribe(new SubscriptionPattern(tag + "-three")); // the whole name, and another one now
            pollUntil(c, "the other", () -> c.assignment().equals(Set.of(tp(tag + "-three", 0))));
        }
    }

    private void regexLater() throws Exception {
        String tag = unique("re"), g = unique("g");
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(new SubscriptionPattern(tag + "-.*"));
            for (int i = 0; i < 5; i++) c.poll(Duration.ofMillis(100));
            checkEquals(Set.of(), c.assignment());
            named(tag + "-x", 1);
            pollUntil(c, "the first", () -> c.assignment().size() == 1);
            named(tag + "-y", 2);
            pollUntil(c, "the second", () -> c.assignment().equals(Set.of(tp(tag + "-x", 0), tp(tag + "-y", 0), tp(tag + "-y", 1))));
        }
    }

    private void regexInvalid() throws Exception {
        try (KafkaConsumer<String, String> c = modern(unique("g"))) {
            c.subscribe(new SubscriptionPattern("(ab(cd"));
            checkThrows(InvalidRegularExpression.class, () -> {
                pollUntil(c, "an error", () -> false);
                return null;
            });
        }
        // Java has it, RE2 has not.
        try (KafkaConsumer<String, String> c = modern(unique("g"))) {
            c.subscribe(new SubscriptionPattern("(?=a)a"));
            checkThrows(InvalidRegularExpression.class, () -> {
                pollUntil(c, "an error", () -> false);
                return null;
            });
        }
    }

    private void regexMixed() throws Exception {
        String tag = unique("re"), g = unique("g");
        named(tag + "-a", 2);
        named(tag + "-b", 2);
        KafkaConsumer<String, String> c = modern(g);
        try (Poller a = new Poller(modern(g), List.of(tag + "-a")); c) {
            spread(partitions(tag + "-a", 2), a);
            c.subscribe(new SubscriptionPattern(tag + "-[ab]"));
            pollUntil(c, "all have an owner", () -> c.assignment().containsAll(partitions(tag + "-b", 2)) && a.assignment.size() + c.assignment().size() == 4);
        }
    }

    private void pattern() throws Exception {
        String tag = unique("re"), g = unique("g");
        named(tag + "-a", 1);
        named(tag + "-b", 1);
        try (KafkaConsumer<String, String> c = modern(g)) {
            c.subscribe(Pattern.compile(tag + "-(?=a)."));
            pollUntil(c, "one", () -> c.assignment().equals(Set.of(tp(tag + "-a", 0))));
        }
    }

    private void staticBack() throws Exception {
        String t = topic(4), g = unique("g");
        Poller a = new Poller(modern(g, "group.instance.id", "one"), List.of(t));
        try (Poller b = new Poller(modern(g, "group.instance.id", "two"), List.of(t))) {
            eventually("two each", () -> a.assignment.size() == 2 && b.assignment.size() == 2);
            stable(g, 2);
            Set<TopicPartition> had = a.assignment;
            int events = b.events().size();
            a.close(); // it says that it will be back
            checkEquals(2, describe(g).members().size());
            try (Poller again = new Poller(modern(g, "group.instance.id", "one"), List.of(t))) {
                eventually("the same partitions", () -> again.assignment.equals(had));
                checkEquals(events, b.events().size());
            }
        }
    }

    private void staticUsed() throws Exception {
        String t = topic(1), g = unique("g");
        try (Poller a = new Poller(modern(g, "group.instance.id", "one"), List.of(t)); KafkaConsumer<String, String> c = modern(g, "group.instance.id", "one")) {
            spread(partitions(t, 1), a);
            c.subscribe(List.of(t));
            checkThrows(UnreleasedInstanceIdException.class, () -> {
                pollUntil(c, "an error", () -> false);
                return null;
            });
        }
    }

    private void staticGone() throws Exception {
        String t = topic(2), g = forgetful(12_000);
        Poller a = new Poller(modern(g, "group.instance.id", "one"), List.of(t));
        try (Poller b = new Poller(modern(g, "group.instance.id", "two"), List.of(t))) {
            spread(partitions(t, 2), a, b);
            a.close();
            checkEquals(2, describe(g).members().size());
            spread(partitions(t, 2), b); // after the session time-out
            checkEquals(1, describe(g).members().size());
        }
    }

    /** What a heartbeat is answered when its epoch, member or group is not right. */
    private void epochs() throws Exception {
        String t = topic(1), g = unique("g");
        try (RawMember raw = new RawMember(bootstrap, g, t, 0)) {
            var joined = heartbeat(raw, join(g, "one", t));
            checkEquals((short) 0, joined.errorCode());
            checkEquals((short) 110, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(g).setMemberId("one").setMemberEpoch(joined.memberEpoch() + 5)).errorCode()); // FENCED_MEMBER_EPOCH
            checkEquals((short) 25, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(g).setMemberId("two").setMemberEpoch(1)).errorCode()); // UNKNOWN_MEMBER_ID
            checkEquals((short) 69, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(unique("none")).setMemberId("one").setMemberEpoch(1)).errorCode()); // GROUP_ID_NOT_FOUND
            checkEquals((short) 42, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId("").setMemberId("one").setMemberEpoch(1)).errorCode()); // INVALID_REQUEST
            checkEquals((short) 0, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(g).setMemberId("one").setMemberEpoch(joined.memberEpoch())).errorCode());
            checkEquals((short) 0, heartbeat(raw, new ConsumerGroupHeartbeatRequestData().setGroupId(g).setMemberId("one").setMemberEpoch(-1)).errorCode());
        }
    }
}
