//! Start and stop.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use ottla_net::{ListenerOptions, NetError, NetOptions, SecurityProtocol, Server};

use crate::support::*;

fn start(listeners: Vec<ListenerOptions>) -> Result<ottla_net::ServerHandle, NetError> {
    let options = NetOptions { listeners, threads: 1, ..NetOptions::default() };
    Server::start(options, |_| Scripted { script: Default::default() })
}

#[test]
fn several_listeners_on_ports_of_the_systems_choice() {
    let server = start(vec![
        ListenerOptions::plaintext("PLAINTEXT", "localhost", 0),
        ListenerOptions::plaintext("INTERNAL", "", 0),
    ])
    .unwrap();
    let ports: Vec<u16> = server.addresses().iter().map(|(_, address)| address.port()).collect();
    assert!(ports.iter().all(|port| *port != 0) && ports[0] != ports[1]);
    for port in ports {
        assert_eq!(Client::connect(([127, 0, 0, 1], port).into()).call(b"e"), b"e");
    }
    assert_eq!(server.address("INTERNAL").unwrap().port(), server.addresses()[1].1.port());
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_bound() {
    assert!(matches!(start(vec![]), Err(NetError::NoListeners)));
    let twice = vec![ListenerOptions::plaintext("A", "", 0), ListenerOptions::plaintext("A", "", 0)];
    assert!(matches!(start(twice), Err(NetError::DuplicateListener(_))));
    let tls = ListenerOptions { protocol: SecurityProtocol::Ssl, ..ListenerOptions::plaintext("SSL", "", 0) };
    let message = start(vec![tls]).unwrap_err().to_string();
    assert!(message.contains("SSL") && message.contains("key store"), "{message}");
}

#[test]
fn a_taken_port_fails_the_start_and_frees_the_others() {
    let first = start(vec![ListenerOptions::plaintext("A", "127.0.0.1", 0)]).unwrap();
    let taken = first.addresses()[0].1.port();
    let error = start(vec![
        ListenerOptions::plaintext("B", "127.0.0.1", 0),
        ListenerOptions::plaintext("C", "127.0.0.1", taken),
    ]);
    assert!(matches!(error, Err(NetError::Bind { listener, .. }) if listener == "C"));
}

#[test]
fn listeners_come_and_go_while_the_server_runs() {
    let server = start(vec![ListenerOptions::plaintext("A", "127.0.0.1", 0)]).unwrap();
    let mut first = Client::connect(server.addresses()[0].1);
    let new = ListenerOptions::plaintext("B", "127.0.0.1", 0);
    let address = server.listeners().open(&new).unwrap();
    assert_eq!((server.address("B"), address.port() == 0), (Some(address), false));
    let mut second = Client::connect(address);
    assert_eq!((first.call(b"e"), second.call(b"ef")), (b"e".to_vec(), b"ef".to_vec()));
    assert!(matches!(server.listeners().open(&new), Err(NetError::DuplicateListener(name)) if name == "B"));
    let taken = ListenerOptions::plaintext("C", "127.0.0.1", address.port());
    assert!(matches!(server.listeners().open(&taken), Err(NetError::Bind { .. })));
    let tls = ListenerOptions { protocol: SecurityProtocol::Ssl, ..ListenerOptions::plaintext("D", "", 0) };
    assert!(matches!(server.listeners().open(&tls), Err(NetError::NoCertificate { .. })));
    assert!(server.listeners().close("B") && !server.listeners().close("B"));
    assert!(TcpStream::connect(address).is_err(), "nobody listens there any more");
    assert!(second.receive_to_end().is_empty(), "its connections are closed");
    assert_eq!(first.call(b"e"), b"e", "the others stay");
    assert_eq!(server.listeners().open(&taken).unwrap(), address, "the address is free");
    assert_eq!(Client::connect(address).call(b"eg"), b"eg");
    let names: Vec<String> = server.addresses().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["A", "C"]);
}

#[test]
fn nothing_is_accepted_before_serve() {
    let listeners = vec![ListenerOptions::plaintext("A", "127.0.0.1", 0)];
    let bound = Server::bind(NetOptions { listeners, threads: 1, ..NetOptions::default() }).unwrap();
    let mut early = Client::connect(bound.addresses()[0].1);
    early.send(b"early");
    let _server = bound.serve(|_| Scripted { script: Default::default() }).unwrap();
    assert_eq!(early.receive(), b"early");
}

#[test]
fn shutdown_lets_called_requests_be_answered() {
    let mut harness = Harness::start();
    let (mut waiting, mut idle) = (harness.connect(), harness.connect());
    assert_eq!(idle.call(b"e"), b"e");
    waiting.send_raw(&[frame(b"l1"), frame(b"e2")].concat());
    wait_for("the calls", || harness.script.called() == 3);
    let server = harness.server.take().unwrap();
    let stopping = std::thread::spawn(move || server.shutdown(PATIENCE));
    assert_eq!(idle.receive_to_end(), b"", "an idle connection is closed at once");
    // No new connection is accepted: refused, or reset if it was in the backlog.
    wait_for("the listener to close", || TcpStream::connect(harness.address).is_err());
    waiting.send(b"e3");
    harness.script.open(b'1');
    assert_eq!(waiting.receive(), b"l1");
    assert_eq!(waiting.receive(), b"e2");
    assert_eq!(waiting.receive_to_end(), b"", "what comes during the shutdown is not called");
    assert!(stopping.join().unwrap());
    assert_eq!(harness.script.called(), 3);
}

#[test]
fn shutdown_does_not_wait_longer_than_the_grace() {
    let mut harness = Harness::start();
    let mut clients: Vec<_> = (0..50).map(|_| harness.connect()).collect();
    for client in &mut clients {
        client.send(b"l1");
    }
    wait_for("the calls", || harness.script.called() == 50);
    let start = Instant::now();
    assert!(harness.server.take().unwrap().shutdown(Duration::from_millis(100)));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(3), "{took:?}");
    for client in &mut clients {
        assert_eq!(client.receive_to_end(), b"");
    }
    assert_eq!(harness.snapshot().connections, 0);
    assert_eq!(harness.script.disconnected.lock().unwrap().len(), 50);
}

#[test]
fn dropping_the_handle_stops_the_server() {
    let mut harness = Harness::start();
    let mut client = harness.connect();
    assert_eq!(client.call(b"e"), b"e");
    harness.server = None;
    assert_eq!(client.receive_to_end(), b"");
}
