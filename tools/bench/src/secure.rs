//! The ways into a broker that asks who one is: TLS with one certificate for all, and a user with a password.
//!
//! The certificate is the one of the security crate's tests, of an elliptic curve, as PEM for both contestants.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use ottla_protocol::messages::{
    AlterUserScramCredentialsRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use ottla_security::sasl::{HashFunction, ScramClient};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use crate::stats::Random;
use crate::topic::{TIMEOUT, check};
use crate::wire::Connection;

/// The user that loads log in as.
pub const USER: &str = "bench";
const PASSWORD: &str = "bench-secret";
const MECHANISM: &str = "SCRAM-SHA-512";
const ITERATIONS: u32 = 4096;

const CERTIFICATE: &str = include_str!("../../../crates/security/tests/stores/server.pem");
const KEY: &str = include_str!("../../../crates/security/tests/stores/server.key");

/// Ports of the listeners that a broker has beside the plain one.
#[derive(Clone, Copy)]
pub struct Ports {
    /// TLS.
    pub ssl: u16,
    /// TLS, and a password.
    pub sasl_ssl: u16,
    /// A password, and no TLS.
    pub sasl: u16,
}

/// A listener, and how to come in.
#[derive(Clone)]
pub struct Door {
    /// On the loopback interface.
    pub port: u16,
    /// With TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// With a password.
    pub logs_in: bool,
}

impl From<u16> for Door {
    fn from(port: u16) -> Self {
        Door { port, tls: None, logs_in: false }
    }
}

impl From<&Door> for Door {
    fn from(door: &Door) -> Self {
        door.clone()
    }
}

impl Ports {
    /// With TLS, each time from the beginning.
    pub fn ssl(&self) -> Result<Door> {
        Ok(Door { port: self.ssl, tls: Some(config(Resumption::disabled())?), logs_in: false })
    }

    /// With TLS that goes on where the last connection by this door has ended.
    pub fn resumed(&self) -> Result<Door> {
        Ok(Door { port: self.ssl, tls: Some(config(Resumption::in_memory_sessions(4))?), logs_in: false })
    }

    /// With TLS and a password.
    pub fn sasl_ssl(&self) -> Result<Door> {
        Ok(Door { port: self.sasl_ssl, tls: Some(config(Resumption::disabled())?), logs_in: true })
    }

    /// With a password.
    pub fn sasl(&self) -> Door {
        Door { port: self.sasl, tls: None, logs_in: true }
    }

    /// Their part of server.properties; the store is written into `folder`.
    pub fn properties(&self, folder: &Path) -> Result<String> {
        let store = folder.join("keystore.pem");
        fs::write(&store, format!("{KEY}{CERTIFICATE}")).context("writing the key store")?;
        let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        Ok(format!(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             sasl.enabled.mechanisms={MECHANISM}\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}\n\
             listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={login}\n",
            store.display()
        ))
    }
}

/// A client that looks at no certificate: that would be work beside the broker's, on the same machine.
fn config(resumption: Resumption) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)));
    let mut config = builder.with_no_client_auth();
    config.resumption = resumption;
    Ok(Arc::new(config))
}

/// A client's side of a new connection.
pub fn client(config: &Arc<ClientConfig>) -> Result<ClientConnection> {
    let mut client = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
    client.set_buffer_limit(None);
    Ok(client)
}

/// So many connections whose clients have sent half of their first message.
pub fn strangers(door: &Door, count: usize) -> Result<Vec<TcpStream>> {
    let mut first = Vec::new();
    client(door.tls.as_ref().context("a door without TLS")?)?.write_tls(&mut first)?;
    let half = &first[..first.len() / 2];
    let one = |_| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, door.port))?;
        stream.write_all(half)?;
        Ok(stream)
    };
    (0..count).map(one).collect()
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Has a broker know [`USER`], over its plain listener.
pub fn create_user(port: u16) -> Result<()> {
    let salt = b"a salt that is no secret";
    let salted = HashFunction::Sha512.salted_password(PASSWORD.as_bytes(), salt, ITERATIONS);
    let user = ScramCredentialUpsertion {
        name: USER.into(),
        // SCRAM-SHA-512.
        mechanism: 2,
        iterations: ITERATIONS as i32,
        salt: Bytes::from_static(salt),
        salted_password: salted.into(),
    };
    let request = AlterUserScramCredentialsRequest { upsertions: vec![user], ..Default::default() };
    let answer = Connection::open(port, TIMEOUT)?.call(&request, 0)?;
    answer.results.iter().try_for_each(|result| check("AlterUserScramCredentials", result.error_code))
}

/// Says who one is.
pub fn log_in(connection: &mut Connection) -> Result<()> {
    let handshake = SaslHandshakeRequest { mechanism: MECHANISM.into() };
    check("SaslHandshake", connection.call(&handshake, 1)?.error_code)?;
    let nonce = format!("bench{:016x}", Random::new(std::process::id().into()).bits());
    let mut scram = ScramClient::new(HashFunction::Sha512, USER, PASSWORD, nonce);
    let mut challenge = Bytes::new();
    for _ in 0..2 {
        let message = scram.evaluate(&challenge)?;
        let request = SaslAuthenticateRequest { auth_bytes: message.into() };
        let answer = connection.call(&request, 2)?;
        let why = answer.error_message.unwrap_or_default();
        ensure!(answer.error_code == 0, "SaslAuthenticate: error {} {why}", answer.error_code);
        challenge = answer.auth_bytes;
    }
    scram.evaluate(&challenge)?;
    ensure!(scram.is_complete(), "the broker did not prove that it knows the password");
    Ok(())
}
