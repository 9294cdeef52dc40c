//! SASL: mechanisms, logins, Kerberos.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{Class, Int, Password, String};
use crate::key_def::{KeyDef, double, int, list, long, short, string, unset};

const NO_SASL: &str = "this broker connects to no other, and checks credentials by itself";
const NO_TICKETS: &str = "this broker has a keytab and needs no ticket of its own";

pub(super) const KEYS: &[KeyDef] = &[
    list("sasl.enabled.mechanisms", &["GSSAPI"], Medium)
        .no_duplicates()
        .per_broker()
        .honoured_but("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI and OAUTHBEARER")
        .doc("Mechanisms that are offered."),
    string("sasl.mechanism.inter.broker.protocol", "GSSAPI", Medium)
        .per_broker()
        .without_effect(NO_SASL)
        .doc("Mechanism between brokers."),
    string("sasl.mechanism.controller.protocol", "GSSAPI", High)
        .without_effect(NO_SASL)
        .doc("Mechanism towards controllers."),
    unset(Password, "sasl.jaas.config", Medium)
        .per_broker()
        .honoured_but("for PLAIN, GSSAPI and OAUTHBEARER; SCRAM needs none")
        .doc("Login parameters in the notation of JAAS, for one mechanism of one listener."),
    unset(Class, "sasl.server.callback.handler.class", Medium)
        .honoured_but("for OAUTHBEARER: OAuthBearerValidatorCallbackHandler and OAuthBearerUnsecuredValidatorCallbackHandler, by their names")
        .doc("The class that checks credentials, for one mechanism of one listener."),
    unset(Class, "sasl.client.callback.handler.class", Medium)
        .without_effect(NO_SASL)
        .doc("The class that supplies credentials when the broker is the client."),
    unset(Class, "sasl.login.class", Medium)
        .without_effect(NO_SASL)
        .doc("The class that keeps a login alive."),
    unset(Class, "sasl.login.callback.handler.class", Medium)
        .without_effect(NO_SASL)
        .doc("The class that supplies a login with its secrets."),
    unset(Int, "sasl.login.connect.timeout.ms", Low)
        .without_effect(NO_SASL)
        .doc("How long a login waits for a connection to the identity provider."),
    unset(Int, "sasl.login.read.timeout.ms", Low)
        .without_effect(NO_SASL)
        .doc("How long a login waits for an answer of the identity provider."),
    long("sasl.login.retry.backoff.ms", 100, Low)
        .without_effect(NO_SASL)
        .doc("First pause between attempts to log in."),
    long("sasl.login.retry.backoff.max.ms", 10_000, Low)
        .without_effect(NO_SASL)
        .doc("Longest pause between attempts to log in."),
    double("sasl.login.refresh.window.factor", 0.8, Medium)
        .per_broker()
        .without_effect(NO_SASL)
        .doc("Part of a credential's life after which it is refreshed."),
    double("sasl.login.refresh.window.jitter", 0.05, Medium)
        .per_broker()
        .without_effect(NO_SASL)
        .doc("Random share that is added to the life after which a credential is refreshed."),
    short("sasl.login.refresh.min.period.seconds", 60, Medium)
        .per_broker()
        .without_effect(NO_SASL)
        .doc("The least time between two refreshes of a credential."),
    short("sasl.login.refresh.buffer.seconds", 300, Medium)
        .per_broker()
        .without_effect(NO_SASL)
        .doc("Time before the end of a credential's life at which it is refreshed at the latest."),
    int("sasl.server.max.receive.size", 512 * 1024, Medium)
        .honoured()
        .doc("The largest message that is read before a connection is authenticated."),
    unset(String, "sasl.kerberos.service.name", Medium)
        .per_broker()
        .honoured()
        .doc("Name of the Kerberos service that the broker runs as."),
    list("sasl.kerberos.principal.to.local.rules", &["DEFAULT"], Medium)
        .no_duplicates()
        .per_broker()
        .honoured_but("patterns without look-around and back references")
        .doc("Rules that make a user name of a Kerberos principal."),
    string("sasl.kerberos.kinit.cmd", "/usr/bin/kinit", Medium)
        .per_broker()
        .without_effect(NO_TICKETS)
        .doc("Path of `kinit`."),
    long("sasl.kerberos.min.time.before.relogin", 60_000, Medium)
        .per_broker()
        .without_effect(NO_TICKETS)
        .doc("The least time between two logins."),
    double("sasl.kerberos.ticket.renew.window.factor", 0.8, Medium)
        .per_broker()
        .without_effect(NO_TICKETS)
        .doc("Part of a ticket's life after which it is renewed."),
    double("sasl.kerberos.ticket.renew.jitter", 0.05, Medium)
        .per_broker()
        .without_effect(NO_TICKETS)
        .doc("Random share that is added to the life after which a ticket is renewed."),
];
