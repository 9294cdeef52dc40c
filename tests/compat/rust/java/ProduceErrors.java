import java.util.Properties;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producing: what is refused, and with which error. */
final class ProduceErrors {
    private final Lab lab;

    private ProduceErrors(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        ProduceErrors p = new ProduceErrors(lab);
        lab.add("produce_errors.sending", p::sending);
        lab.add("produce_errors.settings", p::settings);
    }

    private static String send(KafkaProducer<byte[], byte[]> p, ProducerRecord<byte[], byte[]> r) throws Exception {
        RecordMetadata m = p.send(r).get();
        return m.partition() + " " + (m.hasOffset() ? m.offset() : -1);
    }

    private void sending() throws Exception {
        String topic = lab.topic("refused", 2), small = lab.topic("refused-small", 1, "max.message.bytes", "1000");
        String compacted = lab.topic("refused-compacted", 1, "cleanup.policy", "compact"), timely = lab.topic("refused-late", 1, "message.timestamp.before.max.ms", "3600000");
        // Who waits for a topic or a partition to come waits in vain; all else is answered, when there is time for it.
        KafkaProducer<byte[], byte[]> p = lab.producer("max.request.size", 20000), impatient = lab.producer("max.block.ms", 700);
        String large = "x".repeat(30_000);
        lab.said("larger than a request", () -> send(p, Lab.plain(topic, 0, large)));
        lab.said("larger than the topic allows", () -> send(p, Lab.plain(small, 0, large.substring(0, 5000))));
        lab.said("no such partition", () -> send(impatient, Lab.plain(topic, 9, "v")));
        lab.said("no such topic", () -> send(impatient, Lab.plain(lab.unique("nowhere"), 0, "v")));
        lab.said("a name that can't be", () -> send(p, Lab.plain("a b!", 0, "v")));
        lab.said("a negative partition", () -> send(p, Lab.plain(topic, -1, "v")));
        lab.said("a negative time", () -> send(p, new ProducerRecord<>(topic, 0, -5L, null, "v".getBytes())));
        lab.said("no key in a compacted topic", () -> send(p, Lab.plain(compacted, 0, "v")));
        lab.said("too old", () -> send(p, new ProducerRecord<>(timely, 0, Lab.BASE_MS, null, "v".getBytes())));
        lab.said("after all that", () -> send(p, Lab.numbered(topic, 1, 0)));
        lab.said("partitions", () -> p.partitionsFor(topic).size());
        lab.done("partitions of nothing", () -> impatient.partitionsFor(lab.unique("nowhere")));
        impatient.close();
        p.close();
        lab.said("after closing", () -> send(p, Lab.numbered(topic, 0, 0)));
        Properties unreachable = lab.properties("max.block.ms", 500, "bootstrap.servers", "127.0.0.1:1");
        try (KafkaProducer<byte[], byte[]> q = new KafkaProducer<>(unreachable, new ByteArraySerializer(), new ByteArraySerializer())) {
            lab.said("nobody there", () -> send(q, Lab.numbered(topic, 0, 0)));
        }
    }

    private void settings() {
        Object[][] wrong = {
            {"acks", "2"},
            {"acks", "1", "enable.idempotence", "true"},
            {"batch.size", "-1"},
            {"batch.size", "many"},
            {"linger.ms", "-1"},
            {"compression.type", "brotli"},
            {"compression.gzip.level", "10"},
            {"compression.zstd.level", "23"},
            {"compression.lz4.level", "0"},
            {"delivery.timeout.ms", "10"},
            {"enable.idempotence", "maybe"},
            {"max.in.flight.requests.per.connection", "6"},
            {"max.in.flight.requests.per.connection", "0"},
            {"retries", "0", "enable.idempotence", "true"},
            {"transactional.id", "t", "enable.idempotence", "false"},
            {"transactional.id", "t", "acks", "0"},
            {"transactional.id", "t", "transaction.two.phase.commit.enable", "true", "transaction.timeout.ms", "5"},
            {"buffer.memory", "-2"},
            {"request.timeout.ms", "-1"},
            {"metadata.recovery.strategy", "hope"},
            {"client.dns.lookup", "never"},
            {"security.protocol", "NONE"},
        };
        for (Object[] settings : wrong) {
            String text;
            try {
                lab.producer(settings).close();
                text = "accepted";
            } catch (Throwable e) {
                Throwable t = e;
                while (!(t instanceof ConfigException) && t.getCause() != null) t = t.getCause();
                text = t instanceof ConfigException ? t.getMessage() : "not of the settings: " + t;
            }
            lab.say(Lab.text(settings) + ": " + text.replace('\n', ' '));
        }
    }
}
