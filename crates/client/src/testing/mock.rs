//! Brokers that answer by closures.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::*;
use ottla_protocol::{ApiKey, ErrorCode, Message, Reader, Request, Str, Uuid, Writer};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, watch};

use super::memory::Listener;
use crate::ClientConfig;

/// What a broker does with a request.
pub(crate) enum Answer {
    /// Sends this response (without its header).
    Reply(Bytes),
    /// Sends this response when it is there; later requests on the connection wait, as with Kafka.
    Later(Pin<Box<dyn Future<Output = Bytes> + Send>>),
    /// Never answers; later requests on the connection wait as well.
    Silence,
    /// Sends nothing, and goes on (Produce with acks=0).
    Nothing,
    /// Closes the connection.
    Close,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which broker was asked.
    pub broker: i32,
    /// Counts the connections of all brokers, from 1.
    pub connection: u64,
    pub api: ApiKey,
    pub version: i16,
    pub client_id: Option<Str>,
}

impl Call {
    /// A response in the version of the request.
    pub(crate) fn reply<M: Message>(&self, response: M) -> Answer {
        Answer::Reply(ottla_protocol::encode_message(&response, self.version).unwrap())
    }

    /// Likewise, after some time.
    pub(crate) fn reply_after<M: Message>(&self, pause: Duration, response: M) -> Answer {
        let bytes = ottla_protocol::encode_message(&response, self.version).unwrap();
        Answer::Later(Box::pin(async move {
            tokio::time::sleep(pause).await;
            bytes
        }))
    }

    /// Likewise, when the future gives the response.
    pub(crate) fn reply_when<M: Message>(
        &self,
        response: impl Future<Output = M> + Send + 'static,
    ) -> Answer {
        let version = self.version;
        Answer::Later(Box::pin(
            async move { ottla_protocol::encode_message(&response.await, version).unwrap() },
        ))
    }
}

type Handler = Box<dyn FnMut(&Call, Bytes) -> Answer + Send>;

/// A cluster of brokers 1, 2, ... in memory. They stop when it is dropped.
pub(crate) struct Mock {
    inner: Arc<Inner>,
}

struct Inner {
    addresses: BTreeMap<i32, SocketAddr>,
    state: Mutex<State>,
    /// Something arrived.
    arrived: Notify,
}

struct State {
    handlers: HashMap<ApiKey, Handler>,
    versions: BTreeMap<ApiKey, (i16, i16)>,
    features: BTreeMap<&'static str, i16>,
    topics: BTreeMap<Str, MetadataResponseTopic>,
    controller: i32,
    coordinator: i32,
    calls: Vec<Call>,
    connections: u64,
    /// Dropping the sender stops a broker.
    running: BTreeMap<i32, watch::Sender<()>>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        state.running.clear();
        // Closures may hold the mock's own parts.
        state.handlers.clear();
    }
}

impl Mock {
    /// Starts brokers 1 to `brokers`; 1 is the controller and coordinates everything.
    pub(crate) fn start(brokers: i32) -> Self {
        let versions = ApiKey::ALL.iter().map(|api| (*api, (api.min_version(), api.max_version()))).collect();
        let state = State {
            handlers: HashMap::new(),
            versions,
            features: BTreeMap::new(),
            topics: BTreeMap::new(),
            controller: 1,
            coordinator: 1,
            calls: Vec::new(),
            connections: 0,
            running: BTreeMap::new(),
        };
        let addresses = (1..=brokers).map(|broker| (broker, Listener::fresh_address())).collect();
        let inner = Arc::new(Inner { addresses, state: Mutex::new(state), arrived: Notify::new() });
        let mock = Self { inner };
        for broker in 1..=brokers {
            mock.start_broker(broker);
        }
        mock
    }

    /// `bootstrap.servers`.
    pub(crate) fn bootstrap_servers(&self) -> Vec<String> {
        self.inner.addresses.values().map(SocketAddr::to_string).collect()
    }

    /// Kafka's defaults for a client of these brokers.
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::new(self.bootstrap_servers())
    }

    /// Where a broker listens.
    pub(crate) fn address(&self, broker: i32) -> SocketAddr {
        self.inner.addresses[&broker]
    }

    /// Starts a broker again.
    pub(crate) fn start_broker(&self, broker: i32) {
        let (sender, stop) = watch::channel(());
        let listener = Listener::bind(self.address(broker));
        self.inner.state.lock().running.insert(broker, sender);
        tokio::spawn(serve(self.inner.clone(), broker, listener, stop));
    }

    /// Stops a broker: its connections end, new ones are refused.
    pub(crate) async fn stop_broker(&self, broker: i32) {
        let sender = self.inner.state.lock().running.remove(&broker);
        if let Some(sender) = sender {
            sender.send_replace(());
            sender.closed().await;
        }
    }

    /// Answers an API from now on.
    pub(crate) fn on<R: Request>(&self, mut handler: impl FnMut(&Call, R) -> Answer + Send + 'static) {
        let handler = Box::new(move |call: &Call, body: Bytes| {
            handler(call, ottla_protocol::decode_message(body, call.version).unwrap())
        });
        self.inner.state.lock().handlers.insert(R::KEY, handler);
    }

    /// Lets an API be answered as at the start.
    pub(crate) fn forget(&self, api: ApiKey) {
        self.inner.state.lock().handlers.remove(&api);
    }

    /// The versions in which all brokers offer an API; none at all for an empty range.
    pub(crate) fn versions(&self, api: ApiKey, range: std::ops::RangeInclusive<i16>) {
        let mut state = self.inner.state.lock();
        if range.is_empty() {
            state.versions.remove(&api);
        } else {
            state.versions.insert(api, (*range.start(), *range.end()));
        }
    }

    /// Sets the finalized level of a feature.
    pub(crate) fn feature(&self, name: &'static str, level: i16) {
        self.inner.state.lock().features.insert(name, level);
    }

    /// Sets a topic with its number of partitions; the brokers lead them in turn, with epoch 0.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        let brokers: Vec<i32> = self.inner.addresses.keys().copied().collect();
        let partitions = (0..partitions).map(|index| MetadataResponsePartition {
            partition_index: index,
            leader_id: brokers[index as usize % brokers.len()],
            leader_epoch: 0,
            replica_nodes: brokers.clone(),
            isr_nodes: brokers.clone(),
            ..Default::default()
        });
        let mut id = [0x77; 16];
        for (place, byte) in id.iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        let topic = MetadataResponseTopic {
            name: Some(Str::from(name)),
            topic_id: Uuid(id),
            partitions: partitions.collect(),
            ..Default::default()
        };
        self.inner.state.lock().topics.insert(Str::from(name), topic);
    }

    /// Id of a topic.
    pub(crate) fn topic_id(&self, name: &str) -> Uuid {
        self.inner.state.lock().topics[name].topic_id
    }

    /// Changes what Metadata answers for a topic.
    pub(crate) fn edit_topic(&self, name: &str, edit: impl FnOnce(&mut MetadataResponseTopic)) {
        edit(self.inner.state.lock().topics.get_mut(name).unwrap());
    }

    /// Removes a topic.
    pub(crate) fn delete_topic(&self, name: &str) {
        self.inner.state.lock().topics.remove(name);
    }

    /// Moves the leadership of a partition; the epoch grows by 1.
    pub(crate) fn move_leader(&self, topic: &str, partition: i32, leader: i32) {
        self.edit_topic(topic, |topic| {
            let found = topic.partitions.iter_mut().find(|found| found.partition_index == partition).unwrap();
            found.leader_id = leader;
            found.leader_epoch += 1;
        });
    }

    /// Names the controller.
    pub(crate) fn set_controller(&self, broker: i32) {
        self.inner.state.lock().controller = broker;
    }

    /// Names the coordinator of all groups and transactions.
    pub(crate) fn set_coordinator(&self, broker: i32) {
        self.inner.state.lock().coordinator = broker;
    }

    /// All requests in the order of their arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner.state.lock().calls.clone()
    }

    /// How many requests of an API have arrived.
    pub(crate) fn count(&self, api: ApiKey) -> usize {
        self.inner.state.lock().calls.iter().filter(|call| call.api == api).count()
    }

    /// Waits until so many requests of an API have arrived.
    pub(crate) async fn wait_for(&self, api: ApiKey, count: usize) {
        loop {
            let arrived = self.inner.arrived.notified();
            if self.count(api) >= count {
                return;
            }
            arrived.await;
        }
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.inner.state.lock().connections
    }
}

async fn serve(inner: Arc<Inner>, broker: i32, mut listener: Listener, mut stop: watch::Receiver<()>) {
    loop {
        let stream = tokio::select! {
            _ = stop.changed() => return,
            stream = listener.accept() => stream,
        };
        let Some(stream) = stream else { return };
        let (inner, mut stop) = (inner.clone(), stop.clone());
        let connection = {
            let mut state = inner.state.lock();
            state.connections += 1;
            state.connections
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = stop.changed() => {}
                _ = talk(&inner, broker, connection, stream) => {}
            }
        });
    }
}

/// Serves a connection until it ends.
async fn talk(inner: &Inner, broker: i32, connection: u64, mut stream: DuplexStream) -> std::io::Result<()> {
    loop {
        let size = stream.read_i32().await? as usize;
        let mut frame = BytesMut::zeroed(size);
        stream.read_exact(&mut frame).await?;
        let mut reader = Reader::new(frame.freeze());
        let api = ApiKey::from_code(reader.i16().unwrap()).unwrap();
        let version = reader.i16().unwrap();
        let correlation_id = reader.i32().unwrap();
        let client_id = reader.nullable_string(false).unwrap();
        let flexible = version >= api.first_flexible();
        if flexible {
            assert_eq!(reader.tag_count().unwrap(), 0);
        }
        let call = Call { broker, connection, api, version, client_id };
        let answer = inner.answer(&call, reader.rest());
        inner.arrived.notify_waiters();
        let body = match answer {
            Answer::Reply(body) => body,
            Answer::Later(body) => body.await,
            Answer::Nothing => continue,
            Answer::Silence => {
                while stream.read(&mut [0; 1024]).await? > 0 {}
                return Ok(());
            }
            Answer::Close => return Ok(()),
        };
        let mut writer = Writer::new();
        writer.i32(0);
        writer.i32(correlation_id);
        if flexible && api != ApiKey::ApiVersions {
            writer.uvarint(0);
        }
        writer.raw(&body);
        let size = writer.len() as i32 - 4;
        writer.patch_i32(0, size);
        stream.write_all(&writer.into_bytes()).await?;
    }
}

impl Inner {
    fn answer(&self, call: &Call, body: Bytes) -> Answer {
        let handler = {
            let mut state = self.state.lock();
            state.calls.push(call.clone());
            state.handlers.remove(&call.api)
        };
        // Not under the lock: closures may look at the mock.
        if let Some(mut handler) = handler {
            let answer = handler(call, body);
            self.state.lock().handlers.entry(call.api).or_insert(handler);
            return answer;
        }
        let state = self.state.lock();
        match call.api {
            ApiKey::ApiVersions => self.api_versions(&state, call),
            ApiKey::Metadata => {
                self.metadata(&state, call, ottla_protocol::decode_message(body, call.version).unwrap())
            }
            ApiKey::FindCoordinator => self.find_coordinator(
                &state,
                call,
                ottla_protocol::decode_message(body, call.version).unwrap(),
            ),
            other => panic!("nobody said how to answer {}", other.name()),
        }
    }

    fn api_versions(&self, state: &State, call: &Call) -> Answer {
        let (min, max) = state.versions[&ApiKey::ApiVersions];
        let known = (min..=max).contains(&call.version);
        let apis = state.versions.iter().filter(|(api, _)| known || **api == ApiKey::ApiVersions);
        let mut response = ApiVersionsResponse {
            api_keys: apis
                .map(|(api, (min, max))| ApiVersion {
                    api_key: api.code(),
                    min_version: *min,
                    max_version: *max,
                })
                .collect(),
            ..Default::default()
        };
        if !known {
            response.error_code = ErrorCode::UnsupportedVersion.code();
            return Answer::Reply(ottla_protocol::encode_message(&response, 0).unwrap());
        }
        if call.version >= 3 && !state.features.is_empty() {
            response.finalized_features_epoch = 1;
            let features = state.features.iter().map(|(name, level)| FinalizedFeatureKey {
                name: Str::from_static(name),
                min_version_level: *level,
                max_version_level: *level,
            });
            response.finalized_features = features.collect();
        }
        call.reply(response)
    }

    fn metadata(&self, state: &State, call: &Call, request: MetadataRequest) -> Answer {
        let brokers = self.addresses.iter().filter(|(broker, _)| state.running.contains_key(broker));
        let brokers = brokers.map(|(broker, address)| MetadataResponseBroker {
            node_id: *broker,
            host: Str::from(address.ip().to_string()),
            port: address.port().into(),
            rack: None,
        });
        let missing = |name: &Str| MetadataResponseTopic {
            name: Some(name.clone()),
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
            ..Default::default()
        };
        let topics = match request.topics {
            None => state.topics.values().cloned().collect(),
            Some(asked) => asked
                .iter()
                .filter_map(|topic| topic.name.as_ref())
                .map(|name| state.topics.get(name).cloned().unwrap_or_else(|| missing(name)))
                .collect(),
        };
        let mut response = MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some("mock".into()),
            controller_id: state.controller,
            topics,
            ..Default::default()
        };
        for topic in &mut response.topics {
            if call.version < 10 {
                topic.topic_id = Uuid::default();
            }
            for partition in &mut topic.partitions {
                if call.version < 7 {
                    partition.leader_epoch = -1;
                }
            }
        }
        call.reply(response)
    }

    fn find_coordinator(&self, state: &State, call: &Call, request: FindCoordinatorRequest) -> Answer {
        let address = self.addresses[&state.coordinator];
        let (host, port) = (Str::from(address.ip().to_string()), i32::from(address.port()));
        let node_id = state.coordinator;
        if call.version < 4 {
            return call.reply(FindCoordinatorResponse { node_id, host, port, ..Default::default() });
        }
        let found = |key: Str| Coordinator { key, node_id, host: host.clone(), port, ..Default::default() };
        let coordinators = request.coordinator_keys.into_iter().map(found).collect();
        call.reply(FindCoordinatorResponse { coordinators, ..Default::default() })
    }
}
