import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;

import static org.apache.kafka.common.acl.AclOperation.*;

/**
 * Each operation of a client that may not: the exact class of the exception that Java raises; then it is given what the operation needs, and
 * nothing else, and no permission is missing any more. Whether the operation then succeeds is for other suites.
 */
final class DenialCases extends SecureCases {
    interface Call {
        Object run(Properties p) throws Exception;
    }

    interface AdminCall {
        org.apache.kafka.common.KafkaFuture<?> run(Admin a) throws Exception;
    }

    private static final String USER = "limited";
    private final String topic = "denied-topic";
    private final String group = "denied-group";
    private final String transaction = "denied-transaction";

    DenialCases(World world, Admin admin) throws Exception {
        super(world, admin);
        get(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1), new NewTopic("denied-doomed", 1, (short) 1))).all());
        settled(topic);
        try (KafkaProducer<String, String> out = producerOf(world.at("PLAINTEXT"))) {
            get(out.send(new ProducerRecord<>(topic, "v")));
        }
        get(admin.alterConsumerGroupOffsets(group, Map.of(tp(topic, 0), new OffsetAndMetadata(0))).all());
        topics();
        groups();
        cluster();
        transactions();
        records();
        add("lists-leave-out-what-is-not-allowed", this::filtered);
        add("deny-goes-before-allow", this::denyFirst);
    }

    private void topics() {
        var gone = TopicAuthorizationException.class;
        admin("create-topics", gone, List.of(topic(CREATE, "denied-made")), a -> a.createTopics(List.of(new NewTopic("denied-made", 1, (short) 1))).all());
        admin("create-topics-by-the-cluster", gone, List.of(cluster(CREATE)), a -> a.createTopics(List.of(new NewTopic("denied-made-too", 1, (short) 1))).all());
        admin("delete-topics", gone, List.of(topic(DELETE, "denied-doomed")), a -> a.deleteTopics(List.of("denied-doomed")).all());
        admin("create-partitions", gone, List.of(topic(ALTER, topic)), a -> a.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all());
        admin("delete-records", gone, List.of(topic(DELETE, topic)), a -> a.deleteRecords(Map.of(tp(topic, 0), RecordsToDelete.beforeOffset(0))).all());
        admin("describe-topics", gone, List.of(topic(DESCRIBE, topic)), a -> a.describeTopics(List.of(topic)).allTopicNames());
        admin("list-offsets", gone, List.of(topic(DESCRIBE, topic)), a -> a.listOffsets(Map.of(tp(topic, 0), OffsetSpec.latest())).all());
        admin("describe-topic-configs", gone, List.of(topic(DESCRIBE_CONFIGS, topic)), a -> a.describeConfigs(List.of(resource(ConfigResource.Type.TOPIC, topic))).all());
        admin("alter-topic-configs", gone, List.of(topic(ALTER_CONFIGS, topic)), a -> alter(a, ConfigResource.Type.TOPIC, topic, "retention.ms", "86400000"));
        admin("describe-producers", gone, List.of(topic(READ, topic)), a -> a.describeProducers(List.of(tp(topic, 0))).all());
    }

    private void groups() {
        var gone = GroupAuthorizationException.class;
        admin("describe-consumer-groups", gone, List.of(group(DESCRIBE)), a -> a.describeConsumerGroups(List.of(group)).all());
        admin("describe-classic-groups", gone, List.of(group(DESCRIBE)), a -> a.describeClassicGroups(List.of(group)).all());
        admin("describe-share-groups", gone, List.of(group(DESCRIBE)), a -> a.describeShareGroups(List.of(group)).all());
        admin("describe-streams-groups", gone, List.of(group(DESCRIBE)), a -> a.describeStreamsGroups(List.of(group)).all());
        admin("list-offsets-of-a-group", gone, List.of(group(DESCRIBE)), a -> a.listConsumerGroupOffsets(group).all());
        admin("alter-offsets-of-a-group", gone, List.of(group(READ), topic(READ, topic)), a -> a.alterConsumerGroupOffsets(group, Map.of(tp(topic, 0), new OffsetAndMetadata(0))).all());
        admin("alter-offsets-of-a-topic", TopicAuthorizationException.class, List.of(topic(READ, topic)), List.of(group(READ)), a -> a.alterConsumerGroupOffsets(group, Map.of(tp(topic, 0), new OffsetAndMetadata(0))).all());
        admin("delete-offsets", gone, List.of(group(DELETE), topic(READ, topic)), a -> a.deleteConsumerGroupOffsets(group, Set.of(tp(topic, 0))).all());
        admin("delete-consumer-groups", gone, List.of(group(DELETE, "denied-absent")), a -> a.deleteConsumerGroups(List.of("denied-absent")).all());
        admin("remove-members", gone, List.of(group(READ)), a -> a.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("nobody")))).all());
        admin("describe-group-configs", gone, List.of(group(DESCRIBE_CONFIGS)), a -> a.describeConfigs(List.of(resource(ConfigResource.Type.GROUP, group))).all());
        admin("alter-group-configs", gone, List.of(group(ALTER_CONFIGS)), a -> alter(a, ConfigResource.Type.GROUP, group, "consumer.session.timeout.ms", "50000"));
        admin("offsets-of-a-share-group", gone, List.of(group(DESCRIBE)), a -> a.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).all());
    }

    private void cluster() {
        var gone = ClusterAuthorizationException.class;
        admin("describe-acls", gone, List.of(cluster(DESCRIBE)), a -> a.describeAcls(AclBindingFilter.ANY).values());
        admin("create-acls", gone, List.of(cluster(ALTER)), a -> a.createAcls(List.of(topic(READ, "denied-any"))).all());
        admin("delete-acls", gone, List.of(cluster(ALTER)), a -> a.deleteAcls(List.of(new AclBindingFilter(new ResourcePatternFilter(ResourceType.TOPIC, "denied-any", PatternType.LITERAL), AccessControlEntryFilter.ANY))).all());
        admin("describe-client-quotas", gone, List.of(cluster(DESCRIBE_CONFIGS)), a -> a.describeClientQuotas(ClientQuotaFilter.all()).entities());
        if (offered(ApiKeys.ALTER_CLIENT_QUOTAS)) admin("alter-client-quotas", gone, List.of(cluster(ALTER_CONFIGS)), a -> a.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("user", "someone")), List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all());
        admin("describe-SCRAM-users", gone, List.of(cluster(DESCRIBE)), a -> a.describeUserScramCredentials().all());
        admin("alter-SCRAM-users", gone, List.of(cluster(ALTER)), a -> a.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("someone", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "p"))).all());
        admin("describe-broker-configs", gone, List.of(cluster(DESCRIBE_CONFIGS)), a -> a.describeConfigs(List.of(resource(ConfigResource.Type.BROKER, "1"))).all());
        admin("alter-broker-configs", gone, List.of(cluster(ALTER_CONFIGS)), a -> alter(a, ConfigResource.Type.BROKER, "1", "log.cleaner.threads", "1"));
        admin("describe-loggers", gone, List.of(cluster(DESCRIBE_CONFIGS)), a -> a.describeConfigs(List.of(resource(ConfigResource.Type.BROKER_LOGGER, "1"))).all());
        admin("alter-client-metrics", gone, List.of(cluster(ALTER_CONFIGS)), a -> alter(a, ConfigResource.Type.CLIENT_METRICS, "denied", "interval.ms", "60000"));
        admin("describe-client-metrics", gone, List.of(cluster(DESCRIBE_CONFIGS)), a -> a.describeConfigs(List.of(resource(ConfigResource.Type.CLIENT_METRICS, "denied"))).all());
        admin("list-config-resources", gone, List.of(cluster(DESCRIBE_CONFIGS)), a -> a.listConfigResources().all());
        admin("elect-leaders", gone, List.of(cluster(ALTER)), a -> a.electLeaders(ElectionType.PREFERRED, Set.of(tp(topic, 0))).all());
        admin("alter-reassignments", gone, List.of(cluster(ALTER)), a -> a.alterPartitionReassignments(Map.of(tp(topic, 0), Optional.empty())).all());
        admin("list-reassignments", gone, List.of(cluster(DESCRIBE)), a -> a.listPartitionReassignments().reassignments());
        admin("describe-log-dirs", gone, List.of(cluster(DESCRIBE)), a -> a.describeLogDirs(List.of(1)).allDescriptions());
        admin("alter-log-dirs", gone, List.of(cluster(ALTER)), a -> a.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(topic, 0, 1), "/nowhere")).all());
        admin("update-features", gone, List.of(cluster(ALTER)), a -> a.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions().validateOnly(true)).all());
        admin("describe-quorum", gone, List.of(cluster(DESCRIBE)), a -> a.describeMetadataQuorum().quorumInfo());
        admin("unregister-broker", gone, List.of(cluster(ALTER)), a -> a.unregisterBroker(99).all());
        if (offered(ApiKeys.ADD_RAFT_VOTER)) admin("add-voter", gone, List.of(cluster(ALTER)), a -> a.addRaftVoter(9, Uuid.randomUuid(), Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 1))).all());
        if (offered(ApiKeys.REMOVE_RAFT_VOTER)) admin("remove-voter", gone, List.of(cluster(ALTER)), a -> a.removeRaftVoter(9, Uuid.randomUuid()).all());
    }

    private boolean offered(ApiKeys api) {
        if (!world.offers(api)) System.out.println("SKIP denial." + api.name + ": the broker does not offer it");
        return world.offers(api);
    }

    private void transactions() {
        var gone = TransactionalIdAuthorizationException.class;
        admin("describe-transactions", gone, List.of(transaction(DESCRIBE)), a -> a.describeTransactions(List.of(transaction)).all());
        admin("fence-producers", gone, List.of(transaction(WRITE)), a -> a.fenceProducers(List.of(transaction)).all());
        admin("abort-transaction", ClusterAuthorizationException.class, List.of(cluster(ALTER)), List.of(topic(DESCRIBE, topic)), a -> a.abortTransaction(new AbortTransactionSpec(tp(topic, 0), 99, (short) 0, 0)).all());
        client("init-transactions", gone, List.of(transaction(WRITE)), List.of(), p -> {
            try (KafkaProducer<String, String> out = producerOf(p, "transactional.id", transaction)) {
                out.initTransactions();
                return null;
            }
        });
        client("a-transaction-in-a-topic", TopicAuthorizationException.class, List.of(topic(WRITE, topic)), List.of(transaction(WRITE)), p -> {
            try (KafkaProducer<String, String> out = producerOf(p, "transactional.id", transaction)) {
                out.initTransactions();
                out.beginTransaction();
                return get(out.send(new ProducerRecord<>(topic, "v")));
            }
        });
        client("offsets-in-a-transaction", GroupAuthorizationException.class, List.of(group(READ)), List.of(transaction(WRITE), topic(READ, topic)), p -> {
            try (KafkaProducer<String, String> out = producerOf(p, "transactional.id", transaction)) {
                out.initTransactions();
                out.beginTransaction();
                out.sendOffsetsToTransaction(Map.of(tp(topic, 0), new OffsetAndMetadata(0)), new org.apache.kafka.clients.consumer.ConsumerGroupMetadata(group));
                out.commitTransaction();
                return null;
            }
        });
    }

    private void records() {
        Call send = p -> {
            try (KafkaProducer<String, String> out = producerOf(p)) {
                return get(out.send(new ProducerRecord<>(topic, "v")));
            }
        };
        client("produce", TopicAuthorizationException.class, List.of(topic(WRITE, topic)), List.of(), send);
        client("produce-described", TopicAuthorizationException.class, List.of(topic(WRITE, topic)), List.of(topic(DESCRIBE, topic)), p -> send.run(with(p, "enable.idempotence", "false")));
        client("produce-idempotent-described", ClusterAuthorizationException.class, List.of(cluster(IDEMPOTENT_WRITE), topic(WRITE, topic)), List.of(topic(DESCRIBE, topic)), send);
        client("consume", TopicAuthorizationException.class, List.of(topic(READ, topic)), List.of(), p -> {
            try (KafkaConsumer<String, String> in = consumerOf(p, null)) {
                in.assign(List.of(tp(topic, 0)));
                in.seek(tp(topic, 0), 0);
                return poll(in, 1).size();
            }
        });
        client("offsets-for-times", TopicAuthorizationException.class, List.of(topic(DESCRIBE, topic)), List.of(), p -> {
            try (KafkaConsumer<String, String> in = consumerOf(p, null)) {
                return in.offsetsForTimes(Map.of(tp(topic, 0), 1L));
            }
        });
        for (String protocol : List.of("classic", "consumer")) {
            client("a-group-" + protocol, GroupAuthorizationException.class, List.of(group(READ, "denied-" + protocol)), List.of(topic(READ, topic)), p -> subscribe(p, protocol));
            client("a-topic-in-a-group-" + protocol, TopicAuthorizationException.class, List.of(topic(READ, topic)), List.of(group(READ, "denied-" + protocol)), p -> subscribe(p, protocol));
        }
        client("commit", GroupAuthorizationException.class, List.of(group(READ)), List.of(topic(READ, topic)), p -> {
            try (KafkaConsumer<String, String> in = consumerOf(p, group)) {
                in.assign(List.of(tp(topic, 0)));
                in.commitSync(Map.of(tp(topic, 0), new OffsetAndMetadata(0)));
                return null;
            }
        });
        client("a-share-group", GroupAuthorizationException.class, List.of(group(READ, "denied-share")), List.of(topic(READ, topic)), p -> {
            try (KafkaShareConsumer<String, String> in = new KafkaShareConsumer<>(with(p, "group.id", "denied-share"), new StringDeserializer(), new StringDeserializer())) {
                in.subscribe(List.of(topic));
                long end = System.nanoTime() + 5_000_000_000L;
                int n = 0;
                while (n == 0 && System.nanoTime() < end) n = in.poll(Duration.ofMillis(200)).count();
                return n;
            }
        });
    }

    private Object subscribe(Properties p, String protocol) {
        try (KafkaConsumer<String, String> in = consumerOf(p, "denied-" + protocol, "group.protocol", protocol)) {
            in.subscribe(List.of(topic));
            long end = System.nanoTime() + 15_000_000_000L;
            int n = 0;
            while (n == 0 && System.nanoTime() < end) n = in.poll(Duration.ofMillis(200)).count();
            return n;
        }
    }

    // ---- how a case goes

    private void admin(String name, Class<? extends Exception> expected, List<AclBinding> needed, AdminCall call) {
        admin(name, expected, needed, List.of(), call);
    }

    private void admin(String name, Class<? extends Exception> expected, List<AclBinding> needed, List<AclBinding> given, AdminCall call) {
        client(name, expected, needed, given, p -> {
            try (Admin a = Admin.create(p)) {
                return get(call.run(a));
            }
        });
    }

    /** `given` is there from the start and is not enough; with `needed` nothing is missing. */
    private void client(String name, Class<? extends Exception> expected, List<AclBinding> needed, List<AclBinding> given, Call call) {
        add(name, () -> {
            // What is allowed need not succeed, and some of it is waited for in vain.
            Properties p = with(world.login("SASL", "SCRAM-SHA-256", USER), "default.api.timeout.ms", 8000, "request.timeout.ms", 5000, "max.block.ms", 8000, "delivery.timeout.ms", 10000);
            List<AclBinding> both = new ArrayList<>(given);
            both.addAll(needed);
            try {
                grant(given);
                AtomicReference<Throwable> last = new AtomicReference<>();
                // What was granted for it, or taken from it by the case before, counts a moment later with Apache Kafka.
                eventually("fails with exactly " + expected.getSimpleName(), () -> {
                    last.set(failure(call, p));
                    return last.get() != null && last.get().getClass() == expected;
                }, last);
                grant(needed);
                eventually("no permission is missing", () -> {
                    last.set(failure(call, p));
                    return !(last.get() instanceof AuthorizationException);
                }, last);
            } finally {
                revoke(both);
            }
        });
    }

    private static void eventually(String what, java.util.concurrent.Callable<Boolean> ok, AtomicReference<?> last) throws Exception {
        long end = System.nanoTime() + WAIT_S * 1_000_000_000L;
        while (!ok.call()) {
            check(System.nanoTime() < end, "not within " + WAIT_S + " s: " + what + "; last " + last.get());
            Thread.sleep(30);
        }
    }

    private static Throwable failure(Call call, Properties p) {
        try {
            call.run(p);
            return null;
        } catch (Throwable e) {
            return plain(e);
        }
    }

    private void grant(Collection<AclBinding> bindings) throws Exception {
        if (!bindings.isEmpty()) get(admin.createAcls(bindings).all());
    }

    private void revoke(Collection<AclBinding> bindings) throws Exception {
        if (!bindings.isEmpty()) get(admin.deleteAcls(bindings.stream().map(AclBinding::toFilter).toList()).all());
    }

    private void filtered() throws Exception {
        try (Admin a = Admin.create(world.login("SASL", "SCRAM-SHA-256", USER))) {
            eventually("nothing is listed", () -> get(a.listTopics().names()).isEmpty() && get(a.listGroups().all()).isEmpty() && get(a.listTransactions().all()).isEmpty());
            checkEquals(1, get(a.describeCluster().nodes()).size());
            checkEquals(Set.of(), get(a.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations()));
            List<AclBinding> some = List.of(topic(READ, topic), group(DESCRIBE)), more = List.of(cluster(ALTER));
            try {
                grant(some);
                eventually("the topic is listed", () -> get(a.listTopics().names()).equals(Set.of(topic)));
                AtomicReference<Object> seen = new AtomicReference<>();
                eventually("the group is listed", () -> {
                    seen.set(get(a.listGroups().all()));
                    return get(a.listGroups().all()).stream().map(GroupListing::groupId).toList().equals(List.of(group));
                }, seen);
                checkEquals(Set.of(READ, DESCRIBE), get(a.describeTopics(List.of(topic), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames()).get(topic).authorizedOperations());
                grant(more);
                eventually("the cluster may be described, and so every group", () -> get(a.listGroups().all()).size() > 1);
                checkEquals(Set.of(ALTER, DESCRIBE), get(a.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations()));
            } finally {
                revoke(some);
                revoke(more);
            }
        }
    }

    private void denyFirst() throws Exception {
        Properties p = world.login("SASL", "SCRAM-SHA-256", USER);
        AclBinding deny = new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL), new AccessControlEntry("User:" + USER, "127.0.0.1", WRITE, AclPermissionType.DENY));
        AclBinding allow = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "denied-", PatternType.PREFIXED), new AccessControlEntry("User:" + USER, "*", ALL, AclPermissionType.ALLOW));
        try (KafkaProducer<String, String> out = producerOf(p)) {
            grant(List.of(allow));
            eventually("it may write", () -> failure(q -> get(out.send(new ProducerRecord<>(topic, "v"))), p) == null);
            grant(List.of(deny));
            // On a connection that was allowed before.
            eventually("it may not", () -> failure(q -> get(out.send(new ProducerRecord<>(topic, "v"))), p) instanceof TopicAuthorizationException);
        } finally {
            revoke(List.of(deny, allow));
        }
    }

    // ---- entries

    private static AclBinding entry(ResourceType type, String name, AclOperation operation) {
        return new AclBinding(new ResourcePattern(type, name, PatternType.LITERAL), new AccessControlEntry("User:" + USER, "*", operation, AclPermissionType.ALLOW));
    }

    private static AclBinding topic(AclOperation operation, String name) {
        return entry(ResourceType.TOPIC, name, operation);
    }

    private AclBinding group(AclOperation operation) {
        return group(operation, group);
    }

    private static AclBinding group(AclOperation operation, String name) {
        return entry(ResourceType.GROUP, name, operation);
    }

    private static AclBinding cluster(AclOperation operation) {
        return entry(ResourceType.CLUSTER, "kafka-cluster", operation);
    }

    private AclBinding transaction(AclOperation operation) {
        return entry(ResourceType.TRANSACTIONAL_ID, transaction, operation);
    }

    static AclBinding allow(String user, String prefix) {
        return new AclBinding(new ResourcePattern(ResourceType.TOPIC, prefix, PatternType.PREFIXED), new AccessControlEntry("User:" + user, "*", ALL, AclPermissionType.ALLOW));
    }

    static AclBinding allowGroup(String user, String prefix) {
        return new AclBinding(new ResourcePattern(ResourceType.GROUP, prefix, PatternType.PREFIXED), new AccessControlEntry("User:" + user, "*", ALL, AclPermissionType.ALLOW));
    }

    private static ConfigResource resource(ConfigResource.Type type, String name) {
        return new ConfigResource(type, name);
    }

    private static org.apache.kafka.common.KafkaFuture<?> alter(Admin a, ConfigResource.Type type, String name, String key, String value) {
        return a.incrementalAlterConfigs(Map.of(resource(type, name), Arrays.asList(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all();
    }
}
