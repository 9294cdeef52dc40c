import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs tools of Apache Kafka, one after the other, in this process. A request is a line: a class and its
 * arguments, each in base64, separated by blanks. The answer is a line: exit code, normal output and error
 * output, the latter two in base64. A tool that ends the process itself is answered as it does so, with `exit`
 * in place of the code, which is that of the process.
 *
 * Instead of a class a request may name `@produce` or `@consume`, which prepare a broker.
 */
public class ToolDriver {
    static final class Ended extends Error {
    }

    static final PrintStream ANSWERS = System.out;
    static ByteArrayOutputStream out;
    static ByteArrayOutputStream err;
    static volatile boolean busy;
    static Integer code;
    static byte[] outAtExit;
    static byte[] errAtExit;

    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure(ToolDriver::exit);
        Exit.setHaltProcedure(ToolDriver::exit);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (busy) {
                System.out.flush();
                System.err.flush();
                answer("exit", out.toByteArray(), err.toByteArray());
            }
        }));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        // Tools that read the normal input find it empty, as ours do, and not the next requests.
        System.setIn(InputStream.nullInputStream());
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            List<String> parts = new ArrayList<>();
            for (String part : line.split(" "))
                parts.add(new String(Base64.getDecoder().decode(part), StandardCharsets.UTF_8));
            run(parts.get(0), parts.subList(1, parts.size()).toArray(new String[0]));
        }
        Runtime.getRuntime().halt(0);
    }

    static void exit(int status, String message) {
        if (code == null) {
            System.out.flush();
            System.err.flush();
            code = status;
            outAtExit = out.toByteArray();
            errAtExit = err.toByteArray();
        }
        throw new Ended();
    }

    static void run(String name, String[] args) throws Exception {
        out = new ByteArrayOutputStream();
        err = new ByteArrayOutputStream();
        code = null;
        System.setOut(new PrintStream(out, false, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, false, StandardCharsets.UTF_8));
        busy = true;
        try {
            if (name.equals("@produce"))
                produce(args);
            else if (name.equals("@consume"))
                consume(args);
            else
                call(name, args);
        } catch (Ended ended) {
            // The code is known.
        } catch (Throwable uncaught) {
            System.err.print("Exception in thread \"main\" ");
            uncaught.printStackTrace();
            if (code == null)
                code = 1;
        }
        System.out.flush();
        System.err.flush();
        busy = false;
        if (outAtExit == null || code == null || errAtExit == null) {
            outAtExit = out.toByteArray();
            errAtExit = err.toByteArray();
        }
        answer(String.valueOf(code == null ? 0 : code), outAtExit, errAtExit);
        outAtExit = null;
        errAtExit = null;
    }

    static void answer(String status, byte[] output, byte[] errors) {
        Base64.Encoder encoder = Base64.getEncoder();
        ANSWERS.println(status + " " + encoder.encodeToString(output) + " " + encoder.encodeToString(errors));
        ANSWERS.flush();
    }

    static void call(String name, String[] args) throws Throwable {
        Method main = Class.forName(name).getMethod("main", String[].class);
        try {
            main.invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** bootstrap topic partition count: records with times 1000, 2000, ... */
    static void produce(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (int i = 1; i <= Integer.parseInt(args[3]); i++)
                producer.send(new ProducerRecord<>(args[1], Integer.parseInt(args[2]), i * 1000L, "k" + i, "v" + i)).get();
        }
    }

    /** bootstrap group topic protocol client-id [instance]: a member that stays, once it has partitions. */
    static void consume(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", args[1]);
        properties.put("group.protocol", args[3]);
        properties.put("client.id", args[4]);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        if (args.length > 5)
            properties.put("group.instance.id", args[5]);
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        CountDownLatch assigned = new CountDownLatch(1);
        Thread member = new Thread(() -> {
            try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
                consumer.subscribe(List.of(args[2]));
                while (true) {
                    consumer.poll(Duration.ofMillis(100));
                    if (!consumer.assignment().isEmpty() && assigned.getCount() > 0) {
                        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                        consumer.assignment().forEach(key -> offsets.put(key, new OffsetAndMetadata(3)));
                        consumer.commitSync(offsets);
                        assigned.countDown();
                    }
                }
            }
        });
        member.setDaemon(true);
        member.start();
        if (!assigned.await(120, TimeUnit.SECONDS))
            throw new IllegalStateException("no partitions within 120 s");
    }
}
