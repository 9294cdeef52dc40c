//! Delegation tokens: what signs them, which one an HMAC belongs to, and their SCRAM credentials (`DelegationTokenManager`,
//! `DelegationTokenCache`, KIP-48).
//!
//! The metadata knows a token's id and its owner; the HMAC of the id, which is the password, follows from
//! `delegation.token.secret.key` alone. Its credentials take milliseconds to work out, so each is kept once it was asked for. Asked for
//! are only those of tokens that there are: strangers can cause no such work, as nobody guesses the 122 random bits of an id.

use std::collections::HashMap;
use std::fmt;

use ottla_metadata::MetadataImage;
use ottla_protocol::{Str, base64};
use ottla_security::sasl::scram::ITERATIONS_MIN;
use ottla_security::sasl::{Credential, HashFunction};
use parking_lot::Mutex;

/// Bytes of the salts of tokens' credentials.
const SALT_BYTES: usize = 26;

/// The tokens of a broker. Its `Debug` form shows none of them.
pub(crate) struct Tokens {
    secret_key: Vec<u8>,
    /// What salts are derived from.
    salt_secret: Vec<u8>,
    /// Ids by HMAC.
    ids: Mutex<HashMap<Vec<u8>, Str>>,
    credentials: Mutex<HashMap<(Str, HashFunction), Credential>>,
}

impl Tokens {
    /// No tokens yet. `salt_secret` is random and the broker's own.
    pub(crate) fn new(secret_key: &str, salt_secret: &[u8]) -> Self {
        Self {
            secret_key: secret_key.as_bytes().to_vec(),
            salt_secret: salt_secret.to_vec(),
            ids: Mutex::default(),
            credentials: Mutex::default(),
        }
    }

    /// The HMAC of a token.
    pub(crate) fn hmac(&self, id: &str) -> Vec<u8> {
        HashFunction::Sha512.hmac(&self.secret_key, id.as_bytes())
    }

    /// The id of the token that has this HMAC.
    pub(crate) fn id_of(&self, hmac: &[u8]) -> Option<Str> {
        self.ids.lock().get(hmac).cloned()
    }

    /// Takes over which of the tokens named are there.
    pub(crate) fn follow<'a>(&self, image: &MetadataImage, changed: impl IntoIterator<Item = &'a Str>) {
        for id in changed {
            let hmac = self.hmac(id);
            if image.delegation_tokens.get(id).is_some() {
                self.ids.lock().insert(hmac, id.clone());
            } else {
                self.ids.lock().remove(&hmac);
                let mut credentials = self.credentials.lock();
                for hash in [HashFunction::Sha256, HashFunction::Sha512] {
                    credentials.remove(&(id.clone(), hash));
                }
            }
        }
    }

    /// The credential of a token that is there: its password is the HMAC in Base64.
    pub(crate) fn credential(&self, hash: HashFunction, id: &Str) -> Credential {
        if let Some(known) = self.credentials.lock().get(&(id.clone(), hash)) {
            return known.clone();
        }
        let hmac = self.hmac(id);
        let mut salt = hash.hmac(&self.salt_secret, id.as_bytes());
        salt.truncate(SALT_BYTES);
        let credential = Credential::new(hash, base64::encode(&hmac).as_bytes(), &salt, ITERATIONS_MIN);
        // One whose token went away meanwhile would stay for ever. The lock is kept so that it does not go away now.
        let ids = self.ids.lock();
        if ids.contains_key(&hmac) {
            self.credentials.lock().insert((id.clone(), hash), credential.clone());
        }
        credential
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.ids.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::metadata::MetadataRecord;
    use ottla_protocol::messages::{DelegationTokenRecord, RemoveDelegationTokenRecord};

    use super::*;

    #[test]
    fn tokens_come_and_go() {
        let tokens = Tokens::new("secret", b"salt");
        let mut image = MetadataImage::default();
        let id = Str::from_static("some-id");
        let record =
            DelegationTokenRecord { token_id: id.clone(), owner: "User:a".into(), ..Default::default() };
        image.replay(&MetadataRecord::DelegationToken(record)).expect("a record");
        let hmac = tokens.hmac(&id);
        assert_eq!((hmac.len(), tokens.id_of(&hmac)), (64, None));
        tokens.follow(&image, [&id]);
        assert_eq!(tokens.id_of(&hmac).as_ref(), Some(&id));
        let credential = tokens.credential(HashFunction::Sha256, &id);
        assert!(credential == tokens.credential(HashFunction::Sha256, &id));
        assert!(credential.stored_key != tokens.credential(HashFunction::Sha512, &id).stored_key);
        assert_eq!(tokens.credentials.lock().len(), 2);
        let record = RemoveDelegationTokenRecord { token_id: id.clone() };
        image.replay(&MetadataRecord::RemoveDelegationToken(record)).expect("a record");
        tokens.follow(&image, [&id]);
        assert_eq!((tokens.id_of(&hmac), tokens.credentials.lock().len()), (None, 0));
        tokens.credential(HashFunction::Sha256, &id);
        assert_eq!(tokens.credentials.lock().len(), 0, "what is gone is not kept");
        assert_eq!(format!("{tokens:?}"), "Tokens(0)");
    }

    /// As Java's `HmacSHA512` signs them.
    #[test]
    fn hmacs_are_kafkas() {
        let text: String = Tokens::new("key", b"")
            .hmac("The quick brown fox jumps over the lazy dog")
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(
            text.starts_with("b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb"),
            "{text}"
        );
    }
}
