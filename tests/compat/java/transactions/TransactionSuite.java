import java.util.Map;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;

/**
 * Transactions by kafka-clients 4.3.1 against one node: TransactionSuite BOOTSTRAP CONTROL-FOLDER TRANSACTION-VERSION [REGEX]. Sets the feature first.
 */
public final class TransactionSuite {
    public static void main(String[] args) throws Exception {
        String filter = args.length > 3 ? args[3] : null;
        short version = Short.parseShort(args[2]);
        Control control = new Control(args[1]);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "reconnect.backoff.ms", "20", "reconnect.backoff.max.ms", "200"))) {
            setVersion(admin, version);
            TransactionCases.version = version;
            new CommitCases(args[0], admin).runAll(filter);
            new FencingCases(args[0], admin).runAll(filter);
            new OffsetsCases(args[0], admin, "classic").runAll(filter);
            new TransactionAdminCases(args[0], admin).runAll(filter);
            new RestartCases(args[0], admin, control).runAll(filter);
        }
        System.out.println("DONE");
        System.exit(0);
    }

    private static short version(Admin admin) throws Exception {
        var f = Cases.get(admin.describeFeatures().featureMetadata()).finalizedFeatures().get("transaction.version");
        return f == null ? 0 : f.maxVersionLevel();
    }

    static void setVersion(Admin admin, short version) throws Exception {
        short now = version(admin);
        if (now == version) return;
        var type = version > now ? FeatureUpdate.UpgradeType.UPGRADE : FeatureUpdate.UpgradeType.SAFE_DOWNGRADE;
        Cases.get(admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate(version, type)), new UpdateFeaturesOptions()).all());
        Cases.eventually("transaction.version " + version, () -> version(admin) == version);
    }
}
