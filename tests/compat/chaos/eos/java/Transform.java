import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.List;
import java.util.Random;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The same as transform.py, by Java's clients: Transform BOOTSTRAP GROUP TRANSACTIONAL-ID SEED IN OUT. */
public final class Transform {
    private static volatile boolean stopped;

    public static void main(String[] args) {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped = true;
            try {
                main.join(60_000);
            } catch (InterruptedException e) {
                // It ends anyway.
            }
        }));
        Map<String, Object> common = Map.of("bootstrap.servers", args[0], "reconnect.backoff.ms", 20, "reconnect.backoff.max.ms", 200, "retry.backoff.ms", 20);
        Map<String, Object> producing = new HashMap<>(common), consuming = new HashMap<>(common);
        producing.putAll(Map.of("transactional.id", args[2], "linger.ms", 1, "transaction.timeout.ms", 10_000, "max.block.ms", 20_000));
        consuming.putAll(Map.of("group.id", args[1], "isolation.level", "read_committed", "enable.auto.commit", false, "auto.offset.reset", "earliest", "session.timeout.ms", 5000,
            "heartbeat.interval.ms", 200, "max.poll.interval.ms", 20_000, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"));
        Random dice = new Random(Long.parseLong(args[3]));
        try (var p = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer()); var c = new KafkaConsumer<>(consuming, new StringDeserializer(), new StringDeserializer())) {
            p.initTransactions();
            c.subscribe(List.of(args[4]));
            while (!stopped) once(c, p, args[5], dice);
        } catch (Throwable e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(3);
        }
    }

    private static void once(KafkaConsumer<String, String> c, KafkaProducer<String, String> p, String out, Random dice) {
        ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(100));
        if (records.isEmpty()) return;
        boolean abort = dice.nextInt(5) == 0;
        p.beginTransaction();
        try {
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            for (ConsumerRecord<String, String> r : records) {
                p.send(new ProducerRecord<>(out, r.key(), (abort ? "aborted " : "") + r.value()));
                next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
            }
            p.sendOffsetsToTransaction(next, c.groupMetadata());
            if (!abort) {
                commit(p);
                return;
            }
            p.flush();
        } catch (org.apache.kafka.common.errors.ProducerFencedException | org.apache.kafka.common.errors.InvalidProducerEpochException e) {
            throw e;
        } catch (KafkaException e) {
            // The abort says whether it could be helped.
        }
        p.abortTransaction();
        var committed = c.committed(c.assignment());
        for (TopicPartition t : c.assignment()) c.seek(t, committed.get(t) == null ? 0 : committed.get(t).offset());
    }

    /** After a time-out the same call waits on. */
    private static void commit(KafkaProducer<String, String> p) {
        while (true) {
            try {
                p.commitTransaction();
                return;
            } catch (TimeoutException e) {
                // Again.
            }
        }
    }
}
