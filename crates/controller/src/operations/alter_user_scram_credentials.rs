//! AlterUserScramCredentials (key 51): `ScramControlManager.alterCredentials` (KIP-554).

use std::collections::BTreeMap;

use ottla_metadata::{ScramCredential, ScramMechanism, VersionedRecord};
use ottla_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use ottla_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, RemoveUserScramCredentialRecord,
};
use ottla_protocol::{ErrorCode, Str};

use crate::{ApiError, Controller, ControllerResult, RequestContext};

const MIN_ITERATIONS: i32 = 4_096;
const MAX_ITERATIONS: i32 = 16_384;

/// What a server keeps of a salted password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ScramKeys {
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}

/// One change of one user.
enum Alteration<'a> {
    Delete(&'a ScramCredentialDeletion),
    Upsert(&'a ScramCredentialUpsertion),
    Refused(ApiError),
}

impl Controller {
    /// AlterUserScramCredentials. `keys` derives stored key and server key from a salted password (RFC 5802);
    /// cryptography is not this crate's.
    pub fn alter_user_scram_credentials(
        &self,
        request: &AlterUserScramCredentialsRequest,
        keys: &dyn Fn(ScramMechanism, &[u8]) -> ScramKeys,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<AlterUserScramCredentialsResponse> {
        let mut by_user: BTreeMap<&Str, Alteration<'_>> = BTreeMap::new();
        let deletions = request.deletions.iter().map(|deletion| (&deletion.name, self.deletion(deletion)));
        let upsertions =
            request.upsertions.iter().map(|upsertion| (&upsertion.name, self.upsertion(upsertion)));
        for (user, alteration) in deletions.chain(upsertions) {
            let alteration = match by_user.get(user) {
                None => alteration,
                Some(Alteration::Refused(_)) => continue,
                Some(_) => Alteration::Refused(ApiError::new(
                    ErrorCode::DuplicateResource,
                    "A user credential cannot be altered twice in the same request",
                )),
            };
            by_user.insert(user, alteration);
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(by_user.len());
        for (user, alteration) in by_user {
            let mut error = ApiError::NONE;
            match alteration {
                Alteration::Delete(deletion) => records.push(removal(deletion)),
                Alteration::Upsert(upsertion) => records.push(credential(upsertion, keys)),
                Alteration::Refused(refused) => error = refused,
            }
            results.push(AlterUserScramCredentialsResult {
                user: user.clone(),
                error_code: error.error_code(),
                error_message: error.error_message(),
            });
        }
        let response = AlterUserScramCredentialsResponse { results, ..Default::default() };
        ControllerResult::atomic(records, response)
    }

    fn check_scram(&self, user: &str, mechanism: ScramMechanism) -> Result<(), ApiError> {
        if !self.metadata_version().is_scram_supported() {
            let message = "The current metadata.version does not support SCRAM";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        if user.is_empty() {
            return Err(ApiError::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
        }
        if mechanism == ScramMechanism::Unknown {
            return Err(ApiError::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"));
        }
        Ok(())
    }

    fn deletion<'a>(&self, deletion: &'a ScramCredentialDeletion) -> Alteration<'a> {
        let mechanism = ScramMechanism::from_code(deletion.mechanism);
        if let Err(error) = self.check_scram(&deletion.name, mechanism) {
            return Alteration::Refused(error);
        }
        if self.state.image.scram.get(&deletion.name, mechanism).is_none() {
            let message = "Attempt to delete a user credential that does not exist";
            return Alteration::Refused(ApiError::new(ErrorCode::ResourceNotFound, message));
        }
        Alteration::Delete(deletion)
    }

    fn upsertion<'a>(&self, upsertion: &'a ScramCredentialUpsertion) -> Alteration<'a> {
        let mechanism = ScramMechanism::from_code(upsertion.mechanism);
        if let Err(error) = self.check_scram(&upsertion.name, mechanism) {
            return Alteration::Refused(error);
        }
        let refused =
            |message| Alteration::Refused(ApiError::new(ErrorCode::UnacceptableCredential, message));
        match upsertion.iterations {
            ..MIN_ITERATIONS => refused("Too few iterations"),
            MIN_ITERATIONS..=MAX_ITERATIONS => Alteration::Upsert(upsertion),
            _ => refused("Too many iterations"),
        }
    }
}

fn removal(deletion: &ScramCredentialDeletion) -> VersionedRecord {
    let record =
        RemoveUserScramCredentialRecord { name: deletion.name.clone(), mechanism: deletion.mechanism };
    (MetadataRecord::RemoveUserScramCredential(record), 0)
}

fn credential(
    upsertion: &ScramCredentialUpsertion,
    keys: &dyn Fn(ScramMechanism, &[u8]) -> ScramKeys,
) -> VersionedRecord {
    let mechanism = ScramMechanism::from_code(upsertion.mechanism);
    let keys = keys(mechanism, &upsertion.salted_password);
    let credential = ScramCredential {
        salt: upsertion.salt.clone(),
        stored_key: keys.stored_key.into(),
        server_key: keys.server_key.into(),
        iterations: upsertion.iterations,
    };
    credential.to_record(&upsertion.name, mechanism)
}

#[cfg(test)]
#[path = "scram_test.rs"]
mod scram_test;
