import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
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

/** A member of a group that writes down what it gets: MixedMember BOOTSTRAP GROUP TOPIC [key=value ...] LOG. SIGTERM ends it. The log: ../../packages/suite.py. */
public final class MixedMember {
    private static volatile boolean stopped;
    private static BufferedWriter out;

    private static void say(String event, int partition, long offset, long crc) {
        Instant now = Instant.now();
        try {
            out.write((now.getEpochSecond() * 1_000_000_000L + now.getNano()) + " " + event + " " + partition + " " + offset + " " + crc + "\n");
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void each(String event, Collection<TopicPartition> partitions) {
        partitions.forEach(t -> say(event, t.partition(), -1, 0));
        try {
            out.flush();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("group.id", args[1]);
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        for (int i = 3; i < args.length - 1; i++) {
            String[] pair = args[i].split("=", 2);
            p.put(pair[0], pair[1]);
        }
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped = true;
            try {
                main.join(60_000);
            } catch (InterruptedException e) {
                // It ends anyway.
            }
        }));
        out = Files.newBufferedWriter(Path.of(args[args.length - 1]), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.subscribe(List.of(args[2]), new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    each("P", partitions);
                }

                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    each("V", partitions);
                }
            });
            while (!stopped) {
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(100))) {
                    CRC32 crc = new CRC32();
                    crc.update(r.key());
                    crc.update(r.value());
                    say("R", r.partition(), r.offset(), crc.getValue());
                    next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                next.forEach((t, at) -> say("C", t.partition(), at.offset(), 0));
                out.flush();
                if (next.isEmpty()) continue;
                try {
                    c.commitSync(next, Duration.ofSeconds(60));
                    next.forEach((t, at) -> say("A", t.partition(), at.offset(), 0));
                } catch (KafkaException e) {
                    System.err.println("commit: " + e);
                }
                out.flush();
            }
        }
        out.flush();
    }
}
