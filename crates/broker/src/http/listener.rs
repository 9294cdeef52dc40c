//! The socket, the thread, connections and their limits.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ottla_config::broker_config::http::HttpConfig;
use ottla_config::quorum_address::HostPort;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::MissedTickBehavior;

use super::Health;
use super::routes::Routes;
use super::stalling::Stalling;
use crate::metrics::{SAMPLE_INTERVAL, SeriesLimits};

/// Connections at the same time; others wait in the backlog.
const CONNECTIONS_MAX: usize = 32;
/// How long a request's header may take to come, and a connection may be idle. Above the usual 15 s between scrapes.
const HEADER_MAX: Duration = Duration::from_secs(20);
/// Bytes that a header may have.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Lines that a header may have.
const HEADERS_MAX: usize = 64;
/// How long a connection may be open; it ends behind the answer that is being sent then.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// How long that answer may still take.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(60);
/// Pause when accepting fails, for lack of file descriptors for instance.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Why the HTTP listener does not start.
#[derive(Debug, thiserror::Error)]
#[error(
    "ottla.http.listener {address} can't be used: {source}; choose another address or port, or leave the key out"
)]
pub struct HttpError {
    address: HostPort,
    source: io::Error,
}

/// A running listener; it ends when it is dropped.
pub(crate) struct HttpListener {
    address: SocketAddr,
    health: Arc<Health>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpListener {
    /// Binds the socket and serves, if a listener is configured.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn start(config: &HttpConfig, health: Arc<Health>) -> Result<Option<Self>, HttpError> {
        let Some(address) = &config.listener else { return Ok(None) };
        let limits = SeriesLimits {
            topics: config.topic_series,
            partitions: config.partition_series,
            groups: config.group_series,
            clients: config.client_series,
            max: config.series_max,
        };
        Self::bind(address, limits, health)
            .map(Some)
            .map_err(|source| HttpError { address: address.clone(), source })
    }

    fn bind(address: &HostPort, limits: SeriesLimits, health: Arc<Health>) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = (address.host.as_str(), address.port).to_socket_addrs()?.collect();
        let socket = StdListener::bind(addresses.as_slice())?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let routes = Routes::new(health.clone(), limits);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            runtime.block_on(async move {
                tokio::select! {
                    ended = serve(socket, routes) => {
                        if let Err(error) = ended {
                            tracing::error!(%error, "the HTTP listener failed; metrics are served no more");
                        }
                    }
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("ottla-http".into()).spawn(run)?;
        tracing::info!(%address, "metrics and health are served over HTTP");
        Ok(Self { address, health, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is known of the node.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

impl Drop for HttpListener {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // What is being sent is cut off: the thread waits for nothing.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(socket: StdListener, routes: Arc<Routes>) -> io::Result<()> {
    let socket = TcpListener::from_std(socket)?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut sample = tokio::time::interval(SAMPLE_INTERVAL);
    sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = accept(&socket, &slots) => match accepted {
                Ok((stream, slot)) => {
                    tokio::spawn(connection(stream, slot, routes.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "the HTTP listener could not accept a connection");
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            },
            _ = sample.tick() => routes.idle.sample(),
        }
    }
}

/// The next connection, once there is a slot for it.
async fn accept(
    socket: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = socket.accept().await?;
    Ok((stream, slot))
}

async fn connection(stream: TcpStream, slot: OwnedSemaphorePermit, routes: Arc<Routes>) {
    let _slot = slot;
    let service = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, std::convert::Infallible>(routes.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(Stalling::new(stream)), service));
    let outcome = match tokio::time::timeout(CONNECTION_MAX, served.as_mut()).await {
        Ok(outcome) => outcome,
        Err(_) => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER_MAX, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection of the HTTP listener ended");
    }
}

#[cfg(test)]
#[path = "listener_test.rs"]
mod tests;
