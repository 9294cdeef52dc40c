use std::io::{Read, Write};
use std::net::TcpStream as StdStream;

use super::*;
use crate::fatal::Fatal;

const LIMITS: SeriesLimits =
    SeriesLimits { topics: true, partitions: true, groups: true, clients: true, max: 100 };

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = StdStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_node_that_is_starting_says_so() {
    let (fatal, _reason) = Fatal::new();
    let any = HostPort { host: "127.0.0.1".into(), port: 0 };
    let listener = HttpListener::bind(&any, LIMITS, Health::starting(fatal)).expect("a free port");
    let health = get(listener.address(), "/health");
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("the node is starting"), "{health}");
    assert!(get(listener.address(), "/health/live").starts_with("HTTP/1.1 200 "));
    let metrics = get(listener.address(), "/metrics");
    assert!(metrics.contains("\nottla_ready 0\n") && metrics.contains("process_cpu_seconds_total "));
    assert!(!metrics.contains("kafka_"), "there is nothing to tell yet");
    let address = listener.address();
    drop(listener);
    assert!(StdStream::connect(address).is_err(), "it ends when it is dropped");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_asking_is_sent_away() {
    for said in ["", "GET /metrics HT", "GET /metrics HTTP/1.1\r\nHost: x\r\nSlow: "] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut peer = StdStream::connect(listener.local_addr().expect("an address")).expect("it listens");
        peer.write_all(said.as_bytes()).expect("there is room");
        let (stream, _) = listener.accept().await.expect("it is there");
        let slot = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a slot");
        let routes = Routes::new(Health::starting(Fatal::new().0), LIMITS);
        let began = tokio::time::Instant::now();
        connection(stream, slot, routes).await;
        let took = began.elapsed();
        assert!(took >= HEADER_MAX && took < HEADER_MAX * 2, "{said:?}: {took:?}");
    }
}
