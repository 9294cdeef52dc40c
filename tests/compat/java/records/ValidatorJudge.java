import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;

import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.DefaultRecord;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * Compares Ottla's validation of batches with that of Apache Kafka's own {@link LogValidator}.
 *
 * <pre>
 * cargo test -p ottla-protocol --lib -- --ignored --nocapture cases_for_java > FILE
 * java -cp 'KAFKA/*' ValidatorJudge.java FILE
 * </pre>
 *
 * KAFKA is a folder with kafka-storage 4.3.1 and what it needs. The lines, see {@code judge_test.rs}:
 *
 * <pre>
 * case ID ORIGIN TIMESTAMP-TYPE BEFORE-MS AFTER-MS COMPACTED CODEC NOW-MS MAX-BYTES BATCH-HEX ANSWER
 * </pre>
 *
 * where ANSWER is {@code ok:HEX} with the batch to be stored, or {@code err:CODE:INDEX,INDEX...}. Base offset 100, leader
 * epoch 7. A batch that Kafka rebuilt must hold the same, for compressors differ; any other must be the same bytes.
 */
public final class ValidatorJudge {
    static final long BASE_OFFSET = 100;
    static final int LEADER_EPOCH = 7;
    static final TopicPartition PARTITION = new TopicPartition("topic", 0);

    static final class Silent implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    }

    record FixedTime(long milliseconds) implements Time {
        public long nanoseconds() {
            return 0;
        }
        public void sleep(long ms) { }
        public void waitObject(Object obj, Supplier<Boolean> condition, long deadlineMs) { }
    }

    public static void main(String[] args) throws IOException {
        for (String line : Files.readAllLines(Path.of(args[0]), StandardCharsets.UTF_8)) {
            int start = line.indexOf("case ");
            String[] words = start < 0 ? new String[0] : line.substring(start).split(" ");
            if (words.length != 12)
                continue;
            String kafka = judge(words);
            if (same(kafka, words[11]))
                System.out.println("PASS case-" + words[1]);
            else
                System.out.println("FAIL case-" + words[1] + ": Kafka says " + kafka + " to " + line.substring(start));
        }
        System.out.println("DONE");
    }

    static String judge(String[] words) {
        byte[] bytes = HexFormat.of().parseHex(words[10]);
        AppendOrigin origin = switch (words[2]) {
            case "client" -> AppendOrigin.CLIENT;
            case "coordinator" -> AppendOrigin.COORDINATOR;
            default -> AppendOrigin.RAFT_LEADER;
        };
        try {
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
            if (origin == AppendOrigin.CLIENT)
                ProduceRequest.validateRecords((short) 12, records);
            int maxBytes = Integer.parseInt(words[9]);
            CompressionType source = analyze(records, origin, maxBytes);
            records = whole(records);
            Compression target = words[7].equals("producer") ? Compression.of(source).build()
                : Compression.of(words[7]).build();
            LogValidator validator = new LogValidator(records, PARTITION, new FixedTime(Long.parseLong(words[8])), source,
                target, words[6].equals("true"), RecordBatch.CURRENT_MAGIC_VALUE,
                words[3].equals("LogAppendTime") ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
                Long.parseLong(words[4]), Long.parseLong(words[5]), LEADER_EPOCH, origin);
            LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(
                PrimitiveRef.ofLong(BASE_OFFSET), new Silent(), BufferSupplier.NO_CACHING);
            ByteBuffer stored = result.validatedRecords().buffer().duplicate();
            if (result.messageSizeMaybeChanged() && stored.remaining() > maxBytes)
                throw new RecordTooLargeException();
            byte[] out = new byte[stored.remaining()];
            stored.get(out);
            return "ok:" + HexFormat.of().formatHex(out);
        } catch (RecordValidationException e) {
            String indexes = e.recordErrors().stream().map(r -> "" + r.batchIndex).collect(Collectors.joining(","));
            return "err:" + Errors.forException(e.invalidException()) + ":" + indexes;
        } catch (RuntimeException e) {
            return "err:" + Errors.forException(e) + ":";
        }
    }

    /** What {@code UnifiedLog.analyzeAndValidateRecords} does, which cannot be called alone. */
    static CompressionType analyze(MemoryRecords records, AppendOrigin origin, int maxBytes) {
        CompressionType source = CompressionType.NONE;
        for (MutableRecordBatch batch : records.batches()) {
            if (origin == AppendOrigin.RAFT_LEADER && batch.partitionLeaderEpoch() != LEADER_EPOCH)
                throw new InvalidRecordException("epoch");
            if (origin == AppendOrigin.CLIENT && batch.baseOffset() != 0)
                throw new InvalidRecordException("base offset");
            if (batch.sizeInBytes() > maxBytes)
                throw new RecordTooLargeException();
            if (!batch.isValid())
                throw new CorruptRecordException("crc");
            if (batch.compressionType() != CompressionType.NONE)
                source = batch.compressionType();
        }
        return source;
    }

    /** Without what is cut off at the end ({@code UnifiedLog.trimInvalidBytes}). */
    static MemoryRecords whole(MemoryRecords records) {
        ByteBuffer buffer = records.buffer().duplicate();
        buffer.limit(records.validBytes());
        return MemoryRecords.readableRecords(buffer);
    }

    static boolean same(String kafka, String ottla) {
        if (kafka.equals(ottla))
            return true;
        if (!kafka.startsWith("ok:") || !ottla.startsWith("ok:"))
            return false;
        MutableRecordBatch a = only(kafka);
        MutableRecordBatch b = only(ottla);
        return a.compressionType() == b.compressionType() && a.compressionType() != CompressionType.NONE && b.isValid()
            && describe(a).equals(describe(b));
    }

    static MutableRecordBatch only(String ok) {
        byte[] bytes = HexFormat.of().parseHex(ok.substring(3));
        Iterator<MutableRecordBatch> batches = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches().iterator();
        return batches.next();
    }

    static List<Object> describe(MutableRecordBatch batch) {
        List<Object> all = new ArrayList<>(List.of(batch.baseOffset(), batch.lastOffset(), batch.partitionLeaderEpoch(),
            batch.timestampType(), batch.isTransactional(), batch.isControlBatch(), batch.deleteHorizonMs(),
            batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.countOrNull()));
        for (Record record : batch) {
            DefaultRecord r = (DefaultRecord) record;
            all.addAll(Arrays.asList(r.offset(), r.timestamp(), r.sequence(), r.key(), r.value(), r.attributes()));
            all.add(Arrays.toString(r.headers()));
        }
        return all;
    }
}
