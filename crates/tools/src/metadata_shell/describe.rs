//! Registrations, partitions and rights as Kafka's classes print themselves.

use std::collections::BTreeMap;
use std::fmt::Display;

use ottla_metadata::{
    BrokerRegistration, ControllerRegistration, DelegationToken, Endpoint, LeaderRecoveryState,
    MetadataProvenance, PartitionRegistration, ScramCredential, StandardAcl, VersionRange,
};
use ottla_protocol::Str;

use crate::console::log_line::Date;

/// As Java prints arrays and lists.
fn list<T: Display>(items: &[T]) -> String {
    let each: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", each.join(", "))
}

fn listeners(listeners: &[Endpoint]) -> String {
    let mut sorted: Vec<&Endpoint> = listeners.iter().collect();
    sorted.sort_by_key(|listener| &listener.name);
    let each: Vec<String> = sorted
        .iter()
        .map(|listener| {
            format!(
                "Endpoint(listenerName='{}', securityProtocol={}, host='{}', port={})",
                listener.name,
                listener.security_protocol.name(),
                listener.host,
                listener.port
            )
        })
        .collect();
    format!("[{}]", each.join(", "))
}

fn features(features: &BTreeMap<Str, VersionRange>) -> String {
    let each: Vec<String> = features.iter().map(|(name, range)| format!("{name}: {range}")).collect();
    format!("{{{}}}", each.join(", "))
}

/// `BrokerRegistration`.
pub fn broker(broker: &BrokerRegistration) -> String {
    format!(
        "BrokerRegistration(id={}, epoch={}, incarnationId={}, listeners={}, supportedFeatures={}, rack={}, \
         fenced={}, inControlledShutdown={}, isMigratingZkBroker={}, directories={}, cordonedDirectories={})",
        broker.id,
        broker.epoch,
        broker.incarnation_id,
        listeners(&broker.listeners),
        features(&broker.supported_features),
        broker.rack.as_ref().map_or("Optional.empty".to_owned(), |rack| format!("Optional[{rack}]")),
        broker.fenced,
        broker.in_controlled_shutdown,
        broker.is_migrating_zk_broker,
        list(&broker.directories),
        broker.cordoned_directories.as_deref().map_or("null".to_owned(), list),
    )
}

/// `ControllerRegistration`.
pub fn controller(controller: &ControllerRegistration) -> String {
    format!(
        "ControllerRegistration(id={}, incarnationId={}, zkMigrationReady={}, listeners={}, supportedFeatures={})",
        controller.id,
        controller.incarnation_id,
        controller.zk_migration_ready,
        listeners(&controller.listeners),
        features(&controller.supported_features),
    )
}

/// `PartitionRegistration`.
pub fn partition(partition: &PartitionRegistration) -> String {
    let recovery = match partition.leader_recovery_state {
        LeaderRecoveryState::Recovered => "RECOVERED",
        LeaderRecoveryState::Recovering => "RECOVERING",
    };
    format!(
        "PartitionRegistration(replicas={}, directories={}, isr={}, removingReplicas={}, addingReplicas={}, elr={}, \
         lastKnownElr={}, leader={}, leaderRecoveryState={recovery}, leaderEpoch={}, partitionEpoch={})",
        list(&partition.replicas),
        list(&partition.directories),
        list(&partition.isr),
        list(&partition.removing_replicas),
        list(&partition.adding_replicas),
        list(&partition.elr),
        list(&partition.last_known_elr),
        partition.leader,
        partition.leader_epoch,
        partition.partition_epoch,
    )
}

/// `StandardAcl`.
pub fn acl(acl: &StandardAcl) -> String {
    format!(
        "StandardAcl[resourceType={}, resourceName={}, patternType={}, principal={}, host={}, operation={}, \
         permissionType={}]",
        acl.resource_type.name(),
        acl.resource_name,
        acl.pattern_type.name(),
        acl.principal,
        acl.host,
        acl.operation.name(),
        acl.permission_type.name(),
    )
}

/// `ScramCredentialData`, of which the shell hides nothing.
pub fn scram(credential: &ScramCredential) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!(
        "ScramCredentialData(salt={}, storedKey={}, serverKey={}, iterations={})",
        hex(&credential.salt),
        hex(&credential.stored_key),
        hex(&credential.server_key),
        credential.iterations
    )
}

/// `DelegationTokenData`, with Kafka's own parentheses.
pub fn delegation_token(token: &DelegationToken) -> String {
    let renewers: Vec<&str> = token.renewers.iter().map(|renewer| &**renewer).collect();
    format!(
        "DelegationTokenDatatokenId={}(owner={}(tokenRequester={}(renewers={}, issueTimestamp={}, maxTimestamp={}), \
         expiryTimestamp={}",
        token.token_id,
        token.owner,
        token.requester,
        renewers.join(" "),
        token.issue_timestamp_ms,
        token.max_timestamp_ms,
        token.expiration_timestamp_ms
    )
}

/// Where the image comes from, with Java's `ISO_ZONED_DATE_TIME`.
pub fn provenance(provenance: &MetadataProvenance) -> String {
    let ms = provenance.last_contained_log_time_ms;
    let time = Date::of_unix_ms(ms).format("yyyy-MM-dd'T'HH:mm:ss");
    let fraction = match ms.rem_euclid(1000) {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    format!(
        "offset {}, epoch {}, time {time}{fraction}Z[UTC]",
        provenance.last_contained_offset, provenance.last_contained_epoch
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_more_digits_than_needed() {
        let check = |last_contained_log_time_ms, expect: &str| {
            let at = MetadataProvenance {
                last_contained_log_time_ms,
                last_contained_offset: 5,
                last_contained_epoch: 2,
            };
            assert_eq!(provenance(&at), format!("offset 5, epoch 2, time {expect}"));
        };
        check(0, "1970-01-01T00:00:00Z[UTC]");
        check(1500, "1970-01-01T00:00:01.5Z[UTC]");
        check(1005, "1970-01-01T00:00:01.005Z[UTC]");
    }
}
