//! Listeners and connections of an Ottla broker.
//!
//! This crate knows Kafka's frames (a 4-byte size, then that many bytes), not what is in them: a [`Service`] is called with each
//! frame, and its [`Reply`] leaves in the order of the requests. [`Server::start`] takes [`NetOptions`] and a factory that builds one
//! service per data thread, and returns a [`ServerHandle`].
//!
//! # Run to completion
//!
//! There are a few data threads, one per core, each with a single-threaded runtime. A connection belongs to one of them for life. A
//! request is read, called and answered there, without a channel, a spawned task or a wake-up of another thread. All complete
//! frames of one read are called one after the other, and their answers leave with one write.
//!
//! Counted with `strace -f -c` on `examples/echo` (one connection): a request costs one `epoll_wait`, one `recvfrom` and one
//! `sendmsg`, and nothing else (10,000 requests of 100 bytes: 10,006, 10,001 and 10,000 calls, 10 others for the connection
//! as a whole; the same at 16 KiB). Ten pipelined requests share one of each (1,004, 1,001 and 1,000 calls for 10,000 requests).
//! An idle connection takes 2 KiB in all, one with a half-received request of unknown worth 6 KiB.
//!
//! # Where is it?
//!
//! | file | what |
//! | --- | --- |
//! | `server` | start, threads, stop |
//! | `listener`, `listeners`, `acceptor`, `quotas`, `ip_rates`, `rate` | binding, accepting, who may connect |
//! | `worker` | a data thread: its connections, idle sweep, pools |
//! | `connection`, `replies`, `turn` | one connection's task; the order of its answers; when others get their turn |
//! | `frame`, `receive` | size prefix and greetings of strangers; receive buffers |
//! | `response`, `output`, `file_range` | responses, what is still to be sent, `sendfile` and reads |
//! | `transport`, `tls` | the system calls; TLS over them |
//! | `time_slice`, `busy_poll` | what the threads ask of the scheduler; looking for requests before they sleep |
//! | `memory`, `stats`, `log_limit`, `close` | `queued.max.request.bytes`; counters; restrained warnings; why connections end |
//!
//! # Not obvious
//!
//! - A frame is a slice of a receive buffer that is shared with other small frames; what outlives its request should be copied.
//! - Time is read by nobody on the hot path: activity is noted as a count of sweeps ([`NetOptions::connections_max_idle_ms`]).
//! - A response is checked against its own size prefix before it is sent. A wrong length would let the client take record data for
//!   a response; the connection is closed instead.

mod acceptor;
mod busy_poll;
mod close;
mod connection;
mod context;
mod error;
mod file_range;
mod frame;
mod ip_rates;
mod listener;
mod listeners;
mod log_limit;
mod memory;
mod options;
mod output;
mod quotas;
mod rate;
mod receive;
mod replies;
mod response;
mod server;
mod service;
mod stats;
pub mod time_slice;
mod tls;
mod transport;
mod turn;
mod worker;

pub use context::ConnectionContext;
pub use error::NetError;
pub use file_range::read_resident;
pub use listeners::Listeners;
pub use options::{ListenerOptions, NetOptions, SecurityProtocol, UNLIMITED};
pub use quotas::ConnectionQuotas;
pub use response::{Insert, ResponseFrame};
pub use server::{BoundServer, SHUTDOWN_GRACE, Server, ServerHandle, ThreadInfo};
pub use service::{Answer, Reply, Service};
pub use stats::{NetSnapshot, NetStats};
pub use tls::{ClientAuth, TlsError, TlsListener, TlsSettings};
