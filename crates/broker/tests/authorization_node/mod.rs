//! A node with an authorizer, an administrator on one address of this machine and a client on another.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeSet;
use std::fmt::Debug;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_metadata::{AclOperation, AclPatternType, AclPermissionType, AclResourceType};
use ottla_protocol::messages::create_acls_request::AclCreation;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::delete_acls_request::DeleteAclsFilter;
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{
    CreateAclsRequest, CreateTopicsRequest, DeleteAclsRequest, MetadataRequest, ProduceRequest,
};
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_protocol::{ApiKey, ErrorCode, Records, Request, Uuid};

use crate::wire_client::WireClient;

pub mod cluster;
pub mod groups;
pub mod records;

const ADMIN: &str = "127.0.0.2";
const CLIENT: &str = "127.0.0.1";
/// Who everybody is on a listener without authentication.
pub const ANONYMOUS: &str = "User:ANONYMOUS";
const LITERAL: i8 = AclPatternType::Literal.code();
/// The errors of the authorizer.
const REFUSALS: [ErrorCode; 6] = [
    ErrorCode::TopicAuthorizationFailed,
    ErrorCode::GroupAuthorizationFailed,
    ErrorCode::ClusterAuthorizationFailed,
    ErrorCode::TransactionalIdAuthorizationFailed,
    ErrorCode::DelegationTokenAuthorizationFailed,
    ErrorCode::SecurityDisabled,
];

/// What an entry allows.
pub type Right<'a> = (AclResourceType, &'a str, AclOperation);

/// The node.
pub struct Node {
    server: Server,
    /// May do everything.
    pub admin: WireClient,
    /// May do what the test allows.
    pub client: WireClient,
    /// The APIs that were tried.
    pub tried: BTreeSet<ApiKey>,
    is_authorized: bool,
    _dir: tempfile::TempDir,
}

impl Node {
    /// With Kafka's authorizer: the administrator may do everything, the client nothing.
    pub fn start() -> Self {
        let everyone = ("allow.everyone.if.no.acl.found", "true");
        let mut node = Self::start_with(&[("authorizer.class.name", "standard"), everyone]);
        node.is_authorized = true;
        // Once there is an entry for everything of a kind, nobody is let in for want of entries.
        let kinds = [AclResourceType::Topic, AclResourceType::Group, AclResourceType::TransactionalId];
        let mut all: Vec<AclCreation> =
            kinds.map(|kind| creation((kind, "*", AclOperation::All), ADMIN)).into_iter().collect();
        all.push(creation((AclResourceType::Cluster, "kafka-cluster", AclOperation::All), ADMIN));
        node.create_acls(all);
        node
    }

    /// With these settings.
    pub fn start_with(more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut properties = RawMap::from([
            ("log.dirs".to_string(), dir.path().display().to_string()),
            ("node.id".to_string(), "1".to_string()),
            ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
            ("group.initial.rebalance.delay.ms".to_string(), "0".to_string()),
            ("offsets.topic.num.partitions".to_string(), "1".to_string()),
            ("transaction.state.log.num.partitions".to_string(), "1".to_string()),
            ("share.coordinator.state.topic.num.partitions".to_string(), "1".to_string()),
            ("group.share.assignment.interval.ms".to_string(), "0".to_string()),
        ]);
        properties.extend(more.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())));
        let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
        let server = Server::start(config, NodeOptions::default()).expect("the node starts");
        let address = server.addresses()[0].1;
        let admin = WireClient::connect_from(ADMIN.parse().expect("an address"), address);
        let client = WireClient::connect(address);
        Self { server, admin, client, tried: BTreeSet::new(), is_authorized: false, _dir: dir }
    }

    /// Another connection like the client's.
    pub fn connect(&self) -> WireClient {
        WireClient::connect(self.server.addresses()[0].1)
    }

    pub fn stop(self) {
        drop((self.admin, self.client));
        self.server.shutdown();
    }

    fn create_acls(&mut self, creations: Vec<AclCreation>) {
        let response = self.admin.call(&CreateAclsRequest { creations }, 3);
        for result in &response.results {
            assert_eq!(result.error_code, 0, "{:?}", result.error_message);
        }
    }

    /// Allows the client something.
    pub fn allow(&mut self, rights: &[Right<'_>]) {
        self.create_acls(rights.iter().map(|right| creation(*right, CLIENT)).collect());
    }

    /// Denies the client something.
    pub fn deny(&mut self, right: Right<'_>) {
        let permission_type = AclPermissionType::Deny.code();
        self.create_acls(vec![AclCreation { permission_type, ..creation(right, CLIENT) }]);
    }

    /// Allows the client something with all that begins so.
    pub fn allow_prefixed(&mut self, right: Right<'_>) {
        let resource_pattern_type = AclPatternType::Prefixed.code();
        self.create_acls(vec![AclCreation { resource_pattern_type, ..creation(right, CLIENT) }]);
    }

    /// Takes back what the client was told.
    pub fn revoke_all(&mut self) {
        let any = AclResourceType::Any.code();
        let filter = DeleteAclsFilter {
            resource_type_filter: any,
            resource_name_filter: None,
            principal_filter: None,
            pattern_type_filter: AclPatternType::Any.code(),
            host_filter: Some(CLIENT.into()),
            operation: AclOperation::Any.code(),
            permission_type: AclPermissionType::Any.code(),
        };
        let response = self.admin.call(&DeleteAclsRequest { filters: vec![filter] }, 3);
        assert_eq!(
            response.filter_results[0].error_code, 0,
            "{:?}",
            response.filter_results[0].error_message
        );
    }

    pub fn create_topic(&mut self, name: &str) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let response = self.admin.call(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    pub fn topic_id(&mut self, name: &str) -> Uuid {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        self.admin.call(&request, 12).topics[0].topic_id
    }

    /// A request that needs all of these rights; without any it gets this error. Without an authorizer it is not
    /// refused anyway.
    pub fn needs<R: Request>(&mut self, rights: &[Right<'_>], error: ErrorCode, request: &R, version: i16)
    where
        R::Response: Debug,
    {
        self.tried.insert(R::KEY);
        if !self.is_authorized {
            let refused = self.try_it(request, version);
            assert!(refused.is_empty(), "{}: {refused:?} without an authorizer", R::KEY.name());
            return;
        }
        let refused = self.try_it(request, version);
        assert_eq!(refused, BTreeSet::from([error]), "{} without rights", R::KEY.name());
        for left_out in 0..rights.len() {
            let mut others = rights.to_vec();
            let (.., missing) = others.remove(left_out);
            self.allow(&others);
            let refused = self.try_it(request, version);
            assert!(!refused.is_empty(), "{} without {missing} of {rights:?}", R::KEY.name());
            self.revoke_all();
        }
        self.allow(rights);
        let refused = self.try_it(request, version);
        assert!(refused.is_empty(), "{}: {refused:?} with {rights:?}", R::KEY.name());
        self.revoke_all();
    }

    fn try_it<R: Request>(&mut self, request: &R, version: i16) -> BTreeSet<ErrorCode>
    where
        R::Response: Debug,
    {
        refusals(&self.client.call(request, version))
    }
}

fn creation((kind, name, operation): Right<'_>, host: &str) -> AclCreation {
    AclCreation {
        resource_type: kind.code(),
        resource_name: name.into(),
        resource_pattern_type: LITERAL,
        principal: ANONYMOUS.into(),
        host: host.into(),
        operation: operation.code(),
        permission_type: AclPermissionType::Allow.code(),
    }
}

/// The authorizer's errors anywhere in a response.
pub fn refusals(response: &impl Debug) -> BTreeSet<ErrorCode> {
    let text = format!("{response:?}");
    let codes = text.split("error_code: ").skip(1);
    let codes = codes.filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(ErrorCode::from_code)
    });
    codes.filter(|code| REFUSALS.contains(code)).collect()
}

/// Records for topics, one each.
pub fn produce_request(topics: &[&str], options: BatchOptions) -> ProduceRequest {
    let mut builder = BatchBuilder::new(options);
    builder.append(-1, None, Some(b"value"), &[]).expect("a record");
    let records = builder.build().expect("a batch");
    let topic = |name: &&str| TopicProduceData {
        name: (*name).into(),
        partition_data: vec![PartitionProduceData {
            index: 0,
            records: Some(Records::Bytes(records.clone())),
        }],
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: topics.iter().map(topic).collect(),
        ..Default::default()
    }
}

/// Repeats a request until its answer is as wanted: coordinators load on their own.
pub fn until<T: std::fmt::Debug>(mut call: impl FnMut() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let begin = std::time::Instant::now();
    loop {
        let answer = call();
        if is_wanted(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{answer:?}");
        std::thread::yield_now();
    }
}
