import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;

/** Administration of groups: results and errors of each operation. */
final class AdminGroups {
    private static final int SOON = 30_000;
    private final Lab lab;
    private final Admin admin;

    private AdminGroups(Lab lab) {
        this.lab = lab;
        admin = lab.admin;
    }

    static void add(Lab lab) {
        AdminGroups a = new AdminGroups(lab);
        lab.add("admin_groups.groups", a::groups);
        lab.add("admin_groups.group_offsets", a::groupOffsets);
        lab.add("admin_groups.share_groups", a::shareGroups);
        lab.add("admin_groups.members", a::members);
    }

    private void groups() throws Exception {
        String topic = lab.topic("grouped", 2);
        lab.fill(topic, 0, 5);
        for (String protocol : List.of("classic", "consumer")) {
            String id = lab.unique("grouped-" + protocol);
            try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "grouped-" + protocol, "group.protocol", protocol, "client.id", "me")) {
                c.subscribe(List.of(topic));
                Lab.drain(c, 5);
                describe(id);
                lab.each("delete", admin.deleteConsumerGroups(List.of(id)).deletedGroups());
                c.commitSync();
            }
            describe(id);
            admin.listGroups().all().get().stream().filter(g -> g.groupId().equals(id))
                .forEach(g -> lab.say(g.type().get() + " " + g.protocol() + " " + g.groupState().get()));
            lab.each("delete", admin.deleteConsumerGroups(List.of(id)).deletedGroups());
            describe(id);
        }
        List<String> nobody = List.of(lab.unique("nobody"));
        lab.each("delete", admin.deleteConsumerGroups(nobody).deletedGroups());
        lab.each("classic", admin.describeClassicGroups(nobody).describedGroups());
        lab.each("share", admin.describeShareGroups(nobody).describedGroups());
        lab.each("streams", admin.describeStreamsGroups(nobody).describedGroups());
    }

    private void describe(String id) {
        lab.said("describe " + id, () -> {
            ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(id)).describedGroups().get(id).get();
            String members = d.members().stream()
                .map(m -> m.clientId() + " " + Consume.partitions(m.assignment().topicPartitions()) + " " + m.memberEpoch().filter(e -> e > 0).isPresent()).collect(Collectors.joining(", "));
            return d.type() + " " + d.groupState() + " '" + d.partitionAssignor() + "' " + d.isSimpleConsumerGroup() + " " + members;
        });
    }

    private void showOffsets(String id, List<TopicPartition> partitions) {
        lab.said("offsets " + id, () -> {
            var result = admin.listConsumerGroupOffsets(Map.of(id, new ListConsumerGroupOffsetsSpec().topicPartitions(partitions)), new ListConsumerGroupOffsetsOptions().timeoutMs(SOON));
            Map<String, OffsetAndMetadata> sorted = new TreeMap<>();
            result.partitionsToOffsetAndMetadata(id).get().forEach((t, at) -> sorted.put(t.toString(), at));
            List<String> texts = new ArrayList<>();
            sorted.forEach((t, at) -> texts.add(t + "=" + (at == null ? "null" : at.offset() + "/" + at.metadata())));
            return String.join(" ", texts);
        });
    }

    interface Part<K> {
        KafkaFuture<Void> of(K key);
    }

    /** As the other program has it: an error of all keys is said once, without a key. */
    private <K> void parts(String what, Set<K> keys, KafkaFuture<Void> all, Part<K> part) {
        List<String> lines = new ArrayList<>();
        Set<String> names = new TreeSet<>();
        Map<String, K> byText = new TreeMap<>();
        keys.forEach(k -> byText.put(k.toString(), k));
        byText.forEach((text, k) -> {
            try {
                part.of(k).get();
                lines.add(text + ": ok");
                names.add("ok");
            } catch (Exception e) {
                System.err.println("  " + what + " " + text + ": " + e);
                lines.add(text + ": " + Lab.name(e));
                names.add(Lab.name(e));
            }
        });
        lines.forEach(l -> lab.say(what + " " + l));
    }

    private void groupOffsets() throws Exception {
        String topic = lab.topic("managed", 2), id = lab.unique("managed"), nobody = lab.unique("nobody");
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(3, "by hand"), Lab.tp(topic, 1), new OffsetAndMetadata(0));
        alter("alter", id, offsets);
        alter("alter", id, Map.of(Lab.tp(lab.unique("nowhere"), 0), new OffsetAndMetadata(3)));
        showOffsets(id, null);
        showOffsets(id, List.of(Lab.tp(topic, 0), Lab.tp(topic, 7)));
        showOffsets(nobody, null);
        Set<TopicPartition> one = Set.of(Lab.tp(topic, 1));
        delete("delete", id, one);
        delete("delete", nobody, one);
        showOffsets(id, null);
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "managed")) {
            c.subscribe(List.of(topic));
            lab.fill(topic, 0, 5);
            Lab.drain(c, 2);
            alter("alter under a member", id, offsets);
            delete("delete under a member", id, one);
            c.commitSync(Map.of(Lab.tp(topic, 0), new OffsetAndMetadata(4)));
        }
        showOffsets(id, null);
    }

    private void alter(String what, String id, Map<TopicPartition, OffsetAndMetadata> offsets) {
        var result = admin.alterConsumerGroupOffsets(id, offsets, new AlterConsumerGroupOffsetsOptions().timeoutMs(SOON));
        parts(what, offsets.keySet(), result.all(), result::partitionResult);
    }

    private void delete(String what, String id, Set<TopicPartition> partitions) {
        var result = admin.deleteConsumerGroupOffsets(id, partitions, new DeleteConsumerGroupOffsetsOptions().timeoutMs(SOON));
        parts(what, partitions, result.all(), result::partitionResult);
    }

    private void shareGroups() throws Exception {
        String topic = lab.topic("shared", 2), id = lab.unique("shared"), nobody = lab.unique("nobody");
        lab.fill(topic, 0, 9);
        lab.settle(); // the group's coordinator must know the topic
        Map<TopicPartition, Long> offsets = Map.of(Lab.tp(topic, 0), 4L, Lab.tp(topic, 1), 0L);
        var altered = admin.alterShareGroupOffsets(id, offsets, new AlterShareGroupOffsetsOptions().timeoutMs(SOON));
        parts("alter", offsets.keySet(), altered.all(), altered::partitionResult);
        for (String group : List.of(id, nobody))
            lab.said("offsets " + group, () -> {
                Map<String, SharePartitionOffsetInfo> sorted = new TreeMap<>();
                admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()), new ListShareGroupOffsetsOptions().timeoutMs(SOON)).partitionsToOffsetInfo(group).get().forEach((t, at) -> sorted.put(t.toString(), at));
                StringBuilder text = new StringBuilder();
                sorted.forEach((t, at) -> text.append(" ").append(t).append("=").append(at == null ? "null" : String.valueOf(at.startOffset())));
                return text;
            });
        lab.said(id, () -> {
            ShareGroupDescription d = admin.describeShareGroups(List.of(id)).describedGroups().get(id).get();
            return d.groupState() + " " + d.members().size();
        });
        Set<String> topics = Set.of(topic, lab.unique("nowhere"));
        for (String group : List.of(id, nobody)) {
            var deleted = admin.deleteShareGroupOffsets(group, topics, new DeleteShareGroupOffsetsOptions().timeoutMs(SOON));
            parts("delete offsets", topics, deleted.all(), deleted::topicResult);
        }
        lab.each("delete", admin.deleteShareGroups(List.of(id, nobody)).deletedGroups());
    }

    private void members() throws Exception {
        String topic = lab.topic("put-out", 1), id = lab.unique("put-out");
        lab.fill(topic, 0, 1);
        KafkaConsumer<byte[], byte[]> c = lab.consumer("group.id", "put-out", "group.instance.id", "a", "session.timeout.ms", 30000);
        c.subscribe(List.of(topic));
        Lab.drain(c, 1);
        for (String instance : List.of("b", "a")) {
            MemberToRemove m = new MemberToRemove(instance);
            RemoveMembersFromConsumerGroupOptions options = new RemoveMembersFromConsumerGroupOptions(List.of(m));
            options.reason("a test");
            lab.done(instance, () -> admin.removeMembersFromConsumerGroup(id, options).memberResult(m));
        }
        try {
            admin.removeMembersFromConsumerGroup(id, new RemoveMembersFromConsumerGroupOptions()).all().get();
            lab.say("remove: ok");
        } catch (ExecutionException e) {
            lab.say("remove: " + Lab.name(e));
        }
        String fenced = "ok";
        try {
            c.commitSync();
        } catch (Exception e) {
            System.err.println(e);
            fenced = Lab.name(e);
        }
        lab.say("commit of who was put out: " + fenced);
    }
}
