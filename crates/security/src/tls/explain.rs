//! Cause and cure of a failed handshake, in the words of Kafka's settings.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

const DAY_SECONDS: u64 = 86_400;

/// Why a client's handshake with a broker failed, and what to do about it. `has_key`: the client has a certificate of its own.
pub fn explain(error: &Error, host: &str, has_key: bool) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error, host),
        Error::AlertReceived(alert) => self::alert(*alert, has_key),
        Error::InvalidMessage(_) => format!(
            "what answers does not speak TLS ({error}); connect to a listener with TLS, or set \
             security.protocol=PLAINTEXT or SASL_PLAINTEXT"
        ),
        Error::PeerIncompatible(_) => {
            format!("no TLS version or cipher suite is common to both sides ({error}); {CHOICES}")
        }
        Error::NoCertificatesPresented => "the broker has shown no certificate".to_owned(),
        other => other.to_string(),
    }
}

const CHOICES: &str = "see ssl.enabled.protocols and ssl.cipher.suites here and at the broker";

fn certificate(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the broker's certificate is signed by no authority that is trusted here; name a store that holds its \
             authority by ssl.truststore.location, or the authority itself by ssl.truststore.certificates"
                .to_owned()
        }
        CertificateError::NotValidForName => not_for(host, &[]),
        CertificateError::NotValidForNameContext { presented, .. } => not_for(host, presented),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the broker's certificate has expired {} ago; it must be renewed, or this machine's clock set",
            since(*time, *not_after)
        ),
        CertificateError::Expired => {
            "the broker's certificate has expired; it must be renewed, or this machine's clock set".to_owned()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the broker's certificate becomes valid in {} only; see the clocks of this machine and of who signed it",
            since(*not_before, *time)
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the broker's certificate is not meant for servers (its extended key usage lacks serverAuth)".to_owned()
        }
        other => format!("the broker's certificate is not accepted: {other}"),
    }
}

fn not_for(host: &str, presented: &[String]) -> String {
    let names = match presented {
        [] => "holds no name that could be compared".to_owned(),
        names => format!("is for {}", names.join(", ")),
    };
    format!(
        "No name matching {host} found: the broker's certificate {names}; connect by a name that it holds, or have one \
         made for this name. An empty ssl.endpoint.identification.algorithm turns the check off"
    )
}

fn alert(alert: AlertDescription, has_key: bool) -> String {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::HandshakeFailure
            if !has_key =>
        {
            format!(
                "the broker refused ({alert:?}), as it does when it asks for a client's certificate and hears of none; \
                 name one by ssl.keystore.location. If it does not ask, {CHOICES}"
            )
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateRequired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => format!(
            "the broker does not accept this client's certificate ({alert:?}); see ssl.keystore.location here, and the \
             trust store of the broker"
        ),
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            format!("the broker refused ({alert:?}); {CHOICES}")
        }
        other => format!("the broker refused: {other:?}"),
    }
}

fn since(later: UnixTime, earlier: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    match seconds / DAY_SECONDS {
        0 => format!("{} minutes", seconds / 60),
        days => format!("{days} days"),
    }
}
