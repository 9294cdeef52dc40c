import java.util.List;
import java.util.Properties;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateDelegationTokenOptions;
import org.apache.kafka.clients.admin.DescribeDelegationTokenOptions;
import org.apache.kafka.clients.admin.ExpireDelegationTokenOptions;
import org.apache.kafka.clients.admin.RenewDelegationTokenOptions;
import org.apache.kafka.common.errors.DelegationTokenAuthorizationException;
import org.apache.kafka.common.errors.DelegationTokenNotFoundException;
import org.apache.kafka.common.errors.DelegationTokenOwnerMismatchException;
import org.apache.kafka.common.errors.InvalidPrincipalTypeException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.UnsupportedByAuthenticationException;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.token.delegation.DelegationToken;

/** Delegation tokens (KIP-48): made by one who is logged in, given on, logged in with, renewed, ended. */
final class TokenCases extends SecureCases {
    TokenCases(World world, Admin admin) {
        super(world, admin);
        for (String m : List.of("SCRAM-SHA-256", "SCRAM-SHA-512"))
            for (String listener : List.of("SASL", "SASLTLS"))
                add(m + "-over-" + listener, () -> everything(byToken(listener, m, make("worker"))));
        add("a-wrong-HMAC", this::wrong);
        add("a-token-that-ended", this::ended);
        add("renewed-by-a-renewer-only", this::renewed);
        add("described-to-its-owner", this::described);
        add("for-another-owner", this::forAnother);
        add("none-by-a-token-or-without-a-login", this::notAllowed);
        add("bad-renewers", this::badRenewer);
    }

    static Admin of(Properties p) {
        return Admin.create(p);
    }

    private Properties owner(String user) {
        return world.login("SASL", "SCRAM-SHA-512", user);
    }

    private DelegationToken make(String user, String... renewers) throws Exception {
        try (Admin a = of(owner(user))) {
            return get(a.createDelegationToken(new CreateDelegationTokenOptions().renewers(java.util.Arrays.stream(renewers).map(r -> new KafkaPrincipal("User", r)).toList())).delegationToken());
        }
    }

    private Properties byToken(String listener, String mechanism, DelegationToken token) throws Exception {
        Properties p = byToken(listener, mechanism, token.tokenInfo().tokenId(), token.hmacAsBase64String());
        eventually("the token is known", () -> enters(p));
        return p;
    }

    private Properties byToken(String listener, String mechanism, String id, String hmac) {
        Properties p = world.at(listener);
        p.put("sasl.mechanism", mechanism);
        p.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + id + "\" password=\"" + hmac + "\" tokenauth=\"true\";");
        return p;
    }

    private void wrong() throws Exception {
        DelegationToken token = make("worker");
        byToken("SASL", "SCRAM-SHA-256", token);
        refused(SaslAuthenticationException.class, byToken("SASL", "SCRAM-SHA-256", token.tokenInfo().tokenId(), "d3Jvbmc="));
        refused(SaslAuthenticationException.class, byToken("SASL", "SCRAM-SHA-256", "AAAAAAAAAAAAAAAAAAAAAA", token.hmacAsBase64String()));
        // A token is no user, and a user no token.
        refused(SaslAuthenticationException.class, world.login("SASL", "SCRAM-SHA-256", token.tokenInfo().tokenId(), token.hmacAsBase64String()));
        refused(SaslAuthenticationException.class, byToken("SASL", "SCRAM-SHA-256", "worker", World.secret("worker")));
    }

    private void ended() throws Exception {
        DelegationToken token = make("worker");
        Properties p = byToken("SASL", "SCRAM-SHA-256", token);
        try (Admin a = of(owner("worker"))) {
            get(a.expireDelegationToken(token.hmac(), new ExpireDelegationTokenOptions().expiryTimePeriodMs(-1)).expiryTimestamp());
            eventually("the token is gone", () -> !enters(p));
            checkExactly(DelegationTokenNotFoundException.class, () -> get(a.renewDelegationToken(token.hmac()).expiryTimestamp()));
        }
    }

    private void renewed() throws Exception {
        DelegationToken token = make("worker", "mover");
        byToken("SASL", "SCRAM-SHA-256", token);
        try (Admin renewer = of(world.login("SASL", "SCRAM-SHA-256", "mover")); Admin other = of(world.login("SASL", "SCRAM-SHA-256", "limited"))) {
            long until = get(renewer.renewDelegationToken(token.hmac(), new RenewDelegationTokenOptions().renewTimePeriodMs(3_600_000)).expiryTimestamp());
            check(until < token.tokenInfo().expiryTimestamp() && until > System.currentTimeMillis(), "renewed until " + until);
            checkExactly(DelegationTokenOwnerMismatchException.class, () -> get(other.renewDelegationToken(token.hmac()).expiryTimestamp()));
            checkExactly(DelegationTokenOwnerMismatchException.class, () -> get(other.expireDelegationToken(token.hmac()).expiryTimestamp()));
        }
    }

    private void described() throws Exception {
        DelegationToken token = make("worker");
        byToken("SASL", "SCRAM-SHA-256", token);
        try (Admin mine = of(owner("worker")); Admin other = of(world.login("SASL", "SCRAM-SHA-256", "limited"))) {
            check(get(mine.describeDelegationToken().delegationTokens()).stream().anyMatch(t -> t.equals(token)), "the owner does not see it");
            checkEquals(List.of(), get(other.describeDelegationToken().delegationTokens()));
            checkEquals(List.of(), get(other.describeDelegationToken(new DescribeDelegationTokenOptions().owners(List.of(new KafkaPrincipal("User", "worker")))).delegationTokens()));
        }
    }

    private void forAnother() throws Exception {
        CreateDelegationTokenOptions forWorker = new CreateDelegationTokenOptions().owner(new KafkaPrincipal("User", "worker"));
        try (Admin a = of(world.login("SASL", "SCRAM-SHA-256", "limited"))) {
            checkExactly(DelegationTokenAuthorizationException.class, () -> get(a.createDelegationToken(forWorker).delegationToken()));
        }
        try (Admin a = of(owner("admin"))) {
            DelegationToken token = get(a.createDelegationToken(forWorker).delegationToken());
            checkEquals("User:worker", token.tokenInfo().ownerAsString());
            checkEquals("User:admin", token.tokenInfo().tokenRequester().toString());
            everything(byToken("SASL", "SCRAM-SHA-512", token));
        }
    }

    private void notAllowed() throws Exception {
        checkExactly(UnsupportedByAuthenticationException.class, () -> get(admin.createDelegationToken().delegationToken()));
        try (Admin a = of(byToken("SASL", "SCRAM-SHA-256", make("worker")))) {
            checkExactly(UnsupportedByAuthenticationException.class, () -> get(a.createDelegationToken().delegationToken()));
        }
    }

    private void badRenewer() throws Exception {
        try (Admin a = of(owner("worker"))) {
            checkExactly(InvalidPrincipalTypeException.class, () -> get(a.createDelegationToken(new CreateDelegationTokenOptions().renewers(List.of(new KafkaPrincipal("Group", "g")))).delegationToken()));
        }
    }
}
