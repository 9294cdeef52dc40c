import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Future;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Producing: where records go, and what their bytes are. */
final class Produce {
    private final Lab lab;

    private Produce(Lab lab) {
        this.lab = lab;
    }

    static void add(Lab lab) {
        Produce p = new Produce(lab);
        lab.add("produce.partition_by_key", p::partitionByKey);
        lab.add("produce.bytes", p::bytes);
        lab.add("produce.compressed_bytes", p::compressedBytes);
        lab.add("produce.acks", p::acks);
        lab.add("produce.headers_and_nulls", p::headersAndNulls);
        lab.add("produce.round_robin", p::roundRobin);
        lab.add("produce.append_time", p::appendTime);
        lab.add("produce.compression_levels", p::compressionLevels);
        lab.add("produce.idempotent_bytes", p::idempotentBytes);
    }

    private void partitionByKey() throws Exception {
        String topic = lab.topic("keys", 7);
        Digest digest = new Digest();
        int[] counts = new int[7];
        try (KafkaProducer<byte[], byte[]> p = lab.producer("linger.ms", 20)) {
            Digest.Random random = new Digest.Random(11);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 2000; i++) {
                long length = random.below(40);
                sent.add(p.send(new ProducerRecord<>(topic, random.bytes(length, 256), null)));
            }
            for (Future<RecordMetadata> f : sent) {
                digest.number(f.get().partition());
                counts[f.get().partition()]++;
            }
        }
        lab.say(Arrays.toString(counts) + " " + digest.hex());
    }

    private static List<ProducerRecord<byte[], byte[]>> seeded(String topic, int count, int valueLength, int values) {
        Digest.Random random = new Digest.Random(count);
        List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long keyLength = random.below(30);
            byte[] key = keyLength > 3 ? random.bytes(keyLength, 256) : null;
            long length = random.below(valueLength);
            byte[] value = length > 2 ? random.bytes(length, values) : null;
            List<Header> headers = new ArrayList<>();
            long n = random.below(4);
            for (int h = 0; h < n; h++) {
                long headerLength = random.below(20);
                headers.add(new RecordHeader("h" + h, headerLength > 1 ? random.bytes(headerLength, 256) : null));
            }
            all.add(new ProducerRecord<>(topic, 0, Lab.BASE_MS + i * 37L - random.below(100), key, value, headers));
        }
        return all;
    }

    private void sendAll(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        Digest digest = new Digest();
        try (producer) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> r : records) sent.add(producer.send(r));
            producer.flush();
            for (Future<RecordMetadata> f : sent) {
                RecordMetadata m = f.get();
                digest.number(m.hasOffset() ? m.offset() : -1).number(m.timestamp()).number(m.serializedKeySize()).number(m.serializedValueSize());
            }
        }
        lab.say("written " + digest.hex());
    }

    private void bytes() throws Exception {
        String topic = lab.topic("bytes-plain", 1);
        List<ProducerRecord<byte[], byte[]>> records = seeded(topic, 400, 2000, 256);
        ProducerRecord<byte[], byte[]> r = records.get(200);
        records.set(200, new ProducerRecord<>(topic, 0, r.timestamp(), r.key(), new Digest.Random(5).bytes(100_000, 256), r.headers()));
        sendAll(lab.producer("enable.idempotence", false, "linger.ms", 60000), records);
    }

    private void idempotentBytes() throws Exception {
        String topic = lab.topic("bytes-once", 1);
        sendAll(lab.producer("linger.ms", 60000, "batch.size", 4000), seeded(topic, 300, 900, 256));
    }

    private void compressedBytes() throws Exception {
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            String topic = lab.topic("bytes-" + codec, 1);
            sendAll(lab.producer("enable.idempotence", false, "linger.ms", 60000, "batch.size", 900000, "compression.type", codec), seeded(topic, 300, 1500, 9));
        }
    }

    private void acks() throws Exception {
        String topic = lab.topic("acks", 1);
        int count = 0;
        for (String acks : List.of("0", "1", "all")) {
            try (KafkaProducer<byte[], byte[]> p = lab.producer("acks", acks); KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
                for (int i = 0; i < 3; i++) {
                    RecordMetadata m = p.send(Lab.numbered(topic, 0, i)).get();
                    lab.say("acks=" + acks + ": " + m.partition() + " " + (m.hasOffset() ? m.offset() : -1) + " " + m.timestamp());
                }
                c.assign(List.of(Lab.tp(topic, 0)));
                lab.say(Digest.of(Lab.drain(c, count += 3)));
            }
        }
    }

    private static String quoted(byte[] b) {
        return b == null ? "null" : "'" + new String(b, StandardCharsets.UTF_8) + "'";
    }

    private void headersAndNulls() throws Exception {
        String topic = lab.topic("nulls", 1);
        byte[] v = "v".getBytes();
        try (KafkaProducer<byte[], byte[]> p = lab.producer(); KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            p.send(new ProducerRecord<byte[], byte[]>(topic, 0, Long.valueOf(Lab.BASE_MS), (byte[]) null, (byte[]) null)).get();
            p.send(new ProducerRecord<>(topic, 0, Lab.BASE_MS, new byte[0], new byte[0])).get();
            p.send(new ProducerRecord<>(topic, 0, Lab.BASE_MS, null, v, List.of(new RecordHeader("a", "1".getBytes()), new RecordHeader("a", (byte[]) null), new RecordHeader("", new byte[0])))).get();
            p.send(new ProducerRecord<>(topic, 0, Lab.BASE_MS, "grün".getBytes(StandardCharsets.UTF_8), v, List.of(new RecordHeader("ключ", "✓".getBytes(StandardCharsets.UTF_8))))).get();
            c.assign(List.of(Lab.tp(topic, 0)));
            for (ConsumerRecord<byte[], byte[]> r : Lab.drain(c, 4)) {
                List<String> headers = new ArrayList<>();
                for (Header h : r.headers()) headers.add(h.key() + "=" + quoted(h.value()));
                lab.say(r.offset() + " " + r.timestamp() + " " + quoted(r.key()) + " " + quoted(r.value()) + " [" + String.join(",", headers) + "] " + r.timestampType() + " " + r.leaderEpoch().orElse(-1));
            }
        }
    }

    private void roundRobin() throws Exception {
        String topic = lab.topic("turns", 3);
        int[] counts = new int[3];
        try (KafkaProducer<byte[], byte[]> p = lab.producer("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner")) {
            for (int i = 0; i < 12; i++) counts[p.send(new ProducerRecord<>(topic, ("k" + i).getBytes(), ("v" + i).getBytes())).get().partition()]++;
        }
        lab.say(Arrays.toString(counts));
    }

    private void appendTime() throws Exception {
        String topic = lab.topic("appended", 1, "message.timestamp.type", "LogAppendTime");
        try (KafkaProducer<byte[], byte[]> p = lab.producer(); KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            RecordMetadata m = p.send(Lab.numbered(topic, 0, 0)).get();
            c.assign(List.of(Lab.tp(topic, 0)));
            List<ConsumerRecord<byte[], byte[]>> records = Lab.drain(c, 1);
            boolean same = records.stream().allMatch(r -> r.timestamp() == m.timestamp());
            lab.say("later " + (m.timestamp() > Lab.BASE_MS + 1000) + " same " + same + " " + records.get(0).timestampType());
        }
    }

    private void compressionLevels() throws Exception {
        String topic = lab.topic("levels", 1);
        String[][] levels = {{"gzip", "1"}, {"gzip", "9"}, {"lz4", "1"}, {"lz4", "17"}, {"zstd", "-5"}, {"zstd", "19"}};
        for (String[] l : levels) sendAll(lab.producer("compression.type", l[0], "compression." + l[0] + ".level", l[1], "linger.ms", 50), seeded(topic, 100, 500, 7));
        try (KafkaConsumer<byte[], byte[]> c = lab.consumer()) {
            c.assign(List.of(Lab.tp(topic, 0)));
            lab.say(Digest.of(Lab.drain(c, 600)));
        }
    }
}
