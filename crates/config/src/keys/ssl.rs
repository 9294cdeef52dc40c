//! TLS.

use crate::key_def::Importance::{Low, Medium};
use crate::key_def::Type::{Class, Password, String};
use crate::key_def::{KeyDef, boolean, list, string, unset};

const NO_TLS: &str = "rustls has no such choice; a JVM class cannot be loaded";

pub(super) const KEYS: &[KeyDef] = &[
    string("ssl.client.auth", "none", Medium)
        .one_of(&["required", "requested", "none"])
        .per_broker()
        .honoured()
        .doc(
            "Whether clients must show a certificate (`required`), may (`requested`), or are not asked \
             (`none`).",
        ),
    string("ssl.protocol", "TLSv1.3", Medium)
        .per_broker()
        .without_effect("ssl.enabled.protocols decides")
        .doc("The TLS version a context is made for."),
    list("ssl.enabled.protocols", &["TLSv1.2", "TLSv1.3"], Medium)
        .no_duplicates()
        .per_broker()
        .honoured_but("TLSv1.2 and TLSv1.3; others are refused")
        .doc("TLS versions that are offered."),
    list("ssl.cipher.suites", &[], Medium)
        .no_duplicates()
        .per_broker()
        .honoured_but("those of rustls; others are refused")
        .doc("Cipher suites that are offered. Empty: all that are sound."),
    string("ssl.keystore.type", "JKS", Medium)
        .per_broker()
        .honoured()
        .doc("Format of the key store: JKS, PKCS12 or PEM."),
    unset(String, "ssl.keystore.location", Medium).per_broker().honoured().doc("File of the key store."),
    unset(Password, "ssl.keystore.password", Medium)
        .per_broker()
        .honoured()
        .doc("Password of the key store."),
    unset(Password, "ssl.keystore.key", Medium)
        .per_broker()
        .honoured()
        .doc("The private key itself, in PEM, in place of a file."),
    unset(Password, "ssl.keystore.certificate.chain", Medium)
        .per_broker()
        .honoured()
        .doc("The certificate chain itself, in PEM, in place of a file."),
    unset(Password, "ssl.key.password", Medium).per_broker().honoured().doc("Password of the private key."),
    string("ssl.truststore.type", "JKS", Medium)
        .per_broker()
        .honoured()
        .doc("Format of the trust store: JKS, PKCS12 or PEM."),
    unset(String, "ssl.truststore.location", Medium).per_broker().honoured().doc("File of the trust store."),
    unset(Password, "ssl.truststore.password", Medium)
        .per_broker()
        .honoured()
        .doc("Password of the trust store."),
    unset(Password, "ssl.truststore.certificates", Medium)
        .per_broker()
        .honoured()
        .doc("The trusted certificates themselves, in PEM, in place of a file."),
    string("ssl.endpoint.identification.algorithm", "https", Low)
        .per_broker()
        .without_effect("this broker connects to no other")
        .doc("How the name of a server is checked against its certificate. Empty: not at all."),
    string("ssl.principal.mapping.rules", "DEFAULT", Low)
        .honoured()
        .doc("Rules that make a user name of a certificate's distinguished name."),
    boolean("ssl.allow.dn.changes", false, Low)
        .honoured()
        .doc("Whether a certificate that is replaced at run time may bear another distinguished name."),
    boolean("ssl.allow.san.changes", false, Low).honoured().doc(
        "Whether a certificate that is replaced at run time may lack alternative names of the one before.",
    ),
    unset(String, "ssl.provider", Medium)
        .per_broker()
        .without_effect(NO_TLS)
        .doc("The JVM's security provider for TLS."),
    string("ssl.keymanager.algorithm", "SunX509", Medium)
        .per_broker()
        .without_effect(NO_TLS)
        .doc("The JVM's key manager."),
    string("ssl.trustmanager.algorithm", "PKIX", Medium)
        .per_broker()
        .without_effect(NO_TLS)
        .doc("The JVM's trust manager."),
    unset(String, "ssl.secure.random.implementation", Low)
        .per_broker()
        .without_effect(NO_TLS)
        .doc("The JVM's random number generator for TLS."),
    unset(Class, "ssl.engine.factory.class", Low)
        .per_broker()
        .without_effect(NO_TLS)
        .doc("The class that makes TLS engines."),
];
