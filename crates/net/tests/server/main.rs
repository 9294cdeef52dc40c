//! The server over real sockets on ports of the system's choice.

#![allow(clippy::unwrap_used)]

mod files;
mod hostile;
mod lifecycle;
mod limits;
mod replies;
mod strangers;
mod support;
mod tls;
mod turns;
