//! A node with a listener that asks for Kerberos: what strangers hear. Who has a ticket is tried by the suite `security/gssapi`, which
//! has a key distribution centre.
#![cfg(feature = "gssapi")]

mod wire_client;

use std::path::Path;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest};
use wire_client::WireClient;

/// A keytab with an AES key of 32 sevens for `kafka/localhost@REALM`, as ktutil writes it.
fn write_keytab(path: &Path) {
    let mut entry = b"\0\x02\0\x05REALM\0\x05kafka\0\x09localhost\0\0\0\x01\0\0\0\0\x01\0\x12\0\x20".to_vec();
    entry.extend([7; 32]);
    let mut file = vec![5, 2, 0, 0, 0, entry.len() as u8];
    file.extend(entry);
    std::fs::write(path, file).expect("a file");
}

fn start(dir: &Path, principal: &str) -> Result<Server, String> {
    let keytab = dir.join("kafka.keytab");
    write_keytab(&keytab);
    let jaas = format!(
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=\"{}\" principal=\"{principal}\";",
        keytab.display()
    );
    let properties = RawMap::from(
        [
            ("log.dirs", dir.join("data").to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "GSSAPI,SCRAM-SHA-256"),
            ("sasl.kerberos.service.name", "kafka"),
            ("listener.name.secure.gssapi.sasl.jaas.config", &jaas),
            ("connection.failed.authentication.delay.ms", "1"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).map_err(|why| why.to_string())
}

#[test]
fn strangers_hear_nothing_of_what_was_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path(), "kafka/localhost@REALM").expect("the node starts");
    let address = server.addresses().iter().find(|(name, _)| name == "SECURE").expect("the listener").1;
    // Nothing, no token, the frame of an AP-REQ without one, and SPNEGO.
    let frame = b"\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    let spnego = b"\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02";
    for token in [&b""[..], b"rubbish", frame, spnego] {
        let mut client = WireClient::connect(address);
        let handshake = client.call(&SaslHandshakeRequest { mechanism: "GSSAPI".into() }, 1);
        assert_eq!(handshake.error_code, 0);
        let names: Vec<&str> = handshake.mechanisms.iter().map(|name| &**name).collect();
        assert_eq!(names, ["GSSAPI", "SCRAM-SHA-256"]);
        let refused = client.call(&SaslAuthenticateRequest { auth_bytes: token.to_vec().into() }, 2);
        assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
        assert_eq!(
            refused.error_message.as_deref(),
            Some(
                "Authentication failed during authentication due to invalid credentials with SASL mechanism GSSAPI"
            )
        );
        assert!(client.is_closed());
    }
    let mut early = WireClient::connect(address);
    early.send(&MetadataRequest::default(), 12, 12);
    assert!(early.is_closed());
    server.shutdown();
}

#[test]
fn a_keytab_of_somebody_else_is_told_of_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let why = start(dir.path(), "kafka/other@REALM").err().expect("no key");
    assert!(why.contains("kafka.keytab") && why.contains("no AES key of kafka/other@REALM"), "{why}");
}
