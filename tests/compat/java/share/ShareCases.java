import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.ShareConsumer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** What the cases of share groups (KIP-932) share. */
abstract class ShareCases extends Cases {
    /** How long records are awaited: less than the lock of {@link DeliveryCases}.close lasts. */
    static final int RECORDS_S = 45;

    ShareCases(String bootstrap, Admin admin) {
        super(bootstrap, admin);
    }

    @Override void settled(String name) throws Exception {
        settledForGroups(name);
    }

    ShareConsumer<String, String> share(String group, Object... pairs) {
        Properties p = properties(bootstrap, "group.id", group, "metadata.max.age.ms", "500", "retry.backoff.ms", "20");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], String.valueOf(pairs[i + 1]));
        return new KafkaShareConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    ShareConsumer<String, String> explicit(String group, Object... pairs) {
        Object[] all = new Object[pairs.length + 2];
        all[0] = "share.acknowledgement.mode";
        all[1] = "explicit";
        System.arraycopy(pairs, 0, all, 2, pairs.length);
        return share(group, all);
    }

    /** A name of a group that reads topics from their beginning; more of its configuration in pairs. */
    String group(String... pairs) throws Exception {
        String g = unique("s");
        set(g, "share.auto.offset.reset", "earliest");
        for (int i = 0; i < pairs.length; i += 2) set(g, pairs[i], pairs[i + 1]);
        return g;
    }

    void set(String g, String key, String value) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.GROUP, g);
        get(admin.incrementalAlterConfigs(Map.of(r, List.of(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all());
        eventually(key + " is set", () -> value.equals(get(admin.describeConfigs(List.of(r)).values().get(r)).get(key).value()));
    }

    /** Polls once until something comes. */
    static List<ConsumerRecord<String, String>> some(ShareConsumer<String, String> c) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(RECORDS_S);
        while (got.isEmpty()) {
            check(System.nanoTime() < end, "nothing within " + RECORDS_S + " s");
            c.poll(Duration.ofMillis(200)).forEach(got::add);
        }
        return got;
    }

    /** Polls (which acknowledges what came before, if that is implicit) until all of these values were seen; what came, in order. */
    static List<ConsumerRecord<String, String>> until(ShareConsumer<String, String> c, Set<String> values) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        Set<String> left = new HashSet<>(values);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(RECORDS_S);
        while (!left.isEmpty()) {
            check(System.nanoTime() < end, "not within " + RECORDS_S + " s: " + left.size() + " of " + values.size());
            c.poll(Duration.ofMillis(200)).forEach(r -> {
                got.add(r);
                left.remove(r.value());
            });
        }
        return got;
    }

    static Set<String> vs(int from, int to) {
        return new HashSet<>(numbered("v", from, to));
    }

    /** Nothing comes for a moment. */
    static void quiet(ShareConsumer<String, String> c) {
        quiet(c, r -> true);
    }

    static void quiet(ShareConsumer<String, String> c, Predicate<ConsumerRecord<String, String>> which) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(700);
        while (System.nanoTime() < end)
            for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100))) check(!which.test(r), "unexpected " + r.value() + " (" + r.deliveryCount().orElse((short) 0) + ")");
    }

    /** All that is in the partition has been accepted, rejected or archived. */
    void settled(String g, String t, int p) throws Exception {
        eventually("nothing is left of " + t + "-" + p, () -> {
            var i = get(admin.listShareGroupOffsets(Map.of(g, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(g)).get(tp(t, p));
            return i != null && i.lag().orElse(-1L) == 0;
        });
    }

    long startOffset(String g, String t, int p) throws Exception {
        var i = get(admin.listShareGroupOffsets(Map.of(g, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(g)).get(tp(t, p));
        return i == null ? -1 : i.startOffset();
    }
}
