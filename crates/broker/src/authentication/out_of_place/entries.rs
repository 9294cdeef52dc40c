//! Answers with an error for each resource, entry, quota or user.

use std::collections::BTreeSet;

use ottla_protocol::messages::*;

use super::{CODE, Failure, Refuse, each};

impl Refuse for DescribeConfigsRequest {
    fn refuse(self, failure: &Failure) -> Option<DescribeConfigsResponse> {
        let results = each(self.resources, |resource| describe_configs_response::DescribeConfigsResult {
            error_code: CODE,
            error_message: failure.general(),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        });
        Some(DescribeConfigsResponse { results, ..Default::default() })
    }
}

/// The two alterations of configurations are alike.
macro_rules! altered {
    ($($request:ident: $response:ident in $module:ident;)*) => {$(
        impl Refuse for $request {
            fn refuse(self, failure: &Failure) -> Option<$response> {
                let responses = each(self.resources, |resource| $module::AlterConfigsResourceResponse {
                    error_code: CODE,
                    error_message: failure.particular(),
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name,
                });
                Some($response { responses, ..Default::default() })
            }
        }
    )*};
}

altered! {
    AlterConfigsRequest: AlterConfigsResponse in alter_configs_response;
    IncrementalAlterConfigsRequest: IncrementalAlterConfigsResponse in incremental_alter_configs_response;
}

impl Refuse for CreateAclsRequest {
    fn refuse(self, failure: &Failure) -> Option<CreateAclsResponse> {
        let results = each(self.creations, |_| create_acls_response::AclCreationResult {
            error_code: CODE,
            error_message: failure.particular(),
        });
        Some(CreateAclsResponse { results, ..Default::default() })
    }
}

impl Refuse for DeleteAclsRequest {
    fn refuse(self, failure: &Failure) -> Option<DeleteAclsResponse> {
        let filter_results = each(self.filters, |_| delete_acls_response::DeleteAclsFilterResult {
            error_code: CODE,
            error_message: failure.particular(),
            ..Default::default()
        });
        Some(DeleteAclsResponse { filter_results, ..Default::default() })
    }
}

impl Refuse for AlterClientQuotasRequest {
    fn refuse(self, failure: &Failure) -> Option<AlterClientQuotasResponse> {
        use alter_client_quotas_response::{EntityData, EntryData};
        let entries = each(self.entries, |entry| EntryData {
            error_code: CODE,
            error_message: failure.general(),
            entity: each(entry.entity, |part| EntityData {
                entity_type: part.entity_type,
                entity_name: part.entity_name,
            }),
        });
        Some(AlterClientQuotasResponse { entries, ..Default::default() })
    }
}

impl Refuse for DescribeUserScramCredentialsRequest {
    fn refuse(self, failure: &Failure) -> Option<DescribeUserScramCredentialsResponse> {
        use describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
        // As many results as users, without their names.
        let results = each(self.users.unwrap_or_default(), |_| DescribeUserScramCredentialsResult {
            error_code: CODE,
            error_message: failure.particular(),
            ..Default::default()
        });
        Some(DescribeUserScramCredentialsResponse {
            error_code: CODE,
            error_message: failure.particular(),
            results,
            ..Default::default()
        })
    }
}

impl Refuse for AlterUserScramCredentialsRequest {
    fn refuse(self, failure: &Failure) -> Option<AlterUserScramCredentialsResponse> {
        use alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
        let deleted = self.deletions.into_iter().map(|deletion| deletion.name);
        let users: BTreeSet<_> =
            deleted.chain(self.upsertions.into_iter().map(|upsertion| upsertion.name)).collect();
        let results = each(users, |user| AlterUserScramCredentialsResult {
            user,
            error_code: CODE,
            error_message: failure.particular(),
        });
        Some(AlterUserScramCredentialsResponse { results, ..Default::default() })
    }
}
