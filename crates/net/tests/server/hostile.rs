//! Whatever may come from a stranger.

use std::io::Write;

use crate::support::*;

fn closed_for_bad_input(harness: &Harness, bytes: &[u8]) {
    let mut client = harness.connect();
    let before = harness.snapshot().closed_bad_input;
    client.send_raw(bytes);
    assert_eq!(client.receive_to_end(), b"");
    wait_for("the count", || harness.snapshot().closed_bad_input == before + 1);
}

#[test]
fn what_is_no_frame_is_closed() {
    let harness = Harness::start();
    let mut good = harness.connect();
    let tls = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    for bytes in [
        &i32::MAX.to_be_bytes()[..],
        &104_857_601u32.to_be_bytes(),
        &(-1i32).to_be_bytes(),
        &i32::MIN.to_be_bytes(),
        &[0, 0, 0, 0],
        &tls,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /topics HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0xff; 100],
    ] {
        closed_for_bad_input(&harness, bytes);
        assert_eq!(good.call(b"e"), b"e");
    }
}

#[test]
fn frames_before_the_garbage_are_answered() {
    let harness = Harness::start();
    let mut client = harness.connect();
    client.send_raw(&[&frame(b"e1")[..], &frame(b"e2"), b"GET / HTTP/1.1\r\n\r\n"].concat());
    assert_eq!(client.receive(), b"e1");
    assert_eq!(client.receive(), b"e2");
    assert_eq!(client.receive_to_end(), b"");
}

#[test]
fn a_frame_of_the_largest_size_is_taken_and_one_byte_more_is_not() {
    let harness = Harness::with(|o| o.socket_request_max_bytes = 1000);
    assert_eq!(harness.connect().call(&[b'e'; 1000]), [b'e'; 1000]);
    closed_for_bad_input(&harness, &1001u32.to_be_bytes());
}

/// 10,000 frames, mutilated in every way, on connections of their own, while a good client works.
#[test]
fn ten_thousand_hostile_frames() {
    let harness = Harness::with(|o| o.socket_request_max_bytes = 1_000_000);
    let mut good = harness.connect();
    let mut random = Random(20_261_121);
    let address = harness.address;
    let mut sent = 0;
    while sent < 10_000 {
        let mut hostile = Client::connect(address);
        for _ in 0..1 + random.below(200) {
            let len = 1 + random.below(600);
            let mut bytes = frame(&[&b"x"[..], &random.bytes(len)].concat());
            match random.below(8) {
                0 => bytes = random.bytes(len),
                1 => bytes.truncate(random.below(bytes.len())),
                2 => bytes[..4].copy_from_slice(&(random.next() as u32).to_be_bytes()),
                3 => bytes[..4].copy_from_slice(&(random.below(100) as u32).to_be_bytes()),
                _ => {}
            }
            sent += 1;
            // Fails once the server has closed the connection, which is what it should do.
            if hostile.stream.write_all(&bytes).is_err() {
                break;
            }
        }
        let payload = random.bytes(300);
        let payload = [&b"e"[..], &payload].concat();
        assert!(good.call(&payload) == payload);
    }
    assert_eq!(harness.snapshot().closed_idle, 0);
    wait_for("the ends", || harness.snapshot().connections == 1);
    assert!(harness.snapshot().closed_bad_input > 0);
}

#[test]
fn a_stranger_gets_one_clear_line_in_the_log_and_a_storm_does_not_fill_it() {
    let log = Log::capture();
    let harness = Harness::with(|o| o.listeners[0].name = "STRANGERS".into());
    let said = |bytes: &[u8]| {
        let mut client = harness.connect();
        let peer = client.stream.local_addr().unwrap();
        client.send_raw(bytes);
        assert_eq!(client.receive_to_end(), b"");
        log.lines(&format!("peer={peer} listener=\"STRANGERS\""))
    };
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP request"),
        (&[0x16, 0x03, 0x01, 0x00, 0xf8], "security.protocol=PLAINTEXT"),
        (&i32::MAX.to_be_bytes(), "2147483647 bytes, more than socket.request.max.bytes=104857600"),
        (&[0xff; 4], "-1 bytes"),
    ] {
        let lines = said(bytes);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(expected) && lines[0].contains("WARN"), "{lines:?}");
        let later = (0..40).filter(|_| !said(bytes).is_empty()).count();
        assert_eq!(later, 9, "ten lines in ten seconds, the rest is counted");
    }
}
