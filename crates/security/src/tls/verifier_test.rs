//! Certificates that openssl made (`tests/stores/servers`), and what is said of those that are no good.

use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;
use crate::keystore::{self, StoreType};
use crate::tls::{ClientTls, explain};

const CA: &str = include_str!("../../tests/stores/servers/ca.pem");
const OTHER_CA: &str = include_str!("../../tests/stores/other-ca.pem");
const OTHER_NAME: &str = include_str!("../../tests/stores/servers/other-name.pem");
const COMMON_NAME: &str = include_str!("../../tests/stores/servers/common-name.pem");
const EXPIRED: &str = include_str!("../../tests/stores/servers/expired.pem");
const SELF_SIGNED: &str = include_str!("../../tests/stores/servers/self-signed.pem");
const CLIENT_KEY: &str = include_str!("../../tests/stores/client.key");
const CLIENT: &str = include_str!("../../tests/stores/client.pem");

/// 2026-12-01.
const NOW_SECONDS: u64 = 1_796_083_200;

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

/// What a client that trusts `trusted` says of a broker's certificate, reached by the name `host`; empty when it is good.
fn judge(trusted: &str, checks_names: bool, certificate: &str, host: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(der(trusted)).expect("an authority");
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let verifier = Verifier { roots, trusted: vec![der(trusted)], checks_names, algorithms };
    let name = ServerName::try_from(host).expect("a name");
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW_SECONDS));
    match verifier.verify_server_cert(&der(certificate), &[], &name, &[], now) {
        Ok(_) => String::new(),
        Err(why) => explain(&why, host, false),
    }
}

#[test]
fn names_count_as_for_java() {
    assert_eq!(judge(CA, true, OTHER_NAME, "other.example.org"), "");
    assert_eq!(judge(CA, true, OTHER_NAME, "10.0.0.1"), "");
    let why = judge(CA, true, OTHER_NAME, "localhost");
    assert!(why.contains("No name matching localhost found") && why.contains("other.example.org"), "{why}");
    assert_eq!(judge(CA, false, OTHER_NAME, "localhost"), "", "the check can be turned off");
    assert_eq!(judge(CA, true, COMMON_NAME, "localhost"), "", "without other names the common name counts");
    assert!(judge(CA, true, COMMON_NAME, "127.0.0.1").contains("No name matching 127.0.0.1"));
    assert!(judge(CA, true, COMMON_NAME, "example.org").contains("holds no name"));
}

#[test]
fn chains_without_names() {
    let check = |certificate: &str, trusted: &[&str], expect: &str| {
        let chain: Vec<Vec<u8>> = vec![der(certificate).to_vec()];
        let trusted: Vec<Vec<u8>> = trusted.iter().map(|pem| der(pem).to_vec()).collect();
        let now_ms = 1_000 * i64::try_from(NOW_SECONDS).expect("a time");
        let found = verify_chain(&chain, &trusted, &ring::default_provider(), now_ms);
        let why = found.err().unwrap_or_default();
        assert!(why.contains(expect) && why.is_empty() == expect.is_empty(), "{why}");
    };
    check(OTHER_NAME, &[CA], "");
    check(OTHER_NAME, &[OTHER_CA, CA], "");
    check(OTHER_NAME, &[OTHER_CA], "UnknownIssuer");
    check(EXPIRED, &[CA], "expired");
    check(SELF_SIGNED, &[CA], "UnknownIssuer");
    check(SELF_SIGNED, &[SELF_SIGNED], "");
    assert!(verify_chain(&[], &[], &ring::default_provider(), 0).is_err());
}

#[test]
fn who_signed_and_until_when() {
    let why = judge(OTHER_CA, true, OTHER_NAME, "other.example.org");
    assert!(why.contains("no authority that is trusted here") && why.contains("ssl.truststore"), "{why}");
    let why = judge(CA, true, EXPIRED, "localhost");
    assert!(why.contains("expired 334 days ago"), "{why}");
    assert!(judge(CA, false, EXPIRED, "localhost").contains("expired"), "names have nothing to do with it");
    assert_eq!(judge(SELF_SIGNED, true, SELF_SIGNED, "localhost"), "", "what stands in the store is good");
    assert!(judge(SELF_SIGNED, true, SELF_SIGNED, "other").contains("No name matching"));
    assert!(judge(CA, true, SELF_SIGNED, "localhost").contains("signed by no authority"));
}

#[test]
fn common_names_and_hosts() {
    assert!(matches("Broker.example.org", "broker.example.org") && matches("localhost", "localhost"));
    assert!(matches("*.example.org", "b1.example.org"));
    assert!(!matches("*.example.org", "a.b1.example.org") && !matches("*.example.org", "example.org"));
    assert!(!matches("*.org", "example.org") && !matches("*", "localhost") && !matches("a", "b"));
}

#[test]
fn settings_are_checked() {
    let trusted = keystore::read_trusted(StoreType::Pem, CA.as_bytes(), None).expect("an authority");
    let good = ClientTls {
        key: Some(keystore::read_pem_key(CLIENT_KEY, CLIENT, None).expect("a key")),
        trusted,
        checks_names: true,
        enabled_protocols: vec!["TLSv1.2".into(), "TLSv1.3".into()],
        cipher_suites: vec!["TLS_AES_256_GCM_SHA384".into()],
    };
    assert!(good.build().is_ok());
    let check = |change: &dyn Fn(&mut ClientTls), expect: &str| {
        let mut settings = good.clone();
        change(&mut settings);
        let why = settings.build().expect_err(expect).to_string();
        assert!(why.contains(expect), "{why}");
    };
    check(&|it| it.enabled_protocols = vec!["TLSv1.1".into()], "TLSv1.1 is not served");
    check(&|it| it.cipher_suites = vec!["TLS_RSA_WITH_RC4_128_MD5".into()], "TLS_RSA_WITH_RC4_128_MD5");
    check(&|it| it.enabled_protocols = vec!["TLSv1.2".into()], "none of them belongs");
    check(&|it| it.trusted = vec![b"no certificate".to_vec()], "no certificate that can be used");
    check(&|it| it.key.as_mut().expect("a key").private_key = vec![0], "private key");
    assert!(!format!("{good:?}").contains("private"));
}
