//! Clients that mean no good, or know no better, beside one that does.

use std::io::{ErrorKind, Read, Write};

use rustls::version::{TLS12, TLS13};

use super::*;

/// The records that a client has to send now.
fn records(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// A client in memory, and its socket.
fn unconnected(
    harness: &Harness,
    version: &'static SupportedProtocolVersion,
) -> (ClientConnection, TcpStream) {
    let stream = connect(harness, version);
    (stream.conn, stream.sock)
}

/// Sends what there is in pieces of `size`, and reads one answer.
fn exchange(client: &mut ClientConnection, stream: &mut TcpStream, size: usize) {
    for piece in records(client).chunks(size) {
        stream.write_all(piece).unwrap();
    }
    if client.wants_read() {
        client.read_tls(stream).unwrap();
        client.process_new_packets().unwrap();
    }
}

#[test]
fn fragments() {
    let harness = harness();
    for version in [&TLS13, &TLS12] {
        for size in [1, 3, 100] {
            let (mut client, mut stream) = unconnected(&harness, version);
            while client.is_handshaking() {
                exchange(&mut client, &mut stream, size);
            }
            client.writer().write_all(&frame(b"e in pieces")).unwrap();
            for piece in records(&mut client).chunks(size) {
                stream.write_all(piece).unwrap();
            }
            let mut client = StreamOwned::new(client, stream);
            assert_eq!(receive(&mut client), b"e in pieces");
        }
    }
}

#[test]
fn half_of_a_record_and_then_the_rest_or_nothing() {
    let harness = harness();
    for version in [&TLS13, &TLS12] {
        let mut client = connect(&harness, version);
        assert_eq!(call(&mut client, b"e"), b"e");
        client.conn.writer().write_all(&frame(&[b'e'; 10_000])).unwrap();
        let record = records(&mut client.conn);
        let (first, rest) = record.split_at(record.len() / 2);
        client.sock.write_all(first).unwrap();
        assert_serves(&harness);
        client.sock.write_all(rest).unwrap();
        assert_eq!(receive(&mut client), [b'e'; 10_000]);
        let opened = harness.script.disconnected.lock().unwrap().len();
        client.sock.write_all(first).unwrap();
        drop(client);
        wait_for("the end", || harness.script.disconnected.lock().unwrap().len() > opened);
    }
}

#[test]
fn a_flood_of_handshakes_beside_a_good_client() {
    const FLOOD: usize = 300;
    let harness = harness_with(ClientAuth::None, 1);
    let mut good = connect(&harness, &TLS13);
    assert_eq!(call(&mut good, b"e before"), b"e before");
    let mut flood: Vec<_> = (0..FLOOD).map(|_| unconnected(&harness, &TLS13)).collect();
    // All first messages at once; nobody reads the answers yet.
    for (client, stream) in &mut flood {
        let hello = records(client);
        stream.write_all(&hello).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(call(&mut good, b"e meanwhile"), b"e meanwhile");
    }
    for (client, stream) in flood {
        let mut client = StreamOwned::new(client, stream);
        assert_eq!(call(&mut client, b"e at last"), b"e at last");
    }
    assert_eq!(call(&mut good, b"e after"), b"e after");
}

#[test]
fn strangers_who_stay_silent() {
    let harness = harness();
    let mut strangers = Vec::new();
    for at in 0..1000 {
        let (mut client, mut stream) = unconnected(&harness, &TLS13);
        let hello = records(&mut client);
        // Nothing at all, a part of the first message, or all of it and no answer to the answer.
        stream.write_all(&hello[..at * 7 % (hello.len() + 1)]).unwrap();
        strangers.push(stream);
    }
    wait_for("all of them", || harness.snapshot().connections == 1000);
    assert_serves(&harness);
    drop(strangers);
    wait_for("their end", || harness.snapshot().connections == 0);
    assert_serves(&harness);
}

#[test]
fn who_speaks_plainly_is_told_nothing() {
    let harness = harness();
    let mut client = harness.connect();
    client.send(b"e plain");
    assert!(client.receive_to_end().is_empty());
    let plain = Harness::start();
    let (mut client, mut stream) = unconnected(&plain, &TLS13);
    stream.write_all(&records(&mut client)).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    assert_eq!((harness.snapshot().closed_bad_input, plain.snapshot().closed_bad_input), (1, 1));
    assert_serves(&harness);
}

/// Bytes that begin like TLS and are none.
#[test]
fn nonsense() {
    let harness = harness();
    let mut random = Random(5);
    for round in 0..200 {
        let (mut client, mut stream) = unconnected(&harness, &TLS13);
        let mut hello = records(&mut client);
        match round % 4 {
            0 => hello = [&[0x16][..], &random.bytes(300)].concat(),
            1 => hello[1 + random.below(80)] ^= 1 << random.below(8),
            2 => hello.truncate(random.below(100)),
            _ => hello.extend(random.bytes(100)),
        }
        let _ = stream.write_all(&hello);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // An answer or an alert, and the end.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    wait_for("their end", || harness.snapshot().connections == 0);
    assert_eq!(harness.snapshot().panics, 0);
    assert_serves(&harness);
}

/// What a record in the middle of a session is changed to.
#[test]
fn records_that_were_changed() {
    let harness = harness();
    let mut random = Random(6);
    for round in 0..60 {
        let mut client = connect(&harness, if round % 2 == 0 { &TLS13 } else { &TLS12 });
        assert_eq!(call(&mut client, b"e"), b"e");
        client.conn.writer().write_all(&frame(b"n never seen")).unwrap();
        let mut record = records(&mut client.conn);
        // The length stays: a longer record would be waited for.
        let at = [0, 1][random.below(2)] * (5 + random.below(record.len() - 5));
        record[at] ^= 1 << random.below(8);
        client.sock.write_all(&record).unwrap();
        let error = client.read(&mut [0; 10]).map(|_| ()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidData || error.kind() == ErrorKind::ConnectionReset,
            "{error}"
        );
    }
    assert!(harness.script.calls.lock().unwrap().iter().all(|call| call[0] == b'e'));
    assert_eq!(harness.snapshot().panics, 0);
    assert_serves(&harness);
}

#[test]
fn ends_without_a_word() {
    let harness = harness();
    for version in [&TLS13, &TLS12] {
        let mut client = connect(&harness, version);
        client.write_all(&frame(b"e last words")).unwrap();
        client.flush().unwrap();
        client.sock.shutdown(std::net::Shutdown::Write).unwrap();
        // What was asked for before may be answered; then the server says that it is the end.
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
    }
    wait_for("both ends", || harness.snapshot().connections == 0);
    assert_eq!(harness.script.called(), 2);
}

#[test]
fn clients_that_do_not_trust_the_server() {
    let harness = harness();
    let strangers = [("other-ca.pem", "localhost"), ("ca.pem", "elsewhere.example.org")];
    for (authority, name) in strangers {
        let mut client = connect_with(&harness, config(authority, &[&TLS13]), name);
        let error = client.write_all(&frame(b"n")).unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        // Its alert is on the way, and the server ends the connection.
        let _ = client.conn.write_tls(&mut client.sock);
        let mut rest = Vec::new();
        let _ = client.sock.read_to_end(&mut rest);
    }
    assert_eq!(harness.script.called(), 0);
    assert_serves(&harness);
}

#[test]
fn chains_of_certificates_that_are_too_long() {
    let harness = harness_with(ClientAuth::Required, 1);
    let key = || PrivateKeyDer::from_pem_file(store("client.key")).unwrap();
    let with_chain = |len: usize| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(store("ca.pem")).unwrap()).unwrap();
        let chain = vec![CertificateDer::from(der("client.pem")); len];
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key())
            .unwrap()
    };
    for len in [200, 1000] {
        let mut client = connect_with(&harness, with_chain(len), "localhost");
        let mut answer = [0; 10];
        let outcome = client.write_all(&frame(b"n")).and_then(|()| client.read(&mut answer));
        let refused = match &outcome {
            Ok(len) => *len == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        assert!(refused, "{len}: {outcome:?}");
    }
    let mut good = connect_with(&harness, with_chain(1), "localhost");
    assert_eq!(call(&mut good, b"e good"), b"e good");
    assert_eq!(harness.script.called(), 1);
}
