//! The stores of listeners with TLS: read at the start, and again when the broker's configuration changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_config::broker_config::tls::{ClientAuth, StoreConfig, StorePlace, TlsConfig};
use ottla_config::synonyms::listener_prefix;
use ottla_config::{BrokerConfig, RawMap};
use ottla_net::{ClientAuth as NetClientAuth, TlsError, TlsListener, TlsSettings};
use ottla_security::keystore::{self, KeyEntry, StoreError, StoreType};
use ottla_security::tls::{TlsChoiceError, TlsChoices, verify_chain};
use ottla_security::x509;
use parking_lot::Mutex;

use crate::clock::now_ms;

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener}: {why}")]
pub struct TlsListenerError {
    listener: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{key}={kind} is not served; PEM, PKCS12 and JKS are")]
    Kind { key: &'static str, kind: String },
    #[error("the file {path} of {key} cannot be read: {why}")]
    File { key: &'static str, path: String, why: std::io::Error },
    #[error("{key}={path} cannot be used: {why}")]
    Store { key: &'static str, path: String, why: StoreError },
    #[error("ssl.keystore.certificate.chain needs ssl.keystore.key beside it")]
    NoKey,
    #[error("Cannot add SSL truststore to an existing listener for which no truststore was configured.")]
    AddedTruststore,
    #[error(
        "Keystore DistinguishedName does not match: existing={{DN={before}}}, new={{DN={new}}}; \
         ssl.allow.dn.changes=true allows it"
    )]
    OtherName { before: String, new: String },
    #[error(
        "Keystore SubjectAltNames do not match: existing={{SAN={before:?}}}, new={{SAN={new:?}}}; \
         ssl.allow.san.changes=true allows it"
    )]
    OtherAlternativeNames { before: Vec<String>, new: Vec<String> },
    #[error("{0}, so that brokers could not connect to each other while it is taken over: {1}")]
    Stranger(&'static str, String),
    #[error(transparent)]
    Choice(#[from] TlsChoiceError),
    #[error(transparent)]
    Settings(#[from] TlsError),
}

/// The TLS of each listener that has it.
#[derive(Clone, Debug, Default)]
pub struct TlsListeners(Arc<Mutex<BTreeMap<String, Known>>>);

#[derive(Clone, Debug)]
struct Known {
    listener: TlsListener,
    owner: Owner,
}

/// Whose the certificate is that a listener shows, and whom it trusts.
#[derive(Clone, Debug)]
struct Owner {
    subject: Option<String>,
    alternative_names: Vec<String>,
    certificate_chain: Vec<Vec<u8>>,
    trusted: Vec<Vec<u8>>,
}

impl Known {
    fn new(settings: &TlsSettings) -> Result<Self, Why> {
        Ok(Self { listener: TlsListener::new(settings)?, owner: Owner::new(settings) })
    }
}

impl Owner {
    fn new(settings: &TlsSettings) -> Self {
        let certificate = settings.certificate_chain.first().map(Vec::as_slice).unwrap_or_default();
        Self {
            subject: x509::subject(certificate),
            alternative_names: x509::alternative_names(certificate),
            certificate_chain: settings.certificate_chain.clone(),
            trusted: settings.trusted.clone(),
        }
    }

    /// Whether a certificate may take the place of one that is there: it must be the same owner's, by the names that clients may know
    /// it by (`SslFactory.CertificateEntries.ensureCompatible`). More alternative names than before are fine.
    fn check_successor(&self, new: &Self, config: &TlsConfig) -> Result<(), Why> {
        if let (false, Some(before), Some(new)) = (config.allow_dn_changes, &self.subject, &new.subject)
            && !before.eq_ignore_ascii_case(new)
        {
            return Err(Why::OtherName { before: before.clone(), new: new.clone() });
        }
        let is_there = |name: &String| new.alternative_names.contains(name);
        if !config.allow_san_changes && !self.alternative_names.iter().all(is_there) {
            let (before, new) = (self.alternative_names.clone(), new.alternative_names.clone());
            return Err(Why::OtherAlternativeNames { before, new });
        }
        Ok(())
    }

    /// Whether brokers that have taken over the new stores and those that have not yet believe each other (`SslEngineValidator`). Without a
    /// trust store a listener trusts nobody, whom Kafka's has trusted by the JVM's.
    fn check_peer(&self, new: &Self, settings: &TlsSettings) -> Result<(), Why> {
        if self.trusted.is_empty() || new.trusted.is_empty() {
            return Ok(());
        }
        let check = |what, shown: &Self, by: &Self| {
            verify_chain(&shown.certificate_chain, &by.trusted, &settings.provider, now_ms())
                .map_err(|why| Why::Stranger(what, why))
        };
        check("the trust store before does not know the new certificate", new, self)?;
        check("the new trust store does not know the certificate before", self, new)
    }
}

impl TlsListeners {
    /// Reads the stores of all listeners.
    ///
    /// # Errors
    /// When a store can't be used, or something is asked for that is not served.
    pub fn new(config: &BrokerConfig) -> Result<Self, TlsListenerError> {
        let listeners = config.security.tls.iter().map(|(name, tls)| {
            let listener = settings(tls).and_then(|settings| Known::new(&settings));
            Ok((name.clone(), listener.map_err(|why| TlsListenerError { listener: name.clone(), why })?))
        });
        let listeners = listeners.collect::<Result<_, TlsListenerError>>()?;
        Ok(Self(Arc::new(Mutex::new(listeners))))
    }

    /// Whether the stores of the listeners that a change is about could be used, as `SslFactory.validateReconfiguration` asks.
    /// `named` holds the keys of the change: stores that it names are read even if they are where they were.
    ///
    /// # Errors
    /// As [`TlsListeners::new`].
    pub fn check(
        &self,
        old: &BrokerConfig,
        new: &BrokerConfig,
        named: &RawMap,
    ) -> Result<(), TlsListenerError> {
        for (name, tls) in &new.security.tls {
            let before = old.security.tls.get(name);
            let prefix = format!("{}ssl.", listener_prefix(name));
            if before == Some(tls) && !named.keys().any(|key| key.starts_with(&prefix)) {
                continue;
            }
            let checked = match before {
                Some(before) if before.truststore.is_none() && tls.truststore.is_some() => {
                    Err(Why::AddedTruststore)
                }
                _ => self.check_listener(name, tls, *name == new.listeners.inter_broker_listener_name),
            };
            checked.map_err(|why| TlsListenerError { listener: name.clone(), why })?;
        }
        Ok(())
    }

    /// Whether what a listener would show can be used, and is its owner's as before.
    fn check_listener(&self, name: &str, tls: &TlsConfig, is_of_brokers: bool) -> Result<(), Why> {
        let settings = settings(tls)?;
        let new = Known::new(&settings)?.owner;
        let known = self.0.lock();
        let Some(Known { owner, .. }) = known.get(name) else { return Ok(()) };
        owner.check_successor(&new, tls)?;
        if is_of_brokers { owner.check_peer(&new, &settings) } else { Ok(()) }
    }

    /// How many handshakes of each listener were completed, and how many failed.
    pub(crate) fn handshakes(&self) -> Vec<(String, u64, u64)> {
        let counts = |(name, known): (&String, &Known)| {
            (name.clone(), known.listener.handshakes_done(), known.listener.handshakes_failed())
        };
        self.0.lock().iter().map(counts).collect()
    }

    /// The TLS of a listener.
    pub fn of(&self, listener: &str) -> Option<TlsListener> {
        self.0.lock().get(listener).map(|known| known.listener.clone())
    }

    /// Reads the stores again, for the connections to come, and those of new listeners. What can't be used is told of, and stays as it
    /// was.
    pub fn reload(&self, config: &BrokerConfig) {
        let mut listeners = self.0.lock();
        listeners.retain(|name, _| config.security.tls.contains_key(name));
        for (name, tls) in &config.security.tls {
            let read = settings(tls).and_then(|settings| match listeners.get_mut(name) {
                Some(known) => {
                    known.listener.replace(&settings)?;
                    known.owner = Owner::new(&settings);
                    Ok(())
                }
                None => {
                    listeners.insert(name.clone(), Known::new(&settings)?);
                    Ok(())
                }
            });
            match read {
                Ok(()) => tracing::info!(listener = name, "key store and trust store are read again"),
                Err(why) => {
                    tracing::error!(listener = name, %why, "key store and trust store stay as they were");
                }
            }
        }
    }
}

fn settings(config: &TlsConfig) -> Result<TlsSettings, Why> {
    let KeyEntry { private_key, certificate_chain } = read_key(config)?;
    let trusted = config.truststore.as_ref().map(read_trusted).transpose()?.unwrap_or_default();
    let TlsChoices { provider, versions } =
        TlsChoices::new(&config.enabled_protocols, &config.cipher_suites)?;
    Ok(TlsSettings {
        certificate_chain,
        private_key,
        trusted,
        client_auth: match config.client_auth {
            ClientAuth::None => NetClientAuth::None,
            ClientAuth::Requested => NetClientAuth::Requested,
            ClientAuth::Required => NetClientAuth::Required,
        },
        provider,
        versions,
    })
}

fn read_key(config: &TlsConfig) -> Result<KeyEntry, Why> {
    const LOCATION: &str = "ssl.keystore.location";
    let store = &config.keystore;
    let kind = store_type("ssl.keystore.type", &store.kind)?;
    let key_password = config.key_password.as_ref().map(|it| it.expose());
    match &store.place {
        StorePlace::File(path) => {
            let bytes = read_file(LOCATION, path)?;
            let password = store.password.as_ref().map(|it| it.expose());
            keystore::read_key(kind, &bytes, password, key_password).map_err(|why| Why::Store {
                key: LOCATION,
                path: path.clone(),
                why,
            })
        }
        StorePlace::Inline { certificates, key } => {
            let key = key.as_ref().ok_or(Why::NoKey)?;
            keystore::read_pem_key(key.expose(), certificates.expose(), key_password).map_err(|why| {
                Why::Store { key: "ssl.keystore.key", path: ottla_config::value::HIDDEN.to_owned(), why }
            })
        }
    }
}

fn read_trusted(store: &StoreConfig) -> Result<Vec<Vec<u8>>, Why> {
    const LOCATION: &str = "ssl.truststore.location";
    let kind = store_type("ssl.truststore.type", &store.kind)?;
    let password = store.password.as_ref().map(|it| it.expose());
    match &store.place {
        StorePlace::File(path) => keystore::read_trusted(kind, &read_file(LOCATION, path)?, password)
            .map_err(|why| Why::Store { key: LOCATION, path: path.clone(), why }),
        StorePlace::Inline { certificates, .. } => {
            keystore::read_trusted(StoreType::Pem, certificates.expose().as_bytes(), None).map_err(|why| {
                let path = ottla_config::value::HIDDEN.to_owned();
                Why::Store { key: "ssl.truststore.certificates", path, why }
            })
        }
    }
}

fn store_type(key: &'static str, name: &str) -> Result<StoreType, Why> {
    StoreType::from_name(name).ok_or_else(|| Why::Kind { key, kind: name.to_owned() })
}

fn read_file(key: &'static str, path: &str) -> Result<Vec<u8>, Why> {
    std::fs::read(path).map_err(|why| Why::File { key, path: path.to_owned(), why })
}
