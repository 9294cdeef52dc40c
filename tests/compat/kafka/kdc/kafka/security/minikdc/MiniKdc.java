package kafka.security.minikdc;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Properties;
import java.util.UUID;

import org.apache.kerby.kerberos.kerb.KrbException;
import org.apache.kerby.kerberos.kerb.server.KdcConfigKey;
import org.apache.kerby.kerberos.kerb.server.SimpleKdcServer;

/** Stands where Kafka's own wants ApacheDS, with the same methods: a key distribution centre of Apache Kerby in the test's JVM. */
public class MiniKdc {
    private static final String REALM = "EXAMPLE.COM";
    private static final String CONF = "java.security.krb5.conf";
    private final File folder;
    private final int port = ext.Ext.freePort();
    private SimpleKdcServer kdc;

    public MiniKdc(Properties config, File folder) {
        this.folder = folder;
    }

    public static Properties createConfig() {
        return new Properties();
    }

    public void start() throws Exception {
        kdc = new SimpleKdcServer();
        kdc.setWorkDir(Files.createDirectories(folder.toPath().resolve("kdc")).toFile());
        kdc.setKdcHost("localhost");
        kdc.setKdcRealm(REALM);
        kdc.setAllowUdp(false);
        kdc.setKdcTcpPort(port);
        kdc.getKdcConfig().setString(KdcConfigKey.ENCRYPTION_TYPES, "aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96");
        kdc.init();
        kdc.start();
        File conf = new File(folder, "krb5-" + port + ".conf");
        Files.writeString(conf.toPath(), "[libdefaults]\ndefault_realm = " + REALM + "\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n"
            + "dns_canonicalize_hostname = false\nudp_preference_limit = 1\n[realms]\n" + REALM + " = {\n  kdc = localhost:" + port + "\n}\n");
        System.setProperty(CONF, conf.getAbsolutePath());
        refresh();
    }

    /** The JDK's library keeps what it has read. */
    private static void refresh() throws ReflectiveOperationException {
        Class.forName("sun.security.krb5.Config").getMethod("refresh").invoke(null);
    }

    public void stop() {
        System.clearProperty(CONF);
        try {
            kdc.stop();
            refresh();
        } catch (KrbException | ReflectiveOperationException e) {
            throw new RuntimeException(e);
        }
    }

    /** Keys by a random password; all of them into one keytab. */
    public void createPrincipal(File keytab, List<String> principals) throws IOException {
        // Kerby reads a file that is there, and the tests make an empty one.
        Files.deleteIfExists(keytab.toPath());
        try {
            for (String name : principals) {
                kdc.createPrincipal(name + "@" + REALM, UUID.randomUUID().toString());
                kdc.exportPrincipal(name + "@" + REALM, keytab);
            }
        } catch (KrbException e) {
            throw new IOException(e);
        }
    }
}
