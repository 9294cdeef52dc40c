//! Sessions with a client of rustls, which seals, opens and changes keys by itself.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::super::negotiation::{Negotiation, Outcome};
use super::super::send_buffer::RECORD_ROOM;
use super::*;

struct Pair {
    client: ClientConnection,
    traffic: Traffic,
    out: SendBuffer,
    /// What the server has received.
    data: BytesMut,
}

fn store(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name)
}

fn server() -> ServerConfig {
    let chain = vec![CertificateDer::from_pem_file(store("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(store("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.enable_secret_extraction = true;
    config
}

fn client(suite: Option<CipherSuite>) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(store("ca.pem")).unwrap()).unwrap();
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|one| suite.is_none_or(|suite| one.suite() == suite));
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let mut client =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    client.set_buffer_limit(None);
    client
}

fn records_of(client: &mut ClientConnection) -> Vec<u8> {
    let mut records = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut records).unwrap();
    }
    records
}

impl Pair {
    /// A handshake of which so many bytes come at a time; `early` is sent right behind it.
    fn new(suite: Option<CipherSuite>, at_a_time: usize, early: &[u8]) -> Self {
        let mut client = client(suite);
        let mut tls = Negotiation::new(UnbufferedServerConnection::new(Arc::new(server())).unwrap());
        let mut data = BytesMut::new();
        client.writer().write_all(early).unwrap();
        loop {
            let records = records_of(&mut client);
            let mut parts = records.chunks(at_a_time);
            while let Some(part) = parts.next() {
                let outcome = tls.receive(part, &mut data).unwrap();
                let answer = std::mem::take(tls.answer());
                client.read_tls(&mut &answer[..]).unwrap();
                if matches!(outcome, Outcome::Established) {
                    let traffic = tls.into_traffic().unwrap();
                    let mut pair = Pair { client, traffic, out: SendBuffer::take(), data };
                    pair.client.process_new_packets().unwrap();
                    let start = pair.data.len();
                    pair.traffic.prepare(&mut pair.data);
                    pair.traffic.open(&mut pair.data, start).unwrap();
                    parts.for_each(|part| assert!(!pair.receive(part).unwrap()));
                    return pair;
                }
            }
            client.process_new_packets().unwrap();
        }
    }

    /// The server reads these bytes.
    fn receive(&mut self, records: &[u8]) -> Result<bool, RecordError> {
        let start = self.data.len();
        self.traffic.prepare(&mut self.data);
        self.data.extend_from_slice(records);
        let ended = self.traffic.open(&mut self.data, start)?;
        self.traffic.answer(&mut self.out)?;
        Ok(ended)
    }

    /// What the client makes of what the server has to say.
    fn client_receives(&mut self) -> Result<Vec<u8>, rustls::Error> {
        let sealed = self.out.unsent().to_vec();
        self.out.sent(sealed.len());
        let mut sealed = &sealed[..];
        let mut received = Vec::new();
        while !sealed.is_empty() {
            self.client.read_tls(&mut sealed).unwrap();
            self.client.process_new_packets()?;
            match self.client.reader().read_to_end(&mut received) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => drop(other.unwrap()),
            }
        }
        Ok(received)
    }

    fn say(&mut self, text: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(text).unwrap();
        records_of(&mut self.client)
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 256 + seed) as u8).collect()
}

#[test]
fn every_suite_both_ways() {
    for suite in [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ] {
        let mut pair = Pair::new(Some(suite), usize::MAX, b"");
        for len in [1, 100, PLAIN_MAX, PLAIN_MAX + 1, 100_000] {
            let text = bytes(len, 1);
            let records = pair.say(&text);
            assert!(!pair.receive(&records).unwrap());
            assert!(pair.data.split() == text[..], "{len}");
            assert_eq!(pair.traffic.pending(), 0);
            let (front, back) = text.split_at(len / 3);
            let slices = [IoSlice::new(front), IoSlice::new(&[]), IoSlice::new(back)];
            assert_eq!(pair.traffic.seal(&slices, &mut pair.out).unwrap(), len);
            assert_eq!(pair.out.unsent().len(), len + len.div_ceil(PLAIN_MAX) * (HEADER + TRAILER));
            assert!(pair.client_receives().unwrap() == text, "{len}");
        }
    }
}

#[test]
fn wherever_what_comes_is_cut() {
    let text = bytes(40_000, 2);
    for at_a_time in [1, 2, 7, 100, 5_000, 16_406, 40_000] {
        let mut pair = Pair::new(None, at_a_time, &text);
        assert!(pair.data.split() == text[..], "behind the handshake, {at_a_time}");
        let records = pair.say(&text);
        for part in records.chunks(at_a_time) {
            assert!(!pair.receive(part).unwrap());
            assert!(pair.traffic.pending() < FULL_RECORD);
        }
        assert!(pair.data.split() == text[..], "{at_a_time}");
        assert_eq!(pair.traffic.pending(), 0);
    }
}

#[test]
fn what_is_read_is_sealed_where_it_was_read() {
    let text = bytes(RECORDS_MAX * PLAIN_MAX, 3);
    for len in [1, PLAIN_MAX - 1, PLAIN_MAX, PLAIN_MAX + 1, text.len(), text.len() + 1] {
        let mut pair = Pair::new(None, usize::MAX, b"");
        pair.traffic.seal(&[IoSlice::new(b"head")], &mut pair.out).unwrap();
        let read = |rooms: &mut [IoSliceMut<'_>]| {
            let mut left = &text[..];
            for room in rooms {
                let len = room.len().min(left.len());
                room[..len].copy_from_slice(&left[..len]);
                left = &left[len..];
            }
            Ok(text.len() - left.len())
        };
        let taken = pair.traffic.seal_read(len, &mut pair.out, read).unwrap();
        assert_eq!(taken, len.min(text.len()));
        let received = pair.client_receives().unwrap();
        assert!(received[..4] == *b"head" && received[4..] == text[..taken], "{len}");
    }
    let mut pair = Pair::new(None, usize::MAX, b"");
    let short = pair.traffic.seal_read(40_000, &mut pair.out, |rooms| {
        rooms[0].fill(b'x');
        rooms[1][..5].fill(b'y');
        Ok(PLAIN_MAX + 5)
    });
    assert_eq!(short.unwrap(), PLAIN_MAX + 5);
    assert_eq!(pair.client_receives().unwrap()[PLAIN_MAX - 1..], *b"xyyyyy");
    let nothing = pair.traffic.seal_read(40_000, &mut pair.out, |_| Ok(0));
    assert_eq!((nothing.unwrap(), pair.out.unsent().len()), (0, 0));
}

#[test]
fn no_more_is_taken_than_there_is_room_for() {
    let mut pair = Pair::new(None, usize::MAX, b"");
    let text = bytes(RECORDS_MAX * RECORD_ROOM, 4);
    let taken = pair.traffic.seal(&[IoSlice::new(&text)], &mut pair.out).unwrap();
    assert_eq!(taken, RECORDS_MAX * PLAIN_MAX);
    assert!(pair.client_receives().unwrap() == text[..taken]);
}

#[test]
fn keys_change_on_either_side() {
    let mut pair = Pair::new(None, usize::MAX, b"");
    pair.traffic.set_records_per_key(3);
    for round in 0..20 {
        if round % 3 == 0 {
            pair.client.refresh_traffic_keys().unwrap();
        }
        let text = bytes(50_000, round);
        let records = pair.say(&text);
        pair.receive(&records).unwrap();
        assert!(pair.data.split() == text[..], "{round}");
        pair.traffic.seal(&[IoSlice::new(&text)], &mut pair.out).unwrap();
        assert!(pair.client_receives().unwrap() == text, "{round}");
        assert!(pair.traffic.outgoing.records() <= 3 + 1, "{round}");
    }
}

#[test]
fn the_end_is_said_by_both() {
    let mut pair = Pair::new(None, usize::MAX, b"");
    let mut records = pair.say(b"last words");
    pair.client.send_close_notify();
    records.extend(records_of(&mut pair.client));
    assert!(pair.receive(&records).unwrap());
    assert_eq!(pair.data.split(), b"last words"[..]);
    pair.traffic.alert(None, &mut pair.out);
    let sealed = pair.out.unsent().to_vec();
    pair.client.read_tls(&mut &sealed[..]).unwrap();
    assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
}

/// What the server says to these records, and what the client makes of the alert.
fn refused(records: impl FnOnce(&mut Pair) -> Vec<u8>) -> (RecordError, rustls::Error) {
    let mut pair = Pair::new(None, usize::MAX, b"");
    let records = records(&mut pair);
    let error = pair.receive(&records).unwrap_err();
    pair.traffic.alert(Some(&error), &mut pair.out);
    let told = pair.client_receives().unwrap_err();
    (error, told)
}

/// A record that the client's rustls would never send; it must have sent nothing since its handshake.
fn forged(pair: &mut Pair, kind: u8, inner: &[u8]) -> Vec<u8> {
    // Only the server's own side has the secrets at hand: what the client would seal with is what the server opens with.
    let mut record = vec![0; HEADER + inner.len() + TRAILER];
    plaintext(&mut record).copy_from_slice(inner);
    let secrets = server_keys(pair);
    Protection::new(secrets).unwrap().seal(kind, &mut record).unwrap();
    record
}

/// After a change of keys both sides can derive the next; this makes the server's next incoming key known.
fn server_keys(pair: &mut Pair) -> (u64, rustls::ConnectionTrafficSecrets) {
    let next = pair.traffic.kernel.update_rx_secret().unwrap();
    let again = match &next.1 {
        rustls::ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
            rustls::ConnectionTrafficSecrets::Aes256Gcm {
                key: rustls::crypto::cipher::AeadKey::from(<[u8; 32]>::try_from(key.as_ref()).unwrap()),
                iv: rustls::crypto::cipher::Iv::copy(iv.as_ref()),
            }
        }
        _ => panic!("the preferred suite is another"),
    };
    pair.traffic.incoming = Protection::new((0, again)).unwrap();
    next
}

#[test]
fn what_was_changed_on_its_way_is_refused() {
    let told = |description| rustls::Error::AlertReceived(description);
    for at in [0, 1, 3, 4, 5, 20, 30] {
        let (error, answer) = refused(|pair| {
            let mut record = pair.say(b"some words");
            record[at] ^= 1;
            // So that a longer record is complete too.
            record.resize(600, 0);
            record
        });
        match at {
            0 => assert!(matches!(error, RecordError::Unexpected(_)), "{error}"),
            _ => assert!(matches!(error, RecordError::Decrypt), "{at}: {error}"),
        }
        let expected =
            if at == 0 { AlertDescription::UnexpectedMessage } else { AlertDescription::BadRecordMac };
        assert_eq!(answer, told(expected), "{at}");
    }
    let (error, answer) = refused(|_| vec![DATA, 3, 3, 0x7f, 0xff]);
    assert!(matches!(error, RecordError::Oversized));
    assert_eq!(answer, told(AlertDescription::RecordOverflow));
    // A relic of the handshake, an alert in plain text, one more ClientHello.
    for kind in [20, ALERT, HANDSHAKE, 24, 0] {
        assert!(matches!(refused(|_| vec![kind, 3, 3, 0, 1, 1]).0, RecordError::Unexpected(_)), "{kind}");
    }
}

#[test]
fn what_has_no_place_is_refused() {
    let cases: [(u8, &[u8]); 8] = [
        (HANDSHAKE, &[1, 0, 0, 1, 0]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 2]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0, 0]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0]),
        (HANDSHAKE, &[]),
        (ALERT, &[WARNING]),
        (0, b""),
        (77, b"x"),
    ];
    for (kind, inner) in cases {
        let (error, _) = refused(|pair| forged(pair, kind, inner));
        assert!(matches!(error, RecordError::Unexpected(_)), "{kind} {inner:?}: {error}");
    }
    let (error, _) = refused(|pair| forged(pair, DATA, &[7; PLAIN_MAX + 1]));
    assert!(matches!(error, RecordError::Oversized));
    // Zeros behind the type are as good as none.
    let mut pair = Pair::new(None, usize::MAX, b"");
    let padded = forged(&mut pair, 0, &[b'x', DATA, 0, 0, 0]);
    assert!(!pair.receive(&padded).unwrap());
    assert_eq!(pair.data.split(), b"x"[..]);
}

#[test]
fn who_says_why_it_goes_hears_nothing() {
    let mut pair = Pair::new(None, usize::MAX, b"");
    let record = forged(&mut pair, ALERT, &[FATAL, 48]);
    let error = pair.receive(&record).unwrap_err();
    assert!(matches!(error, RecordError::Told(AlertDescription::UnknownCA)));
    pair.traffic.alert(Some(&error), &mut pair.out);
    assert!(pair.out.is_empty());
    let mut pair = Pair::new(None, usize::MAX, b"");
    let canceled = forged(&mut pair, ALERT, &[WARNING, 90]);
    assert!(!pair.receive(&canceled).unwrap());
}

#[test]
fn records_without_data_are_numbered() {
    let mut pair = Pair::new(None, usize::MAX, b"");
    let secrets = server_keys(&mut pair);
    let mut sealing = Protection::new(secrets).unwrap();
    let mut empty = || {
        let mut record = vec![0; HEADER + TRAILER];
        sealing.seal(DATA, &mut record).unwrap();
        record
    };
    for _ in 0..IDLE_RECORDS_MAX {
        assert!(!pair.receive(&empty()).unwrap());
    }
    assert!(matches!(pair.receive(&empty()), Err(RecordError::Unexpected(_))));
}
