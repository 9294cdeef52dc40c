//! Listeners with TLS, and clients of rustls.

mod data;
mod hostile;
mod renegotiation;
mod resumption;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_net::{ClientAuth, SecurityProtocol, TlsListener, TlsSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::support::*;

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

pub fn store(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name)
}

pub fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(store(name)).unwrap().to_vec()
}

pub fn settings(client_auth: ClientAuth) -> TlsSettings {
    TlsSettings {
        certificate_chain: vec![der("server.pem")],
        private_key: PrivateKeyDer::from_pem_file(store("server.key")).unwrap().secret_der().to_vec(),
        trusted: vec![der("ca.pem")],
        client_auth,
        provider: Arc::new(rustls::crypto::ring::default_provider()),
        versions: vec![&TLS13, &TLS12],
    }
}

/// A server with one listener that has TLS.
pub fn harness() -> Harness {
    harness_with(ClientAuth::None, 2)
}

pub fn harness_with(client_auth: ClientAuth, threads: usize) -> Harness {
    Harness::with(|options| {
        options.threads = threads;
        options.listeners[0].protocol = SecurityProtocol::Ssl;
        options.listeners[0].tls = Some(TlsListener::new(&settings(client_auth)).unwrap());
    })
}

/// A client's settings.
pub fn config(authority: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(store(authority)).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub fn connect_with(harness: &Harness, config: impl Into<Arc<ClientConfig>>, name: &'static str) -> Tls {
    let connection = ClientConnection::new(config.into(), ServerName::try_from(name).unwrap()).unwrap();
    StreamOwned::new(connection, harness.connect().stream)
}

/// A client that trusts the server, of one version.
pub fn connect(harness: &Harness, version: &'static SupportedProtocolVersion) -> Tls {
    connect_with(harness, config("ca.pem", &[version]), "localhost")
}

pub fn receive(stream: &mut impl Read) -> Vec<u8> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut payload = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

pub fn call(stream: &mut (impl Read + Write), payload: &[u8]) -> Vec<u8> {
    stream.write_all(&frame(payload)).unwrap();
    stream.flush().unwrap();
    receive(stream)
}

/// The server still serves others.
pub fn assert_serves(harness: &Harness) {
    assert_eq!(call(&mut connect(harness, &rustls::version::TLS13), b"e still here"), b"e still here");
}
