import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;

/**
 * Every message of every version of Apache Kafka 4.3.1, filled with seeded random values by Kafka's own classes.
 *
 * <pre>
 * CodecProof write FILE SEEDS     writes the samples
 * CodecProof check FILE ANSWER    ANSWER holds, for every sample of FILE and in its order, what the other side read and wrote again
 * </pre>
 *
 * The file, all numbers big-endian:
 *
 * <pre>
 * 8 bytes   magic "OTTLACP1"
 * then samples until the end of the file:
 *   u16     length of the name
 *   bytes   name of the message as in schema/*.txt (ProduceRequest, RequestHeader, TopicRecord, OffsetCommitKey, VotersRecord ...)
 *   i16     version
 *   i64     seed
 *   i32     length of the body; in an ANSWER also -1: this sample was not read or not written, the text that follows says why
 *   bytes   the message encoded at that version: no frame size, no header, no version prefix, no API key
 *   (only after length -1)  i32 length, bytes: the reason in UTF-8
 * </pre>
 *
 * The other side reads each body (every byte of it), encodes what it read at the same version, and must come out at the same bytes. No body
 * holds unknown tagged fields. Fields of type records hold random bytes, not batches.
 */
public final class CodecProof {
    static final byte[] MAGIC = "OTTLACP1".getBytes(StandardCharsets.US_ASCII);

    /** One generated class and the schemas of its versions. */
    record Kind(String name, Class<? extends ApiMessage> type, Schema[] schemas) {
        ApiMessage make() throws ReflectiveOperationException {
            return type.getConstructor().newInstance();
        }
    }

    record Sample(String name, short version, long seed, byte[] body, String error) { }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "write" -> write(Path.of(args[1]), Integer.parseInt(args[2]));
            case "check" -> check(Path.of(args[1]), Path.of(args[2]));
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.out.println("DONE");
    }

    /** All generated messages of the jars on the class path that belong to the protocol or to Kafka's internal logs. */
    static Map<String, Kind> kinds() throws Exception {
        Map<String, Kind> found = new TreeMap<>();
        for (String path : System.getProperty("java.class.path").split(":")) {
            if (!path.matches(".*/kafka-[a-z-]+-[0-9.]+\\.jar") || path.contains("kafka-storage-")) continue;
            try (JarFile jar = new JarFile(path)) {
                for (Enumeration<JarEntry> e = jar.entries(); e.hasMoreElements(); ) {
                    String entry = e.nextElement().getName();
                    if (!entry.matches("org/apache/kafka/(common/message|common/metadata|raft/generated|coordinator/\\w+/generated)/\\w+\\.class")) continue;
                    Class<?> c = Class.forName(entry.replace('/', '.').replace(".class", ""), false, CodecProof.class.getClassLoader());
                    if (!ApiMessage.class.isAssignableFrom(c) || Modifier.isAbstract(c.getModifiers())) continue;
                    Field schemas = c.getField("SCHEMAS");
                    String name = c.getSimpleName().replaceFirst("(Request|Response|RequestHeader|ResponseHeader)Data$", "$1");
                    found.put(name, new Kind(name, c.asSubclass(ApiMessage.class), (Schema[]) schemas.get(null)));
                }
            }
        }
        return found;
    }

    static void write(Path file, int seeds) throws Exception {
        Map<String, Kind> kinds = kinds();
        int samples = 0, pairs = 0;
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
            out.write(MAGIC);
            for (Kind k : kinds.values()) {
                for (short version = 0; version < k.schemas().length; version++) {
                    if (k.schemas()[version] == null) continue;
                    pairs++;
                    for (int i = 0; i < seeds; i++) {
                        long seed = (long) k.name().hashCode() << 32 ^ (long) version << 16 ^ i;
                        ApiMessage message = k.make();
                        // the first sample has all defaults, the second everything set that can be
                        new Fill(seed, i == 0 ? Fill.Mood.DEFAULTS : i == 1 ? Fill.Mood.FULL : Fill.Mood.RANDOM).struct(message, k.schemas()[version]);
                        byte[] body = encode(message, version);
                        // the proof proves itself first: what Kafka wrote, Kafka reads
                        ApiMessage back = k.make();
                        ByteBuffer b = ByteBuffer.wrap(body);
                        back.read(new ByteBufferAccessor(b), version);
                        if (b.hasRemaining() || !back.equals(message) || !Arrays.equals(encode(back, version), body))
                            throw new IllegalStateException(k.name() + " v" + version + " seed " + seed + " is not read back by Kafka itself:\n" + message + "\n" + back);
                        put(out, k.name(), version, seed, body);
                        samples++;
                    }
                }
            }
        }
        System.out.println("messages " + kinds.size() + ", message versions " + pairs + ", samples " + samples + ", bytes " + Files.size(file));
    }

    static void put(DataOutputStream out, String name, short version, long seed, byte[] body) throws IOException {
        out.writeUTF(name); // u16 length and, for these names, ASCII
        out.writeShort(version);
        out.writeLong(seed);
        out.writeInt(body.length);
        out.write(body);
    }

    static byte[] encode(ApiMessage m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(b), cache, version);
        if (b.hasRemaining()) throw new IllegalStateException("size and write differ");
        return b.array();
    }

    static List<Sample> read(Path file) throws IOException {
        List<Sample> samples = new ArrayList<>();
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            byte[] magic = new byte[MAGIC.length];
            in.readFully(magic);
            if (!Arrays.equals(magic, MAGIC)) throw new IOException(file + ": not a file of samples");
            while (true) {
                String name;
                try {
                    name = in.readUTF();
                } catch (EOFException e) {
                    return samples;
                }
                short version = in.readShort();
                long seed = in.readLong();
                int length = in.readInt();
                byte[] body = null;
                String error = null;
                if (length >= 0) {
                    body = new byte[length];
                    in.readFully(body);
                } else {
                    byte[] text = new byte[in.readInt()];
                    in.readFully(text);
                    error = new String(text, StandardCharsets.UTF_8);
                }
                samples.add(new Sample(name, version, seed, body, error));
            }
        }
    }

    /** One line per message and version: PASS, or FAIL with the first difference. */
    static void check(Path file, Path answer) throws Exception {
        Map<String, Kind> kinds = kinds();
        List<Sample> sent = read(file), got = read(answer);
        Map<String, String> outcome = new TreeMap<>();
        for (int i = 0; i < sent.size(); i++) {
            Sample s = sent.get(i);
            String problem;
            if (i >= got.size()) problem = "the answer ends before it";
            else {
                Sample g = got.get(i);
                if (!g.name().equals(s.name()) || g.version() != s.version() || g.seed() != s.seed()) problem = "the answer has " + g.name() + " v" + g.version() + " in its place";
                else if (g.error() != null) problem = g.error();
                else problem = difference(kinds.get(s.name()), s, g);
            }
            String key = String.format("%s-v%02d", s.name(), s.version());
            outcome.merge(key, problem == null ? "" : "seed " + s.seed() + ": " + problem, (a, b) -> a.isEmpty() ? b : a);
        }
        if (got.size() > sent.size()) outcome.put("end-of-file", got.size() - sent.size() + " samples more than were sent");
        outcome.forEach((k, v) -> System.out.println(v.isEmpty() ? "PASS " + k : "FAIL " + k + ": " + v.replace('\n', ' ')));
    }

    static String difference(Kind kind, Sample sent, Sample got) throws Exception {
        ApiMessage a = kind.make(), b = kind.make();
        a.read(new ByteBufferAccessor(ByteBuffer.wrap(sent.body())), sent.version());
        try {
            ByteBuffer buffer = ByteBuffer.wrap(got.body());
            b.read(new ByteBufferAccessor(buffer), sent.version());
            if (buffer.hasRemaining()) return "Kafka reads it and leaves " + buffer.remaining() + " bytes";
        } catch (RuntimeException e) {
            return "Kafka does not read it: " + e;
        }
        if (!a.equals(b)) return "Kafka reads another message: sent " + a + " got " + b;
        int at = Arrays.mismatch(sent.body(), got.body());
        return at < 0 ? null : "same message, other bytes from " + at + " on";
    }
}
