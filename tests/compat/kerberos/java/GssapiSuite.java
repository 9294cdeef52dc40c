import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kerberos by the JDK's own library: `GssapiSuite FOLDER REALM NAME=PORT,... [ONLY]`. FOLDER has the keytabs of `Kdc`. Who somebody is shows in what they
 * may do: User:alice and User:service are super users.
 */
public final class GssapiSuite {
    private interface Case {
        void run() throws Exception;
    }

    private final Path folder;
    private final String realm;
    private final Map<String, String> ports = new LinkedHashMap<>();
    private final Map<String, Case> cases = new LinkedHashMap<>();

    private GssapiSuite(String[] args) {
        folder = Path.of(args[0]);
        realm = args[1];
        for (String port : args[2].split(",")) ports.put(port.split("=")[0], port.split("=")[1]);
        cases.put("produce-and-consume", () -> produceAndConsume(login("KERBEROS", "alice")));
        cases.put("mutual-authentication", () -> produceAndConsume(mutual(login("KERBEROS", "alice"))));
        cases.put("mechanisms-side-by-side", this::plainToo);
        cases.put("default-rule", () -> check(mayDescribeAcls(login("KERBEROS", "alice")) && !mayDescribeAcls(login("KERBEROS", "bob")), "alice is User:alice"));
        cases.put("rule-with-substitution", () -> check(mayDescribeAcls(login("RULES", "app.svc/localhost")), "app.svc/localhost is User:service"));
        cases.put("rule-with-case", () -> check(mayDescribeAcls(login("RULES", "alice")), "ALIce is made small"));
        cases.put("no-rule", () -> noRule(login("RULES", "carol")));
        cases.put("wrong-service-name", () -> refused(with(login("KERBEROS", "alice"), "sasl.kerberos.service.name", "http")));
        cases.put("key-of-before", () -> refused(login("OLDKEY", "alice")));
        cases.put("re-authentication", () -> again(login("AGAIN", "alice")));
        cases.put("re-authentication-mutual", () -> again(mutual(login("AGAIN", "alice"))));
        cases.put("many-logins", this::many);
        cases.put("strangers", this::strangers);
    }

    public static void main(String[] args) throws Exception {
        GssapiSuite suite = new GssapiSuite(args);
        Pattern only = Pattern.compile(args.length > 3 ? args[3] : "");
        for (Map.Entry<String, Case> it : suite.cases.entrySet()) {
            if (!only.matcher(it.getKey()).find()) continue;
            try {
                it.getValue().run();
                System.out.println("PASS " + it.getKey());
            } catch (Throwable why) {
                System.out.println("FAIL " + it.getKey() + ": " + why + " " + why.getCause() + " at " + List.of(why.getStackTrace()).stream().limit(6).toList());
            }
        }
        System.out.println("DONE");
        System.exit(0);
    }

    private Properties login(String listener, String principal) {
        Properties p = new Properties();
        p.put("bootstrap.servers", "localhost:" + ports.get(listener));
        p.put("security.protocol", "SASL_PLAINTEXT");
        p.put("sasl.mechanism", "GSSAPI");
        p.put("sasl.kerberos.service.name", "kafka");
        String keytab = folder.resolve(principal.replace('/', '_') + ".keytab").toString();
        p.put("sasl.jaas.config", "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=\"" + keytab + "\" principal=\"" + principal + "@" + realm + "\";");
        p.put("default.api.timeout.ms", "90000");
        p.put("request.timeout.ms", "60000");
        return p;
    }

    private static Properties with(Properties p, String key, String value) {
        p.put(key, value);
        return p;
    }

    /** Java asks for it only when told to; librdkafka always does. */
    private static Properties mutual(Properties p) {
        return with(p, "javax.security.sasl.server.authentication", "true");
    }

    private static void check(boolean is, String what) {
        if (!is) throw new AssertionError("not so: " + what);
    }

    private static KafkaProducer<String, String> producer(Properties p) {
        return new KafkaProducer<>(with(p, "max.block.ms", "90000"), new StringSerializer(), new StringSerializer());
    }

    private static void produceAndConsume(Properties p) throws Exception {
        String topic = "kerberos-" + System.nanoTime();
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get(120, TimeUnit.SECONDS);
        }
        try (KafkaProducer<String, String> producer = producer(p)) {
            for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(topic, "k", "v" + i)).get(120, TimeUnit.SECONDS);
        }
        Properties c = with(with(p, "group.id", topic), "auto.offset.reset", "earliest");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            int found = 0;
            for (long end = System.currentTimeMillis() + 120_000; found < 100 && System.currentTimeMillis() < end; ) found += consumer.poll(Duration.ofMillis(200)).count();
            check(found == 100, "100 records, but " + found);
        }
    }

    private void plainToo() throws Exception {
        Properties p = with(login("KERBEROS", "alice"), "sasl.mechanism", "PLAIN");
        p.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"alice-secret\";");
        check(mayDescribeAcls(p), "alice by PLAIN");
    }

    private static boolean mayDescribeAcls(Properties p) throws Exception {
        try (Admin admin = Admin.create(p)) {
            admin.describeAcls(AclBindingFilter.ANY).values().get(120, TimeUnit.SECONDS);
            return true;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ClusterAuthorizationException) return false;
            throw e;
        }
    }

    private static void refused(Properties p) throws Exception {
        try (Admin admin = Admin.create(p)) {
            admin.describeCluster().clusterId().get(120, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            check(e.getCause() instanceof SaslAuthenticationException, "an authentication error, but " + e.getCause());
            return;
        }
        throw new AssertionError("it was let in");
    }

    /** Kafka lets the exchange end well and then closes the connection; Ottla refuses the login. */
    private static void noRule(Properties p) throws Exception {
        try (Admin admin = Admin.create(with(with(p, "request.timeout.ms", "2000"), "default.api.timeout.ms", "4000"))) {
            admin.describeCluster().clusterId().get(120, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            return;
        }
        throw new AssertionError("it was let in");
    }

    /** The listener wants a new login each 1.5 s: the producer must not notice. */
    private static void again(Properties p) throws Exception {
        String topic = "again-" + System.nanoTime();
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get(120, TimeUnit.SECONDS);
        }
        // A request that a busy machine brings to the broker after the end of its login is sent again: what counts is that the client logs in again by then.
        try (KafkaProducer<String, String> producer = producer(p)) {
            long begin = System.currentTimeMillis();
            for (long ms = 0; ms < 6_000 || ms < 90_000 && metric(producer, "successful-reauthentication-total") < 2; ms = System.currentTimeMillis() - begin) {
                producer.send(new ProducerRecord<>(topic, "k", "v")).get(120, TimeUnit.SECONDS);
                Thread.sleep(20);
            }
            check(metric(producer, "successful-reauthentication-total") >= 2, "at least two re-authentications: " + metric(producer, "successful-reauthentication-total"));
            check(metric(producer, "failed-reauthentication-total") == 0, "none failed");
            check(metric(producer, "failed-authentication-total") == 0, "none failed");
        }
    }

    private static double metric(KafkaProducer<?, ?> producer, String name) {
        return producer.metrics().values().stream().filter(it -> it.metricName().name().equals(name)).mapToDouble(it -> ((Number) ((Metric) it).metricValue()).doubleValue()).sum();
    }

    /** Each is one ticket and many authenticators, of which no two may be taken for one. */
    private void many() throws Exception {
        for (int i = 0; i < 40; i++) {
            try (Admin admin = Admin.create(login("KERBEROS", i % 2 == 0 ? "alice" : "bob"))) {
                admin.describeCluster().clusterId().get(120, TimeUnit.SECONDS);
            }
        }
    }

    /** Bytes that are no token, where a token is due; then a client that knows better. */
    private void strangers() throws Exception {
        byte[] handshake = {0, 0, 0, 18, 0, 17, 0, 1, 0, 0, 0, 1, 0, 0, 0, 6, 'G', 'S', 'S', 'A', 'P', 'I'};
        for (int i = 0; i < 50; i++) {
            try (Socket s = new Socket("localhost", Integer.parseInt(ports.get("KERBEROS")))) {
                s.setSoTimeout(60_000);
                s.getOutputStream().write(handshake);
                byte[] size = s.getInputStream().readNBytes(4);
                s.getInputStream().readNBytes(((size[2] & 0xff) << 8) | (size[3] & 0xff));
                byte[] token = new byte[i * 3];
                new java.util.Random(i).nextBytes(token);
                if (token.length > 0) token[0] = 0x60;
                byte[] head = {0, 0, 0, (byte) (14 + token.length), 0, 36, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, (byte) token.length};
                s.getOutputStream().write(head);
                s.getOutputStream().write(token);
                byte[] answer = s.getInputStream().readAllBytes();
                check(answer.length == 0 || (answer.length > 10 && answer[9] == 58), "SASL_AUTHENTICATION_FAILED, then the end: " + answer.length);
            }
        }
        produceAndConsume(login("KERBEROS", "alice"));
    }
}
