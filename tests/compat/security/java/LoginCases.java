import java.util.List;
import java.util.Properties;
import java.util.Set;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.UnsupportedSaslMechanismException;

/** Each mechanism over each listener with SASL, and everything that must not come in. */
final class LoginCases extends SecureCases {
    private static final List<String> PASSWORDS = List.of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512");

    LoginCases(World world, Admin admin) {
        super(world, admin);
        for (String listener : List.of("SASL", "SASLTLS")) {
            for (String m : world.mechanisms()) {
                if (PASSWORDS.contains(m) || m.equals("OAUTHBEARER"))
                    add(m + "-over-" + listener, () -> everything(world.login(listener, m, "worker")));
            }
        }
        for (String m : PASSWORDS) {
            add(m + "-strangers-learn-nothing", () -> strangers(m));
            add(m + "-empty-password", () -> refused(SaslAuthenticationException.class, world.login("SASL", m, "worker", m.equals("PLAIN") ? " " : "x")));
        }
        add("mechanism-that-is-not-served", () -> refused(UnsupportedSaslMechanismException.class, world.login("NARROW", "PLAIN", "worker")));
        add("SASL-client-at-a-plain-listener", () -> neverIn(elsewhere("PLAINTEXT", world.login("SASL", "PLAIN", "worker"))));
        add("plain-client-at-a-SASL-listener", () -> neverIn(elsewhere("SASL", world.at("PLAINTEXT"))));
        add("names-and-passwords-of-all-kinds", this::names);
        add("a-new-password-counts-at-once", this::changed);
        add("a-removed-user-stays-out", this::removed);
    }

    private void strangers(String m) throws Exception {
        String wrong = refused(SaslAuthenticationException.class, world.login("SASL", m, "worker", "wrong"));
        checkEquals(wrong, refused(SaslAuthenticationException.class, world.login("SASLTLS", m, "nobody", "wrong")));
        // In Kafka's words: programs look for them.
        checkEquals(m.equals("PLAIN") ? "Authentication failed: Invalid username or password" : "Authentication failed during authentication due to invalid credentials with SASL mechanism " + m, wrong);
    }

    private Properties elsewhere(String listener, Properties p) {
        p.put("bootstrap.servers", world.listener(listener));
        return p;
    }

    /** No answer that a client could take for one: it asks until its time is over, or is told that it may not come in. */
    private void neverIn(Properties p) throws Exception {
        p = with(p, "default.api.timeout.ms", 1500, "request.timeout.ms", 1000);
        try (Admin a = Admin.create(p)) {
            Throwable t = null;
            try {
                get(a.listTopics().names());
            } catch (Throwable e) {
                t = plain(e);
            }
            check(t instanceof TimeoutException || t instanceof org.apache.kafka.common.errors.IllegalSaslStateException || t instanceof SaslAuthenticationException, "got " + t);
        }
    }

    private void upsert(String user, ScramMechanism m, String password) throws Exception {
        get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(m, 4096), password))).all());
    }

    /** Apache Kafka's broker learns a moment after its controller. */
    private void comesIn(String user, Properties p) throws Exception {
        eventually("the login of " + user + " succeeds", () -> enters(p));
    }

    /** Of ASCII: Kafka's SCRAM takes no others. */
    private void names() throws Exception {
        for (String name : List.of("with space", "comma,equals=sign", "slash/and+plus")) {
            String password = "pass " + name + " word";
            upsert(name, ScramMechanism.SCRAM_SHA_256, password);
            comesIn(name, world.login("SASL", "SCRAM-SHA-256", name, password));
        }
    }

    private void changed() throws Exception {
        upsert("mover", ScramMechanism.SCRAM_SHA_512, "second");
        comesIn("mover", world.login("SASL", "SCRAM-SHA-512", "mover", "second"));
        refused(SaslAuthenticationException.class, world.login("SASL", "SCRAM-SHA-512", "mover"));
        // The other mechanism has a password of its own.
        comesIn("mover", world.login("SASL", "SCRAM-SHA-256", "mover"));
    }

    private void removed() throws Exception {
        upsert("short", ScramMechanism.SCRAM_SHA_256, World.secret("short"));
        comesIn("short", world.login("SASL", "SCRAM-SHA-256", "short"));
        try (Admin open = Admin.create(world.login("SASL", "SCRAM-SHA-256", "short"))) {
            get(open.describeCluster().nodes());
            get(admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("short", ScramMechanism.SCRAM_SHA_256))).all());
            eventually("the login fails", () -> {
                try (Admin a = Admin.create(world.login("SASL", "SCRAM-SHA-256", "short"))) {
                    get(a.describeCluster().nodes());
                    return false;
                } catch (Exception e) {
                    return plain(e) instanceof SaslAuthenticationException;
                }
            });
            // A connection that is there stays.
            get(open.describeCluster().nodes());
        }
        checkExactly(TopicAuthorizationException.class, () -> {
            try (Admin limited = Admin.create(world.login("SASL", "SCRAM-SHA-256", "limited"))) {
                return get(limited.describeTopics(Set.of("job-any")).allTopicNames());
            }
        });
    }
}
