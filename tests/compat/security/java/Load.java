import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;

/** Well-behaved clients at work: a producer, and a consumer in a group, until they are closed. Whatever they see as an error is kept. */
final class Load implements AutoCloseable {
    private final Queue<String> errors = new ConcurrentLinkedQueue<>();
    private final AtomicInteger acked = new AtomicInteger();
    private final AtomicInteger received = new AtomicInteger();
    private final KafkaProducer<String, String> out;
    private final KafkaConsumer<String, String> in;
    private final Thread sender;
    private final Thread reader;
    private volatile boolean over;
    private volatile double reauthentications;

    Load(Properties p, String topic) {
        out = SecureCases.producerOf(p);
        in = SecureCases.consumerOf(p, topic);
        sender = new Thread(() -> {
            for (int i = 0; !over; i++) {
                out.send(new ProducerRecord<>(topic, "v" + i), (m, e) -> {
                    if (e != null) errors.add("send: " + e);
                    else acked.incrementAndGet();
                });
                pause(2);
            }
            out.flush();
        });
        reader = new Thread(() -> {
            in.subscribe(List.of(topic));
            try {
                long end = 0;
                while (end == 0 || received.get() < acked.get() && System.nanoTime() < end) {
                    received.addAndGet(in.poll(Duration.ofMillis(50)).count());
                    in.commitSync();
                    if (over && end == 0 && !sender.isAlive()) end = System.nanoTime() + Cases.WAIT_S * 1_000_000_000L;
                }
                reauthentications += metric(in.metrics(), "successful-reauthentication-total");
            } catch (Throwable e) {
                errors.add("poll: " + e);
            }
            in.close();
        });
        sender.start();
        reader.start();
    }

    static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    static double metric(Map<MetricName, ? extends Metric> metrics, String name) {
        return metrics.values().stream().filter(m -> m.metricName().name().equals(name)).mapToDouble(m -> (Double) m.metricValue()).sum();
    }

    /** How often the clients have logged in again. */
    double reauthenticated() {
        return metric(out.metrics(), "successful-reauthentication-total") + metric(in.metrics(), "successful-reauthentication-total");
    }

    int acked() {
        return acked.get();
    }

    Queue<String> errors() {
        return errors;
    }

    /** Ends the work; then every record that was acknowledged must have come, and nobody saw an error. How often the clients logged in again. */
    double finish() throws Exception {
        over = true;
        sender.join();
        reader.join();
        reauthentications += metric(out.metrics(), "successful-reauthentication-total");
        Cases.checkEquals(List.of(), List.copyOf(errors));
        Cases.check(acked.get() > 100, "only " + acked.get() + " records");
        Cases.checkEquals(acked.get(), received.get());
        return reauthentications;
    }

    @Override
    public void close() {
        over = true;
        try {
            sender.join(60_000);
            reader.join(60_000);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        out.close(Duration.ofSeconds(1));
    }
}
