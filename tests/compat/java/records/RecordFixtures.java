import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.apache.kafka.common.utils.CloseableIterator;

/**
 * Record batches of Apache Kafka's own classes for Ottla to read, and a reader of Ottla's.
 *
 * <pre>
 * java -cp 'KAFKA/*' RecordFixtures.java write FOLDER   writes the fixtures of crates/protocol/src/records/fixtures
 * cargo test -p ottla-protocol --lib -- --ignored --nocapture records_for_java > FILE
 * java -cp 'KAFKA/*' RecordFixtures.java check FILE      reads lines "batch NAME HEX", says PASS or FAIL of each
 * </pre>
 *
 * KAFKA is a folder with kafka-clients 4.3.1 and its codecs (lz4-java, snappy-java, zstd-jni). What records there are in a
 * batch is written down twice, here and in {@code fixtures_test.rs}; names that end in "large" have the large ones.
 */
public final class RecordFixtures {
    static final long TIME = 1_700_000_000_000L;
    static final long PRODUCER_ID = 4711;
    static final short PRODUCER_EPOCH = 3;
    /** So close to the end that the sequence wraps within the batch. */
    static final int BASE_SEQUENCE = Integer.MAX_VALUE - 7;
    static final Uuid DIRECTORY = new Uuid(0x0102030405060708L, 0x1112131415161718L);

    record Expected(long timestamp, byte[] key, byte[] value, Header[] headers) { }

    public static void main(String[] args) throws IOException {
        if (args.length == 2 && args[0].equals("write")) {
            write(Path.of(args[1]));
        } else if (args.length == 2 && args[0].equals("check")) {
            check(Path.of(args[1]));
        } else {
            System.err.println("usage: RecordFixtures write FOLDER | check FILE");
            System.exit(2);
        }
    }

    static List<Expected> small() {
        Expected[] all = new Expected[20];
        for (int i = 0; i < all.length; i++) {
            byte[] key = i % 5 == 0 ? null : ("key-" + i).getBytes(StandardCharsets.UTF_8);
            byte[] value = null;
            if (i % 7 != 3) {
                value = new byte[i * 13];
                for (int j = 0; j < value.length; j++)
                    value[j] = (byte) ((i * 31 + j * 7) % 251);
            }
            Header[] headers = i % 4 != 1 ? new Header[0] : new Header[] {
                new RecordHeader("n", new byte[] {(byte) i}),
                new RecordHeader("", null),
                new RecordHeader("\u043a\u043b\u044e\u0447", new byte[0]),
            };
            all[i] = new Expected(TIME + i * 37 % 101, key, value, headers);
        }
        return Arrays.asList(all);
    }

    static List<Expected> large() {
        Expected[] all = new Expected[3];
        for (int i = 0; i < all.length; i++) {
            byte[] value = new byte[60_000];
            for (int j = 0; j < value.length; j++)
                value[j] = (byte) ('a' + (j / 64 + i) * 7 % 26);
            all[i] = new Expected(TIME + i, null, value, new Header[0]);
        }
        return Arrays.asList(all);
    }

    static void write(Path folder) throws IOException {
        Files.createDirectories(folder);
        save(folder, "none", batch(Compression.NONE, small()));
        save(folder, "gzip", batch(Compression.gzip().build(), small()));
        save(folder, "gzip-9", batch(Compression.gzip().level(9).build(), small()));
        save(folder, "snappy", batch(Compression.snappy().build(), small()));
        save(folder, "lz4", batch(Compression.lz4().build(), small()));
        save(folder, "lz4-17", batch(Compression.lz4().level(17).build(), small()));
        save(folder, "zstd", batch(Compression.zstd().build(), small()));
        save(folder, "zstd-22", batch(Compression.zstd().level(22).build(), small()));
        save(folder, "gzip-large", batch(Compression.gzip().build(), large()));
        save(folder, "snappy-large", batch(Compression.snappy().build(), large()));
        save(folder, "lz4-large", batch(Compression.lz4().build(), large()));
        save(folder, "zstd-large", batch(Compression.zstd().build(), large()));
        writeSpecial(folder);
        writeControl(folder);
    }

    static void writeSpecial(Path folder) throws IOException {
        MemoryRecordsBuilder appended = new MemoryRecordsBuilder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2,
            Compression.zstd().build(), TimestampType.LOG_APPEND_TIME, 1000, TIME + 5000, RecordBatch.NO_PRODUCER_ID,
            RecordBatch.NO_PRODUCER_EPOCH, RecordBatch.NO_SEQUENCE, false, false, 9, 1 << 16);
        save(folder, "log-append-time", fill(appended, small()));

        MemoryRecordsBuilder horizon = new MemoryRecordsBuilder(new ByteBufferOutputStream(ByteBuffer.allocate(1 << 16)),
            RecordBatch.MAGIC_VALUE_V2, Compression.NONE, TimestampType.CREATE_TIME, 50, RecordBatch.NO_TIMESTAMP,
            PRODUCER_ID, PRODUCER_EPOCH, BASE_SEQUENCE, true, false, 9, 1 << 16, TIME + 86_400_000);
        save(folder, "delete-horizon", fill(horizon, small()));

        ByteBuffer empty = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        DefaultRecordBatch.writeEmptyHeader(empty, RecordBatch.MAGIC_VALUE_V2, PRODUCER_ID, PRODUCER_EPOCH, 17, 100, 109, 9,
            TimestampType.CREATE_TIME, TIME, true, false);
        empty.flip();
        save(folder, "empty", MemoryRecords.readableRecords(empty));

        for (byte magic = 0; magic <= 1; magic++) {
            MemoryRecordsBuilder old = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), magic, Compression.NONE,
                magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, 0);
            old.append(TIME, "key".getBytes(StandardCharsets.UTF_8), "value".getBytes(StandardCharsets.UTF_8));
            save(folder, "magic-" + magic, old.build());
        }
    }

    static void writeControl(Path folder) throws IOException {
        save(folder, "commit", MemoryRecords.withEndTransactionMarker(77, TIME, 9, PRODUCER_ID, PRODUCER_EPOCH,
            new EndTransactionMarker(ControlRecordType.COMMIT, 12)));
        save(folder, "abort", MemoryRecords.withEndTransactionMarker(77, TIME, 9, PRODUCER_ID, PRODUCER_EPOCH,
            new EndTransactionMarker(ControlRecordType.ABORT, -1)));
        save(folder, "leader-change", MemoryRecords.withLeaderChangeMessage(5, TIME, 9, ByteBuffer.allocate(1024),
            new LeaderChangeMessage().setLeaderId(1)
                .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))
                .setGrantingVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))));
        save(folder, "snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0, TIME, 9, ByteBuffer.allocate(1024),
            new SnapshotHeaderRecord().setLastContainedLogTimestamp(TIME)));
        save(folder, "snapshot-footer", MemoryRecords.withSnapshotFooterRecord(3, TIME, 9, ByteBuffer.allocate(1024),
            new SnapshotFooterRecord()));
        save(folder, "kraft-version", MemoryRecords.withKRaftVersionRecord(1, TIME, 9, ByteBuffer.allocate(1024),
            new KRaftVersionRecord().setKRaftVersion((short) 1)));
        VotersRecord.Endpoint endpoint = new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(9093);
        VotersRecord.EndpointCollection endpoints = new VotersRecord.EndpointCollection();
        endpoints.add(endpoint);
        save(folder, "voters", MemoryRecords.withVotersRecord(2, TIME, 9, ByteBuffer.allocate(1024),
            new VotersRecord().setVoters(List.of(new VotersRecord.Voter().setVoterId(1).setVoterDirectoryId(DIRECTORY)
                .setEndpoints(endpoints)
                .setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature().setMinSupportedVersion((short) 0)
                    .setMaxSupportedVersion((short) 1))))));
    }

    /** A batch as an idempotent producer sends it. */
    static MemoryRecords batch(Compression compression, List<Expected> records) {
        return fill(MemoryRecords.builder(ByteBuffer.allocate(1 << 16), compression, 0, PRODUCER_ID, PRODUCER_EPOCH,
            BASE_SEQUENCE, false), records);
    }

    static MemoryRecords fill(MemoryRecordsBuilder builder, List<Expected> records) {
        for (Expected r : records)
            builder.append(r.timestamp, r.key == null ? null : ByteBuffer.wrap(r.key),
                r.value == null ? null : ByteBuffer.wrap(r.value), r.headers);
        return builder.build();
    }

    static void save(Path folder, String name, MemoryRecords records) throws IOException {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(folder.resolve(name + ".bin"), bytes);
        System.out.println(name + ": " + bytes.length + " bytes");
    }

    static void check(Path lines) throws IOException {
        for (String line : Files.readAllLines(lines, StandardCharsets.UTF_8)) {
            int start = line.indexOf("batch ");
            String[] words = start < 0 ? new String[0] : line.substring(start).split(" ");
            if (words.length != 3)
                continue;
            try {
                checkBatch(words[1], ByteBuffer.wrap(HexFormat.of().parseHex(words[2])));
                System.out.println("PASS " + words[1]);
            } catch (RuntimeException | AssertionError e) {
                System.out.println("FAIL " + words[1] + ": " + e);
            }
        }
        System.out.println("DONE");
    }

    static void checkBatch(String name, ByteBuffer bytes) {
        List<Expected> expected = name.endsWith("large") ? large() : small();
        int batches = 0;
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            batches++;
            batch.ensureValid();
            require(batch.sizeInBytes() == bytes.limit(), "size");
            require(batch.countOrNull() == expected.size(), "count");
            boolean appendTime = batch.timestampType() == TimestampType.LOG_APPEND_TIME;
            int i = 0;
            try (CloseableIterator<Record> records = batch.streamingIterator(BufferSupplier.NO_CACHING)) {
                while (records.hasNext()) {
                    Record r = records.next();
                    Expected e = expected.get(i);
                    require(r.offset() == batch.baseOffset() + i, "offset of " + i);
                    require(r.timestamp() == (appendTime ? batch.maxTimestamp() : e.timestamp), "timestamp of " + i);
                    require(Arrays.equals(array(r.key()), e.key), "key of " + i);
                    require(Arrays.equals(array(r.value()), e.value), "value of " + i);
                    require(Arrays.equals(r.headers(), e.headers), "headers of " + i);
                    i++;
                }
            }
            require(i == expected.size(), "records");
        }
        require(batches == 1, "batches");
    }

    static byte[] array(ByteBuffer buffer) {
        if (buffer == null)
            return null;
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    static void require(boolean right, String what) {
        if (!right)
            throw new AssertionError("wrong " + what);
    }
}
