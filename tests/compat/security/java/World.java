import java.io.FileReader;
import java.io.IOException;
import java.io.Reader;
import java.util.List;
import java.util.Properties;

import org.apache.kafka.common.protocol.ApiKeys;

/** What `security.properties` says of the broker, and what a client needs to enter it. */
final class World {
    static final String STORE_PASSWORD = "store-secret";
    private final Properties said = new Properties();

    World(String file) throws IOException {
        try (Reader r = new FileReader(file)) {
            said.load(r);
        }
    }

    String listener(String name) {
        return said.getProperty("listener." + name);
    }

    String file(String name) {
        return said.getProperty("file." + name);
    }

    List<String> mechanisms() {
        return List.of(said.getProperty("mechanisms").split(","));
    }

    boolean serves(String mechanism) {
        return mechanisms().contains(mechanism);
    }

    boolean hasTokens() {
        return Boolean.parseBoolean(said.getProperty("tokens"));
    }

    boolean offers(ApiKeys api) {
        return List.of(said.getProperty("apis").split(",")).contains(String.valueOf(api.id));
    }

    String issuer() {
        return said.getProperty("issuer");
    }

    static String secret(String user) {
        return user + "-secret";
    }

    /** For one of the listeners, with what its protocol needs except a login. */
    Properties at(String listener) {
        Properties p = new Properties();
        p.put("bootstrap.servers", listener(listener));
        p.put("reconnect.backoff.ms", "20");
        p.put("reconnect.backoff.max.ms", "200");
        p.put("retry.backoff.ms", "20");
        boolean tls = !List.of("PLAINTEXT", "SASL", "AGAIN", "NARROW").contains(listener);
        boolean sasl = List.of("SASL", "AGAIN", "NARROW", "SASLTLS").contains(listener);
        p.put("security.protocol", sasl ? (tls ? "SASL_SSL" : "SASL_PLAINTEXT") : tls ? "SSL" : "PLAINTEXT");
        if (tls) trust(p, "ca");
        return p;
    }

    void trust(Properties p, String authority) {
        p.put("ssl.truststore.type", "PEM");
        p.put("ssl.truststore.location", file(authority + ".crt"));
    }

    /** With the certificate of this name. */
    Properties as(Properties p, String certificate) {
        p.put("ssl.keystore.type", "PEM");
        p.put("ssl.keystore.location", file(certificate + ".pem"));
        return p;
    }

    Properties login(String listener, String mechanism, String user) {
        return login(listener, mechanism, user, secret(user));
    }

    Properties login(String listener, String mechanism, String user, String password) {
        Properties p = at(listener);
        p.put("sasl.mechanism", mechanism);
        if (mechanism.equals("OAUTHBEARER")) {
            p.put("sasl.login.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler");
            p.put("sasl.oauthbearer.token.endpoint.url", issuer() + "/token");
            p.put("sasl.jaas.config", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"" + user + "\" clientSecret=\"client-secret\";");
        } else {
            String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
            p.put("sasl.jaas.config", "org.apache.kafka.common.security." + module + " required username=\"" + user + "\" password=\"" + password + "\";");
        }
        return p;
    }
}
