//! HTTP as the issuers of tokens speak it: one request, one answer, one connection, over TCP or TLS.
//!
//! Not a general client: no redirects (an address that was allowed must not lead to another one), no proxies, no cookies, no
//! connections kept. What comes is bounded in size and time.
//!
//! | module | what |
//! | --- | --- |
//! | [`url`] | [`Url`]: where to |
//! | [`client`] | [`HttpClient`]: there and back |
//! | [`files`] | files that stand where an address might, as bounded |
//! | [`tls`] | [`TlsTrust`]: whom to believe on the way |

mod body;
pub mod client;
pub mod files;
pub mod tls;
pub mod url;

pub use client::{Answer, HttpClient, HttpError, Limits, Request};
pub use tls::{TlsTrust, TlsTrustError, system_authorities};
pub use url::{InvalidUrl, Url};
