import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/** Administration of topics: results and errors of each operation. */
final class AdminTopics {
    /** For what is answered, and for what is awaited in vain. */
    private static final int SOON = 30_000, IN_VAIN = 3000;
    private static final Uuid RANDOM = new Uuid(0x0909090909090909L, 0x0909090909090909L);
    private final Lab lab;
    private final Admin admin;

    private AdminTopics(Lab lab) {
        this.lab = lab;
        admin = lab.admin;
    }

    static void add(Lab lab) {
        AdminTopics a = new AdminTopics(lab);
        lab.add("admin_topics.topics", a::topics);
        lab.add("admin_topics.partitions", a::partitions);
        lab.add("admin_topics.records", a::records);
        lab.add("admin_topics.offsets", a::offsets);
        lab.add("admin_topics.configurations", a::configurations);
        lab.add("admin_topics.elections_and_moves", a::electionsAndMoves);
        lab.add("admin_topics.log_dirs", a::logDirs);
    }

    private NewTopic topic(String name, Integer partitions, Integer replicas) {
        return new NewTopic(name, Optional.ofNullable(partitions), Optional.ofNullable(replicas).map(Integer::shortValue));
    }

    private void topics() throws Exception {
        List<NewTopic> news = List.of(
            topic(lab.unique("new-configured"), 2, 1).configs(Map.of("retention.ms", "12345")),
            topic(lab.unique("new-misconfigured"), 1, null).configs(Map.of("retention.ms", "soon")),
            topic(lab.unique("new-default"), null, null),
            topic(lab.unique("new-none"), 0, 1),
            topic(lab.unique("new-replicas"), 1, 3),
            new NewTopic(lab.unique("new-assigned"), Map.of(0, List.of(1), 1, List.of(1))),
            new NewTopic(lab.unique("new-nowhere"), Map.of(0, List.of(99))),
            topic("a b!", 1, 1),
            topic("", 1, 1));
        CreateTopicsResult created = admin.createTopics(news);
        for (String name : new TreeSet<>(created.values().keySet()))
            lab.said(name, () -> {
                created.values().get(name).get();
                ConfigEntry retention = created.config(name).get().get("retention.ms");
                return created.numPartitions(name).get() + " " + created.replicationFactor(name).get() + " " + (retention == null ? "" : retention.value());
            });
        lab.each("again", admin.createTopics(List.of(topic(lab.unique("new-default"), null, null))).values());
        lab.each("only check", admin.createTopics(List.of(topic(lab.unique("new-checked"), 1, null)), new CreateTopicsOptions().validateOnly(true)).values());
        lab.topic("new-last", 1);
        describe();
        lab.each("delete", admin.deleteTopics(List.of(lab.unique("new-default"), lab.unique("new-assigned"), lab.unique("new-checked"))).topicNameValues());
        lab.done("delete by id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(RANDOM))).topicIdValues().get(RANDOM));
    }

    private void describe() throws Exception {
        Map<String, KafkaFuture<TopicDescription>> described = new TreeMap<>(admin.describeTopics(List.of(lab.unique("new-configured"), lab.unique("new-assigned"), lab.unique("new-checked"), "")).topicNameValues());
        described.forEach((name, f) -> lab.said("describe " + name, () -> {
            TopicDescription d = f.get();
            String partitions = d.partitions().stream().map(p -> p.partition() + ":" + p.replicas().size() + ":" + (p.leader() == null ? -1 : p.leader().id())).collect(Collectors.joining(" "));
            return d.isInternal() + " " + d.topicId().equals(Uuid.ZERO_UUID) + " " + partitions;
        }));
        lab.done("describe by id", () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(RANDOM))).topicIdValues().get(RANDOM));
        TreeSet<String> own = new TreeSet<>(admin.listTopics().names().get());
        own.removeIf(n -> !n.startsWith(lab.unique("new-")));
        lab.say(own.stream().map(n -> "\"" + n + "\"").collect(Collectors.joining(", ", "[", "]")));
    }

    private void partitions() throws Exception {
        String topic = lab.topic("grown", 2);
        lab.each("4", admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).values());
        lab.each("3", admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).values());
        lab.each("4", admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).values());
        lab.each("3", admin.createPartitions(Map.of(lab.unique("nowhere"), NewPartitions.increaseTo(3))).values());
        List<List<List<Integer>>> all = List.of(List.of(List.of(1)), List.of(List.of(1), List.of(1)), List.of(List.of(77)), List.of(List.of(1, 1)));
        for (List<List<Integer>> assignments : all)
            lab.each("5 at " + assignments, admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5, assignments)), new CreatePartitionsOptions().validateOnly(true)).values());
    }

    private void records() throws Exception {
        String topic = lab.topic("cut", 1), compacted = lab.topic("cut-compacted", 1, "cleanup.policy", "compact");
        lab.fill(topic, 0, 10);
        Object[][] cuts = {{topic, 0, 4L}, {topic, 0, 2L}, {topic, 0, 11L}, {topic, 0, -1L}, {topic, 0, -2L}, {compacted, 0, 0L}, {topic, 7, 0L}, {lab.unique("nowhere"), 0, 0L}};
        for (Object[] cut : cuts) {
            TopicPartition t = new TopicPartition((String) cut[0], (int) cut[1]);
            long before = (long) cut[2];
            lab.said(t + " " + before, () -> admin.deleteRecords(Map.of(t, RecordsToDelete.beforeOffset(before)), new DeleteRecordsOptions().timeoutMs(t.partition() > 0 || t.topic().endsWith("nowhere") ? IN_VAIN : SOON)).lowWatermarks().get(t).get().lowWatermark());
        }
    }

    private void offsets() throws Exception {
        String topic = lab.topic("listed", 1);
        lab.fill(topic, 0, 10);
        Map<Long, OffsetSpec> specs = new java.util.LinkedHashMap<>();
        specs.put(-2L, OffsetSpec.earliest());
        specs.put(-1L, OffsetSpec.latest());
        specs.put(-3L, OffsetSpec.maxTimestamp());
        specs.put(-4L, OffsetSpec.earliestLocal());
        specs.put(-5L, OffsetSpec.latestTiered());
        specs.put(Lab.BASE_MS + 4500, OffsetSpec.forTimestamp(Lab.BASE_MS + 4500));
        specs.put(Lab.BASE_MS + 60_000, OffsetSpec.forTimestamp(Lab.BASE_MS + 60_000));
        specs.forEach((name, spec) -> lab.said(String.valueOf(name), () -> {
            var at = admin.listOffsets(Map.of(Lab.tp(topic, 0), spec), new ListOffsetsOptions().timeoutMs(SOON)).partitionResult(Lab.tp(topic, 0)).get();
            return at.offset() + " " + at.timestamp() + " " + at.leaderEpoch().orElse(-1);
        }));
        for (TopicPartition t : List.of(Lab.tp(topic, 7), Lab.tp(lab.unique("nowhere"), 0)))
            lab.done("missing " + t, () -> admin.listOffsets(Map.of(t, OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(IN_VAIN)).partitionResult(t));
    }

    private void showConfig(ConfigResource.Type type, String name, String... keys) {
        ConfigResource resource = new ConfigResource(type, name);
        lab.said(type + " " + name, () -> {
            Config config = admin.describeConfigs(List.of(resource)).values().get(resource).get();
            return Arrays.stream(keys).map(config::get).filter(e -> e != null)
                .map(e -> e.name() + "=" + e.value() + "/" + e.source() + "/" + e.type() + "/" + e.isReadOnly() + "/" + e.isSensitive()).collect(Collectors.joining(" "));
        });
    }

    private void change(String what, ConfigResource.Type type, String name, Object... ops) {
        ConfigResource resource = new ConfigResource(type, name);
        List<AlterConfigOp> all = new ArrayList<>();
        for (int i = 0; i < ops.length; i += 3) all.add(new AlterConfigOp(new ConfigEntry((String) ops[i + 1], (String) ops[i + 2]), (AlterConfigOp.OpType) ops[i]));
        lab.done(what, () -> admin.incrementalAlterConfigs(Map.of(resource, all)).values().get(resource));
    }

    private void configurations() throws Exception {
        String topic = lab.topic("configured", 1, "retention.ms", "777");
        String[] keys = {"retention.ms", "cleanup.policy", "max.message.bytes", "min.insync.replicas"};
        ConfigResource.Type t = ConfigResource.Type.TOPIC, g = ConfigResource.Type.GROUP;
        AlterConfigOp.OpType set = AlterConfigOp.OpType.SET;
        showConfig(t, topic, keys);
        showConfig(t, lab.unique("nowhere"), keys);
        showConfig(t, "a b!", keys);
        showConfig(ConfigResource.Type.BROKER, "1", "node.id", "log.retention.hours", "compression.type");
        showConfig(ConfigResource.Type.BROKER_LOGGER, "1");
        change("set", t, topic, set, "max.message.bytes", "5000", set, "retention.ms", "888");
        change("delete", t, topic, AlterConfigOp.OpType.DELETE, "retention.ms", null);
        change("append", t, topic, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
        change("subtract", t, topic, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "delete");
        change("append to a number", t, topic, AlterConfigOp.OpType.APPEND, "retention.ms", "1");
        change("a wrong value", t, topic, set, "retention.ms", "soon");
        change("an unknown key", t, topic, set, "color", "green");
        change("twice", t, topic, set, "retention.ms", "1", set, "retention.ms", "2");
        change("nowhere", t, lab.unique("nowhere"), set, "retention.ms", "1");
        change("a group", g, lab.unique("group"), set, "consumer.session.timeout.ms", "50000");
        change("a group, wrong", g, lab.unique("group"), set, "consumer.session.timeout.ms", "1");
        change("metrics", ConfigResource.Type.CLIENT_METRICS, lab.unique("metrics"), set, "interval.ms", "100000");
        lab.settle();
        showConfig(t, topic, keys);
        lab.say("metrics " + admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get().stream().anyMatch(r -> r.name().equals(lab.unique("metrics"))));
        lab.say("groups " + admin.listConfigResources(Set.of(g), new ListConfigResourcesOptions()).all().get().stream().anyMatch(r -> r.name().equals(lab.unique("group"))));
    }

    private void electionsAndMoves() throws Exception {
        String topic = lab.topic("moved", 2);
        TopicPartition nowhere = Lab.tp(lab.unique("nowhere"), 0);
        for (ElectionType type : List.of(ElectionType.PREFERRED, ElectionType.UNCLEAN)) {
            Map<String, Optional<Throwable>> results = new TreeMap<>();
            admin.electLeaders(type, Set.of(Lab.tp(topic, 0), Lab.tp(topic, 9), nowhere)).partitions().get().forEach((t, e) -> results.put(t.toString(), e));
            results.forEach((t, e) -> lab.did("elect " + type.value + " " + t, () -> {
                if (e.isPresent()) throw new java.util.concurrent.ExecutionException(e.get());
            }));
        }
        Object[][] moves = {{Lab.tp(topic, 0), null}, {Lab.tp(topic, 0), List.of(1)}, {Lab.tp(topic, 0), List.of(42)}, {Lab.tp(topic, 0), List.of()}, {Lab.tp(topic, 0), List.of(1, 1)}, {Lab.tp(topic, 9), List.of(1)}, {nowhere, List.of(1)}};
        for (Object[] move : moves) {
            @SuppressWarnings("unchecked") List<Integer> replicas = (List<Integer>) move[1];
            lab.done("move to " + replicas + " " + move[0], () -> admin.alterPartitionReassignments(Map.of((TopicPartition) move[0], Optional.ofNullable(replicas).map(NewPartitionReassignment::new))).all());
        }
        lab.said("moving", () -> admin.listPartitionReassignments().reassignments().get().size());
    }

    private void logDirs() throws Exception {
        String topic = lab.topic("placed", 1);
        lab.said("1", () -> {
            Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(1)).descriptions().get(1).get();
            long here = dirs.values().stream().filter(d -> d.replicaInfos().containsKey(Lab.tp(topic, 0))).count();
            return dirs.size() + " folders, " + here + " with it, " + dirs.values().stream().allMatch(d -> d.error() == null);
        });
        for (int p : new int[] {0, 8}) {
            TopicPartitionReplica r = new TopicPartitionReplica(topic, p, 1);
            lab.said(String.valueOf(p), () -> {
                var info = admin.describeReplicaLogDirs(List.of(r)).values().get(r).get();
                return (info.getCurrentReplicaLogDir() != null) + " " + info.getCurrentReplicaOffsetLag() + " " + (info.getFutureReplicaLogDir() != null);
            });
        }
        TopicPartitionReplica r = new TopicPartitionReplica(topic, 0, 1);
        lab.done("to nowhere", () -> admin.alterReplicaLogDirs(Map.of(r, "/nonexistent/folder"), new AlterReplicaLogDirsOptions().timeoutMs(SOON)).values().get(r));
    }
}
