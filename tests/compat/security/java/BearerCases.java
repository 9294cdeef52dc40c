import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;
import java.util.List;
import java.util.Properties;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.SaslAuthenticationException;

/** OAUTHBEARER with the suite's issuer: tokens that no broker may take, and an issuer that changes its key. (Good ones are in LoginCases.) */
final class BearerCases extends SecureCases {
    BearerCases(World world, Admin admin) {
        super(world, admin);
        for (String bad : List.of("audience", "issuer", "forged")) add("token-with-wrong-" + bad, () -> refused(SaslAuthenticationException.class, world.login("SASL", "OAUTHBEARER", bad)));
        add("expired-token", () -> refused(SaslAuthenticationException.class, given("expired")));
        add("unsigned-token", () -> refused(SaslAuthenticationException.class, given("unsigned")));
        add("token-without-a-name", () -> refused(SaslAuthenticationException.class, given("nameless")));
        add("the-issuer-changes-its-key", this::rotated);
    }

    /** A token as it is: Java's own login looks at what it fetched, and would not send these. */
    private Properties given(String client) throws Exception {
        Properties p = world.at("SASL");
        p.put("sasl.mechanism", "OAUTHBEARER");
        p.put("sasl.login.callback.handler.class", GivenToken.class.getName());
        p.put("sasl.jaas.config", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required token=\"" + fetch(client) + "\";");
        return p;
    }

    private String fetch(String client) throws Exception {
        String basic = Base64.getEncoder().encodeToString((client + ":client-secret").getBytes());
        String said = ask(HttpRequest.newBuilder(URI.create(world.issuer() + "/token")).header("Authorization", "Basic " + basic).POST(HttpRequest.BodyPublishers.ofString("grant_type=client_credentials")).build());
        return said.replaceAll(".*\"access_token\": *\"([^\"]+)\".*", "$1");
    }

    private static String ask(HttpRequest request) throws Exception {
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    /** The first that come with the new key may be sent away, until the broker has it; then they come in. */
    private void rotated() throws Exception {
        ask(HttpRequest.newBuilder(URI.create(world.issuer() + "/rotate")).build());
        Properties p = world.login("SASL", "OAUTHBEARER", "worker");
        eventually("the new key is known", () -> enters(p));
        everything(p);
    }
}
