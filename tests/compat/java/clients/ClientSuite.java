import java.util.Map;

import org.apache.kafka.clients.admin.Admin;

/** kafka-clients 4.3.1 against one node: ClientSuite BOOTSTRAP [REGEX]. Prints PASS or FAIL per case, DONE at the end. */
public final class ClientSuite {
    public static void main(String[] args) {
        String filter = args.length > 1 ? args[1] : null;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            new ProducerCases(args[0], admin).runAll(filter);
            new ConsumerCases(args[0], admin).runAll(filter);
            new GroupCases(args[0], admin).runAll(filter);
            new TopicAdminCases(args[0], admin).runAll(filter);
            new ConfigAdminCases(args[0], admin).runAll(filter);
            new GroupAdminCases(args[0], admin).runAll(filter);
            new ClusterAdminCases(args[0], admin).runAll(filter);
        }
        System.out.println("DONE");
        System.exit(0);
    }
}
