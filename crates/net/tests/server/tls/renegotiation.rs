//! Clients of TLS 1.2 that would begin again in the middle of a session. rustls has none, so the records are made here.

use std::io::Write;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::version::TLS12;
use rustls::{CipherSuite, ConnectionTrafficSecrets};

use super::*;

const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// The sending side of a session that a client of rustls has begun.
struct Sender {
    stream: TcpStream,
    key: LessSafeKey,
    salt: [u8; 4],
    sequence: u64,
}

impl Sender {
    fn new(harness: &Harness) -> Self {
        let mut provider = rustls::crypto::ring::default_provider();
        provider
            .cipher_suites
            .retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(store("ca.pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&TLS12]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.enable_secret_extraction = true;
        let mut client = connect_with(harness, config, "localhost");
        assert_eq!(call(&mut client, b"e"), b"e");
        let (sequence, secrets) = client.conn.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another suite") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        let salt = *iv.as_ref().first_chunk().unwrap();
        Sender { stream: client.sock, key, salt, sequence }
    }

    /// RFC 5288: the number of a record is part of its nonce, and stands before it.
    fn send(&mut self, kind: u8, plain: &[u8]) -> std::io::Result<()> {
        let number = self.sequence.to_be_bytes();
        self.sequence += 1;
        let nonce = [&self.salt[..], &number].concat().try_into().unwrap();
        let len = |len: usize| (len as u16).to_be_bytes();
        let context = [&number[..], &[kind, 3, 3], &len(plain.len())].concat();
        let mut sealed = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(context), &mut sealed).unwrap();
        let header = [&[kind, 3, 3][..], &len(number.len() + sealed.len())].concat();
        self.stream.write_all(&[&header[..], &number, &sealed].concat())
    }
}

#[test]
fn is_refused_once_and_then_ends_it() {
    let harness = harness();
    let mut client = Sender::new(&harness);
    client.send(DATA, &frame(b"n before")).unwrap();
    let mut hello = Vec::new();
    let config = Arc::new(config("ca.pem", &[&TLS12]));
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    client.send(HANDSHAKE, &hello[5..]).unwrap();
    client.send(DATA, &frame(b"n after")).unwrap();
    wait_for("what was sent behind it", || harness.script.called() == 3);
    assert_eq!(harness.script.calls.lock().unwrap()[2], b"n after"[..]);
    // Who insists is shown the door.
    wait_for("the end", || {
        let _ = client.send(HANDSHAKE, &hello[5..]);
        harness.snapshot().connections == 0
    });
    assert_serves(&harness);
}
