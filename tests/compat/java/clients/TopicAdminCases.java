import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics through the admin client: create, describe, list, delete, partitions, records, offsets. */
final class TopicAdminCases extends Cases {
    TopicAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("create-and-describe", this::create);
        add("create-answers-with-configs", this::createAnswers);
        add("create-with-defaults", this::createDefaults);
        add("create-with-assignment", this::createAssigned);
        add("create-validate-only", this::validateOnly);
        add("create-existing", this::existing);
        add("create-twice-in-one-request", this::partlyFailing);
        add("create-invalid-names", this::invalidNames);
        add("create-names-at-the-limit", this::limitNames);
        add("create-colliding-name", this::colliding);
        add("create-invalid-partitions-and-replicas", this::invalidNumbers);
        add("create-invalid-assignment", this::invalidAssignment);
        add("create-invalid-config", this::invalidConfig);
        add("create-500-partitions", this::manyPartitions);
        add("describe-by-id", this::describeById);
        add("describe-missing", this::describeMissing);
        add("describe-in-pages", this::describePages);
        add("list", this::list);
        add("delete-by-name", this::deleteByName);
        add("delete-by-id", this::deleteById);
        add("delete-missing", this::deleteMissing);
        add("delete-frees-the-name-with-a-new-id", this::deleteAndCreate);
        add("create-partitions", this::createPartitions);
        add("create-partitions-errors", this::createPartitionsErrors);
        add("create-partitions-validate-only", this::createPartitionsValidateOnly);
        add("delete-records", this::deleteRecords);
        add("delete-records-errors", this::deleteRecordsErrors);
        add("list-offsets", this::listOffsets);
        add("list-offsets-of-missing", this::listOffsetsMissing);
    }

    private static <T> Callable<T> call(Callable<T> c) {
        return c;
    }

    private TopicDescription describe(String t) throws Exception {
        return get(admin.describeTopics(List.of(t)).allTopicNames()).get(t);
    }

    private void create() throws Exception {
        String t = topic(3);
        TopicDescription d = describe(t);
        checkEquals(t, d.name());
        check(!d.isInternal() && !d.topicId().equals(Uuid.ZERO_UUID), "" + d);
        checkEquals(3, d.partitions().size());
        for (int i = 0; i < 3; i++) {
            var p = d.partitions().get(i);
            checkEquals(i, p.partition());
            check(p.leader() != null && p.replicas().size() == 1 && p.isr().size() == 1, "" + p);
        }
    }

    private void createAnswers() throws Exception {
        String t = unique("t");
        var r = admin.createTopics(List.of(new NewTopic(t, 2, (short) 1).configs(Map.of("retention.ms", "12345"))));
        checkEquals(2, get(r.numPartitions(t)));
        checkEquals(1, get(r.replicationFactor(t)));
        checkEquals(describe(t).topicId(), get(r.topicId(t)));
        Config c = get(r.config(t));
        checkEquals("12345", c.get("retention.ms").value());
        checkEquals(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, c.get("retention.ms").source());
        checkEquals("delete", c.get("cleanup.policy").value());
    }

    private void createDefaults() throws Exception {
        String t = unique("t");
        get(admin.createTopics(List.of(new NewTopic(t, Optional.empty(), Optional.empty()))).all());
        checkEquals(1, describe(t).partitions().size());
    }

    private int node() throws Exception {
        return get(admin.describeCluster().nodes()).iterator().next().id();
    }

    private void createAssigned() throws Exception {
        String t = unique("t");
        get(admin.createTopics(List.of(new NewTopic(t, Map.of(0, List.of(node()), 1, List.of(node()))))).all());
        checkEquals(2, describe(t).partitions().size());
    }

    private void validateOnly() throws Exception {
        String t = unique("t");
        get(admin.createTopics(List.of(new NewTopic(t, 2, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all());
        check(!get(admin.listTopics().names()).contains(t), "it was created");
        checkThrows(InvalidReplicationFactorException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(t, 2, (short) 5)), new CreateTopicsOptions().validateOnly(true)).all())));
    }

    private void existing() throws Exception {
        String t = topic(1);
        checkThrows(TopicExistsException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(t, 1, (short) 1))).all())));
    }

    private void partlyFailing() throws Exception {
        String good = unique("t"), bad = topic(1);
        var r = admin.createTopics(List.of(new NewTopic(good, 1, (short) 1), new NewTopic(bad, 1, (short) 1))).values();
        get(r.get(good));
        checkThrows(TopicExistsException.class, call(() -> get(r.get(bad))));
    }

    private void invalidNames() {
        for (String bad : List.of("", ".", "..", "a b", "a/b", "ä", "x".repeat(250), "a,b"))
            checkThrows(InvalidTopicException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(bad, 1, (short) 1))).all())));
    }

    private void limitNames() throws Exception {
        String longest = unique("x").concat("y".repeat(249)).substring(0, 249);
        get(admin.createTopics(List.of(new NewTopic(longest, 1, (short) 1), new NewTopic(unique("A-Z_0.9"), 1, (short) 1))).all());
        checkEquals(1, describe(longest).partitions().size());
        fill(longest, 0, 3);
        get(admin.deleteTopics(List.of(longest)).all());
    }

    private void colliding() throws Exception {
        String base = unique("c");
        get(admin.createTopics(List.of(new NewTopic(base + ".x", 1, (short) 1))).all());
        checkThrows(InvalidTopicException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(base + "_x", 1, (short) 1))).all())));
    }

    private void invalidNumbers() {
        checkThrows(InvalidPartitionsException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), 0, (short) 1))).all())));
        checkThrows(InvalidPartitionsException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), -5, (short) 1))).all())));
        checkThrows(InvalidReplicationFactorException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), 1, (short) 2))).all())));
        checkThrows(InvalidReplicationFactorException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), 1, (short) 0))).all())));
    }

    private void invalidAssignment() throws Exception {
        int n = node();
        checkThrows(InvalidReplicaAssignmentException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), Map.of(0, List.of(n + 77))))).all())));
        checkThrows(InvalidReplicaAssignmentException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), Map.of(0, List.of(n, n))))).all())));
        checkThrows(InvalidReplicaAssignmentException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), Map.of(1, List.of(n))))).all())));
    }

    private void invalidConfig() {
        for (var e : Map.of("retention.ms", "soon", "cleanup.policy", "burn", "no.such.key", "1", "min.insync.replicas", "0", "compression.type", "rar").entrySet())
            checkThrows(InvalidConfigurationException.class, call(() -> get(admin.createTopics(List.of(new NewTopic(unique("t"), 1, (short) 1).configs(Map.of(e.getKey(), e.getValue())))).all())));
    }

    private void manyPartitions() throws Exception {
        String t = topic(500);
        checkEquals(500, describe(t).partitions().size());
        get(admin.deleteTopics(List.of(t)).all());
    }

    private void describeById() throws Exception {
        String t = topic(2);
        Uuid id = describe(t).topicId();
        TopicDescription d = get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id);
        checkEquals(t, d.name());
        checkThrows(UnknownTopicIdException.class, call(() -> get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).allTopicIds())));
    }

    private void describeMissing() {
        checkThrows(UnknownTopicOrPartitionException.class, call(() -> describe(unique("missing"))));
        checkThrows(InvalidTopicException.class, call(() -> describe("not a name")));
    }

    private void describePages() throws Exception {
        String t = topic(20), u = topic(3);
        var d = get(admin.describeTopics(List.of(t, u), new DescribeTopicsOptions().partitionSizeLimitPerResponse(7)).allTopicNames());
        checkEquals(20, d.get(t).partitions().size());
        checkEquals(3, d.get(u).partitions().size());
    }

    private void list() throws Exception {
        String t = topic(1);
        check(get(admin.listTopics().names()).contains(t), "names");
        try (var c = consumer(unique("g"))) {
            c.committed(Set.of(tp(t, 0))); // makes the internal topic
        }
        check(!get(admin.listTopics().names()).contains("__consumer_offsets"), "internal without being asked for");
        check(get(admin.listTopics(new ListTopicsOptions().listInternal(true)).names()).contains("__consumer_offsets"), "internal");
        var l = get(admin.listTopics(new ListTopicsOptions().listInternal(true)).namesToListings());
        check(l.get("__consumer_offsets").isInternal() && !l.get(t).isInternal(), "marks");
        checkEquals(describe(t).topicId(), l.get(t).topicId());
    }

    private void deleteByName() throws Exception {
        String t = topic(2);
        fill(t, 0, 5);
        get(admin.deleteTopics(List.of(t)).all());
        eventually("gone", () -> !get(admin.listTopics().names()).contains(t));
        checkThrows(UnknownTopicOrPartitionException.class, call(() -> describe(t)));
    }

    private void deleteById() throws Exception {
        String t = topic(1);
        get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(describe(t).topicId()))).all());
        eventually("gone", () -> !get(admin.listTopics().names()).contains(t));
    }

    private void deleteMissing() {
        checkThrows(UnknownTopicOrPartitionException.class, call(() -> get(admin.deleteTopics(List.of(unique("missing"))).all())));
        checkThrows(UnknownTopicIdException.class, call(() -> get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).all())));
    }

    private void deleteAndCreate() throws Exception {
        String t = topic(1);
        fill(t, 0, 5);
        Uuid first = describe(t).topicId();
        get(admin.deleteTopics(List.of(t)).all());
        eventually("made again", () -> {
            try {
                get(admin.createTopics(List.of(new NewTopic(t, 1, (short) 1))).all());
                return true;
            } catch (java.util.concurrent.ExecutionException e) {
                return false;
            }
        });
        check(!first.equals(describe(t).topicId()), "a new id");
        checkEquals(0L, get(admin.listOffsets(Map.of(tp(t, 0), OffsetSpec.latest())).all()).get(tp(t, 0)).offset());
    }

    private void createPartitions() throws Exception {
        String t = topic(1);
        fill(t, 0, 3);
        get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(3))).all());
        checkEquals(3, describe(t).partitions().size());
        get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(4, List.of(List.of(node()))))).all());
        checkEquals(4, describe(t).partitions().size());
        fill(t, 3, 3);
        checkEquals(3L, get(admin.listOffsets(Map.of(tp(t, 0), OffsetSpec.latest())).all()).get(tp(t, 0)).offset());
    }

    private void createPartitionsErrors() throws Exception {
        String t = topic(3);
        int n = node();
        checkThrows(InvalidPartitionsException.class, call(() -> get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(3))).all())));
        checkThrows(InvalidPartitionsException.class, call(() -> get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(1))).all())));
        checkThrows(UnknownTopicOrPartitionException.class, call(() -> get(admin.createPartitions(Map.of(unique("missing"), NewPartitions.increaseTo(3))).all())));
        checkThrows(InvalidReplicaAssignmentException.class, call(() -> get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(4, List.of(List.of(n + 5))))).all())));
        checkThrows(InvalidReplicaAssignmentException.class, call(() -> get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(4, List.of(List.of(n), List.of(n))))).all())));
    }

    private void createPartitionsValidateOnly() throws Exception {
        String t = topic(1);
        get(admin.createPartitions(Map.of(t, NewPartitions.increaseTo(3)), new CreatePartitionsOptions().validateOnly(true)).all());
        checkEquals(1, describe(t).partitions().size());
    }

    private void deleteRecords() throws Exception {
        String t = topic(2);
        fill(t, 0, 20);
        var r = admin.deleteRecords(Map.of(tp(t, 0), RecordsToDelete.beforeOffset(7))).lowWatermarks();
        checkEquals(7L, get(r.get(tp(t, 0))).lowWatermark());
        checkEquals(20L, get(admin.deleteRecords(Map.of(tp(t, 0), RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(tp(t, 0))).lowWatermark());
        checkEquals(20L, get(admin.listOffsets(Map.of(tp(t, 0), OffsetSpec.earliest())).all()).get(tp(t, 0)).offset());
        fill(t, 0, 20, 1);
        try (var c = consumer(null)) {
            c.assign(List.of(tp(t, 0)));
            checkEquals(List.of("v20"), values(poll(c, 1)));
        }
    }

    private void deleteRecordsErrors() throws Exception {
        String t = topic(1);
        fill(t, 0, 5);
        checkThrows(OffsetOutOfRangeException.class, call(() -> get(admin.deleteRecords(Map.of(tp(t, 0), RecordsToDelete.beforeOffset(6))).all())));
        checkThrows(org.apache.kafka.common.errors.ApiException.class, call(() -> get(admin.deleteRecords(Map.of(tp(t, 5), RecordsToDelete.beforeOffset(1)),
            new org.apache.kafka.clients.admin.DeleteRecordsOptions().timeoutMs(2000)).all())));
    }

    private void listOffsets() throws Exception {
        String t = topic(1);
        try (KafkaProducer<String, String> p = producer()) {
            for (long ts : new long[] {1000, 5000, 3000, 4000}) get(p.send(new ProducerRecord<>(t, 0, 1_700_000_000_000L + ts, "k", "v")));
        }
        List<String> got = new ArrayList<>();
        for (OffsetSpec s : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(), OffsetSpec.earliestLocal(), OffsetSpec.forTimestamp(1_700_000_000_000L + 2000), OffsetSpec.forTimestamp(1_800_000_000_000L))) {
            var r = get(admin.listOffsets(Map.of(tp(t, 0), s)).all()).get(tp(t, 0));
            got.add(r.offset() + "@" + (r.timestamp() < 0 ? r.timestamp() : r.timestamp() - 1_700_000_000_000L));
        }
        checkEquals(List.of("0@-1", "4@-1", "1@5000", "0@-1", "1@5000", "-1@-1"), got);
    }

    private void listOffsetsMissing() throws Exception {
        String t = topic(1);
        checkThrows(org.apache.kafka.common.errors.ApiException.class, call(() -> get(admin.listOffsets(Map.of(tp(t, 9), OffsetSpec.latest()),
            new org.apache.kafka.clients.admin.ListOffsetsOptions().timeoutMs(2000)).all())));
    }
}
