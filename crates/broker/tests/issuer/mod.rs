//! An issuer of tokens: signs with keys of its own, and tells the public ones over HTTP, with TLS and without, as it is told to.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use ottla_security::base64::encode_url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// A key that tokens are signed with.
pub struct SigningKey {
    pub id: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    pub fn new(id: &str) -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).expect("the key");
        Self { id: id.to_owned(), pair }
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": encode_url(x), "y": encode_url(y)})
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.id});
        let part = |value: &Value| encode_url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode_url(signature.as_ref()))
    }
}

/// A set of public keys.
pub fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// What the issuer answers.
#[derive(Clone)]
pub enum Answer {
    /// A set of keys.
    Keys(String),
    /// A status, and nothing else.
    Status(u16),
    /// These bytes, again and again until the other side has enough.
    Endless(&'static [u8]),
    /// Nothing until [`Issuer::release`]; then a set of keys.
    Held(String),
}

/// The issuer's server.
pub struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    connections: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    release: SyncSender<()>,
    scheme: &'static str,
}

impl Issuer {
    pub fn start(answer: Answer) -> Self {
        Self::start_with(answer, None)
    }

    /// With TLS; certificate and key are PEM files.
    pub fn start_tls(answer: Answer, certificate: &Path, key: &Path) -> Self {
        let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        Self::start_with(answer, Some(Arc::new(config)))
    }

    fn start_with(answer: Answer, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(answer));
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, released) = sync_channel(1);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (now, accepted, count) = (answer.clone(), connections.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::SeqCst);
                let answer = now.lock().expect("the answer").clone();
                match &tls {
                    None => respond(stream, &answer, &released, &count),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).expect("a server");
                        respond(StreamOwned::new(connection, stream), &answer, &released, &count);
                    }
                }
            }
        });
        Self { address, answer, connections, asked, release, scheme }
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("{}://{}/keys", self.scheme, self.address)
    }

    /// The same, by the host's name.
    pub fn url_by_name(&self) -> String {
        format!("{}://localhost:{}/keys", self.scheme, self.address.port())
    }

    /// Answers otherwise from now on.
    pub fn set(&self, answer: Answer) {
        *self.answer.lock().expect("the answer") = answer;
    }

    /// How many connections came, with a request or without.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets one answer that is held go.
    pub fn release(&self) {
        self.release.send(()).expect("the issuer is there");
    }
}

fn respond(mut stream: impl Read + Write, answer: &Answer, released: &Receiver<()>, asked: &AtomicUsize) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    // Whether the other side hears it is its own affair.
    let _ = match answer {
        Answer::Status(status) => write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"),
        Answer::Keys(keys) => whole(&mut stream, keys),
        Answer::Held(keys) => {
            let _ = released.recv();
            whole(&mut stream, keys)
        }
        Answer::Endless(bytes) => {
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while sent.is_ok() {
                sent = stream.write_all(bytes);
            }
            sent
        }
    };
    let _ = stream.flush();
}

fn whole(stream: &mut impl Write, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
