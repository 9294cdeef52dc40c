import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.ConfigResource.Type;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Configuration through the admin client: topics, the broker, the cluster's default, and that changes work at once. */
final class ConfigAdminCases extends Cases {
    ConfigAdminCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
        add("describe-topic", this::describeTopic);
        add("describe-topic-synonyms-and-documentation", this::synonyms);
        add("describe-broker", this::describeBroker);
        add("describe-missing-topic", this::describeMissing);
        add("set-and-delete", this::setAndDelete);
        add("append-and-subtract", this::appendAndSubtract);
        add("several-changes-are-all-or-nothing", this::allOrNothing);
        add("invalid-values", this::invalid);
        add("duplicate-keys", this::duplicates);
        add("validate-only", this::validateOnly);
        add("missing-topic", this::missingTopic);
        add("effective-at-once", this::effective);
        add("broker-dynamic", this::brokerDynamic);
        add("broker-default-dynamic", this::brokerDefault);
        add("broker-default-reaches-topics", this::brokerDefaultReachesTopics);
        add("broker-read-only", this::brokerReadOnly);
        add("list-config-resources", this::listResources);
        add("client-metrics-subscription", this::clientMetrics);
        add("group-config", this::groupConfig);
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(Type.TOPIC, topic);
    }

    private Config describe(ConfigResource r) throws Exception {
        return get(admin.describeConfigs(List.of(r)).all()).get(r);
    }

    private void alter(ConfigResource r, AlterConfigOp... ops) throws Exception {
        get(admin.incrementalAlterConfigs(Map.of(r, List.of(ops))).all());
    }

    private static AlterConfigOp op(OpType type, String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }

    private String node() throws Exception {
        return get(admin.describeCluster().nodes()).iterator().next().idString();
    }

    private void describeTopic() throws Exception {
        String t = topic(1, Map.of("segment.bytes", "2000000", "cleanup.policy", "compact,delete"));
        Config c = describe(resource(t));
        check(c.entries().size() > 25, "entries " + c.entries().size());
        checkEquals("2000000", c.get("segment.bytes").value());
        checkEquals("compact,delete", c.get("cleanup.policy").value());
        checkEquals(ConfigSource.DYNAMIC_TOPIC_CONFIG, c.get("segment.bytes").source());
        checkEquals("604800000", c.get("retention.ms").value());
        checkEquals(ConfigSource.DEFAULT_CONFIG, c.get("retention.ms").source());
        check(!c.get("retention.ms").isReadOnly() && !c.get("retention.ms").isSensitive(), "marks");
        checkEquals(ConfigEntry.ConfigType.LONG, c.get("retention.ms").type());
        checkEquals(ConfigEntry.ConfigType.LIST, c.get("cleanup.policy").type());
    }

    private void synonyms() throws Exception {
        String t = topic(1, Map.of("segment.bytes", "2000000"));
        ConfigResource r = resource(t);
        ConfigEntry e = get(admin.describeConfigs(List.of(r), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all()).get(r).get("segment.bytes");
        checkEquals(List.of("segment.bytes", "log.segment.bytes"), e.synonyms().stream().map(ConfigEntry.ConfigSynonym::name).toList());
        checkEquals(List.of("2000000", "1073741824"), e.synonyms().stream().map(ConfigEntry.ConfigSynonym::value).toList());
        checkEquals(ConfigSource.DEFAULT_CONFIG, e.synonyms().get(1).source());
        check(e.documentation() != null && e.documentation().length() > 20, "documentation");
    }

    private void describeBroker() throws Exception {
        Config c = describe(new ConfigResource(Type.BROKER, node()));
        check(c.entries().size() > 150, "entries " + c.entries().size());
        checkEquals(node(), c.get("node.id").value());
        checkEquals(ConfigSource.STATIC_BROKER_CONFIG, c.get("node.id").source());
        check(c.get("node.id").isReadOnly() && !c.get("log.retention.ms").isReadOnly(), "read only");
        checkEquals("3", c.get("num.network.threads").value());
        check(c.get("ssl.keystore.password").isSensitive() && c.get("ssl.keystore.password").value() == null, "passwords");
    }

    private void describeMissing() {
        checkThrows(UnknownTopicOrPartitionException.class, () -> describe(resource(unique("missing"))));
    }

    private void setAndDelete() throws Exception {
        String t = topic(1);
        alter(resource(t), op(OpType.SET, "retention.ms", "5000"), op(OpType.SET, "max.message.bytes", "2000"));
        checkEquals("5000", describe(resource(t)).get("retention.ms").value());
        alter(resource(t), op(OpType.DELETE, "retention.ms", null));
        checkEquals("604800000", describe(resource(t)).get("retention.ms").value());
        checkEquals("2000", describe(resource(t)).get("max.message.bytes").value());
    }

    private void appendAndSubtract() throws Exception {
        String t = topic(1);
        alter(resource(t), op(OpType.APPEND, "cleanup.policy", "compact"));
        checkEquals("delete,compact", describe(resource(t)).get("cleanup.policy").value());
        alter(resource(t), op(OpType.SUBTRACT, "cleanup.policy", "delete"));
        checkEquals("compact", describe(resource(t)).get("cleanup.policy").value());
        checkThrows(InvalidConfigurationException.class, () -> {
            alter(resource(t), op(OpType.APPEND, "retention.ms", "5"));
            return "";
        });
    }

    private void allOrNothing() throws Exception {
        String t = topic(1);
        checkThrows(InvalidConfigurationException.class, () -> {
            alter(resource(t), op(OpType.SET, "retention.ms", "5000"), op(OpType.SET, "segment.ms", "never"));
            return "";
        });
        checkEquals("604800000", describe(resource(t)).get("retention.ms").value());
    }

    private void invalid() throws Exception {
        String t = topic(1);
        for (var e : Map.of("retention.ms", "x", "segment.bytes", "1", "no.such.key", "1", "min.cleanable.dirty.ratio", "2.0", "message.timestamp.type", "Now").entrySet())
            checkThrows(InvalidConfigurationException.class, () -> {
                alter(resource(t), op(OpType.SET, e.getKey(), e.getValue()));
                return e.getKey();
            });
    }

    private void duplicates() throws Exception {
        String t = topic(1);
        checkThrows(InvalidRequestException.class, () -> {
            alter(resource(t), op(OpType.SET, "retention.ms", "1"), op(OpType.SET, "retention.ms", "2"));
            return "";
        });
    }

    private void validateOnly() throws Exception {
        String t = topic(1);
        Map<ConfigResource, Collection<AlterConfigOp>> change = Map.of(resource(t), List.of(op(OpType.SET, "retention.ms", "5000")));
        get(admin.incrementalAlterConfigs(change, new AlterConfigsOptions().validateOnly(true)).all());
        checkEquals("604800000", describe(resource(t)).get("retention.ms").value());
    }

    private void missingTopic() {
        checkThrows(UnknownTopicOrPartitionException.class, () -> {
            alter(resource(unique("missing")), op(OpType.SET, "retention.ms", "1"));
            return "";
        });
    }

    private void effective() throws Exception {
        String t = topic(1);
        try (KafkaProducer<byte[], byte[]> p = bytesProducer()) {
            get(p.send(new ProducerRecord<>(t, 0, null, new byte[50_000])));
            alter(resource(t), op(OpType.SET, "max.message.bytes", "10000"));
            eventually("the limit holds", () -> {
                try {
                    get(p.send(new ProducerRecord<>(t, 0, null, new byte[50_000])));
                    return false;
                } catch (java.util.concurrent.ExecutionException e) {
                    checkEquals(RecordTooLargeException.class, e.getCause().getClass());
                    return true;
                }
            });
        }
    }

    private void brokerDynamic() throws Exception {
        ConfigResource r = new ConfigResource(Type.BROKER, node());
        alter(r, op(OpType.SET, "log.cleaner.threads", "2"));
        eventually("seen", () -> describe(r).get("log.cleaner.threads").value().equals("2"));
        checkEquals(ConfigSource.DYNAMIC_BROKER_CONFIG, describe(r).get("log.cleaner.threads").source());
        alter(r, op(OpType.DELETE, "log.cleaner.threads", null));
        eventually("back", () -> describe(r).get("log.cleaner.threads").value().equals("1"));
    }

    private void brokerDefault() throws Exception {
        ConfigResource all = new ConfigResource(Type.BROKER, ""), one = new ConfigResource(Type.BROKER, node());
        alter(all, op(OpType.SET, "message.max.bytes", "900000"));
        eventually("seen", () -> describe(one).get("message.max.bytes").value().equals("900000"));
        checkEquals(ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, describe(one).get("message.max.bytes").source());
        checkEquals("900000", describe(all).get("message.max.bytes").value());
        alter(one, op(OpType.SET, "message.max.bytes", "800000"));
        eventually("its own goes first", () -> describe(one).get("message.max.bytes").value().equals("800000"));
        alter(one, op(OpType.DELETE, "message.max.bytes", null));
        alter(all, op(OpType.DELETE, "message.max.bytes", null));
        eventually("back", () -> describe(one).get("message.max.bytes").value().equals("1048588"));
    }

    private void brokerDefaultReachesTopics() throws Exception {
        String t = topic(1);
        ConfigResource all = new ConfigResource(Type.BROKER, "");
        alter(all, op(OpType.SET, "log.retention.ms", "7777777"));
        eventually("seen in the topic", () -> describe(resource(t)).get("retention.ms").value().equals("7777777"));
        checkEquals(ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, describe(resource(t)).get("retention.ms").source());
        alter(all, op(OpType.DELETE, "log.retention.ms", null));
        eventually("back", () -> describe(resource(t)).get("retention.ms").value().equals("604800000"));
    }

    private void brokerReadOnly() throws Exception {
        ConfigResource one = new ConfigResource(Type.BROKER, node());
        for (String key : List.of("log.dirs", "node.id", "process.roles"))
            checkThrows(InvalidRequestException.class, () -> {
                alter(one, op(OpType.SET, key, "x"));
                return key;
            });
    }

    private void listResources() throws Exception {
        String t = topic(1);
        Set<ConfigResource> all = Set.copyOf(get(admin.listConfigResources().all()));
        check(all.contains(resource(t)) && all.contains(new ConfigResource(Type.BROKER, node())), "" + all);
        Set<Type> types = get(admin.listConfigResources(Set.of(Type.TOPIC), new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all()).stream().map(ConfigResource::type).collect(Collectors.toSet());
        checkEquals(Set.of(Type.TOPIC), types);
    }

    private void clientMetrics() throws Exception {
        String name = unique("m");
        ConfigResource r = new ConfigResource(Type.CLIENT_METRICS, name);
        alter(r, op(OpType.SET, "interval.ms", "5000"), op(OpType.SET, "metrics", "org.apache.kafka.producer."));
        eventually("seen", () -> describe(r).get("interval.ms") != null && describe(r).get("interval.ms").value().equals("5000"));
        check(get(admin.listConfigResources(Set.of(Type.CLIENT_METRICS), new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all()).contains(r), "listed");
        checkThrows(InvalidRequestException.class, () -> {
            alter(r, op(OpType.SET, "interval.ms", "1"));
            return "";
        });
        alter(r, op(OpType.DELETE, "interval.ms", null), op(OpType.DELETE, "metrics", null));
    }

    private void groupConfig() throws Exception {
        ConfigResource r = new ConfigResource(Type.GROUP, unique("g"));
        alter(r, op(OpType.SET, "consumer.session.timeout.ms", "50000"));
        eventually("seen", () -> describe(r).get("consumer.session.timeout.ms").value().equals("50000"));
        checkThrows(InvalidConfigurationException.class, () -> {
            alter(r, op(OpType.SET, "consumer.session.timeout.ms", "1"));
            return "";
        });
    }
}
