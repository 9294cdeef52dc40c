import java.util.Map;

import org.apache.kafka.clients.admin.Admin;

/** Share groups by kafka-clients 4.3.1 against one node: ShareSuite BOOTSTRAP CONTROL-FOLDER [REGEX]. */
public final class ShareSuite {
    public static void main(String[] args) {
        String filter = args.length > 2 ? args[2] : null;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "reconnect.backoff.ms", "20", "reconnect.backoff.max.ms", "200"))) {
            new ShareAdminCases(args[0], admin).runAll(filter);
            new DeliveryCases(args[0], admin, new Control(args[1])).runAll(filter);
        }
        System.out.println("DONE");
        System.exit(0);
    }
}
