//! The thread that keeps issuers' keys fresh (`RefreshingHttpsJwks`, `JwksFileVerificationKeyResolver`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ottla_config::broker_config::oauth::OAuthConfig;
use ottla_http::{HttpClient, Limits, Request, TlsTrust, Url, files};
use ottla_security::jwt::{Jwks, Retries};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::OAuthError;
use super::keys::Keys;
use crate::clock::now_ms;

/// Of an answer or a file; jose4j reads as much.
const BYTES_MAX: usize = 512 << 10;
/// How long connecting and answering may take, each; jose4j's.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How often a file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(2);
/// Pause at least, when there are no keys yet.
const NO_KEYS_PAUSE_MIN_MS: i64 = 1_000;

/// Where keys are.
#[derive(Debug)]
pub(super) enum Place {
    Http(HttpClient),
    File(PathBuf),
}

impl Place {
    /// The place of an address, which must be one of those allowed; `option` is the login module's.
    ///
    /// # Errors
    /// When it is not allowed or can't be used.
    pub fn new<'a>(
        url: &str,
        allowed: &[String],
        option: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, OAuthError> {
        if !allowed.iter().any(|it| it == url) {
            return Err(OAuthError::NotAllowed(url.to_owned()));
        }
        if let Some(path) = file(url) {
            return Ok(Self::File(path));
        }
        let parsed = Url::parse(url).map_err(|why| OAuthError::Url { url: url.to_owned(), why })?;
        let trust = if parsed.is_tls() { Some(TlsTrust::from_options(option)?) } else { None };
        let limits = Limits { connect: TIMEOUT, answer: TIMEOUT, body_bytes: BYTES_MAX };
        Ok(Self::Http(HttpClient::new(parsed, trust, limits)))
    }

    fn name(&self) -> String {
        match self {
            Self::Http(client) => client.url().to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// The file of a `file:` address, whose path is taken as it is.
fn file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file:")?;
    Some(PathBuf::from(match rest.strip_prefix("//") {
        Some(with_host) => with_host.get(with_host.find('/')?..)?,
        None => rest,
    }))
}

/// A thread that fetches. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::authentication) struct FetchThread {
    _stop: oneshot::Sender<()>,
}

/// Keys, and the thread that keeps them fresh. A file is read before this returns.
///
/// # Errors
/// When a file can't be used, or there is no thread to be had.
pub(super) fn start(
    listener: &str,
    place: Place,
    config: &OAuthConfig,
) -> Result<(Arc<Keys>, FetchThread), OAuthError> {
    let keys = Arc::new(Keys::new());
    if let Place::File(path) = &place {
        let unusable = |why| OAuthError::File { path: path.display().to_string(), why };
        keys.end(Some(read_file(path).map_err(unusable)?));
    }
    let fetcher = Fetcher {
        listener: listener.to_owned(),
        place,
        keys: keys.clone(),
        refresh_ms: config.jwks_refresh_ms,
        backoff_ms: config.jwks_retry_backoff_ms,
        backoff_max_ms: config.jwks_retry_backoff_max_ms,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(OAuthError::Thread)?;
    let work = move || {
        runtime.block_on(async move {
            tokio::select! {
                () = fetcher.run() => {}
                // It comes when the other half is gone.
                _ = stopped => {}
            }
        });
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("ottla-jwks".into()).spawn(work).map_err(OAuthError::Thread)?;
    Ok((keys, FetchThread { _stop: stop }))
}

struct Fetcher {
    listener: String,
    place: Place,
    keys: Arc<Keys>,
    refresh_ms: i64,
    backoff_ms: i64,
    backoff_max_ms: i64,
}

impl Fetcher {
    async fn run(self) {
        match &self.place {
            Place::Http(client) => self.run_http(client).await,
            Place::File(path) => self.run_file(path).await,
        }
    }

    async fn run_http(&self, client: &HttpClient) {
        loop {
            self.keys.begin();
            let found = self.attempts(client).await;
            self.keys.end(found);
            // Without any keys nobody gets in: not for as long as keys are good for.
            let pause_ms = if self.keys.current().is_empty() {
                self.backoff_max_ms.max(NO_KEYS_PAUSE_MIN_MS).min(self.refresh_ms)
            } else {
                self.refresh_ms
            };
            tokio::select! {
                () = sleep(Duration::from_millis(pause_ms.unsigned_abs())) => {}
                () = self.keys.asked() => {}
            }
        }
    }

    async fn attempts(&self, client: &HttpClient) -> Option<Jwks> {
        let mut retries = Retries::new(self.backoff_ms, self.backoff_max_ms, now_ms());
        loop {
            let why = match fetch(client).await {
                Ok(found) => {
                    self.tell(&found);
                    return Some(found);
                }
                Err(why) => why,
            };
            let Some(pause_ms) = retries.failed(now_ms()) else {
                tracing::warn!(
                    listener = self.listener,
                    place = self.place.name(),
                    why,
                    "the issuer's keys could not be fetched; those known before stay"
                );
                return None;
            };
            tracing::debug!(listener = self.listener, place = self.place.name(), why, pause_ms, "again");
            sleep(Duration::from_millis(pause_ms.unsigned_abs())).await;
        }
    }

    async fn run_file(&self, path: &PathBuf) {
        let mut changed = changed_at(path);
        loop {
            tokio::select! {
                () = sleep(FILE_INTERVAL) => {}
                () = self.keys.asked() => {}
            }
            let now = changed_at(path);
            if now == changed {
                self.keys.end(None);
                continue;
            }
            changed = now;
            match read_file(path) {
                Ok(found) => {
                    self.tell(&found);
                    self.keys.end(Some(found));
                }
                Err(why) => {
                    tracing::warn!(
                        listener = self.listener,
                        place = self.place.name(),
                        why,
                        "the issuer's keys cannot be read; those known before stay"
                    );
                    self.keys.end(None);
                }
            }
        }
    }

    fn tell(&self, found: &Jwks) {
        tracing::info!(
            listener = self.listener,
            place = self.place.name(),
            keys = found.len(),
            "the issuer's keys are known"
        );
    }
}

async fn fetch(client: &HttpClient) -> Result<Jwks, String> {
    let request = Request::get().header("Accept", "application/json");
    let answer = client.send(request).await.map_err(|why| why.to_string())?;
    if answer.status != 200 {
        return Err(format!("the answer is status {} and not 200", answer.status));
    }
    Jwks::parse(&answer.body).map_err(|why| format!("the answer is no set of keys: {why}"))
}

fn read_file(path: &PathBuf) -> Result<Jwks, String> {
    let bytes = files::read(path, BYTES_MAX).map_err(|why| why.to_string())?;
    Jwks::parse(&bytes).map_err(|why| format!("it is no set of keys: {why}"))
}

fn changed_at(path: &PathBuf) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
