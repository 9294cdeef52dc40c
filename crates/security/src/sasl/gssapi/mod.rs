//! SASL GSSAPI: Kerberos 5 (RFC 4120, 4121, 4752), without a Kerberos library: as a service, which asks nobody, and as a client.
//!
//! | module | what |
//! | --- | --- |
//! | [`server`] | [`GssapiServer`]: one exchange |
//! | [`service`] | [`KerberosService`]: the listener's principal, keys, rules |
//! | [`acceptor`] | tickets and authenticators checked |
//! | [`replay`] | authenticators that were seen |
//! | [`short_name`] | [`ShortNamer`]: users of principals |
//! | [`initiator`] | the client: tickets, and how they are shown |
//! | [`keytab`], [`ccache`], [`krb5_conf`] | the files |
//! | [`token`], [`messages`], `writing`, `der` | the bytes |
//! | `draw` | random bytes for several purposes out of one text |
//! | [`crypto`] | encryption and checksums with AES |
//! | [`refusal`] | [`Refusal`]: why not |

pub mod acceptor;
pub mod ccache;
pub mod crypto;
mod der;
mod draw;
pub mod initiator;
pub mod keytab;
pub mod krb5_conf;
pub mod messages;
pub mod refusal;
pub mod replay;
pub mod server;
pub mod service;
pub mod service_name;
pub mod short_name;
pub mod token;
mod writing;

pub use ccache::{CacheError, CredentialCache};
pub use initiator::{Credential, GssapiClient};
pub use keytab::{Keytab, KeytabError};
pub use krb5_conf::{ConfFiles, FoundConf, KdcAddress, Krb5Conf};
pub use messages::PrincipalName;
pub use refusal::Refusal;
pub use server::GssapiServer;
pub use service::KerberosService;
pub use service_name::{ServiceNameError, service_name};
pub use short_name::{InvalidShortNameRule, ShortNamer};
