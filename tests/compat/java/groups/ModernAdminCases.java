import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Groups of the consumer protocol, and configurations of groups, through the admin client. */
final class ModernAdminCases extends ModernCases {
    ModernAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe", this::describing);
        add("list-by-type-and-state", this::list);
        add("offsets", this::offsets);
        add("delete", this::delete);
        add("remove-members", this::remove);
        add("group-configs", this::configs);
        add("group-configs-out-of-bounds", this::bounds);
        add("group-configs-act", this::act);
    }

    private void describing() throws Exception {
        String t = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g, "client.id", "somebody", "client.rack", "r1"), List.of(t))) {
            spread(partitions(t, 2), a);
            stable(g, 1);
            var d = describe(g);
            checkEquals(GroupType.CONSUMER, d.type());
            checkEquals("uniform", d.partitionAssignor());
            check(!d.isSimpleConsumerGroup(), "not simple");
            checkEquals(d.groupEpoch(), d.targetAssignmentEpoch());
            MemberDescription m = only(g);
            checkEquals("somebody", m.clientId());
            checkEquals("/127.0.0.1", m.host());
            checkEquals("r1", m.rackId().orElse(""));
            checkEquals(partitions(t, 2), m.assignment().topicPartitions());
            checkEquals(partitions(t, 2), m.targetAssignment().orElseThrow().topicPartitions());
            checkEquals(d.groupEpoch(), m.memberEpoch());
            checkEquals(true, m.upgraded().orElseThrow());
            int before = d.groupEpoch().orElseThrow();
            try (Poller b = new Poller(modern(g), List.of(t))) {
                spread(partitions(t, 2), a, b);
                stable(g, 2);
                check(describe(g).groupEpoch().orElseThrow() > before, "the epoch grows");
            }
        }
        checkEquals(GroupState.EMPTY, describe(g).groupState());
        checkThrows(GroupIdNotFoundException.class, () -> describe(unique("missing")));
    }

    private Set<String> ids(ListGroupsOptions o) throws Exception {
        return get(admin.listGroups(o).all()).stream().map(GroupListing::groupId).collect(Collectors.toSet());
    }

    private void list() throws Exception {
        String t = topic(1), g = unique("g"), h = unique("g"), old = unique("g");
        try (KafkaConsumer<String, String> c = consumer(old)) {
            c.assign(List.of(tp(t, 0)));
            c.commitSync(map(tp(t, 0), new OffsetAndMetadata(0)));
        }
        try (Poller b = new Poller(modern(h), List.of(t))) {
            spread(partitions(t, 1), b);
        }
        try (Poller a = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 1), a);
            stable(g, 1);
            Set<String> modern = ids(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))), classic = ids(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC)));
            check(modern.containsAll(Set.of(g, h)) && !modern.contains(old), "consumer " + modern);
            check(classic.contains(old) && !classic.contains(g) && !classic.contains(h), "classic " + classic);
            Set<String> stable = ids(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER)).inGroupStates(Set.of(GroupState.STABLE)));
            check(stable.contains(g) && !stable.contains(h), "stable " + stable);
            check(ids(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).containsAll(Set.of(h, old)), "empty");
            checkEquals(Set.of(), ids(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE)).inGroupStates(Set.of(GroupState.DEAD))));
            GroupListing l = get(admin.listGroups().all()).stream().filter(x -> x.groupId().equals(g)).findFirst().orElseThrow();
            checkEquals("consumer", l.protocol());
            checkEquals(GroupState.STABLE, l.groupState().orElseThrow());
            check(ids(ListGroupsOptions.forConsumerGroups()).containsAll(Set.of(g, h)), "for consumer groups");
        }
    }

    private void offsets() throws Exception {
        String t = topic(2), u = topic(1), g = unique("g");
        get(admin.alterConsumerGroupOffsets(g, Map.of(tp(u, 0), new OffsetAndMetadata(4), tp(t, 0), new OffsetAndMetadata(0))).all());
        try (Poller a = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 2), a);
            checkThrows(UnknownMemberIdException.class, () -> get(admin.alterConsumerGroupOffsets(g, map(tp(t, 0), new OffsetAndMetadata(2))).all()));
            checkThrows(GroupSubscribedToTopicException.class, () -> get(admin.deleteConsumerGroupOffsets(g, Set.of(tp(t, 0))).partitionResult(tp(t, 0))));
            get(admin.deleteConsumerGroupOffsets(g, Set.of(tp(u, 0))).partitionResult(tp(u, 0)));
            checkEquals(Set.of(tp(t, 0)), get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).keySet());
        }
        get(admin.alterConsumerGroupOffsets(g, map(tp(t, 1), new OffsetAndMetadata(1))).all());
        checkEquals(1L, get(admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata()).get(tp(t, 1)).offset());
    }

    private void delete() throws Exception {
        String t = topic(1), g = unique("g");
        try (Poller a = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 1), a);
            checkThrows(GroupNotEmptyException.class, () -> get(admin.deleteConsumerGroups(List.of(g)).all()));
        }
        get(admin.deleteConsumerGroups(List.of(g)).all());
        checkThrows(GroupIdNotFoundException.class, () -> describe(g));
        try (Poller a = new Poller(modern(g), List.of(t))) {
            spread(partitions(t, 1), a);
        }
    }

    private void remove() throws Exception {
        String t = topic(2), g = unique("g");
        try (Poller a = new Poller(modern(g, "group.instance.id", "one"), List.of(t)); RawMember raw = new RawMember(bootstrap, g, t, 0)) {
            spread(partitions(t, 2), a);
            org.apache.kafka.common.requests.ConsumerGroupHeartbeatResponse r = raw.call(org.apache.kafka.common.protocol.ApiKeys.CONSUMER_GROUP_HEARTBEAT,
                new org.apache.kafka.common.requests.ConsumerGroupHeartbeatRequest(MemberCases.join(g, "silent", t), (short) 1));
            checkEquals((short) 0, r.data().errorCode());
            get(admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions()).all());
            eventually("the silent one is gone, the other may come back", () -> describe(g).members().stream().noneMatch(m -> m.consumerId().equals("silent")));
        }
    }

    private Map<String, String> configsOf(String g) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.GROUP, g);
        Map<String, String> all = new HashMap<>();
        for (ConfigEntry e : get(admin.describeConfigs(List.of(r)).values().get(r)).entries()) all.put(e.name(), e.value() + " " + e.source());
        return all;
    }

    private void configs() throws Exception {
        String g = unique("g");
        set(g, "consumer.session.timeout.ms", "5000");
        eventually("it is set", () -> configsOf(g).get("consumer.session.timeout.ms").equals("5000 DYNAMIC_GROUP_CONFIG"));
        checkEquals(Set.of("consumer", "share", "streams"), configsOf(g).keySet().stream().map(k -> k.split("\\.")[0]).collect(Collectors.toSet()));
        check(get(admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all()).contains(new ConfigResource(ConfigResource.Type.GROUP, g)), "listed");
        set(g, "consumer.session.timeout.ms", null);
        eventually("it is the default", () -> !configsOf(g).get("consumer.session.timeout.ms").startsWith("5000"));
    }

    private void bounds() throws Exception {
        String g = unique("g");
        checkThrows(InvalidConfigurationException.class, () -> {
            set(g, "consumer.session.timeout.ms", "1");
            return "it is set";
        });
        checkThrows(InvalidConfigurationException.class, () -> {
            set(g, "consumer.heartbeat.interval.ms", "x");
            return "it is set";
        });
        checkThrows(InvalidConfigurationException.class, () -> {
            set(g, "nonesuch", "1");
            return "it is set";
        });
    }

    private void act() throws Exception {
        String t = topic(1), g = unique("g");
        set(g, "consumer.heartbeat.interval.ms", "1234");
        eventually("it is set", () -> configsOf(g).get("consumer.heartbeat.interval.ms").startsWith("1234"));
        try (RawMember raw = new RawMember(bootstrap, g, t, 0)) {
            org.apache.kafka.common.requests.ConsumerGroupHeartbeatResponse r = raw.call(org.apache.kafka.common.protocol.ApiKeys.CONSUMER_GROUP_HEARTBEAT,
                new org.apache.kafka.common.requests.ConsumerGroupHeartbeatRequest(MemberCases.join(g, "one", t), (short) 1));
            checkEquals(1234, r.data().heartbeatIntervalMs());
        }
    }
}
