import java.time.Duration;
import java.util.List;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;

/** The two applications. What must come out stands, worked out by other means, in world.py. */
final class Topologies {
    private Topologies() { }

    /** lines -> counts-out: every count of every word, 1, 2, 3... */
    static Topology words() {
        StreamsBuilder b = new StreamsBuilder();
        b.<String, String>stream("lines").flatMapValues(line -> List.of(line.split(" "))).groupBy((k, word) -> word)
            .count(Materialized.as("counts")).toStream().mapValues(n -> Long.toString(n)).to("counts-out");
        return b.build();
    }

    private static String field(String order, int n) {
        return order.split("\\|")[n];
    }

    /** orders `id|product|amount` by customer, payments by id, customers and limits (tables), products (a global table). */
    static Topology orders() {
        StreamsBuilder b = new StreamsBuilder();
        KStream<String, String> orders = b.stream("orders"), payments = b.stream("payments");
        KTable<String, String> customers = b.table("customers", Materialized.as("customers")), limits = b.table("limits");
        GlobalKTable<String, String> products = b.globalTable("products");

        customers.join(limits, (name, limit) -> name + "<" + limit).toStream().to("profiles-out");

        orders.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(10))).count(Materialized.with(Serdes.String(), Serdes.Long()))
            .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
            .toStream((w, n) -> w.key() + "@" + w.window().start()).mapValues(n -> Long.toString(n)).to("windows-out");

        var branches = orders.filterNot((k, v) -> k.startsWith("end-")).split(Named.as("is-"))
            .branch((k, v) -> Integer.parseInt(field(v, 2)) < 0, Branched.as("bad"))
            .branch((k, v) -> Integer.parseInt(field(v, 2)) >= 500, Branched.as("big"))
            .defaultBranch(Branched.as("small"));
        branches.get("is-bad").to("bad-out");
        branches.get("is-big").join(products, (k, v) -> field(v, 1), (v, product) -> v + "|" + product).to("big-out");
        branches.get("is-small").map((customer, v) -> new KeyValue<>(field(v, 0), v + "|" + customer))
            .join(payments, (order, payment) -> order + "|" + payment, JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), Duration.ofDays(1)))
            .map((id, v) -> new KeyValue<>(field(v, 3), v))
            .join(customers, (v, name) -> v + "|" + name).to("paid-out");
        return b.build();
    }
}
