// Writes golden.txt: what Apache Kafka answers to each request that comes in the middle of a SASL exchange. A line for each API, version and sample:
// name, version, request, answer (bodies alone, in hexadecimal); `none` where there is no answer, `refused` where Kafka reads no such request.
//   java -cp "$KAFKA/libs/*" Golden.java > golden.txt

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.IllegalSaslStateException;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.*;

public class Golden {
    /** Whether arrays and texts are there where they may be null. */
    static boolean isFull;
    static int drawn;

    static void fill(Object target, Schema schema) throws ReflectiveOperationException {
        for (BoundField f : schema.fields()) {
            if (f.def.type instanceof TaggedFields tagged) {
                for (Field t : new TreeMap<>(tagged.fields()).values()) field(target, t.name, t.type);
            } else {
                field(target, f.def.name, f.def.type);
            }
        }
    }

    static void field(Object target, String name, Type type) throws ReflectiveOperationException {
        for (Method m : target.getClass().getMethods()) {
            if (m.getParameterCount() == 1 && m.getName().equalsIgnoreCase("set" + name.replace("_", ""))) {
                m.invoke(target, value(type, m.getParameterTypes()[0], m.getGenericParameterTypes()[0]));
                return;
            }
        }
        throw new IllegalStateException(target.getClass() + " has no setter for " + name);
    }

    static Object value(Type type, Class<?> c, java.lang.reflect.Type generic) throws ReflectiveOperationException {
        if (type.isNullable() && !isFull) return null;
        if (type.isArray()) return array(type, c, generic);
        drawn++;
        if (c == boolean.class || c == Boolean.class) return true;
        // Resources, operations, patterns and permissions of entries: all have a 3.
        if (c == byte.class || c == Byte.class) return (byte) 3;
        if (c == short.class || c == Short.class) return (short) drawn;
        if (c == int.class || c == Integer.class) return drawn;
        if (c == long.class || c == Long.class) return (long) drawn;
        if (c == double.class) return (double) drawn;
        if (c == Uuid.class) return new Uuid(drawn, drawn);
        if (c == String.class) return "n" + drawn;
        if (c == byte[].class) return new byte[] {(byte) drawn};
        if (c == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {(byte) drawn});
        if (c.getName().endsWith("BaseRecords")) return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {(byte) drawn}));
        Object nested = c.getConstructor().newInstance();
        fill(nested, (Schema) type);
        return nested;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object array(Type type, Class<?> c, java.lang.reflect.Type generic) throws ReflectiveOperationException {
        boolean isList = generic instanceof ParameterizedType;
        Collection out = isList ? new ArrayList() : (Collection) c.getConstructor().newInstance();
        java.lang.reflect.Type element = ((ParameterizedType) (isList ? generic : c.getGenericSuperclass())).getActualTypeArguments()[0];
        for (int n = 0; n < 2; n++) {
            Class<?> of = (Class<?>) (element instanceof ParameterizedType p ? p.getRawType() : element);
            out.add(value(type.arrayElementType().orElseThrow(), of, element));
        }
        return out;
    }

    static String hex(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(b), cache, version);
        return HexFormat.of().formatHex(b.array());
    }

    static String answer(ApiKeys key, short version, String request) {
        var why = new IllegalSaslStateException("Unexpected Kafka request of type " + key + " during SASL authentication.");
        try {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(request));
            AbstractResponse response = AbstractRequest.parseRequest(key, version, new ByteBufferAccessor(bytes)).request.getErrorResponse(why);
            return response == null ? "none" : hex(response.data(), version);
        } catch (RuntimeException e) {
            System.err.println(key + " " + version + ": " + e);
            return "refused";
        }
    }

    public static void main(String[] args) throws Exception {
        for (ApiKeys key : ApiKeys.values()) {
            for (short version = key.oldestVersion(); version <= key.latestVersion(); version++) {
                String last = "";
                for (boolean full : new boolean[] {true, false}) {
                    isFull = full;
                    drawn = 0;
                    ApiMessage message = key.messageType.newRequest();
                    fill(message, key.messageType.requestSchemas()[version]);
                    String request = hex(message, version);
                    if (!request.equals(last)) System.out.println(key.messageType.name + "\t" + version + "\t" + request + "\t" + answer(key, version, request));
                    last = request;
                }
            }
        }
    }
}
