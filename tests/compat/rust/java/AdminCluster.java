import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;

/** Administration of the cluster: results and errors of each operation. */
final class AdminCluster {
    /** For what is answered, and for what is awaited in vain. */
    private static final int SOON = 30_000, IN_VAIN = 5000;
    private final Lab lab;
    private final Admin admin;

    private AdminCluster(Lab lab) {
        this.lab = lab;
        admin = lab.admin;
    }

    static void add(Lab lab) {
        AdminCluster a = new AdminCluster(lab);
        lab.add("admin.cluster", a::cluster);
        lab.add("admin.features", a::features);
        lab.add("admin.quotas", a::quotas);
        lab.add("admin.scram", a::scram);
        lab.add("admin.acls", a::acls);
        lab.add("admin.tokens", a::tokens);
        lab.add("admin.quorum", a::quorum);
        lab.add("admin.producers", a::producers);
    }

    private void cluster() throws Exception {
        DescribeClusterResult c = admin.describeCluster();
        TreeSet<Integer> nodes = new TreeSet<>();
        c.nodes().get().forEach(n -> nodes.add(n.id()));
        lab.say(nodes + " " + (c.clusterId().get() != null) + " " + (c.controller().get() != null));
        lab.done("unregister nobody", () -> admin.unregisterBroker(77).all());
    }

    private static String quoted(Set<String> names) {
        return new TreeSet<>(names).stream().map(n -> "\"" + n + "\"").collect(Collectors.joining(", ", "[", "]"));
    }

    private void features() throws Exception {
        FeatureMetadata all = admin.describeFeatures().featureMetadata().get();
        lab.say(quoted(all.finalizedFeatures().keySet()));
        lab.say(quoted(all.supportedFeatures().keySet()));
        Object[][] updates = {{"transaction.version", 99}, {"no.such.version", 1}, {"metadata.version", 1}, {"transaction.version", 1}, {"", 1}};
        for (Object[] u : updates) {
            String name = (String) u[0];
            int level = (int) u[1];
            FeatureUpdate update = new FeatureUpdate((short) level, FeatureUpdate.UpgradeType.UPGRADE);
            lab.done("'" + name + "' to " + level, () -> admin.updateFeatures(Map.of(name, update), new UpdateFeaturesOptions().validateOnly(true)).values().get(name));
        }
    }

    private void alterQuota(ClientQuotaEntity entity, Object... pairs) {
        List<ClientQuotaAlteration.Op> ops = new ArrayList<>();
        for (int i = 0; i < pairs.length; i += 2) ops.add(new ClientQuotaAlteration.Op((String) pairs[i], (Double) pairs[i + 1]));
        lab.done("alter", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, ops))).values().get(entity));
    }

    private void quotas() throws Exception {
        String user = lab.unique("user");
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of("user", user));
        alterQuota(entity, "producer_byte_rate", 1024.5, "request_percentage", 20.0);
        alterQuota(entity, "color", 1.0);
        alterQuota(entity, "producer_byte_rate", -1.0);
        lab.settle();
        ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity("user", user)));
        for (Map<String, Double> quotas : admin.describeClientQuotas(filter).entities().get().values()) {
            List<String> texts = new ArrayList<>();
            new TreeMap<>(quotas).forEach((k, v) -> texts.add(k + "=" + String.format(java.util.Locale.ROOT, "%.1f", v)));
            lab.say(String.join(" ", texts));
        }
        alterQuota(entity, "producer_byte_rate", null, "request_percentage", null);
        lab.settle();
        lab.said("left", () -> admin.describeClientQuotas(filter).entities().get().size());
    }

    private void scram() throws Exception {
        String user = lab.unique("scram");
        List<UserScramCredentialAlteration> all = List.of(
            new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 100), "secret"),
            new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512),
            new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 5000), "secret"));
        for (UserScramCredentialAlteration a : all) lab.each("alter", admin.alterUserScramCredentials(List.of(a)).values());
        lab.settle();
        DescribeUserScramCredentialsResult described = admin.describeUserScramCredentials(List.of(user, lab.unique("nobody")));
        for (String u : List.of(lab.unique("nobody"), user))
            lab.said(u, () -> described.description(u).get().credentialInfos().stream().map(i -> i.mechanism().mechanismName() + "/" + i.iterations()).collect(Collectors.joining(" ")));
        lab.each("alter", admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).values());
    }

    private void acls() {
        AclBindingFilter filter = new AclBindingFilter(new ResourcePatternFilter(ResourceType.TOPIC, "t", PatternType.LITERAL), new AccessControlEntryFilter("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW));
        lab.done("describe", () -> admin.describeAcls(filter).values());
        AclBindingFilter unknown = new AclBindingFilter(filter.patternFilter(), new AccessControlEntryFilter("User:a", "*", AclOperation.UNKNOWN, AclPermissionType.ALLOW));
        lab.done("describe the unknown", () -> admin.describeAcls(unknown).values());
        AclBinding binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "t", PatternType.LITERAL), new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW));
        lab.done("create", () -> admin.createAcls(List.of(binding)).all());
        lab.done("delete", () -> admin.deleteAcls(List.of(filter)).all());
    }

    private void tokens() {
        byte[] hmac = "nothing".getBytes();
        lab.done("create", () -> admin.createDelegationToken().delegationToken());
        lab.done("renew", () -> admin.renewDelegationToken(hmac, new RenewDelegationTokenOptions().renewTimePeriodMs(1000)).expiryTimestamp());
        lab.done("expire", () -> admin.expireDelegationToken(hmac, new ExpireDelegationTokenOptions().expiryTimePeriodMs(1000)).expiryTimestamp());
        lab.done("describe", () -> admin.describeDelegationToken().delegationTokens());
    }

    private void quorum() throws Exception {
        QuorumInfo q = admin.describeMetadataQuorum().quorumInfo().get();
        List<Integer> voters = q.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList();
        lab.say(q.leaderId() + " " + voters + " " + q.observers().size() + " " + (q.highWatermark() > 0));
        Uuid directory = new Uuid(0x0707070707070707L, 0x0707070707070707L);
        lab.done("remove from another", () -> admin.removeRaftVoter(7, directory, new RemoveRaftVoterOptions().setClusterId(Optional.of("another"))).all());
        lab.done("add to another", () -> admin.addRaftVoter(7, directory, Set.of(new RaftVoterEndpoint("CONTROLLER", "localhost", 1)), new AddRaftVoterOptions().setClusterId(Optional.of("another"))).all());
        lab.done("remove nobody", () -> admin.removeRaftVoter(7, directory, new RemoveRaftVoterOptions()).all());
    }

    private void producers() throws Exception {
        String topic = lab.topic("produced", 1), id = lab.unique("produced");
        try (KafkaProducer<byte[], byte[]> p = lab.producer("transactional.id", id)) {
            p.initTransactions();
            p.beginTransaction();
            p.send(Lab.plain(topic, 0, "x")).get();
            describe(id, topic);
            String state = admin.listTransactions().all().get().stream().filter(t -> t.transactionalId().equals(id)).map(t -> t.state().toString()).findFirst().orElse("null");
            lab.say("\"" + state + "\"");
            lab.done("abort another's", () -> admin.abortTransaction(new AbortTransactionSpec(Lab.tp(topic, 0), 999_999L, (short) 3, 0), new AbortTransactionOptions().timeoutMs(SOON)).all());
            var fenced = admin.fenceProducers(List.of(id, lab.unique("a-new-one"))).fencedProducers();
            lab.each("fence", fenced);
            lab.did("commit", p::commitTransaction);
        }
        describe(id, topic);
        describe(lab.unique("nobody"), lab.unique("nowhere"));
        lab.done("terminate", () -> admin.forceTerminateTransaction(id).result());
    }

    private void describe(String id, String topic) {
        lab.said(id, () -> {
            TransactionDescription d = admin.describeTransactions(List.of(id), new DescribeTransactionsOptions().timeoutMs(SOON)).description(id).get();
            String partitions = d.topicPartitions().stream().map(Object::toString).sorted().collect(Collectors.joining(","));
            return d.state() + " " + d.transactionTimeoutMs() + " [" + partitions + "] " + d.transactionStartTimeMs().isPresent();
        });
        lab.said(topic + "-0", () -> {
            var all = admin.describeProducers(List.of(Lab.tp(topic, 0)), new DescribeProducersOptions().timeoutMs(topic.endsWith("nowhere") ? IN_VAIN : SOON)).partitionResult(Lab.tp(topic, 0)).get().activeProducers();
            return all.size() + " producers, " + all.stream().filter(s -> s.currentTransactionStartOffset().isPresent()).count() + " open";
        });
    }
}
