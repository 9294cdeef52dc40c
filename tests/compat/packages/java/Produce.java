import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Produce BOOTSTRAP TOPIC FILE PER_SECOND: sends (i32 length, key, i32 length, value)* with zstd and idempotence; says how far it is; fails on any error. */
public final class Produce {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("enable.idempotence", "true");
        p.put("acks", "all");
        p.put("compression.type", "zstd");
        p.put("linger.ms", "20");
        p.put("batch.size", "65536");
        p.put("request.timeout.ms", "5000");
        p.put("delivery.timeout.ms", "180000");
        p.put("max.block.ms", "180000");
        p.put("reconnect.backoff.max.ms", "500");
        long perSecond = Long.parseLong(args[3]), began = System.nanoTime();
        AtomicLong acked = new AtomicLong();
        AtomicReference<Exception> failure = new AtomicReference<>();
        long n = 0;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
             DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(args[2])), 1 << 20))) {
            while (failure.get() == null) {
                byte[] key, value;
                try {
                    key = new byte[in.readInt()];
                } catch (EOFException e) {
                    break;
                }
                in.readFully(key);
                value = new byte[in.readInt()];
                in.readFully(value);
                producer.send(new ProducerRecord<>(args[1], key, value), (m, e) -> {
                    if (e != null) failure.compareAndSet(null, e);
                    else acked.incrementAndGet();
                });
                if (++n % 200 == 0) {
                    System.out.println("ACKED " + acked.get());
                    System.out.flush();
                    long due = began + n * 1_000_000_000L / perSecond - System.nanoTime();
                    if (due > 0) Thread.sleep(due / 1_000_000, (int) (due % 1_000_000));
                }
            }
        }
        if (failure.get() != null) {
            failure.get().printStackTrace();
            System.exit(1);
        }
        System.out.println("DONE " + acked.get());
    }
}
