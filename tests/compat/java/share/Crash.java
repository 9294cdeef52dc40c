import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A member of a share group that takes 20 records and then dies: Crash BOOTSTRAP GROUP TOPIC. */
public final class Crash {
    public static void main(String[] args) {
        var c = new KafkaShareConsumer<>(Map.of("bootstrap.servers", args[0], "group.id", args[1], "share.acknowledgement.mode", "implicit", "max.poll.records", 500), new StringDeserializer(), new StringDeserializer());
        c.subscribe(List.of(args[2]));
        int n = 0;
        // A second poll would accept what the first one gave: take all at once, or die all the same.
        for (long end = System.nanoTime() + 60_000_000_000L; n == 0 && System.nanoTime() < end;) n += c.poll(Duration.ofMillis(500)).count();
        System.out.println("HELD");
        System.out.flush();
        Runtime.getRuntime().halt(1);
    }
}
