import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Classic groups through the admin client. */
final class GroupAdminCases extends Cases {
    GroupAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe-stable", this::describeStable);
        add("describe-empty-and-missing", this::describeOthers);
        add("describe-authorized-operations", this::authorized);
        add("describe-classic-groups", this::describeClassic);
        add("list-groups", this::list);
        add("list-groups-filters", this::filters);
        add("list-offsets-of-groups", this::offsets);
        add("alter-offsets", this::alterOffsets);
        add("alter-offsets-of-active-group", this::alterActive);
        add("alter-offsets-makes-a-group", this::alterNew);
        add("delete-offsets", this::deleteOffsets);
        add("delete-groups", this::delete);
        add("remove-members", this::removeMembers);
        add("remove-all-members", this::removeAll);
        add("offsets-go-with-the-topic", this::topicDeleted);
    }

    private KafkaConsumer<String, String> member(String g, String t, Object... more) throws Exception {
        KafkaConsumer<String, String> c = consumer(g, more);
        c.subscribe(List.of(t));
        pollUntil(c, "assignment", () -> !c.assignment().isEmpty());
        return c;
    }

    private ConsumerGroupDescription describe(String g) throws Exception {
        return get(admin.describeConsumerGroups(List.of(g)).describedGroups().get(g));
    }

    private Map<TopicPartition, OffsetAndMetadata> committed(String g) throws Exception {
        return get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata());
    }

    private void commit(String g, String t, long offset) throws Exception {
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(Map.of(tp(t, 0), new OffsetAndMetadata(offset)));
        }
    }

    private void describeStable() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t, "client.id", "someone", "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor")) {
            ConsumerGroupDescription d = describe(g);
            checkEquals(GroupState.STABLE, d.groupState());
            checkEquals(GroupType.CLASSIC, d.type());
            checkEquals("range", d.partitionAssignor());
            checkEquals(1, d.members().size());
            var m = d.members().iterator().next();
            checkEquals("someone", m.clientId());
            checkEquals(Set.of(tp(t, 0), tp(t, 1)), m.assignment().topicPartitions());
            check(m.host().equals("/127.0.0.1"), "host " + m.host());
            check(d.coordinator() != null && d.coordinator().port() > 0, "coordinator");
        }
    }

    private void describeOthers() throws Exception {
        String t = topic(1), g = unique("g");
        commit(g, t, 1);
        checkEquals(GroupState.EMPTY, describe(g).groupState());
        check(describe(g).isSimpleConsumerGroup(), "simple");
        checkThrows(GroupIdNotFoundException.class, () -> describe(unique("missing")));
    }

    private void authorized() throws Exception {
        String t = topic(1), g = unique("g");
        commit(g, t, 1);
        var d = get(admin.describeConsumerGroups(List.of(g), new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).describedGroups().get(g));
        checkEquals(Set.of("READ", "DELETE", "DESCRIBE", "ALTER_CONFIGS", "DESCRIBE_CONFIGS"), d.authorizedOperations().stream().map(Enum::name).collect(Collectors.toSet()));
        checkEquals(null, describe(g).authorizedOperations());
    }

    private void describeClassic() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t)) {
            var d = get(admin.describeClassicGroups(List.of(g)).describedGroups().get(g));
            checkEquals(ClassicGroupState.STABLE, d.state());
            checkEquals("consumer", d.protocol());
            checkEquals(1, d.members().size());
        }
    }

    private void list() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t)) {
            GroupListing l = get(admin.listGroups().all()).stream().filter(x -> x.groupId().equals(g)).findFirst().orElseThrow();
            checkEquals(GroupType.CLASSIC, l.type().orElseThrow());
            checkEquals(GroupState.STABLE, l.groupState().orElseThrow());
            checkEquals("consumer", l.protocol());
        }
    }

    private Set<String> list(ListGroupsOptions o) throws Exception {
        return get(admin.listGroups(o).all()).stream().map(GroupListing::groupId).collect(Collectors.toSet());
    }

    private void filters() throws Exception {
        String t = topic(1), active = unique("g"), empty = unique("g");
        commit(empty, t, 1);
        try (KafkaConsumer<String, String> c = member(active, t)) {
            Set<String> stable = list(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))), idle = list(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY)));
            check(stable.contains(active) && !stable.contains(empty), "stable " + stable);
            check(idle.contains(empty) && !idle.contains(active), "empty " + idle);
            check(list(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))).containsAll(Set.of(active, empty)), "classic");
            check(list(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).isEmpty(), "type consumer");
            check(list(new ListGroupsOptions().withProtocolTypes(Set.of("consumer"))).contains(active), "protocol type");
            check(list(ListGroupsOptions.forConsumerGroups()).contains(active), "for consumer groups");
        }
    }

    private void offsets() throws Exception {
        String t = topic(2), g = unique("g"), h = unique("g");
        commit(g, t, 4);
        commit(h, t, 9);
        checkEquals(4L, committed(g).get(tp(t, 0)).offset());
        var both = admin.listConsumerGroupOffsets(Map.of(g, new ListConsumerGroupOffsetsSpec(), h, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(tp(t, 0), tp(t, 1)))));
        checkEquals(4L, get(both.partitionsToOffsetAndMetadata(g)).get(tp(t, 0)).offset());
        checkEquals(9L, get(both.partitionsToOffsetAndMetadata(h)).get(tp(t, 0)).offset());
        checkEquals(null, get(both.partitionsToOffsetAndMetadata(h)).get(tp(t, 1)));
        check(committed(unique("missing")).isEmpty(), "a group that is not there");
    }

    private void alterOffsets() throws Exception {
        String t = topic(1), g = unique("g");
        commit(g, t, 4);
        get(admin.alterConsumerGroupOffsets(g, Map.of(tp(t, 0), new OffsetAndMetadata(2, "back"))).all());
        checkEquals(2L, committed(g).get(tp(t, 0)).offset());
        checkEquals("back", committed(g).get(tp(t, 0)).metadata());
    }

    private void alterActive() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t)) {
            checkThrows(UnknownMemberIdException.class, () -> get(admin.alterConsumerGroupOffsets(g, Map.of(tp(t, 0), new OffsetAndMetadata(2))).all()));
        }
    }

    private void alterNew() throws Exception {
        String t = topic(1), g = unique("g");
        get(admin.alterConsumerGroupOffsets(g, Map.of(tp(t, 0), new OffsetAndMetadata(3))).all());
        checkEquals(3L, committed(g).get(tp(t, 0)).offset());
        checkEquals(GroupState.EMPTY, describe(g).groupState());
    }

    private void deleteOffsets() throws Exception {
        String t = topic(1), u = topic(1), g = unique("g");
        commit(g, t, 4);
        commit(g, u, 5);
        get(admin.deleteConsumerGroupOffsets(g, Set.of(tp(t, 0))).all());
        checkEquals(Set.of(tp(u, 0)), committed(g).keySet());
        try (KafkaConsumer<String, String> c = member(g, u)) {
            checkThrows(GroupSubscribedToTopicException.class, () -> get(admin.deleteConsumerGroupOffsets(g, Set.of(tp(u, 0))).partitionResult(tp(u, 0))));
        }
        checkThrows(GroupIdNotFoundException.class, () -> get(admin.deleteConsumerGroupOffsets(unique("missing"), Set.of(tp(t, 0))).all()));
    }

    private void delete() throws Exception {
        String t = topic(1), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t)) {
            checkThrows(GroupNotEmptyException.class, () -> get(admin.deleteConsumerGroups(List.of(g)).all()));
        }
        get(admin.deleteConsumerGroups(List.of(g)).all());
        checkThrows(GroupIdNotFoundException.class, () -> get(admin.deleteConsumerGroups(List.of(g)).all()));
        check(committed(g).isEmpty(), "offsets");
    }

    private void removeMembers() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t, "group.instance.id", "one")) {
            get(admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")))).all());
            check(describe(g).members().isEmpty(), "members");
            checkThrows(UnknownMemberIdException.class, () -> get(admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("two")))).all()));
        }
    }

    private void removeAll() throws Exception {
        String t = topic(2), g = unique("g");
        try (KafkaConsumer<String, String> c = member(g, t); KafkaConsumer<String, String> d = consumer(g)) {
            d.subscribe(List.of(t));
            pollUntil(d, "two members", () -> {
                c.poll(Duration.ofMillis(50));
                return describe(g).members().size() == 2 && !d.assignment().isEmpty();
            });
            get(admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions()).all());
            check(describe(g).members().isEmpty(), "members");
        }
    }

    private void topicDeleted() throws Exception {
        String t = topic(1), u = topic(1), g = unique("g");
        commit(g, t, 4);
        commit(g, u, 4);
        get(admin.deleteTopics(List.of(t)).all());
        eventually("its offset is gone", () -> committed(g).keySet().equals(Set.of(tp(u, 0))));
    }
}
