//! Order, pipelining, the kinds of replies.

use crate::support::*;

#[test]
fn echo_in_all_sizes() {
    let harness = Harness::start();
    let mut client = harness.connect();
    for size in [1usize, 2, 100, 4_092, 4_096, 16_380, 16_384, 70_000, 300_000, 1_048_588, 5_000_000] {
        let payload = vec![b'x'; size];
        assert!(client.call(&payload) == payload, "{size}");
    }
    assert_eq!(client.call(b"echo again"), b"echo again");
}

#[test]
fn answers_come_in_order_when_one_in_the_middle_waits() {
    let harness = Harness::start();
    let mut client = harness.connect();
    let requests: [&[u8]; 6] = [b"e1", b"l1", b"e2", b"l2", b"n-", b"e3"];
    let bytes: Vec<u8> = requests.iter().flat_map(|r| frame(r)).collect();
    client.send_raw(&bytes);
    assert_eq!(client.receive(), b"e1");
    // The waiting answer does not keep the later requests from being called.
    wait_for("all calls", || harness.script.called() == 6);
    assert_eq!(harness.script.calls.lock().unwrap().iter().map(|c| c.to_vec()).collect::<Vec<_>>(), requests);
    harness.script.open(b'2');
    client.send(b"e4");
    wait_for("the seventh call", || harness.script.called() == 7);
    assert_eq!(harness.snapshot().responses, 1);
    harness.script.open(b'1');
    for expected in [&b"l1"[..], b"e2", b"l2", b"e3", b"e4"] {
        assert_eq!(client.receive(), expected);
    }
}

#[test]
fn thousands_of_pipelined_requests() {
    let harness = Harness::start();
    let mut client = harness.connect();
    let mut reader = Client { stream: client.stream.try_clone().unwrap() };
    let writer = std::thread::spawn(move || {
        let mut random = Random(7);
        for i in 0..20_000u32 {
            let mut payload = b"e".to_vec();
            payload.extend_from_slice(&i.to_be_bytes());
            payload.resize(5 + random.below(300), 0);
            client.send(&payload);
        }
    });
    for i in 0..20_000u32 {
        assert_eq!(reader.receive()[1..5], i.to_be_bytes());
    }
    writer.join().unwrap();
}

#[test]
fn one_byte_at_a_time() {
    let harness = Harness::start();
    let mut client = harness.connect();
    for byte in [frame(b"echo slowly"), frame(b"echo surely")].concat() {
        client.send_raw(&[byte]);
    }
    assert_eq!(client.receive(), b"echo slowly");
    assert_eq!(client.receive(), b"echo surely");
}

#[test]
fn requests_without_answers_are_called_in_order() {
    let harness = Harness::start();
    let mut client = harness.connect();
    for i in 0..500u32 {
        client.send(&[&b"n"[..], &i.to_be_bytes()].concat());
    }
    assert_eq!(client.call(b"e"), b"e");
    let calls = harness.script.calls.lock().unwrap();
    for (i, call) in calls.iter().take(500).enumerate() {
        assert_eq!(call[1..], (i as u32).to_be_bytes());
    }
}

#[test]
fn unanswered_acks_0_requests_reach_the_service_although_the_client_is_gone() {
    let harness = Harness::start();
    let mut client = harness.connect();
    for _ in 0..300 {
        client.send(b"n");
    }
    drop(client);
    wait_for("all calls", || harness.script.called() == 300);
}

#[test]
fn close_comes_after_the_earlier_answers() {
    for (request, waits) in [(&b"c"[..], false), (b"C", true)] {
        let harness = Harness::start();
        let mut client = harness.connect();
        let bytes: Vec<u8> = [&b"e1"[..], b"l1", request, b"e2"].iter().flat_map(|r| frame(r)).collect();
        client.send_raw(&bytes);
        assert_eq!(client.receive(), b"e1");
        wait_for("the calls", || harness.script.called() >= 3);
        // Nothing is called behind a close that is known.
        assert!(waits || harness.script.called() == 3);
        harness.script.open(b'1');
        assert_eq!(client.receive(), b"l1");
        assert_eq!(client.receive_to_end(), b"");
    }
}

#[test]
fn at_most_a_hundred_requests_wait() {
    let harness = Harness::start();
    let mut client = harness.connect();
    for _ in 0..150 {
        client.send(b"l1");
    }
    wait_for("a hundred calls", || harness.script.called() == 100);
    let mut other = harness.connect();
    for _ in 0..10 {
        assert_eq!(other.call(b"e"), b"e");
    }
    assert_eq!(harness.script.called(), 110);
    harness.script.open(b'1');
    for _ in 0..150 {
        assert_eq!(client.receive(), b"l1");
    }
}

#[test]
fn a_panic_closes_only_its_connection() {
    for request in [b"p", b"P"] {
        let harness = Harness::with(|o| o.threads = 1);
        let (mut bad, mut good) = (harness.connect(), harness.connect());
        assert_eq!(good.call(b"e1"), b"e1");
        assert_eq!(bad.call(b"e2"), b"e2");
        bad.send(request);
        assert_eq!(bad.receive_to_end(), b"");
        assert_eq!(good.call(b"e3"), b"e3");
        assert_eq!(harness.snapshot().panics, 1);
    }
}

#[test]
fn a_response_of_the_wrong_length_is_never_sent() {
    let harness = Harness::start();
    let mut client = harness.connect();
    client.send_raw(&[frame(b"e1"), frame(b"w"), frame(b"e2")].concat());
    assert_eq!(client.receive(), b"e1");
    assert_eq!(client.receive_to_end(), b"");
}

#[test]
fn a_muted_connection_is_answered_but_not_read() {
    let harness = Harness::start();
    let mut client = harness.connect();
    let hour = 3_600_000u32.to_be_bytes();
    let mute = [&b"m"[..], &hour].concat();
    client.send_raw(&[frame(b"e1"), frame(&mute), frame(b"e2")].concat());
    assert_eq!(client.receive(), b"e1");
    assert_eq!(client.receive(), mute);
    let mut other = harness.connect();
    assert_eq!(other.call(b"e"), b"e");
    assert_eq!(harness.script.called(), 3);

    let mute = [&b"m"[..], &20u32.to_be_bytes()].concat();
    let start = std::time::Instant::now();
    other.send_raw(&[frame(&mute), frame(b"e2")].concat());
    assert_eq!(other.receive(), mute);
    assert_eq!(other.receive(), b"e2");
    assert!(start.elapsed().as_millis() >= 20);
}

#[test]
fn waiting_answers_are_dropped_with_their_connection() {
    let harness = Harness::start();
    let mut client = harness.connect();
    client.send(b"l1");
    wait_for("the call", || harness.script.called() == 1);
    drop(client);
    wait_for("the end", || harness.snapshot().connections == 0);
    assert_eq!(harness.script.disconnected.lock().unwrap().len(), 1);
}

#[test]
fn few_connections_spread_evenly() {
    let harness = Harness::start();
    let mut clients: Vec<_> = (0..6).map(|_| harness.connect()).collect();
    let threads: Vec<u8> = clients.iter_mut().map(|c| c.call(b"s")[0]).collect();
    assert_eq!(threads.iter().filter(|thread| **thread == 0).count(), 3, "{threads:?}");
    // A thread that lost connections gets the next ones.
    let (stay, go): (Vec<_>, Vec<_>) = clients.into_iter().zip(threads).partition(|(_, thread)| *thread == 0);
    drop(go);
    wait_for("the ends", || harness.snapshot().connections == 3);
    let mut more: Vec<_> = (0..3).map(|_| harness.connect()).collect();
    assert!(more.iter_mut().all(|c| c.call(b"s") == [1]));
    assert_eq!(harness.stats.connections_by_thread(), [3, 3]);
    drop(stay);
}
