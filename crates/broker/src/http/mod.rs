//! The HTTP listener: `/metrics` and `/health`, for monitoring systems. Off unless `ottla.http.listener` is set.
//!
//! It has a thread of its own: data threads and the control thread are not held up by whoever asks, or asks badly. It
//! starts before logs are loaded, so that `/health` can say why a node is not ready yet.
//!
//! | file | what |
//! | --- | --- |
//! | `listener` | the socket, the thread, connections and their limits |
//! | `stalling` | a connection whose peer takes nothing is given up |
//! | `routes` | which path gives what |
//! | `body` | an answer that comes in chunks |
//! | `health` | live, ready, and why not |
//! | `groups` | a group as its coordinator knows it |

mod body;
mod groups;
mod health;
mod listener;
mod routes;
mod stalling;

pub(crate) use health::Health;
pub use listener::HttpError;
pub(crate) use listener::HttpListener;
