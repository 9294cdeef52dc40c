//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use ottla_protocol::messages::describe_user_scram_credentials_request::UserName;
use ottla_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use ottla_protocol::{ErrorCode, Str};

use super::call::{To, check_controller};
use super::types::coded;
use super::{Admin, PerKey, TimeoutOptions};
use crate::{Error, Result};

coded! {
    /// How a password is kept (`ScramMechanism`).
    ScramMechanism {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// By SHA-256.
        ScramSha256 = 1 "SCRAM-SHA-256",
        /// By SHA-512.
        ScramSha512 = 2 "SCRAM-SHA-512",
    }
}

/// How a user's password is kept (`ScramCredentialInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramCredentialInfo {
    /// By what.
    pub mechanism: ScramMechanism,
    /// How often it is hashed.
    pub iterations: i32,
}

/// A change of a user's credentials (`UserScramCredentialAlteration`).
#[derive(Clone, PartialEq, Eq)]
pub enum UserScramCredentialAlteration {
    /// A password is set.
    Upsertion {
        /// Whose.
        user: Str,
        /// How it is kept.
        info: ScramCredentialInfo,
        /// The password; only a hash of it leaves this process.
        password: Bytes,
        /// What is hashed with it; random when there is none.
        salt: Option<Bytes>,
    },
    /// A password is taken away.
    Deletion {
        /// Whose.
        user: Str,
        /// How it is kept.
        mechanism: ScramMechanism,
    },
}

impl UserScramCredentialAlteration {
    /// Whose credentials are changed.
    pub fn user(&self) -> &Str {
        match self {
            Self::Upsertion { user, .. } | Self::Deletion { user, .. } => user,
        }
    }
}

impl std::fmt::Debug for UserScramCredentialAlteration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Upsertion { user, info, .. } => write!(f, "Upsertion({user}, {info:?}, [hidden])"),
            Self::Deletion { user, mechanism } => write!(f, "Deletion({user}, {mechanism:?})"),
        }
    }
}

/// Bytes of a salt that is made here.
const SALT_BYTES: usize = 20;

impl Admin {
    /// How the passwords of these users, or of all, are kept.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, ...; for each user RESOURCE_NOT_FOUND, DUPLICATE_RESOURCE, ...
    pub async fn describe_user_scram_credentials(
        &self,
        users: Option<&[Str]>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<Str, Vec<ScramCredentialInfo>>> {
        let users = users.filter(|users| !users.is_empty());
        let build = |_| DescribeUserScramCredentialsRequest {
            users: users.map(|users| users.iter().map(|name| UserName { name: name.clone() }).collect()),
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeUserScramCredentials", To::Any, deadline, build, |it| Ok(described(it))).await?
    }

    /// Sets passwords and takes them away; the changes of a user all or none.
    ///
    /// # Errors
    /// For each user: UNACCEPTABLE_CREDENTIAL, UNSUPPORTED_SASL_MECHANISM, RESOURCE_NOT_FOUND, ...
    pub async fn alter_user_scram_credentials(
        &self,
        alterations: &[UserScramCredentialAlteration],
        options: &TimeoutOptions,
    ) -> PerKey<Str, ()> {
        let (request, mut done) = match prepare(alterations) {
            Ok(prepared) => prepared,
            Err(error) => {
                return alterations.iter().map(|it| (it.user().clone(), Err(error.clone()))).collect();
            }
        };
        let sent: BTreeSet<Str> =
            alterations.iter().map(|it| it.user().clone()).filter(|user| !done.contains_key(user)).collect();
        if sent.is_empty() {
            return done;
        }
        let respond = |response| {
            let results = altered(&sent, response);
            check_controller(self.controllers, results.values())?;
            Ok(results)
        };
        let deadline = self.deadline(options.timeout);
        let build = |_| request.clone();
        match self.call("alterUserScramCredentials", To::Controller, deadline, build, respond).await {
            Ok(results) => done.extend(results),
            Err(error) => done.extend(sent.iter().map(|user| (user.clone(), Err(error.clone())))),
        }
        done
    }
}

/// The request, and the users whose changes are refused here.
fn prepare(
    alterations: &[UserScramCredentialAlteration],
) -> Result<(AlterUserScramCredentialsRequest, PerKey<Str, ()>)> {
    let mut refused = PerKey::new();
    for alteration in alterations {
        if let Some(error) = illegal(alteration) {
            refused.entry(alteration.user().clone()).or_insert(Err(error));
        }
    }
    let mut request = AlterUserScramCredentialsRequest::default();
    for alteration in alterations.iter().filter(|it| !refused.contains_key(it.user())) {
        match alteration {
            UserScramCredentialAlteration::Deletion { user, mechanism } => {
                let deletion = ScramCredentialDeletion { name: user.clone(), mechanism: mechanism.id() };
                request.deletions.push(deletion);
            }
            UserScramCredentialAlteration::Upsertion { user, info, password, salt } => {
                let salt = salt.clone().map_or_else(random_salt, Ok)?;
                request.upsertions.push(ScramCredentialUpsertion {
                    name: user.clone(),
                    mechanism: info.mechanism.id(),
                    iterations: info.iterations,
                    salted_password: salted(info, password, &salt),
                    salt,
                });
            }
        }
    }
    Ok((request, refused))
}

fn illegal(alteration: &UserScramCredentialAlteration) -> Option<Error> {
    let mechanism = match alteration {
        UserScramCredentialAlteration::Upsertion { info, .. } => info.mechanism,
        UserScramCredentialAlteration::Deletion { mechanism, .. } => *mechanism,
    };
    if alteration.user().is_empty() {
        return Some(Error::api(ErrorCode::UnacceptableCredential, Some("Username must not be empty")));
    }
    let empty = matches!(alteration, UserScramCredentialAlteration::Upsertion { password, .. } if password.is_empty());
    if empty {
        return Some(Error::api(ErrorCode::UnacceptableCredential, Some("Password must not be empty")));
    }
    (mechanism == ScramMechanism::Unknown)
        .then(|| Error::api(ErrorCode::UnsupportedSaslMechanism, Some("Unknown SCRAM mechanism")))
}

fn random_salt() -> Result<Bytes> {
    let mut salt = vec![0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|error| Error::Illegal(format!("The system gives no random bytes for a salt: {error}")))?;
    Ok(salt.into())
}

/// RFC 5802's `Hi`, which is PBKDF2 with one block.
fn salted(info: &ScramCredentialInfo, password: &[u8], salt: &[u8]) -> Bytes {
    let rounds = info.iterations.max(1).unsigned_abs();
    match info.mechanism {
        ScramMechanism::ScramSha512 => {
            pbkdf2::pbkdf2_hmac_array::<sha2::Sha512, 64>(password, salt, rounds).to_vec().into()
        }
        _ => pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt, rounds).to_vec().into(),
    }
}

fn described(
    response: DescribeUserScramCredentialsResponse,
) -> Result<PerKey<Str, Vec<ScramCredentialInfo>>> {
    Error::check(response.error_code, response.error_message.as_deref())?;
    let mut found = BTreeMap::new();
    for user in response.results {
        let infos = user.credential_infos.into_iter().map(|it| ScramCredentialInfo {
            mechanism: ScramMechanism::from_id(it.mechanism),
            iterations: it.iterations,
        });
        let result = Error::check(user.error_code, user.error_message.as_deref());
        found.insert(user.user, result.map(|()| infos.collect()));
    }
    Ok(found)
}

fn altered(sent: &BTreeSet<Str>, response: AlterUserScramCredentialsResponse) -> PerKey<Str, ()> {
    let missing =
        |user: &Str| Error::Protocol(format!("The broker response did not contain a result for user {user}"));
    let mut done: PerKey<Str, ()> = sent.iter().map(|user| (user.clone(), Err(missing(user)))).collect();
    for it in response.results {
        if let Some(slot) = done.get_mut(&it.user) {
            *slot = Error::check(it.error_code, it.error_message.as_deref());
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upsertion(user: &str, password: &str, mechanism: ScramMechanism) -> UserScramCredentialAlteration {
        UserScramCredentialAlteration::Upsertion {
            user: user.into(),
            info: ScramCredentialInfo { mechanism, iterations: 4096 },
            password: Bytes::copy_from_slice(password.as_bytes()),
            salt: None,
        }
    }

    #[test]
    fn passwords_are_hashed_as_the_rfc_says() {
        // RFC 7677's example: user "user", password "pencil".
        let salt =
            [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let info = ScramCredentialInfo { mechanism: ScramMechanism::ScramSha256, iterations: 4096 };
        let expected = "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d";
        let hash: String = salted(&info, b"pencil", &salt).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, expected);
        let info = ScramCredentialInfo { mechanism: ScramMechanism::ScramSha512, iterations: 1 };
        assert_eq!(salted(&info, b"a", b"b").len(), 64);
    }

    #[test]
    fn illegal_changes_keep_back_all_of_the_user() {
        let alterations = [
            upsertion("a", "x", ScramMechanism::ScramSha256),
            upsertion("a", "", ScramMechanism::ScramSha512),
            upsertion("b", "x", ScramMechanism::ScramSha256),
            UserScramCredentialAlteration::Deletion { user: "c".into(), mechanism: ScramMechanism::Unknown },
            upsertion("", "x", ScramMechanism::ScramSha256),
        ];
        let (request, refused) = prepare(&alterations).unwrap();
        assert_eq!(request.upsertions.len(), 1);
        assert_eq!(request.upsertions[0].salt.len(), SALT_BYTES);
        let texts: Vec<String> = refused.values().map(|it| it.as_ref().unwrap_err().to_string()).collect();
        assert_eq!(
            texts,
            ["Username must not be empty", "Password must not be empty", "Unknown SCRAM mechanism"]
        );
        assert!(!format!("{:?}", alterations[0]).contains('x'));
    }
}
