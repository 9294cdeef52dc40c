//! Requests and answers of every size, in both versions.

use std::io::{Read, Write};

use rustls::version::{TLS12, TLS13};

use super::*;
use crate::files::{expected, request, with_file};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

#[test]
fn requests_of_every_size() {
    let harness = harness();
    for version in VERSIONS {
        let mut client = connect(&harness, version);
        let mut random = Random(7);
        let around = [1, 100, 16_378, 16_384, 16_390, 32_768, 65_536, 100_000, 500_000];
        for size in around.into_iter().chain((0..40).map(|_| 0)) {
            let size = if size == 0 { 1 + random.below(70_000) } else { size };
            let mut payload = random.bytes(size);
            payload[0] = b'e';
            assert!(call(&mut client, &payload) == payload, "{size} bytes");
        }
        assert_eq!(client.conn.protocol_version(), Some(version.version));
    }
}

#[test]
fn many_requests_under_way() {
    let harness = harness();
    for version in VERSIONS {
        let mut client = connect(&harness, version);
        let mut random = Random(8);
        let one = |_| {
            let len = 1 + random.below(40_000);
            let mut payload = random.bytes(len);
            payload[0] = b'e';
            payload
        };
        let requests: Vec<Vec<u8>> = (0..60).map(one).collect();
        for round in requests.chunks(20) {
            round.iter().for_each(|payload| client.write_all(&frame(payload)).unwrap());
            client.flush().unwrap();
            round.iter().for_each(|payload| assert!(receive(&mut client) == *payload));
        }
    }
}

#[test]
fn answers_that_the_socket_does_not_take_at_once() {
    let harness = harness();
    for version in VERSIONS {
        let mut client = connect(&harness, version);
        let sizes = [20_000_000_u32, 3, 16_384, 1_000_000];
        for size in sizes {
            client.write_all(&frame(&[&b"b"[..], &size.to_be_bytes()].concat())).unwrap();
        }
        client.flush().unwrap();
        // Nothing is read until the server is held up.
        wait_for("a full socket", || harness.snapshot().bytes_out > 100_000);
        for size in sizes {
            assert!(receive(&mut client) == vec![b'B'; size as usize], "{size} bytes");
        }
    }
}

#[test]
fn file_ranges() {
    let harness = harness();
    let content = Random(3).bytes(3_000_000);
    with_file(&harness, &content);
    let many: Vec<(u32, u32)> = (0..200).map(|i| (i * 14_000, 14_000)).collect();
    let mixed: Vec<(u32, u32)> =
        (0..40).map(|i| (i * 1000, if i % 3 == 0 { 600_000 } else { 30_000 })).collect();
    let cases: [&[(u32, u32)]; 9] = [
        &[(0, 10)],
        &[(17, 65_535)],
        &[(17, 65_536)],
        &[(5, 131_071)],
        &[(5, 131_072), (9, 131_073)],
        &[(100, 2_900_000)],
        &[(0, 0), (5, 5)],
        &many,
        &mixed,
    ];
    for version in VERSIONS {
        let mut client = connect(&harness, version);
        for ranges in cases {
            assert!(call(&mut client, &request(ranges)) == expected(&content, ranges), "{ranges:?}");
        }
    }
}

#[test]
fn a_file_that_is_too_short_ends_the_connection() {
    let harness = harness();
    with_file(&harness, &[1; 100_000]);
    let mut client = connect(&harness, &TLS13);
    client.write_all(&frame(&request(&[(0, 200_000)]))).unwrap();
    let mut rest = Vec::new();
    // Without the length that was promised.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < 200_000);
    assert_serves(&harness);
}

#[test]
fn keys_change_on_the_way() {
    let harness = harness();
    let mut client = connect(&harness, &TLS13);
    for round in 0..100_u8 {
        let payload = [&b"e"[..], &[round; 20_000]].concat();
        assert!(call(&mut client, &payload) == payload);
        client.conn.refresh_traffic_keys().unwrap();
    }
}
