//! Asking key distribution centres over TCP (RFC 4120 section 7.2.2): each of a realm's until one answers, beginning with the one that
//! answered last. A realm that the configuration names no centres of is looked up in DNS.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_security::sasl::gssapi::initiator::KdcError;
use ottla_security::sasl::gssapi::{KdcAddress, Krb5Conf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::NoTicket;
use super::dns::{self, NameServers, RESOLV_CONF};

/// For a centre to be reached and to answer. Java waits 30 s, which is all of a login's time.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longer answers are not read. Tickets of large directories have some ten thousand bytes.
const ANSWER_BYTES_MAX: usize = 512 << 10;

/// The centres of all realms.
#[derive(Debug)]
pub(super) struct Centres {
    conf: Krb5Conf,
    /// Where the configuration was found, for whoever has to mend it.
    conf_path: String,
    /// Which one of a realm answered last.
    preferred: AtomicUsize,
    pub(super) timeout: Duration,
    /// Who is asked for centres that the configuration does not name.
    pub(super) name_servers: PathBuf,
}

impl Centres {
    pub(super) fn new(conf: Krb5Conf, conf_path: String) -> Self {
        let name_servers = PathBuf::from(RESOLV_CONF);
        Self { conf, conf_path, preferred: AtomicUsize::new(0), timeout: TIMEOUT, name_servers }
    }

    #[cfg(test)]
    pub(super) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(super) fn conf(&self) -> &Krb5Conf {
        &self.conf
    }

    /// The answer of a centre of the realm.
    ///
    /// # Errors
    /// When none is known, or none answers.
    pub(super) async fn ask(&self, realm: &str, message: &[u8]) -> Result<Vec<u8>, NoTicket> {
        let named = self.conf.centres(realm);
        let looked_up;
        let addresses = if named.is_empty() {
            looked_up = self.look_up(realm).await?;
            &looked_up
        } else {
            named
        };
        let first = self.preferred.load(Ordering::Relaxed) % addresses.len();
        let mut whys = Vec::new();
        for (at, address) in addresses.iter().enumerate().cycle().skip(first).take(addresses.len()) {
            let why = match timeout(self.timeout, exchange(address, message)).await {
                Ok(Ok(answer)) if KdcError::read(&answer).is_some_and(|it| it.is_unavailable()) => {
                    "it can't be asked now".to_owned()
                }
                Ok(Ok(answer)) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(why)) => why.to_string(),
                Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
            };
            whys.push(format!("{address}: {why}"));
        }
        Err(NoTicket::Failed(format!(
            "no key distribution centre of the realm {realm} answers ({}); is kdc in {} right, and the way there open?",
            whys.join("; "),
            self.conf_path
        )))
    }

    /// What DNS has of a realm's centres.
    async fn look_up(&self, realm: &str) -> Result<Vec<KdcAddress>, NoTicket> {
        let unknown = |why: String| {
            format!(
                "no key distribution centre of the realm {realm} is known: name it as kdc under [realms] in {}; {why}",
                self.conf_path
            )
        };
        if !self.conf.dns_lookup_kdc {
            return Err(NoTicket::Refused(unknown("DNS is not asked (dns_lookup_kdc = false)".to_owned())));
        }
        let servers = NameServers::read(&self.name_servers).await;
        match servers.centres(realm).await {
            Ok(found) if found.is_empty() => {
                Err(NoTicket::Refused(unknown(format!("DNS knows no {}", dns::name(realm)))))
            }
            Ok(found) => Ok(found),
            Err(why) => Err(NoTicket::Failed(unknown(format!("DNS: {why}")))),
        }
    }
}

async fn exchange(address: &KdcAddress, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    let len = u32::try_from(message.len()).map_err(io::Error::other)?;
    let mut sent = len.to_be_bytes().to_vec();
    sent.extend_from_slice(message);
    stream.write_all(&sent).await?;
    let len = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if len > ANSWER_BYTES_MAX {
        let why = format!(
            "it announces an answer of {len} bytes, more than {ANSWER_BYTES_MAX}: is it a key distribution centre?"
        );
        return Err(io::Error::other(why));
    }
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
