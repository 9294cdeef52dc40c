import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.ShareConsumer;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;

/** Share groups and their offsets through the admin client. */
final class ShareAdminCases extends ShareCases {
    ShareAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe", this::describing);
        add("list", this::list);
        add("offsets-and-lag", this::offsets);
        add("alter-offsets", this::alter);
        add("alter-offsets-of-an-active-group", this::alterActive);
        add("delete-offsets", this::deleteOffsets);
        add("delete", this::delete);
        add("kinds-do-not-mix", this::kinds);
    }

    private ShareGroupDescription describe(String g) throws Exception {
        return get(admin.describeShareGroups(List.of(g)).describedGroups().get(g));
    }

    private boolean is(String g) {
        try {
            describe(g);
            return true;
        } catch (Exception e) {
            return false;
        }
    }

    private void read(String g, String t, int n) throws Exception {
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            until(c, vs(0, n));
            c.commitSync();
        }
    }

    private void describing() throws Exception {
        String t = topic(2), g = group();
        try (ShareConsumer<String, String> c = share(g, "client.id", "somebody")) {
            c.subscribe(List.of(t));
            eventually("it has an assignment", () -> {
                c.poll(java.time.Duration.ofMillis(100));
                return is(g) && describe(g).groupState() == GroupState.STABLE && !describe(g).members().isEmpty()
                    && describe(g).members().iterator().next().assignment().topicPartitions().size() == 2;
            });
            var m = describe(g).members().iterator().next();
            checkEquals("somebody", m.clientId());
            checkEquals("/127.0.0.1", m.host());
            checkEquals(Set.of(tp(t, 0), tp(t, 1)), m.assignment().topicPartitions());
            checkEquals(describe(g).groupEpoch(), m.memberEpoch());
            checkEquals(describe(g).groupEpoch(), describe(g).targetAssignmentEpoch());
        }
        checkEquals(GroupState.EMPTY, describe(g).groupState());
        checkThrows(GroupIdNotFoundException.class, () -> describe(unique("missing")));
    }

    private Set<String> ids(ListGroupsOptions o) throws Exception {
        return get(admin.listGroups(o).all()).stream().map(GroupListing::groupId).collect(Collectors.toSet());
    }

    private void list() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 1);
        read(g, t, 1);
        check(ids(ListGroupsOptions.forShareGroups()).contains(g), "for share groups");
        check(ids(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE)).inGroupStates(Set.of(GroupState.EMPTY))).contains(g), "empty");
        check(!ids(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER, GroupType.CLASSIC))).contains(g), "other types");
        GroupListing l = get(admin.listGroups().all()).stream().filter(x -> x.groupId().equals(g)).findFirst().orElseThrow();
        checkEquals(GroupType.SHARE, l.type().orElseThrow());
        checkEquals("share", l.protocol());
    }

    private void offsets() throws Exception {
        String t = topic(2), g = group();
        fill(t, 0, 5);
        read(g, t, 5);
        settled(g, t, 0);
        fill(t, 0, 5, 3);
        var all = get(admin.listShareGroupOffsets(Map.of(g, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(g));
        checkEquals(3L, all.get(tp(t, 0)).lag().orElse(-1L));
        var one = get(admin.listShareGroupOffsets(Map.of(g, new ListShareGroupOffsetsSpec().topicPartitions(List.of(tp(t, 0))))).partitionsToOffsetInfo(g));
        checkEquals(Set.of(tp(t, 0)), one.keySet());
    }

    private void alter() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 6);
        read(g, t, 6);
        settled(g, t, 0);
        get(admin.alterShareGroupOffsets(g, Map.of(tp(t, 0), 2L)).all());
        eventually("it is back", () -> startOffset(g, t, 0) == 2);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 2, 6), values(until(c, vs(2, 6))));
        }
        String fresh = group(); // one that is not there yet
        get(admin.alterShareGroupOffsets(fresh, Map.of(tp(t, 0), 4L)).all());
        try (ShareConsumer<String, String> c = share(fresh)) {
            c.subscribe(List.of(t));
            checkEquals(numbered("v", 4, 6), values(until(c, vs(4, 6))));
        }
    }

    private void alterActive() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 1);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            until(c, vs(0, 1));
            checkThrows(GroupNotEmptyException.class, () -> get(admin.alterShareGroupOffsets(g, Map.of(tp(t, 0), 0L)).all()));
            checkThrows(GroupNotEmptyException.class, () -> get(admin.deleteShareGroupOffsets(g, Set.of(t)).all()));
        }
    }

    private void deleteOffsets() throws Exception {
        String t = topic(1), u = topic(1), g = group();
        fill(t, 0, 2);
        fill(u, 0, 2);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t, u));
            for (int n = 0; n < 4;) n += some(c).size();
            c.commitSync();
        }
        get(admin.deleteShareGroupOffsets(g, Set.of(t)).all());
        eventually("only the other topic", () -> get(admin.listShareGroupOffsets(Map.of(g, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(g)).keySet().equals(Set.of(tp(u, 0))));
        read(g, t, 2); // from the beginning again
        checkThrows(Exception.class, () -> get(admin.deleteShareGroupOffsets(g, Set.of(unique("missing"))).all()));
    }

    private void delete() throws Exception {
        String t = topic(1), g = group();
        fill(t, 0, 2);
        try (ShareConsumer<String, String> c = share(g)) {
            c.subscribe(List.of(t));
            until(c, vs(0, 2));
            checkThrows(GroupNotEmptyException.class, () -> get(admin.deleteShareGroups(List.of(g)).all()));
        }
        get(admin.deleteShareGroups(List.of(g)).all());
        checkThrows(GroupIdNotFoundException.class, () -> describe(g));
        checkThrows(GroupIdNotFoundException.class, () -> get(admin.deleteShareGroups(List.of(g)).all()));
        read(g, t, 2); // a new one of the name knows nothing of the old one
    }

    private void kinds() throws Exception {
        String t = topic(1), g = group(), old = unique("g");
        fill(t, 0, 1);
        read(g, t, 1);
        try (KafkaConsumer<String, String> c = consumer(g)) {
            c.assign(List.of(tp(t, 0)));
            checkThrows(Exception.class, () -> {
                c.commitSync(map(tp(t, 0), new OffsetAndMetadata(1)), java.time.Duration.ofSeconds(3));
                return "a commit";
            });
        }
        try (KafkaConsumer<String, String> c = consumer(old)) {
            c.subscribe(List.of(t));
            pollUntil(c, "an assignment", () -> !c.assignment().isEmpty());
            checkThrows(GroupIdNotFoundException.class, () -> describe(old));
        }
        check(!get(admin.describeConsumerGroups(List.of(old)).describedGroups().get(old)).groupState().equals(GroupState.DEAD), "the classic one is there");
    }
}
