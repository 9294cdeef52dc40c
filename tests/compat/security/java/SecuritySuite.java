import java.util.Map;

import org.apache.kafka.clients.admin.Admin;

/** kafka-clients 4.3.1 against a secured node: SecuritySuite FILE [REGEX], the file being `security.properties`. */
public final class SecuritySuite {
    public static void main(String[] args) throws Exception {
        String filter = args.length > 1 ? args[1] : null;
        World world = new World(args[0]);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", world.listener("PLAINTEXT")))) {
            new LoginCases(world, admin).runAll(filter);
            new TlsCases(world, admin).runAll(filter);
            new DenialCases(world, admin).runAll(filter);
            if (world.hasTokens()) new TokenCases(world, admin).runAll(filter);
            else System.out.println("SKIP token: the broker has no delegation tokens");
            new RotationCases(world, admin).runAll(filter);
            // Last: the issuer changes its key, which each listener of Apache Kafka learns of by a token that it refuses.
            if (world.serves("OAUTHBEARER")) new BearerCases(world, admin).runAll(filter);
            else System.out.println("SKIP bearer: the broker does not serve OAUTHBEARER");
        }
        System.out.println("DONE");
        System.exit(0);
    }
}
