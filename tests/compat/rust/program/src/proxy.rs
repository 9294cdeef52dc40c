//! A TCP proxy before a broker whose connections break in seeded ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::digest::Random;
use crate::leader_unknown;

/// How connections break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They do not.
    None = 0,
    /// Bytes come late, in small pieces.
    Delay = 1,
    /// Both directions end at some byte, mostly in the middle of a frame.
    Cut = 2,
    /// One direction ends at some byte; what comes the other way is still read.
    HalfClose = 3,
    /// One direction delivers nothing more, but nothing ends either.
    Stall = 4,
    /// Connections are taken late, so that later ones are served first, and are cut.
    Reorder = 5,
    /// Answers do not know who leads (`leader_unknown`).
    LeaderUnknown = 6,
}

impl Fault {
    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "delay" => Self::Delay,
            "cut" => Self::Cut,
            "half-close" => Self::HalfClose,
            "stall" => Self::Stall,
            "reorder" => Self::Reorder,
            "leader-unknown" => Self::LeaderUnknown,
            _ => return None,
        })
    }
}

/// A proxy that runs until the program ends.
#[derive(Clone)]
pub struct Proxy {
    fault: Arc<AtomicU8>,
    /// Connections so far.
    connections: Arc<AtomicI64>,
    /// Those of them that broke, and answers that were changed.
    broken: Arc<AtomicI64>,
}

/// What becomes of one connection.
#[derive(Clone, Copy)]
struct Plan {
    fault: u8,
    /// Whether it is the client's bytes that are counted.
    upward: bool,
    /// Bytes until it happens.
    bytes: usize,
    seed: i64,
}

/// How a direction ended.
enum End {
    /// A side closed it.
    Closed,
    /// The plan says that both are to end.
    Cut,
}

impl Proxy {
    /// Takes connections at `listen` for the broker at `to`.
    pub async fn start(listen: SocketAddr, to: SocketAddr, seed: i64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let proxy = Self { fault: Arc::default(), connections: Arc::default(), broken: Arc::default() };
        let own = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = own.connections.fetch_add(1, Ordering::Relaxed);
                let fault = own.fault.load(Ordering::Relaxed);
                let seed = seed.wrapping_mul(7919).wrapping_add(number);
                tokio::spawn(serve(client, to, fault, seed, own.broken.clone()));
            }
        });
        Ok(proxy)
    }

    /// What happens to connections that are made from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
    }

    /// Connections so far, and how many of them, or of their answers, were broken.
    pub fn counts(&self) -> (i64, i64) {
        (self.connections.load(Ordering::Relaxed), self.broken.load(Ordering::Relaxed))
    }
}

async fn serve(client: TcpStream, to: SocketAddr, fault: u8, seed: i64, broken: Arc<AtomicI64>) {
    let mut random = Random::new(seed);
    if fault == Fault::Reorder as u8 {
        sleep(Duration::from_millis(random.below(250) as u64)).await;
    }
    // A broker that is down: the client sees its connection end.
    let Ok(broker) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    if fault == Fault::LeaderUnknown as u8 {
        return leader_unknown::relay(client, broker, seed, broken).await;
    }
    let upward = random.below(2) == 0;
    // Answers are short, requests are long. What stalls costs the client a time-out each.
    let rare = if fault == Fault::Stall as u8 { 2 } else { 1 };
    let bytes = 700 + rare * random.below(if upward { 12_000 } else { 2_500 }) as usize;
    let plan = Plan { fault, upward, bytes, seed };
    let (client_read, client_write) = client.into_split();
    let (broker_read, broker_write) = broker.into_split();
    let up = pump(client_read, broker_write, plan, true, &broken);
    let down = pump(broker_read, client_write, plan, false, &broken);
    tokio::pin!(up, down);
    // A direction that was closed leaves the other to end by itself.
    tokio::select! {
        end = &mut up => if matches!(end, End::Closed) { down.await; },
        end = &mut down => if matches!(end, End::Closed) { up.await; },
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    plan: Plan,
    upward: bool,
    broken: &AtomicI64,
) -> End {
    let is_faulty = plan.upward == upward;
    let mut random = Random::new(plan.seed ^ i64::from(upward));
    let mut left = plan.bytes;
    let mut buffer = vec![0; 8192];
    loop {
        let limit =
            if plan.fault == Fault::Delay as u8 { 1 + random.below(3000) as usize } else { buffer.len() };
        let read = match from.read(&mut buffer[..limit]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        if plan.fault == Fault::Delay as u8 {
            sleep(Duration::from_millis(random.below(12) as u64)).await;
        }
        let breaks = is_faulty && plan.fault > Fault::Delay as u8;
        let len = if breaks { read.min(left) } else { read };
        if to.write_all(&buffer[..len]).await.is_err() {
            break;
        }
        left -= if breaks { len } else { 0 };
        if breaks && left == 0 {
            broken.fetch_add(1, Ordering::Relaxed);
            match plan.fault {
                fault if fault == Fault::HalfClose as u8 => break,
                fault if fault == Fault::Stall as u8 => {
                    while matches!(from.read(&mut buffer).await, Ok(1..)) {}
                    break;
                }
                _ => return End::Cut,
            }
        }
    }
    let _ = to.shutdown().await;
    End::Closed
}
