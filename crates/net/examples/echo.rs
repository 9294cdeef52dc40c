//! Answers every frame with itself, for looking at the system calls of a request.
//!
//! `cargo run --release -p ottla-net --example echo -- server 19092` and, beside it,
//! `cargo run --release -p ottla-net --example echo -- client 127.0.0.1:19092 [requests] [bytes] [pipelined]`;
//! then `strace -f -c -p <pid of the server>`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use ottla_net::{
    ConnectionContext, Insert, ListenerOptions, NetOptions, Reply, ResponseFrame, Server, Service,
};

struct Echo;

impl Service for Echo {
    fn call(&self, _connection: &Rc<ConnectionContext>, frame: Bytes) -> Reply {
        let mut head = BytesMut::with_capacity(4);
        head.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        Reply::Now(ResponseFrame { inserts: vec![(4, Insert::Bytes(frame))], ..ResponseFrame::new(head) })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |index: usize, default: usize| args.get(index).and_then(|arg| arg.parse().ok()).unwrap_or(default);
    match args.first().map(String::as_str) {
        Some("server") => {
            let listener = ListenerOptions::plaintext("PLAINTEXT", "127.0.0.1", number(1, 0) as u16);
            let options = NetOptions { listeners: vec![listener], ..NetOptions::default() };
            let server = Server::start(options, |_| Echo)?;
            println!("pid {} listens on {:?}", std::process::id(), server.addresses());
            loop {
                std::thread::park();
            }
        }
        Some("client") => {
            let address = args.get(1).ok_or("client: which address?")?;
            client(address, number(2, 100_000), number(3, 100), number(4, 1))
        }
        _ => Err("echo server [port] | echo client <address> [requests] [bytes] [pipelined]".into()),
    }
}

fn client(
    address: &str,
    requests: usize,
    bytes: usize,
    pipelined: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut frames = Vec::new();
    for _ in 0..pipelined {
        frames.extend_from_slice(&(bytes as u32).to_be_bytes());
        frames.resize(frames.len() + bytes, 7);
    }
    let mut answers = vec![0; frames.len()];
    let mut micros = Vec::with_capacity(requests / pipelined);
    let start = Instant::now();
    for _ in 0..requests / pipelined {
        let sent = Instant::now();
        stream.write_all(&frames)?;
        stream.read_exact(&mut answers)?;
        micros.push(sent.elapsed().as_micros());
    }
    let seconds = start.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |share: usize| micros.get(micros.len() * share / 100).copied().unwrap_or(0);
    println!("{:.0} requests/s, round trip p50 {} us, p99 {} us", requests as f64 / seconds, at(50), at(99));
    Ok(())
}
