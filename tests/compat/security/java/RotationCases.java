import java.math.BigInteger;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.SaslAuthenticationException;

/** Certificates, passwords and logins change while clients work. */
final class RotationCases extends SecureCases {
    private static final ConfigResource BROKER = new ConfigResource(ConfigResource.Type.BROKER, "1");

    RotationCases(World world, Admin admin) {
        super(world, admin);
        add("certificates-under-load", this::certificates);
        add("a-store-that-is-none-is-refused", this::badStore);
        add("passwords-under-load", this::passwords);
        for (String m : world.mechanisms()) {
            if (!m.equals("GSSAPI")) add("reauthentication-under-load-" + m, () -> again(m));
        }
        add("reauthentication-with-a-password-that-is-gone", this::gone);
    }

    private String topic() throws Exception {
        String topic = job();
        get(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        settled(topic);
        return topic;
    }

    private void keyStore(String listener, String file) throws Exception {
        get(admin.incrementalAlterConfigs(Map.of(BROKER, List.of(
            new AlterConfigOp(new ConfigEntry("listener.name." + listener + ".ssl.keystore.location", file), AlterConfigOp.OpType.SET)))).all());
    }

    private X509Certificate shown(String listener) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null);
        try (InputStream in = new FileInputStream(world.file("ca.crt"))) {
            trust.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trust);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        String[] at = world.listener(listener).split(":");
        try (SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(at[0], Integer.parseInt(at[1]))) {
            s.startHandshake();
            return (X509Certificate) s.getSession().getPeerCertificates()[0];
        }
    }

    private BigInteger serial(String certificate) throws Exception {
        try (InputStream in = new FileInputStream(world.file(certificate + ".crt"))) {
            return ((X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in)).getSerialNumber();
        }
    }

    private void certificates() throws Exception {
        Properties worker = world.login("SASLTLS", "SCRAM-SHA-512", "worker");
        checkEquals(serial("broker"), shown("SASLTLS").getSerialNumber());
        try (Load load = new Load(worker, topic())) {
            for (String next : List.of("broker-next", "broker", "broker-next")) {
                int before = load.acked();
                eventually("records go", () -> load.acked() > before + 50);
                keyStore("sasltls", world.file(next + ".pem"));
                BigInteger wanted = serial(next);
                eventually("the certificate " + next + " is shown", () -> shown("SASLTLS").getSerialNumber().equals(wanted));
                everything(worker);
            }
            load.finish();
        }
        // Other listeners keep theirs.
        checkEquals(serial("broker"), shown("TLS").getSerialNumber());
    }

    private void badStore() throws Exception {
        BigInteger before = shown("TLS").getSerialNumber();
        checkExactly(InvalidRequestException.class, () -> {
            keyStore("tls", world.file("ca.crt") + ".absent");
            return null;
        });
        checkEquals(before, shown("TLS").getSerialNumber());
        everything(world.at("TLS"));
    }

    /** A client that is in stays in; who comes later needs the new password. */
    private void passwords() throws Exception {
        String user = "rotating";
        upsert(user, "first");
        get(admin.createAcls(List.of(DenialCases.allow(user, "job-")), new org.apache.kafka.clients.admin.CreateAclsOptions()).all());
        get(admin.createAcls(List.of(DenialCases.allowGroup(user, "job-"))).all());
        Properties first = world.login("SASLTLS", "SCRAM-SHA-512", user, "first");
        eventually("the user is known", () -> enters(first));
        try (Load load = new Load(first, topic())) {
            String password = "first";
            for (String next : List.of("second", "third")) {
                int before = load.acked();
                eventually("records go", () -> load.acked() > before + 50);
                upsert(user, next);
                eventually("the new password is known", () -> enters(world.login("SASLTLS", "SCRAM-SHA-512", user, next)));
                String old = password;
                eventually("the old password is not", () -> !enters(world.login("SASLTLS", "SCRAM-SHA-512", user, old)));
                password = next;
            }
            load.finish();
        }
    }

    private void upsert(String user, String password) throws Exception {
        get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password))).all());
    }

    /** The listener ends a login after a second; the clients come again unasked and lose nothing. */
    private void again(String mechanism) throws Exception {
        try (Load load = new Load(world.login("AGAIN", mechanism, "worker"), topic())) {
            Load.pause(2500);
            eventually("records and new logins", () -> load.acked() > 100 && load.reauthenticated() >= 2);
            double times = load.finish();
            check(times >= 2, "logged in again only " + times + " times");
        }
    }

    private void gone() throws Exception {
        try (Admin a = Admin.create(world.login("AGAIN", "SCRAM-SHA-512", "leaver"))) {
            get(a.describeCluster().nodes());
            upsert("leaver", "another");
            long end = System.nanoTime() + WAIT_S * 1_000_000_000L;
            while (true) {
                check(System.nanoTime() < end, "still in after " + WAIT_S + " s");
                try {
                    get(a.describeCluster().nodes());
                    Load.pause(50);
                } catch (Exception e) {
                    check(plain(e).getClass() == SaslAuthenticationException.class, "got " + plain(e));
                    return;
                }
            }
        }
    }
}
