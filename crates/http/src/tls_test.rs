//! Exchanges over TLS: whom the client believes, by the options of a login module.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{HttpClient, Limits, Request, Url};

const LIMITS: Limits = Limits {
    connect: std::time::Duration::from_secs(20),
    answer: std::time::Duration::from_secs(20),
    body_bytes: 100,
};

fn store(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name);
    path.to_str().expect("a path").to_owned()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(store(name)).expect("a file")
}

fn trust(options: &[(&str, &str)]) -> Result<TlsTrust, TlsTrustError> {
    TlsTrust::from_options(|name| options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
}

/// A server with one of the certificates; `wants` is the authority of clients' certificates, if it asks for them.
fn server(certificate: &str, key: &str, wants: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match wants {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(store(authority)).expect("one")).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from_pem_file(store(certificate)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(store(key)).expect("a key");
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("they belong together")))
}

/// The answer's body, or why there is none.
async fn asked(server: TlsAcceptor, host: &str, options: &[(&str, &str)]) -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{host}:{}/", listener.local_addr().expect("an address").port());
    let trust = trust(options).expect("stores");
    let client = HttpClient::new(Url::parse(&url).expect("an address"), Some(trust), LIMITS);
    let serve = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        let Ok(mut stream) = server.accept(stream).await else { return };
        // A client that has no certificate to show hears so where it waits for the answer.
        if stream.read(&mut [0; 4_096]).await.is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            let _ = stream.shutdown().await;
        }
    };
    let (answer, ()) = tokio::join!(client.send(Request::get()), serve);
    match answer {
        Ok(answer) => Ok(String::from_utf8(answer.body).expect("text")),
        Err(why) => Err(why.to_string()),
    }
}

#[tokio::test]
async fn whom_the_client_believes() {
    let authority = store("ca.pem");
    let ours = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", authority.as_str())];
    let good = || server("server.pem", "server.key", None);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(asked(good(), host, &ours).await.as_deref(), Ok("hi"));
    }
    let (pkcs12, inline) = (store("trust.p12"), text("ca.pem"));
    let stored = [
        ("ssl.truststore.type", "PKCS12"),
        ("ssl.truststore.location", pkcs12.as_str()),
        ("ssl.truststore.password", "changeit"),
    ];
    assert_eq!(asked(good(), "localhost", &stored).await.as_deref(), Ok("hi"));
    let inline = [("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", inline.as_str())];
    assert_eq!(asked(good(), "localhost", &inline).await.as_deref(), Ok("hi"));

    let refused = async |server, options: &[(&str, &str)], expect: &str| {
        let why = asked(server, "localhost", options).await.expect_err(expect);
        assert!(why.starts_with("no TLS with localhost: ") && why.contains(expect), "{why}");
    };
    let stranger = store("other-ca.pem");
    let others = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", stranger.as_str())];
    refused(good(), &others, "UnknownIssuer").await;
    let clients = store("servers/ca.pem");
    let clients = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", clients.as_str())];
    let with = |certificate| server(certificate, "servers/leaf.key", None);
    refused(with("servers/other-name.pem"), &clients, "not valid for name").await;
    refused(with("servers/expired.pem"), &clients, "expired").await;
    let itself = store("servers/self-signed.pem");
    let itself = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", itself.as_str())];
    assert_eq!(asked(with("servers/self-signed.pem"), "localhost", &itself).await.as_deref(), Ok("hi"));
}

#[tokio::test]
async fn a_certificate_of_its_own() {
    let (authority, key, chain) = (store("ca.pem"), text("client.key"), text("client.pem"));
    let ours = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", authority.as_str())];
    let own = [
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", key.as_str()),
        ("ssl.keystore.certificate.chain", chain.as_str()),
    ];
    let wanting = || server("server.pem", "server.key", Some("ca.pem"));
    assert_eq!(asked(wanting(), "localhost", &[ours.as_slice(), &own].concat()).await.as_deref(), Ok("hi"));
    asked(wanting(), "localhost", &ours).await.expect_err("no certificate");
}

#[test]
fn stores_that_cannot_be_used() {
    let check = |options: &[(&str, &str)], expect: &str| {
        let why = trust(options).expect_err(expect).to_string();
        assert!(why.contains(expect), "{why}");
    };
    let jks = store("trust.jks");
    let (there, nowhere) = (("ssl.truststore.location", jks.as_str()), store("nothing"));
    check(&[there, ("ssl.truststore.password", "wrong")], "see ssl.truststore.password");
    check(&[there, ("ssl.truststore.type", "PEM")], "it was read as Pem");
    check(&[("ssl.truststore.location", &nowhere)], "can't be read");
    check(&[there, ("ssl.truststore.type", "BCFKS")], "JKS, PKCS12 and PEM are served");
    check(&[there, ("ssl.truststore.certificates", "x")], "Both SSL trust store location");
    check(
        &[("ssl.keystore.type", "PEM"), ("ssl.keystore.key", "hush")],
        "certificate chain is not specified",
    );
}
