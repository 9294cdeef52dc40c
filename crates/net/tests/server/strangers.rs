//! Connections whose clients have not said who they are.

use ottla_net::SecurityProtocol;

use crate::support::*;

fn harness(authentication_max_ms: i64) -> Harness {
    Harness::with(|o| {
        o.authentication_max_ms = authentication_max_ms;
        o.listeners[0].protocol = SecurityProtocol::SaslPlaintext;
        o.listeners[0].unauthenticated_request_max_bytes = 100;
    })
}

#[test]
fn frames_are_small_until_the_service_knows_the_client() {
    let harness = harness(-1);
    let mut stranger = harness.connect();
    stranger.send_raw(&101_u32.to_be_bytes());
    assert!(stranger.receive_to_end().is_empty());
    let mut known = harness.connect();
    let (small, large) = ([b'e'; 100], [b'e'; 5000]);
    assert_eq!(known.call(&small), small);
    assert_eq!(known.call(b"a"), b"a");
    assert_eq!(known.call(&large), large);
    assert_eq!(harness.snapshot().closed_bad_input, 1);
}

#[test]
fn frames_are_large_after_a_login_that_took_its_time() {
    let harness = harness(-1);
    let mut known = harness.connect();
    assert_eq!(known.call(b"A"), b"A");
    let large = [b'e'; 5000];
    assert_eq!(known.call(&large), large);
}

#[test]
fn strangers_take_no_memory_of_requests() {
    let harness = Harness::with(|o| {
        o.queued_max_request_bytes = 1_000;
        o.listeners[0].protocol = SecurityProtocol::SaslPlaintext;
    });
    let mut known = harness.connect();
    assert_eq!(known.call(b"a"), b"a");
    let mut strangers: Vec<_> = (0..4).map(|_| harness.connect()).collect();
    strangers.iter_mut().for_each(|stranger| stranger.send_raw(&1_000_u32.to_be_bytes()));
    wait_for("what they announce", || harness.snapshot().bytes_in == 5 + 4 * 4);
    assert_eq!(known.call(b"e"), b"e");
    // They are heard, once they say it.
    let said = [b'e'; 1_000];
    strangers[0].send_raw(&said);
    assert_eq!(strangers[0].receive(), said);
}

#[test]
fn who_stays_a_stranger_is_closed_however_busy() {
    let harness = harness(200);
    let mut known = harness.connect();
    assert_eq!(known.call(b"a"), b"a");
    let mut stranger = harness.connect();
    wait_for("the end of the stranger", || {
        use std::io::Write;
        // Fails once the connection is closed.
        let _ = stranger.stream.write(&[0, 0, 0, 1, b'n']);
        harness.snapshot().closed_idle == 1
    });
    assert_eq!(known.call(b"e"), b"e");
}

#[test]
fn nothing_follows_a_last_answer() {
    let harness = harness(-1);
    let mut client = harness.connect();
    client.send(b"L1");
    client.send(b"e2");
    assert_eq!(client.receive(), b"L1");
    assert!(client.receive_to_end().is_empty());
}
