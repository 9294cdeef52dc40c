//! What a listener knows of Kerberos: its own principal, its keys, and the rules of names.

use std::sync::{Arc, PoisonError, RwLock};

use super::crypto::Key;
use super::keytab::{Keytab, KeytabEntry};
use super::messages::PrincipalName;
use super::refusal::Refusal;
use super::replay::ReplayCache;
use super::short_name::ShortNamer;

/// A service that clients have tickets for.
#[derive(Debug)]
pub struct KerberosService {
    principal: PrincipalName,
    // Read at each login, replaced when the file has changed.
    keytab: RwLock<Arc<Keytab>>,
    namer: ShortNamer,
    clock_skew_ms: i64,
    /// Of all listeners of the broker.
    pub(super) replays: Arc<ReplayCache>,
}

impl KerberosService {
    /// A service with its keys. Clocks of clients may differ by `clock_skew_s` seconds.
    pub fn new(
        principal: PrincipalName,
        keytab: Keytab,
        namer: ShortNamer,
        clock_skew_s: i64,
        replays: Arc<ReplayCache>,
    ) -> Self {
        Self {
            principal,
            keytab: RwLock::new(Arc::new(keytab)),
            namer,
            clock_skew_ms: clock_skew_s.max(0).saturating_mul(1_000),
            replays,
        }
    }

    /// Its name.
    pub fn principal(&self) -> &PrincipalName {
        &self.principal
    }

    /// Keys as the file has them now. Clients that have a ticket for an older key need that one to be in it still.
    pub fn set_keytab(&self, keytab: Keytab) {
        *self.keytab.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keytab);
    }

    /// Whether there is a key that can be used.
    pub fn has_keys(&self) -> bool {
        self.keytab().of(&self.principal).any(|entry| entry.key.is_some())
    }

    pub(super) fn clock_skew_ms(&self) -> i64 {
        self.clock_skew_ms
    }

    fn keytab(&self) -> Arc<Keytab> {
        self.keytab.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that a ticket is encrypted with: the one of its version, or the newest where it names none.
    pub(super) fn key(&self, enctype: i64, key_version: Option<i64>) -> Result<Key, Refusal> {
        let keytab = self.keytab();
        let fits = |entry: &&KeytabEntry| i64::from(entry.enctype) == enctype;
        let newest_first = keytab.of(&self.principal).filter(fits).max_by_key(|entry| entry.key_version);
        let Some(newest) = newest_first else { return Err(Refusal::NoKeyOfType(enctype)) };
        let entry = match key_version {
            // Version 0 in either place means that nobody knows.
            None | Some(0) => newest,
            Some(version) => keytab
                .of(&self.principal)
                .filter(fits)
                .find(|entry| i64::from(entry.key_version) == version || entry.key_version == 0)
                .ok_or(Refusal::KeyVersion { ticket: version, newest: newest.key_version })?,
        };
        entry.key.clone().ok_or(Refusal::NoKeyOfType(enctype))
    }

    /// The user that a client is.
    pub(super) fn user(&self, client: &PrincipalName) -> Result<String, Refusal> {
        Ok(self.namer.short_name(client)?)
    }
}
