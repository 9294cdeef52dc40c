//! Sessions that go on where others ended.

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::*;

/// Kinds of two handshakes of the same client, one after the other.
fn kinds(harness: &Harness, config: &Arc<ClientConfig>) -> [Option<HandshakeKind>; 2] {
    [0, 1].map(|_| {
        let mut client = connect_with(harness, config.clone(), "localhost");
        assert_eq!(call(&mut client, b"e"), b"e");
        client.conn.handshake_kind()
    })
}

#[test]
fn by_tickets() {
    let harness = harness();
    for version in [&TLS13, &TLS12] {
        let config = Arc::new(config("ca.pem", &[version]));
        assert_eq!(kinds(&harness, &config), [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
        // Each connection brings the ticket of the next.
        assert_eq!(kinds(&harness, &config), [Some(HandshakeKind::Resumed); 2]);
    }
}

#[test]
fn never_where_clients_show_certificates() {
    let harness = harness_with(ClientAuth::Requested, 1);
    for version in [&TLS13, &TLS12] {
        let config = Arc::new(config("ca.pem", &[version]));
        assert_eq!(kinds(&harness, &config), [Some(HandshakeKind::Full); 2]);
    }
}

#[test]
fn not_with_a_certificate_that_was_replaced() {
    let listener = TlsListener::new(&settings(ClientAuth::None)).unwrap();
    let shared = listener.clone();
    let harness = Harness::with(|options| {
        options.listeners[0].protocol = SecurityProtocol::Ssl;
        options.listeners[0].tls = Some(shared);
    });
    let config = Arc::new(config("ca.pem", &[&TLS13]));
    kinds(&harness, &config);
    listener.replace(&settings(ClientAuth::None)).unwrap();
    assert_eq!(kinds(&harness, &config), [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
}
