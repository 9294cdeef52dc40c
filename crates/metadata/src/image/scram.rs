//! SCRAM credentials (`ScramImage`).

use std::collections::BTreeMap;

use ottla_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use ottla_protocol::messages::{
    DescribeUserScramCredentialsRequest, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use ottla_protocol::{ErrorCode, Str};

use super::PersistentMap;
use crate::{
    ImageWriterOptions, ReplayError, ScramCredential, ScramMechanism, UnwritableMetadata, VersionedRecord,
    detach,
};

/// SCRAM credentials by user and mechanism.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramImage(PersistentMap<(Str, ScramMechanism), ScramCredential>);

impl ScramImage {
    /// The credential of a user.
    pub fn get(&self, user: &Str, mechanism: ScramMechanism) -> Option<&ScramCredential> {
        self.0.get(&(user.clone(), mechanism))
    }

    /// All credentials, by user.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, ScramMechanism, &ScramCredential)> {
        self.0.iter().map(|((user, mechanism), credential)| (user, *mechanism, credential))
    }

    pub(super) fn set(&mut self, record: &UserScramCredentialRecord) {
        let key = (detach::str(&record.name), ScramMechanism::from_code(record.mechanism));
        self.0.insert_mut(key, ScramCredential::from_record(record));
    }

    pub(super) fn remove(&mut self, record: &RemoveUserScramCredentialRecord) -> Result<(), ReplayError> {
        let key = (record.name.clone(), ScramMechanism::from_code(record.mechanism));
        if self.0.remove_mut(&key) {
            return Ok(());
        }
        Err(ReplayError::UnknownScramCredential { user: key.0, mechanism: record.mechanism })
    }

    pub(super) fn write(
        &self,
        options: &ImageWriterOptions,
        out: &mut dyn FnMut(VersionedRecord),
    ) -> Result<(), UnwritableMetadata> {
        if !self.0.is_empty() && !options.metadata_version.is_scram_supported() {
            return Err(options.loss("SCRAM credentials"));
        }
        self.iter().for_each(|(user, mechanism, credential)| out(credential.to_record(user, mechanism)));
        Ok(())
    }

    /// The answer to DescribeUserScramCredentials: the users asked for, or all.
    pub fn describe(
        &self,
        request: &DescribeUserScramCredentialsRequest,
    ) -> Vec<DescribeUserScramCredentialsResult> {
        let asked = request.users.as_deref().unwrap_or_default();
        let mut times: BTreeMap<&Str, usize> = BTreeMap::new();
        if asked.is_empty() {
            self.iter().for_each(|(user, ..)| *times.entry(user).or_default() = 1);
        } else {
            asked.iter().for_each(|user| *times.entry(&user.name).or_default() += 1);
        }
        times.into_iter().map(|(user, times)| self.describe_user(user, times > 1)).collect()
    }

    fn describe_user(&self, user: &Str, asked_twice: bool) -> DescribeUserScramCredentialsResult {
        let mechanisms = [ScramMechanism::Sha256, ScramMechanism::Sha512].into_iter();
        let infos: Vec<CredentialInfo> = mechanisms
            .filter_map(|mechanism| Some((mechanism, self.get(user, mechanism)?)))
            .map(|(mechanism, credential)| CredentialInfo {
                mechanism: mechanism.code(),
                iterations: credential.iterations,
            })
            .collect();
        let mut result = DescribeUserScramCredentialsResult { user: user.clone(), ..Default::default() };
        if asked_twice {
            const TEXT: &str =
                "Cannot describe SCRAM credentials for the same user twice in a single request: ";
            result.error_code = ErrorCode::DuplicateResource.code();
            result.error_message = Some(format!("{TEXT}{user}").into());
        } else if infos.is_empty() {
            const TEXT: &str = "Attempt to describe a user credential that does not exist: ";
            result.error_code = ErrorCode::ResourceNotFound.code();
            result.error_message = Some(format!("{TEXT}{user}").into());
        } else {
            result.credential_infos = infos;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::describe_user_scram_credentials_request::UserName;

    use super::*;

    #[test]
    fn describing_users() {
        let mut image = ScramImage::default();
        for (name, mechanism) in [("alice", 1), ("alice", 2), ("bob", 2)] {
            let name = Str::from(name);
            image.set(&UserScramCredentialRecord { name, mechanism, iterations: 4096, ..Default::default() });
        }
        let describe = |users: Option<&[&str]>| {
            let users = users.map(|users| users.iter().map(|n| UserName { name: (*n).into() }).collect());
            let results = image.describe(&DescribeUserScramCredentialsRequest { users });
            let brief = |r: DescribeUserScramCredentialsResult| {
                (r.user.to_string(), ErrorCode::from_code(r.error_code), r.credential_infos.len())
            };
            results.into_iter().map(brief).collect::<Vec<_>>()
        };
        let all = [("alice".to_owned(), ErrorCode::None, 2), ("bob".to_owned(), ErrorCode::None, 1)];
        assert_eq!(describe(None), all);
        assert_eq!(describe(Some(&["bob", "bob"])), [("bob".to_owned(), ErrorCode::DuplicateResource, 0)]);
        assert_eq!(describe(Some(&["carol"])), [("carol".to_owned(), ErrorCode::ResourceNotFound, 0)]);
    }
}
