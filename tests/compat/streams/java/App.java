import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * One process of two Kafka Streams applications, `PREFIX-words` and `PREFIX-orders`: App BOOTSTRAP PROTOCOL PREFIX STATE-FOLDER.
 * Says `PORT n` and answers questions there: /state, /counts (what its own store holds), /owners (who has which key), /groups. SIGTERM closes both.
 */
public final class App {
    private final String bootstrap, protocol, prefix;
    private final HttpServer server;
    private KafkaStreams words, orders;

    private App(String bootstrap, String protocol, String prefix) throws IOException {
        this.bootstrap = bootstrap;
        this.protocol = protocol;
        this.prefix = prefix;
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(2));
    }

    public static void main(String[] args) throws Exception {
        App app = new App(args[0], args[1], args[2]);
        app.words = app.start("words", args[3], Topologies.words());
        app.orders = app.start("orders", args[3], Topologies.orders());
        app.serve();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean closed = app.words.close(Duration.ofSeconds(90)) & app.orders.close(Duration.ofSeconds(90));
            System.out.println(closed ? "CLOSED" : "NOT CLOSED");
            System.out.flush();
        }));
    }

    private int port() {
        return server.getAddress().getPort();
    }

    private KafkaStreams start(String name, String folder, Topology topology) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("application.id", prefix + "-" + name);
        p.put("application.server", "127.0.0.1:" + port());
        p.put("group.protocol", protocol);
        p.put("state.dir", folder);
        p.put("processing.guarantee", "exactly_once_v2");
        p.put("commit.interval.ms", "100");
        p.put("statestore.cache.max.bytes", "0"); // every update is a record
        p.put("default.key.serde", Serdes.StringSerde.class.getName());
        p.put("default.value.serde", Serdes.StringSerde.class.getName());
        p.put("replication.factor", "1");
        p.put("num.standby.replicas", "1");
        p.put("max.warmup.replicas", "2");
        p.put("probing.rebalance.interval.ms", "60000");
        p.put("state.cleanup.delay.ms", "600000");
        p.put("consumer.auto.offset.reset", "earliest");
        // Who is dead must be given up, but not who stands still on a busy machine.
        p.put("producer.transaction.timeout.ms", "10000");
        if (protocol.equals("classic")) {
            p.put("consumer.session.timeout.ms", "10000");
            p.put("consumer.heartbeat.interval.ms", "500");
        }
        for (String client : List.of("consumer.", "producer.", "admin.", "")) {
            p.put(client + "reconnect.backoff.ms", "50");
            p.put(client + "reconnect.backoff.max.ms", "300");
        }
        KafkaStreams s = new KafkaStreams(topology, p);
        s.setUncaughtExceptionHandler(e -> {
            System.out.println("FAILED " + name + ": " + e);
            e.printStackTrace(System.out);
            System.out.flush();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        s.start();
        return s;
    }

    private void serve() {
        answer("/state", () -> words.state() + " " + orders.state());
        answer("/counts", this::counts);
        answer("/owners", () -> counts().lines().map(l -> l.split("=")[0]).map(k -> {
            var m = words.queryMetadataForKey("counts", k, Serdes.String().serializer());
            return k + "=" + m.activeHost().port();
        }).collect(Collectors.joining("\n")));
        answer("/groups", this::groups);
        server.start();
        System.out.println("PORT " + port());
        System.out.flush();
    }

    private String counts() {
        ReadOnlyKeyValueStore<String, Long> store = words.store(StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.keyValueStore()));
        StringBuilder b = new StringBuilder();
        try (var all = store.all()) {
            all.forEachRemaining(kv -> b.append(kv.key).append('=').append(kv.value).append('\n'));
        }
        return b.toString().strip();
    }

    /** Per application: kind of group, its state, number of members. */
    private String groups() throws Exception {
        StringBuilder b = new StringBuilder();
        try (Admin admin = Admin.create(java.util.Map.of("bootstrap.servers", bootstrap))) {
            for (String name : List.of(prefix + "-words", prefix + "-orders")) {
                if (protocol.equals("streams")) {
                    var d = admin.describeStreamsGroups(List.of(name)).describedGroups().get(name).get();
                    b.append("streams ").append(d.groupState()).append(' ').append(d.members().size()).append(' ').append(d.subtopologies().size()).append('\n');
                } else {
                    var d = admin.describeClassicGroups(List.of(name)).describedGroups().get(name).get();
                    b.append(d.protocol()).append(' ').append(GroupState.parse(d.state().toString())).append(' ').append(d.members().size()).append('\n');
                }
            }
        }
        return b.toString().strip();
    }

    private interface Question {
        String answer() throws Exception;
    }

    /** The answer, or 503 and the error as text. */
    private void answer(String path, Question q) {
        server.createContext(path, (HttpExchange e) -> {
            String text;
            int code = 200;
            try {
                text = q.answer();
            } catch (Exception x) {
                text = x.toString();
                code = 503;
            }
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            e.sendResponseHeaders(code, bytes.length == 0 ? -1 : bytes.length);
            e.getResponseBody().write(bytes);
            e.close();
        });
    }
}
