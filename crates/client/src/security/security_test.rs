use std::path::Path;

use ottla_config::Scope;

use super::*;
use crate::config::{ClientConfig, Properties};

const JAAS: &str =
    "org.apache.kafka.common.security.scram.ScramLoginModule required username=alice password=hush;";

fn store(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name);
    path.to_str().expect("a path").to_owned()
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(store(name)).expect("a file")
}

fn security(entries: &[(&str, &str)]) -> Result<Security, String> {
    let mut properties: Properties =
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    properties.insert("bootstrap.servers".into(), "localhost:9092".into());
    let values = ClientConfig::read(Scope::Producer, &properties).map_err(|why| why.to_string())?;
    Security::from_values(&values).map_err(|why| why.to_string())
}

fn with_tls<'a>(entries: &[(&'a str, &'a str)]) -> Result<Security, String> {
    security(&[&[("security.protocol", "ssl")], entries].concat())
}

#[test]
fn protocols_and_their_parts() {
    let jks = store("trust.jks");
    let trust = [("ssl.truststore.location", jks.as_str()), ("ssl.truststore.password", "changeit")];
    assert_eq!(security(&[]).map(|it| it.protocol()), Ok("PLAINTEXT"));
    assert_eq!(with_tls(&trust).map(|it| it.protocol()), Ok("SSL"));
    let login = [("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", JAAS)];
    let found = security(&[login.as_slice(), &[("security.protocol", "SASL_PLAINTEXT")]].concat());
    assert_eq!(found.map(|it| it.protocol()), Ok("SASL_PLAINTEXT"));
    let all = [login.as_slice(), &trust, &[("security.protocol", "sasl_ssl")]].concat();
    let found = security(&all).expect("a good configuration");
    assert_eq!(format!("{found:?} {:?}", found.login), "SASL_SSL Some(Fixed(Login(SCRAM-SHA-512)))");
}

#[test]
fn stores_in_every_form() {
    let (p12, keystore, ca) = (store("trust.p12"), store("server-keytool.p12"), store("ca.pem"));
    let all = [
        ("ssl.truststore.location", p12.as_str()),
        ("ssl.truststore.type", "PKCS12"),
        ("ssl.truststore.password", "changeit"),
        ("ssl.keystore.location", keystore.as_str()),
        ("ssl.keystore.type", "PKCS12"),
        ("ssl.keystore.password", "changeit"),
    ];
    assert!(with_tls(&all).expect("stores").tls.expect("TLS").has_key);
    let (certificates, key, chain) = (pem("ca.pem"), pem("client.key"), pem("client.pem"));
    let inline = [
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.certificates", certificates.as_str()),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", key.as_str()),
        ("ssl.keystore.certificate.chain", chain.as_str()),
    ];
    assert!(with_tls(&inline).expect("stores").tls.expect("TLS").has_key);
    let file = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", ca.as_str())];
    assert!(!with_tls(&file).expect("a store").tls.expect("TLS").has_key);
}

#[test]
fn what_is_wrong_is_told_with_its_key() {
    let (jks, ca, nothing) = (store("trust.jks"), store("ca.pem"), store("nothing.jks"));
    let check = |entries: &[(&str, &str)], expect: &str| {
        let why = with_tls(entries).expect_err(expect);
        assert!(why.contains(expect), "{why}");
    };
    check(&[("ssl.truststore.location", &nothing)], "ssl.truststore.location: the file");
    check(&[("ssl.truststore.location", &ca)], "can't be used");
    let trust = ("ssl.truststore.location", jks.as_str());
    let password = ("ssl.truststore.password", "wrong");
    check(&[trust, password], "the password is wrong");
    let trust = [trust, ("ssl.truststore.password", "changeit")];
    check(&[trust[0], ("ssl.truststore.certificates", "x")], "Both SSL trust store location");
    check(&[("ssl.truststore.certificates", "x")], "only for PEM");
    check(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.key", "x")], "certificate chain is not specified");
    check(&[trust[0], trust[1], ("ssl.enabled.protocols", "TLSv1.1")], "TLSv1.1 is not served");
    check(&[trust[0], trust[1], ("ssl.endpoint.identification.algorithm", "LDAPS")], "LDAPS is not there");
}

#[test]
fn logins_are_checked() {
    let check = |entries: &[(&str, &str)], expect: &str| {
        let why =
            security(&[&[("security.protocol", "SASL_PLAINTEXT")], entries].concat()).expect_err(expect);
        assert!(why.contains(expect), "{why}");
    };
    check(&[("sasl.mechanism", "")], "mechanism must be non-null");
    check(&[("sasl.mechanism", "DIGEST-MD5")], "sasl.mechanism=DIGEST-MD5 is not spoken");
    check(&[], "sasl.jaas.config is not set");
    check(&[("sasl.mechanism", "PLAIN")], "sasl.jaas.config is not set");
    check(
        &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "x")],
        "sasl.jaas.config: Login module control",
    );
    let module = "com.example.Module required username=a password=hush;";
    let entries = [("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", module)];
    check(&entries, "com.example.Module is not there");
    let why = security(&[entries.as_slice(), &[("security.protocol", "SASL_PLAINTEXT")]].concat());
    assert!(!why.expect_err("a wrong module").contains("hush"));
}

#[tokio::test]
async fn tokens_are_logins() {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    let options = format!("{module} unsecuredLoginStringClaim_sub=alice;");
    let all = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.jaas.config", options.as_str()),
    ];
    let found = security(&all).expect("a good configuration");
    let login = found.login.as_ref().expect("SASL").login("host").await.expect("a token");
    assert_eq!(format!("{login:?}"), "Login(OAUTHBEARER)");
    let found = security(&all[..2]).expect("the module's options have keys too");
    let why =
        found.login.as_ref().expect("SASL").login("host").await.expect_err("nothing says whence tokens come");
    assert!(why.is_authentication() && why.to_string().contains("token.endpoint.url"), "{why}");
    let url = ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token");
    let why = security(&[all.as_slice(), &[url]].concat()).expect_err("an address that nobody has allowed");
    assert!(why.contains("not allowed"), "{why}");
}
