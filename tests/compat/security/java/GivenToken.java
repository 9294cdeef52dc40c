import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;

import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.auth.SaslExtensions;
import org.apache.kafka.common.security.auth.SaslExtensionsCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;

/** Logs in with the option `token` of its JAAS entry, whatever that is. */
public final class GivenToken implements AuthenticateCallbackHandler {
    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs, Set<String> scope) implements OAuthBearerToken { }

    private String value;

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        value = (String) entries.get(0).getOptions().get("token");
    }

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        long now = System.currentTimeMillis();
        for (Callback c : callbacks) {
            if (c instanceof OAuthBearerTokenCallback) ((OAuthBearerTokenCallback) c).token(new Token(value, "whoever", now, now + 3_600_000, Set.of()));
            else if (c instanceof SaslExtensionsCallback) ((SaslExtensionsCallback) c).extensions(SaslExtensions.empty());
            else throw new UnsupportedCallbackException(c);
        }
    }

    @Override
    public void close() {
    }
}
