import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** Numbers that are the same in ../program/src/digest.rs: a seeded generator, and a hash (FNV-1a) over what was seen. */
final class Digest {
    static final class Random {
        private long state;

        Random(long seed) {
            state = seed;
        }

        long below(long bound) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            return (state >>> 33) % bound;
        }

        byte[] bytes(long length, long values) {
            byte[] b = new byte[(int) length];
            for (int i = 0; i < b.length; i++) b[i] = (byte) below(values);
            return b;
        }
    }

    private long hash = 0xcbf29ce484222325L;

    private void step(int b) {
        hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
    }

    Digest number(long value) {
        for (int shift = 56; shift >= 0; shift -= 8) step((int) (value >>> shift));
        return this;
    }

    Digest bytes(byte[] bytes) {
        if (bytes == null) return number(-1);
        number(bytes.length);
        for (byte b : bytes) step(b);
        return this;
    }

    Digest record(ConsumerRecord<byte[], byte[]> r) {
        number(r.partition()).number(r.offset()).number(r.timestamp()).bytes(r.key()).bytes(r.value());
        for (Header h : r.headers()) bytes(h.key().getBytes(StandardCharsets.UTF_8)).bytes(h.value());
        return this;
    }

    String hex() {
        return String.format("%016x", hash);
    }

    static String of(List<ConsumerRecord<byte[], byte[]>> records) {
        List<ConsumerRecord<byte[], byte[]>> sorted = new ArrayList<>(records);
        sorted.sort(Comparator.comparing((ConsumerRecord<byte[], byte[]> r) -> r.topic()).thenComparing(r -> r.partition()).thenComparing(r -> r.offset()));
        Digest d = new Digest();
        sorted.forEach(d::record);
        return sorted.size() + " records, " + d.hex();
    }
}
