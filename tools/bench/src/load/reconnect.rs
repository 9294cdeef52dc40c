//! Connections, and nothing else.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ottla_protocol::messages::ApiVersionsRequest;

use super::{Moved, on_time};
use crate::histogram::Histogram;
use crate::secure::Door;
use crate::threads::joined;
use crate::topic::TIMEOUT;
use crate::wire::Connection;

/// Clients that connect at once.
const CLIENTS: usize = 16;

/// A connection that has asked once what the broker can do, as every client does.
pub fn greeted(door: impl Into<Door>) -> Result<Connection> {
    let mut connection = Connection::small(door, TIMEOUT)?;
    connection.call(&ApiVersionsRequest::default(), 0)?;
    Ok(connection)
}

/// So many connections that stay open.
pub fn idle(door: impl Into<Door>, connections: usize) -> Result<Vec<Connection>> {
    let door = door.into();
    (0..connections).map(|i| greeted(&door).with_context(|| format!("connection {i}"))).collect()
}

/// Clients that connect, ask, and leave without a word, for `time`. Each connection counts as a request.
pub fn storm(port: u16, time: Duration) -> Result<Moved> {
    storm_by(time, || Ok(port.into()), |_| Ok(()))
}

/// Likewise, each client by a door of its own; `check` sees each connection.
pub fn storm_by(
    time: Duration,
    door: impl Fn() -> Result<Door> + Sync,
    check: impl Fn(&Connection) -> Result<()> + Sync,
) -> Result<Moved> {
    let began = Instant::now();
    let requests = thread::scope(|scope| {
        let one = || one_client(&door()?, began, time, &check);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| joined(client)?).sum::<Result<u64>>()
    })?;
    Ok(Moved { requests, seconds: began.elapsed().as_secs_f64(), ..Default::default() })
}

fn one_client(
    door: &Door,
    began: Instant,
    time: Duration,
    check: impl Fn(&Connection) -> Result<()>,
) -> Result<u64> {
    let mut made = 0;
    while began.elapsed() < time {
        // Reset, not closed: a port in TIME_WAIT could not be used again at once.
        let connection = greeted(door)?;
        if made > 0 {
            check(&connection)?;
        }
        connection.reset()?;
        made += 1;
    }
    Ok(made)
}

/// Clients that come so many a second, by a timetable, ask, and leave, for `time`; how long each took from when it was
/// due. A client that comes late because the one before it took long counts from when it was due all the same.
pub fn paced(port: u16, each_second: u32, time: Duration) -> Result<(Moved, Histogram)> {
    let began = Instant::now();
    let gap = Duration::from_secs(1) / each_second.max(1);
    let one = |client: u32| -> Result<Histogram> {
        let mut took = Histogram::default();
        for at in (client..).step_by(CLIENTS) {
            let due = gap * at;
            if due >= time {
                break;
            }
            thread::sleep((began + due).saturating_duration_since(Instant::now()));
            greeted(port)?.reset()?;
            took.add((began + due).elapsed());
        }
        Ok(took)
    };
    let took = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS as u32).map(|client| scope.spawn(on_time(move || one(client)))).collect();
        let mut all = Histogram::default();
        for client in clients {
            all.merge(&joined(client)??);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    let moved =
        Moved { requests: took.count(), seconds: began.elapsed().as_secs_f64(), ..Default::default() };
    Ok((moved, took))
}
