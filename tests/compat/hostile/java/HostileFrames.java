import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.FetchRequestData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.Utils;

/**
 * What a broken, careless or hostile peer may send: HostileFrames FILE COUNT SEED TOPIC. The file: (u8 kind, i32 length, bytes to send)*.
 */
public final class HostileFrames {
    enum Kind { NOISE, SIZED_NOISE, HUGE_LENGTH, TRUNCATED, MUTATED, COUNT_BOMB, RANDOM_REQUEST, OTHER_PROTOCOL, BROKEN_BATCH, TRAILING, ODD_HEADER, ODD_FETCH }

    /** An unsecured node does what it is told: these would rightly change the cluster that the good client works with. */
    private static final Set<ApiKeys> LEFT_OUT = Set.of(ApiKeys.UPDATE_FEATURES, ApiKeys.UNREGISTER_BROKER, ApiKeys.ADD_RAFT_VOTER, ApiKeys.REMOVE_RAFT_VOTER, ApiKeys.UPDATE_RAFT_VOTER);

    private static Random random;
    private static String topic;
    private static Map<String, CodecProof.Kind> kinds;
    private static final List<ApiKeys> KEYS = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        random = new Random(Long.parseLong(args[2]));
        topic = args[3];
        kinds = CodecProof.kinds();
        for (ApiKeys k : ApiKeys.clientApis()) if (!LEFT_OUT.contains(k)) KEYS.add(k);
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(args[0]))))) {
            for (int i = Integer.parseInt(args[1]); i > 0; i--) {
                Kind kind = Kind.values()[random.nextInt(Kind.values().length)];
                byte[] frame = frame(kind);
                out.writeByte(kind.ordinal());
                out.writeInt(frame.length);
                out.write(frame);
            }
        }
        System.out.println("DONE");
    }

    private static byte[] noise(int most) {
        byte[] b = new byte[random.nextInt(most)];
        random.nextBytes(b);
        return b;
    }

    private static byte[] sized(byte[] body) {
        return ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).array();
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] r = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, r, a.length, b.length);
        return r;
    }

    private static byte[] frame(Kind kind) throws Exception {
        return switch (kind) {
            case NOISE -> noise(2000);
            case SIZED_NOISE -> sized(noise(2000));
            case HUGE_LENGTH -> {
                int[] lengths = {Integer.MAX_VALUE, Integer.MIN_VALUE, -1, 0, 1, 104857600, 104857601, 50_000_000};
                byte[] some = random.nextBoolean() ? request() : noise(500);
                ByteBuffer.wrap(some.length < 4 ? some = new byte[8] : some).putInt(lengths[random.nextInt(lengths.length)]);
                yield some;
            }
            case TRUNCATED -> {
                byte[] r = request();
                yield Arrays.copyOf(r, 4 + random.nextInt(r.length - 4));
            }
            case MUTATED -> mutate(request());
            case COUNT_BOMB -> bomb(request());
            case RANDOM_REQUEST -> request();
            case OTHER_PROTOCOL -> other();
            case BROKEN_BATCH -> produce();
            case TRAILING -> {
                byte[] r = request();
                yield sized(join(Arrays.copyOfRange(r, 4, r.length), noise(200)));
            }
            case ODD_HEADER -> {
                byte[] r = request();
                ByteBuffer.wrap(r).putShort(4, (short) (random.nextBoolean() ? random.nextInt() : random.nextInt(100))).putShort(6, (short) (random.nextBoolean() ? random.nextInt() : random.nextInt(20)));
                yield LEFT_OUT.stream().anyMatch(k -> k.id == ByteBuffer.wrap(r).getShort(4)) ? noise(100) : r;
            }
            case ODD_FETCH -> fetch();
        };
    }

    /** A whole frame: a valid header and a valid body of random values. */
    private static byte[] request() throws Exception {
        ApiKeys key = KEYS.get(random.nextInt(KEYS.size()));
        short version = (short) (key.oldestVersion() + random.nextInt(key.latestVersion() - key.oldestVersion() + 1));
        CodecProof.Kind k = kinds.get(key.messageType.newRequest().getClass().getSimpleName().replaceFirst("Data$", ""));
        ApiMessage m = k.make();
        new Fill(random.nextLong(), Fill.Mood.RANDOM).struct(m, k.schemas()[version]);
        return request(key, version, m);
    }

    private static byte[] request(ApiKeys key, short version, ApiMessage m) {
        RequestHeaderData h = new RequestHeaderData().setRequestApiKey(key.id).setRequestApiVersion(version).setCorrelationId(random.nextInt()).setClientId("hostile");
        return sized(join(CodecProof.encode(h, key.requestHeaderVersion(version)), CodecProof.encode(m, version)));
    }

    private static byte[] mutate(byte[] frame) {
        for (int n = 1 + random.nextInt(10); n > 0 && frame.length > 22; n--) frame[22 + random.nextInt(frame.length - 22)] = (byte) random.nextInt();
        return frame;
    }

    /** Somewhere in the body a count or a length becomes enormous, in one of the three ways in which it may be written. */
    private static byte[] bomb(byte[] frame) {
        if (frame.length < 34) return frame;
        int at = 22 + random.nextInt(frame.length - 30);
        switch (random.nextInt(3)) {
            case 0 -> ByteBuffer.wrap(frame).putInt(at, random.nextBoolean() ? Integer.MAX_VALUE : 0x7fffff00);
            case 1 -> System.arraycopy(new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, 7}, 0, frame, at, 5);
            default -> System.arraycopy(new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff}, 0, frame, at, 6);
        }
        return frame;
    }

    private static byte[] other() {
        String[] greetings = {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST /topics HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "SSH-2.0-OpenSSH_9.2\r\n", "EHLO localhost\r\n", "*1\r\n$4\r\nPING\r\n", "\0\0\0\0"};
        if (random.nextInt(3) > 0) return greetings[random.nextInt(greetings.length)].getBytes(StandardCharsets.US_ASCII);
        // the beginning of a TLS 1.2 ClientHello
        byte[] hello = join(new byte[] {0x16, 3, 1, 0, (byte) 200, 1, 0, 0, (byte) 196, 3, 3}, noise(190));
        return hello;
    }

    /** A batch for a topic that is there, with something wrong in it. */
    private static byte[] produce() {
        Compression[] codecs = {Compression.NONE, Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build()};
        SimpleRecord[] records = new SimpleRecord[1 + random.nextInt(20)];
        for (int i = 0; i < records.length; i++) records[i] = new SimpleRecord(random.nextBoolean() ? 1_700_000_000_000L : random.nextLong() >>> 1, noise(30), noise(300));
        ByteBuffer batch = ByteBuffer.wrap(Utils.toArray(MemoryRecords.withRecords(codecs[random.nextInt(codecs.length)], records).buffer()));
        switch (random.nextInt(6)) {
            case 0 -> batch.put(16, (byte) random.nextInt());                                      // magic
            case 1 -> batch.putInt(8, random.nextBoolean() ? Integer.MAX_VALUE : random.nextInt());  // batch length
            case 2 -> batch.putInt(57, random.nextInt());                                           // count of records
            case 3 -> batch.putInt(17, random.nextInt());                                           // CRC
            case 4 -> batch.put(61 + random.nextInt(batch.limit() - 61), (byte) random.nextInt());
            default -> batch.limit(random.nextInt(batch.limit()));
        }
        if (random.nextBoolean() && batch.limit() > 61) {
            // what is wrong comes with a right checksum
            byte[] all = batch.array();
            batch.putInt(17, (int) org.apache.kafka.common.utils.Crc32C.compute(all, 21, batch.limit() - 21));
        }
        var partition = new ProduceRequestData.PartitionProduceData().setIndex(random.nextInt(3)).setRecords(MemoryRecords.readableRecords(batch));
        var data = new ProduceRequestData().setAcks((short) (random.nextInt(4) - 1)).setTimeoutMs(1000);
        data.topicData().add(new ProduceRequestData.TopicProduceData().setName(topic).setPartitionData(List.of(partition)));
        return request(ApiKeys.PRODUCE, (short) (3 + random.nextInt(10)), data);
    }

    /** Fetches with odd limits and offsets from a topic that is there. */
    private static byte[] fetch() {
        int[] odd = {0, 1, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, 1000};
        var partition = new FetchRequestData.FetchPartition().setPartition(random.nextInt(3)).setFetchOffset(random.nextBoolean() ? random.nextInt(50) : random.nextLong()).setPartitionMaxBytes(odd[random.nextInt(odd.length)]);
        var data = new FetchRequestData().setMaxWaitMs(random.nextInt(100)).setMinBytes(odd[random.nextInt(odd.length)]).setMaxBytes(odd[random.nextInt(odd.length)]).setReplicaId(-1)
            .setTopics(List.of(new FetchRequestData.FetchTopic().setTopic(topic).setPartitions(List.of(partition))));
        short version = (short) (4 + random.nextInt(9));
        if (version >= 7) data.setSessionId(random.nextInt()).setSessionEpoch(random.nextInt(4) - 1);
        return request(ApiKeys.FETCH, version, data);
    }
}
