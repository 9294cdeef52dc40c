//! The tree (Kafka: `org.apache.kafka.image.node`). Nodes are made when they are looked at: an image may have
//! hundreds of thousands.

use std::collections::BTreeSet;

use ottla_config::double_to_string;
use ottla_metadata::client_quota_entity::{CLIENT_ID, IP, USER};
use ottla_metadata::image::{ClientQuotas, TopicImage};
use ottla_metadata::{ClientQuotaEntity, ConfigMap, ConfigResource, MetadataImage, ScramMechanism};
use ottla_protocol::Str;

use super::describe;
use crate::tool::KAFKA_VERSION;

/// A node of the tree.
#[derive(Clone, Debug)]
pub enum Node<'i> {
    /// `/`.
    Root(&'i MetadataImage),
    /// `/local`.
    Local,
    /// `/image`, and what is directly in it, by its name.
    Image(&'i MetadataImage),
    /// `/image/<name>`.
    Part(&'i MetadataImage, Part),
    /// A topic.
    Topic(&'i TopicImage),
    /// Settings of a resource.
    Config(&'i ConfigMap),
    /// Quotas of an entity.
    Quotas(&'i ClientQuotas),
    /// Something that has content and no children.
    Leaf(String),
}

/// Directories that hold one kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `features`.
    Features,
    /// `cluster`.
    Cluster,
    /// `cluster/brokers`.
    Brokers,
    /// `cluster/controllers`.
    Controllers,
    /// `topics`.
    Topics,
    /// `topics/byName`.
    TopicsByName,
    /// `topics/byId`.
    TopicsById,
    /// `configs`.
    Configs,
    /// `clientQuotas`.
    ClientQuotas,
    /// `producerIds`.
    ProducerIds,
    /// `acls`.
    Acls,
    /// `acls/byId`.
    AclsById,
    /// `scram`.
    Scram,
    /// `scram/<mechanism>`.
    Mechanism(ScramMechanism),
    /// `delegationToken`.
    DelegationTokens,
}

const PARTS: [(&str, Part); 9] = [
    ("features", Part::Features),
    ("cluster", Part::Cluster),
    ("topics", Part::Topics),
    ("configs", Part::Configs),
    ("clientQuotas", Part::ClientQuotas),
    ("producerIds", Part::ProducerIds),
    ("acls", Part::Acls),
    ("scram", Part::Scram),
    ("delegationToken", Part::DelegationTokens),
];
const MECHANISMS: [(&str, ScramMechanism); 2] =
    [("SCRAM-SHA-256", ScramMechanism::Sha256), ("SCRAM-SHA-512", ScramMechanism::Sha512)];

impl<'i> Node<'i> {
    /// Whether it has children.
    pub fn is_directory(&self) -> bool {
        !matches!(self, Node::Leaf(_))
    }

    /// What it says; none for a directory.
    pub fn content(&self) -> Option<&str> {
        match self {
            Node::Leaf(text) => Some(text),
            _ => None,
        }
    }

    /// Names of its children, sorted.
    pub fn names(&self) -> BTreeSet<String> {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Node::Root(_) => of(&["local", "image"]),
            Node::Local => of(&["version", "commitId"]),
            Node::Image(_) => {
                let mut names: BTreeSet<String> = PARTS.iter().map(|(name, _)| (*name).to_owned()).collect();
                names.insert("provenance".to_owned());
                names
            }
            Node::Part(image, part) => part.names(image),
            Node::Topic(topic) => {
                let mut names: BTreeSet<String> =
                    topic.partitions.iter().map(|(id, _)| id.to_string()).collect();
                names.extend(["name".to_owned(), "id".to_owned()]);
                names
            }
            Node::Config(config) => config.keys().map(ToString::to_string).collect(),
            Node::Quotas(quotas) => quotas.keys().map(ToString::to_string).collect(),
            Node::Leaf(_) => BTreeSet::new(),
        }
    }

    /// A child by its name.
    pub fn child(&self, name: &str) -> Option<Node<'i>> {
        Some(match self {
            Node::Root(image) => match name {
                "local" => Node::Local,
                "image" => Node::Image(image),
                _ => return None,
            },
            Node::Local => match name {
                "version" => Node::Leaf(KAFKA_VERSION.to_owned()),
                "commitId" => Node::Leaf("ottla".to_owned()),
                _ => return None,
            },
            Node::Image(image) if name == "provenance" => Node::Leaf(describe::provenance(&image.provenance)),
            Node::Image(image) => {
                let (_, part) = PARTS.iter().find(|(known, _)| *known == name)?;
                Node::Part(image, *part)
            }
            Node::Part(image, part) => part.child(image, name)?,
            Node::Topic(topic) => match name {
                "name" => Node::Leaf(topic.name.to_string()),
                "id" => Node::Leaf(topic.id.to_string()),
                number => Node::Leaf(describe::partition(topic.partitions.get(number.parse().ok()?)?)),
            },
            Node::Config(config) => Node::Leaf(config.get(name)?.to_string()),
            Node::Quotas(quotas) => Node::Leaf(double_to_string(*quotas.get(name)?)),
            Node::Leaf(_) => return None,
        })
    }
}

impl Part {
    fn names(self, image: &MetadataImage) -> BTreeSet<String> {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Part::Features => {
                let mut names: BTreeSet<String> =
                    image.features.finalized().map(|(name, _)| format!("finalized_{name}")).collect();
                names.insert("metadataVersion".to_owned());
                names
            }
            Part::Cluster => of(&["brokers", "controllers"]),
            Part::Brokers => image.cluster.brokers().map(|broker| broker.id.to_string()).collect(),
            Part::Controllers => image.cluster.controllers().map(|one| one.id.to_string()).collect(),
            Part::Topics => of(&["byName", "byId"]),
            Part::TopicsByName => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
            Part::TopicsById => image.topics.iter().map(|topic| topic.id.to_string()).collect(),
            Part::Configs => image.configs.iter().map(|(resource, _)| resource_name(resource)).collect(),
            Part::ClientQuotas => image.client_quotas.iter().map(|(entity, _)| entity_name(entity)).collect(),
            Part::ProducerIds => of(&["nextProducerId"]),
            Part::Acls => of(&["byId"]),
            Part::AclsById => image.acls.iter().map(|(id, _)| id.to_string()).collect(),
            Part::Scram => MECHANISMS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Part::Mechanism(mechanism) => image
                .scram
                .iter()
                .filter(|(_, of, _)| *of == mechanism)
                .map(|(user, _, _)| user.to_string())
                .collect(),
            Part::DelegationTokens => {
                image.delegation_tokens.iter().map(|token| token.token_id.to_string()).collect()
            }
        }
    }

    fn child<'i>(self, image: &'i MetadataImage, name: &str) -> Option<Node<'i>> {
        Some(match self {
            Part::Features => feature(image, name)?,
            Part::Cluster => match name {
                "brokers" => Node::Part(image, Part::Brokers),
                "controllers" => Node::Part(image, Part::Controllers),
                _ => return None,
            },
            Part::Brokers => Node::Leaf(describe::broker(image.cluster.broker(name.parse().ok()?)?)),
            Part::Controllers => {
                Node::Leaf(describe::controller(image.cluster.controller(name.parse().ok()?)?))
            }
            Part::Topics => match name {
                "byName" => Node::Part(image, Part::TopicsByName),
                "byId" => Node::Part(image, Part::TopicsById),
                _ => return None,
            },
            Part::TopicsByName => Node::Topic(image.topics.topic(name)?),
            Part::TopicsById => Node::Topic(image.topics.topic_by_id(name.parse().ok()?)?),
            Part::Configs => {
                Node::Config(image.configs.iter().find(|(resource, _)| resource_name(resource) == name)?.1)
            }
            Part::ClientQuotas => {
                Node::Quotas(image.client_quotas.iter().find(|(entity, _)| entity_name(entity) == name)?.1)
            }
            Part::ProducerIds if name == "nextProducerId" => {
                Node::Leaf(image.producer_ids.next_producer_id().to_string())
            }
            Part::ProducerIds => return None,
            Part::Acls if name == "byId" => Node::Part(image, Part::AclsById),
            Part::Acls => return None,
            Part::AclsById => Node::Leaf(describe::acl(image.acls.get(name.parse().ok()?)?)),
            Part::Scram => {
                let (_, mechanism) = MECHANISMS.iter().find(|(known, _)| *known == name)?;
                Node::Part(image, Part::Mechanism(*mechanism))
            }
            Part::Mechanism(mechanism) => {
                Node::Leaf(describe::scram(image.scram.get(&Str::from(name), mechanism)?))
            }
            Part::DelegationTokens => {
                Node::Leaf(describe::delegation_token(image.delegation_tokens.get(name)?))
            }
        })
    }
}

fn feature<'i>(image: &'i MetadataImage, name: &str) -> Option<Node<'i>> {
    if name == "metadataVersion" {
        let version = image.features.metadata_version();
        let shown =
            version.map_or_else(|| "Optional.empty".to_owned(), |v| format!("Optional[{}]", v.name()));
        return Some(Node::Leaf(shown));
    }
    let key = name.strip_prefix("finalized_")?;
    let level = image.features.finalized().find(|(known, _)| **known == *key).map_or(0, |(_, level)| level);
    Some(Node::Leaf(level.to_string()))
}

/// `TOPIC:name`, or `BROKER` for the default of brokers.
fn resource_name(resource: &ConfigResource) -> String {
    match resource.name.is_empty() {
        true => resource.resource_type.name().to_owned(),
        false => format!("{}:{}", resource.resource_type.name(), resource.name),
    }
}

/// `clientId(x)_ip(y)_user(z)`, with escapes.
fn entity_name(entity: &ClientQuotaEntity) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    let parts: Vec<String> = [(CLIENT_ID, "clientId"), (IP, "ip"), (USER, "user")]
        .into_iter()
        .filter_map(|(key, shown)| {
            let name = entity.0.get(key)?.as_deref()?;
            Some(format!("{shown}({})", escape(name)))
        })
        .collect();
    parts.join("_")
}
