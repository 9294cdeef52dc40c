//! ApiVersions (key 18), versions 0-4: what this broker speaks.
//!
//! v3 features and the client's software name · v4 features whose lowest level is 0 (KAFKA-17492). A version that is not known is
//! answered in version 0 with the ranges, so that a newer client can step down.

use ottla_metadata::feature::{KRAFT_VERSION_NAME, supported_features};
use ottla_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{ApiKey, ErrorCode, Str};

use crate::apis::{self, ListenerKind};
use crate::broker::Broker;
use crate::context::{ClientSoftware, RequestContext};

/// First version that carries the client's software name.
const SOFTWARE_NAME_VERSION: i16 = 3;
/// First version whose readers understand a lowest level of 0.
const LEVEL_0_VERSION: i16 = 4;

/// Answers with APIs, versions and features.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    kind: ListenerKind,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    if !is_valid(&request, ctx.api_version) {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    ctx.set_client_software(ClientSoftware {
        name: Str::from(&*request.client_software_name),
        version: Str::from(&*request.client_software_version),
    });
    let image = broker.image();
    let supported_features = supported_features(broker.unstable_features_enabled())
        .iter()
        .filter(|(_, range)| range.min > 0 || ctx.api_version >= LEVEL_0_VERSION)
        .map(|(name, range)| SupportedFeatureKey {
            name: name.clone(),
            min_version: range.min,
            max_version: range.max,
        })
        .collect();
    // The quorum's own level stands in no metadata record.
    let kraft_version = (Str::from_static(KRAFT_VERSION_NAME), broker.controller.kraft_version());
    let finalized_features = image
        .features
        .all()
        .chain([kraft_version])
        .filter(|(_, level)| *level != 0)
        .map(|(name, level)| FinalizedFeatureKey { name, max_version_level: level, min_version_level: level })
        .collect();
    ApiVersionsResponse {
        api_keys: ranges(kind),
        supported_features,
        finalized_features,
        finalized_features_epoch: image.provenance.last_contained_offset,
        ..Default::default()
    }
}

/// Whether a request of a version names its client's software as it must.
pub fn is_valid(request: &ApiVersionsRequest, version: i16) -> bool {
    version < SOFTWARE_NAME_VERSION
        || (is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version))
}

/// The answer, in version 0, to a version that is not known.
pub fn unsupported_version(kind: ListenerKind) -> ApiVersionsResponse {
    let own = apis::versions(ApiKey::ApiVersions);
    let mut api_keys = ranges(kind);
    api_keys.retain(|api| api.api_key == ApiKey::ApiVersions.code() && api.max_version == own.1);
    ApiVersionsResponse { error_code: ErrorCode::UnsupportedVersion.code(), api_keys, ..Default::default() }
}

fn ranges(kind: ListenerKind) -> Vec<ApiVersion> {
    apis::of(kind)
        .iter()
        .map(|api| ApiVersion {
            api_key: api.code(),
            min_version: apis::advertised_min(*api),
            max_version: apis::versions(*api).1,
        })
        .collect()
}

/// Letters and digits, with dots and hyphens between them (KIP-511).
fn is_software_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_checked() {
        for good in ["apache-kafka-java", "4.3.1", "a", "librdkafka"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "a_b", "ä"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_unknown_version_names_only_this_api() {
        let response = unsupported_version(ListenerKind::Broker);
        assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
        assert_eq!(response.api_keys.len(), 1);
        assert_eq!((response.api_keys[0].min_version, response.api_keys[0].max_version), (0, 4));
    }
}
