//! Administration of the cluster: results and errors of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::*;
use ottla_client::{Error, Result};
use ottla_protocol::{Str, TopicPartition, Uuid};

use crate::lab::{Lab, plain, tp};

/// For what is answered, and for what is awaited in vain.
const SOON: TimeoutOptions = TimeoutOptions { timeout: Some(Duration::from_secs(30)) };
const IN_VAIN: TimeoutOptions = TimeoutOptions { timeout: Some(Duration::from_secs(5)) };

/// Who is there.
pub async fn cluster(lab: &Lab) -> Result<()> {
    let cluster = lab.admin.describe_cluster(&DescribeClusterOptions::default()).await?;
    let nodes: Vec<i32> = cluster.nodes.iter().map(|it| it.node.id).collect();
    lab.say(format!("{nodes:?} {} {}", cluster.cluster_id.is_some(), cluster.controller.is_some()));
    lab.say_done("unregister nobody", lab.admin.unregister_broker(77, &SOON).await);
    Ok(())
}

/// Features and changes of them that can't be.
pub async fn features(lab: &Lab) -> Result<()> {
    let all = lab.admin.describe_features(&DescribeFeaturesOptions::default()).await?;
    lab.say(format!("{:?}", all.finalized.keys().collect::<Vec<_>>()));
    lab.say(format!("{:?}", all.supported.keys().collect::<Vec<_>>()));
    let updates: [(&str, i16, UpgradeType); 5] = [
        ("transaction.version", 99, UpgradeType::Upgrade),
        ("no.such.version", 1, UpgradeType::Upgrade),
        ("metadata.version", 1, UpgradeType::Upgrade),
        ("transaction.version", 1, UpgradeType::Upgrade),
        ("", 1, UpgradeType::Upgrade),
    ];
    for (name, max_version_level, upgrade_type) in updates {
        let update = BTreeMap::from([(Str::from(name), FeatureUpdate { max_version_level, upgrade_type })]);
        let options = UpdateFeaturesOptions { timeout: SOON.timeout, validate_only: true };
        match lab.admin.update_features(&update, &options).await {
            Ok(results) => {
                for (name, result) in results {
                    lab.say_done(&format!("'{name}' to {max_version_level}"), result);
                }
            }
            Err(error) => lab.say_done(&format!("'{name}' to {max_version_level}"), Err::<(), Error>(error)),
        }
    }
    Ok(())
}

/// Quotas, set and removed.
pub async fn quotas(lab: &Lab) -> Result<()> {
    let user = Str::from(lab.name("user"));
    let entity = BTreeMap::from([(Str::from("user"), Some(user.clone()))]);
    let alter = async |ops: &[(&str, Option<f64>)]| {
        let ops = ops.iter().map(|(key, value)| (Str::from(*key), *value)).collect();
        let alteration = ClientQuotaAlteration { entity: entity.clone(), ops };
        for result in
            lab.admin.alter_client_quotas(&[alteration], &AlterConfigsOptions::default()).await.into_values()
        {
            lab.say_done("alter", result);
        }
    };
    alter(&[("producer_byte_rate", Some(1024.5)), ("request_percentage", Some(20.0))]).await;
    alter(&[("color", Some(1.0))]).await;
    alter(&[("producer_byte_rate", Some(-1.0))]).await;
    lab.settle().await?;
    let filter =
        ClientQuotaFilter { components: vec![("user".into(), QuotaMatch::Exact(user))], strict: true };
    for mut quotas in lab.admin.describe_client_quotas(&filter, &SOON).await?.into_values() {
        quotas.sort_by(|(a, _), (b, _)| a.cmp(b));
        lab.say(quotas.iter().map(|(key, value)| format!("{key}={value:.1}")).collect::<Vec<_>>().join(" "));
    }
    alter(&[("producer_byte_rate", None), ("request_percentage", None)]).await;
    lab.settle().await?;
    lab.say_result("left", lab.admin.describe_client_quotas(&filter, &SOON).await.map(|all| all.len()));
    Ok(())
}

/// Passwords.
pub async fn scram(lab: &Lab) -> Result<()> {
    let user = Str::from(lab.name("scram"));
    let upsert = |iterations| UserScramCredentialAlteration::Upsertion {
        user: user.clone(),
        info: ScramCredentialInfo { mechanism: ScramMechanism::ScramSha256, iterations },
        salt: None,
        password: "secret".into(),
    };
    let delete = |mechanism| UserScramCredentialAlteration::Deletion { user: user.clone(), mechanism };
    let alterations = [upsert(100), delete(ScramMechanism::ScramSha512), upsert(5000)];
    for alteration in alterations {
        lab.say_each("alter", lab.admin.alter_user_scram_credentials(&[alteration], &SOON).await);
    }
    lab.settle().await?;
    let users = [user.clone(), Str::from(lab.name("nobody"))];
    let described = match lab.admin.describe_user_scram_credentials(Some(&users), &SOON).await {
        Ok(described) => described,
        Err(error) => users.iter().map(|user| (user.clone(), Err(error.clone()))).collect(),
    };
    for (user, result) in described {
        let text = |it: &ScramCredentialInfo| format!("{}/{}", it.mechanism.name(), it.iterations);
        lab.say_result(&user, result.map(|all| all.iter().map(text).collect::<Vec<_>>().join(" ")));
    }
    lab.say_each(
        "alter",
        lab.admin.alter_user_scram_credentials(&[delete(ScramMechanism::ScramSha256)], &SOON).await,
    );
    Ok(())
}

/// Without an authorizer there is nothing to allow.
pub async fn acls(lab: &Lab) -> Result<()> {
    let filter = AclBindingFilter {
        resource_type: ResourceType::Topic,
        name: Some("t".into()),
        pattern_type: PatternType::Literal,
        principal: Some("User:a".into()),
        host: Some("*".into()),
        operation: AclOperation::Read,
        permission_type: AclPermissionType::Allow,
    };
    lab.say_done("describe", lab.admin.describe_acls(&filter, &SOON).await);
    let unknown = AclBindingFilter { operation: AclOperation::Unknown, ..filter.clone() };
    lab.say_done("describe the unknown", lab.admin.describe_acls(&unknown, &SOON).await);
    let entry = AccessControlEntry {
        principal: "User:a".into(),
        host: "*".into(),
        operation: AclOperation::Read,
        permission_type: AclPermissionType::Allow,
    };
    let pattern = ResourcePattern {
        resource_type: ResourceType::Topic,
        name: "t".into(),
        pattern_type: PatternType::Literal,
    };
    for result in lab.admin.create_acls(&[AclBinding { pattern, entry }], &SOON).await.into_values() {
        lab.say_done("create", result);
    }
    for result in lab.admin.delete_acls(&[filter], &SOON).await.into_values() {
        lab.say_done("delete", result);
    }
    Ok(())
}

/// Tokens are for who was authenticated.
pub async fn tokens(lab: &Lab) -> Result<()> {
    let options = CreateDelegationTokenOptions { timeout: SOON.timeout, ..Default::default() };
    lab.say_done("create", lab.admin.create_delegation_token(&options).await);
    let hmac = bytes::Bytes::from_static(b"nothing");
    lab.say_done("renew", lab.admin.renew_delegation_token(&hmac, Some(1000), &SOON).await);
    lab.say_done("expire", lab.admin.expire_delegation_token(&hmac, Some(1000), &SOON).await);
    lab.say_done("describe", lab.admin.describe_delegation_token(None, &SOON).await);
    Ok(())
}

/// The quorum of one.
pub async fn quorum(lab: &Lab) -> Result<()> {
    let quorum = lab.admin.describe_metadata_quorum(&SOON).await?;
    let voters: Vec<i32> = quorum.voters.iter().map(|it| it.replica_id).collect();
    lab.say(format!(
        "{} {voters:?} {} {}",
        quorum.leader_id,
        quorum.observers.len(),
        quorum.high_watermark > 0
    ));
    let options = RaftVoterOptions { timeout: SOON.timeout, cluster_id: Some("another".into()) };
    lab.say_done("remove from another", lab.admin.remove_raft_voter(7, Uuid([7; 16]), &options).await);
    let endpoint = RaftVoterEndpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 1 };
    lab.say_done("add to another", lab.admin.add_raft_voter(7, Uuid([7; 16]), &[endpoint], &options).await);
    let own = RaftVoterOptions { timeout: SOON.timeout, cluster_id: None };
    lab.say_done("remove nobody", lab.admin.remove_raft_voter(7, Uuid([7; 16]), &own).await);
    Ok(())
}

/// Producers and their transactions.
pub async fn producers(lab: &Lab) -> Result<()> {
    let topic = lab.topic("produced", 1, &[]).await?;
    let id = Str::from(lab.name("produced"));
    let producer = lab.producer(&[("transactional.id", &id)])?;
    producer.init_transactions().await?;
    producer.begin_transaction()?;
    producer.send(plain(&topic, 0, "x")).await?.await?;
    describe(lab, &id, &topic).await;
    let listed = lab.admin.list_transactions(&ListTransactionsOptions::default()).await?;
    let listed = all_transactions(listed)?;
    lab.say(format!(
        "{:?}",
        listed.iter().find(|it| it.transactional_id == id).map(|it| it.state.name()).unwrap_or("null")
    ));
    let wrong = AbortTransactionSpec {
        partition: tp(&topic, 0),
        producer_id: 999_999,
        producer_epoch: 3,
        coordinator_epoch: 0,
    };
    lab.say_done("abort another's", lab.admin.abort_transaction(&wrong, &SOON).await);
    let ids = [id.clone(), Str::from(lab.name("a-new-one"))];
    lab.say_each("fence", lab.admin.fence_producers(&ids, &TimeoutOptions::default()).await);
    lab.say_done("commit", producer.commit_transaction().await);
    producer.close(Duration::from_secs(5)).await;
    describe(lab, &id, &topic).await;
    describe(lab, &Str::from(lab.name("nobody")), &Str::from(lab.name("nowhere"))).await;
    lab.say_done("terminate", lab.admin.force_terminate_transaction(&id, &TimeoutOptions::default()).await);
    Ok(())
}

async fn describe(lab: &Lab, id: &Str, topic: &Str) {
    for (id, result) in lab.admin.describe_transactions(std::slice::from_ref(id), &SOON).await {
        let text = result.map(|it| {
            let partitions: Vec<String> = it.partitions.iter().map(ToString::to_string).collect();
            format!(
                "{} {} [{}] {}",
                it.state.name(),
                it.timeout_ms,
                partitions.join(","),
                it.start_time_ms.is_some()
            )
        });
        lab.say_result(&id, text);
    }
    let partitions: BTreeSet<TopicPartition> = [tp(topic, 0)].into();
    let patience = if topic.ends_with("nowhere") { IN_VAIN } else { SOON };
    let options = DescribeProducersOptions { timeout: patience.timeout, broker_id: None };
    for (partition, result) in lab.admin.describe_producers(&partitions, &options).await {
        let text = result.map(|all| {
            let open = all.iter().filter(|it| it.current_transaction_start_offset.is_some()).count();
            format!("{} producers, {open} open", all.len())
        });
        lab.say_result(&partition.to_string(), text);
    }
}
