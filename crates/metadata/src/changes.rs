//! What differs between two images.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::{Str, Uuid};

use crate::client_quota_entity::ClientQuotaEntity;
use crate::image::{ConfigurationsImage, MetadataImage};
use crate::{ConfigResource, ConfigResourceType, MetadataVersion, ScramMechanism, detach};

/// The things that records were about, whether or not they changed them. Cheap to keep while records are
/// replayed; what really changed is found by looking these things up in both images.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    features: BTreeSet<Str>,
    brokers: BTreeSet<i32>,
    controllers: BTreeSet<i32>,
    topics: BTreeMap<Uuid, BTreeSet<i32>>,
    configs: BTreeSet<ConfigResource>,
    client_quotas: BTreeSet<ClientQuotaEntity>,
    producer_ids: bool,
    acls: BTreeSet<Uuid>,
    scram: BTreeSet<(Str, ScramMechanism)>,
    delegation_tokens: BTreeSet<Str>,
}

impl Touched {
    /// Notes what `record` is about, before it is replayed on `image`.
    pub(crate) fn note(&mut self, image: &MetadataImage, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(r) => self.note_broker(r.broker_id),
            MetadataRecord::UnregisterBroker(r) => self.note_broker(r.broker_id),
            MetadataRecord::FenceBroker(r) => self.note_broker(r.id),
            MetadataRecord::UnfenceBroker(r) => self.note_broker(r.id),
            MetadataRecord::BrokerRegistrationChange(r) => self.note_broker(r.broker_id),
            MetadataRecord::RegisterController(r) => drop(self.controllers.insert(r.controller_id)),
            MetadataRecord::Topic(r) => drop(self.topics.entry(r.topic_id).or_default()),
            MetadataRecord::Partition(r) => self.note_partition(r.topic_id, r.partition_id),
            MetadataRecord::PartitionChange(r) => self.note_partition(r.topic_id, r.partition_id),
            MetadataRecord::RemoveTopic(r) => self.note_removed_topic(image, r.topic_id),
            MetadataRecord::ClearElr(r) => self.note_clear_elr(image, &r.topic_name),
            MetadataRecord::Config(r) => drop(self.configs.insert(ConfigurationsImage::resource_of(r))),
            MetadataRecord::FeatureLevel(r) => drop(self.features.insert(detach::str(&r.name))),
            MetadataRecord::ClientQuota(r) => {
                self.client_quotas.insert(ClientQuotaEntity::from_record(&r.entity));
            }
            MetadataRecord::ProducerIds(_) => self.producer_ids = true,
            MetadataRecord::AccessControlEntry(r) => drop(self.acls.insert(r.id)),
            MetadataRecord::RemoveAccessControlEntry(r) => drop(self.acls.insert(r.id)),
            MetadataRecord::UserScramCredential(r) => self.note_scram(&r.name, r.mechanism),
            MetadataRecord::RemoveUserScramCredential(r) => self.note_scram(&r.name, r.mechanism),
            MetadataRecord::DelegationToken(r) => self.note_token(&r.token_id),
            MetadataRecord::RemoveDelegationToken(r) => self.note_token(&r.token_id),
            MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
        }
    }

    fn note_broker(&mut self, id: i32) {
        self.brokers.insert(id);
    }

    fn note_partition(&mut self, topic: Uuid, partition: i32) {
        self.topics.entry(topic).or_default().insert(partition);
    }

    fn note_removed_topic(&mut self, image: &MetadataImage, id: Uuid) {
        let partitions = self.topics.entry(id).or_default();
        if let Some(topic) = image.topics.topic_by_id(id) {
            partitions.extend(topic.partitions.iter().map(|(partition, _)| partition));
            let resource = ConfigResource::topic(topic.name.clone());
            if !image.configs.get(&resource).is_empty() {
                self.configs.insert(resource);
            }
        }
    }

    fn note_clear_elr(&mut self, image: &MetadataImage, name: &Str) {
        let topics = image.topics.iter().filter(|topic| name.is_empty() || topic.name == *name);
        for topic in topics {
            let with_elr = topic.partitions.iter().filter(|(_, p)| p.without_elr().is_some());
            with_elr.for_each(|(partition, _)| self.note_partition(topic.id, partition));
        }
    }

    fn note_scram(&mut self, user: &Str, mechanism: i8) {
        self.scram.insert((detach::str(user), ScramMechanism::from_code(mechanism)));
    }

    fn note_token(&mut self, id: &Str) {
        self.delegation_tokens.insert(detach::str(id));
    }

    pub(crate) fn names_broker_configs(&self) -> bool {
        self.configs.iter().any(|resource| resource.resource_type == ConfigResourceType::Broker)
    }

    /// Notes all that an image holds: what a snapshot may have replaced.
    pub(crate) fn note_all(&mut self, image: &MetadataImage) {
        self.features.extend(image.features.all().map(|(name, _)| name));
        self.brokers.extend(image.cluster.brokers().map(|broker| broker.id));
        self.controllers.extend(image.cluster.controllers().map(|controller| controller.id));
        for topic in image.topics.iter() {
            self.topics.entry(topic.id).or_default().extend(topic.partitions.iter().map(|(id, _)| id));
        }
        self.configs.extend(image.configs.iter().map(|(resource, _)| resource.clone()));
        self.client_quotas.extend(image.client_quotas.iter().map(|(entity, _)| entity.clone()));
        self.producer_ids = true;
        self.acls.extend(image.acls.iter().map(|(id, _)| id));
        self.scram.extend(image.scram.iter().map(|(user, mechanism, _)| (user.clone(), mechanism)));
        self.delegation_tokens.extend(image.delegation_tokens.iter().map(|token| token.token_id.clone()));
    }

    /// Adds what another set noted.
    pub(crate) fn merge(&mut self, mut later: Self) {
        self.features.append(&mut later.features);
        self.brokers.append(&mut later.brokers);
        self.controllers.append(&mut later.controllers);
        for (topic, mut partitions) in later.topics {
            self.topics.entry(topic).or_default().append(&mut partitions);
        }
        self.configs.append(&mut later.configs);
        self.client_quotas.append(&mut later.client_quotas);
        self.producer_ids |= later.producer_ids;
        self.acls.append(&mut later.acls);
        self.scram.append(&mut later.scram);
        self.delegation_tokens.append(&mut later.delegation_tokens);
    }
}

/// What differs between two images of which the second came from the first.
///
/// A topic that was deleted and created again under its name stands in both lists, with two ids: deal
/// with deletions first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataChanges {
    /// Features whose level changed, with the new one; 0 is off. `metadata.version` is among them.
    pub features: BTreeMap<Str, i16>,
    /// Brokers that were registered, changed or removed.
    pub brokers: BTreeSet<i32>,
    /// Controllers that were registered, changed or removed.
    pub controllers: BTreeSet<i32>,
    /// Topics that are gone, with the names they had.
    pub deleted_topics: BTreeMap<Uuid, Str>,
    /// Topics that are new.
    pub created_topics: BTreeSet<Uuid>,
    /// Topics that were there and have new or changed partitions, with the numbers of those.
    pub changed_topics: BTreeMap<Uuid, BTreeSet<i32>>,
    /// Resources whose configurations changed; those of deleted topics are among them.
    pub configs: BTreeSet<ConfigResource>,
    /// Entities whose quotas changed.
    pub client_quotas: BTreeSet<ClientQuotaEntity>,
    /// Whether producer ids were given out.
    pub producer_ids: bool,
    /// Access control entries that were added or removed.
    pub acls: BTreeSet<Uuid>,
    /// SCRAM credentials that were added, changed or removed.
    pub scram: BTreeSet<(Str, ScramMechanism)>,
    /// Delegation tokens that were added, changed or removed.
    pub delegation_tokens: BTreeSet<Str>,
}

impl MetadataChanges {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Keeps of what was touched what really differs.
    pub(crate) fn between(old: &MetadataImage, new: &MetadataImage, touched: &Touched) -> Self {
        let mut changes = Self {
            features: changed_features(old, new, &touched.features),
            brokers: differing(&touched.brokers, |id| old.cluster.broker(*id) != new.cluster.broker(*id)),
            controllers: differing(&touched.controllers, |id| {
                old.cluster.controller(*id) != new.cluster.controller(*id)
            }),
            configs: differing(&touched.configs, |r| old.configs.get(r) != new.configs.get(r)),
            client_quotas: differing(&touched.client_quotas, |e| {
                old.client_quotas.get(e) != new.client_quotas.get(e)
            }),
            producer_ids: touched.producer_ids && old.producer_ids != new.producer_ids,
            acls: differing(&touched.acls, |id| old.acls.get(*id) != new.acls.get(*id)),
            scram: differing(&touched.scram, |(user, m)| old.scram.get(user, *m) != new.scram.get(user, *m)),
            delegation_tokens: differing(&touched.delegation_tokens, |id| {
                old.delegation_tokens.get(id) != new.delegation_tokens.get(id)
            }),
            ..Self::default()
        };
        for (id, partitions) in &touched.topics {
            changes.add_topic(old, new, *id, partitions);
        }
        changes
    }

    fn add_topic(&mut self, old: &MetadataImage, new: &MetadataImage, id: Uuid, partitions: &BTreeSet<i32>) {
        match (old.topics.topic_by_id(id), new.topics.topic_by_id(id)) {
            (None, Some(_)) => {
                self.created_topics.insert(id);
            }
            (Some(topic), None) => {
                self.deleted_topics.insert(id, topic.name.clone());
            }
            (Some(before), Some(after)) => {
                let changed =
                    differing(partitions, |id| before.partitions.get(*id) != after.partitions.get(*id));
                if !changed.is_empty() {
                    self.changed_topics.insert(id, changed);
                }
            }
            (None, None) => {}
        }
    }
}

fn differing<T: Ord + Clone>(touched: &BTreeSet<T>, differs: impl Fn(&T) -> bool) -> BTreeSet<T> {
    touched.iter().filter(|thing| differs(thing)).cloned().collect()
}

fn changed_features(old: &MetadataImage, new: &MetadataImage, touched: &BTreeSet<Str>) -> BTreeMap<Str, i16> {
    let level = |image: &MetadataImage, name: &Str| match &**name {
        MetadataVersion::FEATURE_NAME => {
            image.features.metadata_version().map_or(0, MetadataVersion::feature_level)
        }
        name => image.features.level(name),
    };
    let changed = differing(touched, |name| level(old, name) != level(new, name));
    changed.into_iter().map(|name| (name.clone(), level(new, &name))).collect()
}
