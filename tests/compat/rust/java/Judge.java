import java.io.File;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.FileLogInputStream;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Judge (NAME SEGMENT SEGMENT)...: whether two segments that got the same records hold the same batches. Uncompressed ones must have the same bytes,
 * but for the producer's id and epoch and the checksum over them; of others the headers and the records must be the same.
 */
public final class Judge {
    private static final int CRC = 17, PRODUCER_ID = 43, PRODUCER_ID_AND_EPOCH = 10;

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 3) {
            String difference = difference(batches(args[i + 1]), batches(args[i + 2]));
            System.out.println(difference == null ? "PASS " + args[i] : "FAIL " + args[i] + ": " + difference);
        }
        System.out.println("DONE");
    }

    private static List<FileLogInputStream.FileChannelRecordBatch> batches(String file) throws Exception {
        List<FileLogInputStream.FileChannelRecordBatch> all = new ArrayList<>();
        for (var b : FileRecords.open(new File(file), false).batches()) all.add(b);
        return all;
    }

    private static String difference(List<FileLogInputStream.FileChannelRecordBatch> a, List<FileLogInputStream.FileChannelRecordBatch> b) {
        if (a.isEmpty()) return "no batch";
        for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
            String d = difference(a.get(i), b.get(i));
            if (d != null) return "batch " + i + " of " + a.size() + " and " + b.size() + ": " + d;
        }
        return a.size() == b.size() ? null : a.size() + " and " + b.size() + " batches";
    }

    private static String header(RecordBatch b) {
        return b.baseOffset() + ".." + b.lastOffset() + " " + b.compressionType() + " " + b.timestampType() + " max " + b.maxTimestamp() + " sequence " + b.baseSequence() + " " + b.hasProducerId() + " "
            + b.isTransactional() + " " + b.partitionLeaderEpoch() + " valid " + b.isValid();
    }

    private static String difference(FileLogInputStream.FileChannelRecordBatch a, FileLogInputStream.FileChannelRecordBatch b) {
        if (!header(a).equals(header(b))) return header(a) + " and " + header(b);
        if (a.compressionType() == CompressionType.NONE) return Arrays.equals(bytes(a), bytes(b)) ? null : header(a) + ", but other bytes";
        var records = b.iterator();
        for (Record r : a) {
            Record s = records.next();
            if (!r.equals(s) || !Objects.equals(Arrays.asList(r.headers()), Arrays.asList(s.headers())) || r.sizeInBytes() != s.sizeInBytes()) return r + " and " + s;
        }
        return records.hasNext() ? "more records" : null;
    }

    private static byte[] bytes(RecordBatch b) {
        ByteBuffer buffer = ByteBuffer.allocate(b.sizeInBytes());
        b.writeTo(buffer);
        byte[] bytes = buffer.array();
        if (b.hasProducerId()) {
            Arrays.fill(bytes, CRC, CRC + 4, (byte) 0);
            Arrays.fill(bytes, PRODUCER_ID, PRODUCER_ID + PRODUCER_ID_AND_EPOCH, (byte) 0);
        }
        return bytes;
    }
}
