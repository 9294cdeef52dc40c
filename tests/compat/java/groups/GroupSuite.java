import java.util.Map;

import org.apache.kafka.clients.admin.Admin;

/** Groups of the consumer protocol by kafka-clients 4.3.1 against one node: GroupSuite BOOTSTRAP CONTROL-FOLDER [REGEX]. */
public final class GroupSuite {
    public static void main(String[] args) {
        String filter = args.length > 2 ? args[2] : null;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            new MemberCases(args[0], admin).runAll(filter);
            new MigrationCases(args[0], admin).runAll(filter);
            new ModernAdminCases(args[0], admin).runAll(filter);
            new OffsetsCases(args[0], admin, "consumer").runAll(filter);
        }
        System.out.println("DONE");
        System.exit(0);
    }
}
