import java.util.List;
import java.util.Properties;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.TimeoutException;

/** Certificates of brokers and of clients, good and bad, and the principals that they give. */
final class TlsCases extends SecureCases {
    TlsCases(World world, Admin admin) {
        super(world, admin);
        add("PEM-store", () -> everything(world.at("TLS")));
        add("PKCS12-store-and-a-client-certificate", () -> everything(world.as(world.at("WANTED"), "alice")));
        add("JKS-store-and-a-client-certificate", () -> everything(world.as(world.at("ASKED"), "alice")));
        add("client-stores-in-JKS-and-PKCS12", this::clientStores);
        for (String v : List.of("TLSv1.2", "TLSv1.3")) add(v, () -> everything(with(world.at("TLS"), "ssl.enabled.protocols", v, "ssl.protocol", v)));
        add("another-authority", () -> refused(SslAuthenticationException.class, trusting("other-ca")));
        add("another-host-name", () -> refused(SslAuthenticationException.class, world.at("OTHERNAME")));
        add("another-host-name-unchecked", () -> clusterId(with(world.at("OTHERNAME"), "ssl.endpoint.identification.algorithm", "")));
        add("an-expired-broker", () -> refused(SslAuthenticationException.class, world.at("EXPIRED")));
        add("required-none-given", () -> refused(SslAuthenticationException.class, world.at("WANTED")));
        add("required-from-another-authority", () -> refused(SslAuthenticationException.class, world.as(world.at("WANTED"), "stranger")));
        add("required-expired", () -> refused(SslAuthenticationException.class, world.as(world.at("WANTED"), "expired-client")));
        add("requested-none-given-is-anonymous", () -> acls(world.at("ASKED")));
        // Java shows only certificates of authorities that the broker names; franz-go's suite shows this one anyway.
        add("requested-from-another-authority-is-anonymous", () -> acls(world.as(world.at("ASKED"), "stranger")));
        add("principal-by-rule", this::principal);
        add("plain-client-at-a-TLS-listener", () -> neverIn("TLS", world.at("PLAINTEXT")));
        add("TLS-client-at-a-plain-listener", () -> neverIn("PLAINTEXT", world.at("TLS")));
        add("without-a-common-version", () -> refused(SslAuthenticationException.class, with(world.at("TLS"), "ssl.enabled.protocols", "TLSv1.1", "ssl.protocol", "TLSv1.1")));
    }

    private Properties trusting(String authority) {
        Properties p = world.at("TLS");
        world.trust(p, authority);
        return p;
    }

    private Properties elsewhere(String listener, Properties p) {
        p.put("bootstrap.servers", world.listener(listener));
        return p;
    }

    private void clusterId(Properties p) throws Exception {
        try (Admin a = Admin.create(p)) {
            check(!get(a.describeCluster().clusterId()).isEmpty(), "no cluster id");
        }
    }

    private void acls(Properties p) throws Exception {
        try (Admin a = Admin.create(p)) {
            check(!get(a.describeAcls(AclBindingFilter.ANY).values()).isEmpty(), "the super user sees no entry");
        }
    }

    private void clientStores() throws Exception {
        Properties p = world.at("WANTED");
        p.put("ssl.truststore.type", "JKS");
        p.put("ssl.truststore.location", world.file("trust.jks"));
        p.put("ssl.truststore.password", World.STORE_PASSWORD);
        p.put("ssl.keystore.type", "PKCS12");
        p.put("ssl.keystore.location", world.file("alice.p12"));
        p.put("ssl.keystore.password", World.STORE_PASSWORD);
        clusterId(p);
    }

    /** The rule makes `alice` of the certificate's name, whom the entries for topics of the job name; `bob` is nobody. */
    private void principal() throws Exception {
        for (String listener : List.of("ASKED", "WANTED")) {
            everything(world.as(world.at(listener), "alice"));
            try (Admin a = Admin.create(world.as(world.at(listener), "bob"))) {
                checkExactly(ClusterAuthorizationException.class, () -> get(a.describeAcls(AclBindingFilter.ANY).values()));
                checkEquals(java.util.Set.of(), get(a.listTopics().names()));
            }
        }
    }

    private void neverIn(String listener, Properties p) throws Exception {
        p = with(elsewhere(listener, p), "default.api.timeout.ms", 1500, "request.timeout.ms", 1000);
        try (Admin a = Admin.create(p)) {
            checkExactly(TimeoutException.class, () -> get(a.listTopics().names()));
        }
    }
}
