//! Every configuration key, declared once. One file per area; `KeyDef` says what the words mean.

use std::sync::LazyLock;

use crate::key_def::{KeyDef, Scope};

mod client_metrics;
mod clients;
mod consumer_groups;
mod group;
mod groups;
mod listeners;
mod log;
mod log_cleaner;
mod metadata_log;
mod metrics;
mod node;
pub mod own;
mod quorum;
mod quotas;
mod remote_storage;
mod replication;
mod sasl;
mod sasl_oauthbearer;
mod security;
mod share_groups;
mod ssl;
mod streams_groups;
mod topic;
mod topics;
mod transactions;

static BROKER: LazyLock<Vec<KeyDef>> = LazyLock::new(|| {
    let tables = [
        node::KEYS,
        listeners::KEYS,
        topics::KEYS,
        log::KEYS,
        log_cleaner::KEYS,
        metadata_log::KEYS,
        quorum::KEYS,
        replication::KEYS,
        groups::KEYS,
        consumer_groups::KEYS,
        share_groups::KEYS,
        streams_groups::KEYS,
        transactions::KEYS,
        remote_storage::KEYS,
        quotas::KEYS,
        metrics::KEYS,
        own::KEYS,
        security::KEYS,
        ssl::KEYS,
        sasl::KEYS,
        sasl_oauthbearer::KEYS,
    ];
    sorted(Scope::Broker, &tables)
});
static BROKER_DYNAMIC: LazyLock<Vec<KeyDef>> =
    LazyLock::new(|| sorted(Scope::BrokerDynamic, &[quotas::BROKER_QUOTA]));
static TOPIC: LazyLock<Vec<KeyDef>> = LazyLock::new(|| sorted(Scope::Topic, &[topic::KEYS]));
static GROUP: LazyLock<Vec<KeyDef>> = LazyLock::new(|| sorted(Scope::Group, &[group::KEYS]));
static CLIENT_QUOTA: LazyLock<Vec<KeyDef>> =
    LazyLock::new(|| sorted(Scope::ClientQuota, &[quotas::CLIENT_QUOTA]));
static IP_QUOTA: LazyLock<Vec<KeyDef>> = LazyLock::new(|| sorted(Scope::IpQuota, &[quotas::IP_QUOTA]));
static CLIENT_METRICS: LazyLock<Vec<KeyDef>> =
    LazyLock::new(|| sorted(Scope::ClientMetrics, &[client_metrics::KEYS]));

static PRODUCER: LazyLock<Vec<KeyDef>> = LazyLock::new(|| client(Scope::Producer, clients::producer::KEYS));
static CONSUMER: LazyLock<Vec<KeyDef>> = LazyLock::new(|| client(Scope::Consumer, clients::consumer::KEYS));
static ADMIN: LazyLock<Vec<KeyDef>> = LazyLock::new(|| client(Scope::Admin, clients::admin::KEYS));

/// All scopes.
pub const SCOPES: [Scope; 10] = [
    Scope::Broker,
    Scope::BrokerDynamic,
    Scope::Topic,
    Scope::Group,
    Scope::ClientQuota,
    Scope::IpQuota,
    Scope::ClientMetrics,
    Scope::Producer,
    Scope::Consumer,
    Scope::Admin,
];

/// All keys of a scope, sorted by name.
pub fn keys(scope: Scope) -> &'static [KeyDef] {
    match scope {
        Scope::Broker => &BROKER,
        Scope::BrokerDynamic => &BROKER_DYNAMIC,
        Scope::Topic => &TOPIC,
        Scope::Group => &GROUP,
        Scope::ClientQuota => &CLIENT_QUOTA,
        Scope::IpQuota => &IP_QUOTA,
        Scope::ClientMetrics => &CLIENT_METRICS,
        Scope::Producer => &PRODUCER,
        Scope::Consumer => &CONSUMER,
        Scope::Admin => &ADMIN,
    }
}

/// The keys of `server.properties`, sorted by name.
pub fn broker_keys() -> &'static [KeyDef] {
    keys(Scope::Broker)
}

/// The keys of topics, sorted by name.
pub fn topic_keys() -> &'static [KeyDef] {
    keys(Scope::Topic)
}

/// The keys of groups, sorted by name.
pub fn group_keys() -> &'static [KeyDef] {
    keys(Scope::Group)
}

/// The keys of client metrics subscriptions, sorted by name.
pub fn client_metrics_keys() -> &'static [KeyDef] {
    keys(Scope::ClientMetrics)
}

/// The declaration of a key.
pub fn lookup(scope: Scope, name: &str) -> Option<&'static KeyDef> {
    let keys = keys(scope);
    let index = keys.binary_search_by(|def| def.name.cmp(name)).ok()?;
    keys.get(index)
}

/// The declaration of a key of a broker, one that exists at run time only included.
pub fn lookup_broker(name: &str) -> Option<&'static KeyDef> {
    lookup(Scope::Broker, name).or_else(|| lookup(Scope::BrokerDynamic, name))
}

fn client(scope: Scope, own: &[KeyDef]) -> Vec<KeyDef> {
    sorted(scope, &[own, clients::common::KEYS, &clients::secure()])
}

fn sorted(scope: Scope, tables: &[&[KeyDef]]) -> Vec<KeyDef> {
    let mut keys: Vec<KeyDef> =
        tables.iter().flat_map(|table| table.iter()).map(|def| KeyDef { scope, ..*def }).collect();
    keys.sort_by_key(|def| def.name);
    keys
}
