//! Connection limits, idle connections, back pressure.

use std::io::Read;

use ottla_net::{ListenerOptions, NetOptions};

use crate::support::*;

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let harness = Harness::with(|o| o.connections_max_idle_ms = 200);
    let mut idle = harness.connect();
    let mut busy = harness.connect();
    assert_eq!(idle.call(b"e"), b"e");
    let mut end = [0; 1];
    idle.stream.set_nonblocking(true).unwrap();
    wait_for("the end of the idle one", || {
        assert_eq!(busy.call(b"e"), b"e");
        matches!(idle.stream.read(&mut end), Ok(0))
    });
    assert_eq!(busy.call(b"e"), b"e");
    assert_eq!(harness.snapshot().closed_idle, 1);
}

#[test]
fn a_frame_that_trickles_is_no_activity() {
    let harness = Harness::with(|o| o.connections_max_idle_ms = 100);
    let mut client = harness.connect();
    client.send_raw(&1_000_000u32.to_be_bytes());
    wait_for("the end", || {
        use std::io::Write;
        // Fails once the connection is closed.
        let _ = client.stream.write(&[7]);
        harness.snapshot().closed_incomplete == 1
    });
    let mut other = harness.connect();
    other.send_raw(&[0, 0]);
    wait_for("the end of the other", || harness.snapshot().closed_incomplete == 2);
    assert_eq!(harness.snapshot().closed_idle, 0);
}

#[test]
fn max_connections_makes_others_wait_until_there_is_room() {
    let harness = Harness::with(|o| o.max_connections = 2);
    let (mut one, mut two) = (harness.connect(), harness.connect());
    assert_eq!(one.call(b"e"), b"e");
    assert_eq!(two.call(b"e"), b"e");
    let mut three = harness.connect();
    three.send(b"e3");
    wait_for("the acceptor to block", || harness.snapshot().blocked == 1);
    assert_eq!(harness.snapshot().accepted, 2);
    drop(one);
    assert_eq!(three.receive(), b"e3");
    // Raised at run time, it holds for who waits already.
    let mut four = harness.connect();
    four.send(b"e4");
    wait_for("the acceptor to block again", || harness.snapshot().blocked == 2);
    harness.server().quotas().set_max_connections(3);
    assert_eq!(four.receive(), b"e4");
}

#[test]
fn an_inter_broker_connection_makes_room_for_itself() {
    let harness = Harness::with(|o| {
        o.listeners.push(ListenerOptions::plaintext("INTERNAL", "127.0.0.1", 0));
        o.inter_broker_listener_name = Some("INTERNAL".into());
        o.max_connections = 2;
        o.threads = 1;
    });
    let (mut old, mut new) = (harness.connect(), harness.connect());
    assert_eq!(old.call(b"e"), b"e");
    assert_eq!(new.call(b"e"), b"e");
    assert_eq!(old.call(b"e"), b"e");
    // `new` is the least recently used one now.
    let mut broker = Client::connect(harness.server().address("INTERNAL").unwrap());
    assert_eq!(broker.call(b"e"), b"e");
    assert_eq!(new.receive_to_end(), b"");
    assert_eq!(old.call(b"e"), b"e");
    assert_eq!(harness.snapshot().closed_evicted, 1);
    assert_eq!(harness.server().quotas().listener_connections("INTERNAL"), 1);
}

#[test]
fn listener_limit() {
    let harness = Harness::with(|o| {
        o.listeners.push(ListenerOptions {
            max_connections: 1,
            ..ListenerOptions::plaintext("SMALL", "127.0.0.1", 0)
        });
    });
    let small = harness.server().address("SMALL").unwrap();
    let mut first = Client::connect(small);
    assert_eq!(first.call(b"e"), b"e");
    let mut second = Client::connect(small);
    second.send(b"e2");
    wait_for("the acceptor to block", || harness.snapshot().blocked == 1);
    // The other listener goes on.
    assert_eq!(harness.connect().call(b"e"), b"e");
    drop(first);
    assert_eq!(second.receive(), b"e2");
}

#[test]
fn connections_beyond_the_limit_of_an_address_are_closed_at_once() {
    let harness = Harness::with(|o| o.max_connections_per_ip = 1);
    let mut one = harness.connect();
    assert_eq!(one.call(b"e"), b"e");
    assert_eq!(harness.connect().receive_to_end(), b"");
    assert_eq!(harness.snapshot().rejected, 1);
    let quotas = harness.server().quotas();
    quotas.set_max_connections_per_ip_overrides(&[("localhost".into(), 2)]).unwrap();
    assert_eq!(harness.connect().call(b"e"), b"e");
    assert_eq!(one.call(b"e"), b"e");
    assert!(quotas.set_max_connections_per_ip_overrides(&[("no.such.host.invalid".into(), 2)]).is_err());
}

#[test]
fn the_creation_rate_delays_connections() {
    let harness = Harness::start();
    assert_eq!(harness.connect().call(b"e"), b"e");
    assert_eq!(harness.snapshot().throttled, 0);
    harness.server().quotas().set_max_connection_creation_rate(0);
    let start = std::time::Instant::now();
    assert_eq!(harness.connect().call(b"e"), b"e");
    // No connection waits longer than one quota window.
    assert!(start.elapsed().as_millis() >= 1000, "{:?}", start.elapsed());
    assert_eq!(harness.snapshot().throttled, 1);
}

#[test]
fn queued_max_request_bytes_stops_reading() {
    let harness = Harness::with(|o| o.queued_max_request_bytes = 10_000);
    let (mut one, mut two) = (harness.connect(), harness.connect());
    let waiting = [&b"l1"[..], &[0; 9_998]].concat();
    one.send(&waiting);
    wait_for("the first call", || harness.script.called() == 1);
    two.send(b"e2");
    one.send(b"e1");
    wait_for("the bytes to arrive", || harness.snapshot().bytes_in == 10_004 + 6 + 6);
    assert_eq!(harness.script.called(), 1);
    harness.script.open(b'1');
    assert_eq!(one.receive(), waiting);
    assert_eq!(one.receive(), b"e1");
    assert_eq!(two.receive(), b"e2");
    // A request larger than the limit is served too.
    let large = vec![b'e'; 50_000];
    assert!(one.call(&large) == large);
}

#[test]
fn a_half_frame_gives_its_share_of_memory_back() {
    let harness = Harness::with(|o| {
        o.queued_max_request_bytes = 10_000;
        o.connections_max_idle_ms = 100;
    });
    let mut half = harness.connect();
    half.send_raw(&[&20_000u32.to_be_bytes()[..], b"abc"].concat());
    wait_for("the half frame", || harness.snapshot().bytes_in == 7);
    wait_for("its end", || harness.snapshot().closed_incomplete == 1);
    assert_eq!(harness.connect().call(b"e"), b"e");
}

#[test]
fn a_slow_reader_is_not_read_from_and_does_not_disturb() {
    let harness = Harness::with(|o: &mut NetOptions| o.threads = 1);
    let mut slow = harness.connect();
    let request = [&b"b"[..], &1_000_000u32.to_be_bytes()].concat();
    for _ in 0..100 {
        slow.send(&request);
    }
    let mut other = harness.connect();
    for _ in 0..100 {
        assert_eq!(other.call(b"e"), b"e");
    }
    let called = harness.script.calls.lock().unwrap().iter().filter(|c| c[0] == b'b').count();
    assert!(called <= 20, "{called} responses of 1 MB for a client that reads nothing");
    for _ in 0..100 {
        assert_eq!(slow.receive().len(), 1_000_000);
    }
}

#[test]
fn a_client_that_never_reads_is_closed_as_idle() {
    let harness = Harness::with(|o| o.connections_max_idle_ms = 100);
    let mut slow = harness.connect();
    let request = [&b"b"[..], &1_000_000u32.to_be_bytes()].concat();
    for _ in 0..20 {
        slow.send(&request);
    }
    wait_for("the end", || harness.snapshot().closed_idle == 1);
}

#[test]
fn requests_that_wait_for_answers_are_bounded_by_their_bytes() {
    let harness = Harness::with(|o: &mut NetOptions| o.threads = 1);
    let mut client = harness.connect();
    let mut sender = Client { stream: client.stream.try_clone().unwrap() };
    let waiting = [&b"l1"[..], &[0; 999_998]].concat();
    let request = waiting.clone();
    let sending = std::thread::spawn(move || (0..20).for_each(|_| sender.send(&request)));
    wait_for("as many calls as there may be", || harness.script.called() == 9);
    let mut other = harness.connect();
    for _ in 0..100 {
        assert_eq!(other.call(b"e"), b"e");
    }
    assert_eq!(harness.script.called(), 9 + 100, "8 MiB wait, and no more is called");
    harness.script.open(b'1');
    for _ in 0..20 {
        assert!(client.receive() == waiting);
    }
    sending.join().unwrap();
}
