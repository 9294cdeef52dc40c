import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

import org.apache.kerby.kerberos.kerb.client.KrbClient;
import org.apache.kerby.kerberos.kerb.server.KdcConfigKey;
import org.apache.kerby.kerberos.kerb.server.SimpleKdcServer;

/**
 * A key distribution centre until standard input ends: `Kdc FOLDER PORT REALM`. It writes a keytab for each of its principals into the folder,
 * named by the principal with `_` for a slash, and says `READY`. `kafka_localhost-old.keytab` has the broker's key of before its last change,
 * `alice.tickets` is a credential cache with her ticket for asking for others.
 */
public final class Kdc {
    private static final List<String> PRINCIPALS = List.of("kafka/localhost", "http/localhost", "alice", "bob", "app.svc/localhost", "carol");

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        String realm = args[2];
        SimpleKdcServer kdc = new SimpleKdcServer();
        kdc.setWorkDir(Files.createDirectories(folder.resolve("kdc")).toFile());
        kdc.setKdcHost("localhost");
        kdc.setKdcRealm(realm);
        kdc.setAllowUdp(false);
        kdc.setKdcTcpPort(Integer.parseInt(args[1]));
        kdc.getKdcConfig().setString(KdcConfigKey.ENCRYPTION_TYPES, "aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96");
        kdc.init();
        for (String name : PRINCIPALS) kdc.createPrincipal(name + "@" + realm, name + "-password");
        kdc.exportPrincipal("kafka/localhost@" + realm, file(folder, "kafka/localhost-old"));
        kdc.deletePrincipal("kafka/localhost@" + realm);
        kdc.createPrincipal("kafka/localhost@" + realm, "another password");
        for (String name : PRINCIPALS) kdc.exportPrincipal(name + "@" + realm, file(folder, name));
        kdc.start();
        KrbClient client = kdc.getKrbClient();
        client.storeTicket(client.requestTgt("alice@" + realm, file(folder, "alice")), folder.resolve("alice.tickets").toFile());
        System.out.println("READY");
        while (System.in.read() >= 0) { }
        kdc.stop();
    }

    private static File file(Path folder, String name) {
        return folder.resolve(name.replace('/', '_') + ".keytab").toFile();
    }
}
