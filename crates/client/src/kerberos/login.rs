//! The ticket that a client shows now (`KerberosLogin`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use ottla_security::sasl::gssapi::Credential;
use ottla_security::sasl::gssapi::initiator::{Authentication, Failure, Next, ServiceTicket, Wishes};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::centres::Centres;
use super::files::{read_cache, read_keytab};
use super::{NoTicket, Settings};
use crate::clock::unix_ms;
use crate::random;

/// Brokers whose tickets are kept; beyond that they are asked for again.
const SERVICES_MAX: usize = 1_024;
/// How long a centre is left alone that gave no ticket, at least.
const RETRY_PAUSE_MS: i64 = 1_000;

/// Logs a client in by tickets: gets the first one, asks for one for each broker by it, and renews it before it ends, also while no
/// connection is made, because a ticket that has ended can't be renewed. Shared by the client's connections; whoever comes while a
/// ticket is asked for waits for it.
#[derive(Debug)]
pub(crate) struct KerberosLogin {
    settings: Settings,
    centres: Centres,
    kept: Mutex<Kept>,
    /// The task that renews; it ends with the client.
    renewer: OnceLock<AbortHandle>,
}

#[derive(Debug, Default)]
struct Kept {
    granting: Option<Granting>,
    /// By hosts.
    services: HashMap<String, Credential>,
}

/// The ticket that others are asked for by.
#[derive(Clone, Debug)]
struct Granting {
    credential: Credential,
    renew_ms: i64,
}

impl KerberosLogin {
    /// A login that has asked for nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        let centres = Centres::new(settings.conf.clone(), settings.conf_path.clone());
        Self { settings, centres, kept: Mutex::default(), renewer: OnceLock::new() }
    }

    #[cfg(test)]
    pub(super) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.centres.timeout = timeout;
        self
    }

    /// A ticket for the broker on a host, good now, and the time.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(crate) async fn ticket(self: &Arc<Self>, host: &str) -> Result<(Credential, i64), NoTicket> {
        let mut kept = self.kept.lock().await;
        let granting = self.granting(&mut kept).await?;
        self.renewer.get_or_init(|| tokio::spawn(keep_fresh(Arc::downgrade(self))).abort_handle());
        let now_ms = unix_ms();
        if let Some(ticket) = kept.services.get(host).filter(|ticket| ticket.is_good(now_ms)) {
            return Ok((ticket.clone(), now_ms));
        }
        let conf = self.centres.conf();
        let service = ServiceTicket::new(granting, &self.settings.service_name, host, conf, secret()?)?;
        let ticket = self.talk_for_ticket(service).await?;
        if kept.services.len() >= SERVICES_MAX {
            kept.services.clear();
        }
        kept.services.insert(host.to_owned(), ticket.clone());
        Ok((ticket, unix_ms()))
    }

    /// A broker has refused the ticket, perhaps because its key is another one now: the next login asks for a new one.
    pub(crate) async fn forget(&self, host: &str) {
        self.kept.lock().await.services.remove(host);
    }

    /// The ticket to ask for others by, renewed where that is due.
    async fn granting(&self, kept: &mut Kept) -> Result<Credential, NoTicket> {
        let now = unix_ms();
        let held = kept.granting.as_ref().filter(|it| it.credential.is_good(now));
        if let Some(held) = held.filter(|it| now < it.renew_ms) {
            return Ok(held.credential.clone());
        }
        match self.log_in(held.map(|it| &it.credential)).await {
            Ok(credential) => {
                let (start_ms, now) = (credential.start_s.saturating_mul(1_000), unix_ms());
                let renew_ms =
                    self.settings.renewal.at_ms(start_ms, credential.end_ms(), now, random::next_f64());
                if held.is_none_or(|held| held.credential != credential) {
                    kept.services.clear();
                    tracing::debug!(client = %credential.client, end_s = credential.end_s, "a ticket was got");
                }
                kept.granting = Some(Granting { credential: credential.clone(), renew_ms });
                Ok(credential)
            }
            Err(why) => match kept.granting.as_mut().filter(|it| it.credential.is_good(unix_ms())) {
                Some(held) => {
                    tracing::warn!(%why, "the ticket cannot be renewed yet; the one before is still good");
                    let pause_ms = self.settings.renewal.pause_min_ms.max(RETRY_PAUSE_MS);
                    held.renew_ms = unix_ms().saturating_add(pause_ms);
                    Ok(held.credential.clone())
                }
                None => Err(why),
            },
        }
    }

    /// A new ticket: out of the cache, of the one that is held, or by the keytab.
    async fn log_in(&self, held: Option<&Credential>) -> Result<Credential, NoTicket> {
        let Some(path) = &self.settings.cache else { return self.by_keytab().await };
        match self.by_cache(path, held).await {
            Err(why) if self.settings.keytab.is_some() => {
                tracing::debug!(%why, "the ticket cache is of no use; the keytab is");
                self.by_keytab().await
            }
            outcome => outcome,
        }
    }

    async fn by_keytab(&self) -> Result<Credential, NoTicket> {
        let (Some(path), Some(principal)) = (&self.settings.keytab, &self.settings.principal) else {
            return Err(NoTicket::Refused("there is neither a ticket cache nor a keytab".to_owned()));
        };
        let keytab = read_keytab(path).await?;
        let wishes = Wishes::new(self.centres.conf());
        let mut login = Authentication::new(principal.clone(), &keytab, wishes, secret()?)
            .map_err(|why| NoTicket::Refused(format!("the keytab {} is of no use: {why}", path.display())))?;
        let first = login.begin(unix_ms())?;
        self.talk(first, |answer| login.answered(answer, unix_ms())).await
    }

    /// The cache's ticket, which others may have renewed; else it is renewed here, as `kinit -R` would, but for this client alone.
    async fn by_cache(&self, path: &Path, held: Option<&Credential>) -> Result<Credential, NoTicket> {
        let cache = read_cache(path).await?;
        let refused =
            |why: String| Err(NoTicket::Refused(format!("the ticket cache {}: {why}", path.display())));
        if let Some(principal) = &self.settings.principal
            && cache.principal != *principal
        {
            return refused(format!(
                "it is of {}, not of {principal}: run kinit {principal}",
                cache.principal
            ));
        }
        let principal = &cache.principal;
        let Some(found) = cache.ticket_granting_ticket() else {
            return refused(format!(
                "it has no ticket of {principal} with an AES key to ask for others by: run kinit"
            ));
        };
        let now = unix_ms();
        let best =
            held.filter(|held| held.client == found.client && held.end_s > found.end_s).unwrap_or(found);
        if !best.is_good(now) {
            return refused(format!(
                "the ticket of {principal} ended {} s ago: run kinit",
                now / 1_000 - best.end_s
            ));
        }
        let is_new = held.is_none_or(|held| held.end_s < best.end_s);
        if is_new || !best.is_renewable(now) {
            return Ok(best.clone());
        }
        let renewal = ServiceTicket::renewal(best.clone(), Wishes::new(self.centres.conf()), secret()?)?;
        self.talk_for_ticket(renewal).await
    }

    async fn talk_for_ticket(&self, mut ticket: ServiceTicket) -> Result<Credential, NoTicket> {
        let first = ticket.begin(unix_ms())?;
        self.talk(first, |answer| ticket.answered(answer, unix_ms())).await
    }

    /// Asks what is to be asked, until there is a ticket.
    async fn talk(
        &self,
        mut next: Next,
        mut answered: impl FnMut(&[u8]) -> Result<Next, Failure>,
    ) -> Result<Credential, NoTicket> {
        loop {
            next = match next {
                Next::Ask { realm, message } => answered(&self.centres.ask(&realm, &message).await?)?,
                Next::Granted(credential) => return Ok(*credential),
            };
        }
    }

    /// How long until the ticket is to be renewed.
    async fn pause(&self) -> Duration {
        let kept = self.kept.lock().await;
        let pause_ms = match &kept.granting {
            Some(granting) => granting.renew_ms.saturating_sub(unix_ms()),
            None => self.settings.renewal.pause_min_ms,
        };
        Duration::from_millis(pause_ms.max(RETRY_PAUSE_MS).unsigned_abs())
    }
}

impl Drop for KerberosLogin {
    fn drop(&mut self) {
        if let Some(renewer) = self.renewer.get() {
            renewer.abort();
        }
    }
}

/// Renews as long as there is a client. Failures are told where they are met, or by the next login.
async fn keep_fresh(login: Weak<KerberosLogin>) {
    loop {
        let pause = match login.upgrade() {
            Some(login) => login.pause().await,
            None => return,
        };
        tokio::time::sleep(pause).await;
        let Some(login) = login.upgrade() else { return };
        let mut kept = login.kept.lock().await;
        let _ = login.granting(&mut kept).await;
    }
}

fn secret() -> Result<String, NoTicket> {
    random::secret().map_err(|why| NoTicket::Failed(format!("the system gives no random bytes: {why}")))
}
