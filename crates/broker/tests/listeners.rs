//! Listeners that come and go while the node runs (KIP-226).

mod logins;
mod wire_client;

use logins::log_in_plain;
use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::ApiVersionsRequest;
use wire_client::WireClient;

const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"b\";";
const BOTH: &str = "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0";
const MAP: &str = "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT";

fn start(dir: &tempfile::TempDir) -> Server {
    let properties = RawMap::from(
        [
            ("log.dirs", dir.path().to_str().expect("a path")),
            ("node.id", "1"),
            // What is advertised cannot be closed.
            ("advertised.listeners", "PLAINTEXT://localhost:9092"),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("connection.failed.authentication.delay.ms", "1"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).expect("the node starts")
}

fn connect(server: &Server, listener: &str) -> Option<WireClient> {
    let addresses = server.addresses();
    let address = addresses.iter().find(|(name, _)| name == listener)?.1;
    Some(WireClient::connect(address))
}

fn names(server: &Server) -> Vec<String> {
    server.addresses().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn listeners_come_and_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir);
    let mut admin = connect(&server, "PLAINTEXT").expect("it is there from the start");
    let mechanism = ("listener.name.secure.sasl.enabled.mechanisms", "PLAIN");
    let jaas = ("listener.name.secure.plain.sasl.jaas.config", JAAS);
    let map = ("listener.security.protocol.map", MAP);
    let nonsense = ("listener.name.secure.plain.sasl.jaas.config", "nonsense");
    let (refused, why) = admin.alter_broker(&[("listeners", BOTH), map, mechanism, nonsense]);
    assert!(refused == ErrorCode::InvalidRequest && why.contains("JAAS"), "{why}");
    assert_eq!(names(&server), ["PLAINTEXT"]);
    assert_eq!(
        admin.alter_broker(&[("listeners", BOTH), map, mechanism, jaas]),
        (ErrorCode::None, String::new())
    );
    let mut bob = connect(&server, "SECURE").expect("a new listener");
    assert_eq!(log_in_plain(&mut bob, "bob", "b").error_code, 0);
    assert_ne!(log_in_plain(&mut connect(&server, "SECURE").expect("it"), "bob", "c").error_code, 0);
    // What was set survives a restart.
    drop((admin, bob));
    server.shutdown();
    let server = start(&dir);
    assert_eq!(names(&server), ["PLAINTEXT", "SECURE"]);
    let mut bob = connect(&server, "SECURE").expect("the listener of before");
    assert_eq!(log_in_plain(&mut bob, "bob", "b").error_code, 0);
    let mut admin = connect(&server, "PLAINTEXT").expect("it is there from the start");
    let address = server.addresses()[1].1;
    assert_eq!(admin.alter_broker(&[("listeners", "PLAINTEXT://127.0.0.1:0")]).0, ErrorCode::None);
    assert!(bob.is_closed(), "a connection goes with its listener");
    assert_eq!(names(&server), ["PLAINTEXT"]);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens there any more");
    assert_eq!(admin.call(&ApiVersionsRequest::default(), 0).error_code, 0, "the others stay");
    // It may come again, also where it was.
    let both = format!("PLAINTEXT://127.0.0.1:0,SECURE://{address}");
    assert_eq!(admin.alter_broker(&[("listeners", &both)]).0, ErrorCode::None);
    assert_eq!(server.addresses()[1].1, address);
    let mut bob = connect(&server, "SECURE").expect("the listener again");
    assert_eq!(log_in_plain(&mut bob, "bob", "b").error_code, 0);
    server.shutdown();
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir);
    let mut admin = connect(&server, "PLAINTEXT").expect("it is there from the start");
    let mut refused = |configs: &[(&str, &str)], why: &str| {
        let (code, message) = admin.alter_broker(configs);
        assert!(code != ErrorCode::None && message.contains(why), "{code}: {message}");
    };
    refused(&[("listeners", BOTH)], "SECURE");
    let other = "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT";
    let moved = [("listeners", "OTHER://127.0.0.1:0"), ("listener.security.protocol.map", other)];
    refused(&moved, "dvertised");
    refused(
        &[("listeners", "OTHER://127.0.0.1:0"), ("listener.security.protocol.map", "OTHER:PLAINTEXT")],
        "",
    );
    refused(
        &[
            ("listeners", BOTH),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SSL"),
            ("listener.name.secure.ssl.keystore.location", "/nowhere/at.all"),
        ],
        "/nowhere/at.all",
    );
    assert_eq!(names(&server), ["PLAINTEXT"]);
    server.shutdown();
}
