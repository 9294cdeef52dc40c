import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.AbstractCollection;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Random values for the fields that one version of a message has, set through the setters of Kafka's generated classes. */
final class Fill {
    enum Mood { DEFAULTS, FULL, RANDOM }

    private final Random random;
    private final Mood mood;
    private int depth = 0;
    /** Bounds a sample: nested arrays multiply. */
    private int left = 400;

    Fill(long seed, Mood mood) {
        this.random = new Random(seed);
        this.mood = mood;
    }

    void struct(Object target, Schema schema) throws ReflectiveOperationException {
        if (mood == Mood.DEFAULTS) {
            return;
        }
        depth++;
        for (BoundField f : schema.fields()) {
            if (f.def.type instanceof TaggedFields tagged) {
                for (Field t : new TreeMap<>(tagged.fields()).values()) {
                    if (mood == Mood.FULL || random.nextInt(3) > 0) field(target, t.name, t.type);
                }
            } else if (mood == Mood.FULL || random.nextInt(8) > 0 || f.def.type == Type.RECORDS || f.def.type == Type.COMPACT_RECORDS) {
                // now and then a field keeps its default; records that must be there have none
                field(target, f.def.name, f.def.type);
            }
        }
        depth--;
    }

    private void field(Object target, String name, Type type) throws ReflectiveOperationException {
        Method setter = setter(target.getClass(), name);
        java.lang.reflect.Type wanted = setter.getGenericParameterTypes()[0];
        setter.invoke(target, value(type, setter.getParameterTypes()[0], wanted));
    }

    /** Schemas have snake case, classes camel case; abbreviations differ, so compare without case and underscores. */
    private static Method setter(Class<?> c, String name) {
        String want = "set" + name.replace("_", "");
        for (Method m : c.getMethods()) {
            if (m.getParameterCount() == 1 && m.getName().equalsIgnoreCase(want)) return m;
        }
        throw new IllegalStateException(c + " has no setter for " + name);
    }

    private Object value(Type type, Class<?> c, java.lang.reflect.Type generic) throws ReflectiveOperationException {
        left--;
        if (type.isNullable() && mood == Mood.RANDOM && random.nextInt(4) == 0) return null;
        if (type.isArray()) return array(type, c, generic);
        if (c == boolean.class) return random.nextBoolean();
        if (c == byte.class) return (byte) number(8);
        if (c == short.class) return (short) number(16);
        // uint16 is an int and uint32 a long in these classes
        if (c == int.class) return type == Type.UINT16 ? (int) (number(16) & 0xffff) : (int) number(32);
        if (c == long.class) return type == Type.UNSIGNED_INT32 ? number(32) & 0xffffffffL : number(64);
        if (c == double.class) return random.nextInt(4) == 0 ? 0.0 : random.nextGaussian() * 1e9;
        if (c == Uuid.class) return random.nextInt(6) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        if (c == String.class) return string();
        if (c == byte[].class) return bytes();
        if (c == ByteBuffer.class) return ByteBuffer.wrap(bytes());
        if (c.getName().endsWith("BaseRecords")) return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        Object nested = c.getConstructor().newInstance();
        struct(nested, schemaOf(type, c));
        return nested;
    }

    private static Schema schemaOf(Type type, Class<?> c) {
        if (type instanceof Schema s) return s;
        throw new IllegalStateException("no schema for " + c + " in " + type);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private Object array(Type type, Class<?> c, java.lang.reflect.Type generic) throws ReflectiveOperationException {
        Type element = type.arrayElementType().orElseThrow();
        Collection out;
        Class<?> elementClass;
        java.lang.reflect.Type elementGeneric;
        if (generic instanceof ParameterizedType p) {
            out = new ArrayList();
            elementGeneric = p.getActualTypeArguments()[0];
            elementClass = unboxed(elementGeneric instanceof ParameterizedType q ? (Class<?>) q.getRawType() : (Class<?>) elementGeneric);
        } else if (AbstractCollection.class.isAssignableFrom(c)) {
            // ImplicitLinkedHashMultiCollection<E>
            out = (Collection) c.getConstructor().newInstance();
            elementGeneric = ((ParameterizedType) c.getGenericSuperclass()).getActualTypeArguments()[0];
            elementClass = (Class<?>) elementGeneric;
        } else {
            throw new IllegalStateException("array of " + c);
        }
        for (int n = count(element instanceof Schema); n > 0 && left > 0; n--) out.add(value(element, elementClass, elementGeneric));
        return out;
    }

    private static Class<?> unboxed(Class<?> c) {
        return Map.of(Boolean.class, boolean.class, Byte.class, byte.class, Short.class, short.class, Integer.class, int.class, Long.class, long.class,
            Double.class, (Class<?>) double.class).entrySet().stream().filter(e -> e.getKey() == c).<Class<?>>map(Map.Entry::getValue).findFirst().orElse(c);
    }

    /** Mostly few; sometimes none; sometimes so many that the count needs two bytes as a varint. */
    private int count(boolean structs) {
        int r = random.nextInt(20);
        if (mood == Mood.FULL) return 2;
        if (r < 3) return 0;
        if (r == 19 && (!structs || depth == 1)) return 127 + random.nextInt(5);
        return 1 + random.nextInt(depth > 2 ? 2 : 4);
    }

    private long number(int bits) {
        return switch (random.nextInt(8)) {
            case 0 -> 0;
            case 1 -> -1;
            case 2 -> 1;
            case 3 -> 1L << bits - 1;          // smallest
            case 4 -> (1L << bits - 1) - 1;    // largest
            case 5 -> random.nextInt(300) - 150;
            default -> random.nextLong();
        };
    }

    private String string() {
        int r = random.nextInt(12);
        if (r == 0) return "";
        int n = r == 1 ? 120 + random.nextInt(20) : r == 2 ? 300 : 1 + random.nextInt(16);
        StringBuilder s = new StringBuilder();
        List<String> odd = List.of("é", "ß", "日", "本", "😀", "\u0000", "ÿ", "\u2028");
        for (int i = 0; i < n; i++) {
            if (random.nextInt(10) == 0) s.append(odd.get(random.nextInt(odd.size())));
            else s.append((char) ('a' + random.nextInt(26)));
        }
        return s.toString();
    }

    private byte[] bytes() {
        int r = random.nextInt(10);
        byte[] b = new byte[r == 0 ? 0 : r == 1 ? 127 + random.nextInt(3) : r == 2 ? 16384 + random.nextInt(9) : random.nextInt(40)];
        random.nextBytes(b);
        return b;
    }
}
