//! Which certificates of a server are good (`X509TrustManagerImpl` and `HostnameChecker` of the JDK, by rustls-webpki).
//!
//! Three things are as Java's clients have them and not as webpki alone would: a certificate that stands in the trust store itself is
//! good as it is, whoever signed it; the check of names can be turned off; and where a certificate holds no DNS names in its
//! alternative names, its common name counts.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::x509;

#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) roots: RootCertStore,
    /// The same as whole certificates.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    pub(super) checks_names: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if !self.trusted.iter().any(|trusted| trusted == end_entity) {
            let algorithms = self.algorithms.all;
            let roots = &self.roots;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)
                .map_err(|why| if is_self_signed(end_entity) { unknown_issuer() } else { why })?;
        }
        if self.checks_names {
            check_name(&certificate, end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether who trusts these certificates takes a chain for good, whatever names it holds and at whichever end of a connection it is shown; all
/// in DER. A certificate that is trusted itself is good, whoever signed it.
///
/// # Errors
/// Why not.
pub fn verify_chain(
    chain: &[Vec<u8>],
    trusted: &[Vec<u8>],
    provider: &CryptoProvider,
    now_ms: i64,
) -> Result<(), String> {
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms.max(0).unsigned_abs()));
    let trusted: Vec<CertificateDer<'static>> = trusted.iter().cloned().map(CertificateDer::from).collect();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let chain: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (end_entity, intermediates) = chain.split_first().ok_or("there is no certificate")?;
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Verifier { roots, trusted, checks_names: false, algorithms };
    let anybody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let verified = verifier.verify_server_cert(end_entity, intermediates, &anybody, &[], now);
    verified.map(drop).map_err(|why| why.to_string())
}

/// That somebody else must have signed it is what people can do something about, whatever else webpki has against it.
fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    x509::names(der).is_some_and(|names| names.issuer == names.subject)
}

fn unknown_issuer() -> Error {
    CertificateError::UnknownIssuer.into()
}

fn check_name(
    certificate: &ParsedCertificate<'_>,
    der: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
) -> Result<(), Error> {
    let error = match verify_server_name(certificate, server_name) {
        Err(error) => error,
        Ok(()) => return Ok(()),
    };
    let has_dns_names = match &error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            presented.iter().any(|name| name.starts_with("DnsName"))
        }
        _ => true,
    };
    if !has_dns_names
        && let ServerName::DnsName(name) = server_name
        && x509::common_name(der).is_some_and(|common| matches(&common, name.as_ref()))
    {
        return Ok(());
    }
    Err(error)
}

/// Whether a common name is that of a host. A `*` stands for the first label.
fn matches(common_name: &str, host: &str) -> bool {
    let wanted = match (common_name.strip_prefix("*."), host.split_once('.')) {
        (Some(common_rest), Some((_, host_rest))) if common_rest.contains('.') => (common_rest, host_rest),
        _ => (common_name, host),
    };
    wanted.0.eq_ignore_ascii_case(wanted.1)
}

#[cfg(test)]
#[path = "verifier_test.rs"]
mod verifier_test;
