//! A scripted service, a blocking client, and waiting for conditions.

use std::fs::File;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use ottla_net::*;

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the test and the services on all threads share.
#[derive(Default)]
pub struct Script {
    /// Payloads in the order of their calls.
    pub calls: Mutex<Vec<Bytes>>,
    /// File ranges for `file` requests.
    pub file: Mutex<Option<Arc<File>>>,
    gates: Mutex<Gates>,
    pub disconnected: Mutex<Vec<u64>>,
}

#[derive(Default)]
struct Gates {
    open: Vec<u8>,
    waiting: Vec<Waker>,
}

impl Script {
    /// Lets the answers of `later <gate>` requests come.
    pub fn open(&self, gate: u8) {
        let mut gates = self.gates.lock().unwrap();
        gates.open.push(gate);
        gates.waiting.drain(..).for_each(Waker::wake);
    }

    pub fn called(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

/// Does what the first byte of a request says:
/// `e` echo · `l` echo when the gate named by the second byte opens · `n` nothing · `c` close · `C` close later · `L` echo later, then close · `a` echo, and the client is known · `A` the same later · `p` panic ·
/// `P` panic later · `m` echo and mute for as many ms as a big-endian u32 says · `b` as many bytes as a u32 says ·
/// `f` a list of file ranges, each position u32 and length u32, between markers · `w` a wrong size prefix · `s` the thread's index ·
/// anything else: echo.
pub struct Scripted {
    pub script: Arc<Script>,
}

impl Service for Scripted {
    fn call(&self, connection: &Rc<ConnectionContext>, frame: Bytes) -> Reply {
        self.script.calls.lock().unwrap().push(frame.clone());
        let number =
            |at: usize| frame.get(at..at + 4).map_or(0, |b| u32::from_be_bytes(b.try_into().unwrap()));
        match frame[0] {
            b'n' => Reply::None,
            b'c' => Reply::Close("the script says so".into()),
            b'C' => Reply::later(async { Answer::Close("the script says so, later".into()) }),
            b'a' => {
                connection.set_authenticated();
                Reply::Now(response(&frame))
            }
            b'A' => {
                let connection = connection.clone();
                Reply::later(async move {
                    connection.set_authenticated();
                    Answer::Frame(response(&frame))
                })
            }
            b'L' => {
                Reply::later(
                    async move { Answer::Last(response(&frame), "the script says so, at last".into()) },
                )
            }
            b'p' => panic!("the script says so"),
            b'P' => Reply::later(async { panic!("the script says so, later") }),
            b'l' => self.later(frame),
            b'm' => {
                let mute_for = Some(Duration::from_millis(u64::from(number(1))));
                Reply::Now(ResponseFrame { mute_for, ..response(&frame) })
            }
            b'b' => Reply::Now(response(&vec![b'B'; number(1) as usize])),
            b'f' => self.file_ranges(&frame),
            b'w' => Reply::Now(ResponseFrame::new(Bytes::from_static(&[0, 0, 0, 9, 1]))),
            b's' => Reply::Now(response(&[connection.thread() as u8])),
            _ => Reply::Now(response(&frame)),
        }
    }

    fn disconnected(&self, connection: &Rc<ConnectionContext>) {
        self.script.disconnected.lock().unwrap().push(connection.id());
    }
}

impl Scripted {
    fn later(&self, frame: Bytes) -> Reply {
        let script = self.script.clone();
        Reply::later(poll_fn(move |cx| {
            let mut gates = script.gates.lock().unwrap();
            if gates.open.contains(&frame[1]) {
                return Poll::Ready(Answer::Frame(response(&frame)));
            }
            gates.waiting.push(cx.waker().clone());
            Poll::Pending
        }))
    }

    /// `<`, range, `|`, range, ... `>`
    fn file_ranges(&self, frame: &Bytes) -> Reply {
        let file = self.script.file.lock().unwrap().clone().unwrap();
        let mut head = BytesMut::new();
        head.put_u32(0);
        head.put_u8(b'<');
        let mut frame_ranges = ResponseFrame::default();
        for range in frame[1..].chunks(8) {
            let position = u64::from(u32::from_be_bytes(range[..4].try_into().unwrap()));
            let len = u32::from_be_bytes(range[4..].try_into().unwrap());
            frame_ranges
                .inserts
                .push((head.len() as u32, Insert::File { file: file.clone(), position, len }));
            head.put_u8(b'|');
        }
        frame_ranges.head = head.freeze();
        let size = (frame_ranges.len() - 4) as u32;
        let mut head = BytesMut::from(&frame_ranges.head[..]);
        head[..4].copy_from_slice(&size.to_be_bytes());
        Reply::Now(ResponseFrame { head: head.freeze(), ..frame_ranges })
    }
}

pub fn response(payload: &[u8]) -> ResponseFrame {
    let mut head = BytesMut::with_capacity(4 + payload.len());
    head.put_u32(payload.len() as u32);
    head.extend_from_slice(payload);
    ResponseFrame::new(head)
}

/// A server with one plaintext listener on the loopback, and its script.
pub struct Harness {
    pub server: Option<ServerHandle>,
    pub script: Arc<Script>,
    pub stats: Arc<NetStats>,
    pub address: SocketAddr,
}

impl Harness {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut NetOptions)) -> Self {
        let mut options = NetOptions {
            listeners: vec![ListenerOptions::plaintext("PLAINTEXT", "127.0.0.1", 0)],
            threads: 2,
            ..NetOptions::default()
        };
        change(&mut options);
        let script = Arc::new(Script::default());
        let shared = script.clone();
        let server = Server::start(options, move |_| Scripted { script: shared.clone() }).unwrap();
        Harness {
            script,
            stats: server.stats().clone(),
            address: server.addresses()[0].1,
            server: Some(server),
        }
    }

    pub fn server(&self) -> &ServerHandle {
        self.server.as_ref().unwrap()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn snapshot(&self) -> NetSnapshot {
        self.stats.snapshot()
    }
}

/// Waits for a condition that other threads bring about.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A blocking client.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

    pub fn send(&mut self, payload: &[u8]) {
        self.send_raw(&frame(payload));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn receive(&mut self) -> Vec<u8> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).unwrap();
        let mut payload = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        payload
    }

    pub fn call(&mut self, payload: &[u8]) -> Vec<u8> {
        self.send(payload);
        self.receive()
    }

    /// Reads to the end, which the server has to bring about; what came before it.
    pub fn receive_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the server did not close the connection: {error}"),
        }
        bytes
    }
}

/// What was logged by all tests of this process.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let start = || {
            let log = Log(Arc::default());
            let writer = log.clone();
            let format = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO);
            format.with_writer(move || writer.clone()).init();
            log
        };
        LOG.get_or_init(start).clone()
    }

    pub fn lines(&self, needle: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.contains(needle))
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// A pseudo-random sequence from a seed (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
