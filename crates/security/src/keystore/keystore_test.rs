//! Stores that keytool and openssl wrote, and what is left of them when bytes are changed.

use proptest::prelude::*;

use super::*;

const PEM_KEY: &str = include_str!("../../tests/stores/server.key");
const PEM_ENCRYPTED_KEY: &str = include_str!("../../tests/stores/server-encrypted.key");
const PEM_CERTIFICATE: &str = include_str!("../../tests/stores/server.pem");
const PEM_CA: &str = include_str!("../../tests/stores/ca.pem");
const OPENSSL_P12: &[u8] = include_bytes!("../../tests/stores/server-openssl.p12");
const TRIPLE_DES_P12: &[u8] = include_bytes!("../../tests/stores/server-3des.p12");
const KEYTOOL_P12: &[u8] = include_bytes!("../../tests/stores/server-keytool.p12");
const JKS: &[u8] = include_bytes!("../../tests/stores/server.jks");
const TRUST_JKS: &[u8] = include_bytes!("../../tests/stores/trust.jks");
const TRUST_P12: &[u8] = include_bytes!("../../tests/stores/trust.p12");

fn expected() -> KeyEntry {
    let chain = format!("{PEM_CERTIFICATE}{PEM_CA}");
    read_pem_key(PEM_KEY, &chain, None).expect("a key and two certificates")
}

#[test]
fn every_form_holds_the_same_key() {
    let expected = expected();
    assert_eq!(expected.certificate_chain.len(), 2);
    assert_eq!(
        x509::subject(&expected.certificate_chain[0]).as_deref(),
        Some("CN=server,OU=Sales,O=Example")
    );
    let check = |kind, bytes, key_password| {
        let found = read_key(kind, bytes, Some("changeit"), key_password).expect("the right passwords");
        assert!(found.certificate_chain == expected.certificate_chain, "the leaf, then its authority");
        assert_eq!(secret_of(&found.private_key), secret_of(&expected.private_key));
    };
    for store in [OPENSSL_P12, TRIPLE_DES_P12, KEYTOOL_P12] {
        check(StoreType::Pkcs12, store, None);
        // The type is Kafka's default; Java finds out.
        check(StoreType::Jks, store, None);
    }
    check(StoreType::Jks, JKS, Some("key-secret"));
    let pem = format!("{PEM_CERTIFICATE}{PEM_CA}{PEM_ENCRYPTED_KEY}");
    check(StoreType::Pem, pem.as_bytes(), Some("key-secret"));
    assert!(!format!("{expected:?}").contains("private"));
}

/// The number that is the key; what stands around it differs between writers.
fn secret_of(pkcs8: &[u8]) -> Vec<u8> {
    let mut info = Der::new(pkcs8).inside(0x30).expect("PKCS#8");
    info.number().expect("a version");
    info.expect(0x30).expect("an algorithm");
    let mut key = info.inside(0x04).and_then(|mut key| key.inside(0x30)).expect("SEC1");
    key.number().expect("a version");
    key.expect(0x04).expect("a number").to_vec()
}

#[test]
fn trust_stores() {
    let ca = pem::certificates(PEM_CA).expect("a certificate");
    for (kind, bytes, password) in [
        (StoreType::Pem, PEM_CA.as_bytes(), None),
        (StoreType::Jks, TRUST_JKS, Some("changeit")),
        (StoreType::Jks, TRUST_JKS, None),
        (StoreType::Pkcs12, TRUST_P12, Some("changeit")),
    ] {
        assert!(read_trusted(kind, bytes, password) == Ok(ca.clone()), "{kind:?}");
    }
    assert_eq!(read_trusted(StoreType::Pem, b"", None), Err(StoreError::NoCertificate));
    assert_eq!(read_trusted(StoreType::Jks, TRUST_JKS, Some("x")), Err(StoreError::Password));
}

#[test]
fn what_is_wrong_is_said() {
    for (kind, bytes) in [
        (StoreType::Pkcs12, OPENSSL_P12),
        (StoreType::Pkcs12, KEYTOOL_P12),
        (StoreType::Pkcs12, TRIPLE_DES_P12),
        (StoreType::Jks, JKS),
    ] {
        assert_eq!(read_key(kind, bytes, Some("wrong"), None), Err(StoreError::Password));
    }
    assert_eq!(read_key(StoreType::Jks, JKS, Some("changeit"), Some("wrong")), Err(StoreError::Password));
    assert_eq!(read_key(StoreType::Jks, JKS, None, None), Err(StoreError::NoPassword));
    let pem = format!("{PEM_CERTIFICATE}{PEM_ENCRYPTED_KEY}");
    assert_eq!(read_key(StoreType::Pem, pem.as_bytes(), None, None), Err(StoreError::NoPassword));
    assert_eq!(read_key(StoreType::Pem, pem.as_bytes(), None, Some("wrong")), Err(StoreError::Password));
    assert_eq!(read_key(StoreType::Pem, PEM_CERTIFICATE.as_bytes(), None, None), Err(StoreError::NoKey));
    assert_eq!(read_key(StoreType::Pem, PEM_KEY.as_bytes(), None, None), Err(StoreError::NoKey));
    assert_eq!(read_key(StoreType::Pkcs12, TRUST_P12, Some("changeit"), None), Err(StoreError::NoKey));
    assert_eq!(read_key(StoreType::Jks, b"rubbish", Some("x"), None), Err(StoreError::Malformed));
    let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----";
    assert_eq!(read_trusted(StoreType::Pem, broken.as_bytes(), None), Err(StoreError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_bytes_are_survived(which in 0..3_usize, at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let (kind, bytes) = [(StoreType::Jks, JKS), (StoreType::Jks, TRUST_JKS), (StoreType::Pem, PEM_CA.as_bytes())][which];
        let mut bytes = bytes.to_vec();
        let position = at.index(bytes.len());
        bytes[position] = byte;
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = read_key(kind, &bytes, Some("changeit"), Some("key-secret"));
        let _ = read_trusted(kind, &bytes, None);
        let _ = x509::subject(&bytes);
    }
}
