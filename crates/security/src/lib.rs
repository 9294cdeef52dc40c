//! Who somebody is, and what they may do.
//!
//! Pure: no socket, no file, no clock; random bytes are arguments.
//!
//! | module | what |
//! | --- | --- |
//! | [`principal`] | [`Principal`]: the name of who asks |
//! | [`decisions`] | [`Decisions`]: what a connection was allowed before |
//! | [`authorizer`] | [`Authorizer`]: whether they may, by the access control entries of the metadata |
//! | [`sasl`] | SASL mechanisms and sessions, both sides |
//! | [`keystore`] | key stores: PEM, PKCS#12, JKS |
//! | [`x509`], [`der`] | names in certificates |
//! | [`jwt`] | tokens of OAuth: keys, signatures, claims |
//! | [`jaas`] | JAAS configuration strings |
//! | [`tls`] | TLS of who connects: settings, certificates of servers, errors in plain words |
//! | [`principal_mapping`] | [`PrincipalMapping`]: users of certificates' names |

pub mod authorizer;
pub mod decisions;
pub mod der;
pub mod jaas;
pub mod jwt;
pub mod keystore;
pub mod principal;
pub mod principal_mapping;
pub mod sasl;
pub mod tls;
pub mod x509;

pub use ottla_protocol::base64;

pub use authorizer::{Action, Authorizer, AuthorizerOptions, Decision, Rule};
pub use decisions::Decisions;
pub use principal::{InvalidPrincipal, Principal};
pub use principal_mapping::{InvalidRule, PrincipalMapping};
