import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.zip.CRC32;

import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a consumer group that writes down what it gets: Member BOOTSTRAP GROUP TOPIC LOG. SIGTERM ends it. The log: packages/suite.py. */
public final class Member {
    private static volatile boolean stopped;
    private static BufferedWriter out;

    private static void say(String event, int partition, long offset, long crc) {
        try {
            out.write((System.currentTimeMillis() * 1_000_000L) + " " + event + " " + partition + " " + offset + " " + crc + "\n");
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        out = Files.newBufferedWriter(Path.of(args[3]), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped = true;
            try {
                main.join(60_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("group.id", args[1]);
        p.put("group.protocol", "classic");
        p.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        p.put("session.timeout.ms", "10000");
        p.put("heartbeat.interval.ms", "500");
        p.put("max.poll.records", "500");
        p.put("max.partition.fetch.bytes", "200000");
        p.put("reconnect.backoff.max.ms", "500");
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.subscribe(List.of(args[2]), new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> ps) {
                    ps.forEach(t -> say("P", t.partition(), -1, 0));
                }

                @Override public void onPartitionsRevoked(Collection<TopicPartition> ps) {
                    ps.forEach(t -> say("V", t.partition(), -1, 0));
                }
            });
            while (!stopped) {
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(300))) {
                    CRC32 crc = new CRC32();
                    crc.update(r.key());
                    crc.update(r.value());
                    say("R", r.partition(), r.offset(), crc.getValue());
                    next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                if (!next.isEmpty()) {
                    next.forEach((t, o) -> say("C", t.partition(), o.offset(), 0));
                    out.flush();
                    try {
                        c.commitSync(next, Duration.ofSeconds(60));
                        next.forEach((t, o) -> say("A", t.partition(), o.offset(), 0));
                    } catch (KafkaException e) {
                        System.err.println("commit: " + e);
                    }
                }
                out.flush();
            }
        }
        out.flush();
    }
}
