//! TLS by rustls: what Kafka's settings mean to it, and what its errors mean to people. No socket, no file.
//!
//! | file | what |
//! | --- | --- |
//! | `choices` | [`TlsChoices`]: `ssl.enabled.protocols`, `ssl.cipher.suites`, of both sides |
//! | `client` | [`ClientTls`]: the settings of who connects |
//! | `stores` | [`ClientStores`]: the stores that its settings name |
//! | `verifier` | which certificates of a server are good, and whose names they hold |
//! | `explain` | [`explain`]: cause and cure of a failed handshake |

mod choices;
mod client;
mod explain;
mod stores;
mod verifier;

pub use choices::{TlsChoiceError, TlsChoices};
pub use client::{ClientTls, ClientTlsError};
pub use explain::explain;
pub use stores::{ClientStores, StoreSettingError};
pub use verifier::verify_chain;
