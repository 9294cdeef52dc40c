// Asks Apache Kafka's own classes what they make of configurations, and writes their answers beside the questions.
//
//     java -cp "<jars of kafka_2.13 4.3.1>/*" Goldens.java
//
// run in this folder rewrites the second column of values.tsv, brokers.tsv and changes.tsv, and describe.txt.
// The questions are the first columns; `goldens.rs` puts them to Ottla.

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;
import kafka.server.ConfigHelper;
import kafka.server.ControllerConfigurationValidator;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.Endpoint;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.message.DescribeConfigsRequestData.DescribeConfigsResource;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.metadata.ConfigRepository;
import org.apache.kafka.metadata.MetadataCache;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

public class Goldens {
    static final String COMBINED = "node.id=1;process.roles=broker,controller;controller.listener.names=CONTROLLER;"
        + "listeners=PLAINTEXT://:9092,CONTROLLER://:9093;controller.quorum.voters=1@localhost:9093";
    static final String BROKER = "node.id=1;process.roles=broker;controller.listener.names=CONTROLLER;"
        + "listeners=PLAINTEXT://:9092;controller.quorum.voters=3@localhost:9093";
    static final String CONTROLLER = "node.id=1;process.roles=controller;controller.listener.names=CONTROLLER;"
        + "listeners=CONTROLLER://:9093;controller.quorum.voters=1@localhost:9093";

    public static void main(String[] args) throws Exception {
        rewrite("values.tsv", Goldens::value);
        rewrite("brokers.tsv", Goldens::broker);
        rewrite("changes.tsv", Goldens::change);
        StringBuilder text = new StringBuilder();
        for (String line : Files.readAllLines(Path.of("describe.txt")))
            if (line.startsWith("# ")) text.append(line).append('\n').append(describe(line.substring(2)));
        Files.writeString(Path.of("describe.txt"), text);
    }

    interface Answer { String to(String question) throws Exception; }

    static void rewrite(String file, Answer answer) throws Exception {
        List<String> lines = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(file))) {
            String question = line.split("\t", 2)[0];
            lines.add(question + "\t" + answer.to(question));
        }
        Files.write(Path.of(file), lines);
    }

    static Map<String, String> map(String text) {
        Map<String, String> map = new TreeMap<>();
        for (String entry : text.split(";")) {
            if (entry.isEmpty()) continue;
            int at = entry.indexOf('=');
            map.put(entry.substring(0, at), entry.substring(at + 1));
        }
        return map;
    }

    static Properties properties(String text) {
        Properties properties = new Properties();
        properties.putAll(map(text));
        return properties;
    }

    // scope|key|raw value
    static String value(String question) throws Exception {
        String[] parts = question.split("\\|", 3);
        ConfigDef def = switch (parts[0]) {
            case "broker" -> AbstractKafkaConfig.CONFIG_DEF;
            case "topic" -> LogConfig.configDefCopy();
            case "group" -> GroupConfig.CONFIG_DEF;
            case "client-metrics" -> ClientMetricsConfigs.configDef();
            case "client-quota" -> QuotaConfig.userAndClientQuotaConfigs();
            default -> QuotaConfig.ipConfigs();
        };
        ConfigDef.ConfigKey key = def.configKeys().get(parts[1]);
        var parse = ConfigDef.class.getDeclaredMethod("parseValue", ConfigDef.ConfigKey.class, Object.class, boolean.class);
        parse.setAccessible(true);
        try {
            Object value = parse.invoke(def, key, parts[2], true);
            return "OK " + (value instanceof Password p ? p.value() : ConfigDef.convertToString(value, key.type));
        } catch (InvocationTargetException e) {
            return "ERR " + e.getCause().getMessage();
        }
    }

    // combined|, broker| or controller| and entries that are added, or with a minus taken away
    static String broker(String question) {
        String[] parts = question.split("\\|", 2);
        String base = parts[0].equals("combined") ? COMBINED : parts[0].equals("broker") ? BROKER : CONTROLLER;
        Properties properties = properties(base);
        for (String entry : parts[1].split(";"))
            if (entry.startsWith("-")) properties.remove(entry.substring(1));
            else properties.putAll(map(entry));
        try {
            KafkaConfig config = KafkaConfig.fromProps(properties, false);
            Map<String, Object> logs = config.extractLogConfigMap();
            LogConfig.validateBrokerLogConfigValues(logs, false);
            String topics = new TreeMap<>(logs).entrySet().stream()
                .map(e -> e.getKey() + "=" + (e.getValue() instanceof List<?> l ? l.stream().map(Object::toString).collect(Collectors.joining(",")) : e.getValue()))
                .filter(e -> !new TopicDefaults().contains(e))
                .collect(Collectors.joining(";"));
            return "OK listeners " + endpoints(config.listeners())
                + " advertised " + endpoints(config.effectiveAdvertisedBrokerListeners())
                + " controllers " + endpoints(config.effectiveAdvertisedControllerListeners())
                + " inter-broker " + config.interBrokerListenerName().value()
                + " dirs " + String.join(",", config.logDirs()) + " metadata " + config.metadataLogDir()
                + " cordoned " + String.join(",", config.cordonedLogDirs()) + " topics " + topics;
        } catch (Throwable e) {
            return "ERR " + e.getMessage().replace("\n", " ");
        }
    }

    // What topics get from a broker that sets nothing.
    static class TopicDefaults {
        boolean contains(String entry) {
            String[] parts = entry.split("=", 2);
            ConfigDef.ConfigKey key = LogConfig.configKeys().get(parts[0]);
            return ConfigDef.convertToString(key.defaultValue, key.type).equals(parts[1]);
        }
    }

    static String endpoints(scala.collection.Iterable<Endpoint> endpoints) {
        List<String> texts = new ArrayList<>();
        for (var it = endpoints.iterator(); it.hasNext(); ) {
            Endpoint e = it.next();
            texts.add(e.listener() + "/" + e.securityProtocol() + "/" + e.host() + "/" + e.port());
        }
        return String.join(",", texts);
    }

    // topic|, group| or client-metrics|new|existing; or default| or broker|static|default|broker|proposed
    static String change(String question) {
        String[] parts = question.split("\\|", -1);
        try {
            if (parts.length == 5) {
                running(parts[1], parts[2], parts[3]).dynamicConfig().validate(properties(parts[4]), parts[0].equals("broker"));
                return "OK";
            }
            ConfigResource.Type type = switch (parts[0]) {
                case "topic" -> ConfigResource.Type.TOPIC;
                case "group" -> ConfigResource.Type.GROUP;
                default -> ConfigResource.Type.CLIENT_METRICS;
            };
            new ControllerConfigurationValidator(running("", "", ""))
                .validate(new ConfigResource(type, "x"), map(parts[1]), map(parts[2]));
            return "OK";
        } catch (Throwable e) {
            return e.getClass().getSimpleName() + " " + e.getMessage().replace("\n", " ");
        }
    }

    static KafkaConfig running(String fixed, String dynamicDefault, String dynamicBroker) {
        Properties properties = properties(COMBINED);
        properties.putAll(map(fixed));
        KafkaConfig config = KafkaConfig.fromProps(properties, false);
        config.dynamicConfig().initialize(scala.Option.empty());
        config.dynamicConfig().updateDefaultConfig(properties(dynamicDefault), false);
        config.dynamicConfig().updateBrokerConfig(1, properties(dynamicBroker), false);
        return config;
    }

    // resource|static|default|broker|overrides
    static String describe(String question) {
        String[] parts = question.split("\\|", -1);
        Properties overrides = properties(parts[4]);
        MetadataCache cache = (MetadataCache) Proxy.newProxyInstance(Goldens.class.getClassLoader(),
            new Class<?>[]{MetadataCache.class}, (proxy, method, args) -> method.getName().equals("contains") ? true : null);
        ConfigRepository repository = resource -> overrides;
        DescribeConfigsResource resource = new DescribeConfigsResource().setConfigurationKeys(null).setResourceName(switch (parts[0]) {
            case "broker" -> "1";
            case "default" -> "";
            default -> "x";
        }).setResourceType((byte) switch (parts[0]) {
            case "topic" -> 2;
            case "client-metrics" -> 16;
            case "group" -> 32;
            default -> 4;
        });
        ConfigHelper helper = new ConfigHelper(cache, running(parts[1], parts[2], parts[3]), repository);
        var resources = scala.jdk.javaapi.CollectionConverters.asScala(List.of(resource)).toList();
        Map<String, String> lines = new TreeMap<>();
        helper.describeConfigs(resources, true, false).head().configs().forEach(e -> {
            String synonyms = e.synonyms().stream().map(s -> s.name() + ":" + s.value() + ":" + s.source()).collect(Collectors.joining(", "));
            lines.put(e.name(), e.name() + " = " + e.value() + " source " + e.configSource() + " type " + e.configType()
                + (e.readOnly() ? " read-only" : "") + (e.isSensitive() ? " sensitive" : "") + " synonyms [" + synonyms + "]");
        });
        return String.join("\n", lines.values()) + "\n";
    }
}
