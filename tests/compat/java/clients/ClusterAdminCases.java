import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The cluster through the admin client: nodes, features, quorum, log directories, reassignment, elections, security as an unsecured node answers. */
final class ClusterAdminCases extends Cases {
    ClusterAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe-cluster", this::describe);
        add("describe-cluster-authorized-operations", this::authorized);
        add("describe-features", this::features);
        add("update-features-errors", this::updateFeatures);
        add("describe-quorum", this::quorum);
        add("describe-log-dirs", this::logDirs);
        add("describe-log-dirs-of-missing-broker", this::logDirsMissing);
        add("describe-replica-log-dirs", this::replicaLogDirs);
        add("alter-replica-log-dirs", this::alterLogDirs);
        add("elect-leaders", this::elect);
        add("list-reassignments", this::listReassignments);
        add("alter-reassignments", this::alterReassignments);
        add("describe-producers", this::producers);
        add("acls-without-authorizer", this::acls);
        add("describe-client-quotas", this::quotas);
        add("client-instance-id", this::clientInstanceId);
        add("admin-through-many-connections", this::manyAdmins);
    }

    private int node() throws Exception {
        return get(admin.describeCluster().nodes()).iterator().next().id();
    }

    private void describe() throws Exception {
        var d = admin.describeCluster();
        checkEquals(1, get(d.nodes()).size());
        Node n = get(d.nodes()).iterator().next();
        checkEquals(bootstrap, n.host() + ":" + n.port());
        check(!n.isFenced(), "fenced");
        checkEquals(n.id(), get(d.controller()).id());
        checkEquals(22, get(d.clusterId()).length());
        checkEquals(null, get(d.authorizedOperations()));
    }

    private void authorized() throws Exception {
        Set<AclOperation> ops = get(admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations());
        checkEquals(Set.of("CREATE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "IDEMPOTENT_WRITE", "ALTER", "DESCRIBE", "ALTER_CONFIGS"), ops.stream().map(Enum::name).collect(Collectors.toSet()));
    }

    private void features() throws Exception {
        var f = get(admin.describeFeatures().featureMetadata());
        check(f.finalizedFeatures().containsKey("metadata.version") && f.supportedFeatures().containsKey("metadata.version"), "" + f);
        check(f.finalizedFeaturesEpoch().isPresent(), "epoch");
        check(f.finalizedFeatures().get("metadata.version").maxVersionLevel() >= 7, "level");
    }

    private void updateFeatures() {
        checkThrows(Exception.class, () -> get(admin.updateFeatures(Map.of("metadata.version", new FeatureUpdate((short) 9999, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
        checkThrows(Exception.class, () -> get(admin.updateFeatures(Map.of("no.such.feature", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions().validateOnly(true)).all()));
    }

    private void quorum() throws Exception {
        QuorumInfo q = get(admin.describeMetadataQuorum().quorumInfo());
        checkEquals(node(), q.leaderId());
        check(q.leaderEpoch() >= 1 && q.highWatermark() > 0, "" + q);
        checkEquals(1, q.voters().size());
        check(q.voters().get(0).logEndOffset() >= q.highWatermark(), "" + q);
    }

    private void logDirs() throws Exception {
        String t = topic(2);
        fill(t, 0, 10);
        Map<String, LogDirDescription> dirs = get(admin.describeLogDirs(List.of(node())).allDescriptions()).get(node());
        checkEquals(1, dirs.size());
        LogDirDescription d = dirs.values().iterator().next();
        check(d.error() == null && d.totalBytes().getAsLong() > 0 && d.usableBytes().getAsLong() > 0, "" + d);
        check(d.replicaInfos().get(tp(t, 0)).size() > 100, "size");
        checkEquals(0L, d.replicaInfos().get(tp(t, 1)).size());
        checkEquals(0L, d.replicaInfos().get(tp(t, 0)).offsetLag());
    }

    private void logDirsMissing() throws Exception {
        int n = node();
        checkThrows(Exception.class, () -> get(admin.describeLogDirs(List.of(n + 50), new org.apache.kafka.clients.admin.DescribeLogDirsOptions().timeoutMs(2000)).allDescriptions()));
    }

    private void replicaLogDirs() throws Exception {
        String t = topic(1);
        TopicPartitionReplica r = new TopicPartitionReplica(t, 0, node());
        var d = get(admin.describeReplicaLogDirs(List.of(r)).all()).get(r);
        check(d.getCurrentReplicaLogDir() != null && d.getFutureReplicaLogDir() == null, "" + d);
    }

    private void alterLogDirs() throws Exception {
        String t = topic(1);
        TopicPartitionReplica r = new TopicPartitionReplica(t, 0, node());
        checkThrows(LogDirNotFoundException.class, () -> get(admin.alterReplicaLogDirs(Map.of(r, "/no/such/dir")).all()));
        get(admin.alterReplicaLogDirs(Map.of(r, get(admin.describeReplicaLogDirs(List.of(r)).all()).get(r).getCurrentReplicaLogDir())).all());
    }

    private void elect() throws Exception {
        String t = topic(1);
        var r = get(admin.electLeaders(ElectionType.PREFERRED, Set.of(tp(t, 0), tp(t, 5))).partitions());
        checkEquals(ElectionNotNeededException.class, r.get(tp(t, 0)).orElseThrow().getClass());
        checkEquals(UnknownTopicOrPartitionException.class, r.get(tp(t, 5)).orElseThrow().getClass());
        checkEquals(ElectionNotNeededException.class, get(admin.electLeaders(ElectionType.UNCLEAN, Set.of(tp(t, 0))).partitions()).get(tp(t, 0)).orElseThrow().getClass());
        check(get(admin.electLeaders(ElectionType.PREFERRED, null).partitions()).isEmpty(), "nothing to elect");
    }

    private void listReassignments() throws Exception {
        String t = topic(1);
        check(get(admin.listPartitionReassignments().reassignments()).isEmpty(), "all");
        check(get(admin.listPartitionReassignments(Set.of(tp(t, 0))).reassignments()).isEmpty(), "one");
    }

    private void alterReassignments() throws Exception {
        String t = topic(1);
        int n = node();
        checkThrows(NoReassignmentInProgressException.class, () -> get(admin.alterPartitionReassignments(Map.of(tp(t, 0), Optional.empty())).all()));
        checkThrows(InvalidReplicaAssignmentException.class, () -> get(admin.alterPartitionReassignments(Map.of(tp(t, 0), Optional.of(new NewPartitionReassignment(List.of(n + 9))))).all()));
        checkThrows(UnknownTopicOrPartitionException.class, () -> get(admin.alterPartitionReassignments(Map.of(tp(unique("missing"), 0), Optional.of(new NewPartitionReassignment(List.of(n))))).all()));
        get(admin.alterPartitionReassignments(Map.of(tp(t, 0), Optional.of(new NewPartitionReassignment(List.of(n))))).all());
    }

    private void producers() throws Exception {
        String t = topic(1);
        checkEquals(0, get(admin.describeProducers(List.of(tp(t, 0))).partitionResult(tp(t, 0))).activeProducers().size());
        try (KafkaProducer<String, String> p = producer("enable.idempotence", true)) {
            get(p.send(new ProducerRecord<>(t, 0, "k", "v")));
            var s = get(admin.describeProducers(List.of(tp(t, 0))).partitionResult(tp(t, 0))).activeProducers();
            checkEquals(1, s.size());
            checkEquals(0, s.get(0).lastSequence());
            check(s.get(0).lastTimestamp() > 0 && s.get(0).currentTransactionStartOffset().isEmpty(), "" + s);
        }
    }

    private void acls() {
        AclBinding b = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "x", PatternType.LITERAL), new AccessControlEntry("User:me", "*", AclOperation.READ, AclPermissionType.ALLOW));
        checkThrows(SecurityDisabledException.class, () -> get(admin.describeAcls(AclBindingFilter.ANY).values()));
        checkThrows(SecurityDisabledException.class, () -> get(admin.createAcls(List.of(b)).all()));
        checkThrows(SecurityDisabledException.class, () -> get(admin.deleteAcls(List.of(b.toFilter())).all()));
    }

    private void quotas() throws Exception {
        check(get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()).isEmpty(), "quotas");
    }

    private void clientInstanceId() throws Exception {
        try (KafkaProducer<String, String> p = producer("enable.metrics.push", true)) {
            // a broker that collects no client metrics may leave the API out: then there is no id
            var id = p.clientInstanceId(Duration.ofSeconds(60));
            check(id == null || !id.equals(org.apache.kafka.common.Uuid.ZERO_UUID), "" + id);
        }
    }

    private void manyAdmins() throws Exception {
        for (int i = 0; i < 20; i++)
            try (Admin a = Admin.create(properties(bootstrap))) {
                check(!get(a.describeCluster().clusterId()).isEmpty(), "cluster id");
            }
    }
}
